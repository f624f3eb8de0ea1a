"""The name-lookup baseline."""

import pytest

from gonerd.evaluation.lookup import Lookup

ROWS = [
    (
        ["Ann", "Holt", "met", "Holt", "in", "New", "York", "on", "Monday"],
        ["B-PER", "I-PER", "O", "B-PER", "O", "B-LOC", "I-LOC", "O", "O"],
    ),
    (
        ["Holt", "beat", "York", "and", "May", "left", "in", "May", "and", "in", "May"],
        ["B-ORG", "O", "B-LOC", "O", "B-PER", "O", "O", "O", "O", "O", "O"],
    ),
    (["Holt", "came"], ["B-PER", "O"]),
]


def test_longest_first_and_majority():
    lookup = Lookup.fit(ROWS)
    assert lookup.predict_tags(["New", "York", "or", "York", ":", "Ann", "Holt"]) == [
        "B-LOC",
        "I-LOC",
        "O",
        "B-LOC",
        "O",
        "B-PER",
        "I-PER",
    ]
    assert lookup.predict_tags(["Holt"]) == ["B-PER"]
    assert lookup.predict_tags(["holt", "New"]) == ["O", "O"]
    assert lookup.longest == 2


def test_words_that_are_mostly_no_names_are_left_out():
    assert Lookup.fit(ROWS).predict_tags(["May"]) == ["O"]
    assert Lookup.fit(ROWS, skip_common=False).predict_tags(["May"]) == ["B-PER"]


def test_what_lies_inside_a_longer_name_is_no_common_word():
    rows = [(["New", "York", "New", "York", "York"], ["B-LOC", "I-LOC", "B-LOC", "I-LOC", "B-ORG"])]
    assert Lookup.fit(rows).predict_tags(["York"]) == ["B-ORG"]


def test_ties_do_not_depend_on_order():
    rows = [(["Holt"], ["B-PER"]), (["Holt"], ["B-LOC"])]
    assert Lookup.fit(rows).predict_tags(["Holt"]) == Lookup.fit(rows[::-1]).predict_tags(["Holt"]) == ["B-LOC"]


def test_neighbouring_names_stay_apart():
    rows = [(["Holt"], ["B-PER"])]
    assert Lookup.fit(rows).predict_tags(["Holt", "Holt"]) == ["B-PER", "B-PER"]


def test_nothing_to_learn_from():
    assert Lookup.fit([]).predict_tags(["Holt"]) == ["O"]
    assert Lookup.fit([([], [])]).predict_tags([]) == []


def test_rows_that_do_not_fit():
    with pytest.raises(ValueError, match="2 words but 1 tags"):
        Lookup.fit([(["Ann", "Holt"], ["O"])])
