"""From pieces to tags: whatever runs a token-classification model, one tag for every word of every document.

A model is given as a `Forward`: a function from pieces to the logits of all their sub-tokens. Which outputs mean what,
how a word's sub-tokens are made one answer and how answers become tags is a `Decoding`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from gonerd.errors import GonerdError
from gonerd.label_maps import LabelMap
from gonerd.models.batches import Batches, pad_batch
from gonerd.models.encode import EncodedDocument, Piece
from gonerd.models.share import ALONE, Share
from gonerd.models.viterbi import best_legal_tags
from gonerd.records import Progress, silent

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

    from gonerd.models.encoder import Encoder

Precision = Literal["fp32", "bf16"]
WordScore = Literal["first", "average", "max"]
Decoder = Literal["argmax", "viterbi"]
Forward = Callable[[Sequence[Piece]], "Sequence[torch.Tensor]"]
"""Runs a model: for each piece, in their order, the logits (sub-tokens or more, outputs) of its `input_ids`."""


@dataclass(frozen=True, slots=True)
class Decoding:
    """How logits become tags."""

    labels: LabelMap
    word: WordScore = "first"
    """Which of a word's sub-tokens answer for it: the first; all, by the mean of their probabilities; or the one that
    is surest of its answer."""
    decoder: Decoder = "argmax"
    """argmax takes each word's best label; viterbi the best sequence in which every `I-` continues an entity."""


def tag_documents(
    forward: Forward,
    documents: Sequence[EncodedDocument],
    *,
    decoding: Decoding,
    max_tokens: int,
    progress: Progress = silent,
    share: Share = ALONE,
) -> list[NDArray[np.int8]]:
    """Return the integers of the tags of every word of every document; a word that the tokenizer lost is 0 (`O`).

    Args:
        forward: runs the model.
        documents: whole documents, numbered in this order from 0 in their pieces.
        decoding: what the outputs mean and how they become tags.
        max_tokens: sub-tokens in a batch, padding included; a batch that does not fit the memory is halved.
        progress: called with the pieces done and their number.
        share: which part of the batches this process computes; all get all tags.

    Raises:
        GonerdError: the model answers with something that is not a number, or one piece alone does not fit the memory.
    """
    pieces = [piece for document in documents for piece in document.pieces if len(piece.words)]
    batches = Batches(pieces, max_tokens=max_tokens)
    mine = batches.part(share.rank, share.size)

    def answer(batch: list[int]) -> list[NDArray[Any]]:
        return _answer(forward, [pieces[place] for place in batch], decoding)

    answers = share.gather(lambda: batches.run(mine, answer, progress=progress))
    return _stitch(documents, pieces, answers, decoding)


def _stitch(
    documents: Sequence[EncodedDocument], pieces: Sequence[Piece], answers: dict[int, NDArray[Any]], decoding: Decoding
) -> list[NDArray[np.int8]]:
    """Return the tags of whole documents from the answers for their pieces."""
    import numpy as np

    labels = decoding.labels
    if decoding.decoder == "argmax":
        tags = [np.zeros(document.words, dtype=np.int8) for document in documents]
        for place, answer in answers.items():
            tags[pieces[place].document][pieces[place].words] = answer
        return [labels.whole(tag) for tag in tags]
    width = len(labels.names)
    # A word that the tokenizer lost is O and nothing else.
    lost = np.where(np.arange(width) == 0, 0.0, -np.inf).astype(np.float32)
    scores = [np.tile(lost, (document.words, 1)) for document in documents]
    for place, answer in answers.items():
        scores[pieces[place].document][pieces[place].words] = answer
    return [labels.whole(tag) for tag in best_legal_tags(scores, free=labels.tagging in ("IOB1", "IO"))]


def _answer(forward: Forward, pieces: Sequence[Piece], decoding: Decoding) -> list[NDArray[Any]]:
    """Return for each piece what it says of its words: tags (words,), or for Viterbi log-probabilities (words, tags).

    Raises:
        GonerdError: a logit is not a number.
    """
    import numpy as np
    import torch

    with torch.inference_mode():
        logits = forward(pieces)
        scores = torch.cat([_word_scores(row, piece, decoding.word) for row, piece in zip(logits, pieces, strict=True)])
        if not torch.isfinite(scores).all():
            raise GonerdError("the model answers with NaN or infinity", remedy="Its weights are unusable")
        if decoding.decoder == "argmax":
            answer = np.array(decoding.labels.tags, dtype=np.int8)[scores.argmax(dim=-1).cpu().numpy()]
        else:
            answer = _by_tag(scores.float(), decoding).cpu().numpy()
    return np.split(answer, np.cumsum([len(piece.words) for piece in pieces])[:-1])


def _word_scores(logits: torch.Tensor, piece: Piece, word: WordScore) -> torch.Tensor:
    """Return (words, outputs): logits of first sub-tokens, or probabilities over a word's sub-tokens, as logarithms."""
    import torch

    first = torch.from_numpy(piece.positions).to(logits.device)
    if word == "first":
        return logits[first]
    ends = torch.from_numpy(piece.ends).to(logits.device)
    counts = (ends - first).long()
    owner = torch.repeat_interleave(torch.arange(len(first), device=logits.device), counts)
    inside = torch.arange(len(owner), device=logits.device) - (counts.cumsum(0) - counts)[owner] + first[owner]
    shares = torch.softmax(logits[inside].float(), dim=-1)
    start = shares.new_zeros((len(first), shares.shape[-1]))
    if word == "average":
        return (start.index_add_(0, owner, shares) / counts[:, None]).clamp_min(torch.finfo(shares.dtype).tiny).log()
    most = start.scatter_reduce_(0, owner[:, None].expand_as(shares), shares, "amax")
    return most.clamp_min(torch.finfo(shares.dtype).tiny).log()


def _by_tag(scores: torch.Tensor, decoding: Decoding) -> torch.Tensor:
    """Return the log-probability of each of the scheme's tags, (words, tags): outputs of one tag are added up."""
    import torch

    owner = torch.tensor(decoding.labels.tags, device=scores.device)
    shares = scores.softmax(dim=-1)
    by_tag = shares.new_zeros((len(shares), len(decoding.labels.names))).index_add_(1, owner, shares)
    return by_tag.clamp_min(torch.finfo(by_tag.dtype).tiny).log()


def padded_forward(model: Any, *, precision: Precision = "fp32") -> Forward:
    """Return how to run a transformers model, in evaluation mode and on its device: pieces padded to the longest."""

    def forward(pieces: Sequence[Piece]) -> Sequence[torch.Tensor]:
        inputs = pad_batch(pieces, pad_id=model.config.pad_token_id or 0)
        with autocast(model.device.type, precision):
            logits = model(**{name: tensor.to(model.device) for name, tensor in inputs.items()}).logits
        return list(logits)

    return forward


def packed_forward(encoder: Encoder, *, precision: Precision = "fp32") -> Forward:
    """Return how to run an encoder, in evaluation mode and on its device: pieces packed into one row, none padded."""
    import torch

    from gonerd.models.packing import pack, unpack

    device = encoder.embeddings.tokens.weight.device

    def forward(pieces: Sequence[Piece]) -> Sequence[torch.Tensor]:
        documents = [torch.from_numpy(piece.input_ids).to(device).long() for piece in pieces]
        (row,) = pack(documents, max_tokens=sum(map(len, documents)))
        with autocast(device.type, precision):
            logits = encoder(row.input_ids, layout=row.layout).logits
        return unpack([row], [logits])

    return forward


def autocast(device: str, precision: Precision) -> AbstractContextManager[Any]:
    """Return the context in which matrix products run in the wanted precision."""
    import torch

    return torch.autocast(device, torch.bfloat16, enabled=precision == "bf16")
