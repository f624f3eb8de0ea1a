import contextlib
import errno
import itertools
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from stage_script import die, read, refuse, stage, write_inputs

from gonerd import files
from gonerd.errors import GonerdError
from gonerd.formats import jsonl
from gonerd.records import Document, Dropped, Reason
from gonerd.store import (
    Run,
    Stage,
    canonical,
    is_current,
    read_json,
    read_manifest,
    read_records,
    replacing,
    run_stage,
    sha256_file,
    shards,
    write_atomic,
    write_json,
    write_stage,
)


class Died(BaseException):
    """The process ends here."""


def tree(folder):
    """Everything in a folder by path: bytes, and a manifest without its times."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.name == "manifest.json" and b"started_at" in path.read_bytes():
            manifest = json.loads(path.read_text())
            found[path.relative_to(folder)] = {k: v for k, v in manifest.items() if not k.endswith("_at")}
        elif path.is_file():
            found[path.relative_to(folder)] = path.read_bytes()
    return found


@pytest.fixture
def inputs(tmp_path):
    return write_inputs(tmp_path / "in", shards=3, documents=4)


@pytest.fixture
def out(tmp_path):
    """A folder to be written, alone in its parent."""
    return tmp_path / "o" / "numbers"


def only(out):
    """Tell that the output is all there is in its parent: no lock, no partial folder."""
    return [path.name for path in out.parent.iterdir()] == [out.name]


def stopping_after(count):
    """A stage that fails after some documents, as a bug or a signal would stop it."""
    left = iter(range(count))

    def counted(documents):
        for record in stage().work(documents):
            if next(left, None) is None:
                raise KeyboardInterrupt
            yield record

    return Stage("numbers", stage().config, read, counted)


def test_a_stage_writes_shards_drops_and_manifest(inputs, out):
    calls = []
    manifest = run_stage(stage(), inputs, out, progress=lambda done, total: calls.append((done, total)))
    assert sorted(path.name for path in out.iterdir()) == [
        "00000.jsonl", "00001.jsonl", "00002.jsonl", "dropped.jsonl", "manifest.json",
    ]  # fmt: skip
    assert (manifest.read, manifest.written, manifest.dropped) == (12, 9, {"too_short": 3})
    assert manifest.inputs == tuple(sha256_file(path) for path in inputs)
    assert [shard.sha256 for shard in manifest.outputs] == [sha256_file(path) for path in shards(out)]
    ids = [document.id for document in read_records(out, Document)]
    assert ids == [f"d{number}" for number in range(12) if number % 5]
    assert [record.id for record in jsonl.read(out / "dropped.jsonl", Dropped)] == ["d0", "d5", "d10"]
    assert calls == [(0, 3), (1, 3), (2, 3), (3, 3)]
    assert only(out)


def test_a_finished_run_is_only_looked_up(inputs, out):
    first = run_stage(stage(), inputs, out)
    before = {path: path.stat().st_mtime_ns for path in out.iterdir()}
    assert run_stage(Stage("numbers", stage().config, read, refuse), inputs, out) == first
    assert {path: path.stat().st_mtime_ns for path in out.iterdir()} == before


def test_a_run_whose_shard_was_deleted_is_not_finished(inputs, out):
    run_stage(stage(), inputs, out)
    whole = tree(out)
    (out / "00001.jsonl").unlink()
    run_stage(stage(), inputs, out)
    assert tree(out) == whole


def test_workers_write_the_same_bytes(inputs, out, tmp_path):
    run_stage(stage(), inputs, out)
    run_stage(stage(), inputs, tmp_path / "p" / "numbers", workers=2)
    assert tree(tmp_path / "p" / "numbers") == tree(out)
    assert only(tmp_path / "p" / "numbers")


def test_the_output_does_not_depend_on_the_hash_seed(inputs, tmp_path):
    script = Path(__file__).with_name("stage_script.py")
    for seed in ("1", "2"):
        command = [sys.executable, script, inputs[0].parent, tmp_path / seed, "1", "0"]
        subprocess.run(command, env={**os.environ, "PYTHONHASHSEED": seed}, check=True, stdout=subprocess.DEVNULL)
    assert tree(tmp_path / "1") == tree(tmp_path / "2")


def test_a_resumed_run_does_only_what_is_left(inputs, out, tmp_path):
    run_stage(stage(), inputs, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        run_stage(stopping_after(6), inputs, out)
    seen = []

    def noting(path):
        seen.append(path)
        return read(path)

    calls = []
    resumed = Stage("numbers", stage().config, noting, stage().work)
    run_stage(resumed, inputs, out, progress=lambda *call: calls.append(call))
    assert seen == inputs[1:]
    assert calls == [(1, 3), (2, 3), (3, 3)]
    assert tree(out) == tree(tmp_path / "whole")
    assert only(out)


def test_a_changed_setting_never_mixes_with_the_old_one(inputs, out, tmp_path):
    run_stage(stage(word="other"), inputs, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        run_stage(stopping_after(6), inputs, out)
    run_stage(stage(word="other"), inputs, out)
    assert tree(out) == tree(tmp_path / "whole")
    assert only(out)  # what the other setting had begun is cleared away


def test_a_changed_input_never_mixes_with_the_old_one(inputs, out, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        run_stage(stopping_after(6), inputs, out)
    jsonl.write(inputs[0], [Document("d1", "New.", "made")])
    run_stage(stage(), inputs, tmp_path / "whole")
    run_stage(stage(), inputs, out)
    assert tree(out) == tree(tmp_path / "whole")
    assert run_stage(stage(), inputs[::-1], out).key != read_manifest(tmp_path / "whole").key


def test_an_input_that_changes_while_it_is_read_is_an_error(inputs, out):
    def changing(path):
        yield from read(path)
        path.write_bytes(path.read_bytes() + b"\n")

    with pytest.raises(GonerdError, match=r"in0\.jsonl: the input was changed while it was read"):
        run_stage(Stage("numbers", {}, changing, stage().work), inputs, out)
    assert not out.exists()


def test_the_old_output_stays_whole_until_the_new_one_is(inputs, out):
    run_stage(stage(word="old"), inputs, out)
    old = tree(out)
    with pytest.raises(KeyboardInterrupt):
        run_stage(stopping_after(6), inputs, out)
    assert tree(out) == old
    run_stage(stage(), inputs, out)
    assert tree(out) != old
    assert only(out)


def test_two_settings_in_turn_keep_what_both_have_begun(inputs, out):
    with pytest.raises(KeyboardInterrupt):
        run_stage(stopping_after(6), inputs, out)
    with pytest.raises(KeyboardInterrupt):
        run_stage(Stage("numbers", {"word": "other"}, read, stopping_after(2).work), inputs, out)
    assert len([path for path in out.parent.iterdir() if path.name.endswith(".partial")]) == 2


def test_what_others_have_begun_beside_it_is_left_alone(inputs, out):
    for name in (f".{out.name}.v2.0123456789ab.partial", ".other.0123456789ab.partial", f".{out.name}.notes.partial"):
        (out.parent / name).mkdir(parents=True)
    run_stage(stage(), inputs, out)
    assert len(list(out.parent.iterdir())) == 4


def make_folder(out):
    out.mkdir(parents=True)
    (out / "thesis.txt").write_text("years of work")


def make_file(out):
    out.parent.mkdir(parents=True)
    out.write_text("years of work")


def make_web_manifest(out):
    out.mkdir(parents=True)
    (out / "manifest.json").write_text('{"name": "a web app"}')


def make_broken_manifest(out):
    out.mkdir(parents=True)
    (out / "manifest.json").write_text("{")


def make_other_stage(out):
    write_stage([], out, stage="else", config={})


@pytest.mark.parametrize("make", [make_folder, make_file, make_web_manifest, make_broken_manifest, make_other_stage])
def test_what_gonerd_did_not_write_is_never_replaced(make, inputs, out):
    make(out)
    before = out.read_text() if out.is_file() else tree(out)
    with pytest.raises(GonerdError, match="something that `numbers` did not write is in the way"):
        run_stage(stage(), inputs, out)
    assert (out.read_text() if out.is_file() else tree(out)) == before
    assert only(out)


def test_an_empty_folder_and_a_link_to_one_are_free(inputs, tmp_path, out):
    out.mkdir(parents=True)
    run_stage(stage(), inputs, out)
    disk = tmp_path / "disk"
    disk.mkdir()
    (tmp_path / "link").symlink_to(disk)
    run_stage(stage(), inputs, tmp_path / "link")
    run_stage(stage(word="other"), inputs, tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert read_manifest(disk).config == {"word": "other"}


def test_the_folder_one_stands_in_is_no_output(inputs, out, monkeypatch):
    out.mkdir(parents=True)
    monkeypatch.chdir(out)
    for path in (Path(), Path(".."), out):
        with pytest.raises(GonerdError, match="cannot be the folder you are in"):
            run_stage(stage(), inputs, path)
    run_stage(stage(), inputs, Path("numbers"))
    assert read_manifest(out / "numbers").written == 9


def before_and_after(folder):
    """Inputs, the folder to write, and what it holds after the run and before it: another setting's output."""
    inputs = write_inputs(folder / "in", shards=2, documents=2)
    run_stage(stage(), inputs, folder / "whole")
    run_stage(stage(word="old"), inputs, folder / "old")
    return inputs, folder / "o" / "numbers", tree(folder / "whole"), tree(folder / "old")


def start_again(folder, out):
    shutil.rmtree(out.parent, ignore_errors=True)
    shutil.copytree(folder / "old", out)


def steps_of(monkeypatch, folder, inputs, out):
    """The number of steps of an undisturbed run."""
    start_again(folder, out)
    with monkeypatch.context() as patch:
        count = die_at(patch, -1, lambda: None)
        run_stage(stage(), inputs, out)
    return next(count)


def die_at(monkeypatch, step, action):
    """Let `action` happen at one step of all that touches the disk; return the count of the steps."""
    steps = itertools.count()

    def watch(owner, name):
        original = getattr(owner, name)

        def watched(*args, **kwargs):
            if next(steps) == step:
                action()
            return original(*args, **kwargs)

        monkeypatch.setattr(owner, name, watched)

    for owner, name in (
        (Path, "rename"), (Path, "replace"), (Path, "unlink"), (Path, "mkdir"), (Path, "open"),
        (os, "fsync"), (os, "rmdir"), (os, "unlink"), (shutil, "rmtree"), (jsonl, "dumps"),
    ):  # fmt: skip
        watch(owner, name)
    return steps


def run_in_child(monkeypatch, step, inputs, out):
    """Run the stage in a forked process that dies without warning at `step`; tell whether it died."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    try:
        die_at(monkeypatch, step, lambda: os._exit(9))
        run_stage(stage(), inputs, out)
        os._exit(0)
    except BaseException:
        os._exit(1)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="skipped: no fork")
def test_death_at_every_single_step_loses_nothing(monkeypatch, tmp_path):
    inputs, out, whole, old = before_and_after(tmp_path)
    steps = steps_of(monkeypatch, tmp_path, inputs, out)
    assert steps > 40
    for step in range(steps):
        start_again(tmp_path, out)
        died = run_in_child(monkeypatch, step, inputs, out)
        hidden = out.parent / f".{out.name}.old"
        assert tree(out if out.exists() else hidden) in (old, whole), step
        run_stage(stage(), inputs, out)
        assert died
        assert tree(out) == whole, step
    assert only(out)


def test_a_full_disk_at_every_single_step_loses_nothing(monkeypatch, tmp_path):
    inputs, out, whole, old = before_and_after(tmp_path)

    def full():
        raise OSError(errno.ENOSPC, "No space left on device")

    for step in range(steps_of(monkeypatch, tmp_path, inputs, out)):
        start_again(tmp_path, out)
        with monkeypatch.context() as patch:
            die_at(patch, step, full)
            with contextlib.suppress(OSError, GonerdError):
                run_stage(stage(), inputs, out)
        hidden = out.parent / f".{out.name}.old"
        assert tree(out if out.exists() else hidden) in (old, whole), step
        run_stage(stage(), inputs, out)
        assert tree(out) == whole, step
    assert step > 40


def test_a_run_that_dies_between_its_two_renames_is_taken_up(inputs, out, monkeypatch):
    run_stage(stage(word="old"), inputs, out)
    old = tree(out)
    renames = []
    original = Path.rename

    def dying(path, target):
        renames.append(target)
        if len(renames) == 2:
            raise Died
        return original(path, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", dying)
        with pytest.raises(Died):
            run_stage(stage(), inputs, out)
    assert not out.exists()
    # Another setting comes next and fails: the old output is back in its place.
    with pytest.raises(ValueError, match="cannot do d0"):
        run_stage(Stage("numbers", {}, read, refuse), inputs, out)
    assert tree(out) == old
    # The same setting again: what was ready is put in place, and nothing is done twice.
    run_stage(Stage("numbers", stage().config, read, refuse), inputs, out)
    assert read_manifest(out).config == {"word": "more"}


def test_a_worker_that_dies_is_one_clear_error(inputs, out):
    with pytest.raises(GonerdError, match="a worker process died"):
        run_stage(Stage("numbers", {}, read, die), inputs, out, workers=2)
    assert not out.exists()


def test_an_error_in_a_worker_is_the_error_of_the_run(inputs, out):
    with pytest.raises(ValueError, match="cannot do d"):
        run_stage(Stage("numbers", {}, read, refuse), inputs, out, workers=2)


def test_a_missing_input_is_named(out, tmp_path):
    with pytest.raises(GonerdError, match=r"none\.jsonl: no such input"):
        run_stage(stage(), [tmp_path / "none.jsonl"], out)
    assert not out.parent.exists()


def test_no_input_at_all_gives_an_empty_output(out):
    assert run_stage(stage(), [], out).written == 0
    assert list(read_records(out, Document)) == []


def test_replacing_keeps_the_work_of_a_run_that_fails(out):
    run = Run("own", {"a": 1}, ())
    with contextlib.suppress(Died), replacing(out, run) as work:
        (work / "part").write_text("one")
        raise Died
    assert not out.exists()
    with replacing(out, run) as work:
        assert (work / "part").read_text() == "one"
        write_json(work / "manifest.json", run.manifest([], read=0, dropped=[]))
    assert is_current(out, run)
    assert not is_current(out, Run("own", {"a": 2}, ()))


def test_replacing_refuses_a_block_that_wrote_no_manifest(out):
    with pytest.raises(RuntimeError, match="'own' wrote no manifest"), replacing(out, Run("own", {}, ())):
        pass
    assert not out.exists()


def test_write_stage_writes_the_same_records_once(out):
    records = [Document("a", "Text.", "s"), Dropped("b", Reason.EMPTY), Document("c", "Text.", "s")]
    first = write_stage(iter(records), out, stage="import", config={"x": 1})
    assert (first.read, first.written, first.dropped) == (3, 2, {"empty": 1})
    changed = (out / "manifest.json").stat().st_mtime_ns
    assert write_stage(iter(records), out, stage="import", config={"x": 1}) == first
    assert (out / "manifest.json").stat().st_mtime_ns == changed
    assert write_stage(records[:2], out, stage="import", config={"x": 1}).key != first.key
    assert write_stage([records[0], Dropped("b", Reason.LICENSE)], out, stage="import", config={"x": 1}).dropped == {
        "license": 1
    }
    assert only(out)


def test_write_atomic_keeps_the_old_file_when_the_disk_is_full(tmp_path, monkeypatch):
    path = tmp_path / "f.json"
    write_atomic(path, "old")

    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_atomic(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_json_files_that_cannot_be_read_are_one_clear_error(tmp_path):
    cases = {"a": b"{", "b": b"\xff\xfe", "c": b"[" * 100_000, "d": b"9" * 5000, "e": b"NaN"}
    for name, content in cases.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(GonerdError, match=rf"{name}: not a JSON file"):
            read_json(tmp_path / name)
    (tmp_path / "f").write_text('{\n  "x": 1\n  "y": 2\n}\n')
    with pytest.raises(GonerdError, match=r"not a JSON file .not JSON: Expecting ',' delimiter at line 3, column 3\)"):
        read_json(tmp_path / "f")
    with pytest.raises(GonerdError, match="none: no such file"):
        read_json(tmp_path / "none")
    with pytest.raises(GonerdError, match="this is a folder, not a file"):
        read_json(tmp_path)
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "f", {"x": float("nan")})


def test_folders_that_are_no_finished_stage_say_so(tmp_path):
    with pytest.raises(GonerdError, match="none: no such folder"):
        read_manifest(tmp_path / "none")
    (tmp_path / "file.jsonl").touch()
    with pytest.raises(GonerdError, match="this is a file, not a folder"):
        read_manifest(tmp_path / "file.jsonl")
    with pytest.raises(GonerdError, match="not a finished stage folder"):
        read_manifest(tmp_path)
    (tmp_path / "manifest.json").write_text('{"stage": "x"}')
    with pytest.raises(GonerdError, match=r"manifest\.json: field 'key' is missing"):
        read_manifest(tmp_path)


def test_configurations_have_one_text():
    assert canonical({"b": frozenset("xyz"), "a": Path("p")}) == {"a": "p", "b": ["x", "y", "z"]}
    assert Run("s", {"a": 1, "b": 2}, ()).key == Run("s", {"b": 2, "a": 1}, ()).key
    assert Run("s", {"a": 1}, ()).key != Run("s", {"a": 1}, ("x",)).key != Run("t", {"a": 1}, ("x",)).key
    with pytest.raises(TypeError, match="cannot hold function"):
        canonical({"f": canonical})
