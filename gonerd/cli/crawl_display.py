"""What a crawl shows while it runs: how far it is, how fast, what goes wrong, and how long it will take."""

from __future__ import annotations

import time
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING

from gonerd.cli.console import console

if TYPE_CHECKING:
    from rich.console import Group, RenderableType
    from rich.live import Live

    from gonerd.corpus.rounds import Status

_SHOWN = 6  # kinds of drops and failures on the display; the rest are summed up
_REDRAW = 0.25  # seconds
_BAR = 30  # columns


class CrawlDisplay:
    """Shows a crawl, and the stages after it, while a block runs, if there is a terminal to show it on.

    Args:
        after: what comes after the crawl.
    """

    def __init__(self, after: str) -> None:
        self._after = after
        self._live: Live | None = None
        self._drawn = 0.0

    def __enter__(self) -> CrawlDisplay:
        from rich.live import Live

        place = console(stderr=True)
        if place.is_interactive:
            self._live = Live(console=place, transient=True, auto_refresh=False)
            self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if self._live:
            self._live.stop()

    def watch(self, status: Status) -> None:
        """Show how a crawl stands."""
        if self._due():
            self._draw(picture(status, time.monotonic() - status.began))

    def progress(self, done: int, total: int | None) -> None:
        """Show how far the stage after it is."""
        if self._due():
            self._draw(stage_picture(self._after, done, total))

    def _due(self) -> bool:
        """Tell whether it is time to draw anew."""
        return self._live is not None and time.monotonic() - self._drawn > _REDRAW

    def _draw(self, what: RenderableType) -> None:
        if self._live:
            self._drawn = time.monotonic()
            self._live.update(what, refresh=True)


def picture(status: Status, seconds: float) -> Group:
    """Return the display of a crawl that has run for some seconds."""
    done = status.done - status.done_before
    rate = done / seconds if seconds > 0 else 0.0
    left = (status.found - status.done) / rate if rate else None
    lines = [
        ", ".join(
            [_counted(status.pages, "page"), _counted(status.listings, "listing"), _counted(status.requests, "request")]
        ),
        f"{rate:.1f} articles/s, {clock(seconds)} so far, "
        + (f"about {clock(left)} left" if left is not None else "time left not known yet"),
    ]
    if status.dropped:
        lines.append(f"dropped: {_kinds(dict(status.dropped))}")
    if status.failures:
        lines.append(f"failed, to be tried again: {_kinds(dict(status.failures))}")
    return _drawn("crawl", status.done, status.found, what=" articles", lines=lines)


def stage_picture(name: str, done: int, total: int | None) -> Group:
    """Return the display of a stage that comes after a crawl."""
    return _drawn(name, done, total)


def _drawn(name: str, done: int, total: int | None, *, what: str = "", lines: Sequence[str] = ()) -> Group:
    from rich.console import Group
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    row = Table.grid(padding=(0, 1))
    how_far = f"{done:,} of {total:,}{what}" if total else f"{done:,}{what}"
    row.add_row(Text(name), ProgressBar(total=total or None, completed=done, width=_BAR), Text(how_far))
    return Group(row, *(Text(line) for line in lines))


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def clock(seconds: float) -> str:
    """Return a length of time as hours, minutes and seconds, as few of them as say it."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


def _kinds(counts: dict[str, int]) -> str:
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    shown = [f"{count:,} × {f'HTTP {kind}' if kind.isdigit() else kind}" for kind, count in ordered[:_SHOWN]]
    rest = sum(count for _, count in ordered[_SHOWN:])
    return ", ".join([*shown, *([f"{rest:,} others"] if rest else [])])
