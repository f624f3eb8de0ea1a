"""How far annotators agree: on entities and on tokens, with a confusion table and the documents to look at first.

Nothing depends on the order of annotators, documents or spans.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from gonerd.annotation.compare import Passes, by_document, texts_of
from gonerd.annotation.token_agreement import Units, cohen_kappa, krippendorff_alpha, token_labels, units_of
from gonerd.bootstrap import Interval, draw_sums, f1_of, interval_of
from gonerd.errors import GonerdError
from gonerd.records import Annotation, Document, Span
from gonerd.scoring import Counts

UNMARKED = "-"
"""In the confusion table: no span with these boundaries."""


@dataclass(frozen=True, slots=True)
class SpanAgreement:
    """Entity-level agreement: F1 = 2 shared / (first + second), the same from either side; 1.0 where nobody marks."""

    f1: float
    shared: int
    first: int
    second: int


@dataclass(frozen=True, slots=True)
class LabelAgreement:
    """Agreement on the spans of one label."""

    exact: SpanAgreement
    exact_interval: Interval
    type_only: SpanAgreement


@dataclass(frozen=True, slots=True)
class SourceAgreement:
    """Agreement on the documents of one source."""

    documents: int
    exact: SpanAgreement
    exact_interval: Interval
    type_only: SpanAgreement
    boundary_only: SpanAgreement
    kappa: float


@dataclass(frozen=True, slots=True)
class PairAgreement:
    """Two annotators over the documents that both have annotated."""

    first: str
    second: str
    documents: int
    exact: SpanAgreement  # same start, end and label
    exact_interval: Interval
    type_only: SpanAgreement  # same label, overlapping; each span counts once
    boundary_only: SpanAgreement  # same start and end, whatever the label
    by_label: dict[str, LabelAgreement]
    by_source: dict[str, SourceAgreement]
    kappa: float  # Cohen's, over tokens, O included
    tokens: int
    # First's label -> second's label -> spans of the same boundaries; `-` stands for no span with these boundaries.
    confusion: dict[str, dict[str, int]]


@dataclass(frozen=True, slots=True)
class DocumentAgreement:
    """One document over all its pairs of annotators."""

    document_id: str
    f1: float  # exact
    differences: int  # spans that the other of the pair has not
    spans: int


@dataclass(frozen=True, slots=True)
class Agreement:
    """The agreement of two annotators or more."""

    scheme: str
    annotators: dict[str, int]  # documents annotated
    documents: int  # with two passes or more
    alpha: float  # Krippendorff's, over tokens, O included, all annotators together
    alpha_by_source: dict[str, float]
    pairs: tuple[PairAgreement, ...]  # those that share a document, in order of the names
    ranking: tuple[DocumentAgreement, ...]  # most differences first


def agreement(passes: Mapping[str, Sequence[Annotation]], documents: Iterable[Document]) -> Agreement:
    """Return how far annotators agree over the documents that they share.

    Args:
        passes: each annotator's annotations, at most one a document.
        documents: the documents annotated; others may be among them.

    Raises:
        GonerdError: fewer than two annotators, no document that two of them share, a second pass over a document,
            different schemes, or an annotation whose document is missing or has another text.
    """
    held = {document.id: document for document in documents}
    table = by_document(passes)
    texts_of(table, held.values())
    shared = [name for name, annotations in table.items() if len(annotations) > 1]
    if not shared:
        raise GonerdError("no document has the passes of two annotators")
    units = {name: units_of(held[name].text, [one.spans for one in table[name].values()]) for name in shared}
    pairs = (_pair(first, second, table, held) for first, second in combinations(sorted(passes), 2))
    return Agreement(
        scheme=next(annotation.scheme for annotations in table.values() for annotation in annotations.values()),
        annotators={name: len(passes[name]) for name in sorted(passes)},
        documents=len(shared),
        alpha=_alpha(units, shared),
        alpha_by_source={source: _alpha(units, names) for source, names in _by_source(shared, held).items()},
        pairs=tuple(pair for pair in pairs if pair.documents),
        ranking=tuple(sorted((_rank(name, table[name]) for name in shared), key=_by_differences)),
    )


def _alpha(units: Mapping[str, Units], names: Iterable[str]) -> float:
    together: Units = Counter()
    for name in names:
        together.update(units[name])
    return krippendorff_alpha(together)


def _by_source(names: Iterable[str], held: Mapping[str, Document]) -> dict[str, list[str]]:
    """Return the documents by source, in order."""
    sources: dict[str, list[str]] = {}
    for name in names:
        sources.setdefault(held[name].source, []).append(name)
    return dict(sorted(sources.items()))


@dataclass(frozen=True, slots=True)
class _Sides:
    """Two annotators' spans over some documents that both have annotated."""

    names: list[str]
    sides: tuple[Mapping[str, Sequence[Span]], Mapping[str, Sequence[Span]]]

    def of(self, names: list[str]) -> _Sides:
        return _Sides(names, self.sides)

    def label(self, label: str) -> _Sides:
        """The spans of one label alone."""
        first, second = (
            {name: [span for span in side[name] if span.label == label] for name in self.names} for side in self.sides
        )
        return _Sides(self.names, (first, second))

    def counts(self, count: Callable[[Sequence[Span], Sequence[Span]], Counts]) -> list[Counts]:
        """Count something in each document."""
        return [count(self.sides[0][name], self.sides[1][name]) for name in self.names]

    def labels(self) -> list[str]:
        return sorted({span.label for side in self.sides for name in self.names for span in side[name]})


def _pair(first: str, second: str, table: Passes, held: Mapping[str, Document]) -> PairAgreement:
    names = [name for name, annotations in table.items() if first in annotations and second in annotations]
    one, other = ({name: table[name][annotator].spans for name in names} for annotator in (first, second))
    both = _Sides(names, (dict(one), dict(other)))
    by_label = {label: both.label(label) for label in both.labels()}
    counts = both.counts(_exact_counts)
    kappa, tokens = _kappa(both, held)
    return PairAgreement(
        first=first,
        second=second,
        documents=len(names),
        exact=_stated(_sum(counts)),
        exact_interval=_interval(counts),
        type_only=_stated(_sum(count for part in by_label.values() for count in part.counts(_overlap))),
        boundary_only=_stated(_sum(both.counts(_same_boundaries))),
        by_label={label: _label(part) for label, part in by_label.items()},
        by_source={source: _source(both.of(group), held) for source, group in _by_source(names, held).items()},
        kappa=kappa,
        tokens=tokens,
        confusion=_confusion(both),
    )


def _label(part: _Sides) -> LabelAgreement:
    counts = part.counts(_exact_counts)
    return LabelAgreement(_stated(_sum(counts)), _interval(counts), _stated(_sum(part.counts(_overlap))))


def _source(part: _Sides, held: Mapping[str, Document]) -> SourceAgreement:
    counts = part.counts(_exact_counts)
    overlapping = (count for label in part.labels() for count in part.label(label).counts(_overlap))
    return SourceAgreement(
        documents=len(part.names),
        exact=_stated(_sum(counts)),
        exact_interval=_interval(counts),
        type_only=_stated(_sum(overlapping)),
        boundary_only=_stated(_sum(part.counts(_same_boundaries))),
        kappa=_kappa(part, held)[0],
    )


def _stated(counts: Counts) -> SpanAgreement:
    """Return counts (`gold` is the first annotator) as agreement."""
    return SpanAgreement(_f1(counts), counts.correct, counts.gold, counts.predicted)


def _f1(counts: Counts) -> float:
    return counts.f1 if counts.gold + counts.predicted else 1.0


def _sum(counts: Iterable[Counts]) -> Counts:
    return sum(counts, Counts())


def _exact_counts(first: Sequence[Span], second: Sequence[Span]) -> Counts:
    return Counts(len(set(first) & set(second)), len(second), len(first))


def _same_boundaries(first: Sequence[Span], second: Sequence[Span]) -> Counts:
    places = [{(span.start, span.end) for span in side} for side in (first, second)]
    return Counts(len(places[0] & places[1]), len(second), len(first))


def _overlap(first: Sequence[Span], second: Sequence[Span]) -> Counts:
    """Count the pairs of overlapping spans, each span in one pair at most, as many as there can be.

    In two flat, ordered lists the span that ends first overlaps nothing further on, so pairing it at once is best.
    """
    pairs = i = j = 0
    while i < len(first) and j < len(second):
        one, other = first[i], second[j]
        meet = one.start < other.end and other.start < one.end
        pairs += meet
        step = (one.end <= other.end, other.end <= one.end)
        i, j = (i + 1, j + 1) if meet else (i + step[0], j + step[1])
    return Counts(pairs, len(second), len(first))


def _confusion(both: _Sides) -> dict[str, dict[str, int]]:
    counts: Counter[tuple[str, str]] = Counter()
    for name in both.names:
        one, other = ({(span.start, span.end): span.label for span in side[name]} for side in both.sides)
        for place in one.keys() | other.keys():
            counts[one.get(place, UNMARKED), other.get(place, UNMARKED)] += 1
    labels = [*both.labels(), UNMARKED]
    return {row: {column: counts[row, column] for column in labels} for row in labels}


def _kappa(both: _Sides, held: Mapping[str, Document]) -> tuple[float, int]:
    counts: Counter[tuple[str, str]] = Counter()
    for name in both.names:
        text = held[name].text
        counts.update(zip(*(token_labels(text, side[name]) for side in both.sides), strict=True))
    return cohen_kappa(counts), sum(counts.values())


def _interval(counts: Sequence[Counts]) -> Interval:
    """Return the bootstrap interval of the F1 over documents; a draw in which nothing is marked counts as agreement."""
    import numpy as np

    if not counts:
        return Interval(0.0, 1.0)
    table = np.array([(count.correct, count.predicted, count.gold) for count in counts], dtype=np.int64)
    sums = draw_sums(table)
    return interval_of(np.where(sums[:, 1:].sum(axis=1) > 0, f1_of(sums), 1.0))


def _rank(name: str, annotations: Mapping[str, Annotation]) -> DocumentAgreement:
    passes = [annotations[annotator].spans for annotator in sorted(annotations)]
    counts = _sum(_exact_counts(first, second) for first, second in combinations(passes, 2))
    spans = counts.gold + counts.predicted
    return DocumentAgreement(name, _f1(counts), spans - 2 * counts.correct, sum(map(len, passes)))


def _by_differences(document: DocumentAgreement) -> tuple[int, float, str]:
    return (-document.differences, document.f1, document.document_id)
