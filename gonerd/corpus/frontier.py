"""What a crawl has found and done so far: a database beside its WARC files that a kill at any moment leaves usable."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from gonerd.corpus.discovery import Found
from gonerd.formats import jsonl
from gonerd.records import Dropped, Page, Reason

_TABLES = """
CREATE TABLE IF NOT EXISTS listings(
    position INTEGER PRIMARY KEY, url TEXT UNIQUE NOT NULL, fresh INTEGER, failure TEXT);
CREATE TABLE IF NOT EXISTS urls(
    position INTEGER PRIMARY KEY, url TEXT UNIQUE NOT NULL, request TEXT NOT NULL, host TEXT NOT NULL,
    taken INTEGER NOT NULL, outcome TEXT, failure TEXT, final TEXT, link TEXT, body TEXT, twin TEXT, gone TEXT);
CREATE TABLE IF NOT EXISTS notes(position INTEGER PRIMARY KEY, outcome TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS robots(site TEXT PRIMARY KEY, text TEXT NOT NULL, read_at REAL NOT NULL);
CREATE TABLE IF NOT EXISTS previous(url TEXT PRIMARY KEY, page TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS archive(file TEXT PRIMARY KEY, size INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS cdxj(line TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS waiting ON urls(host, position) WHERE outcome IS NULL;
CREATE INDEX IF NOT EXISTS finals ON urls(final, position) WHERE body IS NOT NULL;
CREATE INDEX IF NOT EXISTS bodies ON urls(body, position) WHERE body IS NOT NULL;
"""
# A page that names another page of the crawl as the canonical one goes; that one, which names itself or none, stays.
# Then, of those that are left, the first that led to an address stays, and of these the first with the same bytes.
_TWINS = """
UPDATE urls SET gone = NULL, twin = NULL;
UPDATE urls SET gone = 'link', twin = link WHERE body IS NOT NULL AND link NOT IN ('', url) AND EXISTS (
    SELECT 1 FROM urls v WHERE v.url = urls.link AND v.body IS NOT NULL AND v.link IN ('', v.url));
UPDATE urls SET gone = 'final', twin = (
    SELECT v.url FROM urls v WHERE v.final = urls.final AND v.body IS NOT NULL AND v.gone IS NOT 'link'
    ORDER BY v.position LIMIT 1) WHERE body IS NOT NULL AND gone IS NULL;
UPDATE urls SET gone = NULL, twin = NULL WHERE gone = 'final' AND twin = url;
UPDATE urls SET twin = (
    SELECT v.url FROM urls v WHERE v.body = urls.body AND v.gone IS NULL ORDER BY v.position LIMIT 1)
    WHERE body IS NOT NULL AND gone IS NULL;
UPDATE urls SET gone = 'body' WHERE gone IS NULL AND twin != url;
"""


@dataclass(frozen=True, slots=True)
class Waiting:
    """An article that is still to be fetched."""

    position: int
    url: str
    request: str  # the URL to ask for


@dataclass(frozen=True, slots=True)
class Fetched:
    """A page, and what it says of its own address."""

    page: Page
    link: str  # its canonical link, "" where it has none


class Frontier:
    """The state of a crawl. Reads come from many threads; `step` makes what is written in it one whole.

    Args:
        path: the database file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._open()

    def _open(self) -> None:
        self._database = sqlite3.connect(self._path, check_same_thread=False, isolation_level=None)
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = NORMAL")
        self._database.executescript(_TABLES)

    def __enter__(self) -> Frontier:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._database.close()

    @contextlib.contextmanager
    def step(self) -> Iterator[None]:
        """Write all of the block or, if it does not end well, nothing of it."""
        with self._database:  # commits, or rolls back
            self._database.execute("BEGIN IMMEDIATE")
            yield

    # what was written to the archive

    def sizes(self) -> dict[str, int]:
        """Return how much of each WARC file counts (bytes)."""
        return dict(self._database.execute("SELECT file, size FROM archive ORDER BY file"))

    def archived(self, sizes: dict[str, int], lines: Iterable[str]) -> None:
        """Note how far the WARC files have grown, and the index lines of what was added."""
        self._database.executemany("INSERT OR REPLACE INTO archive VALUES (?, ?)", sizes.items())
        self._database.executemany("INSERT OR IGNORE INTO cdxj VALUES (?)", ((line,) for line in lines))

    def index(self) -> Iterator[str]:
        """Yield the index lines, sorted."""
        yield from (line for (line,) in self._database.execute("SELECT line FROM cdxj ORDER BY line"))

    # robots.txt

    def robots(self, site: str, max_age: float) -> str | None:
        """Return the text that was read for a site at most `max_age` seconds ago, if there is one."""
        row = self._database.execute("SELECT text, read_at FROM robots WHERE site = ?", (site,)).fetchone()
        return str(row[0]) if row and 0 <= time.time() - row[1] <= max_age else None

    def add_robots(self, texts: dict[str, str]) -> None:
        """Note what was read for some sites just now."""
        rows = [(site, text, time.time()) for site, text in texts.items()]
        self._database.executemany("INSERT OR REPLACE INTO robots VALUES (?, ?, ?)", rows)

    # an earlier crawl

    def add_previous(self, pages: Iterable[Page]) -> None:
        """Note the pages of an earlier crawl."""
        rows = ((page.url, jsonl.dumps(page)) for page in pages)
        self._database.executemany("INSERT OR REPLACE INTO previous VALUES (?, ?)", rows)

    def previous(self, url: str) -> Page | None:
        """Return the page that an earlier crawl got for a URL, if it did."""
        row = self._database.execute("SELECT page FROM previous WHERE url = ?", (url,)).fetchone()
        return jsonl.from_json(Page, jsonl.loads(row[0])) if row else None

    # listings

    def add_listings(self, urls: Iterable[str]) -> None:
        """Add listings to read, each once."""
        rows = ((url,) for url in urls)
        self._database.executemany("INSERT OR IGNORE INTO listings(url) VALUES (?)", rows)

    def next_listing(self, after: int) -> tuple[int, str] | None:
        """Return position and URL of the first listing past `after` that is not read."""
        row: tuple[int, str] | None = self._database.execute(
            "SELECT position, url FROM listings WHERE fresh IS NULL AND position > ? ORDER BY position LIMIT 1",
            (after,),
        ).fetchone()
        return row

    def listing_read(self, position: int, fresh: int) -> None:
        """Note that a listing is done with, and how many articles it added."""
        self._database.execute("UPDATE listings SET fresh = ?, failure = NULL WHERE position = ?", (fresh, position))

    def listing_failed(self, position: int, failure: Dropped) -> None:
        """Note why a listing could not be had this time."""
        values = (jsonl.dumps(failure), position)
        self._database.execute("UPDATE listings SET failure = ? WHERE position = ?", values)

    def listings(self) -> tuple[int, int, int]:
        """Return how many listings there are, how many are read, and how many of the last held no new article."""
        found = self._one("SELECT COUNT(*) FROM listings")
        read = self._one("SELECT COUNT(*) FROM listings WHERE fresh IS NOT NULL")
        fruitful = "SELECT COALESCE(MAX(position), 0) FROM listings WHERE fresh > 0"
        barren = self._one(f"SELECT COUNT(*) FROM listings WHERE fresh = 0 AND position > ({fruitful})")  # noqa: S608
        return found, read, barren

    def failed_listings(self) -> list[tuple[int, Dropped]]:
        """Return the listings that could not be had so far, and why."""
        rows = self._database.execute(
            "SELECT position, failure FROM listings WHERE fresh IS NULL AND failure IS NOT NULL ORDER BY position"
        )
        return [(position, _dropped(failure)) for position, failure in rows]

    def add_note(self, dropped: Dropped) -> None:
        """Note something that was dropped on the way and is no article."""
        self._database.execute("INSERT INTO notes(outcome) VALUES (?)", (jsonl.dumps(dropped),))

    # articles

    def add_article(self, found: Found, host: str, outcome: Dropped | None) -> bool:
        """Add an article, to be fetched unless it has an outcome already; tell whether it is new."""
        text = jsonl.dumps(outcome) if outcome else None
        cursor = self._database.execute(
            "INSERT OR IGNORE INTO urls(url, request, host, taken, outcome) VALUES (?, ?, ?, ?, ?)",
            (found.url, found.request or found.url, host, outcome is None, text),
        )
        return cursor.rowcount > 0

    def next_article(self, host: str, after: int) -> Waiting | None:
        """Return the first article of a host past position `after` that is still to be fetched."""
        row = self._database.execute(
            "SELECT position, url, request FROM urls WHERE host = ? AND outcome IS NULL AND position > ?"
            " ORDER BY position LIMIT 1",
            (host, after),
        ).fetchone()
        return Waiting(*row) if row else None

    def waiting_hosts(self) -> list[str]:
        """Return the hosts of which articles are still to be fetched, in the order of the first of them."""
        rows = self._database.execute(
            "SELECT host FROM urls WHERE outcome IS NULL GROUP BY host ORDER BY MIN(position)"
        ).fetchall()
        return [host for (host,) in rows]

    def finish(self, position: int, outcome: Fetched | Dropped) -> None:
        """Note what became of an article."""
        if isinstance(outcome, Dropped):
            values = (jsonl.dumps(outcome), position)
            self._database.execute("UPDATE urls SET outcome = ?, failure = NULL WHERE position = ?", values)
            return
        page = outcome.page
        self._database.execute(
            "UPDATE urls SET outcome = ?, failure = NULL, final = ?, link = ?, body = ? WHERE position = ?",
            (jsonl.dumps(page), page.final_url, outcome.link, page.body_sha256, position),
        )

    def put_off(self, position: int, failure: Dropped) -> None:
        """Note why an article could not be had this time."""
        self._database.execute("UPDATE urls SET failure = ? WHERE position = ?", (jsonl.dumps(failure), position))

    def give_up(self, host: str, untried: Dropped) -> None:
        """Let the failures of a host's articles stand as their outcomes; those not tried share the reason given."""
        self._database.execute(
            "UPDATE urls SET outcome = COALESCE(failure, json_set(?, '$.id', url)) WHERE host = ? AND outcome IS NULL",
            (jsonl.dumps(untried), host),
        )

    def untried(self, host: str) -> int:
        """Return how many waiting articles of a host were never asked for."""
        return self._one("SELECT COUNT(*) FROM urls WHERE host = ? AND outcome IS NULL AND failure IS NULL", host)

    def counts(self) -> tuple[int, int, int]:
        """Return how many articles were taken up, how many of them are done, and how many are pages."""
        taken = self._one("SELECT COUNT(*) FROM urls WHERE taken")
        waiting = self._one("SELECT COUNT(*) FROM urls WHERE outcome IS NULL")
        return taken, taken - waiting, self._one("SELECT COUNT(*) FROM urls WHERE body IS NOT NULL")

    # the end

    def settle_twins(self) -> None:
        """Decide which of the pages with several URLs stay: it depends on the order of discovery alone."""
        self._database.executescript(f"BEGIN;{_TWINS}COMMIT;")

    def pages(self) -> Iterator[Page]:
        """Yield the pages that stay, in the order of discovery."""
        rows = self._database.execute(
            "SELECT outcome FROM urls WHERE body IS NOT NULL AND gone IS NULL ORDER BY position"
        )
        yield from (jsonl.from_json(Page, jsonl.loads(outcome)) for (outcome,) in rows)

    def dropped(self) -> Iterator[Dropped]:
        """Yield what was dropped: on the way, then of the articles in the order of discovery."""
        for (outcome,) in self._database.execute("SELECT outcome FROM notes ORDER BY position"):
            yield _dropped(outcome)
        rows = self._database.execute(
            "SELECT url, outcome, body, gone, twin FROM urls WHERE body IS NULL OR gone IS NOT NULL ORDER BY position"
        )
        for url, outcome, body, gone, twin in rows:
            if body is None:
                yield _dropped(outcome)
            elif gone == "body":
                yield Dropped(url, Reason.DUPLICATE_BODY, f"the same as {twin}")
            else:
                how = "names as its canonical URL" if gone == "link" else "leads to the same page as"
                yield Dropped(url, Reason.DUPLICATE_URL, f"it {how} {twin}")

    def _one(self, query: str, *values: str) -> int:
        return int(self._database.execute(query, values).fetchone()[0])


def _dropped(text: str) -> Dropped:
    return jsonl.from_json(Dropped, jsonl.loads(text))
