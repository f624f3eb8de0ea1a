"""Brings an annotator's pass to the documents at hand, whose text may have changed since."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Protocol

from gonerd.errors import GonerdError, unknown_name
from gonerd.formats.standoff import StandoffPass, place, to_annotation
from gonerd.labels import load_scheme
from gonerd.records import Annotation, Document, Dropped, Reason, Span

Move = Callable[[Annotation, Document], tuple[Annotation, list[Dropped]]]
"""How spans get from the text they were made on to that of a document; what cannot be placed is dropped."""


class Realign(Protocol):
    """What moves spans when both texts are known."""

    def __call__(
        self, annotation: Annotation, *, old_text: str, document: Document
    ) -> tuple[Annotation, list[Dropped]]:
        """Return the annotation on `document`, and a Dropped for each span without a place."""


def mover(realign: Realign, before: Iterable[Document]) -> Move:
    """Return the `Move` that finds the texts annotated among the documents `before`: by hash, or else by id.

    The id serves decisions that do not tell the hash of their text. The move raises GonerdError when it has not got
    the text that was annotated.
    """
    by_hash: dict[str, Document] = {}
    by_id: dict[str, Document] = {}
    for document in before:
        by_hash[document.text_sha256] = by_id[document.id] = document

    def move(annotation: Annotation, document: Document) -> tuple[Annotation, list[Dropped]]:
        old = by_hash.get(annotation.text_sha256) if annotation.text_sha256 else by_id.get(annotation.document_id)
        if old is None:
            raise GonerdError(
                f"{annotation.annotator!r} worked on another text than there is now",
                where=f"document {annotation.document_id!r}",
                remedy="Give the documents as they were then (--before FOLDER), so that the spans can be moved",
            )
        return realign(replace(annotation, text_sha256=old.text_sha256), old_text=old.text, document=document)

    return move


@dataclass(slots=True)
class Shelf:
    """Documents, to be found by id or by address."""

    by_id: dict[str, Document] = field(default_factory=dict)
    by_url: dict[str, list[Document]] = field(default_factory=dict)

    @classmethod
    def of(cls, documents: Iterable[Document]) -> Shelf:
        """Return a shelf of documents."""
        shelf = cls()
        for document in documents:
            shelf.by_id[document.id] = document
            if document.url:
                shelf.by_url.setdefault(document.url, []).append(document)
        return shelf

    def find(self, document_id: str, url: str | None) -> Document | str:
        """Return the document of that id, or else the one of that url, or why there is none."""
        if document_id in self.by_id:
            return self.by_id[document_id]
        there = self.by_url.get(url, []) if url else []
        if len(there) == 1:
            return there[0]
        return f"{len(there)} documents have the url {url}" if there else "no document has its id or url"


def import_pass(
    entries: Iterable[StandoffPass], documents: Iterable[Document], *, move: Move
) -> Iterator[Annotation | Dropped]:
    """Yield one annotator's pass as annotations of `documents`, which are matched by id or else by url.

    A pass over the very text is verified span by span; over another version of it, `move` brings the spans across, and
    their surfaces are verified there. What cannot be brought across comes out as `Dropped`.

    Raises:
        GonerdError: a span is not where it says, a label is outside its scheme, two entries are of one document, or
            the entries are of more than one annotator.
    """
    shelf = Shelf.of(documents)
    seen: dict[str, StandoffPass] = {}
    for entry in entries:
        document_or_why = shelf.find(entry.document_id, entry.url)
        if isinstance(document_or_why, str):
            yield Dropped(entry.document_id, Reason.UNKNOWN_DOCUMENT, document_or_why)
            continue
        _check(entry, document_or_why, seen)
        yield from _bring(entry, document_or_why, move)


def _check(entry: StandoffPass, document: Document, seen: dict[str, StandoffPass]) -> None:
    """Raise unless this is the first entry of its document, by the same annotator, in labels of its scheme."""
    known = load_scheme(entry.scheme).names
    for span in entry.spans:
        if span.label not in known:
            raise unknown_name("label", span.label, known, where=f"{place(entry)}, span [{span.start}, {span.end})")
    if document.id in seen:
        raise GonerdError(
            f"a second pass over document {document.id!r}; the first is {place(seen[document.id])}",
            where=place(entry),
            remedy="Keep one line a document",
        )
    first = next(iter(seen.values()), entry)
    if first.annotator != entry.annotator:
        raise GonerdError(
            f"annotator {entry.annotator!r} after {first.annotator!r}",
            where=place(entry),
            remedy="Keep each annotator's pass in a file of its own",
        )
    seen[document.id] = entry


def _bring(entry: StandoffPass, document: Document, move: Move) -> Iterator[Annotation | Dropped]:
    if entry.text_sha256 == document.text_sha256:
        yield to_annotation(entry, document)
        return
    moved, lost = move(_as_it_stands(entry), document)
    _check_surfaces(entry, moved, document)
    yield moved
    yield from lost


def _as_it_stands(entry: StandoffPass) -> Annotation:
    """Return a pass as an annotation of a text that is not at hand to verify it."""
    spans = tuple(sorted(Span(span.start, span.end, span.label) for span in entry.spans))
    try:
        return Annotation(entry.document_id, entry.text_sha256, entry.annotator, entry.scheme, spans)
    except ValueError as error:
        raise GonerdError(str(error), where=place(entry)) from error


def _check_surfaces(entry: StandoffPass, moved: Annotation, document: Document) -> None:
    """Raise if a span that was moved now covers what no span of its label covered."""
    left = Counter((span.label, span.surface) for span in entry.spans)
    for span in moved.spans:
        surface = document.text[span.start : span.end]
        left[span.label, surface] -= 1
        if left[span.label, surface] < 0:
            raise GonerdError(
                f"span [{span.start}, {span.end}) {span.label} moved to {surface!r}, which no span of the pass covers",
                where=place(entry),
                remedy="The pass's offsets do not fit the text that it names",
            )
