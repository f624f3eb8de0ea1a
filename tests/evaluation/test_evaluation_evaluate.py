import json
from dataclasses import replace

import pytest
from tiny_models import SCHEME, tiny_checkpoint, tiny_gold

from gonerd.cli.main import main
from gonerd.errors import GonerdError
from gonerd.evaluation.evaluate import About, RunConfig, evaluate, predictions_path, whole_file
from gonerd.evaluation.hardware import watch_memory
from gonerd.evaluation.predict import PredictConfig
from gonerd.evaluation.result import read_result, result_path
from gonerd.formats import jsonl
from gonerd.formats.gold import Gold
from gonerd.formats.predictions import match, read_predictions, write_predictions
from gonerd.models.checkpoints import checkpoint_revision
from gonerd.records import Prediction

CONFIG = PredictConfig(device="cpu")
GOLD = tiny_gold()


def named(name):
    return About(RunConfig(name=name))


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return tiny_checkpoint(tmp_path_factory.mktemp("model") / "tiny")


@pytest.fixture(scope="module")
def written(checkpoint, tmp_path_factory):
    out = tmp_path_factory.mktemp("results")
    return evaluate(checkpoint, GOLD, out, config=CONFIG, about=named("org/tiny"))


def test_the_result_lies_where_its_key_says_and_names_everything(checkpoint, written):
    result = read_result(written)
    revision = checkpoint_revision(checkpoint)
    assert written.parts[-3:] == ("org__tiny", revision[:12], f"tiny-test-{result.key}.json")
    assert (result.model.layers, result.model.reach_tokens, result.model.revision) == (2, 64, revision)
    assert result.data.inputs == GOLD.fingerprint.inputs
    assert result.coverage.predicted_words == result.coverage.gold_words == GOLD.words
    assert result.coverage.windowed_documents > 0
    assert set(result.by_source) == {"source-0", "source-1"}
    assert result.speed.words_per_second > 0
    assert result.libraries["torch"]


def test_the_predictions_beside_it_score_the_same_again(written):
    result = read_result(written)
    matching = match(GOLD, read_predictions(predictions_path(written)))
    assert not matching.problems
    assert matching.scores().micro.f1 == result.strict.micro.f1
    assert matching.scores(reading="lenient").micro.f1 == result.lenient.micro.f1
    assert result.strict.micro.gold == sum(tag.startswith("B-") for item in GOLD.documents for tag in item.ner_tags)


def test_only_what_is_missing_is_computed(checkpoint, written, monkeypatch):
    out, before = written.parents[2], written.read_bytes()
    monkeypatch.setattr("gonerd.evaluation.evaluate._write", lambda *_, **__: pytest.fail("computed again"))
    assert evaluate(checkpoint, GOLD, out, config=CONFIG, about=named("org/tiny")) == written
    assert (
        evaluate(checkpoint, GOLD, out, config=PredictConfig(device="cpu", max_tokens=64), about=named("org/tiny"))
        == written
    )
    for gold, config in ((tiny_gold(7), CONFIG), (GOLD, PredictConfig(device="cpu", stride=3))):
        with pytest.raises(pytest.fail.Exception):
            evaluate(checkpoint, gold, out, config=config, about=named("org/tiny"))
    assert written.read_bytes() == before


def test_a_result_without_its_predictions_is_computed_again(checkpoint, tmp_path):
    path = evaluate(checkpoint, GOLD, tmp_path, config=CONFIG)
    content = predictions_path(path).read_bytes()
    predictions_path(path).unlink()
    assert evaluate(checkpoint, GOLD, tmp_path, config=CONFIG) == path
    assert predictions_path(path).read_bytes() == content


def test_no_documents_are_an_error(checkpoint, tmp_path):
    with pytest.raises(GonerdError, match="no documents"):
        evaluate(checkpoint, Gold.of([], scheme=SCHEME), tmp_path, config=CONFIG)


def write(path, documents):
    jsonl.write(path, [Prediction(document.id, ner_tags=document.ner_tags) for document in documents])
    return path


def test_perfect_predictions_score_one(tmp_path):
    path = evaluate(
        write(tmp_path / "p.jsonl.gz", GOLD.documents), GOLD, tmp_path, config=CONFIG, about=named("us/file")
    )
    result = read_result(path)
    assert result.strict.micro.f1 == result.lenient.micro.f1 == 1.0
    assert result.model.backend == "predictions"
    assert evaluate(tmp_path / "p.jsonl.gz", GOLD, tmp_path, config=CONFIG, about=named("us/file")) == path


def test_predictions_that_leave_words_out_are_refused(tmp_path):
    with pytest.raises(GonerdError, match="1 documents can not be scored; the first is test-0: missing"):
        evaluate(write(tmp_path / "p.jsonl", GOLD.documents[1:]), GOLD, tmp_path, config=CONFIG, about=named("us/file"))
    short = replace(GOLD.documents[2], tokens=("a",), ner_tags=("O",), token_starts=(0,))
    documents = [*GOLD.documents[:2], short, *GOLD.documents[3:]]
    with pytest.raises(GonerdError, match="test-2: misaligned"):
        evaluate(write(tmp_path / "q.jsonl", documents), GOLD, tmp_path, config=CONFIG, about=named("us/file"))


@pytest.mark.parametrize("split", ["../../up", "a/b", "", "x" * 100])
def test_a_split_that_is_no_file_name_is_refused(written, tmp_path, split):
    content = json.loads(written.read_text())
    content["data"]["split"] = split
    (tmp_path / "result.json").write_text(json.dumps(content))
    with pytest.raises(GonerdError, match=r"data\.split"):
        read_result(tmp_path / "result.json")


def test_names_can_not_climb_out_of_the_folder(written):
    result = read_result(written)
    model = result.model.model_copy(update={"name": "../../etc/x", "revision": "../up"})
    path = result_path(result.data, model, result.settings)
    assert ".." not in path.parts
    assert len(path.parts) == 3


def test_another_scorer_is_another_result(written):
    result = read_result(written)
    other = result.model_copy(update={"scorer": result.scorer.model_copy(update={"version": "2"})})
    assert other.key != result.key
    assert other.path != result.path
    assert result_path(result.data, result.model, result.settings) == result.path


def test_memory_is_measured_above_the_level_before():
    with watch_memory("cpu") as small:
        pass
    with watch_memory("cpu") as large:
        block = bytearray(100 * 2**20)
        block[::4096] = b"x" * len(block[::4096])
    assert small.mib < 20
    assert 90 < large.mib < 150


def test_the_command_line_evaluates_files_and_models(checkpoint, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    jsonl.write(tmp_path / "gold.jsonl", list(GOLD.documents))
    write(tmp_path / "mine.jsonl", GOLD.documents)
    options = ["--device", "cpu", "--decoder", "viterbi", "--stride", "7"]
    with pytest.raises(SystemExit) as done:
        main(["evaluate", str(checkpoint), "mine.jsonl", "--data", "gold.jsonl", *options])
    assert done.value.code == 0
    printed = capsys.readouterr().out
    assert "100.00" in printed
    assert [line for line in printed.splitlines() if "without effect" in line] == [
        "mine: without effect: stride, decoder"
    ]
    assert len(list((tmp_path / "results").glob("*/*/gold-test-*.json"))) == 2
    with pytest.raises(SystemExit) as done:
        main(["evaluate", "no/such/model", "--data", "gold.jsonl"])
    assert done.value.code == 2
    assert "no such folder, and no name on the Hub" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["model", "info", str(checkpoint)])
    assert "modernbert" in capsys.readouterr().out


def test_of_a_file_that_is_not_complete_nothing_is_left(tmp_path):
    def broken():
        yield Prediction("a", ner_tags=())
        raise OSError("full")

    with pytest.raises(OSError, match="full"), whole_file(tmp_path / "a.jsonl") as partial:
        write_predictions(partial, broken())
    assert not list(tmp_path.iterdir())
