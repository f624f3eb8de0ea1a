"""What the test split shares with the training split, in bounded memory.

Hashes stand for shingles, titles and names; of the shingles a fixed part is kept once they grow too many, chosen by
their hash alone, so that the estimate depends on the texts and on nothing else.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gonerd.records import Example
from gonerd.similarity import shingle_hashes

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SHINGLE_WORDS = 8
_LIMIT = 4_000_000  # hashes kept by a sketch


class Sketch:
    """A set of 64-bit hashes, thinned to those that end in enough zero bits once there are too many."""

    def __init__(self, *, limit: int = _LIMIT) -> None:
        self._limit, self._size = limit, 0
        self._parts: list[NDArray[np.uint64]] = []
        self.bits = 0  # trailing zero bits that a kept hash has

    def add(self, hashes: NDArray[np.uint64]) -> None:
        """Add hashes; repeated ones count once."""
        kept = _thin(hashes, self.bits)
        self._parts.append(kept)
        self._size += kept.size
        while self._size > self._limit:
            whole = self.values(self.bits)
            if whole.size > self._limit // 2:
                self.bits += 1
                whole = _thin(whole, self.bits)
            self._parts, self._size = [whole], whole.size

    def values(self, bits: int) -> NDArray[np.uint64]:
        """Return the sorted hashes with at least `bits` trailing zero bits; `bits` is at least the sketch's own."""
        import numpy as np

        merged = np.unique(np.concatenate(self._parts)) if self._parts else np.empty(0, dtype=np.uint64)
        return _thin(merged, bits)


def _thin(hashes: NDArray[np.uint64], bits: int) -> NDArray[np.uint64]:
    import numpy as np

    return hashes[(hashes & np.uint64((1 << bits) - 1)) == 0] if bits else hashes


@dataclass(slots=True)
class Content:
    """What one split holds, as far as a leak could show."""

    shingles: Sketch = field(default_factory=Sketch)
    titles: set[str] = field(default_factory=set)
    surfaces: Counter[tuple[str, str]] = field(default_factory=Counter)  # mentions by text and label

    def add(self, example: Example) -> None:
        """Take up one document."""
        self.shingles.add(shingle_hashes(example.text, words=SHINGLE_WORDS))
        if example.title:
            self.titles.add(" ".join(example.title.casefold().split()))
        for span in example.entities:
            self.surfaces[(" ".join(example.text[span.start : span.end].split()), span.label)] += 1


@dataclass(frozen=True, slots=True)
class LeakReport:
    """What test has in common with train; shares lie between 0 and 1 and are None where there is nothing to share."""

    shared_shingles: float | None  # share of the different 8-word shingles of test that occur in train
    shared_titles: tuple[str, ...]  # casefolded
    seen_surfaces: float | None  # share of the different names of test (text and label) that are names in train
    seen_mentions: float | None  # share of the mentions of test whose name is one of those


def leak_report(train: Content, test: Content) -> LeakReport:
    """Compare the contents of two splits."""
    import numpy as np

    bits = max(train.shingles.bits, test.shingles.bits)
    ours = test.shingles.values(bits)
    shared = np.isin(ours, train.shingles.values(bits), assume_unique=True)
    seen = test.surfaces.keys() & train.surfaces.keys()
    return LeakReport(
        shared_shingles=_share(int(shared.sum()), ours.size),
        shared_titles=tuple(sorted(train.titles & test.titles)),
        seen_surfaces=_share(len(seen), len(test.surfaces)),
        seen_mentions=_share(sum(test.surfaces[name] for name in seen), test.surfaces.total()),
    )


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 6) if whole else None
