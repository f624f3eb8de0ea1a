"""From pieces to tags: the forward passes of a token-classification model, one tag for every word."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Literal

from gonerd.errors import GonerdError
from gonerd.models.batches import pad_batch, token_batches
from gonerd.models.encode import EncodedDocument, Piece
from gonerd.records import Progress, silent

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Precision = Literal["fp32", "bf16"]
Device = Literal["auto", "cpu", "cuda"]


def choose_device(device: Device) -> str:
    """Return the device to compute on; `auto` takes CUDA where there is one.

    Raises:
        GonerdError: CUDA was asked for and is not there.
    """
    import torch

    if device == "cuda" and not torch.cuda.is_available():
        raise GonerdError("no CUDA device here", remedy="Use --device cpu")
    return "cuda" if device != "cpu" and torch.cuda.is_available() else "cpu"


def tag_documents(
    model: Any,
    documents: Sequence[EncodedDocument],
    *,
    labels: tuple[int, ...],
    max_tokens: int,
    precision: Precision = "fp32",
    progress: Progress = silent,
) -> list[NDArray[np.int8]]:
    """Return the integers of the tags of every word of every document; a word that the tokenizer lost is 0 (`O`).

    Args:
        model: a token-classification model in evaluation mode, on its device.
        documents: whole documents, numbered in this order from 0 in their pieces.
        labels: the scheme's integer for each output of the model.
        max_tokens: sub-tokens in a batch, padding included.
        precision: of the matrix products.
        progress: called with the pieces done and their number.

    Raises:
        GonerdError: the model answers with something that is not a number.
    """
    import numpy as np

    tags = [np.zeros(document.words, dtype=np.int8) for document in documents]
    pieces = [piece for document in documents for piece in document.pieces if len(piece.words)]
    table = np.array(labels, dtype=np.int8)
    done = 0
    for batch in token_batches(pieces, max_tokens=max_tokens):
        chosen = [pieces[place] for place in batch]
        for piece, answer in zip(chosen, predict_batch(model, chosen, precision=precision), strict=True):
            tags[piece.document][piece.words] = table[answer]
        done += len(batch)
        progress(done, len(pieces))
    return tags


def predict_batch(model: Any, pieces: Sequence[Piece], *, precision: Precision) -> list[NDArray[np.int64]]:
    """Return for each piece the model's choice for each word that it answers for: (words,) indexes of outputs.

    Raises:
        GonerdError: a logit is not a number.
    """
    import torch

    inputs = pad_batch(pieces, pad_id=model.config.pad_token_id or 0)
    with torch.inference_mode(), autocast(model.device.type, precision):
        logits = model(**{name: tensor.to(model.device) for name, tensor in inputs.items()}).logits
    answers = []
    for row, piece in enumerate(pieces):
        scores = logits[row, torch.from_numpy(piece.positions).to(logits.device)]
        if not torch.isfinite(scores).all():
            raise GonerdError("the model answers with NaN or infinity", remedy="Its weights are unusable")
        answers.append(scores.argmax(dim=-1).cpu().numpy())
    return answers


def autocast(device: str, precision: Precision) -> AbstractContextManager[Any]:
    """Return the context in which matrix products run in the wanted precision."""
    import torch

    return torch.autocast(device, torch.bfloat16, enabled=precision == "bf16")
