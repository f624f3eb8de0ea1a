"""Splits that do not leak: near-duplicates and the pages of one story stay together.

Groups, not documents, go to splits. Within a stratum (source and length class) groups are ordered by a hash of their
ids, the largest first, and each goes to the split that is furthest below its share; the shortfalls of the source and
of all documents drawn count too, so that strata of a few documents add up. Documents whose split is given count for
their source, not for the others. Nothing depends on the order of the documents, and little of them is in memory.
"""

from __future__ import annotations

import math
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from gonerd.dataset.config import BuildConfig
from gonerd.errors import GonerdError
from gonerd.records import sha256_of
from gonerd.scratch import scratch
from gonerd.similarity import Joined, Signatures, SimilarityConfig, signature

# Upper bounds of the length classes, in code points; about 500, 1,000, 2,000 and 4,000 words.
LENGTH_CLASSES = (3_000, 6_000, 12_000, 24_000)

_ITEMS = "items (number INTEGER PRIMARY KEY, id TEXT UNIQUE, source TEXT, length INTEGER, published TEXT, given TEXT)"
_MEMBERS = "members (number INTEGER PRIMARY KEY, root INTEGER)"  # of groups of several, by their group's root
_PLACED = "placed (root INTEGER PRIMARY KEY, split TEXT, conflict TEXT)"
_GROUPS = """groups AS SELECT COALESCE(root, items.number) AS root, MIN(id) AS first, source, COUNT(*) AS size,
    SUM(length) AS length, COUNT(DISTINCT given) AS splits, GROUP_CONCAT(DISTINCT given) AS given
    FROM items LEFT JOIN members USING (number)
    WHERE source IS NOT NULL GROUP BY 1"""
# Dates are put in order as text, which only this form bears: a year, or year and month and what follows.
_DATED = "(published GLOB '[0-9][0-9][0-9][0-9]' OR published GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]*')"
_STRATUM = "source, length_class(length, size)"


@dataclass(frozen=True, slots=True)
class Item:
    """What the split needs to know of a document."""

    id: str
    source: str
    length: int  # code points
    published: str | None = None  # ISO 8601
    given: str | None = None  # the split that it is to stay in


@dataclass(frozen=True, slots=True)
class Leak:
    """A group that given splits tear apart."""

    ids: tuple[str, ...]
    splits: tuple[str, ...]


class Splits:
    """Where every document goes, and what could not be done; ids are looked up on disk."""

    def __init__(self, base: sqlite3.Connection, leaks: Sequence[Leak]) -> None:
        self._base = base
        self.leaks = tuple(leaks)

    def of(self, document_id: str) -> str | None:
        """Return a document's split; None if it has none, or is not known."""
        return self._find(document_id)[0]

    def conflict(self, document_id: str) -> str | None:
        """Return the splits that a new document without one is alike to documents of, or None if it has its split."""
        return self._find(document_id)[1]

    def _find(self, document_id: str) -> tuple[str | None, str | None]:
        query = """SELECT COALESCE(given, split), CASE WHEN given IS NULL THEN conflict END FROM items
            LEFT JOIN members USING (number) LEFT JOIN placed ON placed.root = COALESCE(members.root, items.number)
            WHERE id = ?"""
        found: tuple[str | None, str | None] | None = self._base.execute(query, (document_id,)).fetchone()
        return found or (None, None)


class Splitter:
    """Takes up documents, finds those that must share a split, and gives each group a split."""

    def __init__(self, config: BuildConfig) -> None:
        self._config = config
        self._base = scratch(_ITEMS, _MEMBERS, _PLACED)
        self._base.create_function("length_class", 2, length_class, deterministic=True)
        self._base.create_function("draw", 1, lambda name: sha256_of(f"{config.salt}\x1f{name}"), deterministic=True)
        # Two rows a band: at the threshold of 0.3 a pair is missed as a candidate once in 400 times.
        self._alike = SimilarityConfig(bands=64, rows=2, threshold=config.group_threshold)
        self._signatures = Signatures(self._alike)

    def add(self, item: Item, text: str) -> None:
        """Take up a document.

        Raises:
            GonerdError: one of this id is there.
        """
        number = self._signatures.add(signature(text, self._alike))
        row = (number, item.id, item.source, item.length, item.published, item.given)
        try:
            self._base.execute("INSERT INTO items VALUES (?, ?, ?, ?, ?, ?)", row)
        except sqlite3.IntegrityError as error:
            raise GonerdError("two examples have this id", where=f"example {item.id!r}") from error

    def assign(self, recorded: Iterable[Sequence[str]] = ()) -> Splits:
        """Return a split for every document; to be called once.

        Documents whose splits are given stay there. One without joins its group's split; alike to documents of several
        splits, it has none, which is a conflict.

        Args:
            recorded: sets of ids that must share a split, beside those found; they may overlap and name documents that
                are not there.

        Raises:
            GonerdError: the splits are by time, and a document has no date in ISO 8601.
        """
        self._group(recorded)
        leaks = list(self._settle())
        if self._config.by_time:
            self._draw_by_time()
        else:
            self._draw_by_hash()
        return Splits(self._base, leaks)

    def _group(self, recorded: Iterable[Sequence[str]]) -> None:
        """Find the groups: the connected components of what is alike or recorded together."""
        (count,) = self._base.execute("SELECT COUNT(*) FROM items").fetchone()
        joined = Joined(count)
        with self._signatures as signatures:
            for numbers in signatures.clusters():
                for other in numbers[1:]:
                    joined.join(numbers[0], other)
        for ids in recorded:
            first, *others = [self._number(name, joined) for name in ids]
            for other in others:
                joined.join(first, other)
        pairs = ((number, int(root)) for number, root in enumerate(joined.roots()) if number != root)
        self._base.executemany("INSERT INTO members VALUES (?, ?)", pairs)
        self._base.execute(f"CREATE TABLE {_GROUPS}")

    def _number(self, name: str, joined: Joined) -> int:
        """Return the number of an id; one that is not there still joins others, and gets one without a source."""
        found = self._base.execute("SELECT number FROM items WHERE id = ?", (name,)).fetchone()
        if found:
            return int(found[0])
        number = joined.append()
        self._base.execute("INSERT INTO items (number, id) VALUES (?, ?)", (number, name))
        return number

    def _settle(self) -> Iterator[Leak]:
        """Place the groups with documents whose split is given; yield those that lie in several splits."""
        self._base.execute("INSERT INTO placed SELECT root, given, NULL FROM groups WHERE splits = 1")
        for (root,) in self._base.execute("SELECT root FROM groups WHERE splits > 1 ORDER BY first").fetchall():
            rows = self._base.execute(
                """SELECT id, given FROM (SELECT number FROM members WHERE root = ? UNION SELECT ?) JOIN items
                USING (number) WHERE given IS NOT NULL ORDER BY id""",
                (root, root),
            ).fetchall()
            given = tuple(sorted({split for _, split in rows}))
            self._base.execute("INSERT INTO placed VALUES (?, NULL, ?)", (root, ", ".join(given)))
            yield Leak(tuple(name for name, _ in rows), given)

    def _draw_by_hash(self) -> None:
        tally = _Tally(self._config.shares)
        for *stratum, split, count in self._base.execute(
            """SELECT source, length_class(length, 1), COALESCE(given, split), COUNT(*) FROM items LEFT JOIN members
            USING (number) JOIN placed ON placed.root = COALESCE(members.root, items.number)
            WHERE COALESCE(given, split) IS NOT NULL AND source IS NOT NULL GROUP BY 1, 2, 3"""
        ):
            tally.add(tuple(stratum), split, count, given=True)
        (left,) = self._base.execute("SELECT COUNT(*) FROM groups WHERE splits = 0").fetchone()
        for root, size, *stratum in self._base.execute(
            f"SELECT root, size, {_STRATUM} FROM groups WHERE splits = 0 ORDER BY 3, 4, size DESC, draw(first)"  # noqa: S608 - of constants
        ):
            split = tally.choose(tuple(stratum), size, left=left)
            tally.add(tuple(stratum), split, size)
            left -= 1
            self._base.execute("INSERT INTO placed VALUES (?, ?, NULL)", (root, split))

    def _draw_by_time(self) -> None:
        """Fill the splits from the oldest group to the newest; a group is as new as its newest document."""
        undated = self._base.execute(
            f"""SELECT id, published FROM items LEFT JOIN members USING (number) JOIN groups
            ON groups.root = COALESCE(members.root, items.number)
            WHERE splits = 0 AND items.source IS NOT NULL AND NOT COALESCE({_DATED}, 0) ORDER BY id LIMIT 1"""  # noqa: S608 - of constants
        ).fetchone()
        if undated:
            found = f"published is {undated[1]!r}, no date in ISO 8601" if undated[1] else "no date of publication"
            raise GonerdError(f"{found}, but by_time needs one", where=f"document {undated[0]!r}")
        (total,) = self._base.execute("SELECT COALESCE(SUM(size), 0) FROM groups WHERE splits = 0").fetchone()
        shares = self._config.shares
        bounds = [(split, sum(list(shares.values())[: n + 1]) * total) for n, split in enumerate(shares)]
        done = 0
        for root, size in self._base.execute(
            """SELECT root, size FROM groups JOIN (SELECT COALESCE(root, items.number) AS root, MAX(published) AS newest
            FROM items LEFT JOIN members USING (number) GROUP BY 1) USING (root) WHERE splits = 0
            ORDER BY newest, first"""
        ):
            middle = done + size / 2
            split = next((name for name, bound in bounds if middle < bound), bounds[-1][0])
            self._base.execute("INSERT INTO placed VALUES (?, ?, NULL)", (root, split))
            done += size


_Stratum = tuple[object, ...]  # source and length class


class _Tally:
    """How many documents each split has: by stratum, by source, and all that were drawn."""

    def __init__(self, shares: Mapping[str, float]) -> None:
        self.shares = {split: share for split, share in shares.items() if share > 0}
        self.counts: dict[_Stratum, Counter[str]] = {}

    def add(self, stratum: _Stratum, split: str, size: int, *, given: bool = False) -> None:
        for key in _levels(stratum)[given:]:
            self.counts.setdefault(key, Counter())[split] += size

    def choose(self, stratum: _Stratum, size: int, *, left: int) -> str:
        """Return the split furthest below its share; the last groups go to splits that are still empty."""
        whole = self.counts.get((), Counter())
        empty = [split for split in self.shares if not whole[split]]
        open_splits = empty if empty and left <= len(empty) else list(self.shares)
        return max(open_splits, key=lambda split: round(self._shortfall(stratum, size, split), 6))

    def _shortfall(self, stratum: _Stratum, size: int, split: str) -> float:
        """Return how far the split is below its share, in documents; summed over the levels."""
        below = 0.0
        for key in _levels(stratum):
            counts = self.counts.get(key, Counter())
            below += self.shares[split] * (counts.total() + size) - counts[split]
        return below


def _levels(stratum: _Stratum) -> tuple[_Stratum, ...]:
    return (), stratum[:1], stratum


def length_class(length: int, documents: int) -> int:
    """Return the length class of a group: that of its documents' mean length in code points."""
    mean = math.ceil(length / documents)
    return sum(mean > bound for bound in LENGTH_CLASSES)
