"""One visit to one article: whether it may be fetched, what came back, and what becomes of it."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import sha256
from html import unescape
from pathlib import Path

from gonerd.corpus.config import CrawlConfig
from gonerd.corpus.failures import Refused, Unreached
from gonerd.corpus.fetch import RETRIED, Fetcher, Known, Reply, Trail, Wish
from gonerd.corpus.frontier import Fetched, Frontier, Waiting
from gonerd.corpus.html import JSON_TYPE, media_type, not_html
from gonerd.corpus.robots import Robots
from gonerd.corpus.sources import PAGE, Source
from gonerd.corpus.warc import Revisited
from gonerd.records import Dropped, Page, Reason
from gonerd.urls import canonical, host_of

MISSES = 5  # visits in a row without an answer after which a host is asked whether it is still there
_HEAD = 131_072  # bytes of a page in which its canonical link is looked for
_LINK = re.compile(rb"<link\b[^>]{0,2000}>", re.IGNORECASE)
_CANONICAL = re.compile(rb"""\brel\s*=\s*["']?canonical["'\s/>]""", re.IGNORECASE)
_HREF = re.compile(rb"""\bhref\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s>]+))""", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Visit:
    """What came of a visit: an outcome, or why there is none this time."""

    waiting: Waiting
    trail: Trail
    outcome: Fetched | Dropped | None = None
    failure: Dropped | None = None
    lost: bool = False  # the host answers nothing any more


class Visitor:
    """Visits the articles of a source. Used by many threads; a host is visited by one of them at a time.

    Args:
        source: whose articles they are.
        config: limits.
        fetcher: sends the requests.
        robots: says which are allowed.
        frontier: knows the pages of an earlier crawl.
        folder: holds that crawl's WARC files.
    """

    def __init__(self, source: Source, config: CrawlConfig, fetcher: Fetcher, *, robots: Robots, frontier: Frontier,
                 folder: Path) -> None:  # fmt: skip
        self._source, self._config, self._fetcher = source, config, fetcher
        self._robots, self._frontier, self._folder = robots, frontier, folder
        self._kind = "html" if source.body == PAGE else "json"
        self._misses: dict[str, int] = {}

    def visit(self, waiting: Waiting) -> Visit:
        """Fetch an article."""
        trail, host = Trail(), host_of(waiting.request)
        try:
            outcome: Fetched | Dropped = self._fetch(waiting, trail)
        except Unreached as unreached:
            answered = unreached.reason is Reason.HTTP_STATUS
            self._misses[host] = 0 if answered else self._misses.get(host, 0) + 1
            lost = False
            if self._misses[host] >= MISSES:
                self._misses[host] = 0
                lost = not self._robots.answers(waiting.request, trail)
            return Visit(waiting, trail, failure=unreached.dropped(waiting.url), lost=lost)
        except Refused as refused:
            outcome = refused.dropped(waiting.url)
        self._misses[host] = 0
        return Visit(waiting, trail, outcome)

    def _fetch(self, waiting: Waiting, trail: Trail) -> Fetched:
        earlier = self._frontier.previous(waiting.url)
        known = _known(earlier, self._folder) if earlier else None
        wish = Wish(waiting.request, self._config.max_bytes, self._kind, known)
        reply = self._fetcher.get(wish, trail, self._robots.permit)
        if reply.unchanged and earlier:
            return Fetched(earlier, "")
        if reply.status in RETRIED:
            raise Unreached(Reason.HTTP_STATUS, str(reply.status))
        if reply.status != 200:
            raise Refused(Reason.HTTP_STATUS, str(reply.status))
        if not reply.body:
            raise Refused(Reason.EMPTY, "an answer without a body")
        if other := self._other(reply):
            raise Refused(Reason.MEDIA_TYPE, other)
        page = Page(
            url=waiting.url,
            final_url=reply.url,
            source=self._source.name,
            fetched_at=datetime.now(UTC).isoformat(timespec="seconds"),
            status=reply.status,
            media_type=media_type(reply.content_type)[0] or "text/html",
            body_sha256=sha256(reply.body).hexdigest(),
            warc_file="",  # known once it is written
            warc_offset=0,
        )
        takes_links = self._kind == "html" and self._source.discovery.kind != "urls"
        return Fetched(page, canonical_link(reply.body, reply.url) if takes_links else "")

    def _other(self, reply: Reply) -> str | None:
        """Return what a body is when it is not what the source's text is in."""
        if self._kind == "html":
            return not_html(reply.content_type, reply.body)
        kind = media_type(reply.content_type)[0]
        if not JSON_TYPE.fullmatch(kind):
            return f"{kind or 'no media type'}, where the source's text is in JSON"
        return None if reply.body.lstrip()[:1] in (b"{", b"[") else f"{kind}, but the body is not JSON"


def canonical_link(body: bytes, url: str) -> str:
    """Return the address that an HTML page states as its own, "" if it states none of the web."""
    for link in _LINK.finditer(body[:_HEAD]):
        href = _HREF.search(link.group())
        if href and _CANONICAL.search(link.group()):
            stated = next(group for group in href.groups() if group is not None)
            try:
                return canonical(unescape(stated.decode("utf-8", errors="replace")), url)
            except ValueError:
                return ""
    return ""


def _known(page: Page, folder: Path) -> Known | None:
    """Return what the earlier answer's head says for a conditional request, or None if it cannot be read."""
    from warcio.archiveiterator import ArchiveIterator
    from warcio.exceptions import ArchiveLoadFailed

    try:
        with (folder / page.warc_file).open("rb") as stream:
            stream.seek(page.warc_offset)
            record = next(iter(ArchiveIterator(stream)))
            http, warc = record.http_headers, record.rec_headers
            revisited = Revisited(
                page.final_url, warc.get_header("WARC-Date"), warc.get_header("WARC-Payload-Digest") or ""
            )
            return Known(revisited, http.get_header("ETag"), http.get_header("Last-Modified"))
    except (OSError, ArchiveLoadFailed, StopIteration):
        return None


def placed(fetched: Fetched, file: str, offset: int) -> Fetched:
    """Return a page with the place of its body in the archive; an unchanged one has a place already."""
    if fetched.page.warc_file:
        return fetched
    return replace(fetched, page=replace(fetched.page, warc_file=file, warc_offset=offset))
