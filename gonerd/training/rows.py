"""Examples to batches with labels: whole documents, each word labelled exactly once."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gonerd.errors import GonerdError
from gonerd.labels import LabelScheme
from gonerd.models.batches import pad_batch, token_batches
from gonerd.models.encode import EncodedDocument, Piece, Reach, encode_documents
from gonerd.records import Example, fingerprint
from gonerd.training.losses import IGNORED

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Rows:
    """Encoded documents beside their gold tags."""

    documents: tuple[EncodedDocument, ...]
    tags: tuple[NDArray[np.int8], ...]  # integers of the scheme, one array a document

    @property
    def pieces(self) -> list[Piece]:
        """The pieces of all documents, in order."""
        return [piece for document in self.documents for piece in document.pieces]


def encode_examples(tokenizer: Any, examples: Sequence[Example], *, reach: Reach, scheme: LabelScheme) -> Rows:
    """Return examples as rows.

    Raises:
        GonerdError: there are none, or a tag is outside the scheme.
    """
    import numpy as np

    if not examples:
        raise GonerdError("no documents to train or validate on", remedy="Does the dataset have that split?")
    documents = encode_documents(tokenizer, (example.tokens for example in examples), reach=reach)
    tags = (np.array(scheme.tag_ids(example.ner_tags, where=example.id), dtype=np.int8) for example in examples)
    return Rows(tuple(documents), tuple(tags))


def fingerprint_of(examples: Sequence[Example]) -> str:
    """Return the fingerprint of ids, tokens and tags, in whatever order; with the order, it names a training set."""
    return fingerprint((example.id, example.tokens, example.ner_tags) for example in examples).gold or ""


class TokenBatches:
    """The batches of an epoch as a map-style dataset: item i is batch i.

    Batches are put together once; the Trainer draws their order anew each epoch. Padded batches are of pieces of about
    one length, so that little is padded; packed ones of whatever pieces the draw brings.

    Args:
        rows: the training documents.
        outputs: the model's output for each integer of the scheme's tags.
        max_tokens: sub-tokens in a batch, padding included.
        pad_id: the sub-token that pads; None to pack the pieces.
        seed: pieces are mixed by it.

    Raises:
        GonerdError: there is no word to learn from.
    """

    def __init__(self, rows: Rows, *, outputs: Sequence[int], max_tokens: int, pad_id: int | None, seed: int) -> None:
        import numpy as np

        self.rows, self.pad_id = rows, pad_id
        self.outputs = np.array(outputs, dtype=np.int64)
        # A batch of pieces that answer for no word, as inside of one that is longer than a window, has no loss.
        self.pieces = [piece for piece in rows.pieces if len(piece.words)]
        if not self.pieces:
            raise GonerdError("the documents to train on have no words")
        random.Random(seed).shuffle(self.pieces)  # noqa: S311 - not for secrets
        if pad_id is None:
            from gonerd.models.packing import first_fit

            sizes = [len(piece.input_ids) for piece in self.pieces]
            self.batches = first_fit(sizes, max_tokens, order=range(len(sizes)))
        else:
            self.batches = token_batches(self.pieces, max_tokens=max_tokens)

    def __len__(self) -> int:
        """Return the number of batches in an epoch."""
        return len(self.batches)

    def __getitem__(self, number: int) -> dict[str, torch.Tensor]:
        """Return a batch: `input_ids`, `labels` and `attention_mask`, each (pieces, longest).

        Packed, `input_ids` and `labels` are (sub-tokens,), and the pieces' `lengths` take the place of the mask.
        """
        import torch

        chosen = [self.pieces[place] for place in self.batches[number]]
        labels = [torch.from_numpy(self._labels(piece)) for piece in chosen]
        if self.pad_id is not None:
            padded = torch.nn.utils.rnn.pad_sequence(labels, batch_first=True, padding_value=IGNORED)
            return {**pad_batch(chosen, pad_id=self.pad_id), "labels": padded}
        return {
            "input_ids": torch.cat([torch.from_numpy(piece.input_ids) for piece in chosen]).long(),
            "lengths": torch.tensor([len(piece.input_ids) for piece in chosen]),
            "labels": torch.cat(labels),
        }

    def _labels(self, piece: Piece) -> NDArray[np.int64]:
        """Return a piece's labels, (sub-tokens,): that of each answered word at its first sub-token."""
        import numpy as np

        labels = np.full(len(piece.input_ids), IGNORED, dtype=np.int64)
        labels[piece.positions] = self.outputs[self.rows.tags[piece.document][piece.words]]
        return labels


def inputs_of(batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return what a model reads of a batch."""
    return {name: tensor for name, tensor in batch.items() if name != "labels"}


def only(batches: Sequence[dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    """Return the one batch: the collator for datasets whose items are batches already."""
    (batch,) = batches
    return batch
