"""The board as one static page that needs nothing else: no request leaves it, and it works opened from a file.

Text from submissions is escaped, shortened and cleaned; links are https only; a Content-Security-Policy allows the
page's own style and script by their hashes and nothing else.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gonerd import __version__
from gonerd.errors import GonerdError
from gonerd.leaderboard.board import Board, Entry, boards_of
from gonerd.leaderboard.columns import FILTERS, OPTIONS, columns_of, hardware_of, left_out_of
from gonerd.leaderboard.plot import NARROW, WIDE, plot_of
from gonerd.leaderboard.verify import Verification
from gonerd.pages import BASE, whole
from gonerd.store import write_atomic, write_json

if TYPE_CHECKING:
    from jinja2 import Environment

TEMPLATES = Path(__file__).with_name("templates")
PAGE, TABLE, DATA = "index.html", "leaderboard.csv", "leaderboard.json"
SHOWN = 50  # rows that are laid out at first; the script shows more, and a page without it says where all are
CHOOSE = "Choose another folder with --out"


def build_site(verifications: Iterable[Verification], out: Path) -> Path:
    """Write `index.html`, `leaderboard.csv` and `leaderboard.json` into the folder `out`; return the page's path.

    The same submissions give the same bytes, in whatever order they come.

    Raises:
        GonerdError: one of the submissions did not pass verification.
    """
    return write_site(boards_of(verifications), out)


def write_site(boards: Sequence[Board], out: Path) -> Path:
    """Write page and downloads for some boards; return the page's path.

    Raises:
        GonerdError: `out` holds a page or downloads that gonerd did not write.
    """
    refuse_foreign(out)
    out.mkdir(parents=True, exist_ok=True)
    write_atomic(out / TABLE, to_csv(boards))
    write_json(out / DATA, {"gonerd_version": __version__, "boards": [asdict(board) for board in boards]})
    write_atomic(out / PAGE, render_page(boards))
    return out / PAGE


def refuse_foreign(out: Path) -> None:
    """Do nothing if a board may be written into `out`: nothing is there, or a board that gonerd wrote.

    Raises:
        GonerdError: it may not; what is there would be lost.
    """
    if out.exists() and not out.is_dir():
        raise GonerdError("not a folder", where=out, remedy=CHOOSE)
    there = [name for name in (PAGE, TABLE, DATA) if (out / name).exists()]
    if there and not _is_our_page(out / PAGE) and not _is_our_data(out / DATA):
        raise GonerdError(f"holds {there[0]}, which gonerd did not write", where=out, remedy=CHOOSE)


def _is_our_page(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as stream:
        return b'<meta name="generator" content="gonerd ' in stream.read(4096)


def _is_our_data(path: Path) -> bool:
    try:
        value = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(value, dict) and "gonerd_version" in value and "boards" in value


def render_page(boards: Sequence[Board]) -> str:
    """Return the page as HTML."""
    body = (
        _environment().get_template("index.html").render(views=[_view(board) for board in boards], version=__version__)
    )
    return whole(
        body,
        title="GONERD leaderboard",
        style=BASE.read_text(encoding="utf-8") + (TEMPLATES / "board.css").read_text(encoding="utf-8"),
        script=(TEMPLATES / "board.js").read_text(encoding="utf-8"),
    )


def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    return Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _view(board: Board) -> dict[str, Any]:
    """Return what the template draws of one board."""
    columns = columns_of(board)
    choices = {choice.key: [choice.of(entry) for entry in board.entries] for choice in FILTERS}
    filters = [choice for choice in FILTERS if 1 < len(set(choices[choice.key])) <= OPTIONS]
    rows = [
        {
            "cells": [(column, column.show(entry)) for column in columns],
            "choices": [(choice.key, choices[choice.key][place]) for choice in filters],
            "first": entry.best_rank == 1 and entry.worst_rank > 1,
        }
        for place, entry in enumerate(board.entries)
    ]
    plots = {name: plot_of(board.entries, frame) for name, frame in (("wide", WIDE), ("narrow", NARROW))}
    return {
        "board": board,
        "columns": columns,
        "rows": rows[:SHOWN],
        "more": rows[SHOWN:],
        "tied": sum(row["first"] for row in rows),
        "plots": {name: plot for name, plot in plots.items() if plot is not None},
        "filters": [(choice, sorted(set(choices[choice.key]))) for choice in filters],
        "hardware": hardware_of(board),
        "left_out": left_out_of(board),
    }


def to_csv(boards: Sequence[Board]) -> str:
    """Return every entry of every board as CSV with a header line."""
    names = [field.name for field in fields(Entry) if field.name != "by_type"]
    types = sorted({label for board in boards for label, _ in board.labels})
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["dataset", "split", "gold", *names, *(f"f1_{label}" for label in types)])
    for board in boards:
        for entry in board.entries:
            values = [board.name, board.split, board.gold, *(getattr(entry, name) for name in names)]
            writer.writerow([_csv_cell(value) for value in [*values, *(entry.by_type.get(label) for label in types)]])
    return stream.getvalue()


def _csv_cell(value: object) -> str:
    """Return a cell; a text that a spreadsheet would run as a formula is quoted with an apostrophe."""
    if isinstance(value, str):
        return f"'{value}" if value.startswith(("=", "+", "-", "@", "\t", "\r")) else value
    return "" if value is None else json.dumps(value)
