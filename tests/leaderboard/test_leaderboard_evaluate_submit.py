"""`gonerd evaluate --submit`: from a system to its submission in one command."""

import json
from pathlib import Path

import pytest

from gonerd.cli import submit as command
from gonerd.cli.main import main
from gonerd.formats.gold import Gold
from gonerd.formats.predictions import write_predictions
from gonerd.leaderboard.submission import read_submission
from gonerd.leaderboard.verify import verify
from gonerd.records import Prediction

NAMED = ("--name", "In one go", "--contact", "me@example.org")


def run(capsys, *arguments: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as exit_:
        main([str(argument) for argument in arguments])
    out, error = capsys.readouterr()
    return int(exit_.value.code or 0), " ".join(out.split()), error


@pytest.fixture
def system(gold: Gold, right, tmp_path: Path) -> Path:
    path = tmp_path / "system.jsonl"
    write_predictions(path, [Prediction(item.id, tuple(right[item.id])) for item in gold.documents])
    return path


@pytest.fixture
def asked(system: Path, gold_file: Path, tmp_path: Path):
    return ("evaluate", system, "--data", gold_file, "--out", tmp_path / "results", "--submit", tmp_path / "mine")


def test_one_command_makes_a_submission_that_is_verified(asked, gold: Gold, tmp_path: Path, capsys) -> None:
    code, text, error = run(capsys, *asked, *NAMED, "--license", "MIT", "--no-open-weights", "--to", "git:a.git")
    assert code == 0, error
    assert "mine: verified" in text
    assert "git clone a.git" in text
    stated = read_submission(tmp_path / "mine" / "submission.toml")
    assert (stated.name, stated.contact, stated.license, stated.open_weights) == (NAMED[1], NAMED[3], "MIT", False)
    assert verify(tmp_path / "mine", gold).verified
    (result,) = (tmp_path / "results").glob("*/*/*.json")
    assert json.loads(result.read_text())["model"]["name"] == "In one go"


def test_what_is_missing_is_said_before_anything_is_computed(asked, tmp_path: Path, capsys) -> None:
    for flags, said in (
        ((), "--name: is needed"),
        (("--name", "x"), "--contact: is needed"),
        (("--name", "a<b", "--contact", "me@example.org"), "--name: must not contain '<'"),
        ((*NAMED, "--layers", "many"), "--layers: "),
        ((*NAMED, "--to", "nowhere"), "Use hub:ORG/REPO"),
    ):
        code, _, error = run(capsys, *asked, *flags)
        assert (code, said in error, error.count("\n")) == (2, True, 1), error
    code, _, error = run(capsys, "evaluate", "another", *asked[1:], *NAMED)
    assert (code, "one model is submitted at a time" in error) == (2, True)
    code, _, error = run(capsys, *asked[:-2], "--license", "MIT")
    assert (code, "Add --submit FOLDER" in error) == (2, True)
    assert not (tmp_path / "results").exists()


def test_at_a_terminal_the_rest_is_asked_for(asked, tmp_path: Path, monkeypatch, capsys) -> None:
    questions: list[str] = []

    def answer(question: str) -> str:
        questions.append(question)
        return {"Name": "Asked", "Whom": "me@example.org", "Licence": "MIT"}.get(question.split(maxsplit=1)[0], "")

    monkeypatch.setattr(command, "_can_ask", lambda: True)
    monkeypatch.setattr("builtins.input", answer)
    code, _, error = run(capsys, *asked)
    assert code == 0, error
    stated = read_submission(tmp_path / "mine" / "submission.toml")
    assert (stated.name, stated.contact, stated.license) == ("Asked", "me@example.org", "MIT")
    assert len(questions) > 5
