"""Why a URL leads to no usable answer: for good, or this time."""

from __future__ import annotations

from collections.abc import Iterator

from gonerd.records import Dropped, Reason

# The plain words for what the network's libraries raise.
_WORDS = {
    "gaierror": "there is no such host",
    "NameResolutionError": "there is no such host",
    "ConnectionRefusedError": "the connection was refused",
    "ConnectionResetError": "the connection was reset",
    "BrokenPipeError": "the connection was reset",
    "RemoteDisconnected": "the connection was closed without an answer",
    "TimeoutError": "no answer in time",
    "ReadTimeoutError": "no answer in time",
    "ConnectTimeoutError": "no connection in time",
    "IncompleteRead": "the body ended early",
    "SSLCertVerificationError": "the certificate is not valid",
    "SSLEOFError": "the secure connection failed",
    "SSLError": "the secure connection failed",
}


class Refused(Exception):  # noqa: N818 - it carries a reason for dropping, not a fault
    """A URL that leads to no usable answer, now or later."""

    def __init__(self, reason: Reason, detail: str) -> None:
        self.reason, self.detail = reason, detail
        super().__init__(detail)

    def dropped(self, url: str) -> Dropped:
        """Return what is reported for `url`."""
        return Dropped(url, self.reason, self.detail)


class Unreached(Refused):
    """A URL that led to no answer this time; it may the next."""


def chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and what caused it, from the outermost to the innermost."""
    met: list[BaseException] = []
    inner: BaseException | None = error
    while inner is not None and inner not in met:
        met.append(inner)
        yield inner
        carried = [getattr(inner, "reason", None), *inner.args]
        deeper = next((one for one in carried if isinstance(one, BaseException)), None)
        inner = deeper if deeper is not None else inner.__cause__


def cause(error: BaseException) -> str:
    """Return what happened in plain words, the same on every run: without addresses and object ids."""
    names = [type(one).__name__ for one in chain(error)]
    return next((_WORDS[name] for name in reversed(names) if name in _WORDS), names[-1])
