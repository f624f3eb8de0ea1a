"""Intervals and comparisons."""

import random

import numpy as np
import pytest

from gonerd.bootstrap import draw_sums, f1_of, interval_of, macro_f1_of
from gonerd.errors import GonerdError
from gonerd.evaluation.significance import compare


def counts(quality, documents=60, seed=0):
    draw = random.Random(seed)
    found = {}
    for number in range(documents):
        gold = draw.randrange(1, 20)
        right = sum(draw.random() < quality for _ in range(gold))
        found[f"d{number}"] = (right, gold, gold)
    return found


def test_a_clear_difference_is_one_and_the_same_is_none():
    good, bad = counts(0.9), counts(0.5)
    found = compare(good, bad)
    assert found.significant
    assert found.difference > 0.3
    assert found.p < 0.01
    assert found.better_in == 1.0
    assert found.interval.low < found.difference < found.interval.high
    same = compare(good, good)
    assert (same.difference, same.p, same.significant) == (0.0, 1.0, False)


def test_neither_side_nor_order_matters():
    first, second = counts(0.7, seed=1), counts(0.66, seed=2)
    found, back = compare(first, second), compare(second, first)
    assert back.difference == pytest.approx(-found.difference)
    assert back.p == found.p
    assert back.interval.low == pytest.approx(-found.interval.high)
    shuffled = dict(sorted(first.items(), key=lambda item: item[1]))
    assert compare(shuffled, second) == found


def test_chance_alone_is_rarely_called_a_difference():
    wrong = sum(compare(counts(0.7, seed=2 * n), counts(0.7, seed=2 * n + 1), draws=200).significant for n in range(60))
    assert wrong <= 8


def test_intervals_cover_the_truth_about_as_often_as_they_say():
    covered = 0
    for seed in range(80):
        rows = np.array(list(counts(0.8, seed=seed).values()))
        interval = interval_of(f1_of(draw_sums(rows, draws=400, seed=seed)))
        covered += interval.low <= 0.8 <= interval.high
    assert covered >= 68


def test_other_documents_and_none_are_errors():
    with pytest.raises(GonerdError, match="'d59' is in one of them alone"):
        compare(counts(0.9), counts(0.9, documents=59))
    with pytest.raises(GonerdError, match="no documents"):
        compare({}, {})


def test_nothing_anywhere_scores_zero():
    assert f1_of(np.zeros((2, 3))).tolist() == [0.0, 0.0]
    assert macro_f1_of(np.array([[[1, 1, 1], [0, 0, 0]]], dtype=float)).tolist() == [1.0]
