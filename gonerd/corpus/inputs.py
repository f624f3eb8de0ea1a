"""What extraction can read: a crawl's folder, WARC files of any tool, HTML files and folders of them."""

from __future__ import annotations

import gzip
import os
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
_HTML = (".html", ".htm", ".xhtml", ".shtml")
HTML_NAMES = (*_HTML, *(f"{name}.gz" for name in _HTML))
LISTED = ".files.jsonl"
FILES_A_SHARD = 1000


@dataclass(frozen=True, slots=True)
class HtmlFile:
    """One file of a folder of HTML files, or one that lies among them and cannot be read as a page."""

    path: str  # relative to the folder, with slashes: the page's URL
    sha256: str = ""
    fault: str = ""  # why it is not read


@dataclass(frozen=True, slots=True)
class Shards:
    """The files that a stage reads, and where the folders of listed files lie."""

    paths: tuple[Path, ...]
    roots: dict[str, Path]  # name of a listing: the folder that its paths are relative to


def gather(inputs: Sequence[Path], listings: Path) -> Shards:
    """Return the shards of what the user named; files of folders are listed, up to 1,000 a shard, under `listings`.

    Names are told apart by their endings, in capitals or not. A file of a folder that is neither WARC nor HTML is
    listed too, so that it comes out as dropped; hidden files and what gonerd's own stages write are not.

    Raises:
        GonerdError: an input is missing or unreadable, or holds nothing that can be read.
    """
    paths: list[Path] = []
    roots: dict[str, Path] = {}
    for path in inputs:
        warcs, listed, root = _contents(path)
        paths.extend(warcs)
        for start in range(0, len(listed), FILES_A_SHARD):
            listing = listings / f"{len(roots):05d}{LISTED}"
            listings.mkdir(parents=True, exist_ok=True)
            part = listed[start : start + FILES_A_SHARD]
            jsonl.write(listing, (_entry(file, root) for file in part))
            paths.append(listing)
            roots[listing.name] = root
    return Shards(tuple(paths), roots)


def _contents(path: Path) -> tuple[list[Path], list[Path], Path]:
    """Return the shards of an input that can be read as they are, its other files, and their common folder."""
    if not path.exists():
        raise GonerdError("no such file or folder", where=path)
    if path.is_file():
        if _is_named(path, WARC_NAMES):
            return [path], [], path.parent
        if _is_named(path, HTML_NAMES):
            return [], [path], path.parent
        raise GonerdError(
            "neither a WARC file nor an HTML file", where=path, remedy="WARC files end in .warc or .warc.gz"
        )
    if (path / store.MANIFEST).is_file() and store.read_manifest(path).stage == CRAWL:
        return store.shards(path), [], path
    files = sorted(_walk(path))
    warcs = [file for file in files if _is_named(file, WARC_NAMES) and file.is_file()]
    if not warcs and not any(_is_named(file, HTML_NAMES) and file.is_file() for file in files):
        raise GonerdError("no WARC and no HTML files in this folder", where=path)
    taken = set(warcs)
    return warcs, [file for file in files if file not in taken and not _is_beside(file, path)], path


def _is_named(path: Path, endings: tuple[str, ...]) -> bool:
    return path.name.lower().endswith(endings)


def _walk(folder: Path) -> Iterator[Path]:
    """Yield all files under a folder, and links to folders, which are not followed: they may lead round in a circle."""
    for parent, folders, files in os.walk(folder, onerror=_refuse):
        links = [name for name in folders if Path(parent, name).is_symlink()]
        yield from (Path(parent, name) for name in (*files, *links))


def _refuse(error: OSError) -> None:
    raise GonerdError(f"this folder cannot be read ({error.strerror})", where=error.filename) from error


def _is_beside(file: Path, root: Path) -> bool:
    """Tell whether nobody means a file to be read: a hidden one, or one that a stage wrote beside its pages."""
    if _is_named(file, HTML_NAMES):
        return False
    hidden = any(part.startswith(".") for part in file.relative_to(root).parts)
    of_stage = file.suffix == ".jsonl" and (file.parent / store.MANIFEST).is_file()
    return hidden or of_stage or file.name == store.MANIFEST


def _entry(file: Path, root: Path) -> HtmlFile:
    name = file.relative_to(root).as_posix()
    readable = os.fsencode(name).decode("utf-8", errors="replace")
    if _is_named(file, HTML_NAMES) and file.is_file():
        if readable != name:  # it is to be the page's address
            return HtmlFile(readable, fault="its name is not UTF-8: rename it")
        return HtmlFile(name, store.sha256_file(file))
    return HtmlFile(readable, fault=_fault(file))


def _fault(file: Path) -> str:
    if not file.exists():
        return "a link to nothing"
    if file.is_dir():
        return "a link to a folder, which is not followed"
    return "neither a WARC file nor an HTML file by its name" if file.is_file() else "not a regular file"


def reader(shards: Shards, *, max_bytes: int) -> partial[Iterator[RawPage | Dropped]]:
    """Return the function that reads one shard; it can be sent to another process."""
    return partial(read_shard, roots=shards.roots, max_bytes=max_bytes)


def read_shard(path: Path, *, roots: dict[str, Path], max_bytes: int) -> Iterator[RawPage | Dropped]:
    """Yield the pages of a shard, whatever kind it is of."""
    if _is_named(path, WARC_NAMES):
        return read_archive(path, max_bytes=max_bytes)
    if path.name.endswith(LISTED):
        return _read_files(path, roots[path.name], max_bytes=max_bytes)
    return read_pages(jsonl.read(path, Page), path.parent, max_bytes=max_bytes)


def _read_files(listing: Path, root: Path, *, max_bytes: int) -> Iterator[RawPage | Dropped]:
    for file in jsonl.read(listing, HtmlFile):
        if file.fault:
            yield Dropped(file.path, Reason.MEDIA_TYPE, file.fault)
            continue
        path = root / file.path
        try:
            with gzip.open(path) if _is_named(path, (".gz",)) else path.open("rb") as stream:
                body = stream.read(max_bytes + 1)
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise GonerdError(f"not a gzip file ({error})", where=path) from error
        if len(body) > max_bytes:
            yield Dropped(file.path, Reason.TOO_LARGE, f"over {max_bytes} bytes")
        else:
            yield RawPage(file.path, body, None)
