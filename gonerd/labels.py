"""Label schemes, and the one place that knows what a tag prefix means: spans <-> IOB2.

Tags are also integers here: 0 is `O`, `2 i + 1` is `B-` and `2 i + 2` is `I-` of the scheme's label i. That is the
order of `ner_tags` in every dataset of the benchmark.
"""

from __future__ import annotations

import tomllib
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Literal

from gonerd.errors import GonerdError, unknown_name
from gonerd.records import Span
from gonerd.resources import folder

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Reading = Literal["strict", "lenient"]
"""How malformed tags are read.

strict: an entity starts at `B-` only; an `I-` that continues nothing is no entity (seqeval, strict, IOB2).
lenient: an `I-` that continues nothing starts an entity (conlleval, seqeval's default).
"""


@dataclass(frozen=True, slots=True)
class Label:
    """One entity type and its definition in a line."""

    name: str
    definition: str


@dataclass(frozen=True, slots=True)
class LabelScheme:
    """A named, ordered set of entity types."""

    name: str
    labels: tuple[Label, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The labels' names, in the scheme's order."""
        return tuple(label.name for label in self.labels)

    @property
    def tags(self) -> tuple[str, ...]:
        """`O` and the IOB2 tags, in the order of their integers."""
        return ("O", *(f"{prefix}-{name}" for name in self.names for prefix in "BI"))

    def tag_ids(self, tags: Iterable[str], *, where: object = None) -> list[int]:
        """Return the integer of each tag; a tag outside the scheme is an error naming it and its position."""
        index, given = _tag_index(self), list(tags)
        try:
            return list(map(index.__getitem__, given))
        except KeyError:
            position, tag = next((place, tag) for place, tag in enumerate(given) if tag not in index)
        place = f"{where}, token {position}" if where is not None else f"token {position}"
        raise unknown_name("tag", tag, self.tags, where=place)


@cache
def _tag_index(scheme: LabelScheme) -> dict[str, int]:
    return {tag: number for number, tag in enumerate(scheme.tags)}


def has_scheme(name: str) -> bool:
    """Tell whether there is a scheme of that name."""
    return (folder("annotation_guidelines") / f"{name}.toml").is_file()


@cache
def load_scheme(name: str = "gonerd") -> LabelScheme:
    """Return the scheme that `annotation_guidelines/<name>.toml` defines.

    Raises:
        GonerdError: no scheme of that name, or a scheme without labels.
    """
    schemes = {path.stem: path for path in folder("annotation_guidelines").glob("*.toml")}
    if name not in schemes:
        raise unknown_name("label scheme", name, schemes)
    labels = tomllib.loads(schemes[name].read_text(encoding="utf-8")).get("labels", {})
    if not labels:
        raise GonerdError("the scheme has no [labels]", where=schemes[name])
    return LabelScheme(name, tuple(Label(label, definition) for label, definition in labels.items()))


def tags_from_spans(length: int, spans: Iterable[Span]) -> list[str]:
    """Return `length` IOB2 tags for flat `spans` whose offsets are token indexes."""
    tags = ["O"] * length
    for span in spans:
        if span.end > length:
            raise ValueError(f"span [{span.start}, {span.end}) ends after the last of {length} tokens")
        tags[span.start] = f"B-{span.label}"
        for position in range(span.start + 1, span.end):
            tags[position] = f"I-{span.label}"
    return tags


def spans_from_tags(tags: Sequence[str], *, reading: Reading = "strict") -> list[Span]:
    """Return the entities of IOB2 `tags` as spans over token indexes, in order."""
    spans: list[Span] = []
    start, open_label = 0, None
    for position, tag in enumerate([*tags, "O"]):
        if tag == "O" and open_label is None:  # most words
            continue
        prefix, _, label = tag.partition("-")
        if prefix == "I" and label == open_label:
            continue
        if open_label is not None:
            spans.append(Span(start, position, open_label))
        begins = prefix == "B" or (prefix == "I" and reading == "lenient")
        start, open_label = position, (label if begins else None)
    return spans


def token_spans(token_starts: Sequence[int], tokens: Sequence[str], spans: Iterable[Span]) -> list[Span]:
    """Return character `spans` as spans over token indexes, widened to whole tokens.

    A span that covers no token at all, or meets a token that an earlier span has taken, is left out; a caller that must
    know compares lengths.
    """
    ends = [start + len(token) for start, token in zip(token_starts, tokens, strict=True)]
    found: list[Span] = []
    for span in spans:
        first = bisect_right(ends, span.start)
        last = bisect_left(token_starts, span.end)
        if first < last and not (found and first < found[-1].end):
            found.append(Span(first, last, span.label))
    return found


def text_spans(token_starts: Sequence[int], tokens: Sequence[str], spans: Iterable[Span]) -> list[Span]:
    """Return spans over token indexes as spans in code points of the text."""
    return [
        Span(token_starts[span.start], token_starts[span.end - 1] + len(tokens[span.end - 1]), span.label)
        for span in spans
    ]


def entity_table(
    tag_ids: NDArray[np.integer], document_starts: NDArray[np.integer], *, reading: Reading
) -> NDArray[np.int64]:
    """Return the entities of integer tags of many documents, laid end to end.

    Args:
        tag_ids: (tokens,) integers of a scheme's tags.
        document_starts: (documents,) index of each document's first token; entities end where documents do. An empty
            document starts where the next one does, or at the end.
        reading: how malformed tags are read.

    Returns:
        (entities, 3) rows of first token, token after the last, label index; in order of the first token.
    """
    import numpy as np

    tags = np.asarray(tag_ids)
    if tags.size == 0:
        return np.empty((0, 3), dtype=np.int64)
    inside = tags > 0
    odd = (tags & 1).astype(np.bool_)
    continues = inside & ~odd  # an I- after B- or I- of the same label; B- is odd, and the I- of its label one more
    continues[1:] &= (tags[1:] == tags[:-1]) | ((tags[1:] - 1 == tags[:-1]) & odd[:-1])
    continues[0] = False
    starts = np.asarray(document_starts, dtype=np.int64)
    continues[starts[starts < tags.size]] = False
    first = np.flatnonzero(inside & odd if reading == "strict" else inside & ~continues)
    after = _ends(first, continues)
    return np.stack([first, after, (tags[first].astype(np.int64) - 1) >> 1], axis=1)


def _ends(first: NDArray[np.int64], continues: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return the index after the last token of each entity: only the ends of continued runs are ever listed."""
    import numpy as np

    padded = np.append(continues, False)
    run_ends = np.flatnonzero(padded[:-1] & ~padded[1:]) + 1
    after = first + 1
    long = padded[after]
    after[long] = run_ends[np.searchsorted(run_ends, after[long], side="right")]
    return after
