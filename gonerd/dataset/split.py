"""Splits that do not leak: near-duplicates and the pages of one story stay together.

Groups, not documents, go to splits. Within a stratum (source and length class) groups are ordered by a hash of their
ids, the largest first, and each goes to the split that is furthest below its share; the shortfalls of the source and
of all documents drawn count too, so that strata of a few documents add up. Documents whose split is given count for
their source, not for the others. Nothing depends on the order of the documents.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from gonerd.dataset.config import BuildConfig
from gonerd.errors import GonerdError
from gonerd.records import sha256_of

# Upper bounds of the length classes, in code points; about 500, 1,000, 2,000 and 4,000 words.
LENGTH_CLASSES = (3_000, 6_000, 12_000, 24_000)


@dataclass(frozen=True, slots=True)
class Item:
    """What the split needs to know of a document."""

    id: str
    source: str
    length: int  # code points
    published: str | None = None  # ISO 8601


@dataclass(frozen=True, slots=True)
class Leak:
    """A group that fixed splits tear apart."""

    ids: tuple[str, ...]
    splits: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Splits:
    """Where every document goes, and what could not be done."""

    of: dict[str, str]  # split by id
    conflicts: dict[str, tuple[str, ...]]  # new documents alike to several splits' documents: they have none
    leaks: tuple[Leak, ...]
    groups: int  # of two documents or more
    largest_group: int


def assign(
    items: Sequence[Item],
    *,
    alike: Iterable[Sequence[str]],
    config: BuildConfig,
    fixed: Mapping[str, str] | None = None,
) -> Splits:
    """Return a split for every document.

    Args:
        items: the documents, in any order.
        alike: sets of ids that must share a split; they may overlap and name documents that are not there.
        config: shares and salt.
        fixed: splits by id that are kept as they are. A document without one joins its group's split; alike to
            documents of several splits, it has none and is listed under `conflicts`.

    Raises:
        GonerdError: `by_time` is set and a document has no date.
    """
    given = {item.id: fixed[item.id] for item in items if fixed and item.id in fixed}
    groups = join(items, alike)
    of, conflicts, leaks, free = dict(given), {}, [], []
    for group in groups:
        taken = tuple(sorted({given[item.id] for item in group if item.id in given}))
        if not taken:
            free.append(group)
        elif len(taken) == 1:
            of.update({item.id: taken[0] for item in group})
        else:
            leaks.append(Leak(tuple(item.id for item in group if item.id in given), taken))
            conflicts.update({item.id: taken for item in group if item.id not in given})
    of.update(_by_time(free, config) if config.by_time else _by_hash(free, items, of, config))
    several = [len(group) for group in groups if len(group) > 1]
    return Splits(of, conflicts, tuple(leaks), len(several), max(several, default=0))


def join(items: Sequence[Item], alike: Iterable[Sequence[str]]) -> list[list[Item]]:
    """Return the items in groups: the connected components of `alike`, each sorted by id, sorted by their first id."""
    parent = {item.id: item.id for item in items}

    def root(name: str) -> str:
        while parent.setdefault(name, name) != name:
            parent[name] = parent[parent[name]]
            name = parent[name]
        return name

    for ids in alike:
        for other in ids[1:]:
            low, high = sorted((root(ids[0]), root(other)))
            parent[high] = low
    groups: dict[str, list[Item]] = {}
    for item in sorted(items, key=lambda item: item.id):
        groups.setdefault(root(item.id), []).append(item)
    return sorted(groups.values(), key=lambda group: group[0].id)


def _by_hash(
    groups: list[list[Item]], items: Sequence[Item], placed: Mapping[str, str], config: BuildConfig
) -> dict[str, str]:
    tally = _Tally(config.shares)
    for item in items:
        if item.id in placed:
            tally.add([item], placed[item.id], given=True)
    order = sorted(groups, key=lambda group: (_stratum(group), -len(group), _draw(group, config.salt)))
    found = {}
    for number, group in enumerate(order):
        split = tally.choose(group, left=len(order) - number)
        tally.add(group, split)
        found.update({item.id: split for item in group})
    return found


def _by_time(groups: list[list[Item]], config: BuildConfig) -> dict[str, str]:
    """Fill the splits from the oldest group to the newest; a group is as new as its newest document."""
    for group in groups:
        for item in group:
            if not item.published:
                raise GonerdError("no date of publication, but by_time needs one", where=f"document {item.id!r}")
    order = sorted(groups, key=lambda group: (max(item.published or "" for item in group), group[0].id))
    total, done, found = sum(map(len, order)), 0, {}
    bounds = [(split, sum(list(config.shares.values())[: n + 1]) * total) for n, split in enumerate(config.shares)]
    for group in order:
        middle = done + len(group) / 2
        split = next((name for name, bound in bounds if middle < bound), bounds[-1][0])
        found.update({item.id: split for item in group})
        done += len(group)
    return found


class _Tally:
    """How many documents each split has: by stratum, by source, and all that were drawn."""

    def __init__(self, shares: Mapping[str, float]) -> None:
        self.shares = {split: share for split, share in shares.items() if share > 0}
        self.counts: dict[tuple[object, ...], Counter[str]] = {}

    def add(self, group: Sequence[Item], split: str, *, given: bool = False) -> None:
        for key in _levels(group)[given:]:
            self.counts.setdefault(key, Counter())[split] += len(group)

    def choose(self, group: Sequence[Item], *, left: int) -> str:
        """Return the split furthest below its share; the last groups go to splits that are still empty."""
        whole = self.counts.get((), Counter())
        empty = [split for split in self.shares if not whole[split]]
        open_splits = empty if empty and left <= len(empty) else list(self.shares)
        return max(open_splits, key=lambda split: round(self._shortfall(group, split), 6))

    def _shortfall(self, group: Sequence[Item], split: str) -> float:
        """Return how far the split is below its share, in documents; summed over the levels."""
        below = 0.0
        for key in _levels(group):
            counts = self.counts.get(key, Counter())
            below += self.shares[split] * (counts.total() + len(group)) - counts[split]
        return below


def _levels(group: Sequence[Item]) -> tuple[tuple[object, ...], ...]:
    source, length = _stratum(group)
    return (), (source,), (source, length)


def _stratum(group: Sequence[Item]) -> tuple[str, int]:
    """Return source and length class of a group: those of its first document, and of its mean length."""
    mean = math.ceil(sum(item.length for item in group) / len(group))
    return group[0].source, sum(mean > bound for bound in LENGTH_CLASSES)


def _draw(group: Sequence[Item], salt: str) -> str:
    return sha256_of(f"{salt}\x1f{group[0].id}")
