"""From a source to raw pages on disk: discover, ask politely, keep everything, lose nothing."""

from __future__ import annotations

from dataclasses import asdict, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from gonerd import store
from gonerd.corpus import discovery
from gonerd.corpus.archive import ArchiveWriter
from gonerd.corpus.discovery import Listing
from gonerd.corpus.fetch import CrawlConfig, Fetcher, Refused, Reply
from gonerd.corpus.html import media_type, not_html
from gonerd.corpus.journal import Journal
from gonerd.corpus.robots import NoRobots, Robots
from gonerd.corpus.sources import Source
from gonerd.errors import GonerdError
from gonerd.formats import jsonl
from gonerd.records import Dropped, Manifest, Page, Progress, Reason, Shard, silent

STAGE = "crawl"
WARC = "crawl-00000.warc.gz"
JOURNAL = "journal.jsonl"


def crawl(source: Source, out: Path, *, config: CrawlConfig, progress: Progress = silent) -> Manifest:
    """Fetch the articles of a source into the folder `out`: a WARC file, Page records, what was dropped and why.

    robots.txt, sitemaps, redirects and answers other than 200 are in the WARC file too, but only articles are Pages.
    A crawl that was interrupted goes on where it stopped; a finished one with the same settings is only looked up.
    The proxy is no setting in this sense: it changes the way to the pages, not the pages.

    Raises:
        GonerdError: `out` holds something that a crawl did not write, or no listing of the source could be fetched;
            then nothing is recorded as done, and the next run tries again.
    """
    run = store.Run(STAGE, {"source": asdict(source), "crawl": asdict(replace(config, proxy=None))}, ())
    if store.is_current(out, run):
        return store.read_manifest(out)
    with store.replacing(out, run) as work:
        if not (work / store.MANIFEST).is_file():
            with Journal(work / JOURNAL, work / WARC) as journal:
                pages, dropped = _Crawl(source, config, journal).run(progress)
            _write(work, run, pages, dropped)
        (work / JOURNAL).unlink(missing_ok=True)
    return store.read_manifest(out)


def _write(work: Path, run: store.Run, pages: list[Page], dropped: list[Dropped]) -> None:
    path = work / "00000.jsonl"
    jsonl.write(path, pages)
    jsonl.write(work / store.DROPPED, dropped)
    shard = Shard(path.name, store.sha256_file(path), len(pages))
    manifest = run.manifest([shard], read=len(pages) + len(dropped), dropped=dropped)
    store.write_json(work / store.MANIFEST, manifest)


class _Crawl:
    """One crawl: every fetch goes through the journal, so that a second run repeats none of them."""

    def __init__(self, source: Source, config: CrawlConfig, journal: Journal) -> None:
        self._source, self._config, self._journal = source, config, journal
        self._archive = ArchiveWriter(journal.archive)
        self._fetcher = Fetcher(source.hosts, config, self._archive)
        self._robots = Robots(self._fetcher, journal, user_agent=config.user_agent)
        delay = max(config.delay_s, source.crawl_delay)
        self._fetcher.delays.update({host.lower(): delay for host in source.hosts})
        self._bodies: dict[str, str] = {}  # sha256 of a body: the first URL that gave it
        self._unreached: list[Dropped] = []  # listings that could not be had, which may be a passing state
        self._listings = 0

    def run(self, progress: Progress) -> tuple[list[Page], list[Dropped]]:
        """Return all pages and all that was dropped, in the order of discovery."""
        self._journal.once("warcinfo", WARC, lambda: self._archive.describe(WARC))
        found = list(discovery.walk(self._source, self._follow))
        self._check_reached()
        pages: list[Page] = []
        dropped: list[Dropped] = []
        asked = 0
        for position, item in enumerate(found):
            progress(position, len(found))
            outcome = item if isinstance(item, Dropped) else self._article(item, room=asked < self._config.max_pages)
            asked += not isinstance(item, Dropped) and self._journal.has("page", item)
            if isinstance(outcome, Page):
                pages.append(outcome)
            else:
                dropped.append(outcome)
        progress(len(found), len(found))
        return pages, dropped

    def _check_reached(self) -> None:
        """Raise if not one listing could be had: that is the network's state, and nothing that the source says."""
        if not self._unreached or len(self._unreached) < self._listings:
            return
        first = self._unreached[0]
        what = (
            "no listing of the source could be fetched" if self._fetcher.answered else "no host of the source answered"
        )
        raise GonerdError(
            f"{what} ({first.id}: {first.detail})",
            where=self._source.name,
            remedy="Check the network, then run the command again: it goes on where it stopped",
        )

    def _follow(self, url: str) -> Listing | Dropped:
        self._listings += 1
        try:
            value = self._journal.once("listing", url, lambda: jsonl.to_json(self._listing(url)))
        except Refused as refused:
            self._unreached.append(refused.dropped(url))
            return self._unreached[-1]
        return jsonl.from_json(Dropped, value) if "reason" in value else jsonl.from_json(Listing, value)

    def _listing(self, url: str) -> Listing | Dropped:
        """Return what a listing says.

        Raises:
            Refused: it could not be had; this goes past the journal, so that a later run tries again.
        """
        try:
            reply = self._fetcher.get(url, max_bytes=discovery.MAX_LISTING_BYTES, permit=self._robots.permit)
        except Refused as refused:
            if refused.reason is Reason.FETCH_ERROR:
                raise
            return refused.dropped(url)
        if reply.status != 200:
            return Dropped(url, Reason.HTTP_STATUS, str(reply.status))
        return discovery.READERS[self._source.discovery.kind](reply.body, reply.url)

    def _article(self, url: str, *, room: bool) -> Page | Dropped:
        """Return what becomes of an article's URL."""
        try:
            self._fetcher.check_host(url)
            if not self._source.is_article(url):
                raise Refused(Reason.NOT_ARTICLE, "the source's patterns leave it out")
            self._robots.permit(url)
            if not room:
                raise Refused(Reason.PAGE_LIMIT, f"after {self._config.max_pages} pages")
            value: dict[str, Any] = self._journal.once("page", url, lambda: jsonl.to_json(self._fetch(url)))
        except Refused as refused:
            return refused.dropped(url)
        if "reason" in value:
            return jsonl.from_json(Dropped, value)
        page = jsonl.from_json(Page, value)
        self._bodies.setdefault(page.body_sha256, url)
        return page

    def _fetch(self, url: str) -> Page | Dropped:
        try:
            reply = self._fetcher.get(
                url, max_bytes=self._config.max_bytes, permit=self._robots.permit, pages_only=True
            )
        except NoRobots:  # of a host that it redirects to; it goes past the journal
            raise
        except Refused as refused:
            return refused.dropped(url)
        digest = sha256(reply.body).hexdigest()
        if refusal := self._refusal(reply, digest):
            return refusal.dropped(url)
        return Page(
            url=url,
            final_url=reply.url,
            source=self._source.name,
            fetched_at=store.utc_now(),
            status=reply.status,
            media_type=media_type(reply.content_type)[0] or "text/html",
            body_sha256=digest,
            warc_file=WARC,
            warc_offset=reply.offset,
        )

    def _refusal(self, reply: Reply, digest: str) -> Refused | None:
        if reply.status != 200:
            return Refused(Reason.HTTP_STATUS, str(reply.status))
        if other := not_html(reply.content_type, reply.body):
            return Refused(Reason.MEDIA_TYPE, other)
        if digest in self._bodies:
            return Refused(Reason.DUPLICATE_BODY, f"the same as {self._bodies[digest]}")
        return None
