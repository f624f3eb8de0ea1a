"""The engine: computes a pattern on a row, in the way that suits the device.

- `tiles`: each tile is one batched call of scaled-dot-product attention. Runs are views, so windows are not copied;
  only tiles that list their keys gather them. Differentiable, linear in the row for sparse patterns, no compiler.
- `flex`: one FlexAttention kernel for the row. Its blocks are worked out from the same tiles.
- `dense`: scores of every slot with every slot, for tests.

`auto` takes `flex` on CUDA, and `tiles` elsewhere and wherever a few open tiles are all there is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from gonerd.models.attention.flex import attend_flex
from gonerd.models.attention.pattern import Runs, Tile
from gonerd.models.attention.pieces import pieces
from gonerd.models.attention.plan import Plan

GATHERED_AT_ONCE = 2048  # keys that a tile copies at a time when no gradient is wanted

Call = tuple[Runs, Runs | Tensor, Tensor | None]  # queries, keys, and mask of one call of the attention


def attend(query: Tensor, key: Tensor, value: Tensor, plan: Plan, *, dropout: float = 0.0) -> Tensor:
    """Return softmax(query key' / sqrt(head width) + pattern) value, as (slots, heads, head width).

    Args:
        query: (slots, heads, head width).
        key: (key slots, heads, head width). A pattern may name more keys than the row has slots: pooled ones follow it.
        value: the same shape as `key`.
        plan: the pattern on this row.
        dropout: of the attention weights.

    What slots of no document collect is unspecified, but finite.
    """
    engine = plan.layout.engine
    if engine == "auto":
        engine = "flex" if query.is_cuda and not dropout and not plan.is_few_open_tiles else "tiles"
    if engine == "flex":
        return attend_flex(query, key, value, plan)
    if engine == "dense":
        return _attend_dense(query, key, value, plan)
    return attend_tiles(query, key, value, plan.masked_tiles, dropout=dropout)


def _attend_dense(query: Tensor, key: Tensor, value: Tensor, plan: Plan) -> Tensor:
    slots = [torch.arange(len(values), device=query.device) for values in (query, key)]
    mask = plan.scores(slots[0][:, None], slots[1][None, :]).to(query.dtype)
    query, key, value = (values.transpose(0, 1)[None] for values in (query, key, value))
    collected: Tensor = scaled_dot_product_attention(query, key, value, attn_mask=mask)
    return collected[0].transpose(0, 1)


def attend_tiles(
    query: Tensor, key: Tensor, value: Tensor, tiles: Sequence[tuple[Tile, Tensor | None]], *, dropout: float = 0.0
) -> Tensor:
    """Return what `attend` returns, of tiles with their masks; queries may be other slots than the row's."""
    # The backward pass of bf16 is slow on a CPU.
    if query.requires_grad and query.dtype == torch.bfloat16 and query.device.type == "cpu":
        with torch.autocast(query.device.type, enabled=False):
            wide = attend_tiles(query.float(), key.float(), value.float(), tiles, dropout=dropout)
        return wide.to(query.dtype)
    calls = [call for tile, mask in tiles for call in _calls(tile, mask)]
    queries = [call[0] for call in calls]
    keys = [call[1] for call in calls]
    cut = zip(pieces(query, queries), pieces(key, keys), pieces(value, keys), calls, strict=True)
    parts = [
        scaled_dot_product_attention(query_part, key_part, value_part, attn_mask=_like(mask, query), dropout_p=dropout)
        for query_part, key_part, value_part, (_, _, mask) in cut
    ]  # (runs, heads, queries, head width) each
    return _join([(runs, part.transpose(1, 2).flatten(0, 1)) for runs, part in zip(queries, parts, strict=True)], query)


def _like(mask: Tensor | None, query: Tensor) -> Tensor | None:
    return None if mask is None else mask.to(query.dtype)


def _calls(tile: Tile, mask: Tensor | None) -> Iterator[Call]:
    """Yield queries, keys and mask of each call that a tile needs."""
    if isinstance(tile.keys, Runs):
        yield tile.queries, tile.keys, mask
        return
    runs, keys = tile.keys.shape
    at_once = runs if torch.is_grad_enabled() else max(1, GATHERED_AT_ONCE // keys)
    for first in range(0, runs, at_once):
        chosen = tile.keys[first : first + at_once]
        some = Runs(tile.queries.start + first * tile.queries.step, tile.queries.size, len(chosen), tile.queries.step)
        yield some, chosen, mask


def _join(parts: list[tuple[Runs, Tensor]], query: Tensor) -> Tensor:
    """Return the slots of all parts, in order; those of no part are zeros."""
    parts = sorted(parts, key=lambda part: part[0].start)
    row: list[Tensor] = []
    end = 0
    for runs, collected in parts:
        row += [query.new_zeros(runs.start - end, *query.shape[1:])] * (runs.start > end) + [collected]
        end = runs.stop
    row += [query.new_zeros(len(query) - end, *query.shape[1:])] * (len(query) > end)
    return row[0] if len(row) == 1 else torch.cat(row)
