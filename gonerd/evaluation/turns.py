"""Timing several things against each other: in turns, after a warm-up, with what makes a timing doubtful named."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from gonerd.errors import GonerdError

WARM_UPS = 2  # the first call compiles and fills caches, the second still settles
WIDE = 1.3  # 90th percentile over median from which a spread is worth a word
DRIFT = 1.15  # later half over earlier half, or the other way round


@dataclass(frozen=True, slots=True)
class Timings:
    """The runs of one thing, in seconds, in the order of the turns."""

    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        """The middle run."""
        return statistics.median(self.seconds)

    @property
    def p90(self) -> float:
        """What nine runs in ten stay within; of fewer than ten runs, the slowest."""
        return sorted(self.seconds)[max(0, -(-9 * len(self.seconds) // 10) - 1)]

    def doubts(self) -> list[str]:
        """Return what makes the median doubtful: a wide spread, or a drift from the earlier to the later runs."""
        found = []
        if self.p90 > WIDE * self.median:
            found.append(f"spread: the 90th percentile is {self.p90 / self.median:.2f} times the median")
        half = len(self.seconds) // 2
        if half >= 2:
            earlier, later = statistics.median(self.seconds[:half]), statistics.median(self.seconds[-half:])
            if max(earlier, later) > DRIFT * min(earlier, later):
                found.append(f"drift: the later runs took {later / earlier:.2f} times the earlier ones")
        return found


@dataclass(frozen=True, slots=True)
class Ratio:
    """How many times the time of one thing another takes, by the turns in which both ran."""

    median: float
    lowest: float
    highest: float

    @classmethod
    def of(cls, timings: Timings, reference: Timings) -> Ratio:
        """Return the ratios of neighbouring runs: a machine that slows down for a while slows both of a turn."""
        ratios = [mine / theirs for mine, theirs in zip(timings.seconds, reference.seconds, strict=True)]
        return cls(statistics.median(ratios), min(ratios), max(ratios))


def time_in_turns(
    runs: Mapping[str, Callable[[], object]],
    *,
    repeats: int,
    seconds: float = float("inf"),
    wait: Callable[[], None] = lambda: None,
    warm_ups: int = WARM_UPS,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, Timings]:
    """Time each of `runs` once a turn (A B C A B C …), so that a drift of the machine meets all of them alike.

    Args:
        runs: what to time, by name.
        repeats: turns that count, at most.
        seconds: after which no new turn begins; three turns are made in any case.
        wait: waits until the device has done its work, called around each run.
        warm_ups: turns that do not count.
        clock: in seconds; `time.process_time` counts what the process computed, whatever else the machine does.

    Raises:
        GonerdError: there is nothing to time.
    """
    if not runs or repeats < 1:
        raise GonerdError(f"nothing to time: {len(runs)} models, {repeats} repeats")
    found: dict[str, list[float]] = {name: [] for name in runs}
    began = clock()
    for turn in range(warm_ups + repeats):
        if turn >= warm_ups + min(3, repeats) and clock() - began > seconds:
            break
        for name, run in runs.items():
            wait()
            started = clock()
            run()
            wait()
            if turn >= warm_ups:
                found[name].append(clock() - started)
    return {name: Timings(tuple(times)) for name, times in found.items()}
