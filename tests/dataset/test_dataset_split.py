import random
from collections import Counter
from dataclasses import replace

import pytest

from gonerd.dataset.config import BuildConfig
from gonerd.dataset.split import Item, Splitter
from gonerd.errors import GonerdError

CONFIG = BuildConfig()


def items(count, *, sources=1):
    lengths = (1_000, 4_000, 9_000, 20_000, 50_000)
    return [Item(f"d{n:04d}", f"s{n % sources}", lengths[n % 5], f"2020-{1 + n % 12:02d}-01") for n in range(count)]


def assign(everything, *, alike=(), config=CONFIG):
    """The split of each document by id, without those that have none."""
    return placed(everything, plan(everything, alike=alike, config=config))


def plan(everything, *, alike=(), config=CONFIG):
    splitter = Splitter(config)
    for item in everything:
        splitter.add(item, "")
    return splitter.assign(alike)


def placed(everything, splits):
    return {item.id: splits.of(item.id) for item in everything if splits.of(item.id)}


def counts(splits):
    return Counter(splits.values())


@pytest.mark.parametrize("count", range(3, 40))
def test_small_sources_fill_every_split(count):
    found = counts(assign(items(count)))
    assert set(found) == {"train", "validation", "test"}
    assert abs(found["train"] - 0.6 * count) <= 2


def test_shares_are_met_in_all_and_by_source():
    everything = items(2232, sources=3)
    found = assign(everything)
    assert found.keys() == {item.id for item in everything}
    assert all(abs(counts(found)[split] - share * 2232) <= 2 for split, share in CONFIG.shares.items())
    for source in ("s0", "s1", "s2"):
        part = Counter(found[item.id] for item in everything if item.source == source)
        assert abs(part["train"] - 0.6 * 744) <= 4
        assert abs(part["test"] - 0.2 * 744) <= 4


def test_groups_stay_together_whatever_the_order():
    everything = items(60, sources=2)
    alike = [["d0001", "d0002"], ["d0059", "d0002"], ["elsewhere", "d0010"], ["elsewhere", "d0011"], ["d0020"]]
    expected = assign(everything, alike=alike)
    assert len({expected[name] for name in ("d0001", "d0002", "d0059")}) == 1
    assert expected["d0010"] == expected["d0011"]
    for seed in range(5):
        shuffled = random.Random(seed)
        moved, others = everything[:], [ids[::-1] for ids in alike]
        shuffled.shuffle(moved)
        shuffled.shuffle(others)
        assert assign(moved, alike=others) == expected


def test_the_salt_draws_other_splits():
    everything = items(60)
    first, second = (assign(everything, config=BuildConfig(salt=salt)) for salt in ("a", "b"))
    assert first != second


def test_given_splits_are_kept_and_leaks_reported():
    fixed = {"d0000": "train", "d0001": "test", "d0002": "train"}
    alike = [["d0000", "d0001", "d0003"], ["d0002", "d0004"]]
    everything = [replace(item, given=fixed.get(item.id)) for item in items(20)]
    found = plan(everything, alike=alike)
    assert {name: found.of(name) for name in fixed} == fixed
    assert found.of("d0004") == "train"
    assert {item.id: found.conflict(item.id) for item in everything if found.conflict(item.id)} == {
        "d0003": "test, train"
    }
    assert found.of("d0003") is None
    assert [(leak.ids, leak.splits) for leak in found.leaks] == [(("d0000", "d0001"), ("test", "train"))]
    assert abs(counts(placed(everything, found))["train"] - 12) <= 1


def test_given_splits_are_kept_when_nothing_is_left_to_draw():
    everything = [replace(item, given=("a", "b")[n % 2]) for n, item in enumerate(items(6))]
    found = plan(everything, alike=[["d0000", "d0001", "d0004"], ["d0002", "d0003"]])
    assert placed(everything, found) == {item.id: item.given for item in everything}
    assert [leak.ids for leak in found.leaks] == [("d0000", "d0001", "d0004"), ("d0002", "d0003")]
    assert found.of("elsewhere") is None


def test_by_time_puts_the_oldest_in_train():
    everything = items(24)
    found = assign(everything, config=BuildConfig(by_time=True))
    newest = {split: max(item.published for item in everything if found[item.id] == split) for split in CONFIG.shares}
    oldest = {split: min(item.published for item in everything if found[item.id] == split) for split in CONFIG.shares}
    assert newest["train"] <= oldest["validation"]
    assert newest["validation"] <= oldest["test"]
    with pytest.raises(GonerdError, match=r"'x'.*by_time"):
        assign([Item("x", "s", 1)], config=BuildConfig(by_time=True))
    for published, message in (("yesterday", "'yesterday', no date"), ("3 May 2014", "no date in ISO 8601")):
        with pytest.raises(GonerdError, match=message):
            assign([Item("x", "s", 1, published=published)], config=BuildConfig(by_time=True))
    dated = [Item("x", "s", 1, published="2014"), Item("y", "s", 1, published="2015-05-01T10:00:00Z")]
    alike = [["x", "a copy that deduplication has left out"]]  # nobody asks for its date
    assert assign(dated, alike=alike, config=BuildConfig(by_time=True)).keys() == {"x", "y"}
    joins = [Item("x", "s", 1), Item("y", "s", 1, given="test")]
    assert assign(joins, alike=[["x", "y"]], config=BuildConfig(by_time=True)) == {"x": "test", "y": "test"}


@pytest.mark.parametrize(
    "wrong", [{"version": "1.0"}, {"train_share": 0.9, "validation_share": 0.2}, {"train_share": 0.0}]
)
def test_senseless_settings_are_refused(wrong):
    with pytest.raises(GonerdError):
        BuildConfig(**wrong)
