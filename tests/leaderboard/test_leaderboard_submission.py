import tomllib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from gonerd.errors import GonerdError
from gonerd.leaderboard.submission import (
    Submission,
    _toml_value,
    read_claim,
    read_submission,
    to_toml,
    write_submission,
)

HOSTILE_NAMES = [
    "",
    " padded",
    "a\nb",
    "a\x00b",
    "a\x7fb",
    "evil\u202egnp.exe",
    "\u2066isolate\u2069",
    "zero\u200bwidth",
    "\ufeffbom",
    "private\ue000",
    "line\u2028separator",
    "decomposed e\u0301",
    "Z" + "\u0335" * 20,
    "<script>alert(1)</script>",
    "../../etc/passwd",
    "/etc/passwd",
    "~/x",
    "a/../b",
    "a//b",
    "C:/windows",
    "c:\\windows",
    "https://example.org",
    ".hidden",
    "W" * 10_000,
    "a`b",
]


@pytest.mark.parametrize("name", HOSTILE_NAMES)
@pytest.mark.parametrize("field", ["name", "organisation", "attention", "teacher", "license"])
def test_a_hostile_name_is_refused(name: str, field: str) -> None:
    with pytest.raises(ValidationError):
        Submission(**{"name": "x", "contact": "me@example.org", field: name})


@pytest.mark.parametrize(
    "name",
    [
        "My model",
        "giant-oak/lsg-roberta-base-4096",
        "模型 七",
        "مدل",
        "Zoë’s tagger (v2.1)",
        "नाम-१",
        "🙂 tagger",
        'My "β" model',
    ],
)
def test_a_name_in_any_script_is_taken(name: str) -> None:
    assert Submission(name=name, contact="me@example.org").name == name


@pytest.mark.parametrize(
    "address",
    [
        "http://example.org",
        "javascript:alert(1)",
        "https://user@example.org/",
        "https://exämple.org",
        'https://example.org/"onclick=',
        "https://example.org/<b>",
        "https://",
        "https://example.org/ x",
        "HTTPS://example.org",
        "https://example.org\n",
        "https://example.org/" + "a" * 400,
    ],
)
def test_only_a_plain_https_address_is_a_reference(address: str) -> None:
    with pytest.raises(ValidationError):
        Submission(name="x", contact="me@example.org", reference=address)


def test_an_https_reference_is_taken() -> None:
    address = "https://arxiv.org/abs/2311.13657v1?x=1&y=(2)"
    assert Submission(name="x", contact="me@example.org", reference=address).reference == address


@pytest.mark.parametrize("field", ["surprise", "metadata"])
def test_an_unknown_field_is_refused(field: str) -> None:
    with pytest.raises(ValidationError):
        Submission(**{"name": "x", "contact": "me@example.org", field: 1})


@settings(deadline=None)
@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])))
def test_every_text_survives_toml(text: str) -> None:
    assert tomllib.loads(f"key = {_toml_value(text)}\n") == {"key": text}


@pytest.mark.parametrize("text", ["\x7f", '"', "\\", '"""', "'''", "\\u0041", "\r\n\t\b\f\x01", "#", "= [x]", "\u2028"])
def test_awkward_text_survives_toml(text: str) -> None:
    assert tomllib.loads(f"key = {_toml_value(text)}\n") == {"key": text}


def test_a_lone_surrogate_is_no_toml() -> None:
    with pytest.raises(ValueError, match="surrogates"):
        _toml_value("\ud800")


def test_every_field_survives_the_file(tmp_path: Path) -> None:
    full = Submission(
        name="Größe 七",
        contact="me@example.org",
        organisation="Someone & Co",
        hub_id="someone/model",
        revision="v1.0",
        license="apache-2.0",
        open_weights=True,
        parameters=10**9,
        layers=6,
        attention="lsg",
        reach_tokens=4096,
        teacher="big/model",
        distillation='logits, "temperature" 2 \\ layers < 7',
        training_data="train and validation",
        test_documents_seen=False,
        latency_4096_ms=12.5,
        hardware="one processor",
        reference="https://example.org/paper",
    )
    assert all(value is not None for value in full.model_dump().values())
    (tmp_path / "submission.toml").write_text(to_toml(full), encoding="utf-8")
    assert read_submission(tmp_path / "submission.toml") == full


@pytest.mark.parametrize(
    "content",
    [
        b"name = 3\ncontact = 'abc'",
        b"name = 'x'",
        b"name = 'x'\ncontact = 'abc'\nparameters = '12'",
        b"name = 'x'\ncontact = 'abc'\nparameters = -1",
        b"name = 'x'\ncontact = 'abc'\nlayers = nan",
        b"name = 'x'\ncontact = 'abc'\nopen_weights = 1",
        b"name = 'x'\nname = 'y'\ncontact = 'abc'",
        b"\xff\xfe",
        b"x = " + b"[" * 5000,
        b"#" * 40_000,
        b"parameters = " + b"9" * 5000,
    ],
)
def test_a_broken_toml_is_one_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "submission.toml").write_bytes(content)
    with pytest.raises(GonerdError, match=r"submission\.toml"):
        read_submission(tmp_path / "submission.toml")


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("name = 'x'\ncontact = 'abc'")
    (tmp_path / "submission.toml").symlink_to(tmp_path / "secret")
    with pytest.raises(GonerdError, match="not a plain file"):
        read_submission(tmp_path / "submission.toml")


def test_what_the_result_knows_is_filled_in(make) -> None:
    submission = read_submission(make(attention="full") / "submission.toml")
    assert (submission.attention, submission.hardware, submission.revision) == ("full", "one processor", "abc123")


def test_the_same_submission_gives_the_same_bytes(make) -> None:
    one, other = make("one"), make("other")
    for path in sorted(one.iterdir()):
        assert path.read_bytes() == (other / path.name).read_bytes()
    assert len(list(one.iterdir())) == 3


def test_a_foreign_folder_is_not_replaced(make, tmp_path: Path) -> None:
    made = make()
    (made / "notes.txt").write_text("precious")
    with pytest.raises(GonerdError, match="no submission"):
        write_submission(
            tmp_path / "mine.work" / "result.json",
            tmp_path / "mine.work" / "p.jsonl",
            made,
            submission=Submission(name="x", contact="abc"),
        )
    assert (made / "notes.txt").read_text() == "precious"


def test_the_folder_one_is_in_is_not_replaced(make, tmp_path: Path, monkeypatch) -> None:
    make()
    work = tmp_path / "mine.work"
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    with pytest.raises(GonerdError, match="the folder you are in"):
        write_submission(work / "result.json", work / "p.jsonl", Path(), submission=Submission(name="x", contact="abc"))


def test_predictions_for_another_number_of_documents_are_refused(make, tmp_path: Path) -> None:
    make()
    work = tmp_path / "mine.work"
    lines = (work / "p.jsonl").read_text().splitlines(keepends=True)
    (work / "p.jsonl").write_text("".join(lines[:-1]))
    with pytest.raises(GonerdError, match="3 documents, but the result has 4"):
        write_submission(
            work / "result.json", work / "p.jsonl", tmp_path / "new", submission=Submission(name="x", contact="abc")
        )
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    "text", ['{"a": NaN}', '{"a": 1e999}', '{"a": 1, "a": 2}', "[" * 100_000, "9" * 5000, "", "{}"]
)
def test_a_claim_that_is_no_result_is_one_error(tmp_path: Path, text: str) -> None:
    (tmp_path / "result.json").write_text(text)
    with pytest.raises(GonerdError, match=r"result\.json"):
        read_claim(tmp_path / "result.json")
