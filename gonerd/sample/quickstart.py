"""The whole main job over the sample, offline: from a web site to a verified leaderboard page.

Every step writes a folder that names what it was made from, so a second run looks up what is there and goes on with
what is not.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gonerd.records import Progress
from gonerd.store import read_json, write_json

FOLDERS = (
    "warc",
    "extracted",
    "documents",
    "annotations",
    "gold",
    "generated",
    "dataset",
    "models",
    "results",
    "submissions",
    "leaderboard",
)
SUMMARY = "summary.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class QuickstartConfig:
    """What the quickstart does and where."""

    out: Path = Path("gonerd-quickstart")
    """Folder for everything it makes."""
    fresh: bool = False
    """Remove what an earlier run made there, and start over."""
    seed: int = 0
    """Seed of the generated documents and of training."""


@dataclass(slots=True)
class Workspace:
    """What the steps share: the configuration, how progress is shown, and the figures so far."""

    config: QuickstartConfig
    bar: Callable[[str], AbstractContextManager[Progress]]
    figures: dict[str, Any] = field(default_factory=dict)

    def folder(self, *parts: str) -> Path:
        """Return a folder of the output."""
        return self.config.out.joinpath(*parts)


@dataclass(frozen=True, slots=True)
class Step:
    """A named step; `run` does it and returns what to say about it."""

    name: str
    run: Callable[[Workspace], list[str]]


def remove_output(out: Path) -> None:
    """Remove what a quickstart made in `out`, and nothing else."""
    for name in FOLDERS:
        shutil.rmtree(out / name, ignore_errors=True)
        for leftover in out.glob(f".{name}.*"):
            shutil.rmtree(leftover, ignore_errors=True)
    (out / SUMMARY).unlink(missing_ok=True)


def run(workspace: Workspace, steps: tuple[Step, ...]) -> Iterator[tuple[str, list[str]]]:
    """Run the steps in order; yield each step's name and lines, and write `summary.json` after each.

    The seconds of a step are those of its longest run in this folder: a later run that only looks things up does not
    hide what the work took.
    """
    path = workspace.folder(SUMMARY)
    before = read_json(path).get("seconds", {}) if path.is_file() else {}
    seconds: dict[str, float] = {}
    for step in steps:
        started = time.perf_counter()
        lines = step.run(workspace)
        seconds[step.name] = round(max(time.perf_counter() - started, before.get(step.name, 0.0)), 1)
        write_json(path, {"seconds": before | seconds, **workspace.figures})
        yield step.name, lines
