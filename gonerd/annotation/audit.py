"""Finds likely errors in gold: marks that do not fit, and names that lack one; the most suspicious first, with reasons.

Each mark is held against the guideline's span rules, against how its surface is marked elsewhere in the document and
the corpus, and against a light model that has not seen the document (`cross_validation`); predictions by others may be
added. What all this says together is weighed by a logistic model with the weights below. They were fitted on gold with
known errors (`benchmarks/audit.py --fit`), and say how likely a place is one of them where 3 in 100 marks are wrong:
elsewhere the order counts more than the figure.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from gonerd.annotation import rules
from gonerd.annotation.consistency import OUTSIDE, corpus_counts, places
from gonerd.annotation.cross_validation import cross_validated
from gonerd.annotation.evidence import Audited, Suspect, suspects
from gonerd.annotation.features import Tokens
from gonerd.conventions import load_conventions
from gonerd.errors import GonerdError
from gonerd.labels import load_scheme
from gonerd.records import Annotation, Document, Progress, Span, silent

MARKED = {
    "bias": -5.5,
    "model": 0.8,
    "label_here": 2.1,
    "label_elsewhere": 1.8,
    "rule": 1.4,
    "same_here": -3.6,
    "same_elsewhere": -2.2,
    "edges_here": 1.8,
    "edges_elsewhere": 0.5,
    "two_words": -2.2,
    "five_words": -1.7,
    "predictions": 2.0,  # by hand: no predictions were at hand where the others were fitted
}
UNMARKED = {
    "bias": -4.2,
    "model": 0.3,
    "missed_here": 1.8,
    "missed_elsewhere": -0.6,
    "unmarked_here": -1.0,
    "repeat": 0.8,
    "two_words": -0.2,
    "predictions": 2.0,  # by hand
}
_TOLD = 0.5  # a share against a mark from which it is a reason


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditConfig:
    """What is looked at, and how much is told."""

    folds: int = 5
    """Parts of the documents for the light model, each judged by one that learned from the others; 0: no model."""
    most: int = 200
    """Findings to tell, the most suspicious first."""

    def __post_init__(self) -> None:
        if self.folds < 0 or self.folds == 1 or self.most < 1:
            raise GonerdError(
                f"folds {self.folds}, most {self.most}", remedy="Set folds to 0, or 2 or more, and most to 1 or more"
            )


@dataclass(frozen=True, slots=True)
class Ground:
    """One reason for a suspicion."""

    kind: str  # rule, document, corpus, missed, edges, model, predictions
    text: str


@dataclass(frozen=True, slots=True)
class Finding:
    """A place that may be wrong."""

    document_id: str
    start: int  # code points
    end: int
    surface: str
    label: str | None  # as marked; None where nothing is
    instead: Span | None  # what it may have to be; None: no mark, or nobody can tell
    score: float  # 0 to 1
    reasons: tuple[Ground, ...]


def audit(
    gold: Iterable[Annotation],
    documents: Iterable[Document],
    *,
    config: AuditConfig,
    predictions: Mapping[str, Sequence[Annotation]] | None = None,
    progress: Progress = silent,
) -> list[Finding]:
    """Return the most suspicious places of gold, in order; the order of the documents does not matter.

    Args:
        gold: one annotation a document.
        documents: the documents annotated; others may be among them.
        config: how.
        predictions: by annotator, over any of the documents, by models that have not seen them.
        progress: told the folds done.

    Raises:
        GonerdError: no gold, gold in two schemes or twice for a document, or an annotation whose document is missing or
            has another text.
    """
    audited = prepare(gold, documents, folds=config.folds, predictions=predictions, progress=progress)
    scheme = load_scheme(audited[0].gold.scheme)
    corpus = corpus_counts(one.places for one in audited)
    conventions = load_conventions(scheme.name)
    found = [
        _finding(one.document, suspect)
        for one in audited
        for suspect in suspects(one, corpus, scheme=scheme, conventions=conventions)
    ]
    found.sort(key=lambda finding: (-finding.score, finding.document_id, finding.start))
    return found[: config.most]


def prepare(
    gold: Iterable[Annotation],
    documents: Iterable[Document],
    *,
    folds: int,
    predictions: Mapping[str, Sequence[Annotation]] | None = None,
    progress: Progress = silent,
) -> list[Audited]:
    """Return each annotated document with all that is known about it, in order of the ids.

    Raises:
        GonerdError: as `audit`.
    """
    audited = _read_together(gold, documents, predictions=predictions or {})
    scheme = load_scheme(audited[0].gold.scheme)
    if folds and len(audited) > 1:
        order = sorted(audited, key=lambda one: one.document.text_sha256)
        tables = cross_validated([one.tokens for one in order], scheme=scheme, folds=folds, progress=progress)
        for one, table in zip(order, tables, strict=True):
            one.probabilities = table
    return audited


def _read_together(
    gold: Iterable[Annotation], documents: Iterable[Document], *, predictions: Mapping[str, Sequence[Annotation]]
) -> list[Audited]:
    """Return each annotated document with its gold and predictions, in order of the ids; checked.

    Raises:
        GonerdError: as `audit`.
    """
    held = {document.id: document for document in documents}
    by_id: dict[str, Annotation] = {}
    for annotation in gold:
        if by_id.setdefault(annotation.document_id, annotation) is not annotation:
            raise GonerdError("two annotations; an audit takes one", where=f"document {annotation.document_id!r}")
        _check(annotation, held)
    if not by_id:
        raise GonerdError("there is no gold to audit")
    if len(schemes := {annotation.scheme for annotation in by_id.values()}) > 1:
        raise GonerdError(f"the gold is in different label schemes: {', '.join(sorted(schemes))}")
    others: dict[str, list[Annotation]] = {}
    for name in sorted(predictions):
        for annotation in predictions[name]:
            if annotation.document_id in by_id:
                _check(annotation, held)
                others.setdefault(annotation.document_id, []).append(annotation)
    return [_audited(held[name], by_id[name], others.get(name, ())) for name in sorted(by_id)]


def _check(annotation: Annotation, held: Mapping[str, Document]) -> None:
    document = held.get(annotation.document_id)
    where = f"document {annotation.document_id!r}"
    if document is None:
        raise GonerdError("the annotated document is missing", where=where, remedy="Give the documents of the gold")
    if annotation.text_sha256 != document.text_sha256:
        raise GonerdError(f"{annotation.annotator!r} annotated another text", where=where)
    if annotation.spans and annotation.spans[-1].end > len(document.text):
        raise GonerdError(f"a span by {annotation.annotator!r} ends after the text", where=where)


def _audited(document: Document, gold: Annotation, predictions: Sequence[Annotation]) -> Audited:
    nlp = rules.pipeline()
    with nlp.memory_zone():
        by_rule = rules.find(nlp(document.text))
    tokens = Tokens.of(document.text, gold.spans, by_rule)
    return Audited(document, gold, tokens, places(document.text, gold.spans), predictions=predictions)


def _finding(document: Document, suspect: Suspect) -> Finding:
    grounds = tuple(_grounds(suspect, document.text))
    return Finding(
        document.id,
        suspect.start,
        suspect.end,
        document.text[suspect.start : suspect.end],
        suspect.span.label if suspect.span else None,
        _instead(suspect),
        round(score(suspect), 6),
        grounds,
    )


def score(suspect: Suspect) -> float:
    """Return how suspicious a place is, 0 to 1."""
    weights = MARKED if suspect.span else UNMARKED
    total = weights["bias"] + sum(weights[name] * value for name, value in suspect.evidence.items())
    return 1 / (1 + math.exp(-total))


def _instead(suspect: Suspect) -> Span | None:
    """Return what a place may have to be: by the rule it breaks, else by its other mentions, else by the model."""
    for breach in suspect.breaches:
        return breach.instead
    for counts in (suspect.here, suspect.elsewhere):
        label, count = max(counts.items(), key=lambda item: (item[1], item[0]), default=(OUTSIDE, 0))
        if 2 * count > sum(counts.values()) and label != (suspect.span.label if suspect.span else OUTSIDE):
            return None if label == OUTSIDE else Span(suspect.start, suspect.end, label)
    return suspect.likely


def _grounds(suspect: Suspect, text: str) -> Iterator[Ground]:
    label = suspect.span.label if suspect.span else OUTSIDE
    for breach in suspect.breaches:
        yield Ground("rule", f"rule {breach.rule}: {breach.why}")
    for kind, where, counts in (
        ("document" if suspect.span else "missed", "elsewhere in this document", suspect.here),
        ("corpus", "in other documents", suspect.elsewhere),
    ):
        against = {name: count for name, count in counts.items() if name != label}
        if against and sum(against.values()) > _TOLD * sum(counts.values()):
            yield Ground(kind, f"{where} it is {_told(counts)}")
    if suspect.evidence.get("edges_here"):
        yield Ground("edges", "the document marks the name with other edges elsewhere")
    if suspect.span is not None and suspect.likely is not None:
        there = text[suspect.likely.start : suspect.likely.end]
        yield Ground("model", f"the model expects {there!r} {suspect.likely.label} ({suspect.likely_probability:.2f})")
    elif suspect.span is not None and suspect.evidence["model"] > 0:
        yield Ground("model", "the model expects no name here")
    elif suspect.span is None and suspect.likely is not None:
        yield Ground("model", f"the model expects {suspect.likely.label} here ({suspect.likely_probability:.2f})")
    if (share := suspect.evidence["predictions"]) > _TOLD:
        yield Ground("predictions", f"{share:.0%} of the predictions differ")


def _told(counts: Mapping[str, int]) -> str:
    named = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{'unmarked' if name == OUTSIDE else name} {count}" for name, count in named)
