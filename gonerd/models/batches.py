"""Pieces to batches: sorted by length so that little is padded, sized in sub-tokens, halved where memory runs out."""

from __future__ import annotations

import contextlib
import ctypes
import gc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from gonerd.errors import GonerdError
from gonerd.models.encode import Piece
from gonerd.records import Progress

if TYPE_CHECKING:
    import torch

Answer = TypeVar("Answer")


def token_batches(pieces: Sequence[Piece], *, max_tokens: int) -> list[list[int]]:
    """Return batches of indexes of pieces, longest first; each holds at most `max_tokens` with its padding.

    A piece that is longer than that is a batch of its own.
    """
    order = sorted(range(len(pieces)), key=lambda place: (-len(pieces[place].input_ids), place))
    batches: list[list[int]] = []
    longest = 0
    for place in order:
        if not batches or (len(batches[-1]) + 1) * longest > max_tokens:
            batches.append([])
            longest = len(pieces[place].input_ids)
        batches[-1].append(place)
    return batches


@dataclass(frozen=True)
class Batches:
    """All pieces in batches, and how to run them in the memory there is."""

    pieces: Sequence[Piece]
    max_tokens: int

    def part(self, rank: int, size: int) -> list[list[int]]:
        """Return every `size`-th batch from the one numbered `rank` on: each process gets long and short ones."""
        return token_batches(self.pieces, max_tokens=self.max_tokens)[rank::size]

    def run(
        self, batches: Sequence[list[int]], answer: Callable[[list[int]], Sequence[Answer]], *, progress: Progress
    ) -> dict[int, Answer]:
        """Return the answer for each piece of some batches by its index.

        A batch for which the memory does not suffice is done in halves, and so are the larger ones after it.

        Raises:
            GonerdError: the memory does not suffice for one piece alone.
        """
        found: dict[int, Answer] = {}
        left, total = list(reversed(batches)), sum(map(len, batches))
        limit = max(map(self._size, batches), default=0)
        while left:
            batch = left.pop()
            if self._size(batch) > limit and len(batch) > 1:
                left += _halves(batch)
                continue
            try:
                found.update(zip(batch, answer(batch), strict=True))
            except RuntimeError as error:
                if not is_out_of_memory(error):
                    raise
                self._refuse_single(batch, error)
                limit = self._size(batch) // 2
                left.append(batch)
                free_memory()
                continue
            progress(len(found), total)
        return found

    def _size(self, batch: list[int]) -> int:
        """Return the sub-tokens of a batch, padding included."""
        return len(batch) * max(len(self.pieces[place].input_ids) for place in batch)

    def _refuse_single(self, batch: list[int], error: RuntimeError) -> None:
        if len(batch) == 1:
            raise GonerdError(
                f"the memory does not suffice for {self._size(batch)} sub-tokens at once",
                remedy="Set a shorter --max-length: longer documents are read in windows",
            ) from error


def _halves(batch: list[int]) -> list[list[int]]:
    """Return both halves, the one to do first last."""
    middle = (len(batch) + 1) // 2
    return [batch[middle:], batch[:middle]]


def is_out_of_memory(error: RuntimeError) -> bool:
    """Tell whether an error of torch says that memory ran out, on a GPU or in the process."""
    import torch

    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)


def free_memory() -> None:
    """Give back what is no longer used: to the GPU, and to the system where the C library can."""
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)


def pad_batch(pieces: Sequence[Piece], *, pad_id: int) -> dict[str, torch.Tensor]:
    """Return `input_ids` and `attention_mask`, both (pieces, longest), padded on the right."""
    import torch

    longest = max(len(piece.input_ids) for piece in pieces)
    input_ids = torch.full((len(pieces), longest), pad_id, dtype=torch.long)
    attention_mask = torch.zeros((len(pieces), longest), dtype=torch.long)
    for row, piece in enumerate(pieces):
        input_ids[row, : len(piece.input_ids)] = torch.from_numpy(piece.input_ids)
        attention_mask[row, : len(piece.input_ids)] = 1
    return {"input_ids": input_ids, "attention_mask": attention_mask}
