"""Sitemaps and feeds: the URLs in them and their dates, read from XML that may be hostile."""

from __future__ import annotations

import xml.parsers.expat
import zlib
from datetime import UTC
from email.utils import parsedate_to_datetime

MAX_UNPACKED = 52_428_800  # bytes: the limit of sitemaps.org for one sitemap
_MAX_DEPTH = 100
_MAX_TEXT = 65_536  # characters of one element that could be a URL or a date
Links = list[tuple[str, str]]  # URL and date, "" where there is none


def read_sitemap(body: bytes) -> tuple[Links, Links, str]:
    """Return the pages, the further sitemaps and the fault of a sitemap or a sitemap index, plain or gzip.

    sitemaps.org protocol 0.9. A document type with entities is refused: no sitemap needs one, and it can be a bomb.
    """
    try:
        reader = _Reader()
        fault = reader.read(_unpacked(body))
    except zlib.error as error:
        return [], [], f"not a gzip file ({error})"
    pages = [(url, entry.get("lastmod", "")) for entry in reader.entries("url") if (url := entry.get("loc", ""))]
    maps = [(url, entry.get("lastmod", "")) for entry in reader.entries("sitemap") if (url := entry.get("loc", ""))]
    return pages, maps, f"not a sitemap ({fault})" if fault else ""


def read_feed(body: bytes) -> tuple[Links, Links, str]:
    """Return the articles, the next page (RFC 5005) and the fault of an RSS (0.9 to 2.0) or Atom feed."""
    try:
        reader = _Reader()
        fault = reader.read(_unpacked(body))
    except zlib.error as error:
        return [], [], f"not a gzip file ({error})"
    articles: Links = []
    for entry in (*reader.entries("item"), *reader.entries("entry")):
        url = entry.get("link", "") or (entry.get("guid", "") if entry.get("guid", "").startswith("http") else "")
        dates = (entry.get(name, "") for name in ("pubDate", "published", "date", "updated"))
        if url:
            articles.append((url, _iso(next((date for date in dates if date), ""))))
    return articles, [(url, "") for url in reader.following], f"not a feed ({fault})" if fault else ""


def _unpacked(body: bytes) -> bytes:
    return zlib.decompressobj(wbits=31).decompress(body, MAX_UNPACKED) if body.startswith(b"\x1f\x8b") else body


def _iso(date: str) -> str:
    """Return a feed's date (RFC 822 or ISO 8601) as ISO 8601 in UTC; what is neither stays away."""
    if date[:4].isdigit():
        return date
    try:
        return parsedate_to_datetime(date).astimezone(UTC).isoformat(timespec="seconds")
    except (ValueError, TypeError, OverflowError):
        return ""


class _Reader:
    """Collects entries as the text of their children, whatever the namespace prefix."""

    _ENTRIES = ("url", "sitemap", "item", "entry")

    def __init__(self) -> None:
        self.following: list[str] = []
        self._found: list[tuple[str, dict[str, str]]] = []
        self._path: list[str] = []
        self._text: list[str] = []
        self._length = 0

    def entries(self, name: str) -> list[dict[str, str]]:
        """Return the entries of one name."""
        return [entry for kind, entry in self._found if kind == name]

    def read(self, body: bytes) -> str:
        """Read a whole document; return what was wrong with it, or ""."""
        parser = xml.parsers.expat.ParserCreate()
        parser.EntityDeclHandler = self._refuse_entity
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._add_text
        parser.buffer_text = True
        try:
            parser.Parse(body, True)
        except (xml.parsers.expat.ExpatError, ValueError) as error:
            return str(error)
        return ""

    @staticmethod
    def _refuse_entity(*_: object) -> None:
        raise ValueError("it declares entities")

    def _add_text(self, text: str) -> None:
        self._length += len(text)
        if self._length <= _MAX_TEXT:  # of a longer text, such as a whole article in a feed, nothing is needed
            self._text.append(text)

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        local = name.rpartition(":")[2]
        if len(self._path) >= _MAX_DEPTH:
            raise ValueError("nested too deep")
        if local in self._ENTRIES and not self._inside():
            self._found.append((local, {}))
        self._path.append(local)
        self._clear()
        if local == "link" and "href" in attributes:
            self._atom_link(attributes)

    def _inside(self) -> str:
        """Return the entry that is being read, or ""."""
        return next((name for name in self._path if name in self._ENTRIES), "")

    def _atom_link(self, attributes: dict[str, str]) -> None:
        relation = attributes.get("rel", "alternate")
        if self._inside() and relation == "alternate":
            self._found[-1][1].setdefault("link", attributes["href"])
        elif not self._inside() and relation == "next":
            self.following.append(attributes["href"])

    def _end(self, _: str) -> None:
        name = self._path.pop()
        text = "".join(self._text).strip()
        if text and self._length <= _MAX_TEXT and self._path and self._path[-1] == self._inside():
            self._found[-1][1].setdefault(name, text)
        self._clear()

    def _clear(self) -> None:
        self._text.clear()
        self._length = 0
