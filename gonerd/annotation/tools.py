"""What annotation tools have in common: spans that count in units of their own, on a text that the tool kept.

A tool's pass becomes a stand-off pass over the tool's own text, verified span by span; from there it is imported like
any other, also when the documents have changed since.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from gonerd.annotation.passes import Move, import_pass
from gonerd.errors import GonerdError
from gonerd.formats.standoff import StandoffPass, standoff_span
from gonerd.records import Annotation, Document, Dropped, Reason, Span, normalize_text, sha256_of

Unit = Literal["auto", "code-points", "utf-16"]
"""What a tool's offsets count; `auto` takes what the surfaces fit, code points if there are none."""


@dataclass(frozen=True, slots=True)
class ToolSpan:
    """A span as a tool exports it."""

    start: int  # in the tool's unit
    end: int
    label: str
    surface: str | None = None  # what the tool says that it covers


@dataclass(frozen=True, slots=True)
class ToolPass:
    """One annotator's pass over one document, as a tool exports it."""

    document_id: str
    url: str | None
    text: str
    annotator: str
    spans: tuple[ToolSpan, ...]
    where: str  # file and place, for error lines


@dataclass(slots=True)
class ToolExport:
    """Everything that a tool's export holds: passes, their texts, and what is no pass."""

    passes: list[StandoffPass] = field(default_factory=list)
    texts: dict[str, Document] = field(default_factory=dict)  # by hash: what the spans were made on
    dropped: list[Dropped] = field(default_factory=list)

    def add(self, entry: ToolPass, *, scheme: str, unit: Unit) -> None:
        """Take a pass in, verified.

        Raises:
            GonerdError: the text is not as a document's, a span does not cover what it says, or two spans cross.
        """
        if normalize_text(entry.text) != entry.text or not entry.text:
            raise GonerdError(
                "the tool has changed the text: it is empty, or no longer NFC with \\n line ends",
                where=entry.where,
                remedy="Offsets in it can not be trusted. Export the documents to the tool again",
            )
        spans, dropped = _flat(entry, _code_points(entry, unit))
        self.dropped += dropped
        text = Document(entry.document_id, entry.text, "tool")
        self.texts[text.text_sha256] = text
        self.passes.append(
            StandoffPass(
                document_id=entry.document_id,
                url=entry.url,
                text_sha256=text.text_sha256,
                annotator=entry.annotator,
                scheme=scheme,
                spans=tuple(standoff_span(entry.text, span) for span in spans),
                where=entry.where,
            )
        )


def import_export(export: ToolExport, documents: Iterable[Document], *, move: Move) -> Iterator[Annotation | Dropped]:
    """Yield all the passes of a tool's export as annotations of `documents`, annotator by annotator.

    Raises:
        GonerdError: as `passes.import_pass`.
    """
    held = list(documents)
    by_annotator: dict[str, list[StandoffPass]] = {}
    for entry in export.passes:
        by_annotator.setdefault(entry.annotator, []).append(entry)
    for annotator in sorted(by_annotator):
        yield from import_pass(by_annotator[annotator], held, move=move)
    yield from export.dropped


def _code_points(entry: ToolPass, unit: Unit) -> list[tuple[Span, ToolSpan]]:
    """Return the spans in code points, each with what the tool said."""
    wanted: tuple[Unit, ...] = ("code-points", "utf-16") if unit == "auto" else (unit,)
    counted = {name: [_count(entry, span, name) for span in entry.spans] for name in wanted}
    for name in wanted:
        if all(_covers(entry.text, place, span) for place, span in zip(counted[name], entry.spans, strict=True)):
            return [(place, span) for place, span in zip(counted[name], entry.spans, strict=True) if place is not None]
    place, span = next(
        (place, span)
        for place, span in zip(counted[wanted[0]], entry.spans, strict=True)
        if not _covers(entry.text, place, span)
    )
    found = entry.text[place.start : place.end] if place else "nothing: it is outside the text"
    raise GonerdError(
        f"span [{span.start}, {span.end}) {span.label}: expected {span.surface!r}, found {found!r}",
        where=f"{entry.where}, document {entry.document_id!r}",
        remedy="Offsets fit neither code points nor UTF-16" if unit == "auto" else f"Offsets do not fit {unit}",
    )


def _count(entry: ToolPass, span: ToolSpan, unit: Unit) -> Span | None:
    """Return a span in code points, or None if it is outside the text or empty."""
    start, end = span.start, span.end
    if unit == "utf-16":
        encoded = entry.text.encode("utf-16-le")
        if not 0 <= start < end <= len(encoded) // 2:
            return None
        start, end = (len(encoded[: 2 * place].decode("utf-16-le", "replace")) for place in (start, end))
    return Span(start, end, span.label) if 0 <= start < end <= len(entry.text) else None


def _covers(text: str, place: Span | None, span: ToolSpan) -> bool:
    """Tell whether a span covers what the tool says; tools differ in how they write line ends in a surface."""
    if place is None:
        return False
    found = text[place.start : place.end]
    return span.surface in (None, found) or _plain(span.surface or "") == _plain(found)


def _plain(surface: str) -> str:
    return " ".join(surface.replace("\\n", "\n").split())


def _flat(entry: ToolPass, spans: Iterable[tuple[Span, ToolSpan]]) -> tuple[list[Span], list[Dropped]]:
    """Return the spans without white space at their edges, the outermost only, and what is dropped for it.

    Raises:
        GonerdError: two spans cross, or the same stretch has two labels.
    """
    kept: list[Span] = []
    dropped: list[Dropped] = []
    stripped = [(_strip(entry.text, span), span) for span, _ in spans]
    for span, given in sorted(stripped, key=lambda pair: _outermost(pair[0] or pair[1])):
        place = f"{entry.annotator}: [{given.start}, {given.end}) {given.label}"
        last = kept[-1] if kept else None
        if span is None:
            dropped.append(Dropped(entry.document_id, Reason.NOT_A_SPAN, f"{place}: white space"))
        elif last is None or last.end <= span.start:
            kept.append(span)
        elif span == last or (span.end <= last.end and (span.start, span.end) != (last.start, last.end)):
            around = f"[{last.start}, {last.end}) {last.label} {entry.text[last.start : last.end]!r}"
            dropped.append(Dropped(entry.document_id, Reason.OVERLAP, f"{place}: inside {around}"))
        else:
            raise GonerdError(
                f"[{last.start}, {last.end}) {last.label} {entry.text[last.start : last.end]!r} and "
                f"[{span.start}, {span.end}) {span.label} {entry.text[span.start : span.end]!r} cross, or mark the "
                "same stretch twice",
                where=f"{entry.where}, document {entry.document_id!r}",
                remedy=f"Let {entry.annotator} keep one of them",
            )
    return kept, dropped


def _outermost(span: Span) -> tuple[int, int, str]:
    return span.start, -span.end, span.label


def _strip(text: str, span: Span) -> Span | None:
    surface = text[span.start : span.end]
    start = span.start + len(surface) - len(surface.lstrip())
    end = span.end - (len(surface) - len(surface.rstrip()))
    return Span(start, end, span.label) if start < end else None


def suggested_spans(
    documents: Iterable[Document], suggestions: Mapping[str, Mapping[str, Annotation]]
) -> Iterator[tuple[Document, list[Annotation]]]:
    """Yield each document with the passes over it, in order of the annotators' names.

    Args:
        documents: to be exported.
        suggestions: annotations by annotator and document id.

    Raises:
        GonerdError: a pass is over another text, or over a document that is not there.
    """
    left = {(name, document_id) for name, passes in suggestions.items() for document_id in passes}
    for document in documents:
        there = [suggestions[name][document.id] for name in sorted(suggestions) if document.id in suggestions[name]]
        for annotation in there:
            if annotation.text_sha256 != sha256_of(document.text):
                raise GonerdError(f"{annotation.annotator!r} annotated another text", where=f"document {document.id!r}")
            left.discard((annotation.annotator, document.id))
        yield document, there
    if left:
        name, document_id = min(left)
        raise GonerdError(
            f"{len(left)} passes are over documents that are not there; the first is {document_id!r} by {name!r}",
            remedy="Give the documents that the suggestions were made over",
        )
