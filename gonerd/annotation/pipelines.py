"""Suggestions by a trained spaCy pipeline, its labels brought into the scheme and trimmed as the guideline demands."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

from gonerd.conventions import load_conventions, translate
from gonerd.errors import GonerdError
from gonerd.labels import LabelScheme
from gonerd.records import Annotation, Document, Predict, Span

if TYPE_CHECKING:
    from spacy.language import Language

SOURCE = "ontonotes"
"""The labels of spaCy's English pipelines."""
_UNUSED = ("tagger", "parser", "attribute_ruler", "lemmatizer", "morphologizer", "senter", "textcat")
BATCH = 8
"""Documents that a model holds at once."""

Item = TypeVar("Item")


def portions(items: Iterable[Item], size: int) -> Iterator[tuple[Item, ...]]:
    """Yield the items in tuples of `size`, the last of them shorter."""
    source = iter(items)
    while portion := tuple(islice(source, size)):
        yield portion


def with_spacy(argument: str, scheme: LabelScheme) -> Predict:
    """Return the suggester that goes by a spaCy pipeline, which reads each document whole.

    Args:
        argument: the name of an installed pipeline, or its folder.
        scheme: labels that are its own are kept; others are read as OntoNotes and brought into it.

    Raises:
        GonerdError: no such pipeline, or it finds no entities that the scheme knows.
    """
    nlp = _load(argument)
    conventions = load_conventions(scheme.name)
    found = [label for name in ("ner", "entity_ruler") for label in nlp.pipe_labels.get(name, ())]
    own = bool(found) and set(found) <= set(scheme.names)
    if not own and not set(found) & conventions.labels_from(SOURCE).keys():
        raise GonerdError(
            f"this pipeline finds {', '.join(sorted(found)) or 'no entities'}: nothing that {scheme.name!r} knows",
            where=f"spacy:{argument}",
            remedy="Choose a pipeline with a component `ner` and labels of the scheme or of OntoNotes",
        )

    def spans_of(text: str, spans: list[Span]) -> tuple[Span, ...]:
        return tuple(spans if own else translate(text, spans, source=SOURCE, conventions=conventions))

    def predict(documents: Iterable[Document]) -> Iterator[Annotation]:
        for batch in portions(documents, BATCH):
            with nlp.memory_zone():  # else every new word would stay in memory
                texts = (document.text for document in batch)
                for document, doc in zip(batch, nlp.pipe(texts, batch_size=BATCH), strict=True):
                    spans = [Span(entity.start_char, entity.end_char, entity.label_) for entity in doc.ents]
                    name = f"spacy:{nlp.meta['name']}"
                    found = spans_of(document.text, spans)
                    yield Annotation(document.id, document.text_sha256, name, scheme.name, found)

    return predict


@cache
def _load(name: str) -> Language:
    import spacy

    if not name:
        raise GonerdError("the suggester 'spacy' needs the name of a pipeline", remedy="For example: spacy:MODEL")
    try:
        nlp = spacy.load(name, exclude=list(_UNUSED))
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise GonerdError(
            f"spaCy can not load it ({reason})",
            where=f"spacy:{name}",
            remedy="Install the pipeline with pip, or name its folder",
        ) from error
    nlp.max_length = 2**31  # the limit is there for parsers; documents go whole
    return nlp
