"""A submission on its way to a results repository: a pull request on the Hub, or the steps for a Git host."""

from __future__ import annotations

import hashlib
import shlex
from pathlib import Path

from gonerd.errors import GonerdError, hub_errors
from gonerd.evaluation.result import file_name
from gonerd.leaderboard.submission import COST, FILES, HUB_NAME, PREDICTIONS, SUBMISSION, read_submission

HUB, GIT = "hub:", "git:"
FOLDER = "submissions"  # in a results repository


def check_target(target: str) -> None:
    """Do nothing if a submission can be sent to `target`, such as hub:organisation/results.

    Raises:
        GonerdError: it can not.
    """
    if target.startswith(HUB) and HUB_NAME.fullmatch(target.removeprefix(HUB)):
        return
    if target.startswith(GIT) and len(target) > len(GIT):
        return
    raise GonerdError(
        "nothing that a submission can be sent to", where=target, remedy="Use hub:ORG/REPO or git:ADDRESS"
    )


def folder_name(folder: Path) -> str:
    """Return the name of a submission's folder in a results repository: the model's name and what was predicted."""
    digest = hashlib.sha256((folder / PREDICTIONS).read_bytes()).hexdigest()[:10]
    return f"{file_name(read_submission(folder / SUBMISSION).name)[:60]}-{digest}"


def open_pull_request(folder: Path, repository: str) -> str:
    """Open a pull request that adds a submission to a dataset repository on the Hub; return its address.

    Args:
        folder: the submission.
        repository: organisation/name of the results repository.

    Raises:
        GonerdError: the Hub cannot be reached, or refuses.
    """
    from huggingface_hub import CommitOperationAdd, HfApi

    name = read_submission(folder / SUBMISSION).name
    place = f"{FOLDER}/{folder_name(folder)}"
    files = [file for file in (*FILES, COST) if (folder / file).is_file()]
    operations = [CommitOperationAdd(f"{place}/{file}", folder / file) for file in files]
    with hub_errors(repository, "opening a pull request"):
        done = HfApi().create_commit(
            repository, operations, commit_message=f"Submit {name}", repo_type="dataset", create_pr=True
        )
    return str(done.pr_url)


def git_steps(folder: Path, address: str) -> list[str]:
    """Return the commands that propose a submission to a results repository on any Git host."""
    name = folder_name(folder)
    branch = f"submission-{name.rpartition('-')[2]}"  # a model may be called what no branch can be
    here, there = shlex.quote(str(folder.resolve())), f"{FOLDER}/{name}"
    return [
        f"git clone {shlex.quote(address)} results && cd results",
        f"git switch -c {branch}",
        f"mkdir -p {FOLDER} && cp -r {here} {there}",
        f"git add {there} && git commit -m 'Submit {name}'",
        f"git push -u origin {branch}",
    ]
