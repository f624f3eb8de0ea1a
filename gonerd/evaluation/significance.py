"""How sure a score is, and a difference of two: documents are drawn, since the mentions of one are not independent.

Intervals are the percentiles of a bootstrap over documents (Efron, 1979). Two systems are compared on the same
documents: by a paired bootstrap (Berg-Kirkpatrick et al., 2012), and by approximate randomisation (Yeh, 2000), which
exchanges their answers document by document and counts how often chance alone makes as large a difference.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gonerd.errors import GonerdError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

DRAWS = 2000
SEED = 13
LEVEL = 0.95
AT_ONCE = 4_000_000  # numbers drawn at a time


@dataclass(frozen=True, slots=True)
class Interval:
    """Where a figure lies in 95 of 100 draws."""

    low: float
    high: float


def f1_of(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the F1 of sums of counts (…, 3): correct, predicted, gold; 0.0 where there are none."""
    import numpy as np

    total = counts[..., 1] + counts[..., 2]
    return np.where(total > 0, 2 * counts[..., 0] / np.maximum(total, 1), 0.0)


def precision_of(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the precision of sums of counts (…, 3)."""
    import numpy as np

    return np.where(counts[..., 1] > 0, counts[..., 0] / np.maximum(counts[..., 1], 1), 0.0)


def recall_of(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the recall of sums of counts (…, 3)."""
    import numpy as np

    return np.where(counts[..., 2] > 0, counts[..., 0] / np.maximum(counts[..., 2], 1), 0.0)


def macro_f1_of(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean F1 over types (…, types, 3) of those that occur."""
    import numpy as np

    there = (counts[..., 1] + counts[..., 2]) > 0
    mean: NDArray[np.float64] = np.where(there, f1_of(counts), 0.0).sum(-1) / np.maximum(there.sum(-1), 1)
    return mean


def draw_sums(counts: NDArray[np.integer], *, draws: int = DRAWS, seed: int = SEED) -> NDArray[np.float64]:
    """Return the sums (draws, …) of the counts (documents, …) of as many documents, drawn with replacement."""
    import numpy as np

    generator = np.random.default_rng(seed)
    documents = len(counts)
    flat = counts.reshape(documents, -1).astype(np.float64)
    sums = []
    step = max(1, AT_ONCE // max(1, documents))
    for start in range(0, draws, step):
        size = min(step, draws - start)
        weights = generator.multinomial(documents, np.full(documents, 1 / documents), size=size)
        sums.append(weights @ flat)
    return np.concatenate(sums).reshape(draws, *counts.shape[1:])


def interval_of(values: NDArray[np.float64]) -> Interval:
    """Return the middle 95 % of some drawn values."""
    import numpy as np

    low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(low), float(high))


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two systems on the same documents; differences are of F1, the first minus the second."""

    documents: int
    first_f1: float
    second_f1: float
    interval: Interval
    p: float  # two-sided, by approximate randomisation
    better_in: float  # share of the bootstrap's draws in which the first is better

    @property
    def difference(self) -> float:
        """F1 of the first less that of the second."""
        return self.first_f1 - self.second_f1

    @property
    def significant(self) -> bool:
        """Whether interval and test agree that there is a difference."""
        return self.p < 1 - LEVEL and not self.interval.low <= 0 <= self.interval.high


Counted = Mapping[str, tuple[int, int, int]]
"""Correct, predicted and gold entities of each document by its id."""


def compare(first: Counted, second: Counted, *, draws: int = DRAWS, seed: int = SEED) -> Comparison:
    """Compare two systems by their counts in each document. The answer does not depend on the documents' order.

    Raises:
        GonerdError: they did not answer for the same documents, or there are none.
    """
    import numpy as np

    if first.keys() != second.keys():
        odd = min(first.keys() ^ second.keys())
        raise GonerdError(f"not the same documents: {odd!r} is in one of them alone")
    if not first:
        raise GonerdError("no documents to compare")
    names = sorted(first)
    both = np.array([[first[name], second[name]] for name in names], dtype=np.int64)  # (documents, 2, 3)
    totals = f1_of(both.sum(axis=0).astype(np.float64))
    drawn = f1_of(draw_sums(both, draws=draws, seed=seed))
    differences = drawn[:, 0] - drawn[:, 1]
    return Comparison(
        len(names),
        float(totals[0]),
        float(totals[1]),
        interval_of(differences),
        _randomised(both, draws=draws, seed=seed),
        float((differences > 0).mean()),
    )


def _randomised(both: NDArray[np.int64], *, draws: int, seed: int) -> float:
    """Return how often exchanging the answers at random makes at least as large a difference, the real one counted."""
    import numpy as np

    def gaps(sums: NDArray[np.float64]) -> NDArray[np.float64]:
        scores = f1_of(sums)
        return np.abs(scores[..., 0] - scores[..., 1])

    generator = np.random.default_rng(seed + 1)
    real = float(gaps(both.sum(axis=0).astype(np.float64)))
    change = (both[:, ::-1] - both).reshape(len(both), -1).astype(np.float64)
    total = both.sum(axis=0).astype(np.float64).reshape(-1)
    hits, step = 0, max(1, AT_ONCE // max(1, len(both)))
    for start in range(0, draws, step):
        size = min(step, draws - start)
        swapped = generator.integers(0, 2, size=(size, len(both))).astype(np.float64)
        hits += int((gaps((total + swapped @ change).reshape(size, 2, 3)) >= real - 1e-12).sum())
    return (hits + 1) / (draws + 1)
