"""What an answer's head and body say: its kind, its packing, whether it is the same as an earlier one."""

from __future__ import annotations

import zlib
from base64 import b32encode
from hashlib import sha1

from gonerd.corpus.failures import Refused
from gonerd.corpus.html import JSON_TYPE
from gonerd.corpus.warc import Exchange, Revisited
from gonerd.records import Reason


def is_of_kind(content_type: str | None, kind: str) -> bool:
    """Tell whether a header lets a body be what is wanted (a missing one does)."""
    if not content_type or not kind:
        return True
    if kind == "json":
        return JSON_TYPE.fullmatch(content_type.partition(";")[0].strip().lower()) is not None
    return "html" in content_type.lower()


def is_same(exchange: Exchange, status: int, revisited: Revisited) -> bool:
    """Tell whether an answer repeats an earlier one: it says so itself, or its payload has the same digest."""
    if status == 304:
        return True
    digest = b32encode(sha1(exchange.payload, usedforsecurity=False).digest()).decode("ascii")
    return status == 200 and revisited.digest == f"sha1:{digest}"


def retry_after(header: str | None) -> float | None:
    """Return the seconds that a Retry-After header asks for, as urllib3 reads it, or None if it asks for nothing."""
    from urllib3.exceptions import InvalidHeader
    from urllib3.util import Retry

    try:
        return float(Retry().parse_retry_after(header)) if header else None
    except (InvalidHeader, ValueError, OverflowError):
        return None


def unpack(payload: bytes, encoding: str, *, max_bytes: int) -> bytes:
    """Return a body without its content encoding (gzip or deflate, the two that are asked for).

    Raises:
        Refused: it unpacks to more than the limit, is broken or cut, or is packed in another way.
    """
    if encoding.strip().lower() in ("", "identity"):
        return payload
    if encoding.strip().lower() not in ("gzip", "x-gzip", "deflate"):
        raise Refused(Reason.FETCH_ERROR, f"content encoding {encoding!r} was not asked for")
    for bits in (zlib.MAX_WBITS | 32, -zlib.MAX_WBITS):  # by its header, else raw deflate
        unpacker = zlib.decompressobj(bits)
        try:
            body = unpacker.decompress(payload, max_bytes + 1)
        except zlib.error:
            continue
        if len(body) > max_bytes:
            raise Refused(Reason.TOO_LARGE, f"over {max_bytes} bytes unpacked")
        if not unpacker.eof:
            raise Refused(Reason.FETCH_ERROR, f"the end of the {encoding} body is missing")
        return body
    raise Refused(Reason.FETCH_ERROR, f"the body is not in {encoding}, as its header says")
