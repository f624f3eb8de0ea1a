"""Full attention: every token sees its whole document."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Tensor, nn

from gonerd.models.attention.engine import attend
from gonerd.models.attention.pattern import Tile, document_tiles
from gonerd.models.attention.plan import Plan

if TYPE_CHECKING:
    from gonerd.models.config import EncoderConfig
    from gonerd.models.packing import Layout


@dataclass(frozen=True, slots=True)
class Whole:
    """The pattern: all of the query's document."""

    def sees(self, layout: Layout, query: Tensor, key: Tensor) -> Tensor:
        """Return whether a key is in the query's document."""
        return layout.document[query] == layout.document[key]

    def bias(self, layout: Layout, query: Tensor, key: Tensor) -> None:
        """Return None."""

    def tiles(self, layout: Layout) -> Iterator[Tile]:
        """Yield each document as one tile."""
        return document_tiles(layout)


class Full(nn.Module):
    """Full attention; it has no weights of its own."""

    def __init__(self, config: EncoderConfig, layer: int) -> None:  # noqa: ARG002 - what every attention is made of
        super().__init__()
        self.dropout = config.attention_dropout

    def forward(self, hidden: Tensor, query: Tensor, key: Tensor, value: Tensor, layout: Layout) -> Tensor:  # noqa: ARG002
        """Return what each query collects, (slots, heads, head width), as all of its arguments but `hidden` are."""
        plan = Plan.of(Whole(), layout)
        return attend(query, key, value, plan, dropout=self.dropout if self.training else 0.0)
