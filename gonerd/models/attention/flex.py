"""A pattern as one FlexAttention kernel, its blocks worked out from the pattern's tiles.

Blocks that a tile touches are looked at slot by slot, some at a time: those that are seen whole need no rule in the
kernel, those of which nothing is seen are left out. What is held is one entry a pair of blocks.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from gonerd.models.attention.pattern import Runs

if TYPE_CHECKING:
    from gonerd.models.attention.plan import Plan

BLOCK = 128  # slots, the kernel's own choice
AT_ONCE = 512  # pairs of blocks looked at together


def attend_flex(query: Tensor, key: Tensor, value: Tensor, plan: Plan) -> Tensor:
    """Return what `engine.attend` returns, by FlexAttention."""
    kernel = _compiled() if query.is_cuda else _uncompiled()
    heads_first = (values.transpose(0, 1)[None] for values in (query, key, value))
    # For a number of keys, since a pattern may name more than the row has slots.
    mask, score = plan.layout.keep(
        (attend_flex, plan.pattern, len(key)), lambda: (block_mask(plan, len(key)), score_function(plan))
    )
    return kernel(*heads_first, score_mod=score, block_mask=mask)[0].transpose(0, 1)


def _uncompiled() -> Callable[..., Tensor]:
    from torch.nn.attention.flex_attention import flex_attention

    return flex_attention


@cache
def _compiled() -> Callable[..., Tensor]:
    return torch.compile(_uncompiled(), fullgraph=True, dynamic=True)


def score_function(plan: Plan) -> Callable[..., Tensor] | None:
    """Return the kernel's score function, or None for a pattern without a bias."""
    pattern, layout = plan.pattern, plan.layout
    slot = torch.zeros(1, dtype=torch.long, device=layout.device)
    if pattern.bias(layout, slot, slot) is None:
        return None
    return lambda score, _batch, _head, query, key: score + pattern.bias(layout, query, key)


def block_mask(plan: Plan, keys: int) -> Any:
    """Return the kernel's block mask over a row's slots and a number of keys."""
    from torch.nn.attention.flex_attention import BlockMask

    pattern, layout = plan.pattern, plan.layout
    touched, whole = _blocks(plan, keys)
    partly = torch.zeros_like(touched)
    for pairs in torch.split((touched & ~whole).nonzero(), AT_ONCE):
        sees = _look(plan, pairs, keys)  # (pairs, BLOCK, BLOCK)
        some, every = sees.flatten(1).any(1).cpu(), sees.flatten(1).all(1).cpu()
        partly[pairs[:, 0], pairs[:, 1]] = some & ~every
        whole[pairs[:, 0], pairs[:, 1]] = every
    return BlockMask.from_kv_blocks(
        *_listed(partly, layout.device),
        *_listed(whole, layout.device),
        BLOCK_SIZE=BLOCK,
        mask_mod=lambda _batch, _head, query, key: pattern.sees(layout, query, key),
        seq_lengths=(layout.slots, keys),
    )


def _blocks(plan: Plan, keys: int) -> tuple[Tensor, Tensor]:
    """Return which blocks the tiles touch, and which lie in an open tile: (query blocks, key blocks) bool."""
    shape = (-(-plan.layout.slots // BLOCK), -(-keys // BLOCK))
    touched, whole = torch.zeros(shape, dtype=torch.bool), torch.zeros(shape, dtype=torch.bool)
    for tile in plan.tiles:
        queries = _touched_by(tile.queries)  # (runs, query blocks)
        seen = _touched_by(tile.keys)  # (runs, key blocks)
        touched[queries[:, :, None], seen[:, None, :]] = True
        if tile.rule == "open" and isinstance(tile.keys, Runs):
            for run in range(tile.queries.count):
                whole[_inside(tile.queries, run), _inside(tile.keys, run)] = True
    return touched, whole


def _touched_by(slots: Runs | Tensor) -> Tensor:
    """Return the blocks that each run touches, (runs, blocks); one may be named more than once."""
    if isinstance(slots, Tensor):
        return slots.cpu() // BLOCK
    ends = slots.start + slots.step * torch.arange(slots.count)[:, None]
    steps = torch.arange(slots.size // BLOCK + 2) * BLOCK
    return (ends + steps).minimum(ends + slots.size - 1) // BLOCK


def _inside(runs: Runs, run: int) -> slice:
    """Return the blocks that lie wholly in a run."""
    start = runs.start + run * runs.step
    return slice(-(-start // BLOCK), max((start + runs.size) // BLOCK, -(-start // BLOCK)))


def _look(plan: Plan, pairs: Tensor, keys: int) -> Tensor:
    """Return which slots see each other in pairs of blocks, (pairs, 2) -> (pairs, BLOCK, BLOCK) bool."""
    layout = plan.layout
    places = torch.arange(BLOCK, device=layout.device)
    query, key = (pairs.to(layout.device)[:, side, None] * BLOCK + places for side in (0, 1))
    inside = (query < layout.slots)[:, :, None] & (key < keys)[:, None, :]
    query, key = query.clamp(max=layout.slots - 1), key.clamp(max=keys - 1)
    return plan.pattern.sees(layout, query[:, :, None], key[:, None, :]) & inside


def _listed(blocks: Tensor, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return how many blocks each row of blocks has, and which, those first: as the kernel wants them."""
    counts = blocks.sum(1, dtype=torch.int32)
    order = blocks.int().argsort(dim=1, descending=True, stable=True).int()
    return counts[None, None].to(device), order[None, None].to(device)
