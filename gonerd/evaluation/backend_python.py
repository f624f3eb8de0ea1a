"""The backend of a Python callable: whatever else there is, from documents to annotations.

    def predict(documents):                      # iterable of TextDocument
        for document in documents:
            yield Annotation(document.id, document.text_sha256, "mine", "gonerd", spans=(Span(0, 3, "PER"),))

It may also yield `Prediction`s with one tag for each of `document.tokens`. It is your own code and runs as such.
"""

from __future__ import annotations

import importlib
import importlib.util
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gonerd.errors import GonerdError, require_file
from gonerd.evaluation.backend import Answers, InputDocument, Setup
from gonerd.evaluation.result import CoveragePart, ModelPart, Settings
from gonerd.label_maps import map_types, parse_overrides
from gonerd.labels import tags_from_spans, token_spans
from gonerd.records import Annotation, Document, Prediction, Progress, Span, normalize_text
from gonerd.store import sha256_file


@dataclass(frozen=True, slots=True)
class TextDocument(Document):
    """A document as a callable gets it: a text, and the gold's tokens with their offsets in it."""

    tokens: tuple[str, ...] = ()
    token_starts: tuple[int, ...] = ()  # code points of text


class PythonBackend:
    """A callable, given as `MODULE:FUNCTION`, or as `FILE.py:FUNCTION`.

    Raises:
        GonerdError: there is no such module or function.
    """

    def __init__(self, name: str, setup: Setup) -> None:
        place, _, function = name.rpartition(":")
        if not place:
            raise GonerdError(f"not MODULE:FUNCTION: {name!r}", where="python:")
        module = _module(place)
        found = getattr(module, function, None)
        if not callable(found):
            raise GonerdError(f"no function {function!r}", where=place)
        self.function: Callable[[Iterable[TextDocument]], Iterable[Annotation | Prediction]] = found
        source = Path(str(module.__file__))
        digest = sha256_file(source)
        self.model = ModelPart(
            name=setup.name or f"{source.stem}.{function}",
            revision=digest,
            backend="python",
            files={source.name: digest},
        )
        self.settings: Settings = setup.config.meaning()
        self.device: str | None = None
        self.setup = setup

    def predict(self, documents: Sequence[InputDocument], *, progress: Progress) -> Answers:
        """Call the function once with all documents that have a word."""
        given = {document.id: text_document(document) for document in documents if document.tokens}
        started = time.perf_counter()
        found: dict[str, Prediction] = {}
        for answer in self._answers(given):
            found[answer.id] = answer
            progress(len(found), len(given))
        seconds = time.perf_counter() - started
        empty = [Prediction(document.id, ner_tags=()) for document in documents if not document.tokens]
        words = sum(len(document.tokens) for document in documents)
        coverage = CoveragePart(gold_words=words, predicted_words=words, lost_words=0, windowed_documents=0)
        return Answers([*found.values(), *empty], coverage, seconds=seconds)

    def _answers(self, given: dict[str, TextDocument]) -> Iterator[Prediction]:
        """Yield what the function answers as predictions of tags; each document may be answered once."""
        answered: set[str] = set()
        answers = self.function(iter(given.values()))
        if not isinstance(answers, Iterable):
            raise GonerdError(f"returns a {type(answers).__name__}, not annotations", where=self.model.name)
        for answer in answers:
            name = answer.document_id if isinstance(answer, Annotation) else getattr(answer, "id", None)
            if not isinstance(answer, Annotation | Prediction) or name not in given or name in answered:
                what = "answered twice" if name in answered else "not an Annotation or Prediction of a given document"
                raise GonerdError(f"{what}: {str(name)[:80]!r}", where=self.model.name)
            answered.add(name)
            if isinstance(answer, Annotation) and answer.text_sha256 != given[name].text_sha256:
                raise GonerdError(f"an annotation of another text than that of {name!r}", where=self.model.name)
            if answer.spans is None:
                yield Prediction(name, ner_tags=answer.ner_tags if isinstance(answer, Prediction) else ())
            else:
                yield Prediction(name, ner_tags=tuple(self._tags(answer.spans, given[name])))

    def _tags(self, spans: Iterable[Span], document: TextDocument) -> list[str]:
        """Return the tags of spans in code points, in any order, whose labels may be another scheme's."""
        given = sorted(spans)
        overrides, where = parse_overrides(self.setup.config.labels), f"{self.model.name}, {document.id!r}"
        labels = {span.label for span in given}
        meaning = map_types(
            labels, self.setup.scheme, overrides={k: v for k, v in overrides.items() if k in labels}, where=where
        )
        named = [Span(span.start, span.end, meaning[span.label]) for span in given if meaning[span.label] != "O"]
        placed = token_spans(document.token_starts, document.tokens, named)
        if len(placed) != len(named):
            raise GonerdError("a span covers no token, or shares one with another span", where=where)
        return tags_from_spans(len(document.tokens), placed)


def text_document(document: InputDocument) -> TextDocument:
    """Return a document with its text; where gold has none that its tokens lie in, they are joined by spaces."""
    source, tokens = "gold", document.tokens
    if (
        document.text is not None
        and document.token_starts is not None
        and normalize_text(document.text) == document.text
    ):
        return TextDocument(document.id, document.text, source, tokens=tokens, token_starts=document.token_starts)
    tokens = tuple(normalize_text(token) for token in tokens)
    starts, end = [], 0
    for token in tokens:
        starts.append(end)
        end += len(token) + 1
    return TextDocument(document.id, " ".join(tokens), source, tokens=tokens, token_starts=tuple(starts))


def _module(place: str) -> Any:
    """Return a module by its name or its file."""
    path = Path(place)
    if path.suffix != ".py":
        try:
            return importlib.import_module(place)
        except ModuleNotFoundError as error:
            raise GonerdError(f"no module {error.name!r}", where=f"python:{place}") from error
    require_file(path)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise GonerdError("not a Python file", where=path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
