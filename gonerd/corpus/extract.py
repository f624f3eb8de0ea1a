"""From an HTML page to its main text: paragraphs, headline, date, and how much of the page is links."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from functools import cache
from hashlib import sha256
from typing import Any

from gonerd.corpus.archive import RawPage
from gonerd.corpus.interface import page_html
from gonerd.corpus.prose import clean, of_the_article, paragraphs
from gonerd.corpus.sources import Source
from gonerd.corpus.tidy import tidy
from gonerd.records import Document

NO_SOURCE = "web"  # the source of pages that come without one

_WORD = re.compile(r"\w+")
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_LD_DATE = re.compile(r'"datePublished"\s*:\s*"([^"]{10,40})"')
_DATE_NAMES = (
    "article:published_time",
    "datepublished",
    "dc.date.issued",
    "dcterms.issued",
    "dc.date",
    "date",
    "pubdate",
)
_CAPTION = ("figcaption",)
_MAX_LINKS = 2_000  # on one page; a bound on the time that counting them takes
_SENTENCE_ENDS = tuple(".!?…:;\"”’')")
_LIST_WORDS = 15
_LINKS_OF_A_LIST = 20  # a page without text of its own and with as many links as this is a list of links


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtractConfig:
    """How the main text is found."""

    recall: bool = True
    """Keep a doubtful paragraph rather than lose it."""
    fallback: bool = False
    """Compare with trafilatura's slower second and third method."""
    headline: bool = True
    """Begin the text with the page's headline; without, the text never begins with it."""
    max_bytes: int = 10_000_000
    """Largest page that is looked at."""


@dataclass(frozen=True, slots=True)
class PageText:
    """What was found on a page."""

    paragraphs: tuple[str, ...]
    title: str | None
    published: str | None  # ISO 8601 date
    link_share: float  # words that links account for, of all words of the text
    boilerplate_share: float = 0.0  # words that were left out as the page's own, of all that were found

    @property
    def list_share(self) -> float:
        """The share of the words that stand in short paragraphs which are no sentences."""
        listed = [line.split() for line in self.paragraphs if not line.endswith(_SENTENCE_ENDS)]
        words = sum(len(line.split()) for line in self.paragraphs)
        return sum(len(line) for line in listed if len(line) <= _LIST_WORDS) / words if words else 0.0

    @property
    def text(self) -> str:
        """The text for ever: paragraphs with one blank line between them."""
        return "\n\n".join(self.paragraphs)


@cache
def extractor() -> str:
    """Return the name and version of what finds the main text."""
    import trafilatura

    return f"trafilatura {trafilatura.__version__}"


def extract_page(page: RawPage, *, source: Source | None, config: ExtractConfig) -> PageText:
    """Return the main text of a page.

    trafilatura (Barbaresi 2021, https://aclanthology.org/2021.acl-demo.15) finds it, in the elements that the source
    keeps if it names any. Headings, list items, table rows (cells joined by ` | `), captions and bylines are paragraphs
    of their own. Inside the elements that a source keeps, captions and bylines stay; elsewhere it is trafilatura that
    decides about them. Title and date are what the page itself states: neither is guessed from the text.
    """
    from trafilatura import load_html

    html = page_html(page.body, page.content_type, source).replace("\0", "")
    tree = load_html(html)
    if tree is None:
        return PageText((), None, None, 0.0)
    title, headline = _titles(tree)
    published = _published(tree)
    links = [clean(element.text_content()) for element in tree.xpath("//a")]
    found = list(_main_text(_selected(html, tree, source), config))
    link_share = _link_share(links, found)
    lines = of_the_article(found, links=links)
    words, kept = (sum(len(line.split()) for line in part) for part in (found, lines))
    left_out = 1 - kept / words if words else 0.0
    if headline and lines:
        lines = _with_headline(lines, headline) if config.headline else _without_headline(lines, headline)
    return PageText(tuple(lines), title, published, link_share, left_out)


def to_document(page: RawPage, text: PageText, *, source: Source | None, language: str | None) -> Document:
    """Return the Document of a page."""
    name = source.name if source else NO_SOURCE
    return Document(
        id=document_id(name, page.url),
        text=text.text,
        source=name,
        url=page.url,
        license=source.license if source else None,
        title=text.title,
        published=text.published,
        language=language,
        extractor=extractor(),
    )


def document_id(source: str, url: str) -> str:
    """Return the id of a page's document: it depends on the source's name and the URL alone."""
    return f"{source}-{sha256(url.encode('utf-8', 'surrogatepass')).hexdigest()[:12]}"


def _selected(html: str, tree: Any, source: Source | None) -> Any:
    """Return the tree of what the source's selectors leave; the whole page where none of `keep` is on it."""
    from trafilatura import load_html

    if source is None or not (source.keep or source.remove):
        return tree
    from bs4 import BeautifulSoup

    soup = BeautifulSoup(html, "lxml")
    for selector in source.remove:
        for element in soup.select(selector):
            element.decompose()
    kept = soup.select(", ".join(source.keep)) if source.keep else []
    kept = [element for element in kept if not any(parent in kept for parent in element.parents)]
    if not kept:
        return load_html(str(soup))
    for element in kept:
        _trust(element)
    return load_html(f"<html><body><article>{''.join(map(str, kept))}</article></body></html>")


def _trust(kept: Any) -> None:
    """Make everything in a kept element look like text: the source says it is, whatever its class is called."""
    for element in [kept, *kept.find_all(True)]:
        for attribute in ("class", "id", "role", "style", "itemprop", "rel"):
            element.attrs.pop(attribute, None)
        if element.name in _CAPTION:
            element.name = "p"
        elif element.name in ("figure", "header", "footer", "address", "time"):
            element.name = "span" if element.name == "time" else "div"


def _main_text(tree: Any, config: ExtractConfig) -> Iterator[str]:
    from trafilatura import bare_extraction

    tidy(tree)
    found: Any = bare_extraction(
        tree,
        fast=not config.fallback,
        favor_recall=config.recall,
        include_comments=False,
        include_tables=True,
        deduplicate=False,  # it depends on the pages seen before
        with_metadata=False,
    )
    if found is not None and found.body is not None:
        yield from paragraphs(found.body)


def _titles(tree: Any) -> tuple[str | None, str | None]:
    """Return the page's title and its headline: the h1 that the title speaks of, else an only h1."""
    metas = tree.xpath('//meta[@property="og:title" or @name="og:title"]/@content')
    titles = [clean(value) for value in [*metas, *(e.text_content() for e in tree.xpath("//head/title"))]]
    title = next((value for value in titles if value), None)
    headings = [value for value in (clean(" ".join(e.itertext())) for e in tree.xpath("//h1")) if value]
    named = [value for value in headings if any(_shared(value, title) >= 0.5 for title in titles)]
    headline = named[0] if named else headings[0] if len(headings) == 1 and not title else None
    return headline or title, headline


def _shared(heading: str, title: str) -> float:
    """Return the share of a heading's words that are in a title; 0 for the name of the site at its end or start."""
    words = _WORD.findall(heading.casefold())
    if not words or (len(words) < 3 and clean(heading).casefold() != title.casefold()):
        return 0.0
    known = set(_WORD.findall(title.casefold()))
    return sum(word in known for word in words) / len(words)


def _with_headline(lines: list[str], headline: str) -> list[str]:
    wanted = _WORD.findall(headline.casefold())
    has = any(_WORD.findall(line.casefold())[: len(wanted)] == wanted for line in lines)
    return lines if has else [headline, *lines]


def _without_headline(lines: list[str], headline: str) -> list[str]:
    return lines[1:] if lines[0].casefold() == headline.casefold() else lines


def _published(tree: Any) -> str | None:
    """Return the date of publication that the page states in its head, its linked data or a time element."""
    for name in _DATE_NAMES:
        path = "//meta[translate(@property, $upper, $lower)=$name or translate(@name, $upper, $lower)=$name"
        path += " or translate(@itemprop, $upper, $lower)=$name]/@content"
        upper, lower = "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz"
        for value in tree.xpath(path, name=name, upper=upper, lower=lower):
            if found := _iso_date(value):
                return found
    for script in tree.xpath('//script[@type="application/ld+json"]/text()'):
        match = _LD_DATE.search(script)
        if match and (found := _iso_date(match.group(1))):
            return found
    return next((found for value in tree.xpath("//article//time/@datetime") if (found := _iso_date(value))), None)


def _iso_date(value: str) -> str | None:
    match = _DATE.match(value.strip())
    try:
        return date.fromisoformat(match.group()).isoformat() if match else None
    except ValueError:
        return None


def _link_share(links: list[str], paragraphs: list[str]) -> float:
    """Return the share of the text's words that the texts of the page's links account for, each link once."""
    text = "\n".join(paragraphs)
    words, linked = len(text.split()), 0
    for link in sorted(links, key=lambda link: (-len(link), link))[:_MAX_LINKS]:
        if link and link in text:
            text = text.replace(link, "\n", 1)
            linked += len(link.split())
    return min(1.0, linked / words) if words else float(len(links) >= _LINKS_OF_A_LIST)
