"""What went wrong, by kind, with examples to look at."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from gonerd.evaluation.analysis import EndToEnd
from gonerd.formats.predictions import Matching
from gonerd.semeval import ErrorKind, Pairing


@dataclass(frozen=True, slots=True)
class Errors:
    """SemEval's classes, and the errors of each kind; examples are the first of each in the order of gold."""

    classes: dict[str, dict[str, float]]
    counts: dict[str, int]
    examples: dict[str, list[dict[str, Any]]]


def describe_errors(matching: Matching, *, examples: int) -> Errors:
    """Return the errors of strictly read predictions, with up to so many examples of each kind."""
    laid = EndToEnd.of(matching)
    pairing = laid.pairing()
    classes = {name: scores.micro for name, scores in pairing.classes(matching.gold.scheme).items()}
    found: dict[str, list[dict[str, Any]]] = {str(kind): [] for kind in ErrorKind}
    for kind, gold, predicted in pairing.errors():
        if len(found[kind]) < examples:
            found[kind].append(_example(matching, laid.starts.tolist(), pairing, (gold, predicted)))
    return Errors(
        {name: {"precision": c.precision, "recall": c.recall, "f1": c.f1} for name, c in classes.items()},
        {str(kind): pairing.error_counts()[kind] for kind in ErrorKind},
        found,
    )


def _example(
    matching: Matching, starts: list[int], pairing: Pairing, error: tuple[int | None, int | None]
) -> dict[str, Any]:
    """Return one error: the document, the first token of it there, and what either side says."""
    tables = {"gold": pairing.gold, "predicted": pairing.predicted}
    rows = {side: tables[side][place].tolist() for side, place in zip(tables, error, strict=True) if place is not None}
    first = min(row[0] for row in rows.values())
    number = bisect_right(starts, first) - 1
    document = matching.gold.documents[number]
    names = matching.gold.scheme.names
    sides = {side: f"{names[row[2]]} {_text(document.tokens, row, starts[number])}" for side, row in rows.items()}
    return {"id": document.id, "token": first - starts[number], **sides}


def _text(tokens: tuple[str, ...], row: Iterable[int], start: int) -> str:
    first, after, _ = row
    return " ".join(tokens[first - start : after - start])
