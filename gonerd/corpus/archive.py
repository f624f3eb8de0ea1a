"""WARC files (ISO 28500): what was sent and received, written as it was and read whoever wrote it."""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO

from gonerd import __version__
from gonerd.corpus.html import JSON_TYPE, not_html
from gonerd.errors import GonerdError
from gonerd.records import Dropped, Page, Reason

Headers = list[tuple[str, str]]
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


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and the answer to it."""

    url: str
    request_line: str
    request_headers: Headers
    status_line: str
    headers: Headers
    payload: bytes  # as it came, still packed where the server packed it


class ArchiveWriter:
    """Appends exchanges to an open WARC file, one gzip member a record."""

    def __init__(self, stream: BinaryIO) -> None:
        from warcio.warcwriter import WARCWriter

        self._stream = stream
        self._writer: Any = WARCWriter(stream, gzip=True)

    def describe(self, name: str) -> None:
        """Write the record that says what made the file."""
        info = {"software": f"gonerd/{__version__}", "format": "WARC File Format 1.0"}
        self._writer.write_record(self._writer.create_warcinfo_record(name, info))

    def write(self, exchange: Exchange) -> int:
        """Write the response and the request of an exchange; return the offset of the response (bytes)."""
        offset = self._stream.tell()
        response = self._record(exchange.url, "response", exchange.payload, _response_head(exchange))
        request = self._record(exchange.url, "request", b"", _request_head(exchange))
        self._writer.write_request_response_pair(request, response)
        return offset

    def _record(self, url: str, kind: str, payload: bytes, head: Any) -> Any:
        return self._writer.create_warc_record(url, kind, payload=io.BytesIO(payload), http_headers=head)


def _response_head(exchange: Exchange) -> Any:
    """Return the HTTP head to keep. The payload is no longer chunked, so that header gets another name."""
    from warcio.statusandheaders import StatusAndHeaders

    kept = [
        ("X-Archive-Orig-Transfer-Encoding" if name.lower() == "transfer-encoding" else name, value)
        for name, value in exchange.headers
    ]
    return StatusAndHeaders(exchange.status_line, kept, protocol="HTTP/1.1")


def _request_head(exchange: Exchange) -> Any:
    from warcio.statusandheaders import StatusAndHeaders

    return StatusAndHeaders(exchange.request_line, exchange.request_headers, is_http_request=True)


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
        yield RawPage(page.url, raw.body, raw.content_type) if isinstance(raw, RawPage) else raw


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
