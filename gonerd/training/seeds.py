"""One training with several seeds: all runs are kept, and how far they lie apart is told."""

from __future__ import annotations

import json
import re
import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from gonerd.errors import GonerdError
from gonerd.models.share import launched_rank
from gonerd.records import sha256_of
from gonerd.store import canonical, read_json, read_manifest, write_json
from gonerd.training.card import kept_validation
from gonerd.training.config import FinetuneConfig
from gonerd.training.trainer import LOG

SUMMARY = "seeds.json"
_OWN = re.compile(r"\.?seed-\d+(\..*)?|seeds\.json|\.seeds\.json\.partial")


@dataclass(frozen=True, slots=True)
class SeedScore:
    """The validation of the state that one seed kept."""

    seed: int
    f1: float
    precision: float
    recall: float


@dataclass(frozen=True, slots=True)
class Spread:
    """What several seeds came to."""

    scores: tuple[SeedScore, ...]

    @property
    def mean(self) -> float:
        """The mean F1."""
        return statistics.fmean(score.f1 for score in self.scores)

    @property
    def deviation(self) -> float | None:
        """The standard deviation of F1; None of one run."""
        return statistics.stdev(score.f1 for score in self.scores) if len(self.scores) > 1 else None


def train_seeds(
    out: Path, config: FinetuneConfig, *, seeds: int, train: Callable[[Path, FinetuneConfig], object]
) -> Spread:
    """Train with so many seeds, from the configuration's on, into `out`/seed-N, and write the summary `seeds.json`.

    What is done already is only looked up; the summary names the runs that are.

    Args:
        out: folder of all runs.
        config: what they have in common; its seed is the first.
        seeds: how many.
        train: trains one into a folder.

    Raises:
        GonerdError: `out` holds something else, or there are to be fewer than one.
    """
    if seeds < 1:
        raise GonerdError(f"{seeds} seeds", remedy="It must be 1 or more")
    replace(config, seed=config.seed + seeds - 1)  # one that is too large is refused before the first is trained
    strays = sorted(path.name for path in out.iterdir() if not _OWN.fullmatch(path.name)) if out.is_dir() else []
    if strays:
        raise GonerdError(f"something else is there: {strays[0]}", where=out, remedy="Choose another folder")
    scores: list[SeedScore] = []
    for seed in range(config.seed, config.seed + seeds):
        folder = seed_folder(out, seed)
        curves = None if config.tensorboard is None else seed_folder(config.tensorboard, seed)
        train(folder, replace(config, seed=seed, tensorboard=curves))
        scores.append(SeedScore(seed, **kept_validation(folder / LOG)))
        if launched_rank() == 0:
            write_json(out / SUMMARY, _summary(Spread(tuple(scores)), folder))
    return Spread(tuple(scores))


def _summary(spread: Spread, folder: Path) -> dict[str, Any]:
    """Return what the summary says; the settings are those of any of the runs."""
    settings = read_json(folder / "manifest.json")["config"]
    return {
        "validation_f1_mean": spread.mean,
        "validation_f1_standard_deviation": spread.deviation,
        "seeds": [asdict(score) for score in spread.scores],
        "settings": {name: value for name, value in canonical(settings).items() if name != "seed"},
    }


def seed_folder(out: Path, seed: int) -> Path:
    """Return where the run with a seed lies."""
    return out / f"seed-{seed}"


def group_of(out: Path) -> str:
    """Return what the runs of a folder are called together: another training in the same place is another group."""
    first = read_manifest(seed_folders(out)[0])
    settings = {name: value for name, value in first.config.items() if name != "seed"}
    shared = json.dumps([first.version, settings, first.inputs], sort_keys=True)
    return f"{out.resolve().name} {sha256_of(shared)[:6]}"


def seed_folders(out: Path) -> Sequence[Path]:
    """Return the folders of the runs that a summary names; none where there is no summary."""
    if not (out / SUMMARY).is_file():
        return ()
    return [seed_folder(out, int(row["seed"])) for row in read_json(out / SUMMARY)["seeds"]]
