"""Words to sub-tokens, and windows over them: which sub-token speaks for a word, and what is seen of it at once.

Everything is seen and every position is answered once. A document that is longer than a model's reach is read in as few
windows as can be, all of one length, which share `overlap` positions, and the few more that make the length a round
one; windows that are to share nothing lie end to end. Of the windows that see a position, the one answers in which it
is farthest from a cut: they meet in the middle of what they share.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from gonerd.errors import GonerdError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# Documents and words given to the tokenizer at a time: enough to keep its threads busy, and little enough to hold in
# memory, of which a sub-token takes hundreds of bytes there.
BATCH, BATCH_WORDS = 64, 200_000
# Inputs of windows are multiples of this: torch's attention on a CPU takes up to 1.7 times as long for other lengths.
ROUND = 16


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of sub-tokens, and the part of it whose answers count. All half-open."""

    start: int
    end: int
    keep_start: int
    keep_end: int


def split_windows(length: int, *, size: int, overlap: int, special: int = 0) -> list[Window]:
    """Return the windows of at most `size` sub-tokens over a document; their kept parts are exactly the document.

    Args:
        length: sub-tokens of the document.
        size: the most that a window holds of them.
        overlap: how many neighbouring windows share, at least; with none they share nothing, whatever their length.
        special: special tokens that come to each window: with them its length is a multiple of `ROUND`, or the most.

    Raises:
        GonerdError: windows of this size can not overlap that much.
    """
    if not 0 <= overlap < size:
        raise GonerdError(
            f"windows of {size} sub-tokens can not share {overlap}", remedy="Choose a stride below the window's size"
        )
    if length <= size:
        return [Window(0, length, 0, length)]
    count = -(-(length - overlap) // (size - overlap))
    if not overlap:  # nothing is to be seen twice
        bounds = pairwise(length * number // count for number in range(count + 1))
        return [Window(start, end, start, end) for start, end in bounds]
    shortest = -(-(length + (count - 1) * overlap) // count)
    span = min(size, -(-(shortest + special) // ROUND) * ROUND - special)
    starts = [(length - span) * number // (count - 1) for number in range(count)]
    meets = [0, *((left + span + right) // 2 for left, right in pairwise(starts)), length]
    return [Window(start, start + span, *kept) for start, kept in zip(starts, pairwise(meets), strict=True)]


@dataclass(frozen=True, slots=True)
class Piece:
    """What one forward pass sees: a document, or a window of it, with the words that it answers for."""

    document: int
    input_ids: NDArray[np.int32]  # (sub-tokens,) with the special tokens
    positions: NDArray[np.int32]  # (words,) where the first sub-token of each answered word is
    ends: NDArray[np.int32]  # (words,) after the last sub-token of it that this pass sees
    words: NDArray[np.int32]  # (words,) which words of the document they are


@dataclass(frozen=True, slots=True)
class EncodedDocument:
    """The pieces of a document; together they answer once for each word that the tokenizer left something of."""

    pieces: tuple[Piece, ...]
    words: int
    lost_words: int
    sub_tokens: int


@dataclass(frozen=True, slots=True)
class Reach:
    """How much a model sees at once, in sub-tokens, special tokens included, and how much windows share."""

    tokens: int
    overlap: int


@dataclass(frozen=True, slots=True)
class Specials:
    """The special tokens that a tokenizer puts around a text."""

    before: tuple[int, ...]
    after: tuple[int, ...]


def encode_documents(tokenizer: Any, documents: Iterable[Sequence[str]], *, reach: Reach) -> Iterator[EncodedDocument]:
    """Yield the pieces of each document, given as its words.

    Each word is tokenized by itself with a space before it, as the tokenizer would meet it in running text.
    """
    specials, before = special_tokens(tokenizer), space_before_words(tokenizer)
    batch: list[list[str]] = []
    number = size = 0
    for words in documents:
        batch.append([f"{before}{word}" if word else word for word in words])
        size += len(words)
        if len(batch) == BATCH or size >= BATCH_WORDS:
            yield from _encode_batch(tokenizer, batch, number, specials, reach)
            number, batch, size = number + len(batch), [], 0
    yield from _encode_batch(tokenizer, batch, number, specials, reach)


def _encode_batch(
    tokenizer: Any, batch: list[list[str]], number: int, specials: Specials, reach: Reach
) -> Iterator[EncodedDocument]:
    import numpy as np

    for offset, (words, (ids, word_ids)) in enumerate(zip(batch, sub_tokens(tokenizer, batch), strict=True)):
        found, first = np.unique(np.array(word_ids, dtype=np.int32), return_index=True)
        ends = np.append(first[1:], len(ids)).astype(np.int32)
        whole = _Whole(np.array(ids, dtype=np.int32), first.astype(np.int32), ends, found)
        pieces = _cut(whole, specials, reach)
        yield EncodedDocument(
            tuple(Piece(number + offset, *piece) for piece in pieces), len(words), len(words) - len(found), len(ids)
        )


def sub_tokens(tokenizer: Any, batch: list[list[str]]) -> Iterator[tuple[list[int], list[int]]]:
    """Yield each document's sub-tokens and the word each belongs to."""
    filled = [words for words in batch if words]  # tokenizers refuse an empty list
    encoded: Iterator[tuple[list[int], list[int]]] = iter(())
    if filled:
        settings = {"add_special_tokens": False, "truncation": False, "padding": False, "verbose": False}
        answer = tokenizer(filled, is_split_into_words=True, **settings)
        encoded = ((answer["input_ids"][row], answer.word_ids(row)) for row in range(len(filled)))
    for words in batch:
        yield next(encoded) if words else ([], [])


@dataclass(frozen=True, slots=True)
class _Whole:
    """A document before it is cut: its sub-tokens, and of each word that has any its place among them."""

    ids: NDArray[np.int32]
    first: NDArray[np.int32]
    ends: NDArray[np.int32]
    words: NDArray[np.int32]


def _cut(
    whole: _Whole, specials: Specials, reach: Reach
) -> Iterator[tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32], NDArray[np.int32]]]:
    """Yield ids, positions, ends and words of each window."""
    import numpy as np

    around = len(specials.before) + len(specials.after)
    size = reach.tokens - around
    for window in split_windows(len(whole.ids), size=size, overlap=reach.overlap, special=around):
        kept = slice(*np.searchsorted(whole.first, (window.keep_start, window.keep_end)))
        inside = np.concatenate([specials.before, whole.ids[window.start : window.end], specials.after])
        shift = np.int32(window.start - len(specials.before))
        ends = np.minimum(whole.ends[kept], np.int32(window.end))
        yield inside.astype(np.int32), whole.first[kept] - shift, ends - shift, whole.words[kept]


def special_tokens(tokenizer: Any) -> Specials:
    """Return what the tokenizer puts before and after a text."""
    encoded = tokenizer(["a"], is_split_into_words=True, return_special_tokens_mask=True, verbose=False)
    ids, special = encoded["input_ids"], encoded["special_tokens_mask"]
    before = next((place for place, mark in enumerate(special) if not mark), len(ids))
    after = next((place for place, mark in enumerate(reversed(special)) if not mark), 0)
    return Specials(tuple(ids[:before]), tuple(ids[len(ids) - after :]))


def space_before_words(tokenizer: Any) -> str:
    """Return what must stand before each word so that its sub-tokens are those that it has in running text."""
    running = tokenizer("of the", add_special_tokens=False)["input_ids"]
    for before in ("", " "):
        ((ids, word_ids),) = sub_tokens(tokenizer, [[f"{before}of", f"{before}the"]])
        last = [number for number, word in zip(ids, word_ids, strict=True) if word == 1]
        if last and running[-len(last) :] == last and len(running) > len(last):
            return before
    return ""
