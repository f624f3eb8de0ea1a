"""robots.txt (RFC 9309): read once a day and host, and obeyed."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from gonerd.corpus.failures import Refused, Unreached
from gonerd.corpus.fetch import Fetcher, Trail, Wish, anything
from gonerd.corpus.manners import Manners
from gonerd.records import Reason

MAX_BYTES = 512_000  # RFC 9309, section 2.5: at least 500 kibibytes are read
MAX_AGE = 86_400.0  # seconds, section 2.4: a copy is used for no longer than a day
_KEPT = 2_000  # sites whose rules are held in memory
_EVERYTHING = ""

Remembered = Callable[[str], "str | None"]
"""Gives the text that was fetched for a site less than a day ago, if there is one."""


class Robots:
    """Tells which URLs may be fetched; keeps each site's rules. Used by many threads.

    A site without robots.txt (400 to 499) allows everything; one that cannot answer (429, 500 and above, no connection)
    allows nothing, as RFC 9309, section 2.3.1, asks. That is remembered until `forget_failures`.
    """

    def __init__(self, fetcher: Fetcher, manners: Manners, *, user_agent: str, remembered: Remembered) -> None:
        self._fetcher, self._manners = fetcher, manners
        self._agent, self._remembered = user_agent, remembered
        self._rules: OrderedDict[str, tuple[float, Any]] = OrderedDict()  # by site; Refused for rules: a failure
        self._locks: dict[str, threading.Lock] = {}
        self._lock = threading.Lock()

    def permit(self, url: str, trail: Trail) -> None:
        """Raise Refused if the site's robots.txt disallows `url`, Unreached if it could not be had."""
        parts = urlsplit(url)
        rules = self._of(f"{parts.scheme}://{parts.netloc}", parts.netloc, trail)
        if isinstance(rules, Refused):
            kind = Refused if rules.reason is Reason.PRIVATE_ADDRESS else Unreached
            reason = rules.reason if kind is Refused else Reason.FETCH_ERROR
            raise kind(reason, f"robots.txt could not be had: {rules}")
        if not rules.can_fetch(url, self._agent):
            raise Refused(Reason.ROBOTS, "disallowed by robots.txt")

    def answers(self, url: str, trail: Trail) -> bool:
        """Tell whether the host of a URL answers anything at all now, by asking for its robots.txt."""
        parts = urlsplit(url)
        before = self._fetcher.answered.get(parts.netloc, 0.0)
        with contextlib.suppress(Refused):
            self._fetch(f"{parts.scheme}://{parts.netloc}", trail)
        return self._fetcher.answered.get(parts.netloc, 0.0) > before

    def forget_failures(self) -> None:
        """Ask again where robots.txt could not be had."""
        with self._lock:
            for site in [site for site, (_, rules) in self._rules.items() if isinstance(rules, Refused)]:
                del self._rules[site]

    def _of(self, site: str, host: str, trail: Trail) -> Any:
        """Return the rules of a site, or why they could not be had; they are fetched by one thread alone."""
        with self._lock:
            lock = self._locks.setdefault(site, threading.Lock())
        with lock:
            with self._lock:
                read_at, rules = self._rules.get(site, (0.0, None))
            if rules is None or time.time() - read_at > MAX_AGE:
                rules = self._read(site, host, trail)
                with self._lock:
                    self._rules[site] = time.time(), rules
                    while len(self._rules) > _KEPT:
                        self._rules.popitem(last=False)
            return rules

    def _read(self, site: str, host: str, trail: Trail) -> Any:
        from protego import Protego

        text = self._remembered(site)
        if text is None:
            try:
                text = trail.robots[site] = self._fetch(site, trail)
            except Refused as refused:
                return refused
        rules = Protego.parse(text)
        self._manners.lengthen(host, float(rules.crawl_delay(self._agent) or 0.0))
        return rules

    def _fetch(self, site: str, trail: Trail) -> str:
        reply = self._fetcher.get(Wish(f"{site}/robots.txt", MAX_BYTES), trail, anything)
        if reply.status == 200:
            return reply.body.decode("utf-8", errors="replace")
        if 400 <= reply.status < 500 and reply.status != 429:
            return _EVERYTHING
        raise Refused(Reason.FETCH_ERROR, f"the answer was {reply.status}")
