import dataclasses
import itertools
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gonerd import records
from gonerd.errors import GonerdError
from gonerd.records import (
    Annotation,
    Document,
    Example,
    Prediction,
    Span,
    fingerprint,
    sha256_of,
)

ROW = {
    "id": "a", "text": "Ann 👩‍👩‍👧 ran", "tokens": ("Ann", "👩‍👩‍👧", "ran"), "token_starts": (0, 4, 10),
    "ner_tags": ("B-PER", "O", "O"), "entities": (Span(0, 3, "PER"),), "sentence_starts": (0,), "source": "s",
    "url": None, "license": None, "title": None, "published": None, "annotators": (), "text_sha256": "",
    "split": "train",
}  # fmt: skip


def test_a_document_names_its_text():
    document = Document("a", "Text 👍.", "s")
    assert document.text_sha256 == sha256_of("Text 👍.")
    assert Document("a", "Text 👍.", "s", text_sha256=document.text_sha256) == document
    with pytest.raises(dataclasses.FrozenInstanceError):
        document.text = "other"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"id": ""}, "must not be empty"),
        ({"text": ""}, "must not be empty"),
        ({"text": "a\r\nb"}, "must be NFC"),
        ({"text": "e\u0301"}, "must be NFC"),
        ({"text_sha256": "0" * 64}, "does not match"),
        ({"text": "\ud83d"}, "surrogates not allowed"),
    ],
)
def test_a_bad_document_cannot_be_made(fields, message):
    with pytest.raises(ValueError, match=message):
        Document(**{"id": "a", "text": "Text.", "source": "s"} | fields)


@given(st.integers(-5, 20), st.integers(-5, 20))
def test_a_span_has_a_length(start, end):
    if 0 <= start < end:
        assert Span(start, end, "PER").end - start > 0
    else:
        with pytest.raises(ValueError, match="is empty or negative"):
            Span(start, end, "PER")


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(1, 5)), max_size=6))
def test_an_annotation_is_flat_and_in_order(pairs):
    spans = tuple(Span(start, start + length, "PER") for start, length in pairs)
    flat = all(a.end <= b.start for a, b in itertools.pairwise(spans))
    if flat:
        assert Annotation("d", "h", "x", "gonerd", spans).spans == spans
    else:
        with pytest.raises(ValueError, match=r"annotation of 'd' by 'x': span .* overlaps"):
            Annotation("d", "h", "x", "gonerd", spans)


def test_an_example_whose_tokens_are_where_it_says():
    example = Example(**ROW)
    assert [example.text[s : s + len(t)] for s, t in zip(example.token_starts, example.tokens, strict=True)] == [
        *ROW["tokens"]
    ]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"ner_tags": ("O",)}, "differ in length"),
        ({"token_starts": (0, 4, 9)}, "token 'ran' is not at code point 9"),
        ({"token_starts": (0, 4, -3)}, "token 'ran' is not at code point -3|overlaps"),
        ({"tokens": ("Ann", "", "ran"), "token_starts": (0, 4, 10)}, "token '' is not at"),
        ({"tokens": ("ran", "Ann", "n"), "token_starts": (10, 0, 1)}, "token 'Ann' at 0 overlaps"),
        ({"tokens": ("Ann", "nn", "ran"), "token_starts": (0, 1, 10)}, "token 'nn' at 1 overlaps"),
        ({"entities": (Span(4, 9, "PER"), Span(0, 3, "PER"))}, "out of order"),
        ({"entities": (Span(10, 14, "PER"),)}, "an entity ends after the text"),
    ],
)
def test_a_bad_example_cannot_be_made(fields, message):
    with pytest.raises(ValueError, match=message):
        Example(**ROW | fields)


def test_a_prediction_has_tags_or_spans():
    assert Prediction("a", spans=()).spans == ()
    for fields in ({}, {"ner_tags": (), "spans": ()}):
        with pytest.raises(ValueError, match="either ner_tags or spans"):
            Prediction("a", **fields)


ROWS = st.lists(
    st.tuples(
        st.text(max_size=3), st.lists(st.text(max_size=3), max_size=3), st.lists(st.sampled_from("OB"), max_size=3)
    ),
    max_size=4,
)


@given(ROWS, st.randoms(use_true_random=False))
def test_a_fingerprint_does_not_depend_on_order(rows, rng):
    shuffled = list(rows)
    rng.shuffle(shuffled)
    assert fingerprint(iter(rows)) == fingerprint(shuffled)
    with pytest.MonkeyPatch.context() as little:
        little.setattr(records._SortedHashes, "RUN", 3)  # what else would wait in memory is on disk
        assert fingerprint(shuffled) == fingerprint(rows)


@given(ROWS, ROWS)
def test_a_fingerprint_tells_different_data_apart(first, second):
    one, two = fingerprint(first), fingerprint(second)
    inputs = [sorted((i, tuple(t)) for i, t, _ in rows) for rows in (first, second)]
    assert (one.inputs == two.inputs) == (inputs[0] == inputs[1])
    everything = [sorted((i, tuple(t), tuple(g)) for i, t, g in rows) for rows in (first, second)]
    assert (one.gold == two.gold) == (everything[0] == everything[1])


def test_separators_inside_tokens_cannot_be_mistaken_for_its_own():
    for mark in '\x1e\x1f\n,"':
        assert fingerprint([("a", [f"x{mark}y"], [])]) != fingerprint([("a", ["x", "y"], [])])
        assert fingerprint([(f"a{mark}x", [], [])]) != fingerprint([("a", ["x"], [])])


def test_hidden_labels_leave_the_inputs_known():
    shown, hidden = fingerprint([("a", ["x"], ["O"])]), fingerprint([("a", ["x"], None)])
    assert hidden.inputs == shown.inputs
    assert hidden.gold is None


def test_an_error_survives_the_way_back_from_a_worker():
    error = GonerdError("what", where="here", remedy="Do this")
    back = pickle.loads(pickle.dumps(error))
    assert str(back) == str(error) == "here: what. Do this"
    assert (back.what, back.where, back.remedy) == ("what", "here", "Do this")
