"""Reading WARC files (ISO 28500), whoever wrote them."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from gonerd.corpus.html import JSON_TYPE, not_html
from gonerd.errors import GonerdError
from gonerd.records import Dropped, Page, Reason

# Records that are about responses; they hold no page of their own.
_BESIDE = ("warcinfo", "request", "metadata")
_LONGEST_HEAD = 65_536  # bytes
_GZIP = b"\x1f\x8b"


@dataclass(frozen=True, slots=True)
class RawPage:
    """One HTML or JSON body as it came, unpacked, and what its header said of it."""

    url: str
    body: bytes
    content_type: str | None
    final_url: str | None = None  # where a crawl was led to


def read_archive(path: Path, *, max_bytes: int) -> Iterator[RawPage | Dropped]:
    """Yield the HTML and JSON responses of a WARC file, of gonerd's or any other tool's making, plain or gzip.

    Every other record that could hold a page is yielded as dropped. Where the file ends inside a record, that record
    is dropped as truncated, and so is the file, by its name: what would have followed cannot be named.

    Raises:
        GonerdError: it is not a WARC file, holds no record, or is broken.
    """
    from warcio.archiveiterator import ArchiveIterator
    from warcio.exceptions import ArchiveLoadFailed
    from warcio.statusandheaders import StatusAndHeadersParserException

    end = 0  # of the last whole record, in bytes
    try:
        with path.open("rb") as stream:
            records = ArchiveIterator(stream)
            for record in records:
                page = None if record.rec_type in _BESIDE else _page(record, max_bytes=max_bytes)
                records.read_to_end()
                if lost := _lost(record, records):
                    page = page and Dropped(_url(record), Reason.TRUNCATED, lost)
                else:
                    end = records.offset
                if page:
                    yield page
        cut = _ends_inside(path, end)
    except (ArchiveLoadFailed, StatusAndHeadersParserException, zlib.error, EOFError, AttributeError) as error:
        # warcio stumbles over a head without a URL with an AttributeError.
        cut = _ends_inside(path, end, head=True)
        if not cut:
            message = " ".join(str(error).split())
            raise GonerdError(f"not a WARC file, or a broken one ({message})", where=path) from error
    if cut:
        yield Dropped(path.name, Reason.TRUNCATED, f"the file ends inside the record at byte {end}")
    elif not end:
        raise GonerdError("an empty WARC file: it holds no record", where=path, remedy="Fetch or copy it again")


def _lost(record: Any, records: Any) -> str:
    """Return what a record that was read to its end lacks, or "" if it is whole."""
    length = record.rec_headers.get_header("Content-Length") or ""
    if record.format == "warc" and not length.strip().isdigit():
        return "its length is not stated"
    missing = getattr(record.raw_stream, "limit", 0)
    if missing > 0:
        return f"{missing} bytes of the record are not there"
    unpacker = records.reader.decompressor
    if unpacker is not None and records.next_line is None and not unpacker.eof:
        return "the end of its gzip member is not there"
    return ""


def _ends_inside(path: Path, start: int, *, head: bool = False) -> bool:
    """Tell whether a file ends inside a record that begins at byte `start`; with `head`, inside the record's head."""
    with path.open("rb") as stream:
        stream.seek(start)
        rest = stream.read(_LONGEST_HEAD)
        at_end = not stream.read(1)
    if rest.startswith(_GZIP[: len(rest)]) and rest:
        unpacker = zlib.decompressobj(zlib.MAX_WBITS | 16)
        try:
            text = unpacker.decompress(rest, _LONGEST_HEAD).strip()
        except zlib.error:
            return False
        return not unpacker.eof or (bool(text) and not head)
    text = rest.strip()
    if not head:
        return bool(text)
    return at_end and text[:5] == b"WARC/"[: len(text)] and b"\r\n\r\n" not in rest and bool(text)


def read_pages(pages: Iterable[Page], folder: Path, *, max_bytes: int) -> Iterator[RawPage | Dropped]:
    """Yield the bodies of pages, which lie in WARC files of `folder`."""
    from warcio.archiveiterator import ArchiveIterator
    from warcio.exceptions import ArchiveLoadFailed

    for page in pages:
        path = folder / page.warc_file
        if path.parent != folder or not path.is_file():
            raise GonerdError(f"no such WARC file: {page.warc_file!r}", where=folder)
        try:
            with path.open("rb") as stream:
                stream.seek(page.warc_offset)
                raw = _page(next(iter(ArchiveIterator(stream))), max_bytes=max_bytes)
        except (ArchiveLoadFailed, zlib.error, EOFError, StopIteration) as error:
            raise GonerdError(f"no record at byte {page.warc_offset}", where=path) from error
        if isinstance(raw, RawPage) and sha256(raw.body).hexdigest() != page.body_sha256:
            raise GonerdError(f"the record at byte {page.warc_offset} is not {page.url}", where=path)
        if isinstance(raw, RawPage):
            raw = RawPage(page.url, raw.body, raw.content_type, page.final_url)
        yield raw


def _page(record: Any, *, max_bytes: int) -> RawPage | Dropped:
    """Return the page that a record holds, or why it holds none."""
    url = _url(record)
    if record.rec_type == "revisit":
        return Dropped(url, Reason.DUPLICATE_BODY, "a revisit record")
    if record.rec_type != "response" or record.http_headers is None:
        return Dropped(url, Reason.MEDIA_TYPE, f"a {record.rec_type} record")
    status = record.http_headers.get_statuscode()
    if status != "200":
        return Dropped(url, Reason.HTTP_STATUS, status or "none")
    return _body(record, url, max_bytes=max_bytes)


def _body(record: Any, url: str, *, max_bytes: int) -> RawPage | Dropped:
    """Return the page of a response of status 200, or why its body is none."""
    if cut := record.rec_headers.get_header("WARC-Truncated"):
        return Dropped(url, Reason.TRUNCATED, f"its writer cut it ({cut})")
    body = record.content_stream().read(max_bytes + 1)
    if len(body) > max_bytes:
        return Dropped(url, Reason.TOO_LARGE, f"over {max_bytes} bytes")
    content_type = record.http_headers.get_header("Content-Type")
    if (other := not_html(content_type, body)) and not JSON_TYPE.fullmatch(other):
        return Dropped(url, Reason.MEDIA_TYPE, other)
    return RawPage(url, body, content_type)


def _url(record: Any) -> str:
    url: str = record.rec_headers.get_header("WARC-Target-URI") or "record without a URL"
    return url.strip("<>")  # some writers of WARC 1.0 bracket it
