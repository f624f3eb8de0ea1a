"""doccano, both ways: documents and labels for a project of sequence labelling, and the passes in its JSONL export.

One line is one whole document. doccano has no suggestions apart: what is suggested arrives as the annotator's own
labels, to be corrected. Its export is a zip file with a file for each annotator, or one file `all.jsonl`; offsets come
without surfaces, so what can be verified is the text and that every span is inside it.
"""

from __future__ import annotations

import contextlib
import io
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from gonerd.annotation.palette import colours, hotkeys
from gonerd.annotation.tools import ToolExport, ToolPass, ToolSpan, Unit
from gonerd.errors import GonerdError
from gonerd.formats import jsonl
from gonerd.labels import LabelScheme
from gonerd.records import Annotation, Document

_EXPORT = "Export the dataset in the format JSONL"
_SIZE_LIMIT = 1 << 31  # bytes of an unpacked member: far beyond any project


def label_types(scheme: LabelScheme) -> list[dict[str, Any]]:
    """Return the project's span types, for its page of labels."""
    keys = hotkeys(scheme)
    return [
        {
            "text": label,
            "prefix_key": None,
            "suffix_key": keys.get(label),
            "background_color": colour,
            "text_color": "#ffffff",
        }
        for label, colour in colours(scheme).items()
    ]


def lines(pairs: Iterable[tuple[Document, list[Annotation]]]) -> Iterator[dict[str, Any]]:
    """Yield the line of each document, with the labels of the one pass over it, if there is one.

    Raises:
        GonerdError: there are two passes over a document.
    """
    for document, passes in pairs:
        if len(passes) > 1:
            raise GonerdError(
                f"passes by {' and '.join(one.annotator for one in passes)}, but doccano takes one",
                where=f"document {document.id!r}",
            )
        spans = passes[0].spans if passes else ()
        yield {
            "text": document.text,
            "label": [[span.start, span.end, span.label] for span in spans],
            "document_id": document.id,
            "text_sha256": document.text_sha256,
            "url": document.url,
        }


def read_export(path: Path, *, scheme: LabelScheme, unit: Unit = "auto", annotator: str | None = None) -> ToolExport:
    """Return all that an export holds: the zip file that doccano gives, or a JSONL file out of it.

    Args:
        path: the exported file.
        scheme: of the labels.
        unit: what offsets count.
        annotator: whose pass a single file is; the file's name without its ending if not given.

    Raises:
        GonerdError: not such an export, or a span is outside its text.
    """
    export = ToolExport()
    for name, rows in _members(path):
        for number, row in rows:
            entry = _entry(row, annotator or name, where=f"{path}, {name}, line {number}")
            export.add(entry, scheme=scheme.name, unit=unit)
    return export


def _members(path: Path) -> Iterator[tuple[str, Iterable[tuple[int, dict[str, Any]]]]]:
    """Yield the name of each annotator with the rows of the file."""
    if not zipfile.is_zipfile(path):
        yield path.name.partition(".")[0], jsonl.read_objects(path)
        return
    with _damage(path), zipfile.ZipFile(path) as archive:
        files = [one for one in archive.infolist() if not one.is_dir() and one.filename.endswith(".jsonl")]
        if not files:
            raise GonerdError("no .jsonl file in the archive", where=path, remedy=_EXPORT)
        for member in sorted(files, key=lambda member: member.filename):
            if member.file_size > _SIZE_LIMIT:
                raise GonerdError(f"{member.filename!r} unpacks to {member.file_size:,} bytes", where=path)
            with archive.open(member) as stream:
                text = io.TextIOWrapper(stream, encoding="utf-8", newline="\n")
                rows = list(_rows(text, where=f"{path}, {member.filename}"))
            yield PurePosixPath(member.filename).stem, rows


@contextlib.contextmanager
def _damage(path: Path) -> Iterator[None]:
    """Turn what an archive raises that is damaged, locked, or holds no text, into one line."""
    try:
        yield
    except (zipfile.BadZipFile, zlib.error, EOFError, UnicodeDecodeError, RuntimeError) as error:
        raise GonerdError(f"the archive cannot be read ({error})", where=path, remedy=_EXPORT) from error


def _rows(text: Iterable[str], *, where: str) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in enumerate(text, start=1):
        if line.strip():
            try:
                row = jsonl.loads(line)
            except ValueError as error:
                raise GonerdError(str(error), where=f"{where}, line {number}", remedy=_EXPORT) from error
            if not isinstance(row, dict):
                raise GonerdError("expected an object", where=f"{where}, line {number}", remedy=_EXPORT)
            yield number, row


def _entry(row: dict[str, Any], annotator: str, *, where: str) -> ToolPass:
    text, labels = row.get("text"), row.get("label", row.get("entities"))
    if not isinstance(text, str) or not isinstance(labels, list):
        raise GonerdError("expected the fields 'text' and 'label'", where=where, remedy=_EXPORT)
    try:
        spans = tuple(_span(label) for label in labels)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise GonerdError("a label should be [start, end, label]", where=where, remedy=_EXPORT) from error
    name = str(row.get("document_id") or f"line {row.get('id')}")
    return ToolPass(name, row.get("url"), text, annotator, spans, where)


def _span(label: Any) -> ToolSpan:
    """Read a span in either form that doccano writes: a triple, or an object in projects with relations."""
    if isinstance(label, dict):
        return ToolSpan(int(label["start_offset"]), int(label["end_offset"]), str(label["label"]))
    start, end, name = label
    return ToolSpan(int(start), int(end), str(name))
