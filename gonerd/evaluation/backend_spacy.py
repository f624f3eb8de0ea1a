"""The backend of spaCy pipelines: the gold's own tokens are given, and only what entities need is run."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gonerd.errors import GonerdError
from gonerd.evaluation.backend import Answers, InputDocument, Setup
from gonerd.evaluation.result import CoveragePart, ModelPart, Settings
from gonerd.label_maps import map_types, parse_overrides
from gonerd.labels import tags_from_spans
from gonerd.models.checkpoints import revision_of_files
from gonerd.records import Prediction, Progress, Span
from gonerd.store import sha256_file

# Components that entities do not need; the vectors they share (tok2vec, transformer) stay.
NOT_NEEDED = ("tagger", "parser", "attribute_ruler", "lemmatizer", "morphologizer", "senter", "textcat")


class SpacyBackend:
    """A spaCy pipeline, by its folder or the name of its package.

    Raises:
        GonerdError: there is no such pipeline, it finds no entities, or a type of its means nothing in the scheme.
    """

    def __init__(self, name: str, setup: Setup) -> None:
        self.pipeline = _load(name)
        finders = [pipe for pipe in self.pipeline.pipe_names if pipe in ("ner", "entity_ruler", "beam_ner")]
        types = sorted({label for pipe in finders for label in self.pipeline.get_pipe(pipe).labels})
        if not types:
            raise GonerdError("this pipeline finds no entities", where=name)
        config = setup.config
        self.labels = map_types(types, setup.scheme, overrides=parse_overrides(config.labels), where=name)
        files = _files(Path(self.pipeline.path))
        meta = self.pipeline.meta
        self.model = ModelPart(
            name=setup.name or f"{meta['lang']}_{meta['name']}",
            revision=revision_of_files(files),
            backend="spacy",
            files=files,
            labels=self.labels,
            architecture=f"spaCy {meta['name']} {meta['version']}",
        )
        self.settings: Settings = config.meaning()
        self.device: str | None = None

    def predict(self, documents: Sequence[InputDocument], *, progress: Progress) -> Answers:
        """Run the pipeline over each document's tokens."""
        from spacy.tokens import Doc

        started = time.perf_counter()
        docs = (Doc(self.pipeline.vocab, words=list(document.tokens)) for document in documents)
        predictions = []
        for place, (document, doc) in enumerate(zip(documents, self.pipeline.pipe(docs, batch_size=8), strict=True)):
            spans = [Span(ent.start, ent.end, self.labels[ent.label_]) for ent in doc.ents]
            named = [span for span in spans if span.label != "O"]
            predictions.append(Prediction(document.id, ner_tags=tuple(tags_from_spans(len(document.tokens), named))))
            progress(place + 1, len(documents))
        words = sum(len(document.tokens) for document in documents)
        coverage = CoveragePart(gold_words=words, predicted_words=words, lost_words=0, windowed_documents=0)
        return Answers(predictions, coverage, seconds=time.perf_counter() - started)


def _load(name: str) -> Any:
    import spacy

    try:
        return spacy.load(name, exclude=list(NOT_NEEDED))
    except (OSError, ValueError, KeyError, ImportError) as error:
        line = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise GonerdError(f"not a usable spaCy pipeline: {line}", where=name) from error


def _files(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of each file of a pipeline."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix not in (".pyc", ".py"))
    return {path.relative_to(folder).as_posix(): sha256_file(path) for path in paths}
