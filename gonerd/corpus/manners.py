"""Politeness: one request at a time to a host, pauses between them, and a pace that the whole crawl keeps."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

MAX_DELAY = 600.0  # seconds: a longer crawl-delay is as good as a refusal, and is kept to this


@dataclass
class _Host:
    """What is known of one host."""

    delay: float
    free_at: float = 0.0  # time.monotonic()
    lock: threading.Lock = field(default_factory=threading.Lock)


class Manners:
    """Says when a host may be asked again; shared by all workers.

    Args:
        delay: seconds between two requests to one host; `lengthen` raises it for a host that asks for more.
        rate: requests a second in all; 0 sets no limit.
    """

    def __init__(self, *, delay: float, rate: float = 0.0) -> None:
        self._delay, self._interval = delay, 1.0 / rate if rate > 0 else 0.0
        self._hosts: dict[str, _Host] = {}
        self._lock = threading.Lock()
        self._free_at = 0.0

    def ready_at(self, host: str) -> float:
        """Return when a host may be asked again (time.monotonic())."""
        return self._of(host).free_at

    def lengthen(self, host: str, delay: float) -> None:
        """Keep at least `delay` seconds between two requests to a host from now on."""
        entry = self._of(host)
        entry.delay = max(entry.delay, min(delay, MAX_DELAY))

    def pause(self, host: str, seconds: float) -> None:
        """Leave a host alone for some seconds."""
        entry = self._of(host)
        entry.free_at = max(entry.free_at, time.monotonic() + seconds)

    @contextmanager
    def turn(self, host: str) -> Iterator[None]:
        """Hold a host during one request, once its pause and the crawl's pace allow it."""
        entry = self._of(host)
        with entry.lock:
            now = time.monotonic()
            ready = max(now, entry.free_at, self._next(now))
            if ready > now:
                time.sleep(ready - now)
            try:
                entry.free_at = max(entry.free_at, ready + entry.delay)
                yield
            finally:
                entry.free_at = max(entry.free_at, time.monotonic() + entry.delay)

    def _next(self, now: float) -> float:
        """Return the next moment that the crawl's pace allows, and take it."""
        with self._lock:
            moment = max(now, self._free_at)
            self._free_at = moment + self._interval
            return moment

    def _of(self, host: str) -> _Host:
        with self._lock:
            if host not in self._hosts:
                self._hosts[host] = _Host(self._delay)
            return self._hosts[host]
