"""Tags for every word of every document, whatever the model's reach, and the account that none was left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gonerd.encoding import ROUND
from gonerd.errors import GonerdError
from gonerd.evaluation.memory import automatic_max_tokens
from gonerd.label_maps import LabelMap, Tagging, map_labels, parse_overrides
from gonerd.labels import LabelScheme
from gonerd.models.device import Device
from gonerd.models.encode import EncodedDocument, Reach, encode_documents
from gonerd.models.reach import UNLIMITED
from gonerd.models.share import ALONE, Share
from gonerd.models.tagging import Decoder, Decoding, Forward, Precision, WordScore, tag_documents
from gonerd.records import Progress, silent

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# As `encoding.split_windows` lays them: a result says so, and its key depends on it.
WINDOWS, APART = f"fewest, of one length, a multiple of {ROUND}", "fewest, end to end"
SHARED, SHARED_LOCAL = 16, 4  # windows share this part of the longest input; why a quarter: `models.reach.local_length`


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictConfig:
    """How a model is run."""

    max_length: int | None = None
    """Longest input in sub-tokens, special tokens included; the model's reach if not given, or for purely local
    attention the shortest input with the same tags. Longer documents are read in windows."""
    stride: int | None = None
    """Sub-tokens that neighbouring windows share at least; a sixteenth of the longest input if not given, of purely
    local attention a quarter."""
    word: WordScore = "first"
    """What answers for a word: its first sub-token, the average of all of them, or the surest (max)."""
    decoder: Decoder = "argmax"
    """argmax: each word's best label. viterbi: the best sequence in which every I- continues an entity."""
    labels: tuple[str, ...] = ()
    """What a label of the model counts as: MODEL_LABEL=LABEL (PERSON=PER, DATE=O, LABEL_3=B-ORG); may be repeated."""
    tagging: Tagging | None = None
    """How the model writes entities; told from its labels if not given."""
    trim: bool = False
    """Cut articles and "'s" off the edges of predicted entities, where OntoNotes has them and this scheme has not."""
    max_tokens: int | None = None
    """Sub-tokens in a batch, padding included; from the free memory if not given. Tags do not depend on it."""
    precision: Precision = "fp32"
    """Of the matrix products."""
    compare_fp32: bool = True
    """With bf16, compute fp32 too, where no result of it is there yet, and state the difference in F1."""
    device: Device = "auto"
    """Where to compute; auto takes CUDA where there is one."""

    def __post_init__(self) -> None:
        if self.max_tokens is not None and self.max_tokens < 1:
            raise GonerdError(f"batches of {self.max_tokens} sub-tokens", remedy="Set max-tokens to 1 or more")
        if self.max_length is not None and self.max_length < 1:
            raise GonerdError(f"inputs of {self.max_length} sub-tokens", remedy="Set max-length to 1 or more")
        if self.stride is not None and self.stride < 0:
            raise GonerdError(f"windows that share {self.stride} sub-tokens", remedy="Set stride to 0 or more")
        parse_overrides(self.labels)

    def settings(self) -> dict[str, str | int | float | bool | None]:
        """Return what of this can move F1, as a result states it."""
        by_model = "reach; local attention: shortest with the same tags" if self.stride is None else "reach"
        shared = f"max_length / {SHARED}; local attention: / {SHARED_LOCAL}"
        words = {"first": "first sub-token", "average": "average of sub-tokens", "max": "surest sub-token"}
        return {
            "max_length": by_model if self.max_length is None else self.max_length,
            "stride": shared if self.stride is None else self.stride,
            "windows": APART if self.stride == 0 else WINDOWS,
            "precision": self.precision,
            "word": words[self.word],
            "decoder": self.decoder,
            **self.meaning(),
        }

    def meaning(self) -> dict[str, str | int | float | bool | None]:
        """Return what of this says how labels and spans are read, where it says anything."""
        stated: dict[str, str | int | float | bool | None] = {}
        if self.labels:
            stated["labels"] = " ".join(sorted(self.labels))
        if self.tagging:
            stated["tagging"] = self.tagging
        if self.trim:
            stated["trim"] = True
        return stated


@dataclass(frozen=True, slots=True)
class TokenModel:
    """A token classifier that is loaded, whatever library runs it."""

    forward: Forward
    tokenizer: Any  # a fast one; words are given to it one by one, as if a space stood before each
    labels: tuple[str, ...]  # the names of its outputs, in order
    reach: int | None  # longest input in sub-tokens, special tokens included; None for no limit
    device: str
    width: int  # of its hidden states: the automatic size of batches follows from it
    local_length: int | None = None  # shortest input that gives the tags of the full length, where there is one


@dataclass(frozen=True, slots=True)
class Coverage:
    """That nothing was cut off, in numbers."""

    gold_words: int
    predicted_words: int  # with a tag; lost words, which count as O, are among them
    lost_words: int  # the tokenizer turned them into nothing
    windowed_documents: int  # longer than the longest input
    lengths: tuple[int, ...]  # sub-tokens of each document, in the order of the documents

    @property
    def sub_tokens(self) -> int:
        """Sub-tokens of the documents, each counted once."""
        return sum(self.lengths)


def labels_of(outputs: Sequence[str], scheme: LabelScheme, config: PredictConfig, *, where: object = None) -> LabelMap:
    """Return what a model's outputs mean in a scheme, as the configuration has it.

    Raises:
        GonerdError: a label means nothing in the scheme.
    """
    return map_labels(
        outputs, scheme, overrides=parse_overrides(config.labels), tagging=config.tagging, where=where
    )  # fmt: skip


def predict_tags(
    model: TokenModel,
    documents: Sequence[tuple[str, Sequence[str]]],
    *,
    config: PredictConfig,
    scheme: LabelScheme,
    progress: Progress = silent,
    share: Share = ALONE,
) -> tuple[dict[str, NDArray[np.int8]], Coverage]:
    """Return the integers of the tags of each document's words by its id, and the coverage.

    The tags do not depend on the order of the documents, on the size of the batches, on who shares one, or on how many
    processes there are.

    Args:
        model: a token classifier.
        documents: ids and words.
        config: windows, batches, decoding.
        scheme: whose integers to return.
        progress: called with the windows done and their number.
        share: which part of the work is this process's.

    Raises:
        GonerdError: an id is there twice, a label of the model means nothing in the scheme, the model answers with NaN,
            or one window does not fit the memory.
    """
    if len({name for name, _ in documents}) != len(documents):
        raise GonerdError("two documents have the same id")
    decoding = Decoding(labels_of(model.labels, scheme, config), config.word, config.decoder)
    encoded = list(encode_documents(model.tokenizer, (words for _, words in documents), reach=reach_of(model, config)))
    max_tokens = batch_tokens(model, config)
    tags = tag_documents(
        model.forward, encoded, decoding=decoding, max_tokens=max_tokens, progress=progress, share=share
    )  # fmt: skip
    named = {name: answer for (name, _), answer in zip(documents, tags, strict=True)}
    return named, _coverage(encoded, tags)


def batch_tokens(model: TokenModel, config: PredictConfig) -> int:
    """Return how many sub-tokens a batch has: as the configuration says, or what fits the free memory."""
    return config.max_tokens or automatic_max_tokens(model.device, width=model.width)


def reach_of(model: TokenModel, config: PredictConfig) -> Reach:
    """Return the windows that a model is run with."""
    limit = model.reach or UNLIMITED
    chosen = config.max_length
    if chosen is None and config.stride is None:
        chosen = model.local_length
    size = min(limit, chosen or limit)
    shared = size // (SHARED_LOCAL if model.local_length else SHARED)
    return Reach(size, shared if config.stride is None else config.stride)


def _coverage(documents: Sequence[EncodedDocument], tags: Sequence[NDArray[np.int8]]) -> Coverage:
    lost = sum(document.lost_words for document in documents)
    answered = sum(len(piece.words) for document in documents for piece in document.pieces)
    return Coverage(
        gold_words=sum(len(answer) for answer in tags),
        predicted_words=answered + lost,
        lost_words=lost,
        windowed_documents=sum(len(document.pieces) > 1 for document in documents),
        lengths=tuple(document.sub_tokens for document in documents),
    )
