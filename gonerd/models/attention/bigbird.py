"""BigBird's attention: blocks that see their neighbours, the first, the last and random blocks of their document.

Zaheer et al. 2020, arXiv 2007.14062, as transformers computes it for a document that is alone:

- The first and the last block see, and are seen by, the whole document. The last may be shorter than the others.
- Outside of training every random block is block 0, which thereby counts 1 + r times for all other blocks: its scores
  have log(1 + r) added. `randomness="random"` draws blocks that are not seen otherwise, and none counts twice.
- A document of up to (5 + 2r) blocks sees all of itself. `short="sparse"` treats it like the longer ones.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from gonerd.models.attention.engine import attend
from gonerd.models.attention.pattern import Runs, Tile, listed_tiles
from gonerd.models.attention.plan import Plan
from gonerd.models.config import BigBirdAttention

if TYPE_CHECKING:
    from gonerd.models.config import EncoderConfig
    from gonerd.models.packing import Layout


@dataclass(frozen=True, slots=True)
class Blocks:
    """The pattern. A document's blocks are counted from its own start, wherever that lies in the row."""

    block: int
    random_blocks: int
    longest_full: int = 0
    """Tokens of the longest document that sees all of itself."""
    draw: tuple[int, ...] | None = None
    """Seed of the random blocks; None: block 0 stands for all of them."""

    def sees(self, layout: Layout, query: Tensor, key: Tensor) -> Tensor:
        """Return whether a key's block is a neighbour, the first, the last or a random one, or the query sees all."""
        here, there = layout.position[query] // self.block, layout.position[key] // self.block
        last = (layout.length[query] - 1) // self.block
        seen = ((here - there).abs() <= 1) | (there == 0) | (there == last) | self._sees_all(layout, query)
        if self.draw is not None:
            seen = seen | (self._drawn(layout)[query] == there[..., None]).any(-1)
        return seen & (layout.document[query] == layout.document[key])

    def bias(self, layout: Layout, query: Tensor, key: Tensor) -> Tensor | None:
        """Return log(1 + r) for keys in block 0, except where a query sees all."""
        if self.draw is not None or not self.random_blocks:
            return None
        often = (layout.position[key] < self.block) & ~self._sees_all(layout, query)
        return often * math.log1p(self.random_blocks)

    def _sees_all(self, layout: Layout, query: Tensor) -> Tensor:
        here, length = layout.position[query] // self.block, layout.length[query]
        return (here == 0) | (here == (length - 1) // self.block) | (length <= self.longest_full)

    def tiles(self, layout: Layout) -> Iterator[Tile]:
        """Yield a document's first block, its last, and those between with the keys that they see."""
        for start, length in zip(layout.starts, layout.lengths, strict=True):
            document, blocks = Runs(start, length), -(-length // self.block)
            if length <= self.longest_full or blocks <= 2:
                yield Tile(document, document, "open")
                continue
            yield Tile(Runs(start, self.block), document, "open")
            inner = Runs(start + self.block, self.block, blocks - 2, self.block)
            yield from listed_tiles(inner, self._keys(start, length), "alike", layout.device)
            yield Tile(Runs(start + (blocks - 1) * self.block, length - (blocks - 1) * self.block), document, "open")

    def _keys(self, start: int, length: int) -> Tensor:
        """Return the slots that all blocks but first and last see, (blocks - 2, keys), each once; -1: none."""
        blocks = -(-length // self.block)
        here = torch.arange(1, blocks - 1)[:, None]
        before, after = (here - 1).where(here > 1, -1), (here + 1).where(here < blocks - 2, -1)
        seen = [here * 0, before, here, after, here * 0 + blocks - 1]  # (blocks - 2, 1) each
        if self.draw is not None:
            seen.append(self._random(blocks)[1:-1])
        chosen = torch.cat(seen, dim=1)[:, :, None]
        places = (chosen * self.block + torch.arange(self.block)).where(chosen >= 0, length)
        return (places + start).where(places < length, -1).flatten(1)

    def _random(self, blocks: int) -> Tensor:
        """Return the blocks drawn for each block of a document, (blocks, r): others than it sees anyway; -1: none left.

        They depend on the seed, the layer and the number of blocks, and not on the document or its neighbours.
        """
        seed = hash((self.draw, blocks)) % 2**63
        lots = torch.rand(blocks, blocks, generator=torch.Generator().manual_seed(seed))
        here = torch.arange(blocks)
        lots[(here[:, None] - here).abs() <= 1] = -1
        lots[:, [0, -1]] = -1
        lots[[0, -1]] = -1
        best = lots.topk(min(self.random_blocks, blocks), dim=1)
        return best.indices.where(best.values >= 0, -1)

    def _drawn(self, layout: Layout) -> Tensor:
        """Return the random blocks of each slot's block, (slots, r); -1: none."""

        def make() -> Tensor:
            drawn = torch.full((layout.slots, self.random_blocks), -1)
            for start, length in zip(layout.starts, layout.lengths, strict=True):
                blocks = self._random(-(-length // self.block))
                drawn[start : start + length, : blocks.shape[1]] = blocks.repeat_interleave(self.block, 0)[:length]
            return drawn.to(layout.device)

        return layout.keep(self, make)


class BigBird(nn.Module):
    """Attention among blocks; it has no weights of its own."""

    def __init__(self, config: EncoderConfig, layer: int) -> None:
        super().__init__()
        attention = config.attention
        assert isinstance(attention, BigBirdAttention)  # noqa: S101 - the table of attentions says so
        limit = (5 + 2 * attention.random_blocks) * attention.block
        self.dropout = config.attention_dropout
        self.pattern = Blocks(
            attention.block,
            attention.random_blocks,
            longest_full=limit if attention.short == "reference" else 0,
            draw=(attention.seed, layer) if attention.randomness == "random" else None,
        )

    def forward(self, hidden: Tensor, query: Tensor, key: Tensor, value: Tensor, layout: Layout) -> Tensor:  # noqa: ARG002
        """Return what each query collects, (slots, heads, head width)."""
        plan = Plan.of(self.pattern, layout)
        return attend(query, key, value, plan, dropout=self.dropout if self.training else 0.0)
