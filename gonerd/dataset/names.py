"""Names as the statistics see them: how far apart their mentions are, and which surfaces have several labels."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from gonerd.records import Example
from gonerd.scratch import scratch

_SHOWN = 20
_IN_MEMORY = 50_000  # names counted before they go to the disk


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


class Names:
    """Counts mentions by surface, label and split, and the titles of each split; most of them on disk."""

    def __init__(self, labels: Sequence[str]) -> None:
        self._labels = list(labels)
        self._counts: Counter[tuple[str, str, str]] = Counter()
        self._base = scratch(
            "names (surface TEXT, label TEXT, split TEXT, mentions INTEGER, PRIMARY KEY (surface, label, split)) "
            "WITHOUT ROWID",
            "titles (title TEXT, split TEXT, PRIMARY KEY (title, split)) WITHOUT ROWID",
        )

    def add(self, example: Example) -> None:
        """Take up one document."""
        for span in example.entities:
            self._counts[surface_of(example, span.start, span.end), span.label, example.split] += 1
        if example.title:
            title = " ".join(example.title.casefold().split())
            self._base.execute("INSERT OR IGNORE INTO titles VALUES (?, ?)", (title, example.split))
        if len(self._counts) > _IN_MEMORY:
            self._spill()

    def _spill(self) -> None:
        rows = ((*name, count) for name, count in sorted(self._counts.items()))
        self._base.executemany(
            "INSERT INTO names VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET mentions = mentions + excluded.mentions",
            rows,
        )
        self._counts.clear()

    def ambiguity(self) -> Ambiguity:
        """Return which surfaces have several labels."""
        self._spill()
        query = """SELECT COUNT(*), COALESCE(SUM(labels > 1), 0), SUM(mentions), SUM(mentions * (labels > 1)) FROM
            (SELECT COUNT(DISTINCT label) AS labels, SUM(mentions) AS mentions FROM names GROUP BY surface)"""
        surfaces, ambiguous, total, mentions = self._base.execute(query).fetchone()
        shown = self._base.execute(
            """SELECT surface FROM names GROUP BY surface HAVING COUNT(DISTINCT label) > 1
            ORDER BY SUM(mentions) DESC, surface LIMIT ?""",
            (_SHOWN,),
        ).fetchall()
        share = round(mentions / total, 6) if total else None
        return Ambiguity(surfaces, ambiguous, share, tuple(self._by_label(surface) for (surface,) in shown))

    def _by_label(self, surface: str) -> AmbiguousName:
        query = "SELECT label, SUM(mentions) FROM names WHERE surface = ? GROUP BY label"
        counts = dict(self._base.execute(query, (surface,)))
        return AmbiguousName(surface, {label: counts[label] for label in self._labels if label in counts})

    def seen(self, train: str, test: str) -> tuple[int, int, int, int]:
        """Return how many names (text and label) of `test` are in `train`, of how many; and the same of mentions."""
        self._spill()
        query = """SELECT COUNT(train.mentions), COUNT(*), COALESCE(SUM(test.mentions * (train.mentions > 0)), 0),
            COALESCE(SUM(test.mentions), 0) FROM names AS test LEFT JOIN names AS train
            ON train.surface = test.surface AND train.label = test.label AND train.split = ? WHERE test.split = ?"""
        names, all_names, mentions, all_mentions = self._base.execute(query, (train, test)).fetchone()
        return names, all_names, mentions, all_mentions

    def shared_titles(self, one: str, other: str) -> tuple[str, ...]:
        """Return the titles, casefolded, that occur in both splits, in order."""
        query = """SELECT title FROM titles WHERE split = ? INTERSECT SELECT title FROM titles WHERE split = ?
            ORDER BY title"""
        return tuple(title for (title,) in self._base.execute(query, (one, other)))
