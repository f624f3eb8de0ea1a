"""Connections to public addresses only: a name is resolved once, checked, and that very address is connected to.

So a name that means something else a moment later (DNS rebinding) gains nothing, and a redirect is checked like any
other request. A connection can be cut from another thread, which ends whatever read hangs on it.
"""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import threading
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from requests.adapters import HTTPAdapter

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
# Forms of IPv6 that carry an address of IPv4, which is where their packets may go.
_CARRIERS = [ipaddress.ip_network(net) for net in ("::ffff:0:0/96", "::/96", "64:ff9b::/96")]
# Networks for local use that some versions of Python take for global ones.
_LOCAL = [ipaddress.ip_network(net) for net in ("64:ff9b:1::/48", "fec0::/10", "192.0.0.0/24", "192.88.99.0/24")]
_LOCAL_NAMES = ("localhost", "local", "internal", "localdomain", "home.arpa")


class PrivateAddressError(OSError):
    """A host that is, or whose name means, an address which no crawl has any business with."""


def is_public(address: str) -> bool:
    """Tell whether an address is on the public internet: not loopback, link-local, private, shared or reserved."""
    ip: IPAddress = ipaddress.ip_address(address.partition("%")[0])
    if any(ip in network for network in _LOCAL):
        return False
    if isinstance(ip, ipaddress.IPv6Address) and (inner := _carried(ip)):
        return is_public(str(inner))
    return ip.is_global and not (ip.is_multicast or ip.is_reserved or ip.is_unspecified)


def _carried(ip: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    if any(ip in network for network in _CARRIERS) and int(ip) > 1:
        return ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
    return ip.sixtofour or (ip.teredo[1] if ip.teredo else None)


def check_url(url: str) -> None:
    """Raise PrivateAddressError if the host of `url` is a private address as it stands, in any spelling, or local.

    No name is looked up for this; a name is checked when it is connected to.
    """
    host = (urlsplit(url).hostname or "").rstrip(".").lower()
    if any(host == name or host.endswith(f".{name}") for name in _LOCAL_NAMES):
        raise PrivateAddressError(f"{host} is a local name")
    if ":" in host:
        _check(host, host)
        return
    try:
        number = socket.inet_ntoa(socket.inet_aton(host))  # reads 2130706433, 0x7f.1 and 127.1 as connect would
    except OSError:
        return  # a name
    _check(host, number)


def resolve(host: str, port: int) -> list[Any]:
    """Return what `getaddrinfo` says of a host, all of it public.

    Raises:
        PrivateAddressError: one of its addresses is not; a name that mixes them wants to be refused.
        OSError: there is no such name.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    for *_, address in found:
        _check(host, str(address[0]))
    return found


def _check(host: str, address: str) -> None:
    if not is_public(address):
        raise PrivateAddressError(f"{host} is {address}, which is not a public address")


class Lines:
    """The connections of one worker; `cut` ends them all, whatever waits on them."""

    def __init__(self, *, allow_private: bool) -> None:
        self.allow_private = allow_private
        self._held: list[tuple[Any, socket.socket]] = []  # connections, and a second handle on the socket of each
        self._lock = threading.Lock()

    def connect(self, connection: Any, *, checked: bool) -> socket.socket:
        """Return a socket for a urllib3 connection, to an address that was checked if `checked`."""
        host, port = connection._dns_host, connection.port
        if checked and not self.allow_private:
            found = resolve(host, port)
        else:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        error: OSError = OSError(f"no address for {host}")
        for family, kind, protocol, _, address in found:
            line = socket.socket(family, kind, protocol)
            try:
                line.settimeout(connection.timeout)
                for option in connection.socket_options or ():
                    line.setsockopt(*option)
                line.connect(address)
            except OSError as caught:
                line.close()
                error = caught
                continue
            with self._lock:  # the second handle stays valid when TLS wraps the socket, or the connection lets go of it
                self._held.append((connection, line.dup()))
            return line
        raise error

    def let_go(self) -> None:
        """Close the handles on connections that have ended; call it between two requests."""
        with self._lock:
            ended = [entry for entry in self._held if entry[0].sock is None]
            self._held = [entry for entry in self._held if entry[0].sock is not None]
        for _, handle in ended:
            handle.close()

    def cut(self) -> None:
        """End all connections: a read that waits for more comes back with nothing."""
        with self._lock:
            handles = [handle for _, handle in self._held]
        for handle in handles:
            with contextlib.suppress(OSError):
                handle.shutdown(socket.SHUT_RDWR)


def adapter(lines: Lines) -> HTTPAdapter:
    """Return an adapter for requests whose connections are made by `lines`; a proxy's own address is not checked."""
    from requests.adapters import HTTPAdapter

    direct, proxied = _pools(lines, checked=True), _pools(lines, checked=False)

    class LinesAdapter(HTTPAdapter):
        """Puts its own kinds of connection into the pools."""

        def init_poolmanager(self, *args: Any, **options: Any) -> None:
            """Use connections that check the address."""
            super().init_poolmanager(*args, **options)
            self.poolmanager.pool_classes_by_scheme = direct

        def proxy_manager_for(self, *args: Any, **options: Any) -> Any:
            """Use connections to the proxy that the user named."""
            manager = super().proxy_manager_for(*args, **options)
            manager.pool_classes_by_scheme = proxied
            return manager

    return LinesAdapter(max_retries=0)


def _pools(lines: Lines, *, checked: bool) -> dict[str, Any]:
    from urllib3.connection import HTTPConnection, HTTPSConnection
    from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
    from urllib3.exceptions import NewConnectionError

    class Line:
        """The way that both kinds of connection are made."""

        def _new_conn(self) -> socket.socket:
            try:
                return lines.connect(self, checked=checked)
            except OSError as error:
                raise NewConnectionError(self, str(error)) from error  # type: ignore[arg-type]

    class PlainLine(Line, HTTPConnection):
        """HTTP."""

    class SecureLine(Line, HTTPSConnection):
        """HTTPS."""

    class PlainPool(HTTPConnectionPool):
        """Connections of the first kind."""

        ConnectionCls = PlainLine

    class SecurePool(HTTPSConnectionPool):
        """Connections of the second kind."""

        ConnectionCls = SecureLine

    return {"http": PlainPool, "https": SecurePool}
