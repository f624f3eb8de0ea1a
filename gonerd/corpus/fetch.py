"""One request after another: polite, bounded in bytes and time, never off the source's hosts, all of it archived."""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urldefrag, urljoin, urlsplit

from gonerd import __version__
from gonerd.corpus.archive import ArchiveWriter, Exchange
from gonerd.records import Dropped, Reason

if TYPE_CHECKING:
    import requests

MAX_REDIRECTS = 8
REDIRECTS = (301, 302, 303, 307, 308)
RETRIED = (429, 500, 502, 503, 504)
MAX_WAIT = 60.0  # seconds: the longest Retry-After that is waited for
_CHUNK = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class CrawlConfig:
    """How far a crawl goes and how it behaves."""

    max_pages: int = 1000
    """Articles requested at most; the others are dropped as page_limit."""
    delay_s: float = 1.0
    """Seconds between two requests to one host; the source's and robots.txt's count where they are longer."""
    timeout_s: float = 30.0
    """Seconds to wait for an answer, and for each further part of it; a whole body may take ten times as long."""
    max_bytes: int = 10_000_000
    """Largest body, packed or unpacked."""
    retries: int = 3
    """Further attempts after a failed connection or an answer of 429, 500, 502, 503 or 504."""
    contact: str = ""
    """Address or web page for site owners to turn to; part of the User-Agent."""
    proxy: str | None = None
    """HTTP proxy to send the requests to."""

    @property
    def user_agent(self) -> str:
        """What the crawler calls itself."""
        return f"gonerd/{__version__}" + (f" (+{self.contact})" if self.contact else "")


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer to a request, redirects followed."""

    url: str  # after redirects
    status: int
    content_type: str | None
    body: bytes  # unpacked
    offset: int  # of the response record in the WARC file


class Refused(Exception):  # noqa: N818 - it carries a reason for dropping, not a fault
    """A URL that leads to no usable answer."""

    def __init__(self, reason: Reason, detail: str) -> None:
        self.reason, self.detail = reason, detail
        super().__init__(detail)

    def dropped(self, url: str) -> Dropped:
        """Return what is reported for `url`."""
        return Dropped(url, self.reason, self.detail)


def is_html_type(content_type: str | None) -> bool:
    """Tell whether a header lets a body be HTML (a missing one does)."""
    return not content_type or "html" in content_type.lower()


class Fetcher:
    """Sends the requests of one crawl, one at a time.

    Args:
        hosts: where requests may go, redirects included.
        config: limits and manners.
        archive: gets every exchange that was completed.
    """

    def __init__(self, hosts: tuple[str, ...], config: CrawlConfig, archive: ArchiveWriter) -> None:
        self._hosts = frozenset(host.lower() for host in hosts)
        self._config, self._archive = config, archive
        self._session = _session(config)
        self._free_at: dict[str, float] = {}
        self.delays: dict[str, float] = {}  # seconds, by host; robots.txt may lengthen them
        self.answered = False  # whether any host has answered anything

    def get(self, url: str, *, max_bytes: int, permit: Callable[[str], None], pages_only: bool = False) -> Reply:
        """Return the answer for `url`.

        Args:
            url: what to request.
            max_bytes: limit for the body.
            permit: called with the URL and each one that it redirects to; raises Refused to stop.
            pages_only: refuse a body that its header calls anything but HTML, before it is read.

        Raises:
            Refused: there is no answer, it is too large, or it leads off the source's hosts.
        """
        met = []
        for _ in range(MAX_REDIRECTS + 1):
            self.check_host(url)
            permit(url)
            reply = self._exchange(url, max_bytes=max_bytes, pages_only=pages_only)
            if isinstance(reply, Reply):
                return reply
            met.append(url)
            url = reply
            if url in met:
                raise Refused(Reason.FETCH_ERROR, f"redirect loop at {url}")
        raise Refused(Reason.FETCH_ERROR, f"more than {MAX_REDIRECTS} redirects")

    def check_host(self, url: str) -> None:
        """Raise Refused unless `url` is on one of the source's hosts."""
        try:
            parts = urlsplit(url)
        except ValueError as error:
            raise Refused(Reason.OFF_SITE, f"not a URL: {url}") from error
        if parts.scheme not in ("http", "https") or parts.netloc.lower() not in self._hosts:
            raise Refused(Reason.OFF_SITE, url)

    def _exchange(self, url: str, *, max_bytes: int, pages_only: bool) -> Reply | str:
        """Send one request and archive it; return the reply, or the URL that it redirects to."""
        import requests
        import urllib3

        self._wait(urlsplit(url).netloc)
        try:
            request = self._session.prepare_request(requests.Request("GET", url))
            with self._send(request) as response:
                self.answered = True
                location = response.headers.get("Location") if response.status_code in REDIRECTS else None
                content_type = response.headers.get("Content-Type")
                if pages_only and location is None and response.status_code == 200 and not is_html_type(content_type):
                    raise Refused(Reason.MEDIA_TYPE, str(content_type))
                payload = self._payload(response, max_bytes)
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            raise Refused(Reason.FETCH_ERROR, _cause(error)) from error
        body = unpack(payload, response.headers.get("Content-Encoding", ""), max_bytes=max_bytes)
        offset = self._archive.write(_archived(url, request, response, payload))
        if location is not None:
            return urldefrag(urljoin(url, location)).url
        return Reply(url, response.status_code, content_type, body, offset)

    def _send(self, request: requests.PreparedRequest) -> requests.Response:
        proxies = {"http": self._config.proxy, "https": self._config.proxy} if self._config.proxy else {}
        return self._session.send(
            request, stream=True, allow_redirects=False, timeout=self._config.timeout_s, proxies=proxies
        )

    def _payload(self, response: requests.Response, max_bytes: int) -> bytes:
        """Read a body as it comes, within its limits of size and time."""
        latest = time.monotonic() + 10 * self._config.timeout_s
        parts, size = [], 0
        for part in _parts(response):
            parts.append(part)
            size += len(part)
            if size > max_bytes:
                raise Refused(Reason.TOO_LARGE, f"over {max_bytes} bytes")
            if time.monotonic() > latest:
                raise Refused(Reason.FETCH_ERROR, "the body came too slowly")
        return b"".join(parts)

    def _wait(self, host: str) -> None:
        """Sleep until the host may be asked again."""
        now = time.monotonic()
        ready = max(now, self._free_at.get(host, now))
        self._free_at[host] = ready + self.delays.get(host, 0.0)
        if ready > now:
            time.sleep(ready - now)


def _parts(response: requests.Response) -> Iterator[bytes]:
    raw: Any = response.raw
    while part := raw.read1(_CHUNK, decode_content=False):
        yield part


def _session(config: CrawlConfig) -> requests.Session:
    """Return a session without cookies, netrc or proxies of the environment."""
    from http.cookiejar import DefaultCookiePolicy

    import requests
    from requests.adapters import HTTPAdapter

    session = requests.Session()
    session.trust_env = False
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    session.headers.clear()
    session.headers.update(
        {"User-Agent": config.user_agent, "Accept": "text/html,*/*;q=0.5", "Accept-Encoding": "gzip, deflate"}
    )
    for scheme in ("http://", "https://"):
        session.mount(scheme, HTTPAdapter(max_retries=_retries(config)))
    return session


def _retries(config: CrawlConfig) -> Any:
    from urllib3.util import Retry

    class BoundedRetry(Retry):
        """Waits as the server asks, but not for longer than MAX_WAIT."""

        def get_retry_after(self, response: Any) -> float | None:
            asked = super().get_retry_after(response)
            return None if asked is None else min(asked, MAX_WAIT)

    return BoundedRetry(
        total=config.retries,
        redirect=0,
        backoff_factor=0.5,
        status_forcelist=RETRIED,
        raise_on_status=False,
        raise_on_redirect=False,
    )


def unpack(payload: bytes, encoding: str, *, max_bytes: int) -> bytes:
    """Return a body without its content encoding (gzip or deflate, the two that are asked for).

    Raises:
        Refused: it unpacks to more than the limit, is broken, or is packed in another way.
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
        return body
    raise Refused(Reason.FETCH_ERROR, f"the body is not in {encoding}, as its header says")


def _archived(url: str, request: requests.PreparedRequest, response: requests.Response, payload: bytes) -> Exchange:
    raw: Any = response.raw
    return Exchange(
        url=url,
        request_line=f"{request.method} {request.path_url} HTTP/1.1",
        request_headers=[
            ("Host", urlsplit(url).netloc),
            *((name, str(value)) for name, value in request.headers.items()),
        ],
        status_line=f"{response.status_code} {response.reason or ''}".strip(),
        headers=list(raw.headers.iteritems()),
        payload=payload,
    )


def _cause(error: BaseException) -> str:
    """Return the name of the innermost cause: the same text on every run, without addresses and object ids."""
    inner: Any = error
    while True:
        deeper = getattr(inner, "reason", None) or next((a for a in inner.args if isinstance(a, Exception)), None)
        if not isinstance(deeper, BaseException):
            return type(inner).__name__
        inner = deeper
