import pytest
from hypothesis import given
from hypothesis import strategies as st

from gonerd.conventions import Conventions, load_conventions, translate, trim
from gonerd.errors import GonerdError
from gonerd.records import Span, check_flat


def trimmed(text, label="PER"):
    span = trim(text, Span(0, len(text), label), load_conventions())
    return None if span is None else text[span.start : span.end]


@pytest.mark.parametrize(
    ("surface", "label", "expected"),
    [
        ("the Tarnby Times", "ORG", "Tarnby Times"),
        ("The Hague", "LOC", "Hague"),
        ("Ann Holt's", "PER", "Ann Holt"),
        ("Ann Holt’s", "PER", "Ann Holt"),
        ("the Smiths'", "PER", "Smiths"),
        ("“The Long Tide”,", "MISC", "Long Tide"),
        (" \nOslo\t", "LOC", "Oslo"),
        ("Dr. Ann Holt", "PER", "Ann Holt"),
        ("Lt. Col. Ann Holt", "PER", "Ann Holt"),
        ("Prime Minister Ann Holt", "PER", "Ann Holt"),
        ("the Rev. Ann Holt's", "PER", "Ann Holt"),
        ("Ann\nHolt", "PER", "Ann\nHolt"),
        ("Ann Holt\n\nOSLO", "PER", "Ann Holt"),
        ("Acme Inc.", "ORG", "Acme Inc."),
        ("President Hotel", "ORG", "President Hotel"),  # no title before an organisation
        ("Dean", "PER", "Dean"),
        ("King", "PER", "King"),
        ("Theatre Royal", "LOC", "Theatre Royal"),
        ("the", "ORG", None),
        ("“”", "ORG", None),
    ],
)
def test_what_stays_outside_a_span(surface, label, expected):
    assert trimmed(surface, label) == expected


@given(st.text(alphabet="the Tarn'’s“” \nDr.A\U0001f600", min_size=1, max_size=30), st.sampled_from(["PER", "ORG"]))
def test_trimming_stays_inside_and_is_done_once(text, label):
    span = trim(text, Span(0, len(text), label), load_conventions())
    if span is not None:
        assert 0 <= span.start < span.end <= len(text)
        surface = text[span.start : span.end]
        assert surface == surface.strip()
        assert "\n\n" not in surface
        assert trim(text, span, load_conventions()) == span


def test_labels_of_another_scheme():
    text = "On Monday the Tarnby Bank met Mr. Holt's Norwegians."
    spans = [Span(3, 9, "DATE"), Span(10, 25, "ORG"), Span(30, 40, "PERSON"), Span(41, 51, "NORP")]
    found = translate(text, spans, source="ontonotes", conventions=load_conventions())
    assert [(text[span.start : span.end], span.label) for span in found] == [
        ("Tarnby Bank", "ORG"),
        ("Holt", "PER"),
        ("Norwegians", "MISC"),
    ]
    check_flat(found, owner="test")


def test_a_scheme_that_says_nothing_trims_white_space_alone_and_knows_no_other_labels():
    bare = Conventions("bare")
    assert trim("the Holt's ", Span(0, 11, "PER"), bare) == Span(0, 10, "PER")
    with pytest.raises(GonerdError, match="ontonotes"):
        translate("x", [], source="ontonotes", conventions=bare)
    with pytest.raises(GonerdError, match="Did you mean 'ontonotes'"):
        load_conventions().labels_from("ontonote")
