"""How sure a figure is: documents are drawn with replacement, since the mentions of one are not independent.

Intervals are the percentiles of a bootstrap over documents (Efron, 1979). The same documents in the same order are
drawn alike, so that figures of several systems on them can be set against each other draw by draw.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

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
