"""Broken and hostile input at the command line: one clear line and exit code 2, or the right answer."""

import json
import pickle
import shutil

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from safetensors.torch import load_file, save_file
from tiny_models import tiny_checkpoint, tiny_gold

from gonerd.cli.main import main
from gonerd.evaluation.result import read_result
from gonerd.formats import jsonl
from gonerd.records import Prediction

GOLD = tiny_gold(3)
WEIGHTS = "model.safetensors"
ROW = {"id": "a", "tokens": ["Ann", "in", "Oslo"], "ner_tags": ["B-PER", "O", "B-LOC"]}


class Bomb:
    def __reduce__(self):
        return (exec, ("raise SystemExit('the pickle was opened')",))


@pytest.fixture(scope="module", params=["modernbert", "longformer"])  # run by transformers, and by the encoder
def checkpoint(request, tmp_path_factory):
    return tiny_checkpoint(tmp_path_factory.mktemp("model") / "tiny", architecture=request.param)


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "1000")
    jsonl.write(tmp_path / "gold.jsonl", list(GOLD.documents))
    jsonl.write(tmp_path / "mine.jsonl", [Prediction(d.id, ner_tags=d.tags) for d in GOLD.documents])
    return tmp_path


def evaluate(*arguments):
    with pytest.raises(SystemExit) as done:
        main(["evaluate", *map(str, arguments)])
    return done.value.code


def refused(capsys, here, said, *arguments):
    assert evaluate(*arguments, "--device", "cpu") == 2
    shown = capsys.readouterr()
    assert said in shown.err
    assert len(shown.err.strip().splitlines()) == 1, shown.err
    assert not list(here.glob("results/*/*/*.json"))


def cut_off(folder):
    (folder / WEIGHTS).write_bytes((folder / WEIGHTS).read_bytes()[:-100])


def a_pickle_beside(folder):
    (folder / WEIGHTS).unlink()
    (folder / "pytorch_model.pkl").write_bytes(pickle.dumps(Bomb()))


def a_pickle_instead(folder):
    (folder / WEIGHTS).write_bytes(pickle.dumps(Bomb()))


def an_index_of_files_elsewhere(folder):
    """Which are in no revision: what is evaluated could change without one."""
    (folder / WEIGHTS).rename(folder.parent / "elsewhere.safetensors")
    shutil.copy(folder.parent / "elsewhere.safetensors", folder / "another.safetensors")
    names = load_file(folder.parent / "elsewhere.safetensors")
    index = {"metadata": {}, "weight_map": dict.fromkeys(names, "../elsewhere.safetensors")}
    (folder / f"{WEIGHTS}.index.json").write_text(json.dumps(index))


def no_number(folder):
    state = load_file(folder / WEIGHTS)
    state["classifier.bias"][3] = float("nan")
    save_file(state, folder / WEIGHTS, metadata={"format": "pt"})


def of_another_task(folder):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"architectures": ["BertForSequenceClassification"]}))


def of_another_scheme(folder):
    config = json.loads((folder / "config.json").read_text())
    names = ["O", *(f"{prefix}-GENE{number}" for number in range(4) for prefix in "BI")]
    config |= {"id2label": dict(enumerate(names)), "label2id": {name: place for place, name in enumerate(names)}}
    (folder / "config.json").write_text(json.dumps(config))


@pytest.mark.parametrize(
    "settings",
    [
        {"num_attention_heads": 0},
        {"hidden_size": -32},
        {"max_position_embeddings": -1},
        {"num_hidden_layers": 10**6},
        {"vocab_size": 10**12},
        {"pad_token_id": 10**6},
        {"pad_token_id": None},
        {"hidden_act": "none"},
    ],
)
@pytest.mark.parametrize("prefix", ["", "transformers:"])
def test_a_configuration_that_no_model_has(here, capsys, prefix, settings):
    folder = tiny_checkpoint(here / "broken", "longformer")
    config = json.loads((folder / "config.json").read_text()) | settings
    (folder / "config.json").write_text(json.dumps(config))
    refused(capsys, here, "broken: ", f"{prefix}{folder}", "--data", "gold.jsonl")


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (cut_off, "broken"),
        (a_pickle_beside, "pickle"),
        (a_pickle_instead, "broken"),
        (an_index_of_files_elsewhere, "which is no .safetensors file beside it"),
        (no_number, "NaN"),
        (of_another_task, "BertForSequenceClassification"),
        (of_another_scheme, "--labels"),
    ],
)
def test_a_checkpoint_that_is_none(checkpoint, here, capsys, damage, said):
    folder = shutil.copytree(checkpoint, here / "broken")
    damage(folder)
    refused(capsys, here, said, "broken", "--data", "gold.jsonl")


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"id": "a", "words": ROW["tokens"], "labels": ROW["ner_tags"]}, "no 'tokens'"),
        ({**ROW, "ner_tags": ["B-PER", "O"]}, "differ in length"),
        ({**ROW, "ner_tags": ["B-PERSON", "O", "B-LOC"]}, "'B-PERSON'"),
        ({**ROW, "ner_tags": [1, 0, 99]}, "above 8"),
        ({**ROW, "tokens": "Ann in Oslo"}, "not a gold row"),
        ([ROW], "object"),
    ],
)
def test_gold_that_is_none(here, capsys, row, said):
    (here / "odd.jsonl").write_text(json.dumps(row) + "\n")
    refused(capsys, here, said, "mine.jsonl", "--data", "odd.jsonl")


def test_gold_with_other_columns_in_parquet(here, capsys):
    pq.write_table(pa.table({"document": ["a"], "tags": [["O"]]}), here / "odd.parquet")
    refused(capsys, here, "no 'id'", "mine.jsonl", "--data", "odd.parquet")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--data", "sample", "--split", "dev"), "unknown split 'dev'"),
        (("--data", "nothing-here"), "unknown dataset 'nothing-here'"),
        (("--data", "gold.jsonl", "--scheme", "none"), "none"),
        (("--data", "gold.jsonl", "--train", "nowhere.jsonl"), "nowhere.jsonl"),
        (("--data", "gold.jsonl", "--stride", "-1"), "-1"),
    ],
)
def test_what_is_not_there(here, capsys, arguments, said):
    refused(capsys, here, said, "mine.jsonl", *arguments)


def test_odd_documents_are_answered(checkpoint, here, capsys):
    rows = [
        {"id": "empty", "tokens": [], "ner_tags": []},
        {"id": "blank", "tokens": ["", "\u200b"], "ner_tags": ["O", "O"]},
        {"id": "long", "tokens": ["Oslo", "is"] * 1_500, "ner_tags": ["B-LOC", "O"] * 1_500},
        {"id": "one word", "tokens": ["x" * 5_000], "ner_tags": ["O"]},
    ]
    (here / "odd.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert evaluate(checkpoint, "--data", "odd.jsonl", "--device", "cpu") == 0
    result = read_result(here / capsys.readouterr().out.splitlines()[-1])
    assert result.coverage.predicted_words == result.coverage.gold_words == 3_003
    assert result.coverage.lost_words in (1, 2)  # by the tokenizer: the empty word, and perhaps the one without width
    assert result.coverage.windowed_documents == 2
