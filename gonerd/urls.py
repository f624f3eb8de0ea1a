"""One form for every URL: what two spellings of the same address have in common."""

from __future__ import annotations

import posixpath
import re
from urllib.parse import parse_qsl, quote, unquote, urljoin, urlsplit, urlunsplit

# Parameters that say where a reader came from and never what is shown.
_TRACKING = re.compile(
    r"utm_\w+|fbclid|gclid|dclid|msclkid|mc_[ce]id|igshid|yclid|_hs(enc|mi)|wt\.mc_id", re.IGNORECASE
)
_SESSION = re.compile(r";jsessionid=[^/?#]*", re.IGNORECASE)
_SESSION_NAMES = ("jsessionid", "phpsessid", "aspsessionid")
_PORTS = {"http": 80, "https": 443}
_ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})")
_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_SAFE = "/:@!$&'()*+,;=%-._~?[]"


def canonical(url: str, base: str = "") -> str:
    """Return the one form of a URL (RFC 3986, section 6.2): two that differ only in spelling become one.

    Scheme and host in lower case, no default port, no fragment, dot segments resolved, escapes in one spelling,
    parameters of tracking and sessions left out. Path, order of the query and a final slash are the site's business.

    Raises:
        ValueError: it is no URL of the web.
    """
    joined = urljoin(base, url.strip()) if base else url.strip()
    parts = urlsplit(joined.replace("\t", "").replace("\n", "").replace("\r", ""))
    scheme, host = parts.scheme.lower(), (parts.hostname or "").rstrip(".")
    if scheme not in _PORTS or not host:
        raise ValueError(f"not an http URL: {url!r}")
    if ":" in host:
        host = f"[{host}]"
    elif not host.isascii():
        host = host.encode("idna").decode("ascii")
    port = parts.port
    netloc = host if port in (None, _PORTS[scheme]) else f"{host}:{port}"
    path = _spelled(_SESSION.sub("", _without_dots(parts.path or "/")))
    return urlunsplit((scheme, netloc, path, _spelled(_query(parts.query)), ""))


def host_of(url: str) -> str:
    """Return host and port of a canonical URL, as a source's `hosts` name them."""
    return urlsplit(url).netloc


def path_of(url: str) -> str:
    """Return the path of a URL without its slash at the beginning."""
    return urlsplit(url).path.lstrip("/")


def with_parameter(url: str, name: str, value: str) -> str:
    """Return `url` with one query parameter set, in its place if it has it already."""
    parts = urlsplit(url)
    pieces = [piece for piece in parts.query.split("&") if piece and unquote(piece.partition("=")[0]) != name]
    pieces.append(f"{quote(name, safe='')}={quote(value, safe='')}")
    return urlunsplit(parts._replace(query="&".join(pieces)))


def parameter_of(url: str, name: str) -> str | None:
    """Return the value of a query parameter, or None if there is none."""
    return dict(parse_qsl(urlsplit(url).query, keep_blank_values=True)).get(name)


def _without_dots(path: str) -> str:
    if "/." not in path:
        return path
    folder = path.endswith(("/", "/.", "/.."))
    resolved = posixpath.normpath(path.replace("//", "/\0/")).replace("/\0/", "//")
    return resolved.rstrip("/") + "/" if folder else resolved


def _query(query: str) -> str:
    if not query:
        return ""
    kept = []
    for piece in query.split("&"):
        name = piece.partition("=")[0].lower()
        if not _TRACKING.fullmatch(name) and name not in _SESSION_NAMES:
            kept.append(piece)
    return "&".join(kept)


def _spelled(text: str) -> str:
    """Return text with escapes in capitals, none where none is needed, and one where one is."""

    def escape(match: re.Match[str]) -> str:
        character = chr(int(match.group(1), 16))
        return character if character in _UNRESERVED else match.group().upper()

    quoted = quote(text, safe=_SAFE, errors="surrogatepass")
    return _ESCAPE.sub(escape, re.sub(r"%(?![0-9A-Fa-f]{2})", "%25", quoted))
