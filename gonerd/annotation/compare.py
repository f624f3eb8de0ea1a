"""Lays several annotators' passes side by side, checked: what agreement and adjudication start from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from gonerd.errors import GonerdError
from gonerd.records import Annotation, Document

Passes = dict[str, dict[str, Annotation]]
"""Annotations by document, then by annotator; both in order of their names."""


def by_document(passes: Mapping[str, Sequence[Annotation]]) -> Passes:
    """Return the annotations by document and annotator.

    Raises:
        GonerdError: fewer than two annotators, no annotation at all, a second pass by an annotator over a document,
            different schemes, or passes over different texts of a document.
    """
    if len(passes) < 2:
        raise GonerdError(
            f"passes of two annotators or more are needed, but there is {', '.join(passes) or 'none'}",
            remedy="Name a folder of each annotator's pass",
        )
    table: Passes = {}
    for annotator in sorted(passes):
        for annotation in passes[annotator]:
            there = table.setdefault(annotation.document_id, {})
            if annotator in there:
                raise GonerdError(
                    f"two passes by {annotator!r}",
                    where=f"document {annotation.document_id!r}",
                    remedy="Keep one",
                )
            there[annotator] = annotation
    if not table:
        raise GonerdError("no pass holds any annotation")
    _check_same(table)
    return dict(sorted(table.items()))


def _check_same(table: Passes) -> None:
    schemes = {annotation.scheme: name for name, there in table.items() for annotation in there.values()}
    if len(schemes) > 1:
        raise GonerdError(f"the passes are in different label schemes: {', '.join(sorted(schemes))}")
    for name, there in sorted(table.items()):
        if len({annotation.text_sha256 for annotation in there.values()}) > 1:
            raise GonerdError(
                f"{' and '.join(there)} annotated different texts",
                where=f"document {name!r}",
                remedy="Import the passes over the same documents",
            )


def texts_of(table: Passes, documents: Iterable[Document]) -> dict[str, str]:
    """Return the text of every annotated document.

    Raises:
        GonerdError: a document is missing or has another text than was annotated.
    """
    texts = {}
    for document in documents:
        there = table.get(document.id, {})
        for annotator, annotation in there.items():
            if annotation.text_sha256 != document.text_sha256:
                raise GonerdError(f"{annotator!r} annotated another text", where=f"document {document.id!r}")
            if annotation.spans and annotation.spans[-1].end > len(document.text):
                raise GonerdError(f"a span by {annotator!r} ends after the text", where=f"document {document.id!r}")
            texts[document.id] = document.text
    if missing := sorted(table.keys() - texts.keys()):
        raise GonerdError(
            f"{len(missing)} annotated documents are missing, the first is {missing[0]!r}",
            remedy="Give the documents that the passes were imported over",
        )
    return texts
