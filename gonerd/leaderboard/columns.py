"""The columns of a board: a new one is one entry here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from gonerd.leaderboard.board import Board, Entry, display

NOTHING = "–"
NAMED = 4  # models that the line of a machine names


@dataclass(frozen=True, slots=True)
class Cell:
    """What stands in one cell, and what it is sorted by."""

    text: str
    value: str | float | None  # None sorts last
    hint: str = ""
    link: str | None = None
    note: str = ""  # a second, smaller line
    bar: tuple[float, float, float] | None = None  # a share and its interval, from 0 to 1

    @property
    def sort_text(self) -> str:
        """The value as the page's script reads it; nothing where there is no value."""
        if self.value is None:
            return ""
        return display(self.value) if isinstance(self.value, str) else f"{self.value:.7g}"


@dataclass(frozen=True, slots=True)
class Column:
    """A column: how it is called, what it means, and what an entry shows in it."""

    key: str
    title: str
    hint: str
    kind: Literal["text", "number"]
    cell: Callable[[Entry], Cell]
    best_first: Literal["high", "low"] = "high"  # what the first click on a header of numbers shows first
    missing: str = "not stated"  # why an entry, or all of them, have nothing there

    def show(self, entry: Entry) -> Cell:
        """Return what an entry shows; where it has nothing, the hint says why."""
        cell = self.cell(entry)
        return cell if cell.value is not None else replace(cell, hint=self.missing)

    @property
    def style(self) -> str:
        """The class that the style sheet knows: types share one, whatever a scheme calls them."""
        return "type" if self.key.startswith("f1_") else self.key


NO_TEACHER = "of students whose teacher is on the board"
NOT_TIMED = "gonerd cost measures it, and a submission takes its file along"


def columns_of(board: Board) -> list[Column]:
    """Return the columns of a board, from left to right, without those in which no entry has anything."""
    return [column for column in _columns(board) if _has(column, board)]


def left_out_of(board: Board) -> dict[str, list[str]]:
    """Return the titles of the columns in which no entry has anything, by the reason."""
    found: dict[str, list[str]] = {}
    for column in _columns(board):
        if not _has(column, board):
            found.setdefault(column.missing, []).append(column.title)
    return found


def _has(column: Column, board: Board) -> bool:
    return any(column.cell(entry).value is not None for entry in board.entries)


def _columns(board: Board) -> list[Column]:
    types = [_type_column(name, definition) for name, definition in board.labels]
    return [
        Column("rank", "#", "Rank by strict F1; below it the ranks that the intervals allow", "number", _rank, "low"),
        Column("model", "Model", "Name, linked to its page", "text", _model),
        Column("organisation", "Organisation", "Who made it", "text", lambda entry: _text(entry.organisation)),
        Column("attention", "Attention", "Kind of attention", "text", lambda entry: _text(entry.attention)),
        Column("layers", "Layers", "Layers of the encoder", "number", lambda entry: _count(entry.layers), "low"),
        Column("parameters", "Params", "Parameters", "number", lambda entry: _short_count(entry.parameters), "low"),
        Column("reach", "Max input", "Longest input in sub-tokens", "number", lambda entry: _count(entry.reach_tokens)),
        Column("f1", "F1", "Strict entity-level micro F1, in percent, with its 95 % interval", "number", _f1),
        *types,
        Column("kept", "Kept", "Share of its teacher's F1 that a student keeps", "number", _kept, missing=NO_TEACHER),
        Column("latency", "Latency", "One document of 4,096 sub-tokens", "number", _latency, "low", NOT_TIMED),
        Column("speed", "Words/s", "Words a second on documents of real lengths", "number", _speed, missing=NOT_TIMED),
        Column("memory", "Memory", "Peak memory, weights included", "number", _memory, "low", NOT_TIMED),
        Column("date", "Date", "Date of the result", "text", lambda entry: Cell(display(entry.date), entry.date)),
    ]


@dataclass(frozen=True, slots=True)
class Filter:
    """A choice among the entries: how it is called, and what an entry counts as."""

    key: str
    title: str
    of: Callable[[Entry], str]


NOT_STATED = "not stated"
FILTERS = (
    Filter(
        "attention", "Attention", lambda entry: display(entry.attention, limit=40) if entry.attention else NOT_STATED
    ),
    Filter("distilled", "Distilled", lambda entry: "students" if entry.teacher else "others"),
    Filter("weights", "Weights", lambda entry: {True: "open", False: "closed", None: NOT_STATED}[entry.open_weights]),
    Filter("hardware", "Hardware", lambda entry: display(entry.hardware or NOT_STATED, limit=60)),
)
"""What the table can be narrowed to; one that has a single option, or more than a list can show, is left out."""
OPTIONS = 40


def _type_column(name: str, definition: str) -> Column:
    def cell(entry: Entry) -> Cell:
        value = entry.by_type.get(name)
        return _nothing() if value is None else Cell(_percent(value), value)

    return Column(f"f1_{name}", name, f"Strict F1: {definition}", "number", cell)


def _nothing() -> Cell:
    return Cell(NOTHING, None)


def _percent(share: float) -> str:
    return f"{100 * share:.1f}"


def _rank(entry: Entry) -> Cell:
    if entry.best_rank == entry.worst_rank:
        return Cell(str(entry.rank), float(entry.rank))
    ranks = f"{entry.best_rank}–{entry.worst_rank}"
    return Cell(str(entry.rank), float(entry.rank), f"The intervals allow ranks {ranks}", note=ranks)


def _model(entry: Entry) -> Cell:
    notes = [f"student of {display(entry.teacher, limit=40)}"] if entry.teacher else []
    if entry.test_documents_seen:
        notes.append("test documents seen")
    hint = display(" · ".join(filter(None, [entry.name, entry.hub_id, entry.license])), limit=240)
    return Cell(display(entry.name, limit=48), entry.name, hint, entry.link, " · ".join(notes))


def _f1(entry: Entry) -> Cell:
    low, high = entry.f1_low, entry.f1_high
    if low is None or high is None:
        return Cell(_percent(entry.f1), entry.f1, f"{100 * entry.f1:.4f}", bar=(entry.f1, entry.f1, entry.f1))
    note = f"{_percent(low)}–{_percent(high)}"
    return Cell(_percent(entry.f1), entry.f1, f"{100 * entry.f1:.4f}", note=note, bar=(entry.f1, low, high))


def _kept(entry: Entry) -> Cell:
    if entry.kept is None:
        return _nothing()
    return Cell(f"{_percent(entry.kept)} %", entry.kept)


def _latency(entry: Entry) -> Cell:
    if entry.latency_4096_ms is None:
        return _nothing()
    return Cell(f"{_number(entry.latency_4096_ms)} ms", entry.latency_4096_ms, _how(entry), note=_hardware(entry))


def _how(entry: Entry) -> str:
    """Return in words how speed and memory came about."""
    return "measured by gonerd cost" if entry.measured else "as stated, or as the evaluation saw it"


def _speed(entry: Entry) -> Cell:
    if entry.words_per_second is None:
        return _nothing()
    note = "" if entry.latency_4096_ms else _hardware(entry)  # it is named once an entry
    return Cell(_number(entry.words_per_second), entry.words_per_second, _how(entry), note=note)


def _hardware(entry: Entry) -> str:
    return display(entry.hardware or "hardware not stated")


def hardware_of(board: Board) -> list[tuple[str, str]]:
    """Return what speed and memory were measured on and the models measured on it, in order of rank."""
    names: dict[str, list[str]] = {}
    for entry in board.entries:
        if entry.words_per_second is not None or entry.latency_4096_ms is not None:
            names.setdefault(_hardware(entry), []).append(display(entry.name, limit=48))
    return [(hardware, ", ".join(_first(found))) for hardware, found in names.items()]


def _first(names: list[str]) -> list[str]:
    more = len(names) - NAMED
    return names if more <= 0 else [*names[:NAMED], f"{more} more"]


def _memory(entry: Entry) -> Cell:
    mib = entry.peak_memory_mib
    if mib is None:
        return _nothing()
    return Cell(f"{_number(mib)} MiB" if mib < 1024 else f"{_number(mib / 1024, digits=1)} GiB", mib, _how(entry))


def _text(value: str | None) -> Cell:
    return _nothing() if value is None else Cell(display(value, limit=40), value, display(value))


def _count(value: int | None) -> Cell:
    return _short_count(value) if value is None or value >= 10**7 else Cell(f"{value:,}", float(value))


def _short_count(value: int | None) -> Cell:
    if value is None:
        return _nothing()
    for unit, size in (("T", 10**12), ("B", 10**9), ("M", 10**6), ("k", 10**3)):
        if value >= size:
            return Cell(
                f"{value / size:.3g} {unit}" if value < 1000 * size else f"{value // size:,} {unit}",
                float(value),
                f"{value:,}",
            )
    return Cell(str(value), float(value))


def _number(value: float, *, digits: int = 0) -> str:
    """Return a number that fits a cell, whatever was claimed."""
    return f"{value:,.{digits}f}" if value < 10**9 else f"{value:.2g}"
