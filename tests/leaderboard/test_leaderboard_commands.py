import json
from pathlib import Path

import pytest

from gonerd.cli.main import main


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as exit_:
        main([str(argument) for argument in arguments])
    out, error = capsys.readouterr()
    return int(exit_.value.code or 0), out, error


def test_from_a_result_to_a_row_on_the_board(make, gold_file: Path, tmp_path: Path, capsys) -> None:
    make()
    work = tmp_path / "mine.work"
    (work / "p.jsonl").rename(work / "predictions.jsonl")
    folder = tmp_path / "submissions" / "by-command"
    named = ("--name", "By command", "--contact", "me@example.org", "--open-weights", "--out", folder)
    code, out, _ = run(capsys, "submit", work / "result.json", "--predictions", work / "predictions.jsonl", *named)
    assert code == 0
    assert "gonerd verify" in out
    report = tmp_path / "verification.json"
    both = (folder, tmp_path / "submissions" / "mine")
    code, out, _ = run(capsys, "verify", *both, "--data", gold_file, "--report", report)
    assert (code, out.splitlines()) == (0, ["by-command: verified", "mine: verified"])
    assert json.loads(report.read_text())["verified"] == 2
    site = tmp_path / "site"
    code, out, _ = run(capsys, "leaderboard", "build", tmp_path / "submissions", "--data", gold_file, "--out", site)
    assert code == 0
    assert "2 verified, 0 rejected" in out
    assert "By command" in (site / "index.html").read_text(encoding="utf-8")


def test_a_rejected_submission_is_named_with_its_reason_and_not_listed(make, gold_file: Path, tmp_path, capsys) -> None:
    make("fine", name="Fine model")
    bad = make("bad", name="Bad model")
    (bad / "result.json").write_text((bad / "result.json").read_text().replace("0.75", "0.76"))
    code, out, _ = run(capsys, "verify", bad, "--data", gold_file)
    assert code == 1
    assert "bad: rejected" in out
    assert "strict: 'micro.f1' claimed '0.76', found 0.75" in out
    submissions, site = tmp_path / "submissions", tmp_path / "site"
    code, out, _ = run(capsys, "leaderboard", "build", submissions, "--data", gold_file, "--out", site)
    assert code == 0
    assert "bad: rejected" in out
    assert "1 verified, 1 rejected" in out
    for name in ("index.html", "leaderboard.csv", "leaderboard.json"):
        text = (site / name).read_text(encoding="utf-8")
        assert "Fine model" in text
        assert "Bad model" not in text


def test_a_predictions_file_beside_the_result_is_found(make, tmp_path: Path, capsys) -> None:
    made = make()
    arguments = ("--name", "x", "--contact", "me@example.org", "--out", tmp_path / "new")
    code, _, _ = run(capsys, "submit", made / "result.json", *arguments)
    assert code == 0
    assert (tmp_path / "new" / "predictions.jsonl.gz").is_file()
    code, _, error = run(capsys, "submit", tmp_path / "mine.work" / "result.json", *arguments)
    assert code == 2
    assert "--predictions" in error


def test_no_data_and_no_submissions_are_one_line(tmp_path: Path, gold_file: Path, capsys) -> None:
    code, _, error = run(capsys, "leaderboard", "build", tmp_path / "no", "--data", gold_file, "--out", tmp_path / "o")
    assert (code, error.count("\n")) == (2, 1)
    code, _, _ = run(capsys, "verify", tmp_path / "nowhere", "--data", gold_file)
    assert code == 1
