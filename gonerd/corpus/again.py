"""The pages of a release once more: from the web, and from web archives where the web has lost them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urldefrag, urlsplit

from gonerd import store
from gonerd.corpus.config import CrawlConfig
from gonerd.corpus.crawl import crawl
from gonerd.corpus.discovery import requested
from gonerd.corpus.rounds import Watch
from gonerd.corpus.sources import NAME, PAGE, Discovery, Source
from gonerd.formats import jsonl
from gonerd.formats.release import StandoffDocument
from gonerd.formats.removed import same_page
from gonerd.records import Dropped, Page, Reason

LIVE, ARCHIVED = "warc", "archived"
_NO_COPY = (Reason.ROBOTS, Reason.PAGE_LIMIT)  # what was not asked for is not asked of an archive either
_SOME_DAY = "20200101"  # where a document has no date: an archive takes the copy nearest to it


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the page of a document may be had."""

    archives: tuple[str, ...]
    timestamp: str | None
    sources: tuple[Source, ...] = ()  # that are known: some give the text under another address than the page's

    @staticmethod
    def key(url: str) -> str:
        """Return what all spellings of an address have in common."""
        return same_page(urldefrag(url).url)

    def copies(self, entry: StandoffDocument) -> Iterator[str]:
        """Yield the addresses of its copies in archives."""
        when = (self.timestamp or (entry.published or _SOME_DAY)[:10].replace("-", "")).ljust(14, "0")
        for pattern in self.archives if is_web(entry.url) else ():
            yield pattern.replace("{timestamp}", when).replace("{url}", urldefrag(entry.url or "").url)

    def all_of(self, entry: StandoffDocument) -> set[str]:
        """Return all addresses of a document's page, as `key` has them."""
        asked = [_asked(source, entry.url or "") for source in self.sources if source.name == entry.source]
        return {self.key(url) for url in (entry.url, *asked, *self.copies(entry)) if url}


def is_web(url: str | None) -> bool:
    """Tell whether an address is one of a web page."""
    try:
        parts = urlsplit(url or "")
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)


def fetch_again(
    entries: Sequence[StandoffDocument],
    out: Path,
    addresses: Addresses,
    *,
    config: CrawlConfig,
    watch: Watch,
) -> tuple[list[Path], dict[str, Dropped]]:
    """Crawl the pages of documents, a folder a source, and what is gone from archives.

    Returns:
        The folders of the crawls, and by document why its page could not be had.
    """
    sources = {source.name: source for source in addresses.sources}
    folders: list[Path] = []
    missing: dict[str, Dropped] = {}
    groups: dict[str, list[StandoffDocument]] = {}
    for entry in entries:
        if is_web(entry.url):
            groups.setdefault(entry.source, []).append(entry)
        else:
            missing[entry.id] = Dropped(entry.id, Reason.UNKNOWN_DOCUMENT, "the release has no web address for it")
    for number, (name, group) in enumerate(sorted(groups.items())):
        folder = out / LIVE / (name if NAME.fullmatch(name) else f"source-{number}")
        urls = {entry.id: urldefrag(entry.url or "").url for entry in group}
        refused = _crawl(_source(name, sources.get(name)), urls, folder, config=config, watch=watch)
        folders.append(folder)
        missing.update(refused)
    gone = [entry for entry in entries if is_web(entry.url) and _may_be_copied(missing.get(entry.id))]
    for number, _ in enumerate(addresses.archives):
        urls = {entry.id: list(addresses.copies(entry))[number] for entry in gone}
        if urls:
            folder = out / ARCHIVED / f"{number:02d}"
            refused = _crawl(_source("archive", None), urls, folder, config=config, watch=watch)
            folders.append(folder)
            gone = [entry for entry in gone if entry.id in refused]
    return folders, missing


def _may_be_copied(refusal: Dropped | None) -> bool:
    return refusal is not None and refusal.reason not in _NO_COPY


def _asked(source: Source, url: str) -> str:
    """Return the address under which a source gives the text of a page, "" where the page's address does not tell."""
    try:
        return requested(url, source.discovery)
    except ValueError:
        return ""


def _source(name: str, known: Source | None) -> Source:
    """Return a source that has just the manners of the known one: which pages there are, the release says."""
    plain = Source(name if NAME.fullmatch(name) else "source", "", "", "", (), Discovery("urls", ()), crawl_delay=0.0)
    return replace(known, article=None, exclude=()) if known else plain


def _crawl(
    source: Source, urls: Mapping[str, str], folder: Path, *, config: CrawlConfig, watch: Watch
) -> dict[str, Dropped]:
    """Fetch pages into a folder; return by document why its page could not be had.

    Where the source gives the text under an address that the page's tells, that one is asked, else the page's own.
    """
    wanted = tuple(dict.fromkeys(urls.values()))
    asked = [_asked(source, url) for url in wanted]
    request = source.discovery.request if all(asked) else ""
    hosts = tuple(sorted({urlsplit(url).netloc.lower() for url in (*wanted, *(asked if request else ()))}))
    body = source.body if request or not source.discovery.request else PAGE
    source = replace(source, hosts=hosts, body=body, discovery=Discovery("urls", wanted, request=request))
    folder.parent.mkdir(parents=True, exist_ok=True)
    crawl(source, folder, config=replace(config, max_pages=len(wanted)), watch=watch)
    had = {page.url for page in store.read_records(folder, Page)}
    refused = {one.id: one for one in jsonl.read(folder / store.DROPPED, Dropped)}
    unknown = "the crawl says nothing of it"
    return {
        name: refused.get(url, Dropped(name, Reason.FETCH_ERROR, unknown))
        for name, url in urls.items()
        if url not in had
    }
