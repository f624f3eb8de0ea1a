"""How far annotators agree: on entities and on tokens, with a confusion table and the documents to look at first.

Nothing depends on the order of annotators, documents or spans.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from gonerd.annotation.compare import Passes, by_document, texts_of
from gonerd.errors import GonerdError
from gonerd.records import Annotation, Document, Span
from gonerd.scoring import Counts, score_spans

TOKEN = re.compile(r"\w+|[^\w\s]+")
"""What kappa counts as a token: a run of letters and digits, or a run of other signs."""
OUTSIDE = "O"
_RESAMPLES, _SEED = 1000, 20231101


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
    type_only: SpanAgreement


@dataclass(frozen=True, slots=True)
class PairAgreement:
    """Two annotators over the documents that both have annotated."""

    first: str
    second: str
    documents: int
    exact: SpanAgreement  # same start, end and label
    exact_low: float  # 95 % interval of the exact F1: percentiles of 1,000 resamples of the documents
    exact_high: float
    type_only: SpanAgreement  # same label, overlapping; each span counts once
    boundary_only: SpanAgreement  # same start and end, whatever the label
    by_label: dict[str, LabelAgreement]
    kappa: float  # Cohen's, over tokens, O included
    tokens: int
    confusion: dict[str, dict[str, int]]  # first's label -> second's label -> spans of the same boundaries


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
    table = by_document(passes)
    texts = texts_of(table, documents)
    shared = [name for name, annotations in table.items() if len(annotations) > 1]
    if not shared:
        raise GonerdError("no document has the passes of two annotators")
    pairs = (_pair(first, second, table, texts) for first, second in combinations(sorted(passes), 2))
    return Agreement(
        scheme=next(annotation.scheme for annotations in table.values() for annotation in annotations.values()),
        annotators={name: len(passes[name]) for name in sorted(passes)},
        documents=len(shared),
        pairs=tuple(pair for pair in pairs if pair.documents),
        ranking=tuple(sorted((_rank(name, table[name]) for name in shared), key=_by_differences)),
    )


def _pair(first: str, second: str, table: Passes, texts: Mapping[str, str]) -> PairAgreement:
    names = [name for name, annotations in table.items() if first in annotations and second in annotations]
    sides = [{name: table[name][annotator].spans for name in names} for annotator in (first, second)]
    labels = sorted({span.label for side in sides for spans in side.values() for span in spans})
    exact = score_spans(sides[0], sides[1], labels=labels)
    low, high = _interval([_exact_counts(sides[0][name], sides[1][name]) for name in names])
    kappa, tokens = _kappa(names, sides, texts)
    overlapping = {label: _sum(_overlap(*_of_label(label, name, sides)) for name in names) for label in labels}
    return PairAgreement(
        first=first,
        second=second,
        documents=len(names),
        exact=_stated(exact.micro),
        exact_low=low,
        exact_high=high,
        type_only=_stated(_sum(overlapping.values())),
        boundary_only=_stated(_sum(_same_boundaries(sides[0][name], sides[1][name]) for name in names)),
        by_label={x: LabelAgreement(_stated(exact.by_type[x]), _stated(overlapping[x])) for x in labels},
        kappa=kappa,
        tokens=tokens,
        confusion=_confusion(names, sides, labels),
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


def _of_label(label: str, name: str, sides: Sequence[Mapping[str, Sequence[Span]]]) -> list[list[Span]]:
    return [[span for span in side[name] if span.label == label] for side in sides]


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


def _confusion(
    names: Sequence[str], sides: Sequence[Mapping[str, Sequence[Span]]], labels: Sequence[str]
) -> dict[str, dict[str, int]]:
    counts: Counter[tuple[str, str]] = Counter()
    for name in names:
        other = {(span.start, span.end): span.label for span in sides[1][name]}
        for span in sides[0][name]:
            if (span.start, span.end) in other:
                counts[span.label, other[span.start, span.end]] += 1
    return {row: {column: counts[row, column] for column in labels} for row in labels}


def token_labels(text: str, spans: Sequence[Span]) -> list[str]:
    """Return the label of each token of `text` (see `TOKEN`): that of the first span it meets, else O."""
    labels, place = [], 0
    for token in TOKEN.finditer(text):
        while place < len(spans) and spans[place].end <= token.start():
            place += 1
        inside = place < len(spans) and spans[place].start < token.end()
        labels.append(spans[place].label if inside else OUTSIDE)
    return labels


def _kappa(
    names: Sequence[str], sides: Sequence[Mapping[str, Sequence[Span]]], texts: Mapping[str, str]
) -> tuple[float, int]:
    counts: Counter[tuple[str, str]] = Counter()
    for name in names:
        counts.update(zip(*(token_labels(texts[name], side[name]) for side in sides), strict=True))
    return cohen_kappa(counts), sum(counts.values())


def cohen_kappa(counts: Mapping[tuple[str, str], int]) -> float:
    """Return Cohen's kappa of a table of (first's label, second's label) -> items (Cohen 1960).

    1.0 where the two always agree, also when chance alone would have it so (one label only, or no items).
    """
    total = sum(counts.values())
    agreed = sum(count for (first, second), count in counts.items() if first == second)
    if agreed == total:
        return 1.0
    margins: tuple[Counter[str], Counter[str]] = (Counter(), Counter())
    for labels, count in counts.items():
        for margin, label in zip(margins, labels, strict=True):
            margin[label] += count
    chance = sum(margins[0][label] * margins[1][label] for label in margins[0])
    return (agreed * total - chance) / (total * total - chance)


def _interval(counts: Sequence[Counts]) -> tuple[float, float]:
    """Return the 95 % bootstrap interval of the exact F1: documents drawn with replacement, 1,000 times."""
    import numpy as np

    if not counts:
        return 0.0, 1.0
    table = np.array([(count.correct, count.gold + count.predicted) for count in counts], dtype=np.int64)
    generator = np.random.default_rng(_SEED)
    draws = [table[generator.integers(len(table), size=len(table))].sum(axis=0) for _ in range(_RESAMPLES)]
    shared, marked = np.array(draws, dtype=np.float64).T
    scores = np.where(marked > 0, 2 * shared / np.maximum(marked, 1), 1.0)
    low, high = np.percentile(scores, [2.5, 97.5])
    return float(low), float(high)


def _rank(name: str, annotations: Mapping[str, Annotation]) -> DocumentAgreement:
    passes = [annotations[annotator].spans for annotator in sorted(annotations)]
    counts = _sum(_exact_counts(first, second) for first, second in combinations(passes, 2))
    spans = counts.gold + counts.predicted
    return DocumentAgreement(name, _f1(counts), spans - 2 * counts.correct, sum(map(len, passes)))


def _by_differences(document: DocumentAgreement) -> tuple[int, float, str]:
    return (-document.differences, document.f1, document.document_id)
