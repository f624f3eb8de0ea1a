"""How long models take on the same documents, measured so that the ratio between them can be trusted."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gonerd.errors import GonerdError
from gonerd.evaluation.backend_tokens import TRANSFORMERS
from gonerd.evaluation.hardware import describe_hardware
from gonerd.evaluation.predict import PredictConfig, predict_tags
from gonerd.labels import LabelScheme
from gonerd.models.checkpoints import checkpoint_name
from gonerd.models.tagging import choose_device
from gonerd.records import Progress, silent


@dataclass(frozen=True, slots=True)
class Timing:
    """The runs of one model over all documents."""

    name: str
    seconds: tuple[float, ...]  # one a repeat
    words: int
    sub_tokens: int
    hardware: str

    @property
    def median_seconds(self) -> float:
        """The middle run."""
        return statistics.median(self.seconds)

    @property
    def tokens_per_second(self) -> float:
        """Sub-tokens a second in the middle run."""
        return self.sub_tokens / self.median_seconds

    @property
    def words_per_second(self) -> float:
        """Words a second in the middle run."""
        return self.words / self.median_seconds


@dataclass(frozen=True, slots=True)
class TimeRatio:
    """What share of a slower model's time a faster one takes, by the turns in which both ran."""

    median: float
    lowest: float
    highest: float


def time_ratio(slow: Timing, fast: Timing) -> TimeRatio:
    """Return the ratios of neighbouring runs: a machine that slows down for a while slows both of a turn."""
    ratios = [mine / theirs for mine, theirs in zip(fast.seconds, slow.seconds, strict=True)]
    return TimeRatio(statistics.median(ratios), min(ratios), max(ratios))


def time_models(
    checkpoints: Sequence[str | Path],
    documents: Sequence[tuple[str, Sequence[str]]],
    *,
    scheme: LabelScheme,
    config: PredictConfig,
    repeats: int = 3,
    progress: Progress = silent,
) -> list[Timing]:
    """Return the timings of models over the same documents (ids and words), tokenizing included.

    They take turns (A B A B …) after a warm-up of each, so that a drift of the machine meets all of them alike.

    Raises:
        GonerdError: a checkpoint is unusable, or there is nothing to time.
    """
    if not documents or repeats < 1:
        raise GonerdError(f"nothing to time: {len(documents)} documents, {repeats} repeats")
    device = choose_device(config.device)
    loaded = [TRANSFORMERS.load(str(checkpoint), device, config).model for checkpoint in checkpoints]
    seconds: list[list[float]] = [[] for _ in loaded]
    sub_tokens = [0 for _ in loaded]
    for turn in range(repeats + 1):  # the first is the warm-up
        for place, model in enumerate(loaded):
            started = time.perf_counter()
            _, coverage = predict_tags(model, documents, config=config, scheme=scheme)
            seconds[place].append(time.perf_counter() - started)
            sub_tokens[place] = coverage.sub_tokens
            progress(turn * len(loaded) + place + 1, (repeats + 1) * len(loaded))
    words = sum(len(tokens) for _, tokens in documents)
    hardware = describe_hardware(device)
    return [
        Timing(checkpoint_name(checkpoint), tuple(runs[1:]), words, count, hardware)
        for checkpoint, runs, count in zip(checkpoints, seconds, sub_tokens, strict=True)
    ]
