"""The results repository: its workflow's own steps, run here as a Git host would run them."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from gonerd.errors import GonerdError
from gonerd.leaderboard.repository import RepositoryConfig, write_repository

WORKFLOW = ".github/workflows/leaderboard.yml"


@pytest.fixture
def results(tmp_path: Path, gold_file: Path) -> Path:
    out = tmp_path / "results"
    write_repository(out, RepositoryConfig(data=str(gold_file), per_month=2))
    git(out, "init", "-b", "main")
    commit(out, "start")
    git(out, "switch", "-c", "proposal")
    return out


def git(folder: Path, *arguments: str) -> str:
    who = {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b"}
    command = ["git", "-C", folder, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, env={**os.environ, **who}).stdout


def commit(folder: Path, text: str) -> None:
    git(folder, "add", "-A")
    git(folder, "commit", "-m", text)


def workflow(folder: Path) -> dict:
    return yaml.safe_load((folder / WORKFLOW).read_text())


def workflow_on_main(folder: Path) -> dict:
    return yaml.safe_load(git(folder, "show", f"main:{WORKFLOW}"))


def run_job(folder: Path, tmp_path: Path, job: str) -> subprocess.CompletedProcess:
    """Run the shell steps of a job, but for the installation, with `gonerd` of this checkout on the path."""
    tools = tmp_path / "tools"
    tools.mkdir(exist_ok=True)
    command = tools / "gonerd"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -c "from gonerd.cli.main import main; main()" "$@"\n')
    command.chmod(0o755)
    whole = workflow_on_main(folder)
    steps = [step["run"] for step in whole["jobs"][job]["steps"] if "run" in step and step["name"] != "Install"]
    settings = {**whole["env"], "BASE": git(folder, "rev-parse", "main").strip()}
    # As the host runs it: each step its own shell, stopped by the first command that fails.
    for step in steps:
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step],
            cwd=folder,
            env={**os.environ, **settings, "PATH": f"{tools}:{os.environ['PATH']}"},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            break
    return done


def test_a_right_proposal_passes_and_reaches_the_board(results: Path, make, tmp_path: Path) -> None:
    shutil.copytree(make(), results / "submissions" / "mine")
    commit(results, "submit")
    done = run_job(results, tmp_path, "verify")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "mine: verified" in done.stdout
    assert (results / "verification.json").is_file()
    done = run_job(results, tmp_path, "board")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "My model" in (results / "site" / "index.html").read_text(encoding="utf-8")


def test_a_wrong_score_fails(results: Path, make, tmp_path: Path) -> None:
    folder = results / "submissions" / "mine"
    shutil.copytree(make(), folder)
    path = folder / "result.json"
    path.write_text(path.read_text().replace('"macro_f1":', '"macro_f1": 1.0, "x":'))
    commit(results, "submit")
    done = run_job(results, tmp_path, "verify")
    assert done.returncode != 0
    assert "mine: rejected" in done.stdout


@pytest.mark.parametrize(
    "path",
    [
        "reviewed.toml",
        "README.md",
        WORKFLOW,
        "submissions/mine/run.py",
        "submissions/other.txt",
        "submissions/mine/deep/result.json",
        "submissions/a b/result.json",
        "submissions/-x/result.json",
        "submissions/x\ny/result.json",
        "elsewhere/submissions/mine/result.json",
    ],
)
def test_a_proposal_that_touches_anything_else_fails(results: Path, make, tmp_path: Path, path: str) -> None:
    shutil.copytree(make(), results / "submissions" / "mine")
    (results / path).parent.mkdir(parents=True, exist_ok=True)
    (results / path).write_text("changed")
    commit(results, "submit")
    done = run_job(results, tmp_path, "verify")
    assert done.returncode != 0
    assert "Only new folders" in done.stdout


def test_an_accepted_submission_cannot_be_changed(results: Path, make, tmp_path: Path) -> None:
    shutil.copytree(make(), results / "submissions" / "theirs")
    commit(results, "theirs")
    git(results, "branch", "-f", "main")
    git(results, "rm", "-r", "submissions/theirs")
    commit(results, "away with it")
    assert "Only new folders" in run_job(results, tmp_path, "verify").stdout


def test_the_settings_are_data_whatever_they_hold(tmp_path: Path) -> None:
    hostile = '"; $(touch evil) ${{ secrets.X }} \\ \u2028'
    write_repository(tmp_path / "r", RepositoryConfig(data=hostile, split="test"))
    assert workflow(tmp_path / "r")["env"]["DATA"] == hostile
    with pytest.raises(GonerdError, match="already"):
        write_repository(tmp_path / "r", RepositoryConfig(data="x"))


def test_the_workflow_holds_no_secret_and_runs_no_proposed_code(tmp_path: Path) -> None:
    write_repository(tmp_path / "r", RepositoryConfig(data="x"))
    whole = workflow(tmp_path / "r")
    assert set(whole[True]) == {"pull_request", "push"}  # YAML reads `on` as true
    assert whole["permissions"] == {"contents": "read"}
    assert "secrets." not in (tmp_path / "r" / WORKFLOW).read_text()
    assert all("persist-credentials" in str(job["steps"][0]["with"]) for job in whole["jobs"].values())
