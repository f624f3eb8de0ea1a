"""Exact spans to IOB2 tags on tokens that know nothing of them; every loss is recorded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gonerd.labels import tags_from_spans, text_spans, token_spans
from gonerd.records import Span


@dataclass(frozen=True, slots=True)
class Widened:
    """An exact span and what the tags say in its place."""

    id: str  # of the document
    start: int  # code points of the text
    end: int
    label: str
    surface: str
    tagged_start: int | None  # None: the tags do not have it, for it meets no token, or a token already taken
    tagged_end: int | None
    tagged_surface: str | None


@dataclass(frozen=True, slots=True)
class Aligned:
    """The tags of a document, and the spans that they do not give back exactly."""

    ner_tags: tuple[str, ...]
    widened: tuple[Widened, ...]


def align(
    document_id: str, text: str, *, tokens: Sequence[str], token_starts: Sequence[int], spans: Sequence[Span]
) -> Aligned:
    """Return tags for flat `spans` (code points of `text`), each widened to whole tokens."""
    placed = token_spans(token_starts, tokens, spans)
    if len(placed) == len(spans):
        pairs: list[tuple[Span, Span | None]] = list(zip(spans, placed, strict=True))
    else:
        pairs = list(_pair(spans, tokens, token_starts))
    widened = []
    for span, at_tokens in pairs:
        tagged = text_spans(token_starts, tokens, [at_tokens])[0] if at_tokens else None
        if tagged != span:
            widened.append(_record(document_id, text, span, tagged))
    return Aligned(tuple(tags_from_spans(len(tokens), placed)), tuple(widened))


def _pair(
    spans: Sequence[Span], tokens: Sequence[str], token_starts: Sequence[int]
) -> Iterator[tuple[Span, Span | None]]:
    """Yield each span with its place among the tokens: None if it meets none, or one that is taken."""
    taken = 0
    for span in spans:
        alone = token_spans(token_starts, tokens, [span])
        free = alone[0] if alone and alone[0].start >= taken else None
        taken = free.end if free else taken
        yield span, free


def _record(document_id: str, text: str, span: Span, tagged: Span | None) -> Widened:
    return Widened(
        id=document_id,
        start=span.start,
        end=span.end,
        label=span.label,
        surface=text[span.start : span.end],
        tagged_start=tagged.start if tagged else None,
        tagged_end=tagged.end if tagged else None,
        tagged_surface=text[tagged.start : tagged.end] if tagged else None,
    )
