"""What a training run shows: one line that moves in a terminal, and a few lines in a pipe or a log file."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from gonerd.cli.console import console

if TYPE_CHECKING:
    from rich.console import Console

    from gonerd.training.watch import Standing, Watch

LINES = 20  # in a pipe, validations apart


@contextmanager
def training_display(title: str, *, score: str = "F1") -> Iterator[Watch]:
    """Show how training stands while the block runs; give the function that is told.

    Args:
        title: what is being done.
        score: what decides which state is kept.
    """
    from gonerd.models.share import launched_rank
    from gonerd.training.watch import unwatched

    place = console(stderr=True)
    if launched_rank() > 0:
        yield unwatched
        return
    if not place.is_interactive:
        yield _lines(place, title, score)
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=16),
        MofNCompleteColumn(),
        TextColumn("{task.fields[figures]}", markup=False),
    )
    with Progress(*columns, console=place, transient=True) as bar:
        task = bar.add_task(title, total=None, figures="")

        def watch(standing: Standing) -> None:
            bar.update(task, completed=standing.step, total=standing.steps, figures=figures(standing, score))

        yield watch


def _lines(place: Console, title: str, score: str) -> Watch:
    """Return what prints a line now and then, and for every validation."""

    def watch(standing: Standing) -> None:
        if standing.validated or standing.step % math.ceil(standing.steps / LINES) == 0:
            line = f"{title}: step {standing.step:,} of {standing.steps:,}, {figures(standing, score)}"
            place.print(line, markup=False)

    return watch


def figures(standing: Standing, score: str) -> str:
    """Return loss, score, speed and the time that is left."""
    parts = [] if standing.loss is None else [f"loss {standing.loss:.4f}"]
    if standing.score is not None and standing.best is not None:
        best = f" (best {_points(standing.best)})" if standing.best > standing.score else ""
        parts.append(f"{score} {_points(standing.score)}{best}")
    if standing.tokens_per_second is not None:
        parts.append(f"{standing.tokens_per_second:,.0f} tokens/s")
    if standing.seconds_left is not None:
        parts.append(f"{duration(standing.seconds_left)} left")
    return ", ".join(parts)


def _points(score: float) -> str:
    """Return a share in per cent, and anything else as it is."""
    return f"{100 * score:.2f}" if 0 <= score <= 1 else f"{score:.4f}"


def duration(seconds: float) -> str:
    """Return minutes and seconds, or hours, minutes and seconds."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
