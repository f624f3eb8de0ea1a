"""Whether one system is better than another: both answered for the same documents, which are drawn together.

A paired bootstrap (Berg-Kirkpatrick et al., 2012) gives the interval of the difference; approximate randomisation (Yeh,
2000) exchanges their answers document by document and counts how often chance alone makes as large a difference.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gonerd.bootstrap import AT_ONCE, DRAWS, LEVEL, SEED, Interval, draw_sums, f1_of, interval_of
from gonerd.errors import GonerdError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


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
