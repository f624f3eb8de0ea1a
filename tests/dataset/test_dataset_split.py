import random
from collections import Counter

import pytest

from gonerd.dataset.config import BuildConfig
from gonerd.dataset.split import Item, assign, join
from gonerd.errors import GonerdError

CONFIG = BuildConfig()


def items(count, *, sources=1):
    lengths = (1_000, 4_000, 9_000, 20_000, 50_000)
    return [Item(f"d{n:04d}", f"s{n % sources}", lengths[n % 5], f"2020-{1 + n % 12:02d}-01") for n in range(count)]


def counts(splits):
    return Counter(splits.of.values())


@pytest.mark.parametrize("count", range(3, 40))
def test_small_sources_fill_every_split(count):
    found = counts(assign(items(count), alike=[], config=CONFIG))
    assert set(found) == {"train", "validation", "test"}
    assert abs(found["train"] - 0.6 * count) <= 2


def test_shares_are_met_in_all_and_by_source():
    everything = items(2232, sources=3)
    found = assign(everything, alike=[], config=CONFIG)
    assert found.of.keys() == {item.id for item in everything}
    assert all(abs(counts(found)[split] - share * 2232) <= 2 for split, share in CONFIG.shares.items())
    for source in ("s0", "s1", "s2"):
        part = Counter(found.of[item.id] for item in everything if item.source == source)
        assert abs(part["train"] - 0.6 * 744) <= 4
        assert abs(part["test"] - 0.2 * 744) <= 4


def test_groups_stay_together_whatever_the_order():
    everything = items(60, sources=2)
    alike = [["d0001", "d0002"], ["d0059", "d0002"], ["elsewhere", "d0010"], ["elsewhere", "d0011"], ["d0020"]]
    expected = assign(everything, alike=alike, config=CONFIG)
    assert len({expected.of[name] for name in ("d0001", "d0002", "d0059")}) == 1
    assert expected.of["d0010"] == expected.of["d0011"]
    assert (expected.groups, expected.largest_group) == (2, 3)
    for seed in range(5):
        shuffled = random.Random(seed)
        moved, others = everything[:], [ids[::-1] for ids in alike]
        shuffled.shuffle(moved)
        shuffled.shuffle(others)
        assert assign(moved, alike=others, config=CONFIG).of == expected.of


def test_the_salt_draws_other_splits():
    everything = items(60)
    first, second = (assign(everything, alike=[], config=BuildConfig(salt=salt)).of for salt in ("a", "b"))
    assert first != second


def test_given_splits_are_kept_and_leaks_reported():
    fixed = {"d0000": "train", "d0001": "test", "d0002": "train"}
    alike = [["d0000", "d0001", "d0003"], ["d0002", "d0004"]]
    found = assign(items(20), alike=alike, config=CONFIG, fixed=fixed)
    assert {name: found.of[name] for name in fixed} == fixed
    assert found.of["d0004"] == "train"
    assert found.conflicts == {"d0003": ("test", "train")}
    assert "d0003" not in found.of
    assert [(leak.ids, leak.splits) for leak in found.leaks] == [(("d0000", "d0001"), ("test", "train"))]
    assert abs(counts(found)["train"] - 12) <= 1


def test_by_time_puts_the_oldest_in_train():
    everything = items(24)
    found = assign(everything, alike=[], config=BuildConfig(by_time=True)).of
    newest = {split: max(item.published for item in everything if found[item.id] == split) for split in CONFIG.shares}
    oldest = {split: min(item.published for item in everything if found[item.id] == split) for split in CONFIG.shares}
    assert newest["train"] <= oldest["validation"]
    assert newest["validation"] <= oldest["test"]
    with pytest.raises(GonerdError, match=r"'x'.*by_time"):
        assign([Item("x", "s", 1)], alike=[], config=BuildConfig(by_time=True))


def test_join_is_transitive():
    groups = join(items(5), [["d0000", "d0003"], ["d0004", "d0003"]])
    assert [[item.id for item in group] for group in groups] == [["d0000", "d0003", "d0004"], ["d0001"], ["d0002"]]


@pytest.mark.parametrize(
    "wrong", [{"version": "1.0"}, {"train_share": 0.9, "validation_share": 0.2}, {"train_share": 0.0}]
)
def test_senseless_settings_are_refused(wrong):
    with pytest.raises(GonerdError):
        BuildConfig(**wrong)
