"""The embedded annotation tool: a session as a web page on this machine, for whoever has its address.

The address holds a random token; a request without it finds nothing. The Host header must be the server's own, so that
no other name can be made to lead here; a request that writes must come from a page of this server (Origin). Nothing
allows another origin anything, and nothing is written but through the session.
"""

from __future__ import annotations

import contextlib
import hmac
import secrets
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from gonerd.annotation.session import Saved, Session, StaleError
from gonerd.errors import GonerdError
from gonerd.formats import jsonl
from gonerd.pages import page

TEMPLATES = Path(__file__).with_name("templates")
BODY_LIMIT = 1 << 22  # bytes of a save: some 100,000 spans
SCRIPTS = ("text.js", "words.js", "sides.js", "saving.js")  # before that of the kind of work; they share one scope
LOOPBACK = ("127.0.0.1", "localhost")
HEADERS = [
    ("Cache-Control", "no-store"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Referrer-Policy", "no-referrer"),
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
]

Environ = dict[str, Any]
Application = Callable[[Environ, Any], Iterable[bytes]]


@dataclass(frozen=True, kw_only=True)
class ServeConfig:
    """Where the page is served."""

    host: str = "127.0.0.1"
    """The address that browsers will use; loopback alone is reached from this machine alone."""
    port: int = 0
    """The port; 0 takes a free one."""


@dataclass(frozen=True, slots=True)
class Door:
    """Who is let in: the hosts the server goes by, and the token in its address."""

    hosts: tuple[str, ...]  # as in the Host header
    token: str

    def refusal(self, environ: Environ) -> str | None:
        """Return the status line for a request that is not let in, or None."""
        if environ.get("HTTP_HOST", "").lower() not in self.hosts:
            return "421 Misdirected Request"
        path = environ.get("PATH_INFO", "").encode("latin-1", "replace").split(b"/")
        if len(path) < 3 or not hmac.compare_digest(path[1], self.token.encode()):
            return "404 Not Found"
        origin = environ.get("HTTP_ORIGIN")
        writes = environ.get("REQUEST_METHOD") not in ("GET", "HEAD")
        if (writes or origin is not None) and origin not in [f"http://{host}" for host in self.hosts]:
            return "403 Forbidden"
        return None


def guarded(application: Application, door: Door) -> Application:
    """Return the application behind its door; every answer has the headers of a page that keeps to itself."""

    def answer(environ: Environ, start_response: Any) -> Iterable[bytes]:
        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            return start_response(status, [*headers, *HEADERS], exc_info)

        if refused := door.refusal(environ):
            start(refused, [("Content-Type", "text/plain; charset=utf-8")])
            return [f"{refused}\n".encode()]
        return application(environ, start)

    return answer


def application(session: Session, token: str) -> Application:
    """Return the pages of a session: the page itself, and its documents to read and to save."""
    import bottle

    app = bottle.Bottle()
    words = [len(document.text.split()) for document in session.desk.documents]
    app.route(f"/{token}/", callback=partial(_page, session, words))
    app.route(f"/{token}/documents/<number:int>", callback=partial(_document, session))
    app.route(f"/{token}/documents/<number:int>", method="PUT", callback=partial(_save, session))
    app.default_error_handler = _error_text
    made: Application = app
    return made


def _error_text(error: Any) -> str:
    """Return the reason alone: no page of the framework's."""
    import bottle

    bottle.response.content_type = "text/plain; charset=utf-8"
    return f"{error.body}\n"


def _page(session: Session, words: Sequence[int]) -> str:
    desk = session.desk
    queue = [{**_queued(session, number), "words": count} for number, count in enumerate(words)]
    return page(
        TEMPLATES / "serve.html",
        scripts=[TEMPLATES / name for name in (*SCRIPTS, f"{desk.kind}.js")],
        styles=[TEMPLATES / "text.css", TEMPLATES / "serve.css"],
        title=f"{desk.annotator}: {'annotation' if desk.kind == 'annotate' else 'adjudication'}",
        data={
            "kind": desk.kind,
            "annotator": desk.annotator,
            "labels": [{"name": label.name, "definition": label.definition} for label in desk.scheme.labels],
            "queue": queue,
            "output": session.output.name,
        },
        connect="'self'",
    )


def _queued(session: Session, number: int) -> dict[str, Any]:
    document, saved = session.desk.documents[number], session.state(number)
    return {
        "id": document.id,
        "title": document.title or document.text[:80].partition("\n")[0],
        "begun": saved.revision > 0,
        "done": saved.done,
    }


def _document(session: Session, number: int) -> dict[str, Any]:
    _check_number(session, number)
    document = session.desk.documents[number]
    facts = {"id": document.id, "title": document.title, "source": document.source, "url": document.url}
    return {**facts, "text": document.text, **session.desk.shown(number), **_state(session.state(number))}


def _state(saved: Saved) -> dict[str, Any]:
    return {"revision": saved.revision, "done": saved.done, "content": saved.content}


def _save(session: Session, number: int) -> dict[str, Any]:
    import bottle

    _check_number(session, number)
    try:
        sent = _sent(bottle.request.environ)
        saved = session.save(number, sent["content"], revision=sent["revision"], done=sent["done"])
    except StaleError:
        bottle.abort(409, "Another tab or window has saved this document since.")
    except ValueError as error:
        bottle.abort(422, f"Not saved: {error}.")
    return {"revision": saved.revision, "done": saved.done}


def _check_number(session: Session, number: int) -> None:
    import bottle

    if not 0 <= number < len(session.desk.documents):
        bottle.abort(404, "There is no such document.")


def _sent(environ: Environ) -> dict[str, Any]:
    """Return what a page sends to be saved.

    Raises:
        ValueError: it is something else.
    """
    import bottle

    if environ.get("CONTENT_TYPE", "").partition(";")[0].strip().lower() != "application/json":
        bottle.abort(415, "Only JSON is taken.")
    length = environ.get("CONTENT_LENGTH", "")
    if not length.isascii() or not length.isdigit():
        bottle.abort(411, "How long is it?")
    if int(length) > BODY_LIMIT:
        bottle.abort(413, f"More than {BODY_LIMIT} bytes.")
    try:
        data = environ["wsgi.input"].read(int(length))
    except OSError:
        bottle.abort(408, "The rest did not come.")
    value = jsonl.loads(data.decode("utf-8"))
    kinds = {"revision": int, "done": bool, "content": dict}
    if not isinstance(value, dict) or {name: type(item) for name, item in value.items()} != kinds:
        raise ValueError(f"expected {', '.join(kinds)}")
    return value


class _Server(ThreadingMixIn, WSGIServer):
    """Answers each request in a thread of its own: a browser keeps connections open that it does not use yet."""

    daemon_threads = True

    def server_bind(self) -> None:
        """Bind, without asking a name server what the address is called."""
        from socketserver import TCPServer

        TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]
        self.setup_environ()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a connection that broke or fell silent: the page tries again."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class _Handler(WSGIRequestHandler):
    timeout = 30  # seconds that a silent connection is kept

    def log_message(self, *_: Any) -> None:
        """Say nothing: the library never prints."""


@contextlib.contextmanager
def served(session: Session, *, config: ServeConfig) -> Iterator[tuple[str, WSGIServer]]:
    """Give the address of a session's page and the server, whose `serve_forever` answers until it is interrupted.

    Raises:
        GonerdError: the host is no address of its own, or the port is taken.
    """
    if config.host in ("", "0.0.0.0", "::", "*"):  # noqa: S104 - refused
        raise GonerdError(
            "every address of this machine is no host that can be checked",
            where="--host",
            remedy="Name the one address that browsers will use",
        )
    token = secrets.token_urlsafe(24)
    try:
        server = make_server(config.host, config.port, _refuse_all, server_class=_Server, handler_class=_Handler)
    except (OSError, OverflowError) as error:
        raise GonerdError(f"cannot listen on port {config.port} ({error})", where=config.host) from error
    names = LOOPBACK if config.host in LOOPBACK else (config.host.lower(),)
    hosts = tuple(f"{name}:{server.server_port}" for name in names) + (names if server.server_port == 80 else ())
    server.set_app(guarded(application(session, token), Door(hosts, token)))
    try:
        yield f"http://{config.host}:{server.server_port}/{token}/", server
    finally:
        server.server_close()


def _refuse_all(_: Environ, start_response: Any) -> Iterable[bytes]:
    """Answer until the session is in place."""
    start_response("503 Service Unavailable", [])
    return [b""]
