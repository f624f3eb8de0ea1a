"""Timing in turns: order, ratios, and what is doubtful."""

import pytest

from gonerd.errors import GonerdError
from gonerd.evaluation.turns import Ratio, Timings, time_in_turns


def test_models_take_turns_and_warm_ups_do_not_count() -> None:
    order: list[str] = []
    timings = time_in_turns({name: lambda name=name: order.append(name) for name in "ABC"}, repeats=3, warm_ups=2)
    assert order == list("ABC") * 5
    assert {name: len(timing.seconds) for name, timing in timings.items()} == {"A": 3, "B": 3, "C": 3}


def test_a_budget_ends_the_turns_after_three() -> None:
    runs = []
    time_in_turns({"A": lambda: runs.append(1)}, repeats=100, seconds=0.0, warm_ups=1)
    assert len(runs) == 4


def test_the_device_is_waited_for_around_each_run() -> None:
    events: list[str] = []
    time_in_turns({"A": lambda: events.append("run")}, repeats=1, warm_ups=0, wait=lambda: events.append("wait"))
    assert events == ["wait", "run", "wait"]


def test_nothing_to_time_is_one_error() -> None:
    for runs, repeats in (({}, 1), ({"A": int}, 0)):
        with pytest.raises(GonerdError, match="nothing to time"):
            time_in_turns(runs, repeats=repeats)


def test_percentiles() -> None:
    timings = Timings(tuple(float(number) for number in range(1, 21)))
    assert (timings.median, timings.p90) == (10.5, 18.0)
    assert Timings((3.0, 1.0, 2.0)).p90 == 3.0
    assert Timings((5.0,)).p90 == 5.0


def test_a_drift_cancels_in_the_ratio_and_is_named() -> None:
    slow_then_fast = tuple(4.0 if turn < 5 else 1.0 for turn in range(10))
    half = Timings(tuple(second / 2 for second in slow_then_fast))
    assert Ratio.of(half, Timings(slow_then_fast)) == Ratio(0.5, 0.5, 0.5)
    assert any(doubt.startswith("drift") for doubt in half.doubts())


def test_a_wide_spread_is_named_and_a_steady_run_is_not() -> None:
    assert any(doubt.startswith("spread") for doubt in Timings((1.0,) * 8 + (2.0, 2.0)).doubts())
    assert Timings((1.0, 1.01) * 5).doubts() == []
