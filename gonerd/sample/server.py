"""A small web server on loopback: it plays a host that need not exist, as its HTTP proxy or under its own address."""

from __future__ import annotations

import mimetypes
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import unquote, urldefrag, urlsplit

HTML = "text/html"  # without a charset: the page itself says it
_TEMPLATES = (".txt", ".xml")  # files in which {base} stands for the address of the site


@dataclass(frozen=True, slots=True)
class Resource:
    """What the server answers for one URL."""

    body: bytes = b""
    content_type: str = HTML
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()  # further ones


Lookup = Callable[[str], "Resource | None"]


def folder_site(folder: Path, host: str) -> Lookup:
    """Return a lookup that serves the files of `folder` as `http://HOST/…`, and nothing outside the folder.

    A path that ends in `/` is its `index.html`. In robots.txt and sitemaps `{base}` becomes `http://HOST`.
    """
    root = folder.resolve()

    def lookup(url: str) -> Resource | None:
        parts = urlsplit(url)
        path = _inside(root, unquote(parts.path)) if parts.netloc == host else None
        return None if path is None else _resource(path, f"http://{host}")

    return lookup


def _inside(root: Path, path: str) -> Path | None:
    """Return the file of a URL path if there is one inside `root`, links resolved."""
    if "\0" in path or "\\" in path:
        return None
    try:
        found = (root / (path.lstrip("/") + ("index.html" if path.endswith("/") or not path else ""))).resolve()
        return found if found.is_relative_to(root) and found.is_file() else None
    except OSError:  # a name that is too long, a loop of links
        return None


def _resource(path: Path, base: str) -> Resource:
    body = path.read_bytes()
    if path.suffix in _TEMPLATES:
        body = body.replace(b"{base}", base.encode())
    kind = HTML if path.suffix == ".html" else mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    return Resource(body, kind)


@contextmanager
def serve(site: Mapping[str, Resource] | Lookup, *, host: str | None = None) -> Iterator[str]:
    """Serve `site` on a free port of 127.0.0.1 while the block runs; give the server's address.

    Used as an HTTP proxy (`GET http://HOST/path`), the server answers for whatever URLs the site has. Asked directly
    (`GET /path`), it goes by the Host header; under its own address it answers for `host`.

    Args:
        site: the resources by URL (`http://HOST/path`, query included, no fragment), or a function that finds one.
        host: the host that is meant when the server is asked under its own address.
    """
    lookup = site.get if isinstance(site, Mapping) else site
    server = _QuietServer(("127.0.0.1", 0), _handler(lookup, host))
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _QuietServer(ThreadingHTTPServer):
    """Does not print that somebody hung up in the middle of an answer."""

    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print a fault of the server itself only."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


def _handler(lookup: Lookup, host: str | None) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        """Answers GET and HEAD from the lookup."""

        server: ThreadingHTTPServer
        protocol_version = "HTTP/1.1"
        server_version, sys_version = "gonerd", ""
        timeout = 30  # seconds that a silent connection is kept
        disable_nagle_algorithm = True  # a body that waits for the receipt of its head comes 40 ms late

        def do_GET(self) -> None:
            """Answer with head and body."""
            self._answer(with_body=True)

        def do_HEAD(self) -> None:
            """Answer with the head alone."""
            self._answer(with_body=False)

        def _answer(self, *, with_body: bool) -> None:
            resource = lookup(self._url()) or Resource(
                b"<!DOCTYPE html><title>404</title><h1>Not found</h1>", status=404
            )
            self.send_response(resource.status)
            self.send_header("Content-Type", resource.content_type)
            self.send_header("Content-Length", str(len(resource.body)))
            for name, value in resource.headers:
                self.send_header(name, value)
            self.end_headers()
            if with_body:
                self.wfile.write(resource.body)

        def _url(self) -> str:
            """Return the absolute URL that is asked for."""
            if self.path.startswith("http://"):
                return urldefrag(self.path).url
            asked = self.headers.get("Host", "")
            own = f"127.0.0.1:{self.server.server_port}"
            return f"http://{host if host and asked == own else asked}{self.path}"

        def log_message(self, *_: Any) -> None:
            """Say nothing: the library never prints."""

    return Handler
