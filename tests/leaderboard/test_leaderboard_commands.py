import json
from pathlib import Path

import pytest

from gonerd.cli.leaderboard import _data_name
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
    assert "the scores were not recomputed" in out
    assert "Not sent" in out
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
    code, _, error = run(capsys, "verify", tmp_path / "nowhere", "--data", gold_file)
    assert (code, error.count("\n")) == (2, 1)
    assert "no such folder" in error


def build(capsys: pytest.CaptureFixture[str], submissions: Path, gold_file: Path, out: Path) -> tuple[int, str, str]:
    return run(capsys, "leaderboard", "build", submissions, "--data", gold_file, "--out", out)


def test_a_folder_without_submissions_or_one_submission_makes_no_board(make, gold_file, tmp_path, capsys) -> None:
    (tmp_path / "empty").mkdir()
    for folder, words in ((tmp_path / "empty", "no submissions in"), (make(), "is itself a submission")):
        code, _, error = build(capsys, folder, gold_file, tmp_path / "site")
        assert (code, error.count("\n")) == (2, 1)
        assert words in error
        assert "the folder that holds the submission folders" in error
    assert not (tmp_path / "site").exists()


def test_when_all_are_rejected_a_board_that_is_there_stays(make, gold_file, tmp_path, capsys) -> None:
    made, site = make(), tmp_path / "site"
    assert build(capsys, tmp_path / "submissions", gold_file, site)[0] == 0
    before = {path.name: path.read_bytes() for path in site.iterdir()}
    (made / "surplus").write_text("")
    code, out, _ = build(capsys, tmp_path / "submissions", gold_file, site)
    assert code == 1
    assert "all 1 are rejected" in out
    assert {path.name: path.read_bytes() for path in site.iterdir()} == before


def test_a_page_of_somebody_else_is_not_overwritten(make, gold_file, tmp_path, capsys) -> None:
    make()
    site = tmp_path / "site"
    for name in ("index.html", "leaderboard.csv", "leaderboard.json"):
        site.mkdir()
        (site / name).write_text('{"precious": 1}')
        code, _, error = build(capsys, tmp_path / "submissions", gold_file, site)
        assert (code, error.count("\n")) == (2, 1)
        assert f"holds {name}, which gonerd did not write" in error
        assert [path.read_text() for path in site.iterdir()] == ['{"precious": 1}']
        (site / name).unlink()
        site.rmdir()


def test_a_board_of_ours_is_built_again(make, gold_file, tmp_path, capsys) -> None:
    make()
    for left in ("index.html", "leaderboard.json"):
        site = tmp_path / f"site-{left}"
        assert build(capsys, tmp_path / "submissions", gold_file, site)[0] == 0
        for path in site.iterdir():
            if path.name != left:
                path.unlink()
        assert build(capsys, tmp_path / "submissions", gold_file, site)[0] == 0


def test_a_folder_of_submissions_is_not_verified_as_one(make, gold_file, tmp_path, capsys) -> None:
    make()
    code, _, error = run(capsys, "verify", tmp_path / "submissions", "--data", gold_file)
    assert (code, error.count("\n")) == (2, 1)
    assert "a folder of submissions" in error
    assert "submissions/*/" in error


def test_checks_that_were_not_made_are_one_line(make, gold_file, capsys) -> None:
    folder = make()
    (folder / "result.json").unlink()
    code, out, _ = run(capsys, "verify", folder, "--data", gold_file)
    assert code == 1
    lines = out.replace("\n  not", "\0not").replace("\n", " ").split("\0")
    assert lines[0].split() == ["mine:", "rejected", "files:", "result.json", "is", "missing"]
    assert lines[1].startswith("not checked: submission, result, texts")
    assert out.count("not checked") == 1


@pytest.mark.parametrize(
    ("flag", "value", "wrong"),
    [
        ("--name", "a<b", "must not contain '<'"),
        ("--contact", "m", "at least 3 characters"),
        ("--reference", "http://example.org", "must be an https:// address"),
        ("--hub-id", "model", "not of the right form. The model on the Hub, as organisation/name"),
        ("--layers", "many", "valid integer"),
        ("--layers", "-1", "greater than or equal to 0"),
    ],
)
def test_a_wrong_flag_of_a_submission_is_one_line(make, tmp_path, capsys, flag: str, value: str, wrong: str) -> None:
    made = make()
    stated = {"--name": "x", "--contact": "me@example.org", flag: value}
    flags = [text for pair in stated.items() for text in pair]
    code, _, error = run(capsys, "submit", made / "result.json", *flags, "--out", tmp_path / "new")
    assert (code, error.count("\n")) == (2, 1)
    assert error.startswith(f"gonerd: {flag}: ")
    assert wrong in error
    assert "pydantic" not in error
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("files", "name"),
    [
        ({"manifest.json": {"config": {"build": {"name": "own"}}}, "release.json": {"name": "other"}}, "own"),
        ({"manifest.json": {"config": {}}, "release.json": {"name": "released"}}, "released"),
        ({"manifest.json": []}, "folder"),
        ({}, "folder"),
    ],
)
def test_a_dataset_has_its_own_name_wherever_it_lies(tmp_path: Path, files: dict[str, object], name: str) -> None:
    (tmp_path / "folder").mkdir()
    for file, content in files.items():
        (tmp_path / "folder" / file).write_text(json.dumps(content))
    assert _data_name(str(tmp_path / "folder")) == name


def test_gold_from_a_file_has_the_name_of_the_file(gold_file: Path) -> None:
    assert _data_name(str(gold_file)) == "gold"
    assert _data_name("organisation/dataset") == "organisation/dataset"
