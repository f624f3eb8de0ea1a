"""Index lines of WARC files in the form that web-archive tools read (CDXJ): where a URL's answers lie."""

from __future__ import annotations

import json
import re
from urllib.parse import urlsplit

INDEX = "index.cdxj"
_WWW = re.compile(r"www\d*\.")


def surt(url: str) -> str:
    """Return the key of a URL: its host turned round, in lower case, its query sorted (Sort-friendly URI)."""
    parts = urlsplit(url.lower())
    host = _WWW.sub("", parts.hostname or "", count=1) if _WWW.match(parts.hostname or "") else parts.hostname or ""
    turned = host if ":" in host or host.replace(".", "").isdigit() else ",".join(reversed(host.split(".")))
    port = f":{parts.port}" if parts.port and parts.port != {"http": 80, "https": 443}.get(parts.scheme) else ""
    path = parts.path if parts.path == "/" else parts.path.rstrip("/") or "/"
    query = "&".join(sorted(parts.query.split("&"))) if parts.query else ""
    return f"{turned}{port}){path}" + (f"?{query}" if query else "")


def index_line(record: object, file: str, offset: int, length: int) -> str:
    """Return the line of one response or revisit record of warcio's making."""
    headers, http = record.rec_headers, record.http_headers  # type: ignore[attr-defined]
    url = headers.get_header("WARC-Target-URI")
    kind = (http.get_header("Content-Type") or "unk").partition(";")[0].strip() or "unk"
    revisit = headers.get_header("WARC-Type") == "revisit"
    fields = {
        "url": url,
        "mime": "warc/revisit" if revisit else kind,
        "status": http.get_statuscode(),
        "digest": headers.get_header("WARC-Payload-Digest"),
        "length": str(length),
        "offset": str(offset),
        "filename": file,
    }
    moment = "".join(filter(str.isdigit, headers.get_header("WARC-Date")))[:14]
    return f"{surt(url)} {moment} {json.dumps(fields)}"
