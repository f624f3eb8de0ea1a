"""What extraction can read: a crawl's folder, WARC files of any tool, HTML files and folders of them."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from gonerd import store
from gonerd.corpus.archive import RawPage, read_archive, read_pages
from gonerd.corpus.crawl import STAGE as CRAWL
from gonerd.errors import GonerdError
from gonerd.formats import jsonl
from gonerd.records import Dropped, Page, Reason

WARC_NAMES = (".warc", ".warc.gz")
HTML_NAMES = (".html", ".htm", ".xhtml", ".html.gz", ".htm.gz")
LISTED = ".files.jsonl"
FILES_A_SHARD = 1000


@dataclass(frozen=True, slots=True)
class HtmlFile:
    """One file of a folder of HTML files."""

    path: str  # relative to the folder, with slashes: the page's URL
    sha256: str


@dataclass(frozen=True, slots=True)
class Shards:
    """The files that a stage reads, and where the folder of listed HTML files lies."""

    paths: tuple[Path, ...]
    roots: dict[str, Path]  # name of a listing: the folder that its paths are relative to


def gather(inputs: Sequence[Path], listings: Path) -> Shards:
    """Return the shards of what the user named; HTML files are listed, up to 1,000 a shard, in files under `listings`.

    Raises:
        GonerdError: an input is missing, or holds nothing that can be read.
    """
    paths: list[Path] = []
    roots: dict[str, Path] = {}
    for path in inputs:
        warcs, html, root = _contents(path)
        paths.extend(warcs)
        for start in range(0, len(html), FILES_A_SHARD):
            listing = listings / f"{len(roots):05d}{LISTED}"
            listings.mkdir(parents=True, exist_ok=True)
            part = html[start : start + FILES_A_SHARD]
            jsonl.write(listing, (HtmlFile(p.relative_to(root).as_posix(), store.sha256_file(p)) for p in part))
            paths.append(listing)
            roots[listing.name] = root
    return Shards(tuple(paths), roots)


def _contents(path: Path) -> tuple[list[Path], list[Path], Path]:
    """Return the shards of an input that can be read as they are, its HTML files, and their common folder."""
    if not path.exists():
        raise GonerdError("no such file or folder", where=path)
    if path.is_file():
        if path.name.endswith(WARC_NAMES):
            return [path], [], path.parent
        if path.name.endswith(HTML_NAMES):
            return [], [path], path.parent
        raise GonerdError(
            "neither a WARC file nor an HTML file", where=path, remedy="WARC files end in .warc or .warc.gz"
        )
    if (path / store.MANIFEST).is_file() and store.read_manifest(path).stage == CRAWL:
        return store.shards(path), [], path
    files = sorted(file for file in path.rglob("*") if file.is_file())
    warcs = [file for file in files if file.name.endswith(WARC_NAMES)]
    html = [file for file in files if file.name.endswith(HTML_NAMES)]
    if not warcs and not html:
        raise GonerdError("no WARC and no HTML files in this folder", where=path)
    return warcs, html, path


def reader(shards: Shards, *, max_bytes: int) -> partial[Iterator[RawPage | Dropped]]:
    """Return the function that reads one shard; it can be sent to another process."""
    return partial(read_shard, roots=shards.roots, max_bytes=max_bytes)


def read_shard(path: Path, *, roots: dict[str, Path], max_bytes: int) -> Iterator[RawPage | Dropped]:
    """Yield the pages of a shard, whatever kind it is of."""
    if path.name.endswith(WARC_NAMES):
        return read_archive(path, max_bytes=max_bytes)
    if path.name.endswith(LISTED):
        return _read_files(path, roots[path.name], max_bytes=max_bytes)
    return read_pages(jsonl.read(path, Page), path.parent, max_bytes=max_bytes)


def _read_files(listing: Path, root: Path, *, max_bytes: int) -> Iterator[RawPage | Dropped]:
    for file in jsonl.read(listing, HtmlFile):
        path = root / file.path
        try:
            with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as stream:
                body = stream.read(max_bytes + 1)
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise GonerdError(f"not a gzip file ({error})", where=path) from error
        if len(body) > max_bytes:
            yield Dropped(file.path, Reason.TOO_LARGE, f"over {max_bytes} bytes")
        else:
            yield RawPage(file.path, body, None)
