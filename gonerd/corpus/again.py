"""The pages of a release once more: from the web, and from web archives where the web has lost them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urldefrag, urlsplit

from gonerd import store
from gonerd.corpus.config import CrawlConfig
from gonerd.corpus.crawl import crawl
from gonerd.corpus.sources import NAME, Discovery, Source
from gonerd.formats import jsonl
from gonerd.formats.release import StandoffDocument
from gonerd.formats.removed import same_page
from gonerd.records import Dropped, Page, Progress, Reason

LIVE, ARCHIVED = "warc", "archived"
_NO_COPY = (Reason.ROBOTS, Reason.PAGE_LIMIT)  # what was not asked for is not asked of an archive either
_SOME_DAY = "20200101"  # where a document has no date: an archive takes the copy nearest to it


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the page of a document may be had."""

    archives: tuple[str, ...]
    timestamp: str | None

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
        return {self.key(url) for url in (entry.url, *self.copies(entry)) if url}


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
    sources: Mapping[str, Source],
    config: CrawlConfig,
    progress: Progress,
) -> tuple[list[Path], dict[str, Dropped]]:
    """Crawl the pages of documents, a folder a source, and what is gone from archives.

    Returns:
        The folders of the crawls, and by document why its page could not be had.
    """
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
        refused = _crawl(_source(name, sources.get(name)), urls, folder, config=config, progress=progress)
        folders.append(folder)
        missing.update(refused)
    gone = [entry for entry in entries if is_web(entry.url) and _may_be_copied(missing.get(entry.id))]
    for number, _ in enumerate(addresses.archives):
        urls = {entry.id: list(addresses.copies(entry))[number] for entry in gone}
        if urls:
            folder = out / ARCHIVED / f"{number:02d}"
            refused = _crawl(_source("archive", None), urls, folder, config=config, progress=progress)
            folders.append(folder)
            gone = [entry for entry in gone if entry.id in refused]
    return folders, missing


def _may_be_copied(refusal: Dropped | None) -> bool:
    return refusal is not None and refusal.reason not in _NO_COPY


def _source(name: str, known: Source | None) -> Source:
    """Return a source that has just the manners of the known one: which pages there are, the release says."""
    plain = Source(name if NAME.fullmatch(name) else "source", "", "", "", (), Discovery("urls", ()), crawl_delay=0.0)
    return replace(known, article=None, exclude=()) if known else plain


def _crawl(
    source: Source, urls: Mapping[str, str], folder: Path, *, config: CrawlConfig, progress: Progress
) -> dict[str, Dropped]:
    """Fetch pages into a folder; return by document why its page could not be had."""
    wanted = tuple(dict.fromkeys(urls.values()))
    hosts = tuple(sorted({urlsplit(url).netloc.lower() for url in wanted}))
    source = replace(source, hosts=hosts, discovery=Discovery("urls", wanted))
    folder.parent.mkdir(parents=True, exist_ok=True)
    crawl(source, folder, config=replace(config, max_pages=len(wanted)), progress=progress)
    had = {page.url for page in store.read_records(folder, Page)}
    refused = {one.id: one for one in jsonl.read(folder / store.DROPPED, Dropped)}
    unknown = "the crawl says nothing of it"
    return {
        name: refused.get(url, Dropped(name, Reason.FETCH_ERROR, unknown))
        for name, url in urls.items()
        if url not in had
    }
