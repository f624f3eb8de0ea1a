import json

import pytest

from gonerd import store
from gonerd.cli.annotate import app
from gonerd.errors import GonerdError
from gonerd.formats import standoff
from gonerd.records import Annotation, Document, Span

TEXT = "Mr. Holt of Acme met Ben in Oslo."
DOCUMENTS = [Document("a", TEXT, "s"), Document("b", TEXT + " Bye.", "s")]
HOLT, ACME, OSLO = Span(4, 8, "PER"), Span(12, 16, "ORG"), Span(28, 32, "LOC")


def call(*arguments: object) -> None:
    app([str(argument) for argument in arguments], exit_on_error=False, result_action="return_value")


@pytest.fixture
def place(tmp_path):
    store.write_stage(DOCUMENTS, tmp_path / "documents", stage="test", config={})
    for name, spans in (("ann", (HOLT, ACME, OSLO)), ("ben", (HOLT, OSLO))):
        passes = [Annotation(one.id, one.text_sha256, name, "gonerd", spans) for one in DOCUMENTS]
        standoff.write(tmp_path / f"{name}.jsonl", passes, {one.id: one for one in DOCUMENTS})
        call("import", tmp_path / f"{name}.jsonl", "--documents", tmp_path / "documents", "--out", tmp_path / name)
    return tmp_path


def test_from_passes_to_gold(place, capsys):
    both = [place / "ann", place / "ben"]
    call("agreement", *both, "--documents", place / "documents", "--out", place / "agreement.json")
    assert json.loads((place / "agreement.json").read_text())["pairs"][0]["exact"]["shared"] == 4
    assert "kappa" in capsys.readouterr().out
    with pytest.raises(GonerdError, match="2 differences are open"):
        call("adjudicate", *both, "--documents", place / "documents", "--out", place / "gold")
    assert not (place / "gold").exists()
    command = ["adjudicate", *both, "--documents", place / "documents", "--out", place / "gold"]
    call(*command, "--queue", place / "queue.jsonl")
    lines = [json.loads(line) for line in (place / "queue.jsonl").read_text().splitlines()]
    assert [line["surface"] for line in lines] == ["Acme", "Acme"]
    taken = [{**line, "label": None, "by": "eve", "why": "not named"} for line in lines]
    for line in taken:
        del line["proposals"]
    (place / "decisions.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in taken))
    call(*command, "--decisions", place / "decisions.jsonl")
    gold = list(store.read_records(place / "gold", Annotation))
    assert [item.spans for item in gold] == [(HOLT, OSLO)] * 2
    call(*command, "--policy", "senior:ann")
    assert next(iter(store.read_records(place / "gold", Annotation))).spans == (HOLT, ACME, OSLO)


def test_import_moves_a_pass_to_a_changed_text(place):
    changed = [Document("a", "Updated on Monday.\n\n" + TEXT, "s")]
    store.write_stage(changed, place / "changed", stage="test", config={})
    arguments = ["import", place / "ann.jsonl", "--documents", place / "changed", "--out", place / "moved"]
    with pytest.raises(GonerdError, match="--before"):
        call(*arguments)
    call(*arguments, "--before", place / "documents")
    (moved,) = store.read_records(place / "moved", Annotation)
    assert [changed[0].text[span.start : span.end] for span in moved.spans] == ["Holt", "Acme", "Oslo"]
    assert store.read_manifest(place / "moved").dropped == {"unknown_document": 1}


def test_suggest_writes_one_annotation_a_document(place):
    pytest.importorskip("spacy")
    call("suggest", place / "documents", "--out", place / "rules", "--with", "rules")
    found = list(store.read_records(place / "rules", Annotation))
    assert [item.document_id for item in found] == ["a", "b"]
    assert HOLT in found[0].spans
    with pytest.raises(GonerdError, match="unknown suggester"):
        call("suggest", place / "documents", "--out", place / "other", "--with", "magic")
