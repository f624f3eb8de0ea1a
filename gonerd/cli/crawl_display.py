"""What a crawl shows while it runs: how far it is, how fast, what goes wrong, and how long it will take."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from gonerd.cli.console import console

if TYPE_CHECKING:
    from rich.console import Group

    from gonerd.corpus.rounds import Report, Status

_SHOWN = 6  # kinds of drops and failures on the display; the rest are summed up
_REDRAW = 0.25  # seconds


@contextmanager
def crawl_display() -> Iterator[Report]:
    """Show a crawl while the block runs, if there is a terminal to show it on; give the function that is told."""
    from rich.live import Live

    place = console(stderr=True)
    if not place.is_interactive:
        yield lambda _: None
        return
    drawn = 0.0
    with Live(console=place, transient=True, auto_refresh=False) as live:

        def report(status: Status) -> None:
            nonlocal drawn
            if time.monotonic() - drawn > _REDRAW:
                drawn = time.monotonic()
                live.update(picture(status, drawn - status.began), refresh=True)

        yield report


def picture(status: Status, seconds: float) -> Group:
    """Return the display of a crawl that has run for some seconds."""
    from rich.console import Group
    from rich.progress_bar import ProgressBar
    from rich.text import Text

    done = status.done - status.done_before
    rate = done / seconds if seconds > 0 else 0.0
    left = (status.found - status.done) / rate if rate else None
    lines = [
        f"crawl  {status.done} of {status.found} articles, {status.pages} pages, {status.listings} listings read",
        f"       {rate:.1f} articles/s, {status.requests} requests, {clock(seconds)} so far, "
        + (f"about {clock(left)} left" if left is not None else "time left not known yet"),
    ]
    if status.dropped:
        lines.append(f"       dropped: {_kinds(dict(status.dropped))}")
    if status.failures:
        lines.append(f"       failed, to be tried again: {_kinds(dict(status.failures))}")
    bar = ProgressBar(total=max(status.found, 1), completed=status.done, width=60)
    return Group(Text(lines[0]), bar, *(Text(line) for line in lines[1:]))


def clock(seconds: float) -> str:
    """Return a length of time as hours, minutes and seconds, as few of them as say it."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


def _kinds(counts: dict[str, int]) -> str:
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    shown = [f"{count} {kind}" for kind, count in ordered[:_SHOWN]]
    rest = sum(count for _, count in ordered[_SHOWN:])
    return ", ".join([*shown, *([f"{rest} others"] if rest else [])])
