"""A disk that takes no more, under the output and under temporary files: one line that names it, and nothing half left.

The system's own limit on a file's size (`ulimit -f`) stands for a full disk, so that the writes really fail.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from types import SimpleNamespace

import pytest
from dataset_support import CONFIG, make_document, make_gold, make_stages

from gonerd import records, scratch
from gonerd.dataset.build import build
from gonerd.dataset.examples import read_examples
from gonerd.dataset.export import export
from gonerd.dataset.plots import write_plots
from gonerd.errors import GonerdError
from gonerd.records import fingerprint
from gonerd.similarity import Signatures, SimilarityConfig, signature
from gonerd.store import read_manifest

resource = pytest.importorskip("resource")
RUN_AGAIN = "run the same command again"


@contextmanager
def largest_file(size):
    """Let no file grow beyond `size` bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.fixture
def stages(tmp_path):
    documents = [make_document(number) for number in range(40)]
    return make_stages(tmp_path, documents, map(make_gold, documents))


def assert_nothing_but_the_inputs(folder):
    assert sorted(path.name for path in folder.iterdir()) == ["documents", "gold"]


def test_an_output_that_takes_no_more(stages, tmp_path):
    with largest_file(22_000), pytest.raises(GonerdError, match=f"largest size allowed here.*{RUN_AGAIN}") as error:
        build(*stages, tmp_path / "out", config=CONFIG)
    assert error.value.where == tmp_path / "out"
    assert_nothing_but_the_inputs(tmp_path)
    assert build(*stages, tmp_path / "out", config=CONFIG).written == 40


def test_an_old_dataset_stays_when_the_disk_takes_no_new_one(stages, tmp_path, built):
    shutil.copytree(built, tmp_path / "out")
    before = {path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()}
    with largest_file(22_000), pytest.raises(GonerdError):
        build(*stages, tmp_path / "out", config=CONFIG)
    assert {path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()} == before


def test_signatures_that_find_no_room(stages, tmp_path):
    with largest_file(5_000), pytest.raises(GonerdError, match=RUN_AGAIN) as error:
        build(*stages, tmp_path / "out", config=CONFIG)
    assert error.value.where == tempfile.gettempdir()
    assert_nothing_but_the_inputs(tmp_path)


def test_a_signature_that_is_written_in_part(monkeypatch):
    """The last write to a full disk may take some bytes and say nothing: it is no signature."""
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda **_: SimpleNamespace(write=lambda content: len(content) - 1))
    waiting = Signatures(SimilarityConfig())
    with pytest.raises(GonerdError, match=r"the disk is full\. Free some space there, or set TMPDIR"):
        waiting.add(signature("A text.", SimilarityConfig()))


def test_hashes_that_find_no_room(monkeypatch):
    monkeypatch.setattr(records._SortedHashes, "RUN", 500)
    rows = ((str(number), ("word",), ("O",)) for number in range(1_000))
    with largest_file(8_000), pytest.raises(GonerdError, match=RUN_AGAIN) as error:
        fingerprint(rows)
    assert error.value.where == tempfile.gettempdir()


def test_a_database_that_finds_no_room(stages, tmp_path, monkeypatch):
    """SQLite's own limit of pages gives the very error of a full disk, whichever table of the build meets it."""
    monkeypatch.setenv("TMPDIR", str(tmp_path.parent))
    monkeypatch.delenv("SQLITE_TMPDIR", raising=False)
    for pages in (1, 3):
        monkeypatch.setattr(scratch, "_SETTINGS", (*scratch._SETTINGS, f"max_page_count = {pages}"))
        with pytest.raises(GonerdError, match=f"disk is full.*{RUN_AGAIN}") as error:
            build(*stages, tmp_path / "out", config=CONFIG)
        assert error.value.where == str(tmp_path.parent)
        assert_nothing_but_the_inputs(tmp_path)


def fill(base):
    with scratch.scratch_room():
        base.executemany("INSERT INTO names VALUES (?)", ((f"{number:01000d}",) for number in range(100)))


def test_a_database_that_cannot_write(monkeypatch):
    monkeypatch.setattr(scratch, "_SETTINGS", ("temp_store = FILE", "cache_size = 1"))
    base = scratch.scratch("names (name TEXT)")
    with largest_file(30_000), pytest.raises(GonerdError, match=f"no room for temporary files.*{RUN_AGAIN}"):
        fill(base)


def test_other_errors_of_a_database_are_ours():
    import sqlite3

    with pytest.raises(sqlite3.OperationalError, match="no such table"), scratch.scratch_room():
        scratch.scratch().execute("SELECT * FROM nowhere")


@pytest.mark.parametrize("form", ["jsonl", "conll", "spacy", "standoff"])
def test_an_export_that_finds_no_room(built, tmp_path, form):
    with largest_file(100), pytest.raises(GonerdError, match=RUN_AGAIN) as error:
        export(read_examples(built, "train"), tmp_path / "train", form=form)
    assert error.value.where == tmp_path
    assert list(tmp_path.iterdir()) == []


def test_a_plot_that_finds_no_room_is_not_there(built, tmp_path):
    shutil.copytree(built, tmp_path / "dataset")
    card = (tmp_path / "dataset" / "README.md").read_text()
    with largest_file(5_000), pytest.raises(OSError, match="too large"):
        write_plots(tmp_path / "dataset")
    assert list((tmp_path / "dataset" / "plots").iterdir()) == []
    assert (tmp_path / "dataset" / "README.md").read_text() == card


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root mounts a small disk")
@pytest.mark.parametrize("full", ["the output", "temporary files"])
def test_a_small_disk(tmp_path, full):
    documents = [make_document(number) for number in range(600)]
    make_stages(tmp_path, documents, map(make_gold, documents))
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = ["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", disk]
    if subprocess.run(mounted, capture_output=True, check=False).returncode:
        pytest.skip("skipped: no mount here")
    out = (disk if full == "the output" else tmp_path) / "out"
    command = [sys.executable, "-m", "gonerd", "dataset", "build", "--documents", "documents", "--gold", "gold"]
    variables = {**os.environ, "COLUMNS": "1000"}
    crowded = {**variables, "TMPDIR": str(disk)} if full == "temporary files" else variables
    try:
        done = subprocess.run(
            [*command, "--out", out], cwd=tmp_path, env=crowded, capture_output=True, text=True, check=False
        )
        assert done.returncode == 2, done.stderr
        place = out if full == "the output" else disk
        (line,) = [line for line in done.stderr.splitlines() if line.startswith("gonerd: ")]
        assert line.startswith(f"gonerd: {place}: the disk is full. Free some space")
        assert "Traceback" not in done.stderr
        assert list(disk.iterdir()) == []
        assert not out.exists()
    finally:
        subprocess.run(["umount", disk], check=True)
    subprocess.run([*command, "--out", tmp_path / "out"], cwd=tmp_path, env=variables, check=True, capture_output=True)
    assert read_manifest(tmp_path / "out").written == 600
