"""Packing: whole documents of different lengths in one row, each with its own positions, none seeing another.

Every tensor of the encoder is one row of *slots*: (slots,), (slots, width), (slots, heads, head width). A batch is a
row that holds several documents; padding exists only at the border, where a padded batch comes in and goes out.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import accumulate, pairwise
from typing import Any, Literal, TypeVar

import numpy as np
import torch
from torch import Tensor

from gonerd.errors import GonerdError

T = TypeVar("T")
EngineName = Literal["auto", "tiles", "flex", "dense"]


@dataclass(frozen=True, eq=False, kw_only=True)
class Layout:
    """Where each document lies in a row, and what was worked out from that: once a row, for all layers."""

    starts: tuple[int, ...]
    """Slot of each document's first token, ascending."""
    lengths: tuple[int, ...]
    """Tokens of each document, 1 or more."""
    slots: int
    """Length of the row; slots of no document may lie between and after them."""
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    """Where the row is."""
    global_tokens: tuple[int, ...] | None = None
    """Global tokens at the start of each document, for attentions that know such; None: what the encoder says."""
    engine: EngineName = "auto"
    """How attention is computed: see `attention.engine`."""
    _kept: dict[Hashable, Any] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        ends = [start + length for start, length in zip(self.starts, self.lengths, strict=True)]
        if min(self.lengths, default=1) < 1 or any(end > start for end, start in pairwise(self.bounds(ends))):
            raise GonerdError("documents overlap, are empty or do not fit in their row", where=f"{self.slots} slots")
        counts = self.global_tokens
        if counts is not None and (len(counts) != len(self.lengths) or min(counts, default=0) < 0):
            raise GonerdError(
                f"global tokens {counts}", remedy=f"Give a number for each of {len(self.lengths)} documents"
            )

    def bounds(self, ends: list[int]) -> Iterator[int]:
        """Yield 0, then each document's start and end, then the row's end: in a sound layout they never go down."""
        yield 0
        for start, end in zip(self.starts, ends, strict=True):
            yield from (start, end)
        yield self.slots

    @classmethod
    def of_lengths(cls, lengths: Sequence[int], device: torch.device) -> Layout:
        """Return the layout of documents of some lengths that follow each other without a gap."""
        ends = list(accumulate(lengths))
        starts = tuple(end - length for end, length in zip(ends, lengths, strict=True))
        return cls(starts=starts, lengths=tuple(lengths), slots=ends[-1] if ends else 0, device=device)

    @cached_property
    def document(self) -> Tensor:
        """Number of the document that a slot belongs to, (slots,); -1: none."""
        return self.spread(range(len(self.starts)), outside=-1)

    @cached_property
    def length(self) -> Tensor:
        """Length of the document that a slot belongs to, (slots,); 0: none."""
        return self.spread(self.lengths, outside=0)

    @cached_property
    def position(self) -> Tensor:
        """A slot's place in its document, (slots,), from 0 on; 0 outside."""
        places = torch.arange(self.slots, device=self.device) - self.spread(self.starts, outside=0)
        return places.where(self.document >= 0, 0)

    def spread(self, values: Sequence[int], *, outside: int) -> Tensor:
        """Return each document's value in each of its slots."""
        row = torch.full((self.slots,), outside)
        for start, length, value in zip(self.starts, self.lengths, values, strict=True):
            row[start : start + length] = value
        return row.to(self.device)

    def keep(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return what is made once for this row, and kept under a key."""
        if key not in self._kept:
            self._kept[key] = make()
        return self._kept[key]  # type: ignore[no-any-return]


@dataclass(frozen=True, slots=True)
class Packed:
    """A row of documents."""

    input_ids: Tensor  # (slots,)
    layout: Layout
    documents: tuple[int, ...]  # which of the packed documents these are, in the order of the row


def pack(
    documents: Sequence[Tensor],
    max_tokens: int,
    *,
    align: int = 1,
    pad_id: int = 0,
    global_tokens: Sequence[int] | None = None,
) -> list[Packed]:
    """Return rows that hold every document once, whole and in order: first fit, longest first.

    Args:
        documents: token ids, each (tokens,).
        max_tokens: slots in a row; a longer document has a row of its own.
        align: documents start at multiples of this.
        pad_id: token of the slots between them.
        global_tokens: of each document, for attentions that know such; what the encoder says if not given.

    Raises:
        GonerdError: a document is empty, or there is not a number of global tokens for each.
    """
    if global_tokens is not None and len(global_tokens) != len(documents):
        raise GonerdError(f"{len(global_tokens)} numbers of global tokens for {len(documents)} documents")
    if not all(len(document) for document in documents):
        raise GonerdError("an empty document cannot be packed")
    sizes = [-(-len(document) // align) * align for document in documents]
    rows = first_fit(sizes, max_tokens, order=sorted(range(len(sizes)), key=lambda number: (-sizes[number], number)))
    packed = [_row([(number, documents[number]) for number in row], align=align, pad_id=pad_id) for row in rows]
    if global_tokens is None:
        return packed
    counts = [tuple(global_tokens[number] for number in row.documents) for row in packed]
    return [
        replace(row, layout=replace(row.layout, global_tokens=count)) for row, count in zip(packed, counts, strict=True)
    ]


def first_fit(sizes: Sequence[int], limit: int, *, order: Iterable[int]) -> list[list[int]]:
    """Return the numbers of the sizes in rows of at most `limit` altogether, in this order; a larger one is alone."""
    rows: list[list[int]] = []
    room = np.full(len(sizes), limit, dtype=np.int64)  # of one row a size: more there never are
    for number in order:
        fits = room[: len(rows)] >= sizes[number]
        row = int(fits.argmax()) if fits.any() else len(rows)
        if row == len(rows):
            rows.append([])
        rows[row].append(number)
        room[row] -= sizes[number]
    return rows


def _row(documents: Sequence[tuple[int, Tensor]], *, align: int, pad_id: int) -> Packed:
    starts: list[int] = []
    parts: list[Tensor] = []
    slots = 0
    for _, document in documents:
        starts.append(slots)
        parts += [document, document.new_full((-len(document) % align,), pad_id)]
        slots += sum(len(part) for part in parts[-2:])
    lengths = tuple(len(document) for _, document in documents)
    layout = Layout(starts=tuple(starts), lengths=lengths, slots=slots, device=documents[0][1].device)
    return Packed(torch.cat(parts), layout, tuple(number for number, _ in documents))


def unpack(rows: Sequence[Packed], values: Sequence[Tensor]) -> list[Tensor]:
    """Return each document's part of the values of all rows, (slots, …) each, in the documents' order."""
    parts: dict[int, Tensor] = {}
    for row, value in zip(rows, values, strict=True):
        for number, start, length in zip(row.documents, row.layout.starts, row.layout.lengths, strict=True):
            parts[number] = value[start : start + length]
    return [parts[number] for number in sorted(parts)]


@dataclass(frozen=True, slots=True)
class Padding:
    """The border between a padded batch and a row without padding."""

    kept: Tensor | None  # (rows, length) bool: which are tokens; None: all
    layout: Layout

    @classmethod
    def of(cls, input_ids: Tensor, attention_mask: Tensor | None) -> Padding:
        """Return the border of a batch, (rows, length), whose documents may be padded left, right or on both sides.

        Raises:
            GonerdError: the mask has another shape, or hides tokens in the middle of a document.
        """
        if input_ids.dim() != 2:
            raise GonerdError(
                f"input_ids of shape {tuple(input_ids.shape)}", remedy="Give a batch, (rows, length), or a layout"
            )
        rows, length = input_ids.shape
        lengths, kept = [length] * rows, None
        if attention_mask is not None:
            if attention_mask.shape != input_ids.shape:
                raise GonerdError(f"a mask of shape {tuple(attention_mask.shape)} for {tuple(input_ids.shape)} tokens")
            kept = attention_mask.bool()
            runs = kept[:, :1].sum(1) + (kept[:, 1:] & ~kept[:, :-1]).sum(1)
            if bool((runs > 1).any()):
                raise GonerdError("an attention mask hides tokens in the middle of a document")
            lengths = kept.sum(1).tolist()
            if sum(lengths) == rows * length:
                kept = None
        return cls(kept, Layout.of_lengths([size for size in lengths if size], input_ids.device))

    def remove(self, values: Tensor) -> Tensor:
        """Return the row of a padded batch, (rows, length) -> (slots,)."""
        return values.flatten() if self.kept is None else values[self.kept]

    def restore(self, values: Tensor, shape: torch.Size) -> Tensor:
        """Return the padded batch of a row, (slots, width) -> (rows, length, width), with zeros in the padding."""
        if self.kept is None:
            return values.view(*shape, values.shape[-1])
        batch = values.new_zeros(*shape, values.shape[-1])
        batch[self.kept] = values
        return batch
