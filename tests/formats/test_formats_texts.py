import gzip

import pytest

from gonerd.errors import GonerdError
from gonerd.formats.texts import read_texts


def test_a_folder_gives_its_texts_by_name_and_nothing_else(tmp_path):
    (tmp_path / "b").mkdir()
    (tmp_path / "a.jsonl").write_text('{"text": "one\\n\\ntwo"}\n\n{"id": 3, "text": ""}\n')
    (tmp_path / "b" / "c.txt").write_text("drei\u2028ça", encoding="utf-8")
    (tmp_path / "d.jsonl.gz").write_bytes(gzip.compress(b'{"text": "packed"}\n'))
    (tmp_path / "README.md").write_text("no text")
    (tmp_path / ".hidden.txt").write_text("no text")
    assert list(read_texts(tmp_path)) == ["one\n\ntwo", "", "drei\u2028ça", "packed"]
    assert list(read_texts(tmp_path / "d.jsonl.gz")) == ["packed"]


def test_what_is_no_text_is_one_clear_error(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"text": "fine"}\n{"text": 3}\n')
    (tmp_path / "b.txt").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "empty").mkdir()
    for name, problem in (
        ("a.jsonl", r"a\.jsonl, line 2: no text"),
        ("b.txt", "not a readable text"),
        ("empty", "no .txt, .jsonl"),
        ("missing.txt", "not a readable text"),
        ("missing.jsonl", "missing"),
    ):
        with pytest.raises(GonerdError, match=problem):
            list(read_texts(tmp_path / name))
