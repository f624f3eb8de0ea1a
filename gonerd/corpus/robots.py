"""robots.txt (RFC 9309): read once a host, and obeyed."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from gonerd.corpus.fetch import Fetcher, Refused
from gonerd.corpus.journal import Journal
from gonerd.records import Reason

MAX_BYTES = 512_000  # RFC 9309, section 2.5: at least 500 kibibytes are read
_EVERYTHING = ""


class NoRobots(Refused):
    """A host whose robots.txt could not be had, so that nothing of it may be fetched now; it may answer later."""

    def __init__(self, cause: str) -> None:
        super().__init__(Reason.FETCH_ERROR, f"robots.txt could not be had: {cause}")


class Robots:
    """Tells which URLs may be fetched; keeps each host's rules for the whole crawl.

    A host without robots.txt (400 to 499) allows everything; one that cannot answer (429, 500 and above, no connection)
    allows nothing, as RFC 9309, section 2.3.1, asks. That is remembered for this run alone: the next one asks again.
    """

    def __init__(self, fetcher: Fetcher, journal: Journal, *, user_agent: str) -> None:
        self._fetcher, self._journal, self._agent = fetcher, journal, user_agent
        self._rules: dict[str, Any] = {}  # by site; the cause where robots.txt could not be had

    def permit(self, url: str) -> None:
        """Raise Refused if the host's robots.txt disallows `url`, NoRobots if it could not be had."""
        parts = urlsplit(url)
        site = f"{parts.scheme}://{parts.netloc}"
        if site not in self._rules:
            self._rules[site] = self._read(site, parts.netloc)
        rules = self._rules[site]
        if isinstance(rules, str):
            raise NoRobots(rules)
        if not rules.can_fetch(url, self._agent):
            raise Refused(Reason.ROBOTS, "disallowed by robots.txt")

    def _read(self, site: str, host: str) -> Any:
        """Return the rules of a host, or why they could not be had."""
        from protego import Protego

        try:
            # What raises is not journaled, so that a later run tries again.
            text = self._journal.once("robots", site, lambda: self._fetch(f"{site}/robots.txt"))
        except Refused as refused:
            return str(refused)
        rules = Protego.parse(text)
        asked = rules.crawl_delay(self._agent)
        self._fetcher.delays[host] = max(self._fetcher.delays.get(host, 0.0), float(asked or 0.0))
        return rules

    def _fetch(self, url: str) -> str:
        reply = self._fetcher.get(url, max_bytes=MAX_BYTES, permit=lambda _: None)
        if reply.status == 200:
            return reply.body.decode("utf-8", errors="replace")
        if 400 <= reply.status < 500 and reply.status != 429:
            return _EVERYTHING
        raise Refused(Reason.FETCH_ERROR, f"the answer was {reply.status}")
