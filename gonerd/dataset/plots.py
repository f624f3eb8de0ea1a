"""Pictures of a dataset for its card: how long documents are, how labels are shared out, how many mentions there are.

They are drawn to be told apart without colour: by lightness, line style and hatching.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any

from gonerd.dataset.files import data_files
from gonerd.dataset.statistics import LONG, in_order, read_statistics
from gonerd.formats.parquet import read_rows
from gonerd.store import write_atomic

PLOTS = "plots"
_CARD = "README.md"
_STYLES = (("black", "-", ""), ("0.35", "--", "///"), ("0.6", "-.", "..."), ("0.2", ":", "+++"))
_SECTION = re.compile(r"(?ms)^## Plots\n.*?(?=^## |\Z)")
_BEFORE = "## Sources and licences\n"
_SIZE, _DPI = (8.0, 4.2), 120
_MENTION_SHADES = ("0.15", "0.45", "0.7", "0.9")
_HATCHES = ("", "///", "", "...")


@dataclass(frozen=True, slots=True)
class Plot:
    """One picture: its file, and what it shows, for those who do not see it."""

    file: str
    alt: str
    draw: Callable[[Any, Path], None]


def write_plots(folder: Path) -> list[Path]:
    """Draw the plots of a dataset into `plots/` of its folder and link them in its card; return the files.

    The same data gives the same bytes with the same matplotlib.

    Raises:
        GonerdError: the folder holds no dataset.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    data_files(folder)
    (folder / PLOTS).mkdir(exist_ok=True)
    paths = []
    for plot in _PLOTS:
        figure = Figure(figsize=_SIZE, dpi=_DPI, layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.add_subplot()
        plot.draw(axes, folder)
        axes.spines[["top", "right"]].set_visible(False)
        picture = io.BytesIO()
        figure.savefig(picture, format="png", metadata={"Software": None})
        paths.append(folder / PLOTS / plot.file)
        write_atomic(paths[-1], picture.getvalue())
    link_plots(folder)
    return paths


def link_plots(folder: Path) -> None:
    """Write the section of the card that shows the plots which are there; the rest of the card stays as it is."""
    path = folder / _CARD
    text = _SECTION.sub("", path.read_text(encoding="utf-8"))
    shown = [f"![{plot.alt}]({PLOTS}/{plot.file})\n" for plot in _PLOTS if (folder / PLOTS / plot.file).is_file()]
    if shown:
        section = "\n".join(["## Plots\n", *shown, ""])
        head, found, tail = text.partition(_BEFORE)
        text = f"{head}{section}{found}{tail}" if found else f"{text.rstrip()}\n\n{section}"
    write_atomic(path, text)


def _counts(folder: Path, column: str) -> dict[str, list[int]]:
    """Return the lengths of a list column by split, sorted; without the documents where it is null."""
    files = data_files(folder)
    found = {}
    for split in in_order(files):
        rows = (row for path in files[split] for row in read_rows(path, columns=(column,)))
        found[split] = sorted(len(row[column]) for row in rows if row[column] is not None)
    return {split: counts for split, counts in found.items() if counts}


def _draw_lengths(axes: Any, folder: Path) -> None:
    counts = _counts(folder, "tokens")
    _draw_shares(axes, counts)
    axes.set_xscale("log")
    lowest, highest = min(map(min, counts.values())), max(map(max, counts.values()))
    axes.set_xlim(min(lowest, LONG[0]) / 1.15, max(highest, LONG[-1]) * 1.15)
    for mark in LONG:
        axes.axvline(mark, color="0.6", linewidth=1, zorder=0)
    powers = (1 << power for power in range(3, 20))
    ticks = [power for power in powers if lowest <= power <= highest or power in LONG]
    axes.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
    axes.minorticks_off()
    axes.set(xlabel="tokens (words) a document, logarithmic", title="Length of the documents")


def _draw_mentions(axes: Any, folder: Path) -> None:
    _draw_shares(axes, _counts(folder, "entities"))
    axes.set_xlim(left=0)
    axes.set(xlabel="mentions a document", title="Mentions of names in a document")


def _draw_shares(axes: Any, counts: dict[str, list[int]]) -> None:
    """Draw for each split the share of its documents that have at most so many."""
    for (split, values), (colour, line, _) in zip(counts.items(), cycle(_STYLES), strict=False):
        shares = [100 * (number + 1) / len(values) for number in range(len(values))]
        label = f"{split} ({len(values):,})"
        axes.step([values[0], *values], [0, *shares], where="post", color=colour, linestyle=line, label=label)
    axes.set(ylabel="share of the documents", ylim=(0, 102))
    axes.set_yticks([0, 25, 50, 75, 100], ["0 %", "25 %", "50 %", "75 %", "100 %"])
    axes.grid(axis="y", color="0.9")
    axes.set_axisbelow(True)
    # A frame that is not seen keeps the lines behind the words away.
    axes.legend(edgecolor="none", framealpha=1, loc="lower right", title="split (documents)")


def _draw_labels(axes: Any, folder: Path) -> None:
    """Draw a bar for each split, cut by the shares of the labels."""
    splits = {name: part.entities for name, part in read_statistics(folder).splits.items()}
    labels = list(next(iter(splits.values())))
    rows = [name for name in reversed(splits) if sum(splits[name].values())]
    left = [0.0] * len(rows)
    for label, shade, hatch in zip(labels, cycle(_MENTION_SHADES), cycle(_HATCHES), strict=False):
        widths = [100 * splits[row][label] / sum(splits[row].values()) for row in rows]
        axes.barh(rows, widths, left=left, color=shade, hatch=hatch, edgecolor="white", label=label)
        _write_shares(axes, widths, left, dark=float(shade) < 0.5, plain=not hatch)
        left = [start + width for start, width in zip(left, widths, strict=True)]
    axes.set_yticks(range(len(rows)), [f"{row}\n{sum(splits[row].values()):,} mentions" for row in rows])
    axes.set(xlim=(0, 100), title="Share of the labels among the mentions")
    axes.set_xticks([0, 25, 50, 75, 100], ["0 %", "25 %", "50 %", "75 %", "100 %"])
    axes.legend(frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.08), ncols=len(labels))


def _write_shares(axes: Any, widths: Sequence[float], left: Sequence[float], *, dark: bool, plain: bool) -> None:
    """Write a share into its part of the bar, where there is room."""
    for row, (width, start) in enumerate(zip(widths, left, strict=True)):
        if width >= 5:
            box = None if plain else {"boxstyle": "round,pad=0.2", "facecolor": "white", "edgecolor": "none"}
            colour = "white" if dark and plain else "black"
            axes.text(start + width / 2, row, f"{width:.0f} %", ha="center", va="center", color=colour, bbox=box)


_PLOTS = (
    Plot(
        "length.png",
        "Share of the documents that have at most so many tokens, by split, with marks at 512, 1,024, 2,048 and 4,096",
        _draw_lengths,
    ),
    Plot("labels.png", "Share of each label among the mentions, by split", _draw_labels),
    Plot("mentions.png", "Share of the documents that have at most so many mentions, by split", _draw_mentions),
)
