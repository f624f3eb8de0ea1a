import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from urllib.parse import urlsplit

import pytest
from serving import (
    DOCUMENTS,
    SCHEME,
    TEXT,
    annotation,
    ask,
    marking,
    passes,
    put,
    serving,
    settling,
    spans_of,
    write_queue,
)

from gonerd.annotation import serve
from gonerd.annotation.adjudicate import AdjudicateConfig, adjudicate
from gonerd.annotation.decisions import Decision
from gonerd.annotation.desks import settling_desk
from gonerd.annotation.passes import import_pass
from gonerd.annotation.session import StaleError, opened
from gonerd.cli.annotate import app
from gonerd.errors import GonerdError
from gonerd.formats import jsonl, standoff
from gonerd.records import Document

pytest.importorskip("bottle")


def marks(*spans, refused=()):
    return {"spans": [list(span) for span in spans], "refused": [list(span) for span in refused]}


def plain(document, *names):
    return [[span.start, span.end, span.label] for span in spans_of(document, *names)]


def unmoved(annotation_, _):
    return annotation_, []


def tree(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_pass_is_saved_verified_and_imported(tmp_path):
    with opened(marking(), tmp_path / "s") as session:
        session.save(0, marks(*plain(DOCUMENTS[0], ("Zürich", "LOC"), ("Bén̂", "PER"))), revision=0, done=False)
        assert (tmp_path / "s" / "pass.jsonl").read_text() == ""
        session.save(0, session.state(0).content, revision=1, done=True)
        session.save(1, marks(), revision=0, done=True)
        assert session.done == 2
    found = list(import_pass(standoff.read(tmp_path / "s" / "pass.jsonl"), DOCUMENTS, move=unmoved))
    assert [item.spans for item in found] == [spans_of(DOCUMENTS[0], ("Bén̂", "PER"), ("Zürich", "LOC")), ()]
    assert {item.annotator for item in found} == {"ann"}


def test_a_session_goes_on_and_a_document_that_is_no_longer_done_leaves_the_pass(tmp_path):
    with opened(marking(), tmp_path / "s") as session:
        session.save(1, marks(*plain(DOCUMENTS[1], ("Acme", "ORG"))), revision=0, done=True)
    (tmp_path / "s" / "pass.jsonl").unlink()  # as if it had been killed before the pass was written
    with opened(marking(), tmp_path / "s") as session:
        assert session.state(1).content["spans"] == plain(DOCUMENTS[1], ("Acme", "ORG"))
        assert session.output.read_text().count("\n") == 1
        session.save(1, session.state(1).content, revision=1, done=False)
        assert session.output.read_text() == ""


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ({"spans": [[0, 3, "XYZ"]]}, "not of the scheme"),
        ({"spans": [[0, 9999, "PER"]]}, "after the text"),
        ({"spans": [[0, 5, "PER"], [4, 8, "ORG"]]}, "overlaps"),
        ({"spans": [[3, 8, "PER"]]}, "white space"),
        ({"spans": [[5, 5, "PER"]]}, "empty"),
        ({"spans": [[-1, 5, "PER"]]}, "empty or negative"),
        ({"spans": [[True, 5, "PER"]]}, "should be"),
        ({"spans": [[0, 5, "PER", 1]]}, "should be"),
        ({"spans": "x"}, "should be"),
        ({"other": []}, "unknown field"),
        ([], "expected an object"),
    ],
)
def test_what_is_no_pass_is_refused_and_nothing_is_written(tmp_path, content, why):
    with opened(marking(), tmp_path / "s") as session:
        before = tree(tmp_path)
        with pytest.raises(ValueError, match=why):
            session.save(0, content, revision=0, done=True)
        assert tree(tmp_path) == before
        assert session.state(0).revision == 0


def test_a_stale_save_is_refused_also_when_many_come_at_once(tmp_path):
    with opened(marking(), tmp_path / "s") as session:
        outcomes = []

        def attempt(number):
            try:
                session.save(0, marks([number, number + 1, "PER"]), revision=0, done=False)
                outcomes.append(number)
            except StaleError:
                outcomes.append(None)

        places = [place for place, letter in enumerate(TEXT) if letter.isalpha()][:12]
        threads = [threading.Thread(target=attempt, args=(place,)) for place in places]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        (winner,) = [number for number in outcomes if number is not None]
        assert len(outcomes) == 12
        assert session.state(0).content["spans"] == [[winner, winner + 1, "PER"]]
        assert session.state(0).revision == 1


def test_a_session_is_of_one_annotator_one_queue_and_one_process(tmp_path):
    with (
        opened(marking(), tmp_path / "s"),
        pytest.raises(GonerdError, match="another process"),
        opened(marking(), tmp_path / "s"),
    ):
        pass
    with pytest.raises(GonerdError, match="another annotator: 'ann'"), opened(marking("ben"), tmp_path / "s"):
        pass
    with pytest.raises(GonerdError, match="another kind"), opened(settling("ann"), tmp_path / "s"):
        pass
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    with pytest.raises(GonerdError, match="no session"), opened(marking(), tmp_path / "full"):
        pass
    assert (tmp_path / "full" / "mine.txt").read_text() == "mine"


def test_a_damaged_file_of_work_is_named(tmp_path):
    with opened(marking(), tmp_path / "s") as session:
        session.save(1, marks(), revision=0, done=True)
    path = tmp_path / "s" / "work" / "00001.json"
    path.write_text(path.read_text().replace('"b"', '"c"'))
    with pytest.raises(GonerdError, match=r"00001\.json.*another document"), opened(marking(), tmp_path / "s"):
        pass


def test_suggestions_must_fit():
    with pytest.raises(GonerdError, match="another text"):
        marking(suggestions=[annotation(Document("a", TEXT + "!", "s"), "r", ("Anna", "PER"))])
    with pytest.raises(GonerdError, match="there are two"):
        marking(suggestions=[annotation(DOCUMENTS[0], "r")] * 2)
    desk = marking(suggestions=[annotation(DOCUMENTS[1], "r", ("Acme", "ORG"))])
    assert desk.shown(1) == {"suggestions": plain(DOCUMENTS[1], ("Acme", "ORG"))}
    assert desk.shown(0) == {"suggestions": []}


def test_differences_are_settled_into_decisions_that_make_gold(tmp_path):
    first, second = DOCUMENTS
    with opened(settling(), tmp_path / "s") as session:
        shown = session.desk.shown(0)
        assert [kind for *_, kind in shown["differences"]] == ["label", "boundary", "first only"]
        taken = {
            "0": {"spans": plain(first, ("Zürich", "LOC")), "why": "a city"},
            "1": {"spans": plain(first, ("the Times", "MISC")), "why": ""},
        }
        assert not session.save(0, {"taken": taken}, revision=0, done=True).done
        taken["2"] = {"spans": [], "why": ""}
        assert session.save(0, {"taken": taken}, revision=1, done=False).done
        session.save(1, {"taken": {"0": {"spans": plain(second, ("Acme", "ORG")), "why": ""}}}, revision=0, done=True)
    decisions = list(jsonl.read(tmp_path / "s" / "decisions.jsonl", Decision))
    assert [(item.surface, item.label, item.by, item.why) for item in decisions] == [
        ("Zürich", "LOC", "eve", "a city"),
        ("the Times", "MISC", "eve", "as neither"),
        ("Times", None, "eve", "as neither"),
        ("Annabel Oslo", None, "eve", "as ben"),
        ("Acme", "ORG", "eve", "as ben"),
    ]
    ann, ben = passes()
    made = adjudicate({"ann": ann, "ben": ben}, DOCUMENTS, config=AdjudicateConfig(), decisions=decisions, move=unmoved)
    assert [item.spans for item in made.gold] == [
        spans_of(first, ("Anna", "PER"), ("Zürich", "LOC"), ("the Times", "MISC")),
        spans_of(second, ("Ben", "PER"), ("Acme", "ORG"), ("Oslo", "LOC")),
    ]


@pytest.mark.parametrize(
    ("taken", "why"),
    [
        ({"9": {"spans": []}}, "no difference '9'"),
        ({"x": {"spans": []}}, "no difference 'x'"),
        ({"0": {"spans": [[0, 3, "PER"]]}}, "outside the difference"),
        ({"0": {"spans": plain(DOCUMENTS[0], ("Anna 🙂 met Bén̂ in Zürich", "PER"))}}, "overlaps"),
        ({"0": {"spans": plain(DOCUMENTS[0], ("Zürich", "X"))}}, "not of the scheme"),
        ({"0": {"why": ""}}, "missing"),
    ],
)
def test_what_settles_nothing_is_refused(tmp_path, taken, why):
    with opened(settling(), tmp_path / "s") as session, pytest.raises(ValueError, match=why):
        session.save(0, {"taken": taken}, revision=0, done=True)


def test_two_annotators_are_settled_between():
    ann, _ = passes()
    with pytest.raises(GonerdError, match="between two annotators"):
        settling_desk("eve", DOCUMENTS, scheme=SCHEME, passes=[ann, ann])


def test_the_page_and_its_documents_come_with_headers_that_keep_to_themselves(tmp_path):
    with serving(marking(), tmp_path / "s") as (address, _):
        status, headers, page = ask(address)
        assert status == 200
        assert "connect-src 'self'" in page
        assert "unsafe" not in page.partition("</head>")[0]
        assert headers["Cache-Control"] == "no-store"
        assert headers["X-Frame-Options"] == "DENY"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert not [name for name in headers if name.startswith("Access-Control")]
        status, headers, text = ask(address, "documents/0")
        assert json.loads(text)["text"] == TEXT
        assert ask(address, "documents/2")[0] == 404
        assert ask(address, "documents/-1")[0] == 404
        assert ask(address, "../documents/0")[0] == 404
        status, headers, _ = ask(address, "documents/0", method="OPTIONS")
        assert status == 405
        assert not [name for name in headers if name.startswith("Access-Control")]


def test_nobody_comes_in_without_the_token(tmp_path):
    with serving(marking(), tmp_path / "s") as (address, _):
        parts = urlsplit(address)
        token = parts.path.strip("/")
        assert len(token) >= 32
        base = f"http://{parts.netloc}/"
        for path in ("", token[:-1] + "/", f"x{token}/", "documents/0", token, "%00/", "%C3%A9/", "../"):
            status, _, text = ask(base, path)
            assert status == 404
            assert "Anna" not in text
            assert token not in text
    with serving(marking(), tmp_path / "s") as (again, _):
        assert urlsplit(again).path != parts.path


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1", "127.0.0.1:1", "", None, "[::1]:80"])
def test_another_host_is_not_answered(tmp_path, host):
    with serving(marking(), tmp_path / "s") as (address, session):
        assert ask(address, Host=host)[0] in (400, 421)
        body = {"revision": 0, "done": True, "content": marks()}
        assert ask(address, "documents/0", method="PUT", body=body, Host=host)[0] in (400, 421)
        assert session.done == 0


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "", None, "https://{host}", "http://127.0.0.1"])
def test_another_origin_writes_nothing(tmp_path, origin):
    with serving(marking(), tmp_path / "s") as (address, session):
        made = origin and origin.replace("{host}", urlsplit(address).netloc)
        body = {"revision": 0, "done": True, "content": marks()}
        before = tree(tmp_path)
        assert ask(address, "documents/0", method="PUT", body=body, Origin=made)[0] == 403
        for method in ("POST", "DELETE", "PATCH"):
            assert ask(address, "documents/0", method=method, body=body)[0] == 405
        assert session.done == 0
        assert tree(tmp_path) == before


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"{", {}, 422),
        (b"\xff", {}, 422),
        (b'{"revision": 0}', {}, 422),
        (b'{"revision": 0.0, "done": true, "content": {}}', {}, 422),
        (b'{"revision": 0, "done": 1, "content": {}}', {}, 422),
        (b'{"revision": 0, "done": true, "content": {"spans": [[NaN, 1, "PER"]]}}', {}, 422),
        (b"[" * 100_000, {}, 422),
        (b'{"revision": 7, "done": true, "content": {"spans": []}}', {}, 409),
        (b'{"revision": 0, "done": true, "content": {"spans": []}}', {"Content_Type": "text/plain"}, 415),
        (b"{}", {"Content_Length": "99999999"}, 413),
        (b"{}", {"Content_Length": "-1"}, 411),
        (b"{}", {"Content_Length": None}, 411),
    ],
)
def test_what_cannot_be_saved_is_refused_and_nothing_is_written(tmp_path, body, headers, status):
    with serving(marking(), tmp_path / "s") as (address, session):
        before = tree(tmp_path)
        assert ask(address, "documents/0", method="PUT", body=body, **headers)[0] == status
        assert tree(tmp_path) == before
        assert session.state(0).revision == 0


def test_a_connection_that_breaks_or_stays_silent_does_no_harm(tmp_path, capfd, monkeypatch):
    monkeypatch.setattr(serve._Handler, "timeout", 0.2)
    with serving(marking(), tmp_path / "s") as (address, session):
        parts = urlsplit(address)
        head = f"PUT {parts.path}documents/0 HTTP/1.1\r\nHost: {parts.netloc}\r\nOrigin: http://{parts.netloc}\r\n"
        head += "Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
        answers = []
        for ends in (True, False):
            with socket.create_connection((parts.hostname, parts.port), timeout=10) as connection:
                connection.sendall(head.encode())
                if ends:
                    connection.shutdown(socket.SHUT_WR)
                answers.append(connection.recv(4096).split(b" ")[1])
        with socket.create_connection((parts.hostname, parts.port), timeout=10) as connection:
            assert connection.recv(10) == b""  # it says nothing, and is closed
        assert answers == [b"422", b"408"]
        assert put(address, 0, marks(), revision=0)[0] == 200
        assert session.state(0).revision == 1
    assert "Traceback" not in capfd.readouterr().err


def test_a_second_tab_does_not_overwrite_the_first(tmp_path):
    with serving(marking(), tmp_path / "s") as (address, session):
        assert put(address, 1, marks(*plain(DOCUMENTS[1], ("Acme", "ORG"))), revision=0)[0] == 200
        status, _, text = put(address, 1, marks(), revision=0)
        assert (status, text) == (409, "Another tab or window has saved this document since.\n")
        assert session.state(1).content["spans"] == plain(DOCUMENTS[1], ("Acme", "ORG"))
        assert json.loads(put(address, 1, marks(), revision=1)[2]) == {"revision": 2, "done": False}


def test_a_host_that_cannot_be_checked_is_refused(tmp_path):
    for host in ("0.0.0.0", "::", ""):
        with pytest.raises(GonerdError, match="--host"), serving(marking(), tmp_path / "s", host=host):
            pass


@pytest.fixture
def place(tmp_path):
    return write_queue(tmp_path)


def started(place, *arguments):
    """Start the command; give the process and the address it prints."""
    code = "import sys; from gonerd.cli.main import main; main(sys.argv[1:])"
    command = [sys.executable, "-u", "-c", code, "annotate", "serve", str(place / "documents"), *map(str, arguments)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    for line in process.stdout:
        if line.startswith("http://"):
            return process, line.strip()
    raise AssertionError("no address")


def test_a_saved_pass_survives_kill_9_and_ctrl_c_ends_well(place):
    arguments = ["--out", place / "s", "--annotator", "ann"]
    process, address = started(place, *arguments)
    status, _, _ = put(address, 1, marks(*plain(DOCUMENTS[1], ("Acme", "ORG"))), revision=0, done=True)
    os.kill(process.pid, signal.SIGKILL)
    process.wait(timeout=20)
    process.stdout.close()
    assert status == 200
    (saved,) = standoff.read(place / "s" / "pass.jsonl")
    assert [span.surface for span in saved.spans] == ["Acme"]
    before = {path for path in place.rglob("*") if not path.is_relative_to(place / "s")}
    process, address = started(place, *arguments)
    state = json.loads(ask(address, "documents/1")[2])
    assert (state["revision"], state["done"]) == (1, True)
    assert put(address, 0, marks(), revision=0, done=True)[0] == 200
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    rest = process.communicate(timeout=20)[0]
    assert process.returncode == 0
    assert "2 of 2 documents done" in rest
    assert "annotate import" in rest
    assert {path for path in place.rglob("*") if not path.is_relative_to(place / "s")} == before
    command = ["import", place / "s" / "pass.jsonl", "--documents", place / "documents", "--out", place / "imported"]
    app([str(argument) for argument in command], exit_on_error=False, result_action="return_value")


def test_the_command_says_what_it_cannot_do(place):
    def call(*arguments):
        command = ["serve", place / "documents", "--out", place / "s", *arguments]
        app([str(argument) for argument in command], exit_on_error=False, result_action="return_value")

    with pytest.raises(GonerdError, match="--annotator"):
        call("--annotator", " ")
    with pytest.raises(GonerdError, match="two passes"):
        call("--annotator", "eve", "--adjudicate", place / "ann")
    with pytest.raises(GonerdError, match="two passes"):
        call("--annotator", "e", "--adjudicate", place / "ann", "--adjudicate", place / "ben", "--suggestions", place)
    assert not (place / "s").exists()
