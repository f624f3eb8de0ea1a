"""The plot of F1 against time, with the front of what no entry beats in both: the geometry that the template draws."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from gonerd.leaderboard.board import Entry, display

LEFT, RIGHT, TOP, BOTTOM = 56.0, 24.0, 36.0, 48.0  # margins
LEAST, MOST = 1e-3, 1e8  # milliseconds; one figure beyond would press all others together
LABELLED = 40  # beyond that many points only the dots are drawn
CHARACTER, LINE = 6.6, 15.0  # width and height of a label's characters
LEAST_SPAN = 0.05  # of the F1 axis: on a shorter one a small difference looks like a cliff


@dataclass(frozen=True, slots=True)
class Frame:
    """The size of a drawing, and where its axes lie in it."""

    width: float
    height: float
    label: int  # the most characters of a label

    @property
    def left(self) -> float:
        """Where the axis of F1 stands."""
        return LEFT

    @property
    def right(self) -> float:
        """Where the axis of time ends."""
        return self.width - RIGHT

    @property
    def top(self) -> float:
        """Where the axis of F1 ends."""
        return TOP

    @property
    def bottom(self) -> float:
        """Where the axis of time lies."""
        return self.height - BOTTOM


WIDE, NARROW = Frame(960.0, 396.0, 34), Frame(360.0, 300.0, 22)  # for a desk and for a telephone


@dataclass(frozen=True, slots=True)
class Tick:
    """A mark on an axis; `text` is empty where there is no room."""

    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Point:
    """An entry in the plot; `label` is empty where there is no room."""

    x: float
    y: float
    title: str
    student: bool
    low: float  # where its interval ends below and above
    high: float
    elsewhere: bool  # measured on other hardware than the front is drawn for
    label: str = ""
    label_x: float = 0.0
    label_y: float = 0.0


@dataclass(frozen=True, slots=True)
class Plot:
    """Points and ticks in the coordinates of a frame."""

    points: tuple[Point, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    frame: Frame
    axis: str  # what the horizontal axis counts
    front: str  # path of the Pareto front
    hardware: str  # that the front is drawn for


def plot_of(entries: Sequence[Entry], frame: Frame = WIDE) -> Plot | None:
    """Return the plot of the entries that state how long they take, or None if there is none.

    Where any entry states its latency, only those that do are drawn; else the time for 1,000 words, from words a
    second. The front is drawn for the hardware that most entries were measured on: times of other machines say nothing
    about which of two models is faster.
    """
    by_latency = any(entry.latency_4096_ms for entry in entries)
    timed = [(entry, _milliseconds(entry, by_latency=by_latency)) for entry in entries]
    measured = [(entry, time) for entry, time in timed if LEAST <= time <= MOST]
    if not measured:
        return None
    times = [math.log10(time) for _, time in measured]
    x_ticks = _log_ticks(min(times), max(times))
    intervals = [_interval(entry) for entry, _ in measured]
    y_ticks = _percent_ticks(min(low for low, _ in intervals), max(high for _, high in intervals))
    hardware = _most_common(entry.hardware for entry, _ in measured)
    places = _Places(frame, x_ticks, y_ticks)
    points = [_point(entry, time, places, hardware=hardware) for entry, time in measured]
    x_marks = [Tick(places.x(value), text) for value, text in x_ticks]
    y_marks = [Tick(places.y(value), text) for value, text in y_ticks]
    return Plot(
        points=tuple(_labelled(points, frame)),
        x_ticks=tuple(_thinned(x_marks)),
        y_ticks=tuple(y_marks),
        frame=frame,
        axis="milliseconds for 4,096 sub-tokens" if by_latency else "milliseconds for 1,000 words",
        front=_front([(point.x, point.y) for point in points if not point.elsewhere], frame),
        hardware=display(hardware) if hardware else "hardware not stated",
    )


def _milliseconds(entry: Entry, *, by_latency: bool) -> float:
    """Return how long an entry takes, or 0.0 where it does not say."""
    if by_latency:
        return entry.latency_4096_ms or 0.0
    return 1e6 / entry.words_per_second if entry.words_per_second else 0.0


def _most_common(names: Iterable[str | None]) -> str | None:
    counts = Counter(names)
    return min(counts, key=lambda name: (-counts[name], name or ""))


@dataclass(frozen=True, slots=True)
class _Places:
    """Where values lie in a frame."""

    frame: Frame
    x_ticks: list[tuple[float, str]]
    y_ticks: list[tuple[float, str]]

    def x(self, logarithm: float) -> float:
        return _between(logarithm, self.x_ticks, self.frame.left, self.frame.right)

    def y(self, share: float) -> float:
        return _between(share, self.y_ticks, self.frame.bottom, self.frame.top)


def _interval(entry: Entry) -> tuple[float, float]:
    """Return where an entry's interval ends below and above, or twice its F1 where it has none."""
    low, high = (entry.f1 if value is None else value for value in (entry.f1_low, entry.f1_high))
    return low, high


def _point(entry: Entry, time: float, places: _Places, *, hardware: str | None) -> Point:
    title = f"{display(entry.name, limit=48)}: F1 {100 * entry.f1:.1f}, {time:,.4g} ms"
    low, high = _interval(entry)
    return Point(
        x=places.x(math.log10(time)),
        y=places.y(entry.f1),
        title=title,
        student=entry.teacher is not None,
        low=places.y(low),
        high=places.y(high),
        elsewhere=entry.hardware != hardware,
        label=display(entry.name, limit=places.frame.label),
    )


def _front(places: Iterable[tuple[float, float]], frame: Frame) -> str:
    """Return the path along what no other point beats: none is as fast and better. Up is better, left is faster."""
    corners: list[tuple[float, float]] = []
    for x, y in sorted(places):
        if not corners or y < corners[-1][1]:
            corners.append((x, y))
    steps = "".join(f"H{x:g}V{y:g}" for x, y in corners[1:])
    return f"M{corners[0][0]:g} {frame.bottom:g}V{corners[0][1]:g}{steps}H{frame.right:g}" if corners else ""


def _thinned(ticks: list[Tick]) -> list[Tick]:
    """Return ticks along a line whose texts do not touch: the first keeps its text, and each next that has room."""
    found: list[Tick] = []
    free = -math.inf
    for tick in ticks:
        half = CHARACTER * len(tick.text) / 2
        fits = tick.at - half >= free
        found.append(tick if fits else Tick(tick.at, ""))
        free = tick.at + half + CHARACTER if fits else free
    return found


def _between(value: float, ticks: list[tuple[float, str]], start: float, end: float) -> float:
    """Return where a value lies between the coordinates of the first and the last tick."""
    first, last = ticks[0][0], ticks[-1][0]
    return round(start + (end - start) * (value - first) / (last - first), 1)


def _log_ticks(low: float, high: float) -> list[tuple[float, str]]:
    """Return ticks at 1, 2 and 5 times powers of ten (whole powers over a wide range) that enclose the logarithms."""
    wide = high - low > 3
    step = max(1, math.ceil((high - low) / 8))
    powers = range(math.floor(low), math.ceil(high) + step + 1, step)
    values = [power + math.log10(factor) for power in powers for factor in ((1,) if wide else (1, 2, 5))]
    first = max(place for place, value in enumerate(values) if value <= low + 1e-9)
    last = min(place for place, value in enumerate(values) if value > high - 1e-9 and place > first)
    return [(value, _power_text(value)) for value in values[first : last + 1]]


def _power_text(logarithm: float) -> str:
    value = 10.0**logarithm
    return f"{value:,.0f}" if 0.99 <= value < 999_999 else f"{value:.0e}"


def _percent_ticks(low: float, high: float) -> list[tuple[float, str]]:
    """Return round ticks that enclose the shares and span `LEAST_SPAN` or more."""
    step = next(size for size in (0.01, 0.02, 0.05, 0.1, 0.2, 1.0) if (high - low) / size <= 5)
    first = math.floor(low / step + 1e-9)
    last = max(math.ceil(high / step - 1e-9), first + 1)
    highest = round(1 / step)
    while (last - first) * step < LEAST_SPAN - 1e-9:
        middle = (low + high) / 2 / step
        if first == 0 or (last < highest and last - middle < middle - first):
            last += 1
        else:
            first -= 1
    return [(number * step, f"{100 * number * step:.0f}") for number in range(first, last + 1)]


def _labelled(points: list[Point], frame: Frame) -> list[Point]:
    """Return the points with their labels where there is room: right, left, above or below, the best entry first."""
    taken = [(point.x - 7, point.y - 7, point.x + 7, point.y + 7) for point in points]
    found: list[Point] = []
    for point in points:
        placed = _place(point, taken, frame) if len(points) <= LABELLED else None
        if placed is not None:
            taken.append(_box(placed))
        found.append(placed or replace(point, label=""))
    return found


def _place(point: Point, taken: list[tuple[float, float, float, float]], frame: Frame) -> Point | None:
    width = CHARACTER * len(point.label)
    places = ((11.0, 4.0), (-11.0 - width, 4.0), (-width / 2, -12.0), (-width / 2, 22.0))
    for across, down in places:
        x, y = round(point.x + across, 1), round(point.y + down, 1)
        tried = replace(point, label_x=x, label_y=y)
        if frame.left <= x <= frame.width - width and not any(_overlap(_box(tried), other) for other in taken):
            return tried
    return None


def _box(point: Point) -> tuple[float, float, float, float]:
    return (point.label_x, point.label_y - LINE + 3, point.label_x + CHARACTER * len(point.label), point.label_y + 3)


def _overlap(one: tuple[float, float, float, float], other: tuple[float, float, float, float]) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
