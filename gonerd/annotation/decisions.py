"""Decisions that a person took on differences between annotators, and how they follow a text that has changed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from gonerd.annotation.passes import Move, Shelf
from gonerd.errors import GonerdError, unknown_name
from gonerd.formats.standoff import StandoffSpan, standoff_span
from gonerd.labels import load_scheme
from gonerd.records import Annotation, Document, Dropped, Reason, Span


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What holds at one place: a span with a label, or none; who says so, and why."""

    document_id: str
    start: int  # code points
    end: int
    label: str | None  # None: no span with these boundaries
    surface: str
    by: str
    why: str
    text_sha256: str | None = None  # of the text decided on; without it the surface alone is verified
    before: str = ""  # up to 32 code points of context
    after: str = ""
    url: str | None = None  # of the document, in case its id has changed

    def __post_init__(self) -> None:
        _span_of(self, "")
        if not self.by:
            raise ValueError(f"the decision on [{self.start}, {self.end}) does not say by whom")

    @property
    def place(self) -> str:
        """How error lines name the decision."""
        return f"decision on document {self.document_id!r}, [{self.start}, {self.end}) {self.surface!r}"


def _span_of(decision: Decision, label: str) -> StandoffSpan:
    return StandoffSpan(decision.start, decision.end, label, decision.surface, decision.before, decision.after)


def place_decisions(
    decisions: Iterable[Decision], documents: Iterable[Document], *, scheme: str, move: Move
) -> tuple[dict[str, list[Decision]], list[Dropped]]:
    """Return the decisions by document, at their places in the documents' texts, and what could not be placed.

    Where the text is another than was decided on, a decision moves as a span does.

    Raises:
        GonerdError: a label is outside the scheme, or a surface is not at its place in the very text decided on.
    """
    placed: dict[str, list[Decision]] = {}
    astray: dict[tuple[str, str], list[Decision]] = {}
    dropped: list[Dropped] = []
    shelf, known = Shelf.of(documents), load_scheme(scheme).names
    for decision in decisions:
        if decision.label is not None and decision.label not in known:
            raise unknown_name("label", decision.label, known, where=decision.place)
        document = shelf.find(decision.document_id, decision.url)
        if isinstance(document, str):
            dropped.append(Dropped(decision.document_id, Reason.UNKNOWN_DOCUMENT, f"{decision.place}: {document}"))
        elif _fits(decision, document):
            placed.setdefault(document.id, []).append(decision)
        else:
            astray.setdefault((document.id, decision.text_sha256 or ""), []).append(decision)
    for (name, _), group in sorted(astray.items()):
        for layer in _layers(group):
            moved, lost = _move(layer, shelf.by_id[name], scheme=scheme, move=move)
            placed.setdefault(name, []).extend(moved)
            dropped.extend(lost)
    return {name: sorted(group, key=_order) for name, group in sorted(placed.items())}, dropped


def _order(decision: Decision) -> tuple[int, int]:
    return decision.start, decision.end


def _fits(decision: Decision, document: Document) -> bool:
    found = document.text[decision.start : decision.end]
    if decision.text_sha256 == document.text_sha256 and found != decision.surface:
        raise GonerdError(f"expected {decision.surface!r}, found {found!r}", where=decision.place)
    return decision.text_sha256 in (None, document.text_sha256) and found == decision.surface


def _layers(decisions: Sequence[Decision]) -> list[list[Decision]]:
    """Share decisions out so that none overlaps another of its layer: an annotation, which moves, is flat."""
    layers: list[list[Decision]] = []
    for decision in sorted(decisions, key=_order):
        layer = next((layer for layer in layers if layer[-1].end <= decision.start), None)
        if layer is None:
            layers.append([decision])
        else:
            layer.append(decision)
    return layers


def _move(
    decisions: Sequence[Decision], document: Document, *, scheme: str, move: Move
) -> tuple[list[Decision], list[Dropped]]:
    """Move decisions that do not overlap; each travels as a span whose label is its number."""
    spans = tuple(Span(decision.start, decision.end, str(number)) for number, decision in enumerate(decisions))
    first = decisions[0]
    made = Annotation(first.document_id, first.text_sha256 or "", "decisions", scheme, spans)
    annotation, lost = move(made, document)
    return [_at(decisions[int(span.label)], span, document) for span in annotation.spans], lost


def _at(decision: Decision, span: Span, document: Document) -> Decision:
    """Return a decision at the place it has moved to.

    Raises:
        GonerdError: its surface is not there.
    """
    there = standoff_span(document.text, span)
    if there.surface != decision.surface:
        raise GonerdError(f"moved to {there.surface!r}: its offsets do not fit its text", where=decision.place)
    return replace(
        decision,
        document_id=document.id,
        start=there.start,
        end=there.end,
        before=there.before,
        after=there.after,
        text_sha256=document.text_sha256,
    )
