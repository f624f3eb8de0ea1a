"""Patterns: which keys a query sees, said twice, as a rule for single slots and as tiles that cover the rule.

The rule (`sees`, `bias`) is what is right. The tiles say where it can be true, so that nothing else is computed: each
is a rectangle of queries by keys, and together they hold every pair that the rule allows. Both come from arithmetic on
the documents' starts and lengths, never from a length-by-length tensor.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

import torch
from torch import Tensor

if TYPE_CHECKING:
    from gonerd.models.packing import Layout


@dataclass(frozen=True, slots=True)
class Runs:
    """`count` runs of `size` neighbouring slots each, the next one `step` slots after the one before."""

    start: int
    size: int
    count: int = 1
    step: int = 0

    @property
    def stop(self) -> int:
        """The slot after the last."""
        return self.start + (self.count - 1) * self.step + self.size

    def slots(self, device: torch.device | None = None) -> Tensor:
        """Return the slots, (count, size)."""
        first = self.start + self.step * torch.arange(self.count, device=device)
        return first[:, None] + torch.arange(self.size, device=device)

    def of(self, values: Tensor) -> Tensor:
        """Return the runs of some values as a view: (slots, heads, width) -> (count, heads, size, width)."""
        if self.count == 1:
            return values[self.start : self.start + self.size].transpose(0, 1)[None]
        return values[self.start : self.stop].unfold(0, self.size, self.step).transpose(2, 3)


@dataclass(frozen=True, slots=True)
class Tile:
    """Runs of queries, and the keys that each run looks at.

    Keys are runs as well, as many as of queries, or slots by number, (count, keys).
    """

    queries: Runs
    keys: Runs | Tensor
    rule: Literal["open", "alike"]
    """`open`: every query sees every key; `alike`: the rule gives each run what it gives the first."""


class Pattern(Protocol):
    """What the queries of one layer see. Equal patterns share their tiles: implementations are frozen dataclasses."""

    def sees(self, layout: Layout, query: Tensor, key: Tensor) -> Tensor:
        """Return whether queries see keys, given as slots of any shapes that broadcast; always in one document."""
        ...

    def bias(self, layout: Layout, query: Tensor, key: Tensor) -> Tensor | None:
        """Return what is added to the scores of queries and keys, or None for nothing."""
        ...

    def tiles(self, layout: Layout) -> Iterator[Tile]:
        """Yield tiles that together hold each query of each document in exactly one of them."""
        ...


def listed_tiles(
    queries: Runs, keys: Tensor, rule: Literal["open", "alike"], device: torch.device | None
) -> Iterator[Tile]:
    """Yield tiles of runs whose keys are listed by slot, (runs, keys), -1 for none; neighbours with all share one."""
    keys = keys[:, (keys >= 0).any(0)]
    has_all = (keys >= 0).all(1).tolist()
    first = 0
    while first < queries.count:
        count = 1
        while has_all[first] and any(has_all[first + count : first + count + 1]):
            count += 1
        some = Runs(queries.start + first * queries.step, queries.size, count, queries.step)
        yield Tile(some, keys[first : first + count, keys[first] >= 0].to(device), rule)
        first += count


def document_tiles(layout: Layout) -> Iterator[Tile]:
    """Yield one open tile a document; neighbouring documents of one length share theirs."""
    documents = list(zip(layout.starts, layout.lengths, strict=True))
    place = 0
    while place < len(documents):
        start, length = documents[place]
        count = 1
        while documents[place + count : place + count + 1] == [(start + count * length, length)]:
            count += 1
        runs = Runs(start, length, count, length)
        yield Tile(runs, runs, "open")
        place += count
