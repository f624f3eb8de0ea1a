"""One request after another: polite, bounded in bytes and time, to public addresses of the source's hosts only."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

from gonerd.corpus.addresses import Lines, PrivateAddressError, adapter, check_url
from gonerd.corpus.answers import is_of_kind, is_same, retry_after, unpack
from gonerd.corpus.config import CrawlConfig
from gonerd.corpus.failures import Refused, Unreached, cause, chain
from gonerd.corpus.manners import Manners
from gonerd.corpus.warc import Exchange, Revisited
from gonerd.records import Reason
from gonerd.urls import canonical, host_of

if TYPE_CHECKING:
    import requests

MAX_REDIRECTS = 8
REDIRECTS = (301, 302, 303, 307, 308)
RETRIED = (429, 500, 502, 503, 504)
MAX_WAIT = 60.0  # seconds: the longest Retry-After that is waited for
WHOLE = 10  # times the time-out: what a whole answer may take, head and body
_BACKOFF = 0.5  # seconds before the second attempt, doubled for each further one
_CHUNK = 65_536
_ACCEPT = {"html": "text/html,*/*;q=0.5", "json": "application/json,*/*;q=0.5", "": "*/*"}


@dataclass(frozen=True, slots=True)
class Known:
    """What an earlier crawl knows of a URL, so that it need not be sent again."""

    revisited: Revisited
    etag: str | None
    last_modified: str | None


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked for, and what is taken for an answer."""

    url: str
    max_bytes: int
    kind: str = ""  # "html" or "json": a body that its header calls something else is refused before it is read
    known: Known | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer to a wish, redirects followed."""

    url: str  # after redirects
    status: int
    content_type: str | None
    body: bytes  # unpacked
    retry_after: float | None = None  # seconds
    unchanged: bool = False  # the same as the earlier crawl's; the body is empty


@dataclass(slots=True)
class Trail:
    """What came of one piece of work on its way, to be written down together with its outcome."""

    exchanges: list[Exchange] = field(default_factory=list)
    robots: dict[str, str] = field(default_factory=dict)  # text by site
    last: int = -1  # which exchange holds the final answer


Permit = Callable[[str, Trail], None]
"""Called with the URL and each one that it redirects to; raises Refused to stop."""


def anything(url: str, trail: Trail) -> None:
    """Permit every URL: for robots.txt itself, and for interfaces with terms of their own."""


class Fetcher:
    """Sends the requests of one crawl; used by many threads, each with connections of its own.

    Args:
        hosts: where requests may go, redirects included.
        config: limits and manners.
        manners: when a host may be asked.
    """

    def __init__(self, hosts: tuple[str, ...], config: CrawlConfig, manners: Manners) -> None:
        self._hosts = frozenset(host.lower() for host in hosts)
        self._config, self._manners = config, manners
        self._own = threading.local()
        self._lines: list[Lines] = []
        self._stopped = False
        self.answered: dict[str, float] = {}  # by host: time.monotonic() of its latest answer in this run
        self.requests = 0

    def get(self, wish: Wish, trail: Trail, permit: Permit) -> Reply:
        """Return the answer for a wish; an attempt that failed is repeated, later and later, as often as is set.

        Raises:
            Refused: there is no usable answer, and there will not be.
            Unreached: there was none this time.
        """
        for attempt in range(self._config.retries + 1):
            last = self._stopped or attempt == self._config.retries
            wait: float | None = None
            try:
                reply = self._follow(wish, trail, permit)
            except Unreached:
                if last:
                    raise
            else:
                wait = reply.retry_after
                if reply.status not in RETRIED or last or (wait or 0.0) > MAX_WAIT:
                    return reply
            self._manners.pause(host_of(wish.url), _BACKOFF * 2**attempt if wait is None else wait)
        raise AssertionError("a loop without an attempt")

    def stop(self) -> None:
        """End what is under way: no further attempts, and no waiting for answers."""
        self._stopped = True
        for lines in list(self._lines):
            lines.cut()

    def check(self, url: str) -> None:
        """Raise Refused unless `url` is on one of the source's hosts, and is no private address as it stands."""
        try:
            parts = urlsplit(url)
            inside = parts.scheme in ("http", "https") and parts.netloc.lower() in self._hosts
            if not inside:
                raise Refused(Reason.OFF_SITE, url)
            if not self._config.allow_private:
                check_url(url)
        except PrivateAddressError as error:
            raise Refused(Reason.PRIVATE_ADDRESS, str(error)) from error
        except ValueError as error:
            raise Refused(Reason.OFF_SITE, f"not a URL: {url}") from error

    def _follow(self, wish: Wish, trail: Trail, permit: Permit) -> Reply:
        url, met = wish.url, list[str]()
        for _ in range(MAX_REDIRECTS + 1):
            self.check(url)
            permit(url, trail)
            reply = self._exchange(url, wish, trail)
            if isinstance(reply, Reply):
                return reply
            met.append(url)
            url = reply
            if url in met:
                raise Refused(Reason.FETCH_ERROR, f"redirect loop at {url}")
        raise Refused(Reason.FETCH_ERROR, f"more than {MAX_REDIRECTS} redirects")

    def _exchange(self, url: str, wish: Wish, trail: Trail) -> Reply | str:
        """Send one request and note it on the trail; return the reply, or the URL that it redirects to."""
        import requests
        import urllib3

        session, lines = self._session()
        request = session.prepare_request(requests.Request("GET", url, headers=_headers(url, wish)))
        with self._manners.turn(host_of(url)), _within(lines, WHOLE * self._config.timeout_s) as late:
            self.requests += 1
            moment = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            try:
                with self._send(session, request) as response:
                    self.answered[host_of(url)] = time.monotonic()
                    payload, cut, refusal = self._receive(response, wish, late)
            except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError) as error:
                for inner in chain(error):
                    if isinstance(inner, PrivateAddressError):
                        raise Refused(Reason.PRIVATE_ADDRESS, str(inner)) from error
                raise Unreached(Reason.FETCH_ERROR, "it took too long" if late.is_set() else cause(error)) from error
        return self._note(_exchanged(url, request, response, (moment, payload, cut)), response, (wish, refusal), trail)

    def _note(
        self, exchange: Exchange, response: requests.Response, asked: tuple[Wish, Refused | None], trail: Trail
    ) -> Reply | str:
        """Put an exchange on the trail and make a reply of it, or the URL that it redirects to."""
        wish, refusal = asked
        known = wish.known if wish.known and wish.known.revisited.url == exchange.url else None
        same = known is not None and not refusal and is_same(exchange, response.status_code, known.revisited)
        trail.last = len(trail.exchanges)
        if same and known:
            revisit = (exchange.url, exchange.date, exchange.request_line, exchange.request_headers)
            exchange = Exchange(*revisit, exchange.status_line, exchange.headers, b"", "", known.revisited)
        trail.exchanges.append(exchange)
        location = response.headers.get("Location") if response.status_code in REDIRECTS else None
        if location is not None:
            try:
                return canonical(urljoin(exchange.url, location))
            except ValueError as error:
                raise Refused(Reason.OFF_SITE, f"a redirect to {location[:200]!r}") from error
        if refusal and response.status_code == 200:
            raise refusal
        body = b""
        if response.status_code == 200 and not same:
            body = unpack(exchange.payload, response.headers.get("Content-Encoding", ""), max_bytes=wish.max_bytes)
        waits = retry_after(response.headers.get("Retry-After"))
        return Reply(exchange.url, response.status_code, response.headers.get("Content-Type"), body, waits, same)

    def _receive(
        self, response: requests.Response, wish: Wish, late: threading.Event
    ) -> tuple[bytes, str, Refused | None]:
        """Return a body, or why it is not kept (a word of WARC-Truncated) and what that means for the answer."""
        import urllib3

        content_type = response.headers.get("Content-Type")
        if response.status_code == 200 and not is_of_kind(content_type, wish.kind):
            return b"", "unspecified", Refused(Reason.MEDIA_TYPE, str(content_type))
        try:
            payload = self._payload(response, wish.max_bytes)
        except Refused as refused:
            return b"", "length", refused
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            detail = "it took too long" if late.is_set() else cause(error)
            return b"", "time" if late.is_set() else "disconnect", Unreached(Reason.FETCH_ERROR, detail)
        if late.is_set():  # the line was cut: this may be half of it
            return b"", "time", Unreached(Reason.FETCH_ERROR, "it took too long")
        return payload, "", None

    def _send(self, session: requests.Session, request: requests.PreparedRequest) -> requests.Response:
        proxies = {"http": self._config.proxy, "https": self._config.proxy} if self._config.proxy else {}
        return session.send(
            request, stream=True, allow_redirects=False, timeout=self._config.timeout_s, proxies=proxies
        )

    @staticmethod
    def _payload(response: requests.Response, max_bytes: int) -> bytes:
        """Read a body as it comes, within its limit of size."""
        raw: Any = response.raw
        body = bytearray()
        while part := raw.read1(_CHUNK, decode_content=False):
            body += part
            if len(body) > max_bytes:
                raise Refused(Reason.TOO_LARGE, f"over {max_bytes} bytes")
        return bytes(body)

    def _session(self) -> tuple[requests.Session, Lines]:
        """Return this thread's session: without cookies, netrc or proxies of the environment."""
        if not hasattr(self._own, "session"):
            from http.cookiejar import DefaultCookiePolicy

            import requests

            session, lines = requests.Session(), Lines(allow_private=self._config.allow_private)
            session.trust_env = False
            session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
            session.headers.clear()
            session.headers.update({"User-Agent": self._config.user_agent, "Accept-Encoding": "gzip, deflate"})
            for scheme in ("http://", "https://"):
                session.mount(scheme, adapter(lines))
            self._own.session, self._own.lines = session, lines
            self._lines.append(lines)
        return self._own.session, self._own.lines


@contextmanager
def _within(lines: Lines, seconds: float) -> Iterator[threading.Event]:
    """Cut the lines once `seconds` have passed and the block has not ended; the event tells that it happened."""
    late, done = threading.Event(), threading.Event()
    lines.let_go()

    def end() -> None:
        if done.wait(seconds):
            return
        late.set()
        lines.cut()
        while not done.wait(0.2):  # a connection that was being made just then
            lines.cut()

    threading.Thread(target=end, daemon=True).start()
    try:
        yield late
    finally:
        done.set()


def _headers(url: str, wish: Wish) -> dict[str, str]:
    headers = {"Accept": _ACCEPT[wish.kind]}
    if wish.known and wish.known.revisited.url == url:
        if wish.known.etag:
            headers["If-None-Match"] = wish.known.etag
        if wish.known.last_modified:
            headers["If-Modified-Since"] = wish.known.last_modified
    return headers


def _exchanged(
    url: str, request: requests.PreparedRequest, response: requests.Response, received: tuple[str, bytes, str]
) -> Exchange:
    raw: Any = response.raw
    moment, payload, truncated = received
    return Exchange(
        url=url,
        date=moment,
        request_line=f"{request.method} {request.path_url} HTTP/1.1",
        request_headers=[("Host", host_of(url)), *((name, str(value)) for name, value in request.headers.items())],
        status_line=f"{response.status_code} {response.reason or ''}".strip(),
        headers=list(raw.headers.iteritems()),
        payload=payload,
        truncated=truncated,
    )
