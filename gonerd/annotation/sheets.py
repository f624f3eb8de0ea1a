"""What a page of annotated documents is made of: passes over documents, or predictions beside the gold of a dataset."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from gonerd.annotation.view import Sheet
from gonerd.errors import GonerdError
from gonerd.formats.gold import Gold, GoldDocument
from gonerd.formats.predictions import Matching, match
from gonerd.labels import LabelScheme, spans_from_tags, text_spans
from gonerd.records import Annotation, Document, Example, Prediction

GOLD = "gold"


def sheets_of_passes(documents: Iterable[Document], passes: Sequence[Sequence[Annotation]]) -> Iterator[Sheet]:
    """Yield a sheet for each document that every one of the passes covers, in the order of the documents.

    Raises:
        GonerdError: a pass covers a document twice, or another text of it.
    """
    tables = [_by_document(annotations) for annotations in passes]
    for document in documents:
        if all(document.id in table for table in tables):
            yield Sheet(document, tuple(table[document.id] for table in tables))


def _by_document(annotations: Sequence[Annotation]) -> dict[str, Annotation]:
    found: dict[str, Annotation] = {}
    for annotation in annotations:
        if annotation.document_id in found:
            who = f"{found[annotation.document_id].annotator!r} and {annotation.annotator!r}"
            raise GonerdError(
                f"two annotations, by {who}", where=f"document {annotation.document_id!r}", remedy="Name one pass"
            )
        found[annotation.document_id] = annotation
    return found


def sheets_of_gold(examples: Iterable[Example], *, scheme: LabelScheme) -> Iterator[Sheet]:
    """Yield a sheet for each row of a dataset: its exact entities."""
    for example in examples:
        document = _document(example)
        yield Sheet(document, (Annotation(example.id, document.text_sha256, GOLD, scheme.name, example.entities),))


def sheets_of_predictions(
    examples: Iterable[Example], predictions: Iterable[Prediction], *, scheme: LabelScheme, name: str
) -> tuple[list[Sheet], Matching]:
    """Return a sheet for each row of a dataset, its gold against what was predicted, both as the scorer reads them.

    The scorer sees whole tokens, so spans here end where tokens do. What is wrong with the predictions of a document
    is among the matching's problems; nothing is predicted there.

    Args:
        examples: the rows; their tags are the gold.
        predictions: by document id.
        scheme: the scheme of both.
        name: of who predicted, as the page shows it.
    """
    rows = list(examples)
    gold = Gold.of((GoldDocument.of(example) for example in rows), scheme=scheme)
    matching = match(gold, predictions)
    tags = scheme.tags
    sheets = []
    for example, answer in zip(rows, matching.predicted, strict=True):
        predicted = [tags[number] for number in answer]
        sides = {GOLD: example.ner_tags, name: predicted}
        sheets.append(Sheet(_document(example), _passes(example, sides, scheme)))
    return sheets, matching


def _passes(example: Example, sides: Mapping[str, Sequence[str]], scheme: LabelScheme) -> tuple[Annotation, ...]:
    return tuple(
        Annotation(
            example.id,
            example.text_sha256,
            who,
            scheme.name,
            tuple(text_spans(example.token_starts, example.tokens, spans_from_tags(tags))),
        )
        for who, tags in sides.items()
    )


def _document(example: Example) -> Document:
    return Document(
        example.id,
        example.text,
        example.source,
        url=example.url,
        license=example.license,
        title=example.title,
        published=example.published,
        text_sha256=example.text_sha256,
    )
