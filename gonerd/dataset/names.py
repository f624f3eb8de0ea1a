"""Names as the statistics see them: how far apart their mentions are, and which surfaces have several labels."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from gonerd.records import Example

_SHOWN = 20


@dataclass(frozen=True, slots=True)
class AmbiguousName:
    """A surface that is annotated with several labels in the dataset."""

    surface: str
    labels: dict[str, int]  # mentions


@dataclass(frozen=True, slots=True)
class Ambiguity:
    """How many surfaces have several labels."""

    surfaces: int  # different ones
    ambiguous: int  # of them
    mentions: float | None  # share of the mentions whose surface is one of those
    examples: tuple[AmbiguousName, ...]  # the most frequent


def surface_of(example: Example, start: int, end: int) -> str:
    """Return a span's text on one line."""
    return " ".join(example.text[start:end].split())


def mention_distances(example: Example) -> list[int]:
    """Return, for each name (text and label) mentioned twice or more, the tokens from its first to its last mention."""
    first: dict[tuple[str, str], int] = {}
    last: dict[tuple[str, str], int] = {}
    for span in example.entities:
        name = (surface_of(example, span.start, span.end), span.label)
        place = bisect_right(example.token_starts, span.start)
        last[name] = place
        if first.setdefault(name, place) == place:
            del last[name]
    return [last[name] - first[name] for name in last]


class Surfaces:
    """Counts mentions by surface and label; grows with the number of different names."""

    def __init__(self, labels: Sequence[str]) -> None:
        self._labels = {label: number for number, label in enumerate(labels)}
        self._counts: Counter[tuple[str, int]] = Counter()

    def add(self, example: Example) -> None:
        """Take up one document."""
        for span in example.entities:
            self._counts[surface_of(example, span.start, span.end), self._labels[span.label]] += 1

    def finish(self) -> Ambiguity:
        """Return which surfaces have several labels."""
        labels = Counter(surface for surface, _ in self._counts)
        several = {surface: dict.fromkeys(self._labels, 0) for surface, count in labels.items() if count > 1}
        names = list(self._labels)
        for (surface, label), count in self._counts.items():
            if surface in several:
                several[surface][names[label]] = count
        order = sorted(several, key=lambda surface: (-sum(several[surface].values()), surface))
        mentions, total = sum(sum(counts.values()) for counts in several.values()), self._counts.total()
        return Ambiguity(
            surfaces=len(labels),
            ambiguous=len(several),
            mentions=round(mentions / total, 6) if total else None,
            examples=tuple(
                AmbiguousName(surface, {label: count for label, count in several[surface].items() if count})
                for surface in order[:_SHOWN]
            ),
        )
