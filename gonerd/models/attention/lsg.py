"""LSG: local blocks, sparse keys from further away, global rows (Condevaux and Harispe 2022, arXiv 2210.15497).

A document of more than two blocks is cut into blocks from its first token on. A block's queries see, in one softmax:

- the global rows, which stand in front of the document and come from a table of their own;
- the tokens of their own block and of its two neighbours;
- on each side of these, `sparse_block` sparse keys. A sparse key is one of the keys of a chunk with the largest norms,
  one for `factor` keys, chosen for each head by itself.

Global rows see everything, and in a shorter document every token does. As in the reference code (`lsg-converter` 0.1.9,
`norm` sparsity) the sparse keys of a chunk stand in the order of their norms: where the last that is seen falls into
the middle of a chunk, the larger ones are seen to the left and the smaller ones to the right.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import cast

import torch
from torch import Tensor, nn

from gonerd.models.attention.engine import attend
from gonerd.models.attention.pattern import Runs, Tile, listed_tiles
from gonerd.models.attention.plan import Plan
from gonerd.models.config import EncoderConfig, LSGAttention
from gonerd.models.packing import Layout

HEADS_AT_ONCE = 2  # whose keys and values are copied behind each other when no gradient is wanted


@dataclass(frozen=True, eq=False, kw_only=True)
class RowsLayout(Layout):
    """A row whose documents begin with their global rows; sparse keys follow it."""

    settings: LSGAttention

    @classmethod
    def of(cls, layout: Layout, settings: LSGAttention) -> RowsLayout:
        """Return the layout of a row's documents with global rows in front of each and nothing between them."""
        lengths = [length + settings.global_tokens for length in layout.lengths]
        *starts, slots = accumulate(lengths, initial=0)
        return cls(
            starts=tuple(starts),
            lengths=tuple(lengths),
            slots=slots,
            device=layout.device,
            engine=layout.engine,
            settings=settings,
        )

    @cached_property
    def cut(self) -> list[Cut]:
        """The documents that are cut into blocks."""
        rows, sparse, found = self.settings.global_tokens, self.slots, []
        for number, (start, length) in enumerate(zip(self.starts, self.lengths, strict=True)):
            if length - rows > 2 * self.settings.block:
                found.append(Cut(number, start + rows, length - rows, sparse, self.settings))
                sparse += found[-1].sparse_keys
        return found

    @cached_property
    def chunks(self) -> Tensor:
        """The slots that sparse keys are chosen from, (chunks, tokens of a chunk); -1: none."""
        parts = [document.chunks() for document in self.cut if document.sparse_keys]
        return torch.cat(parts).to(self.device) if parts else torch.empty(0, 1, dtype=torch.long, device=self.device)

    @cached_property
    def keys(self) -> tuple[Tensor, Tensor, Tensor]:
        """Document, place and use of the row's keys and of the sparse keys behind them, (slots + sparse keys,) each.

        The place is that among a document's tokens, below 0 for a global row, or that among its sparse keys. A key of
        no use stands for no token or for a hidden one.
        """
        place = self.position - self.settings.global_tokens
        used = (self.document >= 0) & ~((place == 0) & self.settings.mask_first_token)
        documents = [torch.full((document.sparse_keys,), document.number) for document in self.cut]
        places = [torch.arange(document.sparse_keys) for document in self.cut]
        sparse_used = self.chunks >= 0
        if self.settings.factor > 1:  # those of no use have the smallest norms: they stand first
            kept = self.settings.sparse_keys_of_chunk
            sparse_used = torch.arange(kept, device=self.device) >= kept - sparse_used.sum(1, keepdim=True)
        return (
            torch.cat([self.document, *(part.to(self.device) for part in documents)]),
            torch.cat([place, *(part.to(self.device) for part in places)]),
            torch.cat([used, sparse_used.flatten()]),
        )


@dataclass(frozen=True, slots=True)
class Cut:
    """A document in blocks."""

    number: int
    first: int  # slot of its first token
    length: int
    first_sparse: int  # its first sparse key
    settings: LSGAttention

    @property
    def blocks(self) -> int:
        """Blocks, the last of which may be short."""
        return -(-self.length // self.settings.block)

    @property
    def sparse_keys(self) -> int:
        """Sparse keys: as many for each block, the last one too."""
        return self.blocks * self.settings.step if self.settings.sparse_block else 0

    def chunks(self) -> Tensor:
        """Return the slots of its chunks, (chunks, tokens of a chunk); -1: behind its end, or hidden."""
        places = torch.arange(self.blocks * self.settings.block)
        hidden = (places >= self.length) | ((places == 0) & self.settings.mask_first_token)
        return (self.first + places).masked_fill(hidden, -1).view(-1, self.settings.chunk)

    def tiles(self, used: Tensor, device: torch.device | None) -> Iterator[Tile]:
        """Yield its blocks with those of their keys that are used: the whole blocks, and then the short one."""
        block = self.settings.block
        whole = self.length // block
        keys = self._keys()
        keys = keys.masked_fill(~used[keys], -1)
        yield from listed_tiles(Runs(self.first, block, whole, block), keys[:whole], "open", device)
        if whole < self.blocks:
            last = Runs(self.first + whole * block, self.length - whole * block)
            yield from listed_tiles(last, keys[whole:], "open", device)

    def _keys(self) -> Tensor:
        """Return the slots that each block's queries look at, (blocks, keys); -1: none."""
        block, step, reach = self.settings.block, self.settings.step, self.settings.sparse_block
        number = torch.arange(self.blocks)[:, None]
        rows = self.first - torch.arange(1, self.settings.global_tokens + 1)
        local = (number - 1) * block + torch.arange(3 * block)
        sparse = torch.arange(reach)
        sides = torch.cat([(number - 1) * step - reach + sparse, (number + 2) * step + sparse], dim=1)
        return torch.cat(
            [
                rows.expand(self.blocks, -1),
                (self.first + local).masked_fill((local < 0) | (local >= self.length), -1),
                (self.first_sparse + sides).masked_fill((sides < 0) | (sides >= self.sparse_keys), -1),
            ],
            dim=1,
        )


@dataclass(frozen=True, slots=True)
class Blocks:
    """The pattern, on a `RowsLayout`."""

    settings: LSGAttention

    def sees(self, layout: Layout, query: Tensor, key: Tensor) -> Tensor:
        """Return whether queries see keys; keys behind the row are sparse ones."""
        documents, places, used = cast(RowsLayout, layout).keys
        block, step, reach = self.settings.block, self.settings.step, self.settings.sparse_block
        mine, place, number = places[query], places[key], places[query] // block
        everything = (mine < 0) | (place < 0) | (layout.length[query] <= 2 * block + self.settings.global_tokens)
        near = everything | ((place // block - number).abs() <= 1)
        left, right = place - ((number - 1) * step - reach), place - (number + 2) * step
        far = (mine >= 0) & (((left >= 0) & (left < reach)) | ((right >= 0) & (right < reach)))
        return (documents[query] == documents[key]) & used[key] & torch.where(key < layout.slots, near, far)

    def bias(self, layout: Layout, query: Tensor, key: Tensor) -> None:
        """Return None."""

    def tiles(self, layout: Layout) -> Iterator[Tile]:
        """Yield short documents whole, and of the others the global rows and the blocks."""
        cut = {document.number: document for document in cast(RowsLayout, layout).cut}
        used = cast(RowsLayout, layout).keys[2].cpu()
        for number, (start, length) in enumerate(zip(layout.starts, layout.lengths, strict=True)):
            whole = Runs(start, length)
            queries = Runs(start, self.settings.global_tokens) if number in cut else whole
            yield Tile(queries, whole, "alike" if self.settings.mask_first_token else "open")
            if number in cut:
                yield from cut[number].tiles(used, layout.device)


class LSG(nn.Module):
    """LSG's attention; its global rows are the encoder's (`GlobalRows`)."""

    def __init__(self, config: EncoderConfig, layer: int) -> None:  # noqa: ARG002 - what every attention is made of
        super().__init__()
        self.settings = cast(LSGAttention, config.attention)
        self.dropout = config.attention_dropout

    def forward(self, hidden: Tensor, query: Tensor, key: Tensor, value: Tensor, layout: Layout) -> Tensor:  # noqa: ARG002
        """Return what each query collects, (slots, heads, head width), as all of its arguments but `hidden` are."""
        if torch.is_grad_enabled() or key.is_cuda:
            return self._attend(query, key, value, cast(RowsLayout, layout))
        collected = torch.empty_like(query)
        groups = (torch.split(values, HEADS_AT_ONCE, dim=1) for values in (query, key, value, collected))
        for some_query, some_key, some_value, part in zip(*groups, strict=True):
            part.copy_(self._attend(some_query, some_key, some_value, cast(RowsLayout, layout)))
        return collected

    def _attend(self, query: Tensor, key: Tensor, value: Tensor, layout: RowsLayout) -> Tensor:
        """Return what the queries of some heads collect, (slots, heads, head width)."""
        chosen = self._choose(key, layout.chunks)  # (sparse keys, heads, 1)
        index = chosen.expand(-1, -1, key.shape[-1])
        key, value = (torch.cat([values, values.gather(0, index)]) for values in (key, value))
        plan = Plan.of(Blocks(self.settings), layout)
        return attend(query, key, value, plan, dropout=self.dropout if self.training else 0.0)

    @torch.no_grad()
    def _choose(self, key: Tensor, chunks: Tensor) -> Tensor:
        """Return the slots of the sparse keys, (sparse keys, heads, 1), from those of the chunks, (chunks, tokens)."""
        if self.settings.factor == 1:
            order = torch.arange(chunks.shape[1], device=key.device)[:, None].expand(*chunks.shape, key.shape[1])
        else:
            norms = key.float().norm(dim=-1)[chunks].masked_fill(chunks[..., None] < 0, -1)  # (chunks, tokens, heads)
            order = norms.argsort(dim=1)[:, -self.settings.sparse_keys_of_chunk :]
        slots = chunks.clamp(min=0)[..., None].expand(-1, -1, key.shape[1])
        return slots.gather(1, order).flatten(0, 1)[..., None]


class GlobalRows(nn.Module):
    """Puts global rows in front of every document before the first layer, and takes them away after the last."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.settings = cast(LSGAttention, config.attention)
        self.table = nn.Embedding(self.settings.global_rows, config.width)

    @property
    def of_a_document(self) -> Tensor:
        """The rows of one document, (global tokens, width), before they are normalised."""
        return self.table.weight[: self.settings.global_tokens]

    def insert(self, hidden: Tensor, rows: Tensor, inner: RowsLayout, layout: Layout) -> Tensor:
        """Return the row with a document's global rows, (global tokens, width), in front of each."""
        token = inner.position - self.settings.global_tokens  # below 0 for a global row
        starts = torch.tensor(layout.starts, device=layout.device)[inner.document]
        source = torch.where(token >= 0, starts + token, len(hidden) + inner.position)
        return torch.cat([hidden, rows])[source]

    def remove(self, hidden: Tensor, inner: RowsLayout, layout: Layout) -> Tensor:
        """Return the row without global rows; with `pool_with_global` the first one takes the first token's place."""
        starts = torch.tensor(inner.starts, device=layout.device)[layout.document.clamp(min=0)]
        skipped = self.settings.global_tokens
        if self.settings.pool_with_global:
            return hidden[starts + torch.where(layout.position > 0, layout.position + skipped, 0)]
        return hidden[starts + layout.position + skipped]
