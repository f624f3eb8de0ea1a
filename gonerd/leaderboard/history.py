"""How often somebody has submitted, by the Git history of the results repository, which nobody can backdate."""

from __future__ import annotations

import subprocess
import tomllib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from gonerd.errors import GonerdError
from gonerd.leaderboard.submission import SUBMISSION, SUBMISSION_BYTES, Submission, parse_submission

GIT_SECONDS = 60


def rate_faults(
    submission: Submission, *, folder: Path, accepted: Path, per_month: int, now: datetime | None = None
) -> Iterator[str]:
    """Yield whether the name or the contact has used up its submissions of this calendar month (UTC).

    A submission counts in the month in which it came into the history of `accepted`, also if it is gone since; the one
    in `folder`, which a proposal's history holds already, does not count against itself.

    Raises:
        GonerdError: the folder is in no Git repository, or git is not there.
    """
    month = (now or datetime.now(UTC)).astimezone(UTC)
    earlier = [other for _, other in _without(folder, accepted, _added_in(accepted, month))]
    for kind in ("name", "contact"):
        mine = getattr(submission, kind).casefold()
        used = sum(getattr(other, kind).casefold() == mine for other in earlier)
        if used >= per_month:
            yield f"{used} submissions of this {kind} in {month:%Y-%m}, of {per_month} a month"


Added = tuple[str, Submission]  # the path in the folder of submissions, and what it said


def _without(folder: Path, accepted: Path, added: Iterator[Added]) -> Iterator[Added]:
    """Yield what was added but for the newest that came in as `folder` itself."""
    own = f"{folder.name}/{SUBMISSION}" if folder.resolve().parent == accepted.resolve() else None
    for path, submission in added:
        if path == own:
            own = None
        else:
            yield path, submission


def _added_in(folder: Path, month: datetime) -> Iterator[Added]:
    """Yield the submissions that came into the history in a month, newest first; one that is unreadable counts not."""
    first = month.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    # The first parent's line alone: the dates of merged commits are the submitter's to choose.
    ours = ("--first-parent", "--diff-merges=first-parent", "--diff-filter=A", "--no-renames")
    form = ("--format=%x00%H %ct", "--name-only", "-z", "--relative")
    commit, when = "", 0
    for item in _git(folder, "log", *ours, *form, "--", f"*/{SUBMISSION}").split(b"\0"):
        text = item.removeprefix(b"\n").decode("utf-8", "surrogateescape")
        if not text.endswith(SUBMISSION):
            commit, _, seconds = text.partition(" ")
            when = int(seconds or 0)
        elif when >= first.timestamp() and (found := _submission_at(folder, commit, text)) is not None:
            yield text, found


def _submission_at(folder: Path, commit: str, path: str) -> Submission | None:
    content = _git(folder, "show", f"{commit}:./{path}")
    if len(content) > SUBMISSION_BYTES:
        return None
    try:
        return parse_submission(tomllib.loads(content.decode("utf-8")))
    except (GonerdError, ValueError, RecursionError):
        return None


def _git(folder: Path, *arguments: str) -> bytes:
    command = ["git", "-C", str(folder), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, check=True, timeout=GIT_SECONDS)  # noqa: S603 - no shell
    except FileNotFoundError as error:
        raise GonerdError("git is not installed", where=folder) from error
    except subprocess.CalledProcessError as error:
        reason = error.stderr.decode("utf-8", "replace").strip().splitlines()
        raise GonerdError(
            f"no Git history ({reason[-1] if reason else 'git failed'})",
            where=folder,
            remedy="Give the folder of submissions in a full clone of the results repository",
        ) from error
    except subprocess.TimeoutExpired as error:
        raise GonerdError(f"git took over {GIT_SECONDS} seconds", where=folder) from error
    return done.stdout
