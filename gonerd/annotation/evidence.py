"""What speaks for and against each mark of gold, and for marks that it lacks: numbers that the audit weighs."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gonerd.annotation.consistency import OUTSIDE, Places, Surface, share_against
from gonerd.annotation.features import Tokens
from gonerd.annotation.span_rules import Breach, breaches
from gonerd.conventions import Conventions
from gonerd.labels import LabelScheme
from gonerd.records import Annotation, Document, Span

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_LIKELY = 0.2  # the probability of a name from which an unmarked token is looked at
_CERTAIN = 1e-5  # probabilities are kept this far from 0 and 1
_NO_MODEL = -3.0  # what a model says of most marks, where none is asked


@dataclass(slots=True)
class Audited:
    """A document with everything that is known about it."""

    document: Document
    gold: Annotation
    tokens: Tokens
    places: Places
    probabilities: NDArray[np.float32] | None = None  # (tokens, tags), by a model that has not seen the document
    predictions: Sequence[Annotation] = ()
    ends: list[int] = field(default_factory=list)  # of tokens, in code points

    def __post_init__(self) -> None:
        self.ends = [start + len(word) for start, word in zip(self.tokens.starts, self.tokens.words, strict=True)]

    def token_range(self, start: int, end: int) -> tuple[int, int]:
        """Return the first token of a stretch and the one after its last."""
        first = bisect_right(self.ends, start)
        return first, max(first + 1, bisect_left(self.tokens.starts, end))


@dataclass(frozen=True, slots=True)
class Suspect:
    """A mark, or a stretch without one, and what speaks for and against it."""

    span: Span | None  # the mark
    start: int
    end: int
    evidence: dict[str, float]
    breaches: tuple[Breach, ...] = ()
    here: Counter[str] = field(default_factory=Counter)  # the surface's other occurrences in the document
    elsewhere: Counter[str] = field(default_factory=Counter)  # and in other documents
    likely: Span | None = None  # what the model has in its place
    likely_probability: float = 0.0


Corpus = Mapping[Surface, Counter[str]]


def suspects(audited: Audited, corpus: Corpus, *, scheme: LabelScheme, conventions: Conventions) -> Iterator[Suspect]:
    """Yield every mark of a document, and every stretch that may lack one."""
    surfaces = Counter(audited.document.text[span.start : span.end] for span in audited.gold.spans)
    for span, surface in audited.places.marked:
        yield _marked(
            audited, span, surface, corpus=corpus, scheme=scheme, broken=_broken(audited, span, surfaces, conventions)
        )
    for (start, end), repeated in sorted(_unmarked(audited, scheme).items()):
        yield _missing(audited, start, end, surface=repeated, corpus=corpus, scheme=scheme)


def _broken(audited: Audited, span: Span, surfaces: Counter[str], conventions: Conventions) -> tuple[Breach, ...]:
    own = audited.document.text[span.start : span.end]
    known = {surface for surface in surfaces if surface != own}
    return tuple(breaches(audited.document.text, span, conventions, known=known))


def _marked(
    audited: Audited,
    span: Span,
    surface: Surface,
    *,
    corpus: Corpus,
    scheme: LabelScheme,
    broken: tuple[Breach, ...],
) -> Suspect:
    first, after = audited.token_range(span.start, span.end)
    here = audited.places.others(surface, span.label)
    elsewhere = _elsewhere(audited, surface, corpus)
    likely, probability = _likely(audited, first, after, scheme)
    edges = [_words(audited, first + a, after + b) for a, b in ((-1, 0), (0, 1), (1, 0), (0, -1), (-2, 0), (0, 2))]
    evidence = {
        "model": _doubt(audited, span, first, after, scheme),
        "label_here": share_against(here, span.label),
        "label_elsewhere": share_against(elsewhere, span.label),
        "rule": float(bool(broken)),
        "same_here": float(here[span.label] > 0),
        "same_elsewhere": float(elsewhere[span.label] > 0),
        "edges_here": float(any(_is_marked(audited.places.counts.get(one, {})) for one in edges)),
        "edges_elsewhere": float(any(_is_marked(_elsewhere(audited, one, corpus)) for one in edges)),
        "two_words": float(after - first > 1),
        "five_words": float(after - first > 4),
        "predictions": _disagreement(audited, span),
    }
    likely = likely if likely != span else None
    return Suspect(
        span, span.start, span.end, evidence, broken, here, elsewhere, likely, probability if likely else 0.0
    )


def _missing(
    audited: Audited, start: int, end: int, *, surface: Surface | None, corpus: Corpus, scheme: LabelScheme
) -> Suspect:
    first, after = audited.token_range(start, end)
    words = surface or _words(audited, first, after)
    here = audited.places.others(words, OUTSIDE) if surface else Counter[str]()
    elsewhere = _elsewhere(audited, words, corpus)
    likely, probability = _likely(audited, first, after, scheme)
    evidence = {
        "model": _name_logit(audited, first, after),
        "missed_here": share_against(here, OUTSIDE),
        "missed_elsewhere": share_against(elsewhere, OUTSIDE),
        "unmarked_here": float(here[OUTSIDE] > 0),
        "repeat": float(surface is not None),
        "two_words": float(after - first > 1),
        "predictions": _predicted(audited, start, end),
    }
    return Suspect(None, start, end, evidence, (), here, elsewhere, likely, probability)


def _words(audited: Audited, first: int, after: int) -> Surface:
    return tuple(audited.tokens.words[first:after]) if 0 <= first < after <= audited.tokens.end else ()


def _is_marked(counts: Mapping[str, int]) -> bool:
    return any(count > 0 for label, count in counts.items() if label != OUTSIDE)


def _elsewhere(audited: Audited, surface: Surface, corpus: Corpus) -> Counter[str]:
    rest = Counter(corpus.get(surface, ()))
    rest.subtract(audited.places.counts.get(surface, {}))
    return +rest


def _logit(probability: float) -> float:
    kept = min(max(probability, _CERTAIN), 1 - _CERTAIN)
    return math.log(kept / (1 - kept))


def _doubt(audited: Audited, span: Span, first: int, after: int, scheme: LabelScheme) -> float:
    """Return the log odds that the model is against some token of a mark."""
    table = audited.probabilities
    if table is None:
        return _NO_MODEL
    begin, inside = scheme.tags.index(f"B-{span.label}"), scheme.tags.index(f"I-{span.label}")
    given = [float(table[first, begin]), *(float(table[place, inside]) for place in range(first + 1, after))]
    return _logit(1 - min(given))


def _name_logit(audited: Audited, first: int, after: int) -> float:
    """Return the log odds that the tokens of a stretch are of a name, on average."""
    table = audited.probabilities
    return _NO_MODEL if table is None else _logit(1 - float(table[first:after, 0].mean()))


def _likely(audited: Audited, first: int, after: int, scheme: LabelScheme) -> tuple[Span | None, float]:
    """Return the span that the model has where a stretch is, with the least of its tokens' probabilities."""
    table = audited.probabilities
    if table is None:
        return None, 0.0
    best = table.argmax(axis=1)
    start = next((place for place in range(first, after) if best[place]), None)
    if start is None:
        return None, float(table[first:after, 0].min())
    while start and best[start] % 2 == 0 and best[start - 1] in (best[start], best[start] - 1):
        start -= 1
    end, inside = start + 1, best[start] + best[start] % 2
    while end < audited.tokens.end and best[end] == inside:
        end += 1
    label = scheme.names[(int(best[start]) - 1) // 2]
    probability = min(float(table[place, best[place]]) for place in range(start, end))
    return Span(audited.tokens.starts[start], audited.ends[end - 1], label), probability


def _unmarked(audited: Audited, scheme: LabelScheme) -> dict[tuple[int, int], Surface | None]:
    """Return the stretches without a mark that may want one: repeats of marked surfaces, and what others find."""
    found: dict[tuple[int, int], Surface | None] = {
        (start, end): words for start, end, words in audited.places.unmarked
    }
    covered = [(start, end) for start, end in found]
    for start, end in (*_by_model(audited, scheme), *_by_predictions(audited)):
        if not any(start < there[1] and there[0] < end for there in covered):
            found.setdefault((start, end), None)
    return found


def _by_model(audited: Audited, scheme: LabelScheme) -> Iterator[tuple[int, int]]:
    """Yield the stretches of unmarked tokens that the model may take for a name."""
    table = audited.probabilities
    if table is None:
        return
    inside = [number for number, tag in enumerate(scheme.tags) if tag.startswith("I-")]
    begin = [number for number, tag in enumerate(scheme.tags) if tag.startswith("B-")]
    free = [tag == OUTSIDE and table[place, 0] < 1 - _LIKELY for place, tag in enumerate(audited.tokens.tags)]
    goes_on = table[:, inside].sum(axis=1) > table[:, begin].sum(axis=1)
    place = 0
    while place < len(free):
        after = place + 1
        if free[place]:
            while after < len(free) and free[after] and goes_on[after]:
                after += 1
            yield audited.tokens.starts[place], audited.ends[after - 1]
        place = after


def _by_predictions(audited: Audited) -> Iterator[tuple[int, int]]:
    for annotation in audited.predictions:
        for span in annotation.spans:
            if not any(span.start < one.end and one.start < span.end for one in audited.gold.spans):
                yield span.start, span.end


def _disagreement(audited: Audited, span: Span) -> float:
    """Return the share of the predictions that have not this very mark."""
    return sum(span not in one.spans for one in audited.predictions) / max(1, len(audited.predictions))


def _predicted(audited: Audited, start: int, end: int) -> float:
    """Return the share of the predictions that mark something there."""
    there = (any(span.start < end and start < span.end for span in one.spans) for one in audited.predictions)
    return sum(there) / max(1, len(audited.predictions))
