"""What OntoNotes has inside an entity and the scheme's guidelines do not: a leading "the", a trailing "'s"."""

from __future__ import annotations

from collections.abc import Sequence

from gonerd.labels import spans_from_tags

ARTICLE = "the"
POSSESSIVES = ("'s", "’s")


def trimmed(tokens: Sequence[str], tags: Sequence[str]) -> tuple[str, ...]:
    """Return IOB2 tags with the article and the possessive cut off each entity; an entity of these alone is dropped."""
    found = list(tags)
    for span in spans_from_tags(tags):
        start, end = span.start, span.end
        if tokens[start].lower() == ARTICLE:
            found[start] = "O"
            start += 1
            if start < end:
                found[start] = f"B-{span.label}"
        if start < end and tokens[end - 1] in POSSESSIVES:
            found[end - 1] = "O"
    return tuple(found)
