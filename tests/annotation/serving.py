"""What tests of the embedded tool share: a queue with passes, and a session that is served while a block runs."""

import contextlib
import http.client
import json
import threading
from urllib.parse import urlsplit

from gonerd import store
from gonerd.annotation.desks import marking_desk, settling_desk
from gonerd.annotation.serve import ServeConfig, served
from gonerd.annotation.session import opened
from gonerd.labels import load_scheme
from gonerd.records import Annotation, Document, Span, normalize_text

SCHEME = load_scheme()
# An emoji of three code points and five UTF-16 units, a flag, a surrogate pair, and an accent that no NFC composes.
TEXT = normalize_text("👩‍🚀 Anna 🙂 met Bén̂ in Zürich.\n\n🇳🇴 Then the Times wrote of Anna and Oslo. Annabel Oslo left.")
DOCUMENTS = (
    Document("a", TEXT, "s", url="https://example.org/a", title="Emoji"),
    Document("b", "Ben of Acme met Ann.\nAnn went to Oslo.", "s"),
)


def spans_of(document, *names):
    """Spans over the first places of surfaces, given as (surface, label), or as (surface, label, which place)."""
    found = []
    for surface, label, *which in names:
        start = -1
        for _ in range(which[0] if which else 1):
            start = document.text.index(surface, start + 1)
        found.append(Span(start, start + len(surface), label))
    return tuple(sorted(found))


def annotation(document, annotator, *names):
    return Annotation(document.id, document.text_sha256, annotator, "gonerd", spans_of(document, *names))


def marking(annotator="ann", *, suggestions=()):
    return marking_desk(annotator, DOCUMENTS, scheme=SCHEME, suggestions=suggestions)


def passes():
    """Two annotators: three differences in the first document (a label, a boundary, one only), one in the second."""
    first, second = DOCUMENTS
    ann = [
        annotation(first, "ann", ("Anna", "PER"), ("Zürich", "LOC"), ("Times", "ORG"), ("Annabel Oslo", "PER")),
        annotation(second, "ann", ("Ben", "PER"), ("Oslo", "LOC")),
    ]
    ben = [
        annotation(first, "ben", ("Anna", "PER"), ("Zürich", "ORG"), ("the Times", "ORG")),
        annotation(second, "ben", ("Ben", "PER"), ("Acme", "ORG"), ("Oslo", "LOC")),
    ]
    return ann, ben


def settling(annotator="eve"):
    return settling_desk(annotator, DOCUMENTS, scheme=SCHEME, passes=passes())


def write_queue(folder):
    """Write the documents and both passes as stage folders; return the folder."""
    store.write_stage(DOCUMENTS, folder / "documents", stage="test", config={})
    for name, annotations in zip(("ann", "ben"), passes(), strict=True):
        store.write_stage(annotations, folder / name, stage="test", config={})
    return folder


@contextlib.contextmanager
def serving(desk, folder, **config):
    """Serve a session in a thread; give its address and the session."""
    with opened(desk, folder) as session, served(session, config=ServeConfig(**config)) as (address, server):
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield address, session
        finally:
            server.shutdown()
            thread.join()


def ask(address, path="", *, method="GET", body=None, **headers):
    """Ask a server; give status, headers and text. A header given as None is not sent; `Host` may be another."""
    parts = urlsplit(address)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=10)
    sent = {"Host": parts.netloc}
    if method not in ("GET", "HEAD"):
        sent |= {"Origin": f"http://{parts.netloc}", "Content-Type": "application/json"}
    data = None
    if body is not None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        sent["Content-Length"] = str(len(data))
    sent |= {name.replace("_", "-"): value for name, value in headers.items()}
    connection.putrequest(method, parts.path + path, skip_host=True, skip_accept_encoding=True)
    for name, value in sent.items():
        if value is not None:
            connection.putheader(name, value)
    connection.endheaders(data)
    answer = connection.getresponse()
    text = answer.read().decode("utf-8")
    connection.close()
    return answer.status, dict(answer.getheaders()), text


def put(address, number, content, *, revision, done=False):
    body = {"revision": revision, "done": done, "content": content}
    return ask(address, f"documents/{number}", method="PUT", body=body)
