"""Tags for every word of every document, whatever the model's reach, and the account that none was left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gonerd.errors import GonerdError
from gonerd.labels import LabelScheme
from gonerd.models.checkpoints import label_map, local_length, window_reach
from gonerd.models.encode import EncodedDocument, encode_documents
from gonerd.models.tagging import Device, Precision, tag_documents
from gonerd.records import Progress, silent

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictConfig:
    """How a model is run."""

    max_tokens: int = 8192
    """Sub-tokens in a batch, padding included; tags do not depend on it."""
    max_length: int | None = None
    """Longest input in sub-tokens, special tokens included. If it is not given, the model's reach; and where all
    attention is local and no stride is given, the shortest power of two from 512 on whose windows share twice what the
    layers see: the tags are the same, sooner. Longer documents are windowed."""
    stride: int | None = None
    """Sub-tokens that neighbouring windows share; a quarter of the longest input if not given."""
    precision: Precision = "fp32"
    """Of the matrix products."""
    device: Device = "auto"
    """Where to compute; auto takes CUDA where there is one."""

    def __post_init__(self) -> None:
        if self.max_tokens < 1:
            raise GonerdError(f"batches of {self.max_tokens} sub-tokens", remedy="Set max-tokens to 1 or more")

    def settings(self) -> dict[str, str | int | float | bool | None]:
        """Return what of this can move F1, as a result states it."""
        by_model = "reach; local attention: shortest with the same tags" if self.stride is None else "reach"
        return {
            "max_length": by_model if self.max_length is None else self.max_length,
            "stride": "max_length / 4" if self.stride is None else self.stride,
            "precision": self.precision,
            "word": "first sub-token",
            "decoder": "argmax",
        }


@dataclass(frozen=True, slots=True)
class Coverage:
    """That nothing was cut off, in numbers."""

    gold_words: int
    predicted_words: int  # with a tag; lost words, which count as O, are among them
    lost_words: int  # the tokenizer turned them into nothing
    windowed_documents: int  # longer than the longest input
    sub_tokens: int  # of the documents, each counted once


def predict_tags(
    model: Any,
    tokenizer: Any,
    documents: Sequence[tuple[str, Sequence[str]]],
    *,
    config: PredictConfig,
    scheme: LabelScheme,
    progress: Progress = silent,
) -> tuple[dict[str, NDArray[np.int8]], Coverage]:
    """Return the integers of the tags of each document's words by its id, and the coverage.

    The tags do not depend on the order of the documents, on the size of the batches, or on who shares one.

    Args:
        model: a token-classification model in evaluation mode, on its device.
        tokenizer: its fast tokenizer.
        documents: ids and words.
        config: windows, batches, precision.
        scheme: whose integers to return.
        progress: called with the windows done and their number.

    Raises:
        GonerdError: an id is there twice, a label of the model is outside the scheme, or the model answers with NaN.
    """
    if len({name for name, _ in documents}) != len(documents):
        raise GonerdError("two documents have the same id")
    labels = label_map(model.config, scheme)
    chosen = local_length(model.config) if config.max_length is None and config.stride is None else config.max_length
    reach = window_reach(model, tokenizer, stride=config.stride, max_length=chosen)
    encoded = list(encode_documents(tokenizer, (words for _, words in documents), reach=reach))
    tags = tag_documents(
        model, encoded, labels=labels, max_tokens=config.max_tokens, precision=config.precision, progress=progress
    )
    named = {name: answer for (name, _), answer in zip(documents, tags, strict=True)}
    return named, _coverage(encoded, tags)


def _coverage(documents: Sequence[EncodedDocument], tags: Sequence[NDArray[np.int8]]) -> Coverage:
    lost = sum(document.lost_words for document in documents)
    answered = sum(len(piece.words) for document in documents for piece in document.pieces)
    return Coverage(
        gold_words=sum(len(answer) for answer in tags),
        predicted_words=answered + lost,
        lost_words=lost,
        windowed_documents=sum(len(document.pieces) > 1 for document in documents),
        sub_tokens=sum(document.sub_tokens for document in documents),
    )
