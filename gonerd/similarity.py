"""Near-duplicates by MinHash: one home for deduplication and for splits without leaks.

Shingles of words are hashed, their set is summed up in a signature whose agreement estimates the Jaccard similarity
(Broder 1997), and bands of the signature find candidates without comparing all pairs (Leskovec, Rajaraman and Ullman,
Mining of Massive Datasets, chapter 3). Signatures wait on disk, so that any number of documents can be compared in
little memory. The result depends on the documents alone: not on their order, nor on the process.
"""

from __future__ import annotations

import errno
import re
import tempfile
import zlib
from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import IO, TYPE_CHECKING

from gonerd.errors import FREE_TEMPORARY, room_in

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_WORD = re.compile(r"\w+")
_CHUNK = 512  # shingles hashed at a time, so that the table stays in the cache
_BLOCK = 4_096  # signatures read one after the other at a time
_WINDOW = 16_384  # signatures of some buckets in memory at a time
_PAIRS = 16_384  # compared at a time
_PART = 131_072  # rows of a band that are sorted at a time


@dataclass(frozen=True, slots=True, kw_only=True)
class SimilarityConfig:
    """How alike two texts must be to belong to one cluster."""

    shingle_words: int = 5
    """Words in a shingle."""
    bands: int = 32
    """Bands of the signature; a pair is a candidate when one band agrees."""
    rows: int = 4
    """Hashes in a band: the signature has bands times rows of them."""
    threshold: float = 0.6
    """Estimated Jaccard similarity from which two texts are near-duplicates."""


def shingle_hashes(text: str, *, words: int) -> NDArray[np.uint64]:
    """Return the sorted set of 64-bit hashes of `text`'s word shingles; a shorter text is one shingle."""
    import numpy as np

    codes = np.array([zlib.crc32(word.encode()) for word in _WORD.findall(text.casefold())], dtype=np.uint64)
    if codes.size == 0:
        return codes
    width = min(words, codes.size)
    hashes = np.zeros(codes.size - width + 1, dtype=np.uint64)
    for offset in range(width):
        hashes = _mix(hashes + codes[offset : codes.size - width + 1 + offset])
    hashes.sort()  # what np.unique does, in a quarter of the time
    different: NDArray[np.uint64] = hashes[np.append(True, hashes[1:] != hashes[:-1])]
    return different


def _mix(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Scramble 64-bit integers (the finaliser of splitmix64)."""
    import numpy as np

    values = values + np.uint64(0x9E3779B97F4A7C15)
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def signature(text: str, config: SimilarityConfig) -> NDArray[np.uint64]:
    """Return the MinHash signature of `text`: (bands * rows,) minima, one a hash function."""
    import numpy as np

    shingles = shingle_hashes(text, words=config.shingle_words)
    size = config.bands * config.rows
    if shingles.size == 0:
        return np.zeros(size, dtype=np.uint64)
    factors = _mix(np.arange(size, dtype=np.uint64)) | np.uint64(1)  # odd: each is a permutation of 64-bit integers
    minima = [
        (shingles[first : first + _CHUNK, None] * factors).min(axis=0) for first in range(0, shingles.size, _CHUNK)
    ]
    found: NDArray[np.uint64] = np.min(minima, axis=0)
    return found


def clusters(signatures: Mapping[str, NDArray[np.uint64]], config: SimilarityConfig) -> list[list[str]]:
    """Return the near-duplicate clusters of two ids or more, each sorted, sorted by their first id.

    Clusters are the connected components of the pairs at or above the threshold.
    """
    names = sorted(signatures)
    with Signatures(config) as waiting:
        for name in names:
            waiting.add(signatures[name])
        return [[names[number] for number in group] for group in waiting.clusters()]


class Signatures:
    """Signatures of any number of texts, in a temporary file, and the clusters that they form.

    What stays in memory is a few bytes a text. The file has no name, so that it goes when its process does.
    """

    def __init__(self, config: SimilarityConfig) -> None:
        self._config = config
        self._file: IO[bytes] = tempfile.TemporaryFile(prefix="gonerd-", buffering=0)  # noqa: SIM115 - closed by __exit__
        self.count = 0  # texts
        self.compared = 0  # pairs

    def __enter__(self) -> Signatures:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def add(self, values: NDArray[np.uint64]) -> int:
        """Take up the signature of a text, and return the text's number: 0, 1, 2 …"""
        # Half of each minimum: two that differ have the same lower half once in four thousand million.
        content = values.astype("<u4").tobytes()
        with room_in(tempfile.gettempdir(), remedy=FREE_TEMPORARY):
            if self._file.write(content) < len(content):  # a write without a buffer may stop short, and not say so
                raise OSError(errno.ENOSPC, "no space for the whole signature")
        self.count += 1
        return self.count - 1

    def clusters(self) -> Iterator[list[int]]:
        """Yield the clusters of two texts or more, each sorted, sorted by their first number.

        The empty text is like no other. Of texts with the same signature only the first meets the others, since what
        holds for one holds for all.
        """
        import numpy as np

        if not self.count:
            return
        joined = Joined(self.count)
        alone = self._first_of_each(joined)
        for band in range(self._config.bands):
            for numbers, sizes in self._buckets(band, alone):
                self._meet(numbers, sizes, joined)
        roots = joined.roots()
        others = np.flatnonzero(roots != np.arange(self.count))  # all but the first of each cluster
        others = others[np.argsort(roots[others], kind="stable")]
        starts = np.flatnonzero(np.diff(roots[others], prepend=-1)).tolist()
        for start, end in pairwise([*starts, len(others)]):
            yield [int(roots[others[start]]), *others[start:end].tolist()]

    def _first_of_each(self, joined: Joined) -> NDArray[np.bool_]:
        """Join the texts with the same signature; return which are the first of theirs and not empty."""
        import numpy as np

        sums, alone = np.zeros(self.count, dtype=np.uint64), np.zeros(self.count, dtype=np.bool_)
        for start, rows in self._blocks():
            for column in range(rows.shape[1]):
                sums[start : start + len(rows)] = _mix(sums[start : start + len(rows)] + rows[:, column])
            alone[start : start + len(rows)] = rows.any(axis=1)
        for numbers in _in_parts(sums, alone):
            same = np.flatnonzero(sums[numbers[1:]] == sums[numbers[:-1]])
            for alike, other in zip(numbers[same].tolist(), numbers[same + 1].tolist(), strict=True):
                first = joined.root(alike)
                if np.array_equal(*self._rows(np.array([first, other]))):
                    joined.join(first, other)
                    alone[other] = False
        return alone

    def _buckets(self, band: int, alone: NDArray[np.bool_]) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """Yield the numbers of texts that agree in a band, bucket after bucket, with the buckets' sizes."""
        import numpy as np

        size = self._config.rows
        keys = np.zeros(self.count, dtype=np.uint32)  # two that are the same by chance are one comparison more
        for start, rows in self._blocks():
            part = np.zeros(len(rows), dtype=np.uint64)
            for column in range(band * size, (band + 1) * size):
                part = _mix(part + rows[:, column])
            keys[start : start + len(rows)] = part  # the lower half
        for found in _in_parts(keys, alone):
            starts = np.flatnonzero(np.diff(keys[found], prepend=~keys[found[:1]]))
            sizes = np.diff(starts, append=len(found))
            shared = np.repeat(sizes, sizes) > 1
            yield found[shared], sizes[sizes > 1]

    def _meet(self, numbers: NDArray[np.int64], sizes: NDArray[np.int64], joined: Joined) -> None:
        """Compare the texts of each bucket with one another, a window of buckets at a time."""
        import numpy as np

        ends = np.cumsum(sizes)
        first = begin = 0
        while first < len(sizes):
            last = max(first + 1, int(np.searchsorted(ends, begin + _WINDOW, side="right")))
            end = int(ends[last - 1])
            if end - begin <= _WINDOW:
                self._compare(numbers[begin:end], sizes[first:last], joined)
            else:  # a single bucket: half a window beside each half that follows
                half = _WINDOW // 2
                halves = [numbers[start : min(start + half, end)] for start in range(begin, end, half)]
                for place, one in enumerate(halves):
                    for other in halves[place + 1 :]:
                        both = np.concatenate([one, other])
                        self._compare(both, np.array([len(both)]), joined)
            first, begin = last, end

    def _compare(self, numbers: NDArray[np.int64], sizes: NDArray[np.int64], joined: Joined) -> None:
        """Join the texts of each bucket that are alike enough; the signatures of all of them fit in memory."""
        import numpy as np

        roots = joined.roots()[numbers]
        bucket = np.repeat(np.arange(len(sizes)), sizes)
        starts = np.cumsum(sizes) - sizes
        mixed = np.maximum.reduceat(roots, starts) != np.minimum.reduceat(roots, starts)
        kept = mixed[bucket]  # the others are one cluster each already
        numbers, bucket, roots = numbers[kept], bucket[kept], roots[kept]
        if not numbers.size:
            return
        rows = self._rows(numbers)
        hints = rows.astype(np.uint8)  # lower bytes agree wherever the whole does, and take a quarter of the time
        left = np.arange(len(numbers) - 1)
        for step in range(1, len(numbers)):
            left = left[: np.searchsorted(left, len(numbers) - step)]
            left = left[bucket[left] == bucket[left + step]]
            if not left.size:
                return
            apart = left[roots[left] != roots[left + step]]
            for begin in range(0, len(apart), _PAIRS):
                one = apart[begin : begin + _PAIRS]
                self.compared += len(one)
                one = one[_agreement(hints[one], hints[one + step]) >= self._config.threshold]
                alike = one[_agreement(rows[one], rows[one + step]) >= self._config.threshold]
                for place in alike.tolist():
                    joined.join(int(numbers[place]), int(numbers[place + step]))
                if alike.size:
                    roots = joined.roots()[numbers]

    def _blocks(self) -> Iterator[tuple[int, NDArray[np.uint32]]]:
        """Yield all signatures in blocks, with the number of the first."""
        for start in range(0, self.count, _BLOCK):
            yield start, self._read(start, min(_BLOCK, self.count - start))

    def _rows(self, numbers: NDArray[np.int64]) -> NDArray[np.uint32]:
        import numpy as np

        return np.concatenate([self._read(number, 1) for number in numbers.tolist()])

    def _read(self, start: int, count: int) -> NDArray[np.uint32]:
        import numpy as np

        width = self._config.bands * self._config.rows
        self._file.seek(start * width * 4)
        return np.frombuffer(self._file.read(count * width * 4), dtype="<u4").reshape(count, width)


def _in_parts(keys: NDArray[np.unsignedinteger], chosen: NDArray[np.bool_]) -> Iterator[NDArray[np.int64]]:
    """Yield the numbers of the chosen texts in the order of their keys, those of one key in one part."""
    import numpy as np

    parts = 1 + len(keys) // _PART
    for part in range(parts):
        found = np.flatnonzero(chosen & (keys % keys.dtype.type(parts) == part))
        yield found[np.argsort(keys[found], kind="stable")]


def _agreement(one: NDArray[np.integer], other: NDArray[np.integer]) -> NDArray[np.float64]:
    """Return the share of the minima in which each pair of rows agrees."""
    import numpy as np

    width = one.shape[1]
    counts = np.add.reduce(one == other, axis=1, dtype=np.uint8 if width < 256 else np.uint32)
    shares: NDArray[np.float64] = counts / np.float64(width)
    return shares


class Joined:
    """Which numbers belong together; the root of each is the smallest (union-find, Tarjan 1975)."""

    def __init__(self, count: int) -> None:
        self._parents = array("q", range(count))
        self._settled = True

    def append(self) -> int:
        """Take up one more number, and return it."""
        self._parents.append(len(self._parents))
        return len(self._parents) - 1

    def root(self, number: int) -> int:
        """Return the smallest number that belongs together with this one."""
        parents = self._parents
        while parents[number] != number:
            parents[number] = parents[parents[number]]
            number = parents[number]
        return number

    def join(self, one: int, other: int) -> None:
        """Put two numbers together, and whatever belongs to them."""
        low, high = sorted((self.root(one), self.root(other)))
        self._parents[high] = low
        self._settled = False

    def roots(self) -> NDArray[np.int64]:
        """Return the root of every number, to be read before the next join."""
        import numpy as np

        found = np.frombuffer(self._parents, dtype=np.int64)
        while not self._settled:
            self._settled = True
            for start in range(0, len(found), _PART):
                part = found[start : start + _PART]
                above = found[part]
                self._settled &= bool(np.array_equal(above, part))
                part[:] = above
        return found
