"""Verification: every number of a submission is computed again from its predictions.

A claimed score is never trusted. The predictions are scored against gold that the verifier holds, whose fingerprint
must be the one that the result names, and each claimed number is compared with the one found. A submission may be
hostile: whatever is wrong with it becomes a failed check, and reading it is bounded in memory and time.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from gonerd.errors import GonerdError
from gonerd.evaluation.cost_report import Cost
from gonerd.evaluation.result import Outcome
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
from gonerd.leaderboard.claims import (
    check_scores,
    cost_faults,
    coverage_faults,
    data_faults,
    disagreements,
    speed_faults,
    text_faults,
)
from gonerd.leaderboard.folders import submission_folders
from gonerd.leaderboard.history import rate_faults
from gonerd.leaderboard.policy import Host, VerifyPolicy
from gonerd.leaderboard.submission import (
    COST,
    FILES,
    PREDICTIONS,
    RESULT,
    SUBMISSION,
    Submission,
    read_claim,
    read_claimed_cost,
    read_submission,
)
from gonerd.leaderboard.suspicion import Answers, below_floor, perfect, repeats_errors, repetitions, too_fast
from gonerd.leaderboard.verification import CHECKS, Check, Checks, Verification, write_report
from gonerd.scoring import Scores
from gonerd.store import sha256_file

__all__ = ["CHECKS", "Check", "Verification", "verify", "verify_all", "write_report"]

EVERYBODY = Host()  # a host that asks for nothing more


def verify(
    folder: Path,
    gold: Gold,
    *,
    limits: Limits = DEFAULT_LIMITS,
    host: Host = EVERYBODY,
    others: Sequence[Answers] = (),
) -> Verification:
    """Verify one submission folder against the gold of the split it should be about.

    Nothing is written. Whatever the folder holds, the answer is a Verification and never an exception.

    Args:
        folder: the submission.
        gold: all documents of the split, with their tags.
        limits: how large the predictions may be.
        host: what the host asks beyond being right.
        others: the answers of submissions that were there before, which these must not repeat.

    Raises:
        GonerdError: the labels of the gold are hidden.
    """
    gold.check_labelled()
    checks = Checks()
    checks.none("files", _file_faults(folder, limits))
    if not checks.passed("files"):
        return Verification(shorten(folder.name), gold, checks.all())
    files = {name: sha256_file(folder / name) for name in (*FILES, COST) if (folder / name).is_file()}
    claims = _Claims.of(folder, checks)
    _check_claims(checks, claims, gold)
    result, submission = claims.result, claims.submission
    matching = _check_answers(checks, folder, gold, result=result, limits=limits)
    strict = answers = None
    if matching is not None:
        strict = _check_scores(checks, matching, claims)
        answers = Answers.of(shorten(folder.name), matching)
        checks.none("unseen", repeats_errors(matching, host.mislabelled))
        checks.none("original", repetitions(answers, others))
    if submission is not None:
        checks.none("rate", _rate_faults(submission, folder, host.policy))
    done = _waived(checks.all(), host, files[PREDICTIONS])
    return Verification(shorten(folder.name), gold, done, files, submission, result, strict, answers, claims.cost)


@dataclass(frozen=True, slots=True)
class _Claims:
    """What the files of a submission say beside its predictions; None: it can not be read, or there is none."""

    submission: Submission | None
    result: Outcome | None
    cost: Cost | None

    @classmethod
    def of(cls, folder: Path, checks: Checks) -> _Claims:
        """Return what is said, with the checks that it can be read added."""
        submission = checks.read("submission", lambda: read_submission(folder / SUBMISSION))
        result = checks.read("result", lambda: read_claim(folder / RESULT))
        return cls(submission, result, checks.read("cost", lambda: _read_cost(folder / COST, result)))


def _read_cost(path: Path, result: Outcome | None) -> Cost | None:
    if not path.exists():
        return None
    cost = read_claimed_cost(path)
    if faults := list(cost_faults(cost, result)):
        raise GonerdError("; ".join(faults))
    return cost


def _check_claims(checks: Checks, claims: _Claims, gold: Gold | None) -> None:
    """Add the checks of what submission, result and cost say, before anything is scored."""
    result = claims.result
    if result is None:
        return
    checks.none("texts", text_faults(result))
    checks.none("speed", speed_faults(result))
    if gold is not None:
        checks.none("data", data_faults(result, gold))
    if claims.submission is not None:
        checks.none("agreement", disagreements(claims.submission, result, claims.cost))


def check_form(folder: Path, documents: Gold | None = None, *, limits: Limits = DEFAULT_LIMITS) -> tuple[Check, ...]:
    """Return the checks that need no label: what a submitter can hold a submission against before it is sent.

    Args:
        folder: the submission.
        documents: what was to be predicted, for the checks that nothing is missing; its labels may be hidden.
        limits: how large the predictions may be.
    """
    checks = Checks()
    checks.none("files", _file_faults(folder, limits))
    if checks.passed("files"):
        claims = _Claims.of(folder, checks)
        result = claims.result
        _check_claims(checks, claims, documents)
        if result is not None:
            checks.none("plausible", _implausible(claims, None))
        if documents is None:
            checks.read("predictions", lambda: _read_through(folder / PREDICTIONS, limits, result))
        else:
            _check_answers(checks, folder, documents, result=result, limits=limits)
    return tuple(checks.done)


def _read_through(path: Path, limits: Limits, result: Outcome | None) -> None:
    """Read predictions to their end; their documents must differ and be as many as the result's."""
    ids = [prediction.id for prediction in read_predictions(path, limits=limits)]
    twice = next((name for name, number in Counter(ids).items() if number > 1), None)
    if twice is not None:
        raise GonerdError(f"document {shown(twice)} is there twice", where=path.name)
    if result is not None and len(ids) != result.data.documents:
        raise GonerdError(f"{len(ids)} documents, but the result has {result.data.documents}", where=path.name)


def verify_all(folders: Iterable[Path], gold: Gold, *, policy: VerifyPolicy) -> list[Verification]:
    """Verify submissions, each also against the accepted ones and against those before it.

    Raises:
        GonerdError: a file that the policy names is not what it should be, or there is no history to count in.
    """
    host = Host.of(policy)
    chosen = list(folders)
    known = [answers for folder in _accepted(policy, chosen) if (answers := verify(folder, gold).answers) is not None]
    done: list[Verification] = []
    for folder in chosen:
        verification = verify(folder, gold, host=host, others=known)
        done.append(verification)
        if verification.verified and verification.answers is not None:
            known.append(verification.answers)
    return done


def _accepted(policy: VerifyPolicy, chosen: list[Path]) -> list[Path]:
    """Return the folders of accepted submissions, without those that are to be verified now."""
    if policy.accepted is None:
        return []
    now = {folder.resolve() for folder in chosen}
    return [folder for folder in submission_folders(policy.accepted) if folder.resolve() not in now]


def _rate_faults(submission: Submission, folder: Path, policy: VerifyPolicy) -> Iterator[str]:
    if policy.per_month is not None and policy.accepted is not None:
        yield from rate_faults(submission, folder=folder, accepted=policy.accepted, per_month=policy.per_month)


def _waived(checks: tuple[Check, ...], host: Host, predictions: str) -> tuple[Check, ...]:
    """Return the checks with those passed that failed and that the host has decided to let pass."""
    return tuple(
        Check(check.name, passed=True, detail=f"let pass by the host: {decision.reason}")
        if not check.passed and check.made and (decision := host.waiver(check.name, predictions)) is not None
        else check
        for check in checks
    )


def _check_answers(
    checks: Checks, folder: Path, gold: Gold, *, result: Outcome | None, limits: Limits
) -> Matching | None:
    """Add the checks of the predictions that need no label; return them beside gold if they can be read."""
    if result is not None and not checks.passed("data"):  # answers to other data say nothing
        return None
    path = folder / PREDICTIONS
    matching = checks.read("predictions", lambda: match(gold, read_predictions(path, limits=limits)))
    if matching is None:
        return None
    checks.none("complete", _problems(matching, complete=True))
    checks.none("tags", _problems(matching, complete=False))
    if result is not None:
        checks.none("coverage", coverage_faults(result, gold))
    return matching


def _check_scores(checks: Checks, matching: Matching, claims: _Claims) -> Scores:
    """Add the checks of what the result claims of its predictions; return the strict scores found."""
    strict = matching.scores(reading="strict")
    if claims.result is not None:
        check_scores(checks, matching, strict, claims.result)
        checks.none("plausible", _implausible(claims, strict))
    return strict


def _implausible(claims: _Claims, strict: Scores | None) -> Iterator[str]:
    """Yield what no machine can do, or hardly any model."""
    if strict is not None:
        yield from perfect(strict)
    if claims.result is not None:
        yield from too_fast(claims.result)
    if claims.cost is not None:
        yield from below_floor(claims.cost)


def _file_faults(folder: Path, limits: Limits) -> Iterator[str]:
    if folder.is_symlink() or not folder.is_dir():
        yield "not a folder"
        return
    left = {*FILES, COST}
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
    yield from (f"{name} is missing" for name in sorted(left - {COST}))


def _problems(matching: Matching, *, complete: bool) -> Iterator[str]:
    """Yield the problems of completeness, or else those of legality, the number of each kind first."""
    legality = (ProblemKind.ILLEGAL_TAG, ProblemKind.UNPLACED)
    found = [problem for problem in matching.problems if (problem.kind in legality) != complete]
    for kind, number in Counter(problem.kind for problem in found).items():
        first = next(problem for problem in found if problem.kind is kind)
        detail = f" ({first.detail})" if first.detail else ""
        yield f"{kind}: {number} documents, first {shown(first.id)}{detail}"
