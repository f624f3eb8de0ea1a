"""The columns of a board: a new one is one entry here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
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
    share: float | None = None  # from 0 to 1, drawn as a bar

    @property
    def sort_text(self) -> str:
        """The value as the page's script reads it; nothing where there is no value."""
        if self.value is None:
            return ""
        return display(self.value) if isinstance(self.value, str) else repr(self.value)


@dataclass(frozen=True, slots=True)
class Column:
    """A column: how it is called, what it means, and what an entry shows in it."""

    key: str
    title: str
    hint: str
    kind: Literal["text", "number"]
    cell: Callable[[Entry], Cell]

    @property
    def style(self) -> str:
        """The class that the style sheet knows: types share one, whatever a scheme calls them."""
        return "type" if self.key.startswith("f1_") else self.key


def columns_of(board: Board) -> list[Column]:
    """Return the columns of a board, from left to right."""
    types = [_type_column(name, definition) for name, definition in board.labels]
    return [
        Column("rank", "#", "Rank by strict F1; equal scores share a rank", "number", _rank),
        Column("model", "Model", "Name, linked to its page", "text", _model),
        Column("organisation", "Organisation", "Who made it", "text", lambda entry: _text(entry.organisation)),
        Column("attention", "Attention", "Kind of attention", "text", lambda entry: _text(entry.attention)),
        Column("layers", "Layers", "Layers of the encoder", "number", lambda entry: _count(entry.layers)),
        Column("parameters", "Params", "Number of parameters", "number", lambda entry: _short_count(entry.parameters)),
        Column("reach", "Max input", "Longest input in sub-tokens", "number", lambda entry: _count(entry.reach_tokens)),
        Column("f1", "F1", "Strict entity-level micro F1, in percent", "number", _f1),
        *types,
        Column("kept", "Kept", "Share of its teacher's F1 that a student keeps", "number", _kept),
        Column("speed", "Words/s", "Words a second, as submitted; hardware differs", "number", _speed),
        Column("memory", "Memory", "Peak memory, as submitted", "number", _memory),
        Column("date", "Date", "Date of the result", "text", lambda entry: Cell(display(entry.date), entry.date)),
    ]


def _type_column(name: str, definition: str) -> Column:
    def cell(entry: Entry) -> Cell:
        value = entry.by_type.get(name)
        return _nothing() if value is None else Cell(_percent(value), value)

    return Column(f"f1_{name}", name, f"Strict F1: {definition}", "number", cell)


def _nothing() -> Cell:
    return Cell(NOTHING, None, "not stated")


def _percent(share: float) -> str:
    return f"{100 * share:.1f}"


def _rank(entry: Entry) -> Cell:
    return Cell(str(entry.rank), float(entry.rank))


def _model(entry: Entry) -> Cell:
    notes = [f"student of {display(entry.teacher, limit=40)}"] if entry.teacher else []
    if entry.test_documents_seen:
        notes.append("test documents seen")
    hint = display(" · ".join(filter(None, [entry.name, entry.hub_id, entry.license])), limit=240)
    return Cell(display(entry.name, limit=48), entry.name, hint, entry.link, " · ".join(notes))


def _f1(entry: Entry) -> Cell:
    return Cell(_percent(entry.f1), entry.f1, f"{100 * entry.f1:.4f}", share=entry.f1)


def _kept(entry: Entry) -> Cell:
    if entry.kept is None:
        return Cell(NOTHING, None, "no student, or its teacher is not on this board")
    return Cell(f"{_percent(entry.kept)} %", entry.kept)


def _speed(entry: Entry) -> Cell:
    if entry.words_per_second is None:
        return _nothing()
    hardware = _hardware(entry)
    return Cell(_number(entry.words_per_second), entry.words_per_second, hardware, note=hardware)


def _hardware(entry: Entry) -> str:
    return display(entry.hardware or "hardware not stated")


def hardware_of(board: Board) -> list[tuple[str, str]]:
    """Return what speed and memory were measured on and the models measured on it, in order of rank."""
    names: dict[str, list[str]] = {}
    for entry in board.entries:
        if entry.words_per_second is not None:
            names.setdefault(_hardware(entry), []).append(display(entry.name, limit=48))
    return [(hardware, ", ".join(_first(found))) for hardware, found in names.items()]


def _first(names: list[str]) -> list[str]:
    more = len(names) - NAMED
    return names if more <= 0 else [*names[:NAMED], f"{more} more"]


def _memory(entry: Entry) -> Cell:
    mib = entry.peak_memory_mib
    if mib is None:
        return _nothing()
    return Cell(f"{_number(mib)} MiB" if mib < 1024 else f"{_number(mib / 1024, digits=1)} GiB", mib)


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
