"""Two results on the same gold, document by document."""

from __future__ import annotations

from pathlib import Path

from gonerd.errors import GonerdError
from gonerd.evaluation.evaluate import DocumentCounts, documents_path
from gonerd.evaluation.result import read_result
from gonerd.evaluation.significance import Comparison, compare
from gonerd.formats import jsonl


def compare_results(first: Path, second: Path) -> Comparison:
    """Return the comparison of the strict scores of two results.

    Raises:
        GonerdError: they are about different gold, or the counts of the documents are not beside them.
    """
    results = [read_result(path) for path in (first, second)]
    if results[0].data.gold != results[1].data.gold:
        names = [f"{result.data.name} {result.data.split}" for result in results]
        raise GonerdError(f"results on different gold can not be compared ({names[0]}, {names[1]})", where=second)
    counts = [_counts(path, result.strict.micro.correct) for path, result in zip((first, second), results, strict=True)]
    return compare(*counts)


def _counts(result: Path, correct: int) -> dict[str, tuple[int, int, int]]:
    place = documents_path(result)
    if not place.is_file():
        raise GonerdError("not beside the result", where=place, remedy="Evaluate again: gonerd evaluate writes it")
    rows = jsonl.read(place, DocumentCounts)
    found = {row.id: (row.correct, row.predicted, row.gold) for row in rows}
    if sum(row[0] for row in found.values()) != correct:
        raise GonerdError("does not add up to the result", where=place, remedy="Evaluate again")
    return found
