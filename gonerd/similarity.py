"""Near-duplicates by MinHash: one home for deduplication and for splits without leaks.

Shingles of words are hashed, their set is summed up in a signature whose agreement estimates the Jaccard similarity
(Broder 1997), and bands of the signature find candidates without comparing all pairs (Leskovec, Rajaraman and Ullman,
Mining of Massive Datasets, chapter 3). The result depends on the documents alone: not on their order, nor on the
process.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_WORD = re.compile(r"\w+")
_CHUNK = 512  # shingles hashed at a time, so that the table stays in the cache


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
    return np.unique(hashes)


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
    parent = {name: name for name in signatures}

    def root(name: str) -> str:
        while parent[name] != name:
            parent[name] = parent[parent[name]]
            name = parent[name]
        return name

    for first, second in _candidates(signatures, config):
        low, high = sorted((root(first), root(second)))
        if low != high and (signatures[first] == signatures[second]).mean() >= config.threshold:
            parent[high] = low
    groups: dict[str, list[str]] = {}
    for name in sorted(signatures):
        groups.setdefault(root(name), []).append(name)
    return [group for _, group in sorted(groups.items()) if len(group) > 1]


def _candidates(signatures: Mapping[str, NDArray[np.uint64]], config: SimilarityConfig) -> Iterable[tuple[str, str]]:
    """Yield the pairs that agree in a whole band; the empty text is like no other.

    Of texts with the same signature only the first meets the others, since what holds for one holds for all.
    """
    same: dict[bytes, list[str]] = {}
    for name in sorted(name for name, values in signatures.items() if values.any()):
        same.setdefault(signatures[name].tobytes(), []).append(name)
    for first, *others in same.values():
        yield from ((first, other) for other in others)
    names = [group[0] for group in same.values()]
    for band in range(config.bands):
        part = slice(band * config.rows, (band + 1) * config.rows)
        buckets: dict[bytes, list[str]] = {}
        for name in names:
            buckets.setdefault(signatures[name][part].tobytes(), []).append(name)
        for members in buckets.values():
            for position, first in enumerate(members):
                for second in members[position + 1 :]:
                    yield first, second
