import json

import pytest
from dataset_support import make_document, make_gold, make_stages

from gonerd.cli.dataset import app
from gonerd.dataset.compare import compare
from gonerd.dataset.examples import read_examples
from gonerd.dataset.statistics import read_statistics
from gonerd.errors import GonerdError


def gonerd(*arguments):
    return app([str(argument) for argument in arguments], result_action="return_value")


def test_build_stats_export_diff(built, tmp_path, capsys):
    documents = [make_document(number) for number in range(8)]
    make_stages(tmp_path, documents, [make_gold(document) for document in documents[:7]])
    (tmp_path / "splits.jsonl").write_text('{"id": "doc-000", "split": "test"}\n')
    folders = ("--documents", tmp_path / "documents", "--gold", tmp_path / "gold", "--out", tmp_path / "out")
    gonerd("build", *folders, "--splits", tmp_path / "splits.jsonl", "--version", "2.1.0", "--name", "mine")
    shown = capsys.readouterr().out
    assert "7 documents" in shown
    assert "1 no_annotation" in shown
    assert "doc-000" in {example.id for example in read_examples(tmp_path / "out", "test")}
    gonerd("stats", tmp_path / "out", "--json")
    assert json.loads(capsys.readouterr().out)["total"]["documents"] == 7
    gonerd("export", built, tmp_path / "test.jsonl", "--split", "test")
    assert list(read_examples(tmp_path / "test.jsonl", "test")) == list(read_examples(built, "test"))
    gonerd("export", built, tmp_path / "test.conll", "--split", "test", "--to", "conll")
    first = next(read_examples(built, "test"))
    lines = (tmp_path / "test.conll").read_text(encoding="utf-8").splitlines()
    assert lines[:4] == [f"-DOCSTART- {first.id} O", "", "Anna B-PER", "Lund I-PER"]
    assert gonerd("diff", built, built) == 0
    assert gonerd("diff", built, tmp_path / "out") == 1
    assert "removed: 7 (doc-007," in capsys.readouterr().out


def test_compare_tells_what_changed(tmp_path):
    documents = [make_document(number) for number in range(6)]
    gold = [make_gold(document) for document in documents]
    from gonerd.dataset.build import Given, build

    splits = {document.id: "train" for document in documents}
    build(*make_stages(tmp_path / "a", documents[:5], gold[:5]), tmp_path / "first", given=Given(splits=splits))
    rewritten = make_document(1, text=documents[1].text + " More.")
    gold[1:3] = [make_gold(rewritten), make_gold(documents[2], (0, 9, "MISC"))]
    others = [documents[0], rewritten, documents[2], documents[3], documents[5]]
    stages = make_stages(tmp_path / "b", others, [gold[0], gold[1], gold[2], gold[3], gold[5]])
    build(*stages, tmp_path / "second", given=Given(splits={**splits, "doc-003": "test"}))
    found = compare(tmp_path / "first", tmp_path / "second")
    assert (found.added, found.removed) == (("doc-005",), ("doc-004",))
    assert (found.rewritten, found.relabelled, found.moved) == (("doc-001",), ("doc-002",), ("doc-003",))


def test_examples_come_back_from_every_form(built, tmp_path):
    examples = list(read_examples(built, "train"))
    assert examples == list(read_examples(str(built), "train"))
    rows = [
        {
            "id": e.id,
            "text": e.text,
            "tokens": e.tokens,
            "token_starts": e.token_starts,
            "ner_tags": [0] * len(e.tokens),
        }
        for e in examples
    ]
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    again = list(read_examples(path, "train"))
    assert [(e.id, e.tokens, e.token_starts) for e in again] == [(e.id, e.tokens, e.token_starts) for e in examples]
    assert {tag for example in again for tag in example.ner_tags} == {"O"}
    path.write_text(json.dumps({**rows[0], "token_starts": [1] * len(rows[0]["tokens"])}))
    with pytest.raises(GonerdError, match=r"rows.jsonl, line 1: .*is not at code point"):
        list(read_examples(path, "train"))
    with pytest.raises(GonerdError, match=r"unknown split 'trian'. Did you mean 'train'"):
        list(read_examples(built, "trian"))
    with pytest.raises(GonerdError, match="no such dataset"):
        read_examples(tmp_path / "nothing", "test")


def test_stats_of_no_dataset_is_one_line(tmp_path):
    with pytest.raises(GonerdError, match="no such file"):
        read_statistics(tmp_path)
