"""What other schemes have inside an entity and this one's conventions leave out: a leading "the", a trailing "'s"."""

from __future__ import annotations

from collections.abc import Sequence

from gonerd.conventions import Conventions
from gonerd.labels import spans_from_tags


def trimmed(tokens: Sequence[str], tags: Sequence[str], conventions: Conventions) -> tuple[str, ...]:
    """Return IOB2 tags with article and possessive cut off each entity; an entity of these words alone is dropped.

    Words only: where a token is more than that, or a title stands before a name, nothing is cut.
    """
    found = list(tags)
    for span in spans_from_tags(tags):
        start, end = span.start, span.end
        if tokens[start].lower() in conventions.before:
            found[start] = "O"
            start += 1
            if start < end:
                found[start] = f"B-{span.label}"
        if start < end and tokens[end - 1] in conventions.after:
            found[end - 1] = "O"
    return tuple(found)
