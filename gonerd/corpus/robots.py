"""robots.txt (RFC 9309): read once a host, and obeyed."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from gonerd.corpus.fetch import Fetcher, Refused
from gonerd.corpus.journal import Journal
from gonerd.records import Reason

MAX_BYTES = 512_000  # RFC 9309, section 2.5: at least 500 kibibytes are read
_EVERYTHING = ""
_NOTHING = "User-agent: *\nDisallow: /\n"


class Robots:
    """Tells which URLs may be fetched; keeps each host's rules for the whole crawl.

    A host without robots.txt (400 to 499) allows everything; one that cannot answer (429, 500 and above, no connection)
    allows nothing, as RFC 9309, section 2.3.1, asks.
    """

    def __init__(self, fetcher: Fetcher, journal: Journal, *, user_agent: str) -> None:
        self._fetcher, self._journal, self._agent = fetcher, journal, user_agent
        self._rules: dict[str, Any] = {}

    def permit(self, url: str) -> None:
        """Raise Refused if the host's robots.txt disallows `url`."""
        parts = urlsplit(url)
        site = f"{parts.scheme}://{parts.netloc}"
        if site not in self._rules:
            self._rules[site] = self._read(site, parts.netloc)
        if not self._rules[site].can_fetch(url, self._agent):
            raise Refused(Reason.ROBOTS, "disallowed by robots.txt")

    def _read(self, site: str, host: str) -> Any:
        from protego import Protego

        rules = Protego.parse(self._journal.once("robots", site, lambda: self._fetch(f"{site}/robots.txt")))
        asked = rules.crawl_delay(self._agent)
        self._fetcher.delays[host] = max(self._fetcher.delays.get(host, 0.0), float(asked or 0.0))
        return rules

    def _fetch(self, url: str) -> str:
        try:
            reply = self._fetcher.get(url, max_bytes=MAX_BYTES, permit=lambda _: None)
        except Refused:
            return _NOTHING
        if reply.status == 200:
            return reply.body.decode("utf-8", errors="replace")
        return _EVERYTHING if 400 <= reply.status < 500 and reply.status != 429 else _NOTHING
