"""Cost as pictures: latency against length, F1 against latency; told apart by mark and line, not by colour alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gonerd.errors import GonerdError
from gonerd.evaluation.cost_report import Cost

MARKS = "osD^vP*Xh<>"
LINES = ("-", "--", "-.", ":")
NAME_CHARACTERS = 40
FORMATS = (".png", ".svg")


def plot_costs(costs: Sequence[Cost], out: Path, *, f1: Mapping[str, float] | None = None) -> list[Path]:
    """Draw the costs of one run; write the picture as PNG and SVG and return both paths.

    Args:
        costs: measured in one run, so that they can be compared.
        out: where to; its ending is replaced.
        f1: strict F1 by the model's name; where any is known, a second panel shows it against the latency of the
            longest documents.

    Raises:
        GonerdError: there is nothing to draw, or the figures are of different machines.
    """
    if not costs:
        raise GonerdError("no costs to draw", remedy="Measure some: gonerd cost MODEL…")
    if len({(cost.machine.hardware, cost.machine.precision) for cost in costs}) > 1:
        raise GonerdError("costs of different machines or precisions are not drawn together")
    known = {name: value for name, value in (f1 or {}).items() if any(cost.model.name == name for cost in costs)}
    figure, axes = _figure(panels=2 if known else 1)
    _draw_latency(axes[0], costs)
    if known:
        _draw_f1(axes[1], costs, known)
    machine = costs[0].machine
    figure.suptitle(f"{machine.hardware}, {machine.precision}", fontsize=9, y=0.99)
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


def _name(cost: Cost) -> str:
    """Return a model's name as a label: shortened, and never read as a formula."""
    name = cost.model.name.replace("$", r"\$")
    shortened = name if len(name) <= NAME_CHARACTERS else f"{name[: NAME_CHARACTERS - 1]}…"
    return f"{shortened} ({cost.model.backend})"


def _draw_latency(axis: Any, costs: Sequence[Cost]) -> None:
    for number, cost in enumerate(costs):
        axis.plot(
            [row.length for row in cost.latency],
            [row.p50_ms for row in cost.latency],
            marker=MARKS[number % len(MARKS)],
            linestyle=LINES[number % len(LINES)],
            label=_name(cost),
        )
    axis.set_xscale("log", base=2)
    axis.set_yscale("log")
    lengths = sorted({row.length for cost in costs for row in cost.latency})
    axis.set_xticks(lengths, [f"{length:,}" for length in lengths])
    axis.set_xlabel("sub-tokens of the document")
    axis.set_ylabel("latency, ms (median)")
    axis.legend(fontsize=7, frameon=False)


def _draw_f1(axis: Any, costs: Sequence[Cost], f1: Mapping[str, float]) -> None:
    for number, cost in enumerate(costs):
        if cost.model.name in f1 and cost.latency:
            longest = max(cost.latency, key=lambda row: row.length)
            axis.scatter(
                longest.p50_ms, 100 * f1[cost.model.name], marker=MARKS[number % len(MARKS)], label=_name(cost)
            )
    axis.set_xscale("log")
    axis.set_xlabel(f"latency of a document of {max(row.length for row in costs[0].latency):,} sub-tokens, ms")
    axis.set_ylabel("strict F1, %")
    axis.legend(fontsize=7, frameon=False)
