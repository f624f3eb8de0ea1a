"""Boards: the verified submissions to one split of one dataset, ranked."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from gonerd.errors import GonerdError
from gonerd.evaluation.cost_report import Cost
from gonerd.evaluation.result import Outcome
from gonerd.leaderboard.intervals import Intervals
from gonerd.leaderboard.submission import LONG, MARKS_IN_A_ROW, REFUSED_CATEGORIES, https_or_none, measured
from gonerd.leaderboard.verify import Verification

TEXT_CHARACTERS = 120  # the most that is shown of any foreign text
HUB = "https://huggingface.co/"


@dataclass(frozen=True, slots=True)
class Entry:
    """One row: scores as the verifier found them, everything else as the submission states it."""

    folder: str
    name: str
    f1: float  # strict, micro
    by_type: dict[str, float]  # strict F1
    date: str  # ISO 8601
    f1_low: float | None = None  # 95 % interval of the F1 over documents
    f1_high: float | None = None
    organisation: str | None = None
    hub_id: str | None = None
    revision: str | None = None
    link: str | None = None  # https, or nothing
    license: str | None = None
    open_weights: bool | None = None
    attention: str | None = None
    layers: int | None = None
    parameters: int | None = None
    reach_tokens: int | None = None
    teacher: str | None = None
    distillation: str | None = None
    training_data: str | None = None
    test_documents_seen: bool | None = None
    words_per_second: float | None = None
    latency_4096_ms: float | None = None  # one document of 4,096 sub-tokens
    peak_memory_mib: float | None = None
    hardware: str | None = None
    measured: bool = False  # speed, latency and memory by `gonerd cost`; else as the evaluation saw them, or as stated
    rank: int = 0  # equal scores share a rank
    best_rank: int = 0  # as far as the intervals tell: entries whose intervals overlap may stand in either order
    worst_rank: int = 0
    kept: float | None = None  # share of the teacher's F1, where the teacher is on the same board


@dataclass(frozen=True, slots=True)
class Board:
    """The entries of one split, best first."""

    name: str
    split: str
    scheme: str
    labels: tuple[tuple[str, str], ...]  # name and definition
    documents: int
    words: int
    inputs: str  # fingerprints
    gold: str
    entries: tuple[Entry, ...]


def entry_of(verification: Verification, interval: tuple[float, float] | None = None) -> Entry:
    """Return the row of a verified submission, with the interval of its F1.

    Raises:
        GonerdError: the submission did not pass: it never reaches a board.
    """
    submission, result, strict = verification.submission, verification.result, verification.strict
    if not verification.verified or submission is None or result is None or strict is None:
        raise GonerdError("not verified", where=verification.folder)
    stated = submission.model_dump(exclude={"contact", "reference"})
    figures = _seen(result) if verification.cost is None else _measured(verification.cost, result)
    return Entry(
        folder=verification.folder,
        f1=strict.micro.f1,
        by_type={label: counts.f1 for label, counts in strict.by_type.items()},
        date=result.created_at[:10],
        f1_low=interval[0] if interval else None,
        f1_high=interval[1] if interval else None,
        link=_link(submission.hub_id, submission.reference),
        **{**stated, **figures},
    )


def _seen(result: Outcome) -> dict[str, Any]:
    """Return the figures that the evaluation saw in passing."""
    speed = result.speed
    return {
        "words_per_second": speed.words_per_second or None,  # 0: not measured
        "peak_memory_mib": speed.peak_memory_mib or None,
    }


def _measured(cost: Cost, result: Outcome) -> dict[str, Any]:
    """Return the figures of a cost file; what it has not is taken from the evaluation if that ran on such a machine."""
    seen = _seen(result) if result.speed.hardware == cost.machine.hardware else {}
    found = {"words_per_second": cost.words_per_second, "peak_memory_mib": cost.memory_at(LONG), **measured(cost)}
    return {"measured": True, **seen, **{name: value for name, value in found.items() if value is not None}}


def _link(hub_id: str | None, reference: str | None) -> str | None:
    return https_or_none(f"{HUB}{hub_id}" if hub_id else reference)


def boards_of(verifications: Iterable[Verification]) -> list[Board]:
    """Return the boards of the verified submissions, one for each gold, ordered by name and split.

    Raises:
        GonerdError: one of the submissions did not pass.
    """
    groups: dict[tuple[str, str, str], list[Verification]] = {}
    for verification in verifications:
        gold = verification.gold
        groups.setdefault((gold.name, gold.split, str(gold.fingerprint.gold)), []).append(verification)
    return [_board(groups[key]) for key in sorted(groups)]


def _board(group: list[Verification]) -> Board:
    gold = group[0].gold
    intervals = Intervals(gold)
    entries = [entry_of(one, intervals.of(one.answers) if one.answers else None) for one in group]
    return Board(
        name=gold.name,
        split=gold.split,
        scheme=gold.scheme.name,
        labels=tuple((label.name, label.definition) for label in gold.scheme.labels),
        documents=len(gold.documents),
        words=gold.words,
        inputs=gold.fingerprint.inputs,
        gold=str(gold.fingerprint.gold),
        entries=ranked(entries),
    )


def ranked(entries: Iterable[Entry]) -> tuple[Entry, ...]:
    """Return the entries best first, ranked, with the share of the teacher's F1; the order they come in has no part.

    Equal scores share a rank (1, 2, 2, 4) and stand in order of name, then folder.
    """
    found = sorted(entries, key=lambda entry: (-entry.f1, entry.name.casefold(), entry.name, entry.folder))
    best: dict[float, int] = {}
    for place, entry in enumerate(found, start=1):
        best.setdefault(entry.f1, place)
    named = _by_name(found)
    lows, highs = sorted(_low(entry) for entry in found), sorted(_high(entry) for entry in found)
    return tuple(
        replace(
            entry,
            rank=best[entry.f1],
            best_rank=1 + len(found) - bisect_right(lows, _high(entry)),
            worst_rank=len(found) - bisect_left(highs, _low(entry)),
            kept=_kept(entry, named),
        )
        for entry in found
    )


def _low(entry: Entry) -> float:
    return entry.f1 if entry.f1_low is None else entry.f1_low


def _high(entry: Entry) -> float:
    return entry.f1 if entry.f1_high is None else entry.f1_high


def _by_name(entries: Iterable[Entry]) -> dict[str, list[Entry]]:
    """Return the entries by name and by Hub id."""
    found: dict[str, list[Entry]] = {}
    for entry in entries:
        for name in {entry.name, entry.hub_id} - {None}:
            found.setdefault(str(name), []).append(entry)
    return found


def _kept(entry: Entry, named: dict[str, list[Entry]]) -> float | None:
    """Return the share of the teacher's F1 that a student keeps, or None unless exactly one entry is that teacher."""
    if entry.teacher is None:
        return None
    teachers = [other for other in named.get(entry.teacher, ()) if other is not entry]
    return entry.f1 / teachers[0].f1 if len(teachers) == 1 and teachers[0].f1 > 0 else None


def display(text: str, *, limit: int = TEXT_CHARACTERS) -> str:
    """Return a foreign text as it may be shown: shortened, without characters that hide, reorder or stack text.

    The verifier refuses such names already; what is shown does not rely on it.
    """
    import unicodedata

    kept: list[str] = []
    marks = 0
    for character in text[:limit]:
        category = unicodedata.category(character)
        marks = marks + 1 if category in ("Mn", "Me") else 0
        if marks <= MARKS_IN_A_ROW:
            kept.append("\N{REPLACEMENT CHARACTER}" if category in REFUSED_CATEGORIES else character)
    return "".join(kept) + ("…" if len(text) > limit else "")
