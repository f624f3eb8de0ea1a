"""The recorded figures of `attention.py` as tables in Markdown."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

Row = dict[str, Any]
INTRODUCTION = """# Attentions beside their references

Written by `benchmarks/attention.py`, which says how it measures. The weights are random and the same on both sides, one
document at a time; "difference" is the largest between the logits of both. A ratio is the median over turns, with the
lowest and highest. Peak memory is above the weights, of one forward pass in a process of its own (2 layers: a pass
without gradients keeps nothing of a layer that is done). Seconds on a machine that does other work are too long on both
sides; ratios are what counts.

LSG chooses keys by their norms. Where two norms are equal but for their last digits, rounding decides, on either side:
differences above 1e-4 come from that. With 12 layers and 2,048 tokens the two differ by 3e-15 in fp64, and
from that gonerd's fp32 by 2e-6, the reference's by 3e-4.
"""


def write_tables(rows: list[Row], path: Path) -> None:
    """Write all tables, by hardware and clock."""
    parts = [INTRODUCTION]
    key = lambda row: (row["hardware"], row["clock"], row["compiled"])  # noqa: E731
    for (hardware, clock, compiled), group in groupby(sorted(rows, key=key), key=key):
        found = list(group)
        versions = ", ".join(f"{name} {version}" for name, version in found[0]["versions"].items())
        layers = ", our layers compiled" if compiled else ""
        time = "processor time" if clock == "cpu" else "wall time"
        days = sorted({row["date"] for row in found})
        parts.append(f"## {hardware}, {time}{layers}\n\n{versions}; {' to '.join(sorted({days[0], days[-1]}))}\n")
        for title, lines in _sections(found):
            parts.append(f"### {title}\n\n" + "\n".join(lines) + "\n")
    path.write_text("\n".join(parts))


def _sections(rows: list[Row]) -> Iterator[tuple[str, list[str]]]:
    """Yield the titles and lines of the tables that there are figures for."""
    makers = {"time": _times, "real": _times, "memory": _memory, "profile": _profiles}
    titles = {
        "time": "One document",
        "real": "Documents of real lengths: packed by gonerd, padded in sorted batches by transformers",
        "memory": "Peak memory above the weights, MiB",
        "profile": "Where the time of one document of 4,096 tokens goes, and what that bounds",
    }
    for what, make in makers.items():
        chosen = sorted((row for row in rows if row["what"] == what), key=_order)
        if chosen:
            yield titles[what], list(make(chosen))
        if what == "time" and chosen:
            yield "How the time of the encoder grows from 2,048 tokens on", list(_growth(chosen))


def _order(row: Row) -> tuple[Any, ...]:
    length = row["length"] if isinstance(row["length"], int) else 0
    return row["architecture"], row["size"], -row["layers"], row["precision"] != "fp32", length


def _table(*head: str) -> list[str]:
    """Return the head of a table whose first two columns are words."""
    return [f"| {' | '.join(head)} |", "|---|---|" + "---:|" * (len(head) - 2)]


def _of(row: Row) -> str:
    return f"| {row['architecture']} | {row['size']}, {row['layers']} layers, {row['precision']} "


def _times(rows: list[Row]) -> Iterator[str]:
    yield from _table(
        "architecture", "model", "tokens", "ms", "reference", "tokens/s", "reference", "times faster", "difference"
    )
    for row in rows:
        length = f"{row['length']:,}" if isinstance(row["length"], int) else f"{row['tokens']:,} in {row['documents']}"
        ours = f"{_of(row)}| {length} | {row['ours_ms']:,.0f}"
        if "theirs_ms" not in row:
            yield f"{ours} | not run: {row['theirs_not_run']} | {row['ours_tokens_per_s']:,.0f} | | | |"
            continue
        low, high = row["times_faster_range"]
        yield (
            f"{ours} | {row['theirs_ms']:,.0f} | {row['ours_tokens_per_s']:,.0f} | {row['theirs_tokens_per_s']:,.0f} "
            f"| {row['times_faster']:.2f} ({low:.2f} to {high:.2f}) | {row['largest_difference']:.0e} |"
        )


def _growth(rows: list[Row]) -> Iterator[str]:
    """Yield the exponent of the length that fits the times best; 1 is linear."""
    yield from _table("architecture", "model", "longest", "exponent", "ms per 1,000 tokens at 2,048", "at the longest")
    key = lambda row: (row["architecture"], row["size"], row["layers"], row["precision"])  # noqa: E731
    for _, group in groupby(rows, key=key):
        points = [row for row in group if row["length"] >= 2048]
        if len(points) < 2:
            continue
        lengths, times = ([math.log(row[name]) for row in points] for name in ("length", "ours_ms"))
        middle, centre = sum(lengths) / len(lengths), sum(times) / len(times)
        slope = sum((x - middle) * (y - centre) for x, y in zip(lengths, times, strict=True))
        slope /= sum((x - middle) ** 2 for x in lengths)
        each = [1000 * row["ours_ms"] / row["length"] for row in (points[0], points[-1])]
        yield f"{_of(points[0])}| {points[-1]['length']:,} | {slope:.2f} | {each[0]:,.0f} | {each[1]:,.0f} |"


def _memory(rows: list[Row]) -> Iterator[str]:
    yield from _table("architecture", "model", "tokens", "gonerd", "reference", "share")
    for row in rows:
        ours, theirs = row["ours_peak_mib"], row.get("theirs_peak_mib")
        reference = f"{theirs:,.0f} | {ours / theirs:.2f}" if theirs else f"{row.get('theirs_not_run', '')} | "
        yield f"{_of(row)}| {row['length']:,} | {ours:,.0f} | {reference} |"


def _profiles(rows: list[Row]) -> Iterator[str]:
    kinds = list(rows[0]["shares"])
    yield from _table(
        "architecture", "model", "ms", "reference", "times faster", *kinds, "linear layers alone, ms", "their GFLOP/s",
        "at most, if only they cost", "at most, if only products cost",
    )  # fmt: skip
    for row in rows:
        shares = " | ".join(f"{100 * row['shares'][kind]:.0f} %" for kind in kinds)
        yield (
            f"{_of(row)}| {row['ours_ms']:,.0f} | {row['theirs_ms']:,.0f} | {row['times_faster']:.2f} | {shares} "
            f"| {row['linear_ms']:,.0f} | {row['linear_gflop_per_s']:,.0f} | {row['bound_by_linear_layers']:.2f} "
            f"| {row['bound_by_all_products']:.2f} |"
        )
