import itertools
import unicodedata

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from seqeval.metrics.sequence_labeling import get_entities
from seqeval.scheme import IOB2, Entities

from gonerd.errors import GonerdError
from gonerd.labels import (
    Label,
    LabelScheme,
    entity_table,
    load_scheme,
    spans_from_tags,
    tags_from_spans,
    text_spans,
    token_spans,
)
from gonerd.records import Span

SCHEME = load_scheme()
TAGS = st.lists(st.sampled_from(SCHEME.tags), max_size=30)
READINGS = ("strict", "lenient")


@st.composite
def flat_spans(draw, size=None):
    """A length and flat spans within it."""
    size = draw(st.integers(0, 40)) if size is None else size
    cuts = sorted(draw(st.sets(st.integers(0, size), max_size=12)))
    pairs = itertools.pairwise(cuts)
    chosen = [pair for pair in pairs if draw(st.booleans())]
    return size, [Span(start, end, draw(st.sampled_from(SCHEME.names))) for start, end in chosen]


@pytest.mark.parametrize("reading", READINGS)
@given(case=flat_spans())
def test_spans_survive_the_round_trip_through_tags(reading, case):
    length, spans = case
    tags = tags_from_spans(length, spans)
    assert len(tags) == length
    assert spans_from_tags(tags, reading=reading) == spans


@given(TAGS)
def test_tags_written_again_from_their_spans_are_well_formed(tags):
    for reading in READINGS:
        spans = spans_from_tags(tags, reading=reading)
        again = tags_from_spans(len(tags), spans)
        assert spans_from_tags(again, reading="strict") == spans_from_tags(again, reading="lenient") == spans


@given(TAGS)
@example(["I-PER", "I-PER"])
@example(["B-PER", "I-LOC", "I-LOC"])
@example(["B-PER", "I-LOC", "I-PER"])
@example(["I-PER", "B-PER", "I-PER"])
def test_malformed_tags_are_read_as_seqeval_reads_them(tags):
    strict = [(e.start, e.end, e.tag) for e in Entities([tags], IOB2).entities[0]]
    assert [(s.start, s.end, s.label) for s in spans_from_tags(tags, reading="strict")] == strict
    lenient = [(start, end + 1, label) for label, start, end in get_entities(tags)]
    assert [(s.start, s.end, s.label) for s in spans_from_tags(tags, reading="lenient")] == lenient


@given(TAGS)
def test_every_strict_entity_is_a_lenient_one(tags):
    strict, lenient = (spans_from_tags(tags, reading=reading) for reading in READINGS)
    assert set(strict) <= set(lenient)


@st.composite
def documents(draw):
    """Documents of tags; empty ones are common, and often first, last or side by side."""
    inner = st.lists(st.one_of(st.just([]), TAGS), max_size=8)
    edge = st.lists(st.just([]), max_size=2)
    return [*draw(edge), *draw(inner), *draw(edge)]


def expected_table(docs, reading):
    rows, offset = [], 0
    for tags in docs:
        spans = spans_from_tags(tags, reading=reading)
        rows += [(offset + s.start, offset + s.end, SCHEME.names.index(s.label)) for s in spans]
        offset += len(tags)
    return rows


def laid_end_to_end(docs, dtype=np.int8):
    ids = np.array([i for tags in docs for i in SCHEME.tag_ids(tags)], dtype=dtype)
    return ids, np.cumsum([0, *map(len, docs)])[:-1]


@pytest.mark.parametrize("reading", READINGS)
@pytest.mark.parametrize("dtype", [np.int8, np.int64, np.uint8])
@given(docs=documents())
@example(docs=[])
@example(docs=[[], []])
@example(docs=[["B-PER"], [], ["I-PER"], []])
@example(docs=[["B-PER"], ["I-PER"]])
@example(docs=[[], ["I-PER", "I-PER"], []])
def test_entity_table_equals_the_spans_of_each_document(reading, dtype, docs):
    ids, starts = laid_end_to_end(docs, dtype)
    before = ids.copy()
    table = entity_table(ids, starts, reading=reading)
    assert table.shape[1] == 3
    assert [tuple(row) for row in table.tolist()] == expected_table(docs, reading)
    assert (ids == before).all()


def test_entity_table_takes_ignored_positions_as_outside():
    ids = np.array([1, 2, -100, 2, -1, 1])
    assert entity_table(ids, np.array([0]), reading="strict").tolist() == [[0, 2, 0], [5, 6, 0]]


def test_nothing_comes_before_the_first_token():
    assert entity_table(np.array([2, 2]), np.array([], dtype=int), reading="lenient").tolist() == [[0, 2, 0]]


def test_a_document_may_start_anywhere_after_the_end():
    assert entity_table(np.array([1]), np.array([0, 1, 1]), reading="strict").tolist() == [[0, 1, 0]]


PIECES = ["Ann", "👩‍👩‍👧", "e\u0301", "q\u0323\u0307", "שלום", "مرحبا", "🇳🇴", "naïve", "x", "\U0001f468\U0001f3fd", "—"]


@st.composite
def tokenised_text(draw):
    """A text of awkward pieces, its tokens and where they start, in code points."""
    text, tokens, starts = draw(st.sampled_from(["", " ", "\n"])), [], []
    for piece in draw(st.lists(st.sampled_from(PIECES), min_size=1, max_size=12)):
        token = unicodedata.normalize("NFC", piece)
        starts.append(len(text))
        tokens.append(token)
        text += token + draw(st.sampled_from(["", " ", "  ", "\n\n", "\u200f"]))
    return text, tokens, starts


@given(tokenised_text(), st.data())
def test_token_spans_and_text_spans_are_each_others_inverse(case, data):
    text, tokens, starts = case
    _, spans = data.draw(flat_spans(len(tokens)))
    exact = text_spans(starts, tokens, spans)
    assert token_spans(starts, tokens, exact) == spans
    for span, found in zip(spans, exact, strict=True):
        surface = text[found.start : found.end]
        assert surface.startswith(tokens[span.start])
        assert surface.endswith(tokens[span.end - 1])


@given(tokenised_text(), st.data())
def test_token_spans_widens_to_whole_tokens_and_never_overlaps(case, data):
    text, tokens, starts = case
    _, spans = data.draw(flat_spans(len(text)))
    found = token_spans(starts, tokens, spans)
    taken = 0
    expected = []
    for span in spans:
        met = [i for i, s in enumerate(starts) if s < span.end and s + len(tokens[i]) > span.start]
        if met and met[0] >= taken:
            expected.append(Span(met[0], met[-1] + 1, span.label))
            taken = met[-1] + 1
    assert found == expected


def test_token_spans_by_example():
    text = "Dr. Holt-Marsh 🇳🇴 spoke"
    tokens = ["Dr.", "Holt", "-", "Marsh", "🇳🇴", "spoke"]
    starts = [0, 4, 8, 9, 15, 18]
    assert [text[s : s + len(t)] for s, t in zip(starts, tokens, strict=True)] == tokens
    inside = [Span(5, 7, "PER")]
    assert token_spans(starts, tokens, inside) == [Span(1, 2, "PER")]
    assert token_spans(starts, tokens, [Span(3, 4, "PER")]) == []  # only the blank
    assert token_spans(starts, tokens, [Span(3, 5, "PER")]) == [Span(1, 2, "PER")]
    assert token_spans(starts, tokens, [Span(4, 6, "PER"), Span(6, 9, "ORG")]) == [Span(1, 2, "PER")]
    assert token_spans(starts, tokens, [Span(17, 99, "LOC")]) == [Span(5, 6, "LOC")]
    assert token_spans([], [], [Span(0, 1, "LOC")]) == []


def test_tags_from_spans_refuses_a_span_past_the_end():
    with pytest.raises(ValueError, match="ends after the last of 2 tokens"):
        tags_from_spans(2, [Span(1, 3, "PER")])


def test_the_scheme_and_the_integers_of_its_tags():
    assert SCHEME.names == ("PER", "ORG", "LOC", "MISC")
    assert SCHEME.tags == ("O", "B-PER", "I-PER", "B-ORG", "I-ORG", "B-LOC", "I-LOC", "B-MISC", "I-MISC")
    assert SCHEME.tag_ids(SCHEME.tags) == list(range(9))
    assert all(label.definition for label in SCHEME.labels)


def test_an_unknown_tag_names_its_place_and_a_near_one():
    with pytest.raises(GonerdError, match=r"^doc 7, token 1: unknown tag 'B-PERS'. Did you mean 'B-PER'\?"):
        SCHEME.tag_ids(["O", "B-PERS"], where="doc 7")


def test_an_unknown_scheme_names_a_near_one():
    with pytest.raises(GonerdError, match="Did you mean 'gonerd'"):
        load_scheme("gonrd")


def test_labels_with_hyphens_keep_them():
    scheme = LabelScheme("x", (Label("person-artist", ""), Label("person", "")))
    tags = ["B-person-artist", "I-person-artist", "B-person", "I-person-artist"]
    assert spans_from_tags(tags) == [Span(0, 2, "person-artist"), Span(2, 3, "person")]
    table = entity_table(np.array(scheme.tag_ids(tags)), np.array([0]), reading="lenient")
    assert table.tolist() == [[0, 2, 0], [2, 3, 1], [3, 4, 0]]
