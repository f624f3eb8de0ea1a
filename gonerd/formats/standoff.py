"""Stand-off annotations as JSON Lines, one document a line: everything but the text.

A span carries its surface and up to 32 code points either side, so that it can be verified, and found again in a text
that has changed. A published Release uses the same spans.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from gonerd.errors import GonerdError
from gonerd.formats import jsonl
from gonerd.records import Annotation, Document, Span

CONTEXT = 32  # code points kept either side of a span


@dataclass(frozen=True, slots=True)
class StandoffSpan:
    """A labelled stretch of a text that is elsewhere; offsets in code points."""

    start: int
    end: int
    label: str
    surface: str
    before: str  # up to 32 code points: fewer at the start of the text
    after: str  # up to 32 code points: fewer at the end of the text

    def __post_init__(self) -> None:
        if not 0 <= self.start < self.end:
            raise ValueError(f"span [{self.start}, {self.end}) is empty or negative")
        if len(self.surface) != self.end - self.start:
            raise ValueError(f"span [{self.start}, {self.end}): its surface {self.surface!r} is of another length")
        if max(len(self.before), len(self.after)) > CONTEXT:
            raise ValueError(f"span [{self.start}, {self.end}) has more than {CONTEXT} code points of context")


@dataclass(frozen=True, slots=True, kw_only=True)
class StandoffPass:
    """One annotator's complete pass over one document, without the text."""

    document_id: str
    url: str | None = None
    text_sha256: str
    annotator: str
    scheme: str
    spans: tuple[StandoffSpan, ...]
    where: str = ""  # file and line that it was read from; never written


def standoff_span(text: str, span: Span) -> StandoffSpan:
    """Return `span` with its surface and context in `text`.

    Raises:
        GonerdError: the span ends after the text.
    """
    if span.end > len(text):
        raise GonerdError(f"span [{span.start}, {span.end}) ends after the text's {len(text)} code points")
    before, after = text[max(0, span.start - CONTEXT) : span.start], text[span.end : span.end + CONTEXT]
    return StandoffSpan(span.start, span.end, span.label, text[span.start : span.end], before, after)


def from_annotation(annotation: Annotation, document: Document) -> StandoffPass:
    """Return an annotation in its stand-off form.

    Raises:
        GonerdError: the annotation is of another text.
    """
    _check_text(annotation.text_sha256, document, where=f"annotation of {annotation.document_id!r}")
    return StandoffPass(
        document_id=document.id,
        url=document.url,
        text_sha256=document.text_sha256,
        annotator=annotation.annotator,
        scheme=annotation.scheme,
        spans=tuple(standoff_span(document.text, span) for span in annotation.spans),
    )


def to_annotation(entry: StandoffPass, document: Document) -> Annotation:
    """Return a stand-off pass as an annotation of `document`, whose hash and surfaces are verified.

    Raises:
        GonerdError: the text has another hash, a surface is not at its place, or two spans overlap.
    """
    where = place(entry)
    _check_text(entry.text_sha256, document, where=where)
    for span in entry.spans:
        check_surface(span, document.text, where=where)
    spans = tuple(sorted(Span(span.start, span.end, span.label) for span in entry.spans))
    try:
        return Annotation(document.id, document.text_sha256, entry.annotator, entry.scheme, spans)
    except ValueError as error:
        raise GonerdError(str(error), where=where) from error


def check_surface(span: StandoffSpan, text: str, *, where: str) -> None:
    """Raise GonerdError unless `text` holds the span's surface at its place."""
    found = text[span.start : span.end]
    if found != span.surface:
        raise GonerdError(
            f"span [{span.start}, {span.end}) {span.label}: expected {span.surface!r}, found {found!r}",
            where=where,
            remedy="Offsets count Unicode code points of the document's text",
        )


def place(entry: StandoffPass) -> str:
    """Return where an entry stands, for error lines: file and line if it was read, and the document."""
    return f"{entry.where}, document {entry.document_id!r}" if entry.where else f"document {entry.document_id!r}"


def _check_text(text_sha256: str, document: Document, *, where: str) -> None:
    if text_sha256 != document.text_sha256:
        raise GonerdError(
            f"annotates a text with hash {text_sha256[:12]}…, but the document's is {document.text_sha256[:12]}…",
            where=where,
            remedy="The text has changed: import the pass, which moves its spans",
        )


def write(path: Path, annotations: Iterable[Annotation], documents: Mapping[str, Document]) -> int:
    """Write annotations in their stand-off form and return how many; `documents` are by id.

    Raises:
        GonerdError: an annotation's document is missing or has another text.
    """
    return write_passes(path, (from_annotation(item, _document(item, documents)) for item in annotations))


def _document(annotation: Annotation, documents: Mapping[str, Document]) -> Document:
    if annotation.document_id not in documents:
        raise GonerdError(f"no document {annotation.document_id!r} for the annotation by {annotation.annotator!r}")
    return documents[annotation.document_id]


def write_passes(path: Path, entries: Iterable[StandoffPass]) -> int:
    """Write stand-off passes and return how many."""
    objects = (jsonl.to_json(entry) for entry in entries)
    return jsonl.write(path, ({key: value for key, value in item.items() if key != "where"} for item in objects))


def read(path: Path) -> Iterator[StandoffPass]:
    """Yield the passes of a stand-off file, each knowing its file and line.

    Raises:
        GonerdError: the file is missing or a line breaks the format.
    """
    for number, value in jsonl.read_objects(path):
        where = f"{path}, line {number}"
        if "where" in value:
            raise GonerdError("unknown field 'where'", where=where)
        try:
            yield replace(jsonl.from_json(StandoffPass, value), where=where)
        except ValueError as error:
            raise GonerdError(str(error), where=where) from error
