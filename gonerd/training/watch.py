"""How training stands: what a run tells whoever watches it, step by step."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from gonerd.records import Progress

SMOOTHING = 0.9  # of the loss that is shown: what is kept of it at each step


@dataclass(frozen=True, slots=True)
class Standing:
    """How a run stands after a step."""

    step: int
    steps: int
    validated: bool  # after this step
    loss: float | None = None  # of the last steps, smoothed
    score: float | None = None  # of the last validation, higher is better: strict F1
    best: float | None = None  # of all validations so far
    tokens_per_second: float | None = None  # sub-tokens, validation and saving apart
    seconds_left: float | None = None  # validations included


Watch = Callable[[Standing], None]
"""Is told how training stands."""


def unwatched(standing: Standing) -> None:
    """Tell nobody: the default, since the library never prints."""


def counting(progress: Progress) -> Watch:
    """Return what passes on the steps alone."""
    return lambda standing: progress(standing.step, standing.steps)


@dataclass
class Pace:
    """What is measured of a run in this process: after a resume it begins anew."""

    began: float = field(default_factory=time.perf_counter)
    steps: int = 0
    tokens: int = 0
    loss: float | None = None
    resting: float = 0.0  # seconds in validation and saving

    def batch(self, loss: float, tokens: int) -> None:
        """Count a batch."""
        self.tokens += tokens
        self.loss = loss if self.loss is None else SMOOTHING * self.loss + (1 - SMOOTHING) * loss

    def tokens_per_second(self) -> float | None:
        """Return sub-tokens a second, validation apart."""
        busy = time.perf_counter() - self.began - self.resting
        return self.tokens / busy if self.steps and busy > 0 else None

    def seconds_left(self, steps: int) -> float | None:
        """Return how long so many steps will take, validations included."""
        return (time.perf_counter() - self.began) / self.steps * steps if self.steps else None
