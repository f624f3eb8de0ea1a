"""What a verification is made of: the checks, what they found, and the report."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from gonerd import __version__
from gonerd.errors import GonerdError
from gonerd.evaluation.cost_report import Cost
from gonerd.evaluation.result import Outcome
from gonerd.formats.gold import Gold
from gonerd.formats.predictions import shorten
from gonerd.leaderboard.submission import Submission
from gonerd.leaderboard.suspicion import Answers
from gonerd.scoring import Scores
from gonerd.store import write_json

NOT_CHECKED = "not checked"
NOT_CLAIMED = "nothing is claimed"  # by one who has not the labels
NAMED = 5  # how many faults of one kind a report spells out

Value = TypeVar("Value")


CHECKS = {
    "files": "exactly the files of a submission, none a link, none too large",
    "submission": "submission.toml keeps to its schema and its names are harmless",
    "result": "result.json keeps to its schema, all numbers finite",
    "texts": "no text of the result is too long or holds characters that hide or reorder text",
    "agreement": "submission and result say the same of the model",
    "data": "the result is about this gold: fingerprints, split, scheme, documents and words",
    "predictions": "the predictions can be read within the limits",
    "complete": "each document once, each token tagged, no unknown document",
    "tags": "every tag belongs to the scheme",
    "strict": "the strict scores claimed are those found",
    "lenient": "the lenient scores claimed are those found",
    "sources": "the scores by source claimed are those found",
    "analysis": "SemEval classes, kinds of error, consistency and the view by distance claimed are those found",
    "coverage": "every gold word was predicted",
    "speed": "speed and memory are figures that a machine can have",
    "cost": "cost.json, if there, keeps to its schema, agrees with itself and is of the result's model",
    "plausible": "neither perfect, nor faster or smaller than any machine allows",
    "unseen": "not equal to gold where gold is known to be wrong",
    "original": "not the predictions of another submission",
    "rate": "no more submissions of one name or contact than the host allows a month",
}
"""The checks, in the order in which they are made."""


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
    result: Outcome | None = None
    strict: Scores | None = None
    answers: Answers | None = None
    cost: Cost | None = None

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


class Checks:
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

    def nothing_claimed(self, name: str) -> None:
        """Add the check of figures that a submission leaves to the verifier."""
        self.done.append(Check(name, passed=True, detail=NOT_CLAIMED))

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


def write_report(verifications: Iterable[Verification], path: Path) -> None:
    """Write the report of some verifications as JSON: how many passed and failed, and each one's checks."""
    reports = [verification.report() for verification in verifications]
    passed = sum(report["verified"] for report in reports)
    write_json(path, {"verified": passed, "rejected": len(reports) - passed, "submissions": reports})
