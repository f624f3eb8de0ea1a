"""Annotated documents as one page: one pass with notes beside it, or two passes side by side, differences marked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gonerd.annotation.contrast import Contrast, Kind, contrasts
from gonerd.errors import GonerdError
from gonerd.files import write_atomic
from gonerd.labels import LabelScheme
from gonerd.pages import page
from gonerd.records import Annotation, Document, Span

TEMPLATES = Path(__file__).with_name("templates")


@dataclass(frozen=True, slots=True)
class Note:
    """Something to say about a stretch of text, whether a span stands there or not."""

    start: int  # code points
    end: int
    kind: str  # what the page filters by
    text: str


@dataclass(frozen=True, slots=True)
class Sheet:
    """A document as the page shows it: one pass, or two to compare, and notes."""

    document: Document
    passes: tuple[Annotation, ...]
    notes: tuple[Note, ...] = ()

    def __post_init__(self) -> None:
        where = f"document {self.document.id!r}"
        if len(self.passes) not in (1, 2):
            raise GonerdError(f"a page shows one pass or two, not {len(self.passes)}", where=where)
        for annotation in self.passes:
            if annotation.text_sha256 != self.document.text_sha256:
                raise GonerdError(f"{annotation.annotator!r} annotated another text", where=where)
        ends = [span.end for annotation in self.passes for span in annotation.spans] + [n.end for n in self.notes]
        if max(ends, default=0) > len(self.document.text):
            raise GonerdError("a span or note ends after the text", where=where)


def write_view(sheets: Iterable[Sheet], path: Path, *, scheme: LabelScheme, title: str) -> int:
    """Write the page of some documents, in the order given; return how many differences and notes it shows.

    The file needs nothing else and asks for nothing. The same sheets give the same bytes.

    Raises:
        GonerdError: there is no sheet, sheets differ in the number of passes, or a label is outside the scheme.
    """
    data = view_data(sheets, scheme=scheme, title=title)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, render_view(data))
    return sum(len(sheet["items"]) for sheet in data["sheets"])


def render_view(data: dict[str, Any]) -> str:
    """Return the page of what `view_data` returned."""
    return page(
        TEMPLATES / "view.html",
        scripts=[TEMPLATES / name for name in ("text.js", "sides.js", "view.js")],
        styles=[TEMPLATES / "text.css"],
        title=data["title"],
        data=data,
    )


def view_data(sheets: Iterable[Sheet], *, scheme: LabelScheme, title: str) -> dict[str, Any]:
    """Return what the page's script reads; labels and kinds as their numbers.

    Raises:
        GonerdError: as `write_view`.
    """
    found = list(sheets)
    if not found:
        raise GonerdError("no document to show")
    if len({len(sheet.passes) for sheet in found}) > 1:
        raise GonerdError("some documents have one pass and some have two")
    kinds = list(dict.fromkeys(kind for sheet in found for kind in _kinds(sheet)))
    if len(found[0].passes) == 2:
        kinds = [*(kind.value for kind in Kind), *(kind for kind in kinds if kind not in set(Kind))]
    return {
        "title": title,
        "labels": [{"name": label.name, "definition": label.definition} for label in scheme.labels],
        "kinds": kinds,
        "sheets": [_sheet(sheet, scheme, kinds) for sheet in found],
    }


def _kinds(sheet: Sheet) -> list[str]:
    return sorted({note.kind for note in sheet.notes})


def _sheet(sheet: Sheet, scheme: LabelScheme, kinds: Sequence[str]) -> dict[str, Any]:
    document = sheet.document
    numbers = {name: number for number, name in enumerate(scheme.names)}
    passes = [annotation.spans for annotation in sheet.passes]
    if unknown := {span.label for spans in passes for span in spans} - numbers.keys():
        where = f"document {document.id!r}"
        raise GonerdError(f"the label {min(unknown)!r} is not of the scheme {scheme.name!r}", where=where)
    names = [annotation.annotator for annotation in sheet.passes]
    differences = contrasts(passes[0], passes[1]) if len(passes) == 2 else []
    items = [_difference(item, numbers, kinds) for item in differences]
    items += [_note(note, passes, numbers, kinds) for note in sheet.notes]
    return {
        "id": document.id,
        "title": document.title,
        "url": document.url,
        "source": document.source,
        "text": document.text,
        "names": names,
        "passes": [[[span.start, span.end, numbers[span.label]] for span in spans] for spans in passes],
        "items": sorted(items, key=lambda item: (item["start"], item["end"], item["kind"])),
    }


def _difference(item: Contrast, numbers: dict[str, int], kinds: Sequence[str]) -> dict[str, Any]:
    return {
        "start": item.start,
        "end": item.end,
        "kind": kinds.index(item.kind),
        "labels": sorted({numbers[span.label] for span in (*item.first, *item.second)}),
        "says": "",
    }


def _note(
    note: Note, passes: Sequence[tuple[Span, ...]], numbers: dict[str, int], kinds: Sequence[str]
) -> dict[str, Any]:
    there = {span.label for spans in passes for span in spans if span.start < note.end and note.start < span.end}
    return {
        "start": note.start,
        "end": note.end,
        "kind": kinds.index(note.kind),
        "labels": sorted(numbers[label] for label in there),
        "says": note.text,
    }
