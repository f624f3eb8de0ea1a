"""A pattern on a row: what the engine computes, worked out once and shared by all layers."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from gonerd.models.attention.pattern import Pattern, Runs, Tile

if TYPE_CHECKING:
    from gonerd.models.packing import Layout

FEW_TILES = 8  # so few calls cost a GPU no more than one kernel


class Plan:
    """A pattern laid out on a row: its tiles with their masks, made when first asked for."""

    def __init__(self, pattern: Pattern, layout: Layout) -> None:
        self.pattern, self.layout = pattern, layout

    @classmethod
    def of(cls, pattern: Pattern, layout: Layout) -> Plan:
        """Return how to compute a pattern on a row; made at its first use."""
        return layout.keep((cls, pattern), lambda: cls(pattern, layout))

    @cached_property
    def tiles(self) -> list[Tile]:
        """The tiles."""
        return list(self.pattern.tiles(self.layout))

    @cached_property
    def masked_tiles(self) -> list[tuple[Tile, Tensor | None]]:
        """The tiles, and what is added to their scores: (1, 1, queries, keys), or None for nothing."""
        return [(tile, self._mask(tile)) for tile in self.tiles]

    def _mask(self, tile: Tile) -> Tensor | None:
        if tile.rule == "open":
            return None
        device = self.layout.device
        query = tile.queries.slots(device)  # (runs, queries)
        key = tile.keys.slots(device) if isinstance(tile.keys, Runs) else tile.keys  # (runs, keys)
        return self.scores(query[:1, :, None], key[:1, None, :])[:, None]

    def scores(self, query: Tensor, key: Tensor) -> Tensor:
        """Return what the pattern adds to scores: its bias where a query sees a key, minus infinity elsewhere."""
        bias = self.pattern.bias(self.layout, query, key)
        sees = self.pattern.sees(self.layout, query, key)
        return (
            torch.zeros(sees.shape, device=sees.device).add(0 if bias is None else bias).masked_fill(~sees, -torch.inf)
        )

    @property
    def is_few_open_tiles(self) -> bool:
        """Whether plain attention calls, no more than a few, are the pattern on this row."""
        return len(self.tiles) <= FEW_TILES and all(tile.rule == "open" for tile in self.tiles)
