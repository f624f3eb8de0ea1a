"""Writing WARC files (ISO 28500): requests, responses and revisits as they were, one gzip member a record."""

from __future__ import annotations

import io
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from gonerd import __version__
from gonerd.corpus.cdxj import index_line

Headers = list[tuple[str, str]]
UNCHANGED = "http://netpreserve.org/warc/1.0/revisit/server-not-modified"
SAME_BODY = "http://netpreserve.org/warc/1.0/revisit/identical-payload-digest"


@dataclass(frozen=True, slots=True)
class Revisited:
    """The earlier answer that a new one repeats."""

    url: str
    date: str  # ISO 8601
    digest: str  # of the payload, as WARC writes it


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and the answer to it."""

    url: str
    date: str  # ISO 8601, UTC
    request_line: str
    request_headers: Headers
    status_line: str
    headers: Headers
    payload: bytes  # as it came, still packed where the server packed it
    truncated: str = ""  # why the payload is not kept: a word of WARC-Truncated
    revisited: Revisited | None = None  # the earlier answer that this one repeats


@dataclass(frozen=True, slots=True)
class Place:
    """Where a record lies."""

    file: str
    offset: int  # bytes
    index: str  # its line in the index


class ArchiveWriter:
    """Appends exchanges to the WARC files of a folder, the next one when one is full.

    Args:
        folder: where the files lie.
        sizes: the files that this crawl has written so far and how much of each counts, in order; what comes after
            that is cut off, since nothing vouches for it.
        first: number of the first file to write.
        max_bytes: a file that has reached this size is full.
    """

    def __init__(self, folder: Path, sizes: dict[str, int], *, first: int, max_bytes: int) -> None:
        self.folder, self._max_bytes = folder, max_bytes
        self.sizes = dict(sizes)
        for path in folder.glob("crawl-*.warc.gz"):
            if path.name in sizes:
                os.truncate(path, sizes[path.name])
            elif path.name >= archive_name(first):
                path.unlink()
        self._number = first + max(len(sizes) - 1, 0)
        self._stream: BinaryIO | None = None

    def write(self, exchange: Exchange) -> Place:
        """Write the response (or revisit) and the request of an exchange; return the place of the response."""
        stream = self._open()
        writer = self._writer(stream)
        file, offset = archive_name(self._number), stream.tell()
        response = _response(writer, exchange)
        request = writer.create_warc_record(
            exchange.url,
            "request",
            payload=io.BytesIO(b""),
            http_headers=_request_head(exchange),
            warc_headers_dict={"WARC-Date": exchange.date},
        )
        writer.write_record(response)
        length = stream.tell() - offset
        request.rec_headers.add_header("WARC-Concurrent-To", response.rec_headers.get_header("WARC-Record-ID"))
        writer.write_record(request)
        self.sizes[file] = stream.tell()
        return Place(file, offset, index_line(response, file, offset, length))

    def sync(self) -> None:
        """Wait until all that was written is on the disk."""
        if self._stream is not None:
            self._stream.flush()
            os.fsync(self._stream.fileno())

    def close(self) -> None:
        """Close the file that is being written."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def _open(self) -> BinaryIO:
        name = archive_name(self._number)
        if self.sizes.get(name, 0) >= self._max_bytes:
            self.sync()
            self.close()
            self._number += 1
            name = archive_name(self._number)
        if self._stream is None:
            self._stream = (self.folder / name).open("ab")
            if self._stream.tell() == 0:
                self._describe(name)
        return self._stream

    def _describe(self, name: str) -> None:
        info = {"software": f"gonerd/{__version__}", "format": "WARC File Format 1.0"}
        assert self._stream is not None  # noqa: S101 - for the type checker
        writer = self._writer(self._stream)
        writer.write_record(writer.create_warcinfo_record(name, info))

    @staticmethod
    def _writer(stream: BinaryIO) -> Any:
        from warcio.warcwriter import WARCWriter

        return WARCWriter(stream, gzip=True)


def archive_name(number: int) -> str:
    """Return the name of a crawl's WARC file."""
    return f"crawl-{number:05d}.warc.gz"


def _response(writer: Any, exchange: Exchange) -> Any:
    """Return the record of an answer. A revisit has the head alone: its payload lies in the earlier record."""
    seen = exchange.revisited
    headers = {"WARC-Date": exchange.date}
    if exchange.truncated:
        headers["WARC-Truncated"] = exchange.truncated
    if seen is not None:
        not_modified = exchange.status_line.startswith("304")
        headers |= {
            "WARC-Profile": UNCHANGED if not_modified else SAME_BODY,
            "WARC-Payload-Digest": seen.digest,
            "WARC-Refers-To-Target-URI": seen.url,
            "WARC-Refers-To-Date": seen.date,
        }
    return writer.create_warc_record(
        exchange.url,
        "response" if seen is None else "revisit",
        payload=io.BytesIO(exchange.payload if seen is None else b""),
        http_headers=_response_head(exchange),
        warc_headers_dict=headers,
    )


def _response_head(exchange: Exchange) -> Any:
    """Return the HTTP head to keep. The payload is no longer chunked, so that header gets another name."""
    from warcio.statusandheaders import StatusAndHeaders

    kept = [
        ("X-Archive-Orig-Transfer-Encoding" if name.lower() == "transfer-encoding" else name, _line(value))
        for name, value in exchange.headers
    ]
    return StatusAndHeaders(_line(exchange.status_line), kept, protocol="HTTP/1.1")


def _request_head(exchange: Exchange) -> Any:
    from warcio.statusandheaders import StatusAndHeaders

    return StatusAndHeaders(exchange.request_line, exchange.request_headers, is_http_request=True)


def _line(value: str) -> str:
    """Return a header's value without line ends, which would forge another header."""
    return " ".join(value.splitlines()) if "\n" in value or "\r" in value else value
