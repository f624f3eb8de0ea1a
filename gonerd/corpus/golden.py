"""Golden pages: a page as it came, and the document that must come out of it for ever."""

from __future__ import annotations

import gzip
import hashlib
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from gonerd import store
from gonerd.corpus.archive import RawPage, read_pages
from gonerd.corpus.config import CrawlConfig
from gonerd.corpus.crawl import crawl
from gonerd.corpus.run import ExtractSettings, documents
from gonerd.corpus.sources import Discovery, Source
from gonerd.errors import GonerdError
from gonerd.formats import jsonl
from gonerd.records import Document, Dropped, Page

_NOT_NAME = re.compile(r"[^a-z0-9]+")
_LONGEST_NAME = 60


@dataclass(frozen=True, slots=True)
class Golden:
    """One golden page; its body lies beside it, under the same name with .html.gz in place of .json."""

    source: str  # name of the source
    url: str
    content_type: str | None
    document: Document | None  # what comes out of it
    dropped: Dropped | None = None  # or why nothing does


def capture(source: Source, url: str, folder: Path, *, config: CrawlConfig) -> tuple[Path, Golden]:
    """Fetch one page of a source and write it with its document into `folder`/SOURCE; return where, and what it says.

    Raises:
        GonerdError: the page could not be had.
    """
    only = replace(source, discovery=Discovery("urls", (url,), request=source.discovery.request))
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch, "crawl")
        crawl(only, out, config=config)
        pages = list(read_pages(store.read_records(out, Page), out, max_bytes=config.max_bytes))
        lost = list(jsonl.read(out / store.DROPPED, Dropped))
    page = pages[0] if pages else None
    if not isinstance(page, RawPage):
        reason = f"{lost[0].reason}: {lost[0].detail}" if lost else "it is not HTML"
        raise GonerdError(f"the page could not be had ({reason})", where=url)
    golden = make(source, page)
    path = _place(folder / source.name, url, golden)
    path.parent.mkdir(parents=True, exist_ok=True)
    store.write_atomic(body_path(path), gzip.compress(page.body, mtime=0))
    store.write_json(path, golden)
    return path, golden


def make(source: Source, page: RawPage) -> Golden:
    """Return what extraction makes of a page now."""
    outcome = next(iter(documents([page], settings=ExtractSettings(source=source))))
    if isinstance(outcome, Dropped):
        return Golden(source.name, page.url, page.content_type, None, outcome)
    return Golden(source.name, page.url, page.content_type, outcome)


def read(path: Path) -> tuple[Golden, RawPage]:
    """Return a golden page and its body.

    Raises:
        GonerdError: the file is not one that `capture` writes.
    """
    try:
        golden = jsonl.from_json(Golden, store.read_json(path))
    except ValueError as error:
        raise GonerdError(str(error), where=path) from error
    body = gzip.decompress(body_path(path).read_bytes())
    return golden, RawPage(golden.url, body, golden.content_type)


def body_path(path: Path) -> Path:
    """Return where the body of a golden page lies."""
    return path.with_suffix(".html.gz")


def golden_pages(folder: Path) -> Iterator[Path]:
    """Yield the golden pages of a folder, sorted."""
    yield from sorted(folder.glob("*/*.json"))


def _place(folder: Path, url: str, golden: Golden) -> Path:
    """Return where a golden page goes; where another page has its name, a name of its own."""
    name = _file_name(url)
    path = folder / f"{name}.json"
    if path.is_file() and read(path)[0].url != golden.url:
        return folder / f"{name}-{hashlib.sha256(golden.url.encode()).hexdigest()[:8]}.json"
    return path


def _file_name(url: str) -> str:
    parts = urlsplit(url)
    name = _NOT_NAME.sub("-", f"{parts.path} {parts.query}".lower()).strip("-")
    return name[-_LONGEST_NAME:].strip("-") or "index"
