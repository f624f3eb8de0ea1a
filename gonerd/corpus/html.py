"""Bytes to characters: media type, charset and a look at what a body really is."""

from __future__ import annotations

import codecs
import re
from email.message import Message

HTML_TYPES = ("text/html", "application/xhtml+xml")
JSON_TYPE = re.compile(r"application/([\w.-]+\+)?json|text/json")
_META = re.compile(rb"""<meta[^>]{0,300}?charset\s*=\s*["']?\s*([\w.:-]+)""", re.IGNORECASE)
_META_WINDOW = 4096  # bytes; pages in the wild put the declaration beyond the standard's 1,024
_BOMS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
# What a label means on the web (WHATWG Encoding Standard, section 4.2), where Python reads it otherwise.
_WEB_LABELS = {
    "ascii": "cp1252",
    "iso8859-1": "cp1252",
    "iso8859-9": "cp1254",
    "iso8859-11": "cp874",
    "tis-620": "cp874",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "shift_jis": "cp932",
    "euc_kr": "cp949",
}
_ONE_BYTE = re.compile(r"cp125\d|cp874|iso8859-\d+|koi8-[ru]")


def media_type(content_type: str | None) -> tuple[str, str | None]:
    """Return media type and charset of a Content-Type header, in lower case; "" where there is none."""
    if not content_type:
        return "", None
    message = Message()
    message["Content-Type"] = content_type.replace("\r", " ").replace("\n", " ")
    charset = message.get_param("charset")
    declared = ";" in content_type or "/" in content_type
    kind = content_type.partition(";")[0].strip().lower() if declared else ""
    return kind, charset.lower() if isinstance(charset, str) else None


def not_html(content_type: str | None, body: bytes) -> str | None:
    """Return what a body is when it is not HTML, whatever its header says; None when it is HTML."""
    kind, _ = media_type(content_type)
    if kind and kind not in HTML_TYPES:
        return kind
    start = body[:1024].lstrip(b"\xef\xbb\xbf\xff\xfe\x00 \t\r\n\f")
    if body and not start.startswith(b"<") and (not kind or start.startswith((b"%PDF-", b"\x89PNG", b"PK\x03\x04"))):
        return f"{kind or 'no media type'}, but the body is not HTML"
    return None


def decode(body: bytes, content_type: str | None) -> str:
    """Return the characters of an HTML body.

    The charset is the byte order mark's, the header's or the meta element's (WHATWG HTML, section 13.2.3), where a
    declaration that the bytes contradict is passed over; with none of them it is UTF-8 if it can be, else Windows-1252.
    """
    for mark, encoding in _BOMS:
        if body.startswith(mark):
            return body[len(mark) :].decode(encoding, errors="replace")
    candidates = [*_declared(body, content_type), "utf-8", "cp1252"]
    if _ONE_BYTE.fullmatch(candidates[0]) and not body.isascii():
        candidates.insert(0, "utf-8")  # text in a one-byte charset is hardly ever valid UTF-8 by chance
    for encoding in candidates:
        try:
            return body.decode(encoding)
        except UnicodeDecodeError:
            continue
    return body.decode(candidates[0], errors="replace")


def _declared(body: bytes, content_type: str | None) -> list[str]:
    """Return the known encodings that header and meta element declare, as Python's names, the header's first."""
    meta = _META.search(body[:_META_WINDOW])
    labels = [media_type(content_type)[1], meta.group(1).decode("ascii", "ignore") if meta else None]
    found = []
    for label in labels:
        encoding = _known(label) if label else None
        if encoding:
            found.append(encoding)
    return found


def _known(label: str) -> str | None:
    """Return Python's name for a charset label, or None for an unknown one and for codecs that are no charset."""
    try:
        info = codecs.lookup(label.strip())
    except (LookupError, ValueError):
        return None
    if not getattr(info, "_is_text_encoding", True) or info.name in ("utf-7", "idna", "punycode", "unicode_escape"):
        return None
    # A page whose meta element could be read as ASCII is not in UTF-16, whatever it says.
    return "utf-8" if info.name.startswith("utf-16") else _WEB_LABELS.get(info.name, info.name)
