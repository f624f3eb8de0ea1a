"""What the command line shows: lines, tables and progress. The library itself never prints."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from gonerd.records import Manifest, Progress
from gonerd.store import DROPPED

if TYPE_CHECKING:
    from rich.console import Console

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
    from rich.table import Table
    from rich.text import Text

    drawn = Table(title=Text(visible(title)) if title else None, title_justify="left", header_style="bold")
    for column, header in enumerate(headers):
        numeric = bool(rows) and all(row[column][:1].isdigit() or row[column] in ("", "-") for row in rows)
        drawn.add_column(Text(header), justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        drawn.add_row(*(Text(visible(cell)) for cell in row))
    console().print(drawn)


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
