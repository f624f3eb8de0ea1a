"""How the URLs of articles are found: one reader for each kind of interface."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin

from gonerd.corpus.feeds import read_feed, read_sitemap
from gonerd.corpus.html import decode
from gonerd.corpus.interface import value_at
from gonerd.corpus.sources import Discovery
from gonerd.formats import jsonl
from gonerd.urls import canonical, parameter_of, path_of, with_parameter

MAX_LISTINGS = 100_000  # a source that needs more has a fault, or wants to keep us busy
MAX_FRUITLESS = 20  # listings in a row without a new article: a calendar that goes on for ever, a wheel of pages
MAX_LISTING_BYTES = 52_428_800  # the limit of sitemaps.org for one sitemap, unpacked


@dataclass(frozen=True, slots=True)
class Found:
    """An article that a listing names."""

    url: str
    request: str = ""  # the URL to ask for; "": the article's own
    date: str = ""  # ISO 8601, as far as the listing gives it


@dataclass(frozen=True, slots=True)
class Listing:
    """What one sitemap, feed, result page or page of links says."""

    articles: tuple[Found, ...] = ()
    more: tuple[Found, ...] = ()  # further listings
    fault: str = ""  # why it could not be read to its end


@dataclass(frozen=True, slots=True)
class Answer:
    """The body of a listing, where it came from and what its header said of it."""

    url: str
    body: bytes
    content_type: str | None = None


def start_urls(discovery: Discovery) -> tuple[str, ...]:
    """Return the listings to begin with."""
    if discovery.kind == "json_pages":
        return tuple(
            url if parameter_of(url, discovery.parameter) else _numbered(url, discovery, discovery.first)
            for url in discovery.start
        )
    return discovery.start


def read_listing(discovery: Discovery, answer: Answer) -> Listing:
    """Return what a listing says; its URLs are in their canonical form, and what is no URL of the web is a fault."""
    raw = READERS[discovery.kind](discovery, answer)
    faults = [raw.fault] if raw.fault else []
    articles, more = (list(_resolved(found, answer.url, faults)) for found in (raw.articles, raw.more))
    requested = tuple(_with_request(found, discovery) for found in articles)
    return Listing(requested, tuple(more), "; ".join(faults[:3]))


def requested(url: str, discovery: Discovery) -> str:
    """Return the URL to ask for in place of an article's, "" for its own, where nothing but its URL is known."""
    return _filled(discovery.request, {}, url) if discovery.request else ""


def _resolved(found: Iterable[Found], base: str, faults: list[str]) -> Iterator[Found]:
    for one in found:
        try:
            yield Found(canonical(one.url, base), one.request, one.date)
        except ValueError as error:
            faults.append(str(error))


def _with_request(found: Found, discovery: Discovery) -> Found:
    if found.request or not discovery.request:
        return found
    return Found(found.url, requested(found.url, discovery), found.date)


def _filled(template: str, item: Mapping[str, Any], url: str) -> str:
    """Return a template with the fields of an item in it.

    Raises:
        ValueError: the item lacks a field that the template names.
    """
    known = {**item, "url": url, "path": path_of(url)} if url else item
    pieces = template.split("{")
    text = pieces[0]
    for piece in pieces[1:]:
        name, _, rest = piece.partition("}")
        value = value_at(known, name)
        if not isinstance(value, str | int) or value == "":
            raise ValueError(f"an item without {name!r}")
        text += f"{value}{rest}"
    return text


def _read_listing_page(discovery: Discovery, answer: Answer) -> Listing:
    """Return the links to articles on an HTML page, and the one to the next page."""
    from bs4 import BeautifulSoup

    soup = BeautifulSoup(decode(answer.body, answer.content_type), "lxml")
    base = soup.select_one("base[href]")
    root = urljoin(answer.url, str(base["href"])) if base else answer.url

    def links(selector: str) -> tuple[Found, ...]:
        found = (element.get("href") for element in soup.select(selector)) if selector else ()
        return tuple(Found(urljoin(root, str(href))) for href in found if href and not str(href).startswith("#"))

    return Listing(links(discovery.link), links(discovery.next)[:1])


def _parsed(answer: Answer) -> Any:
    return jsonl.loads(answer.body.decode("utf-8-sig", errors="replace"))


def _items(discovery: Discovery, content: Any, base: str) -> tuple[list[Found], str]:
    """Return the articles of a JSON listing, and what is wrong with it."""
    items = value_at(content, discovery.items)
    if not isinstance(items, list):
        return [], f"no list under {discovery.items!r}"
    found, fault = [], ""
    for item in items:
        try:
            url = canonical(_filled(discovery.url, item if isinstance(item, dict) else {}, ""), base)
            request = _filled(discovery.request, item, url) if discovery.request else ""
        except ValueError as error:
            fault = str(error)
            continue
        date = value_at(item, discovery.date) if discovery.date else ""
        found.append(Found(url, request, str(date or "")))
    return found, fault


def _read_json_pages(discovery: Discovery, answer: Answer) -> Listing:
    """Return the items of one numbered page; the page after it is asked for until one has no items."""
    try:
        found, fault = _items(discovery, _parsed(answer), answer.url)
        number = int(parameter_of(answer.url, discovery.parameter) or discovery.first)
    except ValueError as error:
        return Listing(fault=str(error))
    following = (Found(_numbered(answer.url, discovery, number + discovery.step)),) if found else ()
    return Listing(tuple(found), following, fault)


def _numbered(url: str, discovery: Discovery, number: int) -> str:
    return with_parameter(url, discovery.parameter, str(number))


def _read_json_cursor(discovery: Discovery, answer: Answer) -> Listing:
    """Return the items of one answer; the next is where its cursor says, until it says nothing."""
    try:
        content = _parsed(answer)
    except ValueError as error:
        return Listing(fault=str(error))
    found, fault = _items(discovery, content, answer.url)
    cursor = value_at(content, discovery.cursor)
    if not isinstance(cursor, str | int) or cursor in ("", 0, False) or not found:
        return Listing(tuple(found), (), fault)
    following = with_parameter(answer.url, discovery.parameter, str(cursor)) if discovery.parameter else str(cursor)
    return Listing(tuple(found), (Found(following),), fault)


def _read_mediawiki(_: Discovery, answer: Answer) -> Listing:
    """Return the pages of a MediaWiki query with `generator=…&prop=info&inprop=url`, and its continuation.

    https://www.mediawiki.org/wiki/API:Continue: the answer's `continue` object goes into the next request as it is.
    """
    try:
        content = _parsed(answer)
    except ValueError as error:
        return Listing(fault=str(error))
    if problem := value_at(content, "error.info"):
        return Listing(fault=f"the wiki says: {problem}")
    pages = value_at(content, "query.pages") or []
    pages = list(pages.values()) if isinstance(pages, dict) else pages
    found = [
        Found(page["fullurl"], "", str(page.get("touched") or ""))
        for page in pages
        if isinstance(page, dict) and isinstance(page.get("fullurl"), str)
    ]
    onward = value_at(content, "continue")
    if not isinstance(onward, dict) or not onward:
        return Listing(tuple(found))
    following = answer.url
    for name, value in onward.items():
        following = with_parameter(following, name, str(value))
    return Listing(tuple(found), (Found(following),))


def _from_xml(read: Callable[[bytes], tuple[list[tuple[str, str]], list[tuple[str, str]], str]]) -> Reader:
    def reader(_: Discovery, answer: Answer) -> Listing:
        articles, more, fault = read(answer.body)
        return Listing(tuple(Found(u, "", d) for u, d in articles), tuple(Found(u, "", d) for u, d in more), fault)

    return reader


Reader = Callable[[Discovery, Answer], Listing]
READERS: dict[str, Reader] = {
    "sitemap": _from_xml(read_sitemap),
    "feed": _from_xml(read_feed),
    "listing": _read_listing_page,
    "json_pages": _read_json_pages,
    "json_cursor": _read_json_cursor,
    "mediawiki": _read_mediawiki,
}
"""For each kind of discovery, the function that reads one answer of it. `urls` needs none: it names the articles."""
