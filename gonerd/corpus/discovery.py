"""How the URLs of articles are found: one reader for each kind of interface, one walk for all of them."""

from __future__ import annotations

import xml.parsers.expat
import zlib
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from urllib.parse import urldefrag, urljoin

from gonerd.corpus.sources import Source
from gonerd.records import Dropped, Reason

MAX_LISTINGS = 10_000  # a source that needs more has a fault, or wants to keep us busy
MAX_LISTING_BYTES = 52_428_800  # the limit of sitemaps.org for one sitemap, unpacked


@dataclass(frozen=True, slots=True)
class Listing:
    """What one sitemap, feed or result page says."""

    articles: tuple[str, ...] = ()
    more: tuple[str, ...] = ()  # further listings
    fault: str = ""  # why it could not be read to its end


def read_sitemap(body: bytes, url: str) -> Listing:
    """Return the URLs of a sitemap or a sitemap index (sitemaps.org protocol 0.9), plain or gzip.

    A document type with entities is refused: no sitemap needs one, and it can be a bomb.
    """
    if body.startswith(b"\x1f\x8b"):
        try:
            body = zlib.decompressobj(wbits=31).decompress(body, MAX_LISTING_BYTES)
        except zlib.error as error:
            return Listing(fault=f"not a gzip file ({error})")
    reader = _SitemapReader()
    fault = reader.feed(body)
    articles, more = ([urldefrag(urljoin(url, found)).url for found in urls] for urls in (reader.pages, reader.maps))
    return Listing(tuple(dict.fromkeys(articles)), tuple(dict.fromkeys(more)), fault)


class _SitemapReader:
    """Collects `url/loc` and `sitemap/loc`, whatever the namespace prefix."""

    def __init__(self) -> None:
        self.pages: list[str] = []
        self.maps: list[str] = []
        self._path: list[str] = []
        self._text: list[str] = []

    def feed(self, body: bytes) -> str:
        """Read a whole sitemap; return what was wrong with it, or ""."""
        parser = xml.parsers.expat.ParserCreate()
        parser.EntityDeclHandler = self._refuse_entity
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text.append
        try:
            parser.Parse(body, True)
        except (xml.parsers.expat.ExpatError, ValueError) as error:
            return f"not a sitemap ({error})"
        return ""

    @staticmethod
    def _refuse_entity(*_: object) -> None:
        raise ValueError("it declares entities")

    def _start(self, name: str, _: dict[str, str]) -> None:
        self._path.append(name.rpartition(":")[2])
        self._text.clear()

    def _end(self, _: str) -> None:
        found = "".join(self._text).strip()
        if found and self._path[-2:] == ["url", "loc"]:
            self.pages.append(found)
        elif found and self._path[-2:] == ["sitemap", "loc"]:
            self.maps.append(found)
        self._path.pop()
        self._text.clear()


READERS: dict[str, Callable[[bytes, str], Listing]] = {"sitemap": read_sitemap}
"""For each kind of discovery, the function that reads one body of it: (body, url) -> Listing."""


def walk(source: Source, follow: Callable[[str], Listing | Dropped]) -> Iterator[str | Dropped]:
    """Yield the article URLs of a source, each once and in the order of discovery, and what was dropped on the way.

    Args:
        source: what to discover.
        follow: fetches one listing and has it read by the source's reader.
    """
    if source.discovery.kind == "urls":
        yield from dict.fromkeys(source.discovery.start)
        return
    waiting = deque(dict.fromkeys(source.discovery.start))
    met, given = set(waiting), set[str]()
    for _ in range(MAX_LISTINGS):
        if not waiting:
            return
        url = waiting.popleft()
        listing = follow(url)
        if isinstance(listing, Dropped):
            yield listing
            continue
        if listing.fault:
            yield Dropped(url, Reason.FETCH_ERROR, listing.fault)
        fresh = [more for more in listing.more if more not in met]
        met.update(fresh)
        waiting.extend(fresh)
        for article in listing.articles:
            if article not in given:
                given.add(article)
                yield article
    for url in waiting:
        yield Dropped(url, Reason.PAGE_LIMIT, f"more than {MAX_LISTINGS} listings")
