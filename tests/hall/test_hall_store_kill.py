"""The store against sudden death, Ctrl-C and a second process: everything here runs in processes of its own."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from stage_script import stage, write_inputs
from test_hall_store import only, tree

from gonerd import processes
from gonerd.errors import GonerdError
from gonerd.store import run_stage

SCRIPT = Path(__file__).with_name("stage_script.py")
SHARDS, DOCUMENTS, SECONDS = 6, 10, 0.003


def start(inputs, out, *, workers=1, seconds=SECONDS, **options):
    """Start the stage in a process of its own and wait until it is about to begin."""
    command = [sys.executable, SCRIPT, inputs, out, str(workers), str(seconds)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)
    process.stdout.readline()
    return process


def kill_until(kills, folder, *, workers, rng):
    """Kill the stage at random moments, and compare with an undisturbed run whenever it got through."""
    inputs, out = folder / "in", folder / "o" / "numbers"
    paths = write_inputs(inputs, shards=SHARDS, documents=DOCUMENTS)
    run_stage(stage(), paths, folder / "whole")
    whole = tree(folder / "whole")
    longest = SHARDS * DOCUMENTS * SECONDS * 1.2 + (0.5 if workers > 1 else 0.0)
    killed = finished = 0
    while killed < kills or not finished:
        process = start(inputs, out, workers=workers)
        time.sleep(rng.uniform(0, longest) if killed < kills else 0)
        if killed < kills:
            process.kill()
        error = process.communicate(timeout=60)[1]
        if process.returncode == -signal.SIGKILL:
            killed += 1
            continue
        assert process.returncode == 0, error
        assert tree(out) == whole
        assert only(out)
        finished += 1
        shutil.rmtree(out)


@pytest.mark.parametrize("workers", [1, 2])
def test_ten_kills_lose_and_double_nothing(workers, tmp_path):
    kill_until(10 // workers, tmp_path, workers=workers, rng=random.Random(workers))


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_a_hundred_kills_lose_and_double_nothing(workers, tmp_path):
    kill_until(100, tmp_path, workers=workers, rng=random.Random(100 + workers))


def children_of(process):
    """The processes that a process has started."""
    lines = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(process.pid)], capture_output=True, text=True, check=False
    )
    return [int(line) for line in lines.stdout.split()]


def ended(pid):
    """Wait for a process that is not ours to end; tell whether it did."""
    for _ in range(200):
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except (FileNotFoundError, ProcessLookupError):
            return True
        time.sleep(0.02)
    return False


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="skipped: no /proc")
def test_workers_end_with_a_parent_that_is_killed(tmp_path):
    write_inputs(tmp_path / "in", shards=2, documents=DOCUMENTS)
    process = start(tmp_path / "in", tmp_path / "out", workers=2, seconds=30)
    for _ in range(100):
        workers = children_of(process)
        if len(workers) >= 2:
            break
        time.sleep(0.05)
    time.sleep(0.5)
    process.kill()
    process.wait(timeout=30)
    gone = [ended(pid) for pid in workers]
    for pid, done in zip(workers, gone, strict=True):
        if not done:
            os.kill(pid, signal.SIGKILL)
    process.communicate()
    assert len(workers) >= 2
    assert all(gone)


@pytest.mark.parametrize("workers", [1, 2])
def test_ctrl_c_ends_all_at_once_and_a_rerun_goes_on(workers, tmp_path):
    paths = write_inputs(tmp_path / "in", shards=SHARDS, documents=DOCUMENTS)
    run_stage(stage(), paths, tmp_path / "whole")
    out = tmp_path / "o" / "numbers"
    process = start(tmp_path / "in", out, workers=workers, seconds=1, start_new_session=True)
    time.sleep(1.0)
    os.killpg(process.pid, signal.SIGINT)
    error = process.communicate(timeout=9)[1]  # a shard takes ten seconds: it is not waited for
    assert process.returncode == -signal.SIGINT
    assert error.count("Traceback") <= 1, error  # the main process's own, which the command line replaces by one line
    assert "SpawnProcess" not in error
    run_stage(stage(), paths, out)
    assert tree(out) == tree(tmp_path / "whole")
    assert only(out)


def test_a_second_process_is_told_and_the_lock_dies_with_its_holder(tmp_path, monkeypatch):
    monkeypatch.setattr(processes, "PATIENCE", 0.2)
    paths = write_inputs(tmp_path / "in", shards=2, documents=DOCUMENTS)
    out = tmp_path / "o" / "numbers"
    holder = start(tmp_path / "in", out, seconds=30)
    for _ in range(100):
        if out.parent.exists() and any(out.parent.glob(".*.partial")):
            break
        time.sleep(0.05)
    for setting in ("more", "other"):
        with pytest.raises(GonerdError, match=r"numbers: another process is writing this output\. Wait"):
            run_stage(stage(word=setting), paths, out)
    holder.kill()
    holder.communicate()
    run_stage(stage(), paths, out)
    assert only(out)


def test_processes_that_race_for_one_output_leave_one_whole_output(tmp_path):
    paths = write_inputs(tmp_path / "in", shards=2, documents=4)
    run_stage(stage(), paths, tmp_path / "whole")
    out = tmp_path / "o" / "numbers"
    racers = [start(tmp_path / "in", out, seconds=0.002) for _ in range(3)]
    for racer in racers:
        assert racer.communicate(timeout=60)[1] == ""
        assert racer.returncode == 0
    assert tree(out) == tree(tmp_path / "whole")
    assert only(out)


def test_where_there_are_no_locks_a_stage_runs_all_the_same(tmp_path, monkeypatch):
    monkeypatch.setattr(processes, "_try_lock", lambda _: "none")
    paths = write_inputs(tmp_path / "in", shards=2, documents=4)
    out = tmp_path / "o" / "numbers"
    assert run_stage(stage(), paths, out, workers=2).written == 6
    assert only(out)


def test_workers_hold_the_lock_when_their_parent_no_longer_does(tmp_path, monkeypatch):
    monkeypatch.setattr(processes, "PATIENCE", 0.2)
    path = tmp_path / "lock"
    descriptor = processes._acquire(path, tmp_path)
    lock = processes.Lock(descriptor)
    answers = processes.map_parallel(time.sleep, [0, 2], workers=1, lock=lock)
    next(answers)
    os.close(descriptor)
    with pytest.raises(GonerdError, match="another process is writing"):
        processes._acquire(path, tmp_path)
    assert list(answers) == [None]
    os.close(processes._acquire(path, tmp_path))


def test_a_lock_file_that_was_removed_meanwhile_is_not_held(tmp_path, monkeypatch):
    path = tmp_path / "lock"
    original, removed = processes._try_lock, []

    def removing(descriptor):
        if not removed:  # its last holder ends just now
            path.unlink()
            removed.append(path)
        return original(descriptor)

    monkeypatch.setattr(processes, "_try_lock", removing)
    descriptor = processes._acquire(path, tmp_path)
    assert os.path.samestat(os.fstat(descriptor), path.stat())
    os.close(descriptor)
