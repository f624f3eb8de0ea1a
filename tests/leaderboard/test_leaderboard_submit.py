"""From a result to a submission that is sent: questions, checks before sending, pull requests, the model's own page."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from hub_stub import hub_stub, use_in_this_process

from gonerd.cli.main import main
from gonerd.errors import GonerdError
from gonerd.leaderboard.kit import KIT
from gonerd.leaderboard.questions import ask, open_questions
from gonerd.leaderboard.send import check_target, folder_name, git_steps, open_pull_request
from gonerd.leaderboard.submission import FILES, Statement, read_submission
from gonerd.leaderboard.verify import check_form, verify

NAMED = ("--name", "By command", "--contact", "me@example.org")


def run(capsys, *arguments: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as exit_:
        main([str(argument) for argument in arguments])
    out, error = capsys.readouterr()
    return int(exit_.value.code or 0), out, error


@pytest.fixture
def hub(monkeypatch, tmp_path):
    with hub_stub() as (state, address):
        use_in_this_process(monkeypatch, address, tmp_path / "hub-cache")
        yield state


@pytest.fixture
def result(make, tmp_path: Path) -> Path:
    """A result with its predictions beside it."""
    make()
    work = tmp_path / "mine.work"
    (work / "p.jsonl").rename(work / "predictions.jsonl")
    subprocess.run(["gzip", work / "predictions.jsonl"], check=True)
    return work / "result.json"


def answers(*texts: str):
    waiting = list(texts)
    asked: list[str] = []

    def answer(question: str) -> str:
        asked.append(question)
        return waiting.pop(0) if waiting else ""

    return answer, asked


def test_what_is_missing_is_asked_for_and_a_wrong_answer_again() -> None:
    answer, asked = answers("", "../evil", "My model", "me@example.org", "", "", "", "maybe", "y", "many", "12")
    told: list[str] = []
    stated = ask(Statement(reference="https://example.org"), answer=answer, tell=told.append)
    assert (stated.name, stated.contact, stated.open_weights, stated.parameters) == (
        "My model",
        "me@example.org",
        True,
        12,
    )
    assert told[0] == "this is needed"
    assert "must not look like a path" in told[1]
    assert [line.split(":")[0] for line in told[2:]] == ["'open_weights'", "'parameters'"]
    assert not any("https://" in question for question in asked)


def test_only_a_student_is_asked_how_it_was_distilled() -> None:
    assert "distillation" not in open_questions(Statement())
    assert "distillation" in open_questions(Statement(teacher="big"))


def test_nothing_is_asked_where_everything_is_said(make) -> None:
    stated = read_submission(make() / "submission.toml")
    full = {"name": stated.name, "contact": stated.contact}
    rest = {"organisation": "o", "hub_id": "o/m", "license": "mit", "open_weights": True, "parameters": 1, "layers": 1}
    more = {"attention": "full", "reach_tokens": 512, "training_data": "t", "test_documents_seen": False}
    assert list(open_questions(Statement(**full, **rest, **more, reference="https://example.org"))) == []


def test_without_a_terminal_the_missing_flag_is_named(result: Path, tmp_path: Path, capsys) -> None:
    code, _, error = run(capsys, "submit", result, "--contact", "me@example.org", "--out", tmp_path / "new")
    assert (code, error) == (2, "gonerd: --name: is needed. Name of the model, as the board shows it.\n")
    assert not (tmp_path / "new").exists()


def test_with_the_data_the_scores_are_checked_before_anything_is_sent(result, gold_file, tmp_path, capsys) -> None:
    out = tmp_path / "new"
    code, text, _ = run(capsys, "submit", result, *NAMED, "--out", out, "--data", gold_file)
    assert (code, text.splitlines()[0]) == (0, "new: verified")
    claim = json.loads(result.read_text())
    claim["strict"]["micro"]["f1"] = 0.9
    result.write_text(json.dumps(claim))
    code, text, _ = run(capsys, "submit", result, *NAMED, "--out", out, "--data", gold_file, "--to", "hub:a/b")
    assert code == 1
    assert "strict: 'micro.f1' claimed '0.9'" in text
    assert "Sent" not in text


@pytest.mark.parametrize(
    ("file", "change", "check"),
    [
        ("result.json", lambda data: data.replace(b'"documents":4', b'"documents":5'), "predictions"),
        ("result.json", lambda data: data[:-5], "result"),
        ("submission.toml", lambda data: data + b"x = 1\n", "submission"),
        ("predictions.jsonl.gz", lambda data: data[:-9], "predictions"),
        ("predictions.jsonl.gz", lambda data: data + data, "predictions"),
    ],
)
def test_the_checks_that_need_no_gold_are_made_without_it(make, file: str, change, check: str) -> None:
    folder = make()
    assert all(item.passed for item in check_form(folder))
    (folder / file).write_bytes(change((folder / file).read_bytes()))
    assert [item.name for item in check_form(folder) if not item.passed] == [check]


@pytest.mark.parametrize("target", ["", "hub:", "hub:one", "hub:a/b/c", "hub:../b", "git:", "http://x", "a/b"])
def test_a_target_that_is_none_is_one_error(target: str) -> None:
    with pytest.raises(GonerdError, match="hub:ORG/REPO"):
        check_target(target)


def test_a_pull_request_holds_exactly_the_submission(make, gold, hub, tmp_path: Path) -> None:
    hub.add("board/results", {"README.md": b"# results\n"})
    folder = make()
    assert open_pull_request(folder, "board/results").endswith("/datasets/board/results/discussions/1")
    repository = hub.repositories["board/results"]
    assert set(repository.files()[1]) == {"README.md"}
    sent = {path: data for path, data in repository.files("refs/pr/1")[1].items() if path != "README.md"}
    assert set(sent) == {f"submissions/{folder_name(folder)}/{name}" for name in FILES}
    arrived = tmp_path / "arrived"
    arrived.mkdir()
    for path, data in sent.items():
        (arrived / Path(path).name).write_bytes(data)
    assert verify(arrived, gold).verified


def test_sending_by_command(result: Path, hub, tmp_path: Path, capsys) -> None:
    hub.add("board/results", {"README.md": b"# results\n"})
    arguments = ("submit", result, *NAMED, "--out", tmp_path / "new", "--to", "hub:board/results")
    code, text, _ = run(capsys, *arguments)
    assert code == 0
    assert "Sent: http" in text
    hub.fail_on = ("/commit/", 0)
    code, _, error = run(capsys, *arguments)
    assert code == 2
    assert error.startswith("gonerd: board/results: opening a pull request failed")
    code, _, error = run(capsys, *arguments[:-1], "hub:board/nowhere")
    assert code == 2
    assert "board/nowhere" in error


@pytest.mark.parametrize("name", ["My 'odd' model; $(touch evil)", "a..b", "-f", "v1.lock"])
def test_the_steps_for_a_git_host_work_and_quote_what_is_odd(make, tmp_path: Path, name: str) -> None:
    remote = tmp_path / "results; touch evil.git"
    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", remote], check=True)
    folder = make(name=name)
    who = ("-c", "user.name=a", "-c", "user.email=a@b")
    script = "\n".join(git_steps(folder, str(remote))).replace("git commit", f"git {' '.join(who)} commit")
    subprocess.run(["sh", "-eu", "-c", script], cwd=tmp_path, check=True, capture_output=True)
    listed = subprocess.run(
        ["git", "-C", remote, "ls-tree", "-r", "--name-only", f"submission-{folder_name(folder)[-10:]}"],
        check=True,
        capture_output=True,
        text=True,
    )
    assert listed.stdout.split() == [f"submissions/{folder_name(folder)}/{name}" for name in sorted(FILES)]
    assert not list(tmp_path.rglob("evil"))


def test_the_model_s_own_page(result: Path, tmp_path: Path, capsys) -> None:
    from huggingface_hub import parse_eval_result_entries
    from huggingface_hub.repocard_data import model_index_to_eval_results

    claim = json.loads(result.read_text())
    claim["data"]["name"] = "organisation/data"
    result.write_text(json.dumps(claim))
    code, _, _ = run(capsys, "submit", result, *NAMED, "--out", tmp_path / "new", "--reference", "https://example.org")
    assert code == 0
    page = result.with_suffix(".model-page")
    name, scores = model_index_to_eval_results(yaml.safe_load((page / "model-index.yaml").read_text())["model-index"])
    assert name == "By command"
    strict = claim["strict"]["micro"]
    assert {score.metric_type: score.metric_value for score in scores} == {
        kind: strict[kind] for kind in ("f1", "precision", "recall")
    }
    (entry,) = parse_eval_result_entries(yaml.safe_load((page / ".eval_results" / "gonerd.yaml").read_text()))
    assert (entry.dataset_id, entry.task_id, entry.value) == ("organisation/data", "strict_f1", strict["f1"])
    assert entry.source_url == "https://example.org"


def test_data_that_is_not_on_the_hub_gets_no_eval_results(result: Path, tmp_path: Path, capsys) -> None:
    run(capsys, "submit", result, *NAMED, "--out", tmp_path / "new")
    assert [path.name for path in result.with_suffix(".model-page").iterdir()] == ["model-index.yaml"]


def test_a_result_that_is_not_there_is_said_to_be_so(tmp_path: Path, capsys) -> None:
    code, _, error = run(capsys, "submit", tmp_path / "none.json", *NAMED, "--out", tmp_path / "new")
    assert (code, error) == (2, f"gonerd: {tmp_path / 'none.json'}: no such file\n")


def test_a_kit_of_nothing_leaves_no_folder(tmp_path: Path, capsys) -> None:
    code, _, error = run(capsys, "template", "sample", "--split", "tset", "--out", tmp_path / "kit")
    assert (code, "Did you mean 'test'" in error) == (2, True)
    assert not (tmp_path / "kit").exists()


def test_a_system_without_gonerd_gets_to_a_verified_row(tmp_path: Path, capsys) -> None:
    kit = tmp_path / "kit"
    code, text, _ = run(capsys, "template", "sample", "--split", "test", "--out", kit)
    assert code == 0
    assert {path.name for path in kit.iterdir()} == set(KIT)
    documents = [json.loads(line) for line in (kit / "documents.jsonl").read_text().splitlines()]
    assert f"{len(documents)} documents" in text
    assert all("ner_tags" not in document for document in documents)
    # -I -S: neither this package nor any other can be imported
    subprocess.run([sys.executable, "-I", "-S", "predict.py"], cwd=kit, check=True)
    predicted = [json.loads(line) for line in (kit / "predictions.jsonl").read_text().splitlines()]
    assert [len(row["ner_tags"]) for row in predicted] == [len(document["tokens"]) for document in documents]
    assert {tag for row in predicted for tag in row["ner_tags"]} == {"O", "B-PER", "I-PER"}
    code, text, error = run(capsys, "evaluate", kit / "predictions.jsonl", "--data", "sample", "--out", tmp_path / "r")
    assert code == 0, error
    (made,) = [path for path in (tmp_path / "r").rglob("*.json") if path.name.startswith("sample-")]
    folder = tmp_path / "submissions" / "mine"
    code, text, _ = run(capsys, "submit", made, *NAMED, "--out", folder, "--data", "sample")
    assert (code, text.splitlines()[0]) == (0, "mine: verified")
    board = ("leaderboard", "build", tmp_path / "submissions", "--data", "sample", "--out", tmp_path / "board")
    code, text, _ = run(capsys, *board)
    assert code == 0
    assert "1 verified, 0 rejected" in text


def test_the_example_of_a_system_is_short(checkout: Path) -> None:
    lines = (checkout / "gonerd" / "leaderboard" / "templates" / "predict.py.txt").read_text().splitlines()
    assert len([line for line in lines if line.strip()]) <= 20


def test_a_kit_replaces_nothing_of_somebody_else(tmp_path: Path, capsys) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    code, _, error = run(capsys, "template", "sample", "--out", tmp_path)
    assert code == 2
    assert "no kit" in error
