import json

import pytest

from gonerd.dataset.foreign import REBUILT, Reader
from gonerd.errors import GonerdError
from gonerd.records import Span


def read(row, **maps):
    return Reader(source="a/b", split="test", **maps).example(row, number=3)


def test_words_with_tags_get_a_text_and_offsets():
    found = read({"words": ["Ann", "in", "New", "York"], "tags": ["B-PER", "O", "B-LOC", "I-LOC"]})
    assert (found.id, found.text, found.token_starts) == ("test-00003", "Ann in New York", (0, 4, 7, 11))
    assert found.entities == (Span(0, 3, "PER"), Span(7, 15, "LOC"))
    assert found.source == f"a/b ({REBUILT})"


def test_words_are_found_in_a_text_that_is_given():
    found = read(
        {"doc_id": 7, "text": "Ann,  in\nOslo.", "tokens": ["Ann", ",", "in", "Oslo", "."], "ner_tags": ["O"] * 5}
    )
    assert (found.id, found.token_starts, found.source) == ("7", (0, 3, 6, 9, 13), "a/b")
    other = read({"text": "Ann went", "tokens": ["Ann", "gone"], "ner_tags": ["O", "O"]})
    assert other.text == "Ann gone"


@pytest.mark.parametrize(
    ("entities", "taken"),
    [
        ([[0, 3, "PER"], [7, 10, "LOC"]], True),  # the exact spans: the tags have "Oslo" as a whole
        ([[0, 1, "PER"], [2, 3, "LOC"]], False),  # places in words
        (["Ann", "Oslo"], False),
        ([{"text": "Ann", "type": "PER"}], False),
        ([], False),
        ([[0, 3, "person"], [7, 11, "GPE"]], False),
    ],
)
def test_exact_spans_beside_tags_count_where_they_give_these_tags(entities, taken):
    row = {"text": "Ann in Oslo", "tokens": ["Ann", "in", "Oslo"], "ner_tags": ["B-PER", "O", "B-LOC"]}
    found = read({**row, "entities": entities})
    assert found.ner_tags == ("B-PER", "O", "B-LOC")
    assert found.entities == (Span(0, 3, "PER"), Span(7, 10 if taken else 11, "LOC"))


def test_a_text_with_spans_gets_words():
    spans = [{"start": 8, "end": 12, "label": "GPE"}, {"start": 0, "end": 3, "label": "PER"}]
    found = read({"text": "Ann (in Oslo)", "entities": spans}, labels={"GPE": "LOC"})
    assert found.tokens == ("Ann", "(", "in", "Oslo", ")")
    assert found.ner_tags == ("B-PER", "O", "O", "B-LOC", "O")
    assert found.entities == (Span(0, 3, "PER"), Span(8, 12, "LOC"))


def test_columns_and_labels_can_be_named():
    row = {"w": ["Ann", "x"], "t": [1, 0]}
    found = read(row, columns={"tokens": "w", "ner_tags": "t"}, labels={"1": "B-PER", "0": "O"})
    assert found.ner_tags == ("B-PER", "O")
    found = read({"tokens": ["Ann"], "tags": ["B-PERSON"]}, labels={"PERSON": "PER"})
    assert found.ner_tags == ("B-PER",)


def test_tags_in_iob1_become_iob2():
    tags = ["I-PER", "I-PER", "B-PER", "O", "I-LOC", "I-ORG"]  # B- where a name follows one of its own type
    found = read({"tokens": ["Ann", "Lund", "Bo", "of", "Oslo", "Trust"], "ner_tags": tags})
    assert found.ner_tags == ("B-PER", "I-PER", "B-PER", "O", "B-LOC", "B-ORG")
    assert [span.label for span in found.entities] == ["PER", "PER", "LOC", "ORG"]


@pytest.mark.parametrize("starts", [[1], [0, 0], [0, 2], [1, 0]])
def test_sentences_that_would_lose_words_are_refused(starts):
    with pytest.raises(ValueError, match="sentence_starts"):
        read({"tokens": ["a", "b"], "ner_tags": ["O", "O"], "sentence_starts": starts})


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"tokens": ["a"], "tags": [1]}, r"tag '1' is not one of O, B-PER.*labels="),
        ({"tokens": ["a"], "tags": ["B-DOG"]}, r"tag 'B-DOG' is not one of"),
        ({"tokens": ["a", "b"], "tags": ["O"]}, r"the row has: tags, tokens.*columns="),
        ({"sentence": "a", "y": 1}, r"the row has: sentence, y.*columns="),
        ({"text": "abc", "spans": [[0, 1, "DOG"]]}, r"label 'DOG' is not one of"),
        ({"text": "abc", "spans": ["x"]}, r"'x' is no span"),
    ],
)
def test_no_label_is_guessed(row, message):
    with pytest.raises(GonerdError, match=message) as caught:
        read(row)
    assert "a/b, test, row 3" in str(caught.value)


def test_the_original_is_read_through_the_same_reader(tmp_path, monkeypatch):
    """The authors' files cannot be had here; files of that kind go the whole way."""
    import gonerd.builders.gonerd_dataset as module

    from gonerd import load
    from gonerd.dataset.sources import Files

    of = {}
    for split, name in (("train", "train"), ("validation", "val"), ("test", "test")):
        path = tmp_path / f"{name}.jsonl"
        rows = [{"tokens": ["Ann", str(n)], "ner_tags": ["PER" if n == 8 else "B-PER", "O"]} for n in range(3)]
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        of[split] = [str(path)]
    monkeypatch.setattr(module, "hub_files", lambda *_: Files("giant-oak/GONERD@abc", of))
    loaded = load("original", cache_dir=str(tmp_path / "cache"))
    assert {split: rows.num_rows for split, rows in loaded.items()} == {"train": 3, "validation": 3, "test": 3}
    assert loaded["train"].features["ner_tags"].feature.names[1] == "B-PER"
    assert loaded["train"][2]["entities"] == [{"start": 0, "end": 3, "label": "PER"}]
    assert "giant-oak/GONERD@abc" in loaded["train"].info.description
    (tmp_path / "test.jsonl").write_text('{"what": 1}\n')
    with pytest.raises(GonerdError, match="the row has: what"):
        load("original", cache_dir=str(tmp_path / "other"))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"tokens": ["a"], "ner_tags": ["B-DOG"]}', r"a/b, train, row 2: tag 'B-DOG' is not one of .*labels="),
        ('{"tokens": ["a"]', r"row 2: not JSON"),
        ("[1]", r"row 2: expected a JSON object"),
        ('{"text": "ab", "spans": [[0, 9, "PER"]]}', r"row 2: .*ends after the text"),
    ],
)
def test_a_row_further_on_that_cannot_be_read_is_one_line_too(tmp_path, monkeypatch, line, message):
    import gonerd.builders.gonerd_dataset as module

    from gonerd import load
    from gonerd.dataset.sources import Files

    path = tmp_path / "train.jsonl"
    path.write_text('{"tokens": ["a"], "ner_tags": ["O"]}\n' * 2 + line + "\n")
    monkeypatch.setattr(module, "hub_files", lambda *_: Files("a/b@abc", {"train": [str(path)]}))
    for streaming in (False, True):
        with pytest.raises(GonerdError, match=message) as caught:
            list(load(repo="a/b", split="train", streaming=streaming, cache_dir=str(tmp_path / "cache")))
        assert "\n" not in str(caught.value)
