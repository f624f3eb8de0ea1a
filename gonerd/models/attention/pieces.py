"""Pieces of a row, for the tiles: views and gathered slots, whose gradients are added into one tensor.

Cut one by one, each piece's backward pass would make, fill and add a tensor of the whole row: with some dozens of tiles
to a row that costs as much as the attention itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor

from gonerd.models.attention.pattern import Runs


def pieces(values: Tensor, cuts: Sequence[Runs | Tensor]) -> Iterable[Tensor]:
    """Return or yield pieces of a row, (runs, heads, size, width) each, of (slots, heads, width).

    A cut is runs, which become a view, or slots by number, (runs, size), which are copied.
    """
    if torch.is_grad_enabled() and values.requires_grad:
        cut: tuple[Tensor, ...] = _Pieces.apply(values, cuts)  # type: ignore[no-untyped-call]
        return cut
    return (_piece(values, cut) for cut in cuts)


def _piece(values: Tensor, cut: Runs | Tensor) -> Tensor:
    return (
        cut.of(values)
        if isinstance(cut, Runs)
        else values.index_select(0, cut.flatten()).view(*cut.shape, *values.shape[1:]).transpose(1, 2)
    )


class _Pieces(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor, cuts: Sequence[Runs | Tensor]) -> tuple[Tensor, ...]:
        ctx.cuts, ctx.shape = cuts, values.shape
        return tuple(_piece(values, cut) for cut in cuts)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        total = gradients[0].new_zeros(ctx.shape, dtype=torch.promote_types(gradients[0].dtype, torch.float32))
        for cut, gradient in zip(ctx.cuts, gradients, strict=True):
            _add(total, cut, gradient)
        return total.to(gradients[0].dtype), None


def _add(total: Tensor, cut: Runs | Tensor, gradient: Tensor) -> None:
    """Add the gradient of a piece, (runs, heads, size, width), to that of the row."""
    if not isinstance(cut, Runs):
        total.index_add_(0, cut.flatten(), gradient.transpose(1, 2).flatten(0, 1).to(total.dtype))
        return
    apart = cut.step if cut.count > 1 else cut.size  # of slots so far apart, no two runs hold the same one
    for first in range(0, cut.size, apart):
        some = Runs(cut.start + first, min(apart, cut.size - first), cut.count, cut.step)
        some.of(total).add_(gradient[:, :, first : first + some.size])
