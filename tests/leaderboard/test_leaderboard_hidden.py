"""A split whose labels are kept back: predicted and submitted by who has none, scored by who has them."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hub_stub import hub_environment, hub_stub

import gonerd.sample
from gonerd.cli.main import main
from gonerd.dataset.examples import read_documents
from gonerd.dataset.hidden import hide_labels
from gonerd.errors import GonerdError
from gonerd.evaluation.result import Unscored, read_outcome
from gonerd.formats.gold import Gold, GoldDocument
from gonerd.formats.predictions import match, read_predictions
from gonerd.labels import load_scheme
from gonerd.leaderboard.verification import NOT_CLAIMED
from gonerd.leaderboard.verify import verify

SAMPLE = Path(gonerd.sample.__file__).parent / "dataset"
NAMED = ("--name", "Blind", "--contact", "me@example.org")


def run(capsys, *arguments: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as exit_:
        main([str(argument) for argument in arguments])
    out, error = capsys.readouterr()
    return int(exit_.value.code or 0), " ".join(out.split()), " ".join(error.split())


@pytest.fixture(scope="module")
def published(tmp_path_factory) -> tuple[Path, Path]:
    """The sample without the labels of its test split, and the folder where these are kept."""
    folder = tmp_path_factory.mktemp("hidden")
    hide_labels(SAMPLE, "test", out=folder / "public", gold=folder / "kept")
    return folder / "public", folder / "kept"


@pytest.fixture(scope="module")
def blind(published, tmp_path_factory) -> Path:
    """The predictions of the template's own example, which never saw a label."""
    kit = tmp_path_factory.mktemp("kit") / "kit"
    with pytest.raises(SystemExit) as done:
        main(["template", str(published[0]), "--out", str(kit)])
    assert done.value.code == 0
    subprocess.run([sys.executable, "predict.py"], cwd=kit, check=True)
    return kit / "predictions.jsonl"


def evaluated(capsys, blind: Path, public: object, out: Path) -> Path:
    code, text, error = run(capsys, "evaluate", blind, "--data", public, "--out", out)
    assert code == 0, error
    assert "not scored: the labels are hidden" in text
    (place,) = out.glob("*/*/*.json")
    return place


@pytest.fixture
def mine(published, blind, tmp_path, capsys) -> Path:
    """A submission of such predictions, with its result in `results` beside it."""
    place = evaluated(capsys, blind, published[0], tmp_path / "results")
    run(capsys, "submit", place, *NAMED, "--out", tmp_path / "mine")
    return tmp_path / "mine"


def test_the_whole_circle(published, blind, tmp_path, capsys) -> None:
    public, kept = published
    place = evaluated(capsys, blind, public, tmp_path / "results")
    unscored = read_outcome(place)
    assert isinstance(unscored, Unscored)
    assert unscored.coverage.predicted_words == unscored.coverage.gold_words == unscored.data.words
    assert {"strict", "lenient", "analysis", "by_source"}.isdisjoint(json.loads(place.read_text()))
    assert "gold" not in json.loads(place.read_text())["data"]
    assert not list(place.parent.glob("*.documents.jsonl.gz"))
    mine = tmp_path / "submissions" / "mine"
    code, text, _ = run(capsys, "submit", place, *NAMED, "--out", mine, "--data", public)
    assert (code, "not scored, for the labels are hidden" in text) == (0, True)
    assert not list(place.parent.glob("*.model-page"))
    report = tmp_path / "verification.json"
    code, text, _ = run(capsys, "verify", mine, "--data", kept, "--report", report)
    assert (code, text) == (0, "mine: verified")
    (found,) = json.loads(report.read_text())["submissions"]
    code, text, _ = run(capsys, "score", "--gold", kept / "test.jsonl", "--predictions", blind, "--json")
    scored = json.loads(text)
    assert (code, found["strict_f1"]) == (0, scored["strict"]["micro"]["f1"])
    assert found["strict_f1"] > 0
    assert found["data"]["gold"] == scored["gold"]
    left = {check["name"] for check in found["checks"] if check["detail"] == NOT_CLAIMED}
    assert left == {"strict", "lenient", "sources", "analysis"}
    site = tmp_path / "site"
    code, text, _ = run(capsys, "leaderboard", "build", mine.parent, "--data", kept, "--out", site)
    assert (code, "1 verified, 0 rejected" in text) == (0, True)
    (board,) = json.loads((site / "leaderboard.json").read_text())["boards"]
    assert (board["name"], board["entries"][0]["f1"]) == (unscored.data.name, found["strict_f1"])


def test_a_result_with_scores_and_one_without_stand_on_one_board(published, blind, tmp_path, capsys) -> None:
    public, kept = published
    place = evaluated(capsys, blind, public, tmp_path / "results")
    code, *_ = run(capsys, "evaluate", blind, "--data", SAMPLE, "--out", tmp_path / "open", "--name", "seeing")
    assert code == 0
    (scored,) = (tmp_path / "open").glob("*/*/*.json")
    for name, result in (("blind", place), ("seeing", scored)):
        assert run(capsys, "submit", result, *NAMED, "--out", tmp_path / "submissions" / name)[0] == 0
    gold = Gold.of(read_documents(SAMPLE, "test"), scheme=load_scheme(), name="sample", split="test")
    blind_found, seeing = (verify(tmp_path / "submissions" / name, gold) for name in ("blind", "seeing"))
    assert blind_found.verified
    assert seeing.verified
    assert blind_found.strict == seeing.strict
    code, text, _ = run(capsys, "verify", tmp_path / "submissions" / "seeing", "--data", kept)
    assert (code, text) == (0, "seeing: verified")


def test_what_is_there_already_is_not_predicted_again(published, blind, tmp_path, capsys) -> None:
    place = evaluated(capsys, blind, published[0], tmp_path)
    before = place.stat().st_mtime_ns
    assert evaluated(capsys, blind, published[0], tmp_path) == place
    assert place.stat().st_mtime_ns == before


@pytest.mark.parametrize("command", ["verify", "build", "score", "compare"])
def test_hidden_gold_scores_nothing(published, blind, command, tmp_path, capsys) -> None:
    public, _ = published
    place = evaluated(capsys, blind, public, tmp_path / "results")
    mine = tmp_path / "submissions" / "mine"
    run(capsys, "submit", place, *NAMED, "--out", mine)
    (file,) = (public / "data").glob("test-*.parquet")
    arguments = {
        "verify": ("verify", mine, "--data", public),
        "build": ("leaderboard", "build", mine.parent, "--data", public, "--out", tmp_path / "site"),
        "score": ("score", "--gold", file, "--predictions", blind),
        "compare": ("compare", place, place),
    }
    code, out, error = run(capsys, *arguments[command])
    assert (code, out) == (2, "")
    assert "labels are hidden" in error
    assert not (tmp_path / "site").exists()


def test_hidden_labels_are_an_error_wherever_they_are_asked_for() -> None:
    gold = Gold.of([GoldDocument("one", ("a",), None)], scheme=load_scheme())
    assert (gold.hidden, gold.fingerprint.gold, gold.words) == (True, None, 1)
    with pytest.raises(GonerdError, match="its labels are hidden"):
        match(gold, []).scores()
    with pytest.raises(GonerdError, match="some documents have labels"):
        Gold.of([GoldDocument("one", ("a",), None), GoldDocument("two", ("a",), ("O",))], scheme=load_scheme())


def test_a_submitter_sees_what_is_missing_before_it_is_sent(published, blind, tmp_path, capsys) -> None:
    public, kept = published
    place = evaluated(capsys, blind, public, tmp_path / "results")
    rows = list(read_predictions(blind))
    short = tmp_path / "short.jsonl"
    lines = [
        {"id": row.id, "ner_tags": (row.ner_tags or ())[: -1 if number == 0 else None]}
        for number, row in enumerate(rows)
    ]
    short.write_text("".join(json.dumps(line) + "\n" for line in lines))
    mine = tmp_path / "mine"
    arguments = ("submit", place, *NAMED, "--out", mine, "--predictions", short, "--to", "hub:a/b")
    code, text, _ = run(capsys, *arguments, "--data", public)
    assert (code, "complete: misaligned: 1 documents" in text, "Sent" in text) == (1, True, False)
    code, text, _ = run(capsys, "verify", mine, "--data", kept)
    assert (code, "complete: misaligned: 1 documents" in text) == (1, True)


def test_other_documents_are_never_taken_for_these(published, blind, mine, tmp_path, capsys) -> None:
    """The fingerprint over ids and tokens is what joins a blind submission to its gold."""
    _, kept = published
    (place,) = (tmp_path / "results").glob("*/*/*.json")
    documents = list(read_documents(SAMPLE, "test"))
    first = documents[0]
    changed = GoldDocument(first.id, (first.tokens[0] + "x", *first.tokens[1:]), first.ner_tags)
    other = Gold.of([changed, *documents[1:]], scheme=load_scheme(), name="sample", split="test")
    assert [check.name for check in verify(mine, other).failures if check.made] == ["data"]
    code, text, _ = run(capsys, "submit", place, *NAMED, "--out", mine, "--data", SAMPLE, "--predictions", blind)
    assert (code, text.startswith("mine: verified")) == (0, True)  # one who has the labels may look
    altered = shutil.copytree(kept, tmp_path / "altered")
    rows = [json.loads(line) for line in (altered / "test.jsonl").read_text().splitlines()]
    rows[0]["ner_tags"][0] = "B-ORG" if rows[0]["ner_tags"][0] == "O" else "O"
    rows[0]["ner_tags"][1] = "O"
    (altered / "test.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    code, _, error = run(capsys, "verify", mine, "--data", altered)
    assert (code, "is not what was kept here" in error) == (2, True)
    code, _, error = run(capsys, "verify", mine, "--data", kept, "--split", "train")
    assert (code, "split" in error) == (2, True)


def test_scores_beside_the_word_that_there_are_none_are_refused(published, mine, capsys) -> None:
    _, kept = published
    claim = json.loads((mine / "result.json").read_text())
    for change in (
        {"strict": {"micro": {"f1": 1.0}}},
        {"unscored": "because"},
        {"data": {**claim["data"], "gold": "0" * 64}},
    ):
        (mine / "result.json").write_text(json.dumps({**claim, **change}))
        code, text, _ = run(capsys, "verify", mine, "--data", kept)
        assert (code, "result: " in text) == (1, True), change


def test_by_the_name_under_which_it_is_published(blind, tmp_path, capsys) -> None:
    own = shutil.copytree(SAMPLE, tmp_path / "own")
    manifest = json.loads((own / "manifest.json").read_text())
    manifest["config"]["build"]["contact"] = "me@example.org"  # without which nothing is published
    (own / "manifest.json").write_text(json.dumps(manifest))
    with hub_stub() as (state, address):
        environment = hub_environment(address, tmp_path)

        def gonerd_(*arguments: object) -> str:
            command = [sys.executable, "-m", "gonerd", *map(str, arguments)]
            done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
            return " ".join(done.stdout.split())

        flags = ("--hide-labels", "test", "--gold", "kept")
        gonerd_("dataset", "publish", own, "org/blind", *flags)
        assert "org/blind" in state.repositories
        assert "not scored" in gonerd_("evaluate", blind, "--data", "org/blind")
    (place,) = (tmp_path / "results").glob("*/*/*.json")
    assert run(capsys, "submit", place, *NAMED, "--out", tmp_path / "mine")[0] == 0
    code, text, _ = run(capsys, "verify", tmp_path / "mine", "--data", tmp_path / "kept")
    assert (code, text) == (0, "mine: verified")
