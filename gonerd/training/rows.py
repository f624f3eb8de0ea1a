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

    Batches are put together once, of pieces of about one length, so that little is padded; the Trainer draws their
    order anew each epoch.

    Args:
        rows: the training documents.
        outputs: the model's output for each integer of the scheme's tags.
        max_tokens: sub-tokens in a batch, padding included.
        pad_id: the sub-token that pads.
        seed: pieces of the same length are mixed by it.
    """

    def __init__(self, rows: Rows, *, outputs: Sequence[int], max_tokens: int, pad_id: int, seed: int) -> None:
        import numpy as np

        self.rows, self.pad_id = rows, pad_id
        self.outputs = np.array(outputs, dtype=np.int64)
        self.pieces = rows.pieces
        random.Random(seed).shuffle(self.pieces)  # noqa: S311 - not for secrets
        self.batches = token_batches(self.pieces, max_tokens=max_tokens)

    def __len__(self) -> int:
        """Return the number of batches in an epoch."""
        return len(self.batches)

    def __getitem__(self, number: int) -> dict[str, torch.Tensor]:
        """Return a batch: `input_ids`, `attention_mask` and `labels`, each (pieces, longest)."""
        import torch

        chosen = [self.pieces[place] for place in self.batches[number]]
        batch = pad_batch(chosen, pad_id=self.pad_id)
        batch["labels"] = torch.full_like(batch["input_ids"], IGNORED)
        for row, piece in enumerate(chosen):
            gold = self.outputs[self.rows.tags[piece.document][piece.words]]
            batch["labels"][row, torch.from_numpy(piece.positions).long()] = torch.from_numpy(gold)
        return batch


def only(batches: Sequence[dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    """Return the one batch: the collator for datasets whose items are batches already."""
    (batch,) = batches
    return batch
