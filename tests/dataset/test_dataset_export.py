import gzip
import os
import subprocess
import sys
from dataclasses import replace

import pytest

from gonerd.dataset.examples import read_examples
from gonerd.dataset.export import LOSSES, export, import_conll, import_jsonl, import_spacy, import_standoff
from gonerd.errors import GonerdError
from gonerd.formats.conll import read_conll
from gonerd.records import Document, Example, Span, sha256_of
from gonerd.resources import folder

SHIPPED = folder("sample") / "dataset"


@pytest.fixture(scope="module")
def examples():
    return list(read_examples(SHIPPED, "test"))


def awkward():
    """Emoji, right-to-left text, odd white space, an id with spaces, and text between tokens."""
    text = "\n\n👩‍👩‍👧 Zoë\u2028 X  تل‎-אביב\t…skipped… Åre\u00a0.\n "
    tokens = ("👩‍👩‍👧", "Zoë", "X", "تل‎-אביב", "Åre", ".")
    starts = tuple(text.index(token) for token in tokens)
    return Example(
        id="a b%20c\u2003d/é", text=text, tokens=tokens, token_starts=starts,
        ner_tags=("O", "B-PER", "I-PER", "B-LOC", "B-LOC", "O"),
        entities=(Span(starts[1], starts[1] + 2, "PER"), Span(starts[3], starts[3] + 8, "LOC")),
        sentence_starts=(0, 3), source="s", url=None, license="CC0-1.0", title="T", published="2026-01-02",
        annotators=("one", "two"), text_sha256=sha256_of(text), split="test",
    )  # fmt: skip


def empty():
    return replace(awkward(), id="empty", tokens=(), token_starts=(), ner_tags=(), entities=(), sentence_starts=None)


@pytest.mark.parametrize(("form", "back"), [("jsonl", import_jsonl), ("spacy", import_spacy)])
def test_forms_that_lose_nothing_come_back_in_the_same_bytes(examples, tmp_path, form, back):
    given = [*examples, awkward(), empty()]
    assert export(given, tmp_path / "one", form=form) == len(given)
    again = list(back(tmp_path / "one", split="test"))
    assert again == given
    export(again, tmp_path / "two", form=form)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    assert LOSSES[form] == ""


@pytest.mark.parametrize(("form", "back"), [("jsonl", import_jsonl), ("standoff", None)])
def test_a_name_that_ends_in_gz_is_packed(examples, tmp_path, form, back):
    export(examples, tmp_path / "plain", form=form)
    for name in ("one.jsonl.gz", "two.jsonl.gz"):
        export(examples, tmp_path / name, form=form)
    assert gzip.decompress((tmp_path / "one.jsonl.gz").read_bytes()) == (tmp_path / "plain").read_bytes()
    assert (tmp_path / "one.jsonl.gz").read_bytes() == (tmp_path / "two.jsonl.gz").read_bytes()
    if back:
        assert list(back(tmp_path / "one.jsonl.gz", split="test")) == examples
        assert list(read_examples(tmp_path / "one.jsonl.gz", "test")) == examples


@pytest.mark.parametrize("form", ["conll", "spacy"])
def test_what_is_not_read_packed_is_not_written_so(examples, tmp_path, form):
    with pytest.raises(GonerdError, match=f"{form} is not read packed"):
        export(examples, tmp_path / "one.gz", form=form)
    assert list(tmp_path.iterdir()) == []


def test_conll_keeps_ids_words_tags_and_sentences(examples, tmp_path):
    given = [*examples, awkward(), empty()]
    export(given, tmp_path / "one.conll", form="conll")
    again = list(import_conll(tmp_path / "one.conll", split="test"))
    for old, new in zip(given, again, strict=True):
        assert (new.id, new.tokens, new.ner_tags) == (old.id, old.tokens, old.ner_tags)
        assert new.sentence_starts == (old.sentence_starts or ())
    export(again, tmp_path / "two.conll", form="conll")
    assert (tmp_path / "one.conll").read_bytes() == (tmp_path / "two.conll").read_bytes()
    assert "exact spans" in LOSSES["conll"]


def test_what_conll_cannot_hold_is_named(tmp_path):
    spaced = replace(awkward(), tokens=("👩‍👩‍👧 Zoë",), token_starts=(2,), ner_tags=("O",), sentence_starts=None)
    with pytest.raises(GonerdError, match=r"no form for token 0.*jsonl"):
        export([spaced], tmp_path / "one.conll", form="conll")
    assert list(tmp_path.iterdir()) == []
    text = "-DOCSTART- went"  # which would begin another document when it is read
    start = replace(
        awkward(), text=text, tokens=tuple(text.split()), token_starts=(0, 11), ner_tags=("O", "O"), entities=(),
        sentence_starts=(0,),
    )  # fmt: skip
    with pytest.raises(GonerdError, match="no form for token 0"):
        export([start], tmp_path / "one.conll", form="conll")
    for text, message in (
        ("word O\n", "line 1: expected -DOCSTART-"),
        ("-DOCSTART- a O\n\nword\n", "line 3: expected a"),
    ):
        (tmp_path / "bad.conll").write_text(text)
        with pytest.raises(GonerdError, match=message):
            list(read_conll(tmp_path / "bad.conll"))
    (tmp_path / "bad.conll").write_bytes(b"-DOCSTART- a O\n\xff O\n")
    with pytest.raises(GonerdError, match="not UTF-8"):
        list(read_conll(tmp_path / "bad.conll"))


def test_stand_off_comes_back_with_the_documents(examples, tmp_path):
    export(examples, tmp_path / "one.jsonl", form="standoff")
    assert examples[0].text[:200] not in (tmp_path / "one.jsonl").read_text(encoding="utf-8")
    documents = {example.id: Document(example.id, example.text, example.source) for example in examples}
    assert list(import_standoff(tmp_path / "one.jsonl", documents=documents)) == examples
    changed = {**documents, examples[0].id: Document(examples[0].id, "Another.", "s")}
    for wrong, message in (({}, "document is missing"), (changed, "text has changed")):
        with pytest.raises(GonerdError, match=message):
            list(import_standoff(tmp_path / "one.jsonl", documents=wrong))


def test_spacy_reads_the_same_entities_and_sentences(examples, tmp_path):
    import spacy
    from spacy.tokens import DocBin

    export([*examples[:2], awkward()], tmp_path / "test.spacy", form="spacy")
    docs = list(DocBin().from_disk(tmp_path / "test.spacy").get_docs(spacy.blank("en").vocab))
    for doc, example in zip(docs, [*examples[:2], awkward()], strict=True):
        assert doc.text == example.text
        assert len(list(doc.sents)) == len(example.sentence_starts)
        inside = {place for place, tag in zip(example.token_starts, example.ner_tags, strict=True) if tag != "O"}
        assert {token.idx for entity in doc.ents for token in entity if token.idx in example.token_starts} == inside
        assert [entity.label_ for entity in doc.ents] == [tag[2:] for tag in example.ner_tags if tag[0] == "B"]


def test_the_bytes_depend_on_no_process(tmp_path):
    code = (
        "import sys; from pathlib import Path; from gonerd.dataset.examples import read_examples\n"
        "from gonerd.dataset.export import export\n"
        "export(read_examples(Path(sys.argv[1]), 'test'), Path(sys.argv[2]), form='spacy')"
    )
    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        command = [sys.executable, "-c", code, str(SHIPPED), str(tmp_path / seed)]
        subprocess.run(command, env=environment, check=True, timeout=120)
    assert (tmp_path / "1").read_bytes() == (tmp_path / "2").read_bytes()


def test_a_folder_is_no_file_to_write(tmp_path):
    with pytest.raises(GonerdError, match=f"{tmp_path}: this is a folder. Name a file"):
        export([], tmp_path, form="jsonl")


def test_what_is_no_doc_bin_is_one_line(tmp_path):
    (tmp_path / "x.spacy").write_bytes(b"not one")
    with pytest.raises(GonerdError, match="not a DocBin"):
        list(import_spacy(tmp_path / "x.spacy", split="test"))
    with pytest.raises(GonerdError, match="no such file"):
        list(import_spacy(tmp_path / "y.spacy", split="test"))
