"""Suggesters that other rooms have: a model for token classification, run on whole documents."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from typing import TYPE_CHECKING

from gonerd.annotation.pipelines import BATCH, portions
from gonerd.annotation.suggest import SUGGESTERS, Maker
from gonerd.errors import GonerdError
from gonerd.labels import LabelScheme
from gonerd.records import Annotation, Document, Predict

if TYPE_CHECKING:
    from gonerd.evaluation.predict import TokenModel


def with_model(argument: str, scheme: LabelScheme) -> Predict:
    """Return the suggester that goes by a checkpoint: windows where a document is longer than the model's reach.

    Raises:
        GonerdError: no checkpoint is named, it is unusable, or its labels are outside the scheme.
    """
    if not argument:
        raise GonerdError("the suggester 'model' needs a checkpoint", remedy="For example: model:models/student")
    model = _load(argument, scheme)

    def predict(documents: Iterable[Document]) -> Iterator[Annotation]:
        from gonerd.dataset.tokens import Tokenizer
        from gonerd.evaluation.predict import PredictConfig, predict_tags
        from gonerd.labels import spans_from_tags, text_spans

        words = Tokenizer()
        for batch in portions(documents, BATCH):
            tokenized = {document.id: words(document.text) for document in batch}
            rows = [(name, text.tokens) for name, text in tokenized.items()]
            tags, _ = predict_tags(model, rows, config=PredictConfig(), scheme=scheme)
            for document in batch:
                text = tokenized[document.id]
                found = spans_from_tags([scheme.tags[tag] for tag in tags[document.id]], reading="lenient")
                spans = tuple(text_spans(text.token_starts, text.tokens, found))
                yield Annotation(document.id, document.text_sha256, f"model:{argument}", scheme.name, spans)

    return predict


@cache
def _load(checkpoint: str, scheme: LabelScheme) -> TokenModel:
    from gonerd.evaluation.backend_tokens import TRANSFORMERS
    from gonerd.evaluation.predict import PredictConfig, labels_of
    from gonerd.models.device import choose_device

    config = PredictConfig()
    labels_of(TRANSFORMERS.outputs(checkpoint), scheme, config, where=checkpoint)
    return TRANSFORMERS.load(checkpoint, choose_device("auto"), config).model


KINDS: dict[str, Maker] = {**SUGGESTERS, "model": with_model}
"""Every suggester that the command line knows."""
