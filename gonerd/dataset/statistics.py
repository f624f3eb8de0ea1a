"""What a dataset holds, counted while it is written."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path

from gonerd.dataset.align import Widened
from gonerd.dataset.config import SPLITS
from gonerd.dataset.leaks import LeakReport, LeakWatch
from gonerd.dataset.names import Ambiguity, Names, mention_distances
from gonerd.dataset.split import Leak
from gonerd.errors import GonerdError
from gonerd.formats.jsonl import from_json
from gonerd.labels import LabelScheme
from gonerd.records import Example
from gonerd.store import read_json

QUANTILES = {
    "minimum": 0.0,
    "p10": 0.1,
    "p25": 0.25,
    "median": 0.5,
    "p75": 0.75,
    "p90": 0.9,
    "p99": 0.99,
    "maximum": 1.0,
}
STATISTICS = "statistics.json"
LONG = (512, 1024, 2048, 4096)  # tokens


@dataclass(frozen=True, slots=True)
class SplitStatistics:
    """Counts of one split, or of all together."""

    documents: int
    characters: int  # code points
    tokens: int
    sentences: int | None  # None where a document has none given
    entities: dict[str, int]  # by label, in the scheme's order
    length: dict[str, int]  # quantiles of the tokens a document, nearest rank
    longer: dict[str, float]  # share of the documents with more tokens than so many
    balance: dict[str, float] = field(default_factory=dict)  # share of the entities by label
    mentions: dict[str, int] = field(default_factory=dict)  # quantiles of the entities a document
    distance: dict[str, int] = field(default_factory=dict)  # of the tokens from a name's first mention to its last
    repeated_names: int | None = None  # names mentioned twice or more in a document, over all documents


@dataclass(frozen=True, slots=True)
class SourceStatistics:
    """Counts of one source."""

    documents: int
    tokens: int
    entities: int
    licenses: tuple[str, ...]
    splits: dict[str, int]  # documents
    labels: dict[str, int] = field(default_factory=dict)  # entities
    length: dict[str, int] = field(default_factory=dict)  # quantiles of the tokens a document
    mentions: dict[str, int] = field(default_factory=dict)  # quantiles of the entities a document


@dataclass(frozen=True, slots=True)
class Statistics:
    """The content of `statistics.json`."""

    total: SplitStatistics
    splits: dict[str, SplitStatistics]
    sources: dict[str, SourceStatistics]
    licenses: dict[str, int]  # documents; the empty name stands for none given
    spans_widened: int
    spans_untagged: int
    leaks: LeakReport | None  # None without both train and test
    torn_groups: tuple[Leak, ...]  # near-duplicates that splits given from outside tear apart
    ambiguity: Ambiguity | None = None


@dataclass(slots=True)
class _Count:
    documents: int = 0
    characters: int = 0
    sentences: int | None = 0
    entities: Counter[str] = field(default_factory=Counter)
    tokens: int = 0
    lengths: Counter[int] = field(default_factory=Counter)
    mentions: Counter[int] = field(default_factory=Counter)
    distances: Counter[int] = field(default_factory=Counter)
    licenses: Counter[str] = field(default_factory=Counter)
    splits: Counter[str] = field(default_factory=Counter)

    def add(self, example: Example, distances: Iterable[int]) -> None:
        self.documents += 1
        self.characters += len(example.text)
        if self.sentences is not None:
            starts = example.sentence_starts
            self.sentences = None if starts is None else self.sentences + len(starts)
        self.entities.update(span.label for span in example.entities)
        self.tokens += len(example.tokens)
        self.lengths[len(example.tokens)] += 1
        self.mentions[len(example.entities)] += 1
        self.distances.update(distances)
        self.licenses[example.license or ""] += 1
        self.splits[example.split] += 1


class Collector:
    """Counts examples as they pass by, in memory that hardly grows with their number."""

    def __init__(self, scheme: LabelScheme) -> None:
        self._labels = scheme.names
        self._total = _Count()
        self._splits: dict[str, _Count] = {}
        self._sources: dict[str, _Count] = {}
        self._names = Names(scheme.names)
        self._leaks = LeakWatch()
        self._widened = self._untagged = 0

    def add(self, example: Example, widened: Iterable[Widened] = ()) -> None:
        """Take up one document and the spans that its tags do not give back exactly."""
        distances = mention_distances(example)
        self._total.add(example, distances)
        self._splits.setdefault(example.split, _Count()).add(example, distances)
        self._sources.setdefault(example.source, _Count()).add(example, distances)
        self._names.add(example)
        self._leaks.add(example)
        for record in widened:
            self._widened += record.tagged_start is not None
            self._untagged += record.tagged_start is None

    def finish(self, torn_groups: tuple[Leak, ...] = ()) -> Statistics:
        """Return the statistics of everything taken up."""
        return Statistics(
            total=self._describe(self._total),
            splits={name: self._describe(self._splits[name]) for name in in_order(self._splits)},
            sources={name: self._describe_source(count) for name, count in sorted(self._sources.items())},
            licenses=dict(sorted(self._total.licenses.items())),
            spans_widened=self._widened,
            spans_untagged=self._untagged,
            leaks=self._leaks.report(self._names),
            torn_groups=torn_groups,
            ambiguity=self._names.ambiguity(),
        )

    def _describe(self, count: _Count) -> SplitStatistics:
        entities, total = self._by_label(count), count.entities.total()
        return SplitStatistics(
            documents=count.documents,
            characters=count.characters,
            tokens=count.tokens,
            sentences=count.sentences,
            entities=entities,
            length=quantiles(count.lengths),
            longer=longer_shares(count.lengths),
            balance={label: round(number / total, 6) for label, number in entities.items()} if total else {},
            mentions=quantiles(count.mentions),
            distance=quantiles(count.distances),
            repeated_names=count.distances.total(),
        )

    def _describe_source(self, count: _Count) -> SourceStatistics:
        return SourceStatistics(
            documents=count.documents,
            tokens=count.tokens,
            entities=count.entities.total(),
            licenses=tuple(sorted(count.licenses)),
            splits={name: count.splits[name] for name in in_order(count.splits)},
            labels=self._by_label(count),
            length=quantiles(count.lengths),
            mentions=quantiles(count.mentions),
        )

    def _by_label(self, count: _Count) -> dict[str, int]:
        return {label: count.entities[label] for label in self._labels}


def quantiles(counts: Mapping[int, int]) -> dict[str, int]:
    """Return the quantiles, by nearest rank, of numbers that are given with how often they occur; none of none."""
    values = sorted(counts)
    upto = list(accumulate(counts[value] for value in values))
    if not values:
        return {}
    return {name: values[bisect_right(upto, round(share * (upto[-1] - 1)))] for name, share in QUANTILES.items()}


def longer_shares(lengths: Mapping[int, int]) -> dict[str, float]:
    """Return the share of some lengths, given with how often they occur, above 512, 1,024, 2,048 and 4,096."""
    total = max(1, sum(lengths.values()))
    above = {bound: sum(count for length, count in lengths.items() if length > bound) for bound in LONG}
    return {str(bound): round(count / total, 6) for bound, count in above.items()}


def read_statistics(folder: Path) -> Statistics:
    """Return the statistics of a dataset's folder.

    Raises:
        GonerdError: the folder has none, or a broken file.
    """
    path = folder / STATISTICS
    try:
        return from_json(Statistics, read_json(path))
    except ValueError as error:
        raise GonerdError(str(error), where=path) from error


def in_order(splits: Iterable[str]) -> list[str]:
    """Return names of splits in the usual order: train, validation, test, then any others by name."""
    return sorted(splits, key=lambda name: (SPLITS.index(name) if name in SPLITS else len(SPLITS), name))
