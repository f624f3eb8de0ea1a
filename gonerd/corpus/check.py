"""Does a source's file fit its site? A handful of pages, what extraction makes of them, and what to mend."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gonerd import store
from gonerd.corpus.archive import RawPage, read_pages
from gonerd.corpus.config import CrawlConfig
from gonerd.corpus.crawl import crawl, unwatched
from gonerd.corpus.extract import ExtractConfig, PageText, extract_page
from gonerd.corpus.interface import page_html
from gonerd.corpus.rounds import Watch
from gonerd.corpus.sources import Source
from gonerd.formats import jsonl
from gonerd.records import Dropped, Page

MIN_WORDS = 100  # fewer are taken for a failed extraction
MAX_LINK_SHARE = 0.3
_GLUED = re.compile(r"\b[a-z]{3,}[A-Z][a-z]{2,}\b|\b[a-z]{3,}[.!?;:,][A-Z][a-z]{2,}\b")
_WORD = re.compile(r"\w+")
_LONG = 12  # words: a shorter paragraph may well be on several pages
_BLOCKS = ("p", "li", "h1", "h2", "h3", "h4", "blockquote", "td", "th", "figcaption", "pre", "dd", "dt")


@dataclass(frozen=True, slots=True)
class Structure:
    """One kind of block on a page: where it is, how much text it holds and how much of that was extracted."""

    path: str  # a CSS selector
    blocks: int
    words: int
    kept: int  # words that are in the extracted text


@dataclass(frozen=True, slots=True)
class PageCheck:
    """What became of one page."""

    url: str
    text: PageText
    structure: tuple[Structure, ...]
    repeated: tuple[str, ...]  # paragraphs that are on the page more than once
    shared: tuple[str, ...]  # long paragraphs that other pages have too
    glued: tuple[str, ...]  # words that look like two

    @property
    def words(self) -> int:
        """How many words were extracted."""
        return len(_WORD.findall(self.text.text))


@dataclass(frozen=True, slots=True)
class Problem:
    """Something to mend in the source's file."""

    what: str
    pages: int
    example: str
    remedy: str


@dataclass(frozen=True, slots=True)
class SourceCheck:
    """The check of a source."""

    pages: tuple[PageCheck, ...]
    dropped: tuple[Dropped, ...]
    problems: tuple[Problem, ...]


def check(source: Source, out: Path, *, config: CrawlConfig, watch: Watch = unwatched) -> SourceCheck:
    """Crawl a few pages of a source into the folder `out` and look at what extraction makes of them.

    Raises:
        GonerdError: as `crawl`.
    """
    crawl(source, out, config=config, watch=watch)
    raw = read_pages(store.read_records(out, Page), out, max_bytes=config.max_bytes)
    bodies = [page for page in raw if isinstance(page, RawPage)]
    texts = [extract_page(page, source=source, config=ExtractConfig()) for page in bodies]
    on_pages = Counter(paragraph for text in texts for paragraph in set(text.paragraphs))
    pages = [_checked(page, text, on_pages, source) for page, text in zip(bodies, texts, strict=True)]
    dropped = tuple(jsonl.read(out / store.DROPPED, Dropped))
    return SourceCheck(tuple(pages), dropped, tuple(_problems(pages, dropped)))


def _checked(page: RawPage, text: PageText, on_pages: Counter[str], source: Source) -> PageCheck:
    here = Counter(text.paragraphs)
    repeated = [paragraph for paragraph, count in here.items() if count > 1]
    shared = [paragraph for paragraph in here if on_pages[paragraph] > 1 and len(_WORD.findall(paragraph)) >= _LONG]
    glued = [match.group() for match in _GLUED.finditer(text.text)]
    structure = tuple(_structure(page_html(page.body, page.content_type, source), text))
    return PageCheck(page.url, text, structure, tuple(repeated), tuple(shared), tuple(glued))


def _structure(html: str, text: PageText) -> Iterator[Structure]:
    """Yield the kinds of block on a page in order of their words, the largest first."""
    from bs4 import BeautifulSoup

    kept = set(text.paragraphs)
    whole = " ".join(text.paragraphs)
    figures: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
    for element in BeautifulSoup(html, "lxml").find_all(_BLOCKS):
        content = " ".join(element.get_text(" ").split())
        words = len(_WORD.findall(content))
        if words and not element.find(_BLOCKS):
            entry = figures[_path(element)]
            entry[0] += 1
            entry[1] += words
            entry[2] += words if content in kept or content in whole else 0
    ordered = sorted(figures.items(), key=lambda item: (-item[1][1], item[0]))
    yield from (Structure(path, *numbers) for path, numbers in ordered)


def _path(element: Any) -> str:
    """Return a selector of an element: its nearest named ancestor, and itself."""
    for parent in element.parents:
        if parent.name in ("body", "html", "[document]"):
            break
        if name := _name(parent):
            return f"{name} {element.name}"
    return str(element.name)


def _name(element: Any) -> str:
    if element.get("id"):
        return f"{element.name}#{element['id']}"
    classes = element.get("class") or []
    if classes:
        return f"{element.name}.{classes[0]}"
    return element.name if element.name in ("article", "main", "nav", "aside", "header", "footer") else ""


def _problems(pages: Sequence[PageCheck], dropped: Sequence[Dropped]) -> Iterator[Problem]:
    """Yield what is wrong, by kind."""
    if not pages:
        reasons = ", ".join(f"{n} {reason}" for reason, n in Counter(one.reason.value for one in dropped).items())
        yield Problem("no page", 0, reasons or "no listing named an article", "Look at discovery, hosts and article")
        return
    kinds: tuple[tuple[str, str, Any], ...] = (
        ("empty", "Name the element that holds the text in keep", lambda p: p.words < MIN_WORDS and f"{p.words} words"),
        ("boilerplate", "Name the element around it in remove", lambda p: p.shared and p.shared[0]),
        (
            "links",
            "Name what holds the links in remove",
            lambda p: p.text.link_share > MAX_LINK_SHARE and f"{p.text.link_share:.0%} of the words",
        ),
        ("duplicated paragraph", "Name one of the two elements in remove", lambda p: p.repeated and p.repeated[0]),
        (
            "glued words",
            "Report it: extraction should part them",
            lambda p: p.glued and ", ".join(p.glued[:5]),
        ),
        ("no title", "With a JSON body, set title", lambda p: not p.text.title and p.url),
        (
            "no date",
            "With a JSON body, set published",
            lambda p: not p.text.published and p.url,
        ),
    )
    for what, remedy, find in kinds:
        found = [str(example) for example in map(find, pages) if example]
        if found:
            yield Problem(what, len(found), found[0], remedy)
