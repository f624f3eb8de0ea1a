"""Verification: every number of a submission is computed again from its predictions.

A claimed score is never trusted. The predictions are scored against gold that the verifier holds, whose fingerprint
must be the one that the result names, and each claimed number is compared with the one found. A submission may be
hostile: whatever is wrong with it becomes a failed check, and reading it is bounded in memory and time.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from gonerd import __version__
from gonerd.errors import GonerdError
from gonerd.evaluation.result import Reading, Result, TypeScore
from gonerd.formats.gold import Gold
from gonerd.formats.predictions import (
    DEFAULT_LIMITS,
    Limits,
    Matching,
    ProblemKind,
    match,
    read_predictions,
    shorten,
    shown,
)
from gonerd.leaderboard.submission import (
    FILES,
    PREDICTIONS,
    RESULT,
    SUBMISSION,
    Submission,
    read_claim,
    read_submission,
    unsafe_character,
)
from gonerd.scoring import Scores
from gonerd.store import sha256_file, write_json

NOT_CHECKED = "not checked"
TOLERANCE = 1e-9  # a claimed number may differ by rounding, not by more
TEXT_CHARACTERS = 300  # of any text in a result
MOST = {"seconds": 1e9, "words_per_second": 1e9, "tokens_per_second": 1e9, "peak_memory_mib": 1e8}
NAMED = 5  # how many faults of one kind a report spells out

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at."""

    name: str
    passed: bool
    detail: str = ""

    @property
    def made(self) -> bool:
        """Whether it was made at all; one that could not be made fails."""
        return self.detail != NOT_CHECKED


@dataclass(frozen=True, slots=True)
class Verification:
    """What the verifier found; `strict` is its own score, and what a board shows."""

    folder: str
    gold: Gold
    checks: tuple[Check, ...]
    files: dict[str, str] = field(default_factory=dict)  # sha256 by name
    submission: Submission | None = None
    result: Result | None = None
    strict: Scores | None = None

    @property
    def verified(self) -> bool:
        """Whether every check was made and passed."""
        return [check.name for check in self.checks] == list(CHECKS) and all(check.passed for check in self.checks)

    @property
    def failures(self) -> tuple[Check, ...]:
        """The checks that failed."""
        return tuple(check for check in self.checks if not check.passed)

    def report(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        return {
            "submission": self.folder,
            "verified": self.verified,
            "strict_f1": self.strict.micro.f1 if self.strict else None,
            "gonerd_version": __version__,
            "data": {
                "name": self.gold.name,
                "split": self.gold.split,
                "inputs": self.gold.fingerprint.inputs,
                "gold": self.gold.fingerprint.gold,
            },
            "files": self.files,
            "checks": [{"name": item.name, "passed": item.passed, "detail": item.detail} for item in self.checks],
        }


CHECKS = {
    "files": "exactly the files of a submission, none a link, none too large",
    "submission": "submission.toml keeps to its schema and its names are harmless",
    "result": "result.json keeps to its schema, all numbers finite",
    "texts": "no text of the result is too long or holds characters that hide or reorder text",
    "agreement": "submission and result say the same of the model",
    "data": "the result is about this gold: both fingerprints, split, scheme, documents and words",
    "predictions": "the predictions can be read within the limits",
    "complete": "each document once, each token tagged, no unknown document",
    "tags": "every tag belongs to the scheme",
    "strict": "the strict scores claimed are those found",
    "lenient": "the lenient scores claimed are those found",
    "sources": "the scores by source claimed are those found",
    "coverage": "every gold word was predicted",
    "speed": "speed and memory are figures that a machine can have",
}
"""The checks, in the order in which they are made."""


class _Checks:
    """Collects the checks of one submission; one that cannot be made fails."""

    def __init__(self) -> None:
        self.done: list[Check] = []

    def read(self, name: str, function: Callable[[], Value]) -> Value | None:
        """Add the check that `function` returns something and raises nothing."""
        try:
            value = function()
        except (GonerdError, OSError) as error:
            self.done.append(Check(name, passed=False, detail=shorten(str(error))))
            return None
        self.done.append(Check(name, passed=True))
        return value

    def none(self, name: str, faults: Iterable[str]) -> None:
        """Add the check that there are no faults."""
        found = list(faults)
        more = f"; {len(found) - NAMED} more" if len(found) > NAMED else ""
        self.done.append(Check(name, passed=not found, detail="; ".join(map(shorten, found[:NAMED])) + more))

    def passed(self, name: str) -> bool:
        """Return whether a check was made and passed."""
        return any(check.name == name and check.passed for check in self.done)

    def all(self) -> tuple[Check, ...]:
        """Return every check in order, those that were not made as failed."""
        made = {check.name: check for check in self.done}
        return tuple(made.get(name, Check(name, passed=False, detail=NOT_CHECKED)) for name in CHECKS)


def verify(folder: Path, gold: Gold, *, limits: Limits = DEFAULT_LIMITS) -> Verification:
    """Verify one submission folder against the gold of the split it should be about.

    Nothing is written. Whatever the folder holds, the answer is a Verification and never an exception.
    """
    checks = _Checks()
    checks.none("files", _file_faults(folder, limits))
    if not checks.done[0].passed:
        return Verification(shorten(folder.name), gold, checks.all())
    files = {name: sha256_file(folder / name) for name in FILES}
    submission = checks.read("submission", lambda: read_submission(folder / SUBMISSION))
    result = checks.read("result", lambda: read_claim(folder / RESULT))
    if result is not None:
        checks.none("texts", _text_faults(result))
        checks.none("speed", _speed_faults(result))
        checks.none("data", _data_faults(result, gold))
    if result is not None and submission is not None:
        checks.none("agreement", _disagreements(submission, result))
    strict = None
    if result is None or checks.passed("data"):  # scores on other data say nothing
        strict = _check_predictions(checks, folder, gold, limits=limits, result=result)
    return Verification(shorten(folder.name), gold, checks.all(), files, submission, result, strict)


def _check_predictions(
    checks: _Checks, folder: Path, gold: Gold, *, limits: Limits, result: Result | None
) -> Scores | None:
    """Add the checks of the predictions, and of what the result claims of them; return the strict scores found."""
    matching = checks.read("predictions", lambda: match(gold, read_predictions(folder / PREDICTIONS, limits=limits)))
    if matching is None:
        return None
    checks.none("complete", _problems(matching, complete=True))
    checks.none("tags", _problems(matching, complete=False))
    strict = matching.scores(reading="strict")
    if result is not None:
        _check_scores(checks, matching, strict, result)
    return strict


def write_report(verifications: Iterable[Verification], path: Path) -> None:
    """Write the report of some verifications as JSON: how many passed and failed, and each one's checks."""
    reports = [verification.report() for verification in verifications]
    passed = sum(report["verified"] for report in reports)
    write_json(path, {"verified": passed, "rejected": len(reports) - passed, "submissions": reports})


def _file_faults(folder: Path, limits: Limits) -> Iterator[str]:
    if folder.is_symlink() or not folder.is_dir():
        yield "not a folder"
        return
    left = set(FILES)
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name not in left:
                yield f"does not belong there: {shown(entry.name)}"
                return  # however many there are
            left.discard(entry.name)
            if not entry.is_file(follow_symlinks=False):
                yield f"{entry.name} is not a plain file"
            elif entry.stat(follow_symlinks=False).st_size > limits.file_bytes:
                yield f"{entry.name} is larger than {limits.file_bytes} bytes"
    yield from (f"{name} is missing" for name in sorted(left))


def _text_faults(result: Result) -> Iterator[str]:
    for path, value in _leaves(result.model_dump(mode="json")):
        for text in (path, value):
            if isinstance(text, str) and (len(text) > TEXT_CHARACTERS or unsafe_character(text)):
                yield f"{shown(path)}: too long, or not plain text"
    try:
        datetime.fromisoformat(result.created_at)
    except ValueError:
        yield f"created_at: {shown(result.created_at)} is no ISO 8601 time"


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield what stands at the ends of nested mappings, each with its dotted path."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _leaves(item, f"{path}.{key}" if path else str(key))
    else:
        yield path, value


def _speed_faults(result: Result) -> Iterator[str]:
    for name, most in MOST.items():
        claimed = getattr(result.speed, name)
        if claimed is not None and claimed > most:
            yield f"{name} is {shown(claimed)}, more than {most:g}"


def _disagreements(submission: Submission, result: Result) -> Iterator[str]:
    for name in ("parameters", "layers", "attention", "reach_tokens"):
        stated, measured = getattr(submission, name), getattr(result.model, name)
        if stated is not None and measured is not None and stated != measured:
            yield f"{name}: {shown(stated)} in {SUBMISSION}, {shown(measured)} in {RESULT}"


def _data_faults(result: Result, gold: Gold) -> Iterator[str]:
    if result.data.inputs != gold.fingerprint.inputs:
        documents = shown(result.data.documents).strip("'")
        yield f"made on other data ({documents} documents; this gold has {len(gold.documents)})"
        return
    expected = {
        "split": gold.split,
        "scheme": gold.scheme.name,
        "documents": len(gold.documents),
        "words": gold.words,
    }
    for name, right in expected.items():
        claimed = getattr(result.data, name)
        if claimed != right:
            yield f"{name} is {shown(claimed)}, this gold has {shown(right)}"
    if result.data.inputs == gold.fingerprint.inputs and result.data.gold != gold.fingerprint.gold:
        yield "made on these documents with other labels (the fingerprints of the gold differ)"


def _problems(matching: Matching, *, complete: bool) -> Iterator[str]:
    """Yield the problems of completeness, or else those of legality, the number of each kind first."""
    legality = (ProblemKind.ILLEGAL_TAG, ProblemKind.UNPLACED)
    found = [problem for problem in matching.problems if (problem.kind in legality) != complete]
    for kind, number in Counter(problem.kind for problem in found).items():
        first = next(problem for problem in found if problem.kind is kind)
        detail = f" ({first.detail})" if first.detail else ""
        yield f"{kind}: {number} documents, first {shown(first.id)}{detail}"


def _check_scores(checks: _Checks, matching: Matching, strict: Scores, result: Result) -> None:
    lenient = matching.scores(reading="lenient")
    checks.none("strict", _differences(result.strict.model_dump(), Reading.of(strict).model_dump()))
    checks.none("lenient", _differences(result.lenient.model_dump(), Reading.of(lenient).model_dump()))
    claimed = {source: score.model_dump() for source, score in result.by_source.items()}
    checks.none("sources", _differences(claimed, _scores_by_source(matching) if claimed else {}))
    checks.none("coverage", _coverage_faults(result, matching.gold))


def _scores_by_source(matching: Matching) -> dict[str, Any]:
    sources = sorted({document.source for document in matching.gold.documents if document.source is not None})
    return {source: TypeScore.of(matching.scores(source=source).micro).model_dump() for source in sources}


def _differences(claimed: dict[str, Any], found: dict[str, Any]) -> Iterator[str]:
    """Yield where claimed numbers are not the ones found: missing, surplus or further off than rounding explains."""
    left, right = dict(_leaves(claimed)), dict(_leaves(found))
    for name in sorted(left.keys() | right.keys()):
        if name not in left or name not in right:
            yield f"{shown(name)} is {'not claimed' if name not in left else 'not in this gold'}"
        elif not _same(left[name], right[name]):
            yield f"{shown(name)} claimed {shown(left[name])}, found {right[name]}"


def _same(claimed: float, found: float) -> bool:
    """Compare counts exactly (they may be larger than any float) and scores up to rounding."""
    if isinstance(claimed, int) and isinstance(found, int):
        return claimed == found
    return abs(claimed - found) <= TOLERANCE


def _coverage_faults(result: Result, gold: Gold) -> Iterator[str]:
    coverage = result.coverage
    if coverage.gold_words != gold.words:
        yield f"gold_words is {coverage.gold_words}, this gold has {gold.words}"
    if not coverage.predicted_words <= gold.words <= coverage.predicted_words + coverage.lost_words:
        yield f"{coverage.predicted_words} words predicted and {coverage.lost_words} lost, of {gold.words}"
    if coverage.windowed_documents > len(gold.documents):
        yield f"{coverage.windowed_documents} documents in windows, of {len(gold.documents)}"
