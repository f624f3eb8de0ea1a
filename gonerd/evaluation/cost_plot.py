"""Cost as pictures: latency against length, F1 against latency; told apart by mark and line, not by colour alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gonerd.errors import GonerdError
from gonerd.evaluation.cost_report import Cost

MARKS = "osD^vP*Xh<>"
LINES = ("-", "--", "-.", ":")
NAME_CHARACTERS = 40
FORMATS = (".png", ".svg")


def plot_costs(
    costs: Sequence[Cost], out: Path, *, f1: Sequence[float | None] = (), data: str = "the data"
) -> list[Path]:
    """Draw the costs of one run; write the picture as PNG and SVG and return both paths.

    Args:
        costs: measured in one run, so that they can be compared.
        out: where to; its ending is replaced.
        f1: strict F1 of each, where it is known; where any is, a second panel shows it against the latency of the
            longest documents.
        data: what it was scored on.

    Raises:
        GonerdError: there is nothing to draw, or the figures are of different machines.
    """
    if not costs:
        raise GonerdError("no costs to draw", remedy="Measure some: gonerd cost MODEL…")
    if len({(cost.machine.hardware, cost.machine.precision) for cost in costs}) > 1:
        raise GonerdError("costs of different machines or precisions are not drawn together")
    known = any(score is not None for score in f1)
    figure, axes = _figure(panels=2 if known else 1)
    _draw_latency(axes[0], costs)
    if known:
        _draw_f1(axes[1], costs, f1, data)
    machine = costs[0].machine
    figure.suptitle(_literal(f"{machine.hardware}, {machine.precision}"), fontsize=9, y=0.99)
    figure.tight_layout()
    paths = [out.with_suffix(ending) for ending in FORMATS]
    out.parent.mkdir(parents=True, exist_ok=True)
    for path in paths:
        figure.savefig(path, dpi=150, metadata={"Date": None} if path.suffix == ".svg" else None)
    return paths


def _figure(*, panels: int) -> tuple[Any, list[Any]]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4 * panels, 4.4))
    axes = figure.subplots(1, panels)
    chosen = list(axes) if panels > 1 else [axes]
    for axis in chosen:
        axis.grid(visible=True, linewidth=0.4, alpha=0.5)
        axis.spines[["top", "right"]].set_visible(False)
    return figure, chosen


def _literal(text: str) -> str:
    """Return text as a picture can show it: never read as a formula, no sign that XML has no word for."""
    return "".join(sign if sign.isprintable() else " " for sign in text).replace("$", r"\$")


def _plain(text: str) -> str:
    """Return a name as a picture can show it, shortened."""
    return _literal(text if len(text) <= NAME_CHARACTERS else f"{text[: NAME_CHARACTERS - 1]}…")


def _legend(axis: Any, handles: Sequence[Any], costs: Sequence[Cost]) -> None:
    """Name what was drawn; the names are given here since matplotlib leaves out a label that begins with `_`."""
    names = [f"{_plain(cost.model.name)} ({cost.model.backend})" for cost in costs]
    axis.legend(handles, names, fontsize=7, frameon=False)


def _draw_latency(axis: Any, costs: Sequence[Cost]) -> None:
    lines = [
        axis.plot(
            [row.length for row in cost.latency],
            [row.p50_ms for row in cost.latency],
            marker=MARKS[number % len(MARKS)],
            linestyle=LINES[number % len(LINES)],
        )[0]
        for number, cost in enumerate(costs)
    ]
    axis.set_xscale("log", base=2)
    axis.set_yscale("log")
    lengths = sorted({row.length for cost in costs for row in cost.latency})
    axis.set_xticks(lengths, [f"{length:,}" for length in lengths])
    axis.set_xlabel("sub-tokens of the document")
    axis.set_ylabel("latency, ms (median)")
    _legend(axis, lines, costs)


def _draw_f1(axis: Any, costs: Sequence[Cost], f1: Sequence[float | None], data: str) -> None:
    """Draw those with a score, each with the mark that it has among all."""
    longest = max(row.length for row in costs[0].latency)
    handles, shown = [], []
    for number, (cost, score) in enumerate(zip(costs, f1, strict=True)):
        row = cost.latency_at(longest)
        if score is not None and row is not None:
            mark, colour = MARKS[number % len(MARKS)], f"C{number % 10}"  # the line's
            handles.append(axis.scatter(row.p50_ms, 100 * score, marker=mark, color=colour))
            shown.append(cost)
    axis.set_xscale("log")
    axis.set_xlabel(f"latency of a document of {longest:,} sub-tokens, ms")
    axis.set_ylabel(f"strict F1 on {_plain(data)}, %")
    _legend(axis, handles, shown)
