"""Real Label Studio and doccano servers on loopback: a project out, annotated by two users, and back.

Each lives in an environment of its own under the folder that GONERD_TOOLS names (else in a temporary one), which is
made with pip when it is not there: `pytest -m tools tests/annotation/test_annotation_tools_real.py`.
"""

import contextlib
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from gonerd import store
from gonerd.annotation.label_studio import results
from gonerd.cli.annotate import app
from gonerd.records import Annotation, Document, Span

pytestmark = pytest.mark.tools

DRIVERS = Path(__file__).with_name("drivers")
TOKEN = "0123456789012345678901234567890123456789"
LONG = "😀🎉 The boat left again, and nobody waited on the quay. " * 500 + "Ann Holt left."
DOCUMENTS = [
    Document("a", "😀 Ann Holt met\nBen in Oslo.", "s"),
    Document("b", LONG, "s", url="http://b.example/"),
    Document("c", "Nobody <b>&amp;</b> nothing.", "s"),
]
HOLT, BEN, OSLO = Span(2, 10, "PER"), Span(15, 18, "PER"), Span(22, 26, "LOC")
LAST = Span(len(LONG) - 14, len(LONG) - 6, "PER")
PASSES = {"ben": {"a": (HOLT, BEN, OSLO), "b": (LAST,), "c": ()}, "eve": {"a": (Span(2, 18, "PER"),)}}


def call(*arguments: object) -> None:
    app([str(argument) for argument in arguments], exit_on_error=False, result_action="return_value")


def environment(name: str, packages: list[str], fallback: Path) -> Path:
    """Return the folder of programs of a tool's environment, made if it is not there."""
    folder = Path(os.environ.get("GONERD_TOOLS", fallback)) / name
    if not (folder / "complete").is_file():
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        subprocess.run([folder / "bin" / "pip", "install", "-q", *packages], check=True)
        (folder / "complete").touch()
    return folder / "bin"


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@contextlib.contextmanager
def running(command: list[object], log: Path, **options: object):
    """Run a server during the block, and end it."""
    with log.open("wb") as stream:
        process = subprocess.Popen([str(part) for part in command], stdout=stream, stderr=stream, **options)
        try:
            yield
        finally:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(30)
            process.kill()


@pytest.fixture
def place(tmp_path):
    store.write_stage(DOCUMENTS, tmp_path / "documents", stage="test", config={})
    rules = [Annotation("a", DOCUMENTS[0].text_sha256, "rules", "gonerd", (HOLT,))]
    store.write_stage(rules, tmp_path / "rules", stage="test", config={})
    return tmp_path


def drive(python: Path, name: str, *arguments: object) -> str:
    command = [python, DRIVERS / f"{name}.py", *arguments]
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=500, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


def test_label_studio(place, tmp_path_factory):
    programs = environment("label-studio", ["label-studio==1.23.2"], tmp_path_factory.mktemp("tools"))
    out = place / "export"
    call("export", place / "documents", "--to", "label-studio", "--suggestions", place / "rules", "--out", out)
    regions = {
        f"{name}@x.example": {
            document.id: results(document.text, Annotation(document.id, document.text_sha256, name, "gonerd", spans))
            for document in DOCUMENTS
            if (spans := passes.get(document.id)) is not None
        }
        for name, passes in PASSES.items()
    }
    regions["eve@x.example"]["b"] = None  # skipped
    (out / "passes.json").write_text(json.dumps(regions))
    port = free_port()
    settings = {
        "COLLECT_ANALYTICS": "False",
        "LABEL_STUDIO_ENABLE_LEGACY_API_TOKEN": "true",
        "LABEL_STUDIO_BASE_DATA_DIR": str(place / "data"),
        "LATEST_VERSION_CHECK": "False",
        "HOME": str(place),
        "PATH": os.defpath,
    }
    command = [
        programs / "label-studio", "start", "--no-browser", "--internal-host", "127.0.0.1", "--port", port,
        "--username", "owner@x.example", "--password", "pass-word-1", "--user-token", TOKEN,
    ]  # fmt: skip
    with running(command, place / "server.log", env=settings):
        told = drive(programs / "python", "label_studio", f"http://127.0.0.1:{port}", TOKEN, out)
    assert told == "3 tasks, 1 predictions"
    expected = [spans for passes in PASSES.values() for _, spans in sorted(passes.items())]
    for file in ("export.json", "snapshot.json"):
        back = place / f"back-{file.partition('.')[0]}"
        call("import", out / file, "--format", "label-studio", "--documents", place / "documents", "--out", back)
        found = sorted(store.read_records(back, Annotation), key=lambda one: (one.annotator, one.document_id))
        assert [one.spans for one in found] == expected
        assert len({one.annotator for one in found}) == 2
        assert store.read_manifest(back).dropped == {"unfinished": 1}


def test_doccano(place, tmp_path_factory):
    programs = environment("doccano", ["doccano", "marshmallow<4", "numpy<2"], tmp_path_factory.mktemp("tools"))
    out, data = place / "export", place / "data"
    call("export", place / "documents", "--to", "doccano", "--out", out)
    (out / "passes.json").write_text(json.dumps({n: {d: spans_of(s) for d, s in p.items()} for n, p in PASSES.items()}))
    data.mkdir()
    settings = {
        "DOCCANO_HOME": str(data),
        "DATABASE_URL": f"sqlite:///{data}/db.sqlite3",
        "MEDIA_ROOT": str(data / "media"),
        "DJANGO_SETTINGS_MODULE": "config.settings.production",
        "STANDALONE": "True",
        "HOME": str(data),
        "PATH": f"{programs}:{os.defpath}",
    }
    for command in (["init"], ["createuser", "--username", "ann", "--password", "pass-word-1"]):
        subprocess.run([programs / "doccano", *command], env=settings, check=True, capture_output=True, timeout=300)
    backend = next((programs.parent / "lib").glob("python*/site-packages/backend"))
    port = free_port()
    queue = [programs / "celery", "--app=config", "worker", "--loglevel=warning", "--pool=solo"]
    server = [programs / "gunicorn", "-b", f"127.0.0.1:{port}", "-w", "1", "--threads", "2", "config.wsgi"]
    with (
        running(queue, place / "queue.log", env=settings, cwd=backend),
        running(server, place / "server.log", env=settings, cwd=backend),
    ):
        drive(programs / "python", "doccano", f"http://127.0.0.1:{port}", out)
    back = place / "back"
    call("import", out / "export.zip", "--format", "doccano", "--documents", place / "documents", "--out", back)
    found = {(one.annotator, one.document_id): one.spans for one in store.read_records(back, Annotation)}
    assert found == {(name, document): spans for name, passes in PASSES.items() for document, spans in passes.items()}


def spans_of(spans: tuple[Span, ...]) -> list[list[object]]:
    return [[span.start, span.end, span.label] for span in spans]
