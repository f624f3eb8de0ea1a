"""Longformer's attention: a window around every token, and global tokens with projections of their own.

Beltagy et al. 2020, arXiv 2004.05150. Global tokens are the first ones of a document: as many as the configuration
says, or as the layout says for each document (a question before its text).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from gonerd.errors import GonerdError
from gonerd.models.attention.engine import attend, attend_tiles
from gonerd.models.attention.pattern import Runs, Tile
from gonerd.models.attention.plan import Plan
from gonerd.models.config import LongformerAttention

if TYPE_CHECKING:
    from gonerd.models.config import EncoderConfig
    from gonerd.models.packing import Layout

RUN = 64  # queries that share their keys: fewer look at less in vain, more are faster to multiply


@dataclass(frozen=True, slots=True)
class Window:
    """The pattern of local tokens: keys at most `half` away, and the document's global ones."""

    half: int
    global_tokens: int = 0

    def sees(self, layout: Layout, query: Tensor, key: Tensor) -> Tensor:
        """Return whether keys are near or global."""
        near = (query - key).abs() <= self.half
        if any(global_counts(layout, self.global_tokens)):
            near = near | (layout.position[key] < _leading(layout, self.global_tokens)[key])
        return near & (layout.document[query] == layout.document[key])

    def bias(self, layout: Layout, query: Tensor, key: Tensor) -> None:
        """Return None."""

    def tiles(self, layout: Layout) -> Iterator[Tile]:
        """Yield runs of queries with the window around them; the inner ones of a document are views of one tile."""
        counts = global_counts(layout, self.global_tokens)
        for start, length, leading in zip(layout.starts, layout.lengths, counts, strict=True):
            if length <= self.half + 1:
                document = Runs(start, length)
                yield Tile(document, document, "open")
                continue
            inner = range(-(-(self.half + leading) // RUN), (length - self.half) // RUN)  # windows that meet no end
            for run in range(-(-length // RUN)):
                if run not in inner:
                    queries = Runs(start + run * RUN, min(RUN, length - run * RUN))
                elif run == inner.start:
                    queries = Runs(start + run * RUN, RUN, len(inner), RUN)
                else:
                    continue
                yield Tile(queries, self._keys(layout, queries, (start, length, leading)), "alike")

    def _keys(self, layout: Layout, queries: Runs, document: tuple[int, int, int]) -> Runs | Tensor:
        """Return what runs of queries look at in their document, whose start, length and global tokens are given."""
        start, length, leading = document
        low = max(start, queries.start - self.half)
        high = min(start + length, queries.start + queries.size + self.half)
        if low < start + leading:  # the window reaches the global tokens
            return Runs(start, high - start, queries.count, queries.step)
        window = Runs(low, high - low, queries.count, queries.step)
        if not leading:
            return window
        return torch.cat([Runs(start, leading, queries.count).slots(), window.slots()], dim=1).to(layout.device)


def global_counts(layout: Layout, default: int) -> tuple[int, ...]:
    """Return the number of global tokens of each document."""
    counts = layout.global_tokens or (default,) * len(layout.lengths)
    return tuple(min(count, length) for count, length in zip(counts, layout.lengths, strict=True))


def _leading(layout: Layout, default: int) -> Tensor:
    """Return the number of global tokens of each slot's document, (slots,)."""
    return layout.keep(("leading", default), lambda: layout.spread(global_counts(layout, default), outside=0))


class Longformer(nn.Module):
    """Attention in a window; global tokens, where there are any, by their own projections."""

    def __init__(self, config: EncoderConfig, layer: int) -> None:
        super().__init__()
        attention = config.attention
        assert isinstance(attention, LongformerAttention)  # noqa: S101 - the table of attentions says so
        self.pattern = Window(attention.windows[layer] // 2, attention.global_tokens)
        self.dropout = config.attention_dropout
        self.has_projections = attention.global_projections
        if self.has_projections:
            self.query_global = nn.Linear(config.width, config.width)
            self.key_global = nn.Linear(config.width, config.width)
            self.value_global = nn.Linear(config.width, config.width)

    def forward(self, hidden: Tensor, query: Tensor, key: Tensor, value: Tensor, layout: Layout) -> Tensor:
        """Return what each query collects, (slots, heads, head width)."""
        dropout = self.dropout if self.training else 0.0
        local = attend(query, key, value, Plan.of(self.pattern, layout), dropout=dropout)
        counts = global_counts(layout, self.pattern.global_tokens)
        if not any(counts):
            return local
        if not self.has_projections:
            raise GonerdError("global tokens in a row, without the weights of their projections")
        heads = (-1, *query.shape[1:])
        slots = layout.position.lt(_leading(layout, self.pattern.global_tokens)).nonzero()[:, 0]  # (global tokens,)
        everywhere = attend_tiles(
            self.query_global(hidden[slots]).view(heads),
            self.key_global(hidden).view(heads),
            self.value_global(hidden).view(heads),
            [(tile, None) for tile in _global_tiles(layout, counts)],
            dropout=dropout,
        )
        return local.index_copy(0, slots, everywhere)


def _global_tiles(layout: Layout, counts: tuple[int, ...]) -> Iterator[Tile]:
    """Yield each document's global tokens, numbered through the row, with all of the document."""
    place = 0
    for start, length, count in zip(layout.starts, layout.lengths, counts, strict=True):
        if count:
            yield Tile(Runs(place, count), Runs(start, length), "open")
        place += count
