"""What the command line shows: lines, tables and progress. The library itself never prints."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING

from gonerd.records import Manifest, Progress
from gonerd.store import DROPPED

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

TEXT_WIDTH = 20  # a column of texts may be folded down to this, and is then still read at a glance
FRAME = 3  # what a column takes beside its cells
WIDE = 10_000  # characters: there is room for any table

# Control characters but for tabs and line ends, and those that turn the direction of what follows.
_COMMANDS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def console(*, stderr: bool = False) -> Console:
    """Return a console: results go to standard output, progress and errors to standard error."""
    from rich.console import Console

    return Console(stderr=stderr, highlight=False, emoji=False, soft_wrap=True)


def say(text: str) -> None:
    """Print one plain line; square brackets and `:names:` in it are text, not markup or emoji."""
    console().print(visible(text), markup=False)


def visible(text: str) -> str:
    """Return text in which nothing commands a terminal or turns the reading order round: names come from the web."""
    return _COMMANDS.sub(lambda found: f"\\u{ord(found.group()):04x}", text)


def table(headers: list[str], rows: list[list[str]], *, title: str | None = None) -> None:
    """Print a table; columns of numbers are aligned to the right, and what is too wide is folded, never cut."""
    console().print(_drawn(headers, rows, title))


def fitted_table(headers: list[str], rows: list[list[str]], *, least: int, title: str | None = None) -> None:
    """Print a table whose last columns are left out where a terminal has no room for them, and say which.

    Texts are folded, numbers are not. A pipe or a file has room for all.

    Args:
        headers: titles of the columns, those first that matter most.
        rows: cells.
        least: how many columns are shown in any case.
        title: stands above.
    """
    place = console()
    if not place.is_terminal and "COLUMNS" not in os.environ:
        place.width = WIDE
    shown = max(least, _fitting(headers, rows, place.width))
    drawn = _drawn(headers[:shown], [row[:shown] for row in rows], title)
    for column in drawn.columns:
        column.no_wrap = column.justify == "right"
    place.print(drawn)
    if shown < len(headers):
        say(f"no room for {', '.join(headers[shown:])}: --form markdown or csv has all, and so has a wider terminal")


def _fitting(headers: list[str], rows: list[list[str]], width: int) -> int:
    """Return how many columns, from the left, fit a width."""
    from rich.cells import cell_len

    columns = [[cell_len(visible(cell)) for cell in column] for column in zip(headers, *rows, strict=True)]
    sizes = [
        max(sizes) if _is_numeric(rows, place) else max(sizes[0], min(TEXT_WIDTH, max(sizes)))
        for place, sizes in enumerate(columns)
    ]
    return sum(end < width for end in accumulate(size + FRAME for size in sizes))


def _is_numeric(rows: list[list[str]], column: int) -> bool:
    return bool(rows) and all(row[column][:1].isdigit() or row[column] in ("", "-") for row in rows)


def _drawn(headers: list[str], rows: list[list[str]], title: str | None) -> Table:
    from rich.table import Table
    from rich.text import Text

    drawn = Table(title=Text(visible(title)) if title else None, title_justify="left", header_style="bold")
    for column, header in enumerate(headers):
        drawn.add_column(Text(header), justify="right" if _is_numeric(rows, column) else "left", overflow="fold")
    for row in rows:
        drawn.add_row(*(Text(visible(cell)) for cell in row))
    return drawn


@contextmanager
def progress_bar(title: str) -> Iterator[Progress]:
    """Show a progress bar while the block runs; give the function that moves it on."""
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    place = console(stderr=True)
    # Where nothing can be drawn over, rich would leave an empty line in place of the bar, and before an error.
    with Bar(*columns, console=place, transient=True, disable=not place.is_interactive) as bar:
        task = bar.add_task(title, total=None)

        def report(done: int, total: int | None) -> None:
            bar.update(task, completed=done, total=total)

        yield report


def say_dropped(manifest: Manifest, out: Path) -> None:
    """Say how much a stage dropped, by reason, and where each is listed."""
    if manifest.dropped:
        reasons = ", ".join(f"{count} {reason}" for reason, count in manifest.dropped.items())
        say(f"dropped: {reasons}; each with its reason in {out / DROPPED}")
