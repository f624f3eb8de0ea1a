"""Pieces to batches: sorted by length so that little is padded, sized in sub-tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from gonerd.models.encode import Piece

if TYPE_CHECKING:
    import torch


def token_batches(pieces: Sequence[Piece], *, max_tokens: int) -> list[list[int]]:
    """Return batches of indexes of pieces, longest first; each holds at most `max_tokens` with its padding.

    A piece that is longer than that is a batch of its own.
    """
    order = sorted(range(len(pieces)), key=lambda place: (-len(pieces[place].input_ids), place))
    batches: list[list[int]] = []
    longest = 0
    for place in order:
        if not batches or (len(batches[-1]) + 1) * longest > max_tokens:
            batches.append([])
            longest = len(pieces[place].input_ids)
        batches[-1].append(place)
    return batches


def pad_batch(pieces: Sequence[Piece], *, pad_id: int) -> dict[str, torch.Tensor]:
    """Return `input_ids` and `attention_mask`, both (pieces, longest), padded on the right."""
    import torch

    longest = max(len(piece.input_ids) for piece in pieces)
    input_ids = torch.full((len(pieces), longest), pad_id, dtype=torch.long)
    attention_mask = torch.zeros((len(pieces), longest), dtype=torch.long)
    for row, piece in enumerate(pieces):
        input_ids[row, : len(piece.input_ids)] = torch.from_numpy(piece.input_ids)
        attention_mask[row, : len(piece.input_ids)] = 1
    return {"input_ids": input_ids, "attention_mask": attention_mask}
