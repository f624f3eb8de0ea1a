"""The name-lookup baseline: what the names of the training data alone find.

What a model scores above it, it does not owe to names it has seen. Surfaces of training entities are looked up from
left to right, the longest first, with their most frequent label.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gonerd.labels import spans_from_tags, tags_from_spans
from gonerd.records import Span

Surface = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Lookup:
    """Names and their labels."""

    labels: dict[Surface, str]
    longest: int  # words in the longest name

    @classmethod
    def fit(cls, rows: Iterable[tuple[Sequence[str], Sequence[str]]], *, skip_common: bool = True) -> Lookup:
        """Collect the names of training rows.

        Args:
            rows: words and IOB2 tags of each document.
            skip_common: leave out a surface that is more often no name in the same rows, such as "May". What lies
                inside a longer name is neither a name nor a common word there.

        The label is the most frequent one, the first in the alphabet where two are as frequent.
        """
        texts = [(tuple(tokens), tuple(tags)) for tokens, tags in rows]
        counts: defaultdict[Surface, Counter[str]] = defaultdict(Counter)
        for tokens, tags in texts:
            if len(tokens) != len(tags):
                raise ValueError(f"{len(tokens)} words but {len(tags)} tags")
            for span in spans_from_tags(tags):
                counts[tokens[span.start : span.end]][span.label] += 1
        labels = {surface: min(found, key=lambda label: (-found[label], label)) for surface, found in counts.items()}
        if skip_common:
            common = _plain_uses(texts, labels)
            labels = {surface: label for surface, label in labels.items() if common[surface] <= counts[surface].total()}
        return cls(labels, max(map(len, labels), default=0))

    def predict_tags(self, tokens: Sequence[str]) -> list[str]:
        """Return one IOB2 tag a word."""
        found: list[Span] = []
        position = 0
        while position < len(tokens):
            width = self._match(tokens, position)
            if width:
                label = self.labels[tuple(tokens[position : position + width])]
                found.append(Span(position, position + width, label))
            position += max(width, 1)
        return tags_from_spans(len(tokens), found)

    def _match(self, tokens: Sequence[str], position: int) -> int:
        """Return how many words the longest name at a position has; 0 when there is none."""
        for width in range(min(self.longest, len(tokens) - position), 0, -1):
            if tuple(tokens[position : position + width]) in self.labels:
                return width
        return 0


def _plain_uses(texts: Sequence[tuple[Surface, Surface]], surfaces: Iterable[Surface]) -> Counter[Surface]:
    """Count how often each surface stands where no word of it belongs to a name."""
    wanted = set(surfaces)
    by_first: defaultdict[str, set[int]] = defaultdict(set)
    for surface in wanted:
        by_first[surface[0]].add(len(surface))
    uses: Counter[Surface] = Counter()
    for tokens, tags in texts:
        for position, token in enumerate(tokens):
            for width in by_first.get(token, ()) if tags[position] == "O" else ():
                window = tokens[position : position + width]
                if window in wanted and set(tags[position : position + width]) == {"O"}:
                    uses[window] += 1
    return uses
