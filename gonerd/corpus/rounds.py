"""The work of a crawl: listings in turn, then many hosts at once; what fails is tried again when all else is done.

One thread writes: it takes what the visits bring back and puts the archive's records and the frontier's rows on the
disk in one step. So a kill loses the visits under way and nothing else.
"""

from __future__ import annotations

import heapq
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import chain

from gonerd.corpus import discovery
from gonerd.corpus.config import CrawlConfig
from gonerd.corpus.discovery import Answer, Found, Listing
from gonerd.corpus.failures import Refused, Unreached
from gonerd.corpus.fetch import RETRIED, Fetcher, Trail, Wish, anything
from gonerd.corpus.frontier import Fetched, Frontier, Waiting
from gonerd.corpus.manners import Manners
from gonerd.corpus.robots import Robots
from gonerd.corpus.sources import Source
from gonerd.corpus.visits import Visit, Visitor, placed
from gonerd.corpus.warc import ArchiveWriter, Place
from gonerd.errors import GonerdError
from gonerd.records import Dropped, Reason
from gonerd.urls import canonical, host_of

ROUNDS = 2
_TICK = 0.5  # seconds between two looks at the display


@dataclass
class Status:
    """How a crawl stands, for who watches it."""

    listings: int = 0  # read
    found: int = 0  # articles taken up
    done: int = 0  # of these
    pages: int = 0
    requests: int = 0
    dropped: Counter[str] = field(default_factory=Counter)  # in this run, by reason
    failures: Counter[str] = field(default_factory=Counter)  # in this run, of attempts that are repeated, by detail
    began: float = field(default_factory=time.monotonic)
    done_before: int = 0  # by earlier runs


Watch = Callable[[Status], None]
Lanes = list[tuple[float, int, Waiting]]  # a heap: when, position, which article


@dataclass(frozen=True, slots=True)
class Tools:
    """What the work is done with."""

    manners: Manners
    fetcher: Fetcher
    robots: Robots
    visitor: Visitor
    frontier: Frontier
    archive: ArchiveWriter


class Rounds:
    """Discovers and fetches the articles of a source until each has an outcome."""

    def __init__(self, source: Source, config: CrawlConfig, tools: Tools, watch: Watch) -> None:
        self._source, self._config, self._tools, self._watch = source, config, tools, watch
        self._frontier = tools.frontier
        self._failed_at: dict[str, float] = {}  # by host: when its first failure of this run was
        self._status = Status()
        self._status.found, self._status.done, self._status.pages = self._frontier.counts()
        self._status.done_before = self._status.done
        _, self._status.listings, self._barren = self._frontier.listings()

    def run(self) -> None:
        """Do all that is left to do.

        Raises:
            GonerdError: the network or the only host was lost; what is done is kept, and the next run goes on.
        """
        self._begin()
        for _ in range(ROUNDS):
            self._discover()
            self._check_reached()
            self._fetch()
            if not self._frontier.waiting_hosts() and not self._frontier.failed_listings():
                break
            self._tools.robots.forget_failures()
        self._settle()

    def _begin(self) -> None:
        start = self._source.discovery
        with self._frontier.step():
            if start.kind != "urls":
                self._frontier.add_listings(discovery.start_urls(start))
            elif not self._status.found:
                self._add([Found(canonical(url), discovery.requested(url, start)) for url in start.start])

    # discovery

    def _discover(self) -> None:
        """Read listings until there are no more, or the crawl has its articles."""
        after = 0
        while self._enough() is None and (entry := self._frontier.next_listing(after)):
            after, url = entry
            trail = Trail()
            try:
                listing: Listing | Dropped = self._listing(url, trail)
            except Unreached as unreached:
                self._failed_at.setdefault(host_of(url), time.monotonic())
                with self._frontier.step():
                    self._write(trail)
                    self._frontier.listing_failed(after, unreached.dropped(url))
                continue
            except Refused as refused:
                listing = refused.dropped(url)
            with self._frontier.step():
                self._write(trail)
                self._read(after, url, listing)
            self._show()

    def _enough(self) -> str | None:
        """Return why no further listing is read, or None."""
        if self._status.found >= self._config.max_pages:
            return f"not read: the crawl has its {self._config.max_pages} articles"
        if self._status.listings >= discovery.MAX_LISTINGS:
            return f"not read: more than {discovery.MAX_LISTINGS} listings"
        if self._source.discovery.kind != "sitemap" and self._barren >= discovery.MAX_FRUITLESS:
            return f"not read: the {discovery.MAX_FRUITLESS} listings before it held no new article"
        return None

    def _listing(self, url: str, trail: Trail) -> Listing | Dropped:
        wish = Wish(url, discovery.MAX_LISTING_BYTES)
        permit = anything if self._source.discovery.terms else self._tools.robots.permit
        reply = self._tools.fetcher.get(wish, trail, permit)
        if reply.status in RETRIED:
            raise Unreached(Reason.HTTP_STATUS, str(reply.status))
        if reply.status != 200:
            return Dropped(url, Reason.HTTP_STATUS, str(reply.status))
        return discovery.read_listing(self._source.discovery, Answer(reply.url, reply.body, reply.content_type))

    def _read(self, position: int, url: str, listing: Listing | Dropped) -> None:
        self._status.listings += 1
        if isinstance(listing, Dropped):
            self._frontier.add_note(listing)
            self._frontier.listing_read(position, 0)
            return
        if listing.fault:
            self._frontier.add_note(Dropped(url, Reason.FETCH_ERROR, listing.fault))
        onward = []
        for more in listing.more:
            if self._is_old(more):
                self._frontier.add_note(Dropped(more.url, Reason.TOO_OLD, f"last changed {more.date}"))
            else:
                onward.append(more.url)
        self._frontier.add_listings(onward)
        fresh = self._add(listing.articles)
        self._barren = 0 if fresh else self._barren + 1
        self._frontier.listing_read(position, fresh)

    def _add(self, articles: tuple[Found, ...] | list[Found]) -> int:
        """Take up articles, or drop them at once; return how many are new."""
        new = 0
        for found in articles:
            refusal = self._refusal(found)
            if self._frontier.add_article(found, host_of(found.request or found.url), refusal):
                new += 1
                self._status.found += refusal is None
                if refusal:
                    self._status.dropped[refusal.reason] += 1
        return new

    def _refusal(self, found: Found) -> Dropped | None:
        """Return why an article is not even asked for, or None."""
        try:
            self._tools.fetcher.check(found.url)
            self._tools.fetcher.check(found.request or found.url)
        except Refused as refused:
            return refused.dropped(found.url)
        if self._config.hosts and host_of(found.url) not in self._config.hosts:
            return Dropped(found.url, Reason.OFF_SITE, "not among the hosts that the crawl is limited to")
        if not self._source.is_article(found.url):
            return Dropped(found.url, Reason.NOT_ARTICLE, "the source's patterns leave it out")
        if self._is_old(found):
            return Dropped(found.url, Reason.TOO_OLD, f"dated {found.date}")
        if self._status.found >= self._config.max_pages:
            return Dropped(found.url, Reason.PAGE_LIMIT, f"after {self._config.max_pages} articles")
        return None

    def _is_old(self, found: Found) -> bool:
        return bool(self._config.since and found.date) and found.date[:10] < self._config.since

    # articles

    def _fetch(self) -> None:
        """Visit the articles that wait: one at a time of each host, many hosts at once."""
        lanes: Lanes = []
        for host in self._frontier.waiting_hosts():
            self._queue(lanes, host, after=0)
        running: set[Future[Visit]] = set()
        with ThreadPoolExecutor(self._config.connections) as pool, ExitStack() as failing:
            failing.callback(pool.shutdown, wait=True, cancel_futures=True)
            failing.callback(self._tools.fetcher.stop)  # first: what is under way ends soon
            while lanes or running:
                self._send(pool, lanes, running)
                done = self._await(lanes, running)
                running -= done
                visits = [future.result() for future in done]
                for visit in visits:
                    if not visit.lost:
                        self._queue(lanes, host_of(visit.waiting.request), after=visit.waiting.position)
                self._send(pool, lanes, running)  # hosts are not kept waiting for the disk
                self._keep(visits)
                self._show()
            failing.pop_all()

    def _send(self, pool: ThreadPoolExecutor, lanes: Lanes, running: set[Future[Visit]]) -> None:
        """Begin the visits to the hosts that may be asked now."""
        while lanes and len(running) < self._config.connections and lanes[0][0] <= time.monotonic():
            running.add(pool.submit(self._tools.visitor.visit, heapq.heappop(lanes)[2]))

    def _queue(self, lanes: Lanes, host: str, *, after: int) -> None:
        """Put a host's next article past position `after` in the queue, for when the host may be asked."""
        if waiting := self._frontier.next_article(host, after):
            heapq.heappush(lanes, (self._tools.manners.ready_at(host), waiting.position, waiting))

    def _await(self, lanes: Lanes, running: set[Future[Visit]]) -> set[Future[Visit]]:
        """Return the visits that are over, once there are any or a host is ready, or it is time for the display."""
        free = len(running) < self._config.connections
        limit = max(0.0, lanes[0][0] - time.monotonic()) if lanes and free else _TICK
        if not running:
            time.sleep(limit)
            return set()
        return wait(running, timeout=min(limit, _TICK), return_when=FIRST_COMPLETED)[0]

    def _keep(self, visits: list[Visit]) -> None:
        """Put what visits brought back on the disk."""
        if not visits:
            return
        with self._frontier.step():
            places = self._write(*(visit.trail for visit in visits))
            for visit, written in zip(visits, places, strict=True):
                self._note(visit, written)

    def _note(self, visit: Visit, written: list[Place]) -> None:
        position = visit.waiting.position
        if visit.outcome is None:
            failure = visit.failure or Dropped(visit.waiting.url, Reason.FETCH_ERROR)
            self._failed_at.setdefault(host_of(visit.waiting.request), time.monotonic())
            self._status.failures[failure.detail] += 1
            self._frontier.put_off(position, failure)
            return
        outcome = visit.outcome
        if isinstance(outcome, Fetched):
            place = written[visit.trail.last]
            outcome = placed(outcome, place.file, place.offset)
            self._status.pages += 1
        else:
            self._status.dropped[outcome.reason] += 1
        self._status.done += 1
        self._frontier.finish(position, outcome)

    def _write(self, *trails: Trail) -> list[list[Place]]:
        """Write trails to the archive and to the frontier; return the places of their exchanges."""
        places = [[self._tools.archive.write(exchange) for exchange in trail.exchanges] for trail in trails]
        self._tools.archive.sync()
        self._frontier.archived(self._tools.archive.sizes, (place.index for place in chain.from_iterable(places)))
        for trail in trails:
            self._frontier.add_robots(trail.robots)
        return places

    def _show(self) -> None:
        self._status.requests = self._tools.fetcher.requests
        self._watch(self._status)

    # what is left in the end

    def _check_reached(self) -> None:
        """Raise if not one listing could be had: that is the network's state, and nothing that the source says."""
        failed = self._frontier.failed_listings()
        if not failed or self._status.listings:
            return
        answered = self._tools.fetcher.answered
        what = "no listing of the source could be fetched" if answered else "no host of the source answered"
        first = failed[0][1]
        raise self._unfinished(f"{what} ({first.id}: {first.detail})")

    def _settle(self) -> None:
        """Let failures stand where it is the host's doing, and raise where it may be the network's."""
        lost: list[str] = []
        for position, failure in self._frontier.failed_listings():
            if self._is_lost(host_of(failure.id), failure.id):
                lost.append(host_of(failure.id))
                continue
            with self._frontier.step():
                self._frontier.add_note(failure)
                self._frontier.listing_read(position, 0)
        for host in self._frontier.waiting_hosts():
            sample = self._frontier.next_article(host, 0)
            if sample and self._is_lost(host, sample.request):
                lost.append(host)
                continue
            with self._frontier.step():
                self._frontier.give_up(host, Dropped("", Reason.FETCH_ERROR, "its host did not answer"))
        if lost:
            answered = f"{lost[0]} does not answer any more" if self._tools.fetcher.answered else "no host answered"
            taken, done, _ = self._frontier.counts()
            raise self._unfinished(f"{answered}: {taken - done} articles are left")
        self._leave_listings()

    def _is_lost(self, host: str, url: str) -> bool:
        """Tell whether a host is silent for a reason that may lie on this side: no other has answered since."""
        trail = Trail()
        answers = self._tools.robots.answers(url, trail)
        with self._frontier.step():
            self._write(trail)
        if answers:
            return self._frontier.untried(host) > 0
        since = self._failed_at.get(host, time.monotonic())
        return not any(at > since for other, at in self._tools.fetcher.answered.items() if other != host)

    def _leave_listings(self) -> None:
        """Note the listings that are not read for a reason of ours."""
        reason, after = self._enough(), 0
        with self._frontier.step():
            while reason and (entry := self._frontier.next_listing(after)):
                after, url = entry
                self._frontier.add_note(Dropped(url, Reason.PAGE_LIMIT, reason))
                self._frontier.listing_read(after, 0)

    def _unfinished(self, what: str) -> GonerdError:
        return GonerdError(
            what,
            where=self._source.name,
            remedy="Check the network, then run the command again: it goes on where it stopped",
        )
