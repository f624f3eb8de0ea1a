"""The backend of token classifiers: any transformers model, and whatever else is run sub-token by sub-token."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from gonerd.evaluation.backend import Answers, InputDocument, Setup
from gonerd.evaluation.predict import PredictConfig, TokenModel, batch_tokens, labels_of, predict_tags
from gonerd.evaluation.result import CoveragePart, ModelPart, Settings
from gonerd.models.checkpoints import (
    CheckpointInfo,
    checkpoint_files,
    checkpoint_name,
    checkpoint_revision,
    describe,
    load_checkpoint,
    output_labels,
    read_config,
)
from gonerd.models.device import choose_device
from gonerd.models.load import located
from gonerd.models.reach import local_length, reach_tokens
from gonerd.models.tagging import padded_forward
from gonerd.records import Prediction, Progress

WARM_UP_DOCUMENTS, WARM_UP_WORDS = 2, 512
UNKNOWN_WIDTH = 1024  # assumed where a configuration does not say


@dataclass(frozen=True, slots=True)
class Loaded:
    """A token classifier, and what its checkpoint is."""

    model: TokenModel
    info: CheckpointInfo
    module: Any  # the torch module that holds its weights


@dataclass(frozen=True, slots=True)
class Engine:
    """Something that runs checkpoints (folders, or names on the Hub)."""

    name: str
    outputs: Callable[[str], tuple[str, ...]]  # the names of a checkpoint's outputs, in order, before it is loaded
    load: Callable[[str, str, PredictConfig], Loaded]  # a checkpoint onto a device, run as the configuration says


def outputs_of(name: str) -> tuple[str, ...]:
    """Return the names of a checkpoint's outputs, in order, from its configuration."""
    return output_labels(read_config(name))


def _load(name: str, device: str, config: PredictConfig) -> Loaded:
    """Return a token-classification checkpoint as transformers runs it, in padded batches."""
    model, tokenizer = load_checkpoint(name, scheme=None)
    model.to(device)
    token_model = TokenModel(
        forward=padded_forward(model, precision=config.precision),
        tokenizer=tokenizer,
        labels=output_labels(model.config),
        reach=reach_tokens(model.config, tokenizer),
        device=device,
        width=getattr(model.config, "hidden_size", UNKNOWN_WIDTH),
        local_length=local_length(model.config),
    )
    return Loaded(token_model, describe(name, model, tokenizer), model)


TRANSFORMERS = Engine("transformers", outputs_of, _load)


class TokenBackend:
    """A token-classification checkpoint.

    Raises:
        GonerdError: there is no such checkpoint, it is of another task, or a label means nothing in the scheme: all
            that is known from its configuration, before weights are read.
    """

    def __init__(self, name: str, setup: Setup, engine: Engine) -> None:
        self.name, self.setup, self.engine = name, setup, engine
        labels = labels_of(engine.outputs(name), setup.scheme, setup.config, where=name)
        self.model = ModelPart(
            name=setup.name or checkpoint_name(name),
            revision=checkpoint_revision(name),
            backend=engine.name,
            files=checkpoint_files(name),
            labels=labels.changed,
            tagging=labels.tagging,
        )
        self.settings: Settings = setup.config.settings()
        self.device: str | None = setup.share.device or choose_device(setup.config.device)

    def predict(self, documents: Sequence[InputDocument], *, progress: Progress) -> Answers:
        """Load the model, warm it up, and answer."""
        config, scheme, share = self.setup.config, self.setup.scheme, self.setup.share
        with located(self.name):
            loaded = self.engine.load(self.name, self.device or "cpu", config)
        config = replace(config, max_tokens=batch_tokens(loaded.model, config))
        given = [(document.id, document.tokens) for document in documents]
        predict_tags(loaded.model, _short(given), config=config, scheme=scheme)
        started = time.perf_counter()
        tags, coverage = predict_tags(
            loaded.model, given, config=config, scheme=scheme, progress=progress, share=share
        )  # fmt: skip
        seconds = time.perf_counter() - started
        names = scheme.tags
        return Answers(
            predictions=[
                Prediction(document.id, ner_tags=tuple(names[tag] for tag in tags[document.id].tolist()))
                for document in documents
            ],
            coverage=CoveragePart(
                gold_words=coverage.gold_words,
                predicted_words=coverage.predicted_words,
                lost_words=coverage.lost_words,
                windowed_documents=coverage.windowed_documents,
            ),
            sub_tokens=dict(zip((document.id for document in documents), coverage.lengths, strict=True)),
            seconds=seconds,
            max_tokens=config.max_tokens,
            facts=_facts(loaded.info),
        )


def _short(documents: Sequence[tuple[str, Sequence[str]]]) -> list[tuple[str, Sequence[str]]]:
    """Return what a model is warmed up with: the beginning of a few documents."""
    return [(name, words[:WARM_UP_WORDS]) for name, words in documents[:WARM_UP_DOCUMENTS]]


def _facts(info: CheckpointInfo) -> dict[str, object]:
    names = ("architecture", "attention", "layers", "parameters", "reach_tokens", "teacher")
    return {name: getattr(info, name) for name in names}
