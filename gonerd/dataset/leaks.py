"""What the test split shares with the training split, in bounded memory.

Hashes stand for shingles; a fixed part of them is kept once they grow too many, chosen by their hash alone, so that the
estimate depends on the texts and on nothing else. Titles and names are counted on disk.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gonerd.dataset.names import Names
from gonerd.records import Example
from gonerd.similarity import shingle_hashes

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SHINGLE_WORDS = 8
_LIMIT = 1_000_000  # hashes kept by a sketch
_KNOWN, _ASKED = "train", "test"


class Sketch:
    """A set of 64-bit hashes, thinned to those that end in enough zero bits once there are too many."""

    def __init__(self, *, limit: int = _LIMIT) -> None:
        import numpy as np

        self._kept = np.empty(limit, dtype=np.uint64)  # the system gives the memory as it is filled
        self._size = 0
        self.bits = 0  # trailing zero bits that a kept hash has

    def add(self, hashes: NDArray[np.uint64]) -> None:
        """Add hashes; repeated ones count once."""
        while (kept := _thin(hashes, self.bits)).size:
            part = kept[: len(self._kept) - self._size]
            self._kept[self._size : self._size + part.size] = part
            self._size += part.size
            hashes = kept[part.size :]
            if self._size == len(self._kept):
                self._settle()

    def _settle(self) -> None:
        """Keep each hash once and, until half of the room is free, only those with one zero bit more."""
        self._keep(_different(self._kept[: self._size]))
        while self._size > len(self._kept) // 2:
            self.bits += 1
            self._keep(_thin(self._kept[: self._size], self.bits))

    def _keep(self, hashes: NDArray[np.uint64]) -> None:
        self._size = hashes.size
        self._kept[: hashes.size] = hashes

    def values(self, bits: int) -> NDArray[np.uint64]:
        """Return the sorted hashes with at least `bits` trailing zero bits; `bits` is at least the sketch's own."""
        return _thin(_different(self._kept[: self._size]), bits)


def _different(hashes: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Sort hashes in place, which takes no memory, and return each once."""
    import numpy as np

    hashes.sort()
    return hashes[np.append(True, hashes[1:] != hashes[:-1])] if hashes.size else hashes


def _thin(hashes: NDArray[np.uint64], bits: int) -> NDArray[np.uint64]:
    import numpy as np

    return hashes[(hashes & np.uint64((1 << bits) - 1)) == 0] if bits else hashes


@dataclass(frozen=True, slots=True)
class LeakReport:
    """What test has in common with train; shares lie between 0 and 1 and are None where there is nothing to share."""

    shared_shingles: float | None  # share of the different 8-word shingles of test that occur in train
    shared_titles: tuple[str, ...]  # casefolded
    seen_surfaces: float | None  # share of the different names of test (text and label) that are names in train
    seen_mentions: float | None  # share of the mentions of test whose name is one of those


class LeakWatch:
    """Watches the texts of train and test."""

    def __init__(self) -> None:
        self._texts: dict[str, Sketch] = {}

    def add(self, example: Example) -> None:
        """Take up one document, of whatever split."""
        if example.split in (_KNOWN, _ASKED):
            sketch = self._texts.setdefault(example.split, Sketch())
            sketch.add(shingle_hashes(example.text, words=SHINGLE_WORDS))

    def report(self, names: Names) -> LeakReport | None:
        """Compare the two splits, or return None if one of them is not there."""
        import numpy as np

        if self._texts.keys() != {_KNOWN, _ASKED}:
            return None
        known, asked = self._texts[_KNOWN], self._texts[_ASKED]
        bits = max(known.bits, asked.bits)
        ours = asked.values(bits)
        theirs = known.values(bits)
        shared = np.searchsorted(theirs, ours, side="right") - np.searchsorted(theirs, ours)
        surfaces, all_surfaces, mentions, all_mentions = names.seen(_KNOWN, _ASKED)
        return LeakReport(
            shared_shingles=_share(int(shared.sum()), ours.size),
            shared_titles=names.shared_titles(_KNOWN, _ASKED),
            seen_surfaces=_share(surfaces, all_surfaces),
            seen_mentions=_share(mentions, all_mentions),
        )


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 6) if whole else None
