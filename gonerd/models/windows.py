"""Windows over documents that are longer than a model's reach: everything is seen, every position is answered once.

The windows are spread evenly, so that neighbours share at least `overlap` positions. Of the windows that see a
position, the one answers in which it is farthest from a cut: windows meet in the middle of what they share.
"""

from __future__ import annotations

from dataclasses import dataclass

from gonerd.errors import GonerdError


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of sub-tokens, and the part of it whose answers count. All half-open."""

    start: int
    end: int
    keep_start: int
    keep_end: int


def split_windows(length: int, *, size: int, overlap: int) -> list[Window]:
    """Return the windows of `size` sub-tokens over a document of `length`; their kept parts are exactly the document.

    Raises:
        GonerdError: windows of this size can not overlap that much.
    """
    if not 0 <= overlap < size:
        raise GonerdError(
            f"windows of {size} sub-tokens can not share {overlap}", remedy="Choose a stride below the window's size"
        )
    count = 1 if length <= size else -(-(length - overlap) // (size - overlap))
    last = max(0, length - size)
    starts = [last * number // max(1, count - 1) for number in range(count)]
    ends = [min(length, start + size) for start in starts]
    meets = [0, *((start + end) // 2 for start, end in zip(starts[1:], ends, strict=False)), length]
    return [Window(*row) for row in zip(starts, ends, meets[:-1], meets[1:], strict=True)]
