"""The settings of a crawl."""

from __future__ import annotations

import re
from dataclasses import dataclass

from gonerd import __version__
from gonerd.errors import GonerdError

_DAY = re.compile(r"\d{4}-\d\d-\d\d")


@dataclass(frozen=True, slots=True, kw_only=True)
class CrawlConfig:
    """How far a crawl goes and how it behaves."""

    max_pages: int = 1000
    """Articles taken at most, in the order in which the source lists them; the others are dropped as page_limit."""
    since: str = ""
    """Only articles that their listing dates on this day (YYYY-MM-DD) or later, or not at all."""
    hosts: tuple[str, ...] = ()
    """Only these of the source's hosts."""
    delay_s: float = 1.0
    """Seconds between two requests to one host; the source's and robots.txt's count where they are longer."""
    rate: float = 0.0
    """Requests a second at most, to all hosts together; 0: as many as the hosts' delays allow."""
    connections: int = 8
    """Hosts that are asked at the same time; never more than one request at a time to one of them."""
    timeout_s: float = 30.0
    """Seconds to wait for an answer, and for each further part of it; a whole answer may take ten times as long."""
    max_bytes: int = 10_000_000
    """Largest body, packed or unpacked."""
    retries: int = 3
    """Further attempts after a failed connection or an answer of 429, 500, 502, 503 or 504."""
    warc_bytes: int = 1_000_000_000
    """A WARC file of this size is full: the next one is begun."""
    contact: str = ""
    """Address or web page for site owners to turn to; part of the User-Agent."""
    allow_private: bool = False
    """Also ask loopback, link-local and private addresses: for a site on your own network."""
    proxy: str | None = None
    """HTTP proxy to send the requests to; it looks up the names, so keeping out private addresses is then its task."""

    def __post_init__(self) -> None:
        if self.since and not _DAY.fullmatch(self.since):
            raise GonerdError(f"since must be a day like 2026-01-31, not {self.since!r}")
        least = {"connections": 1, "max_bytes": 1, "timeout_s": 0.001}
        for name in ("max_pages", "delay_s", "rate", "retries", "warc_bytes", *least):
            if getattr(self, name) < least.get(name, 0):
                raise GonerdError(f"{name} must be at least {least.get(name, 0)}, not {getattr(self, name)}")

    @property
    def user_agent(self) -> str:
        """What the crawler calls itself."""
        return f"gonerd/{__version__}" + (f" (+{self.contact})" if self.contact else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckConfig(CrawlConfig):
    """How a source is looked at: as it is crawled, but a handful of pages only."""

    max_pages: int = 5
    """Articles looked at, the first that the source lists."""


# Settings that change how the pages are reached and how fast, but not which: a crawl goes on with others.
WAYS = ("proxy", "rate", "connections", "delay_s", "timeout_s", "retries", "warc_bytes")
