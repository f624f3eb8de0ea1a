"""The quickstart's runner by default; the whole chain, interrupted at random, among the slow tests."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from contextlib import nullcontext

import pytest

from gonerd.records import silent
from gonerd.sample.quickstart import FOLDERS, QuickstartConfig, Step, Workspace, remove_output, run


def workspace(tmp_path):
    return Workspace(QuickstartConfig(out=tmp_path / "out"), lambda _: nullcontext(silent))


def step(name, *, seconds=0.0, fails=False):
    def work(space):
        space.folder(name).mkdir(parents=True, exist_ok=True)
        time.sleep(seconds)
        if fails:
            raise KeyboardInterrupt
        space.figures[name] = 1
        return [f"{name} done"]

    return Step(name, work)


def test_summary_is_written_after_each_step_and_survives_an_interrupt(tmp_path):
    space = workspace(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        list(run(space, (step("one"), step("two", fails=True))))
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["one"] == 1
    assert set(summary["seconds"]) == {"one"}


def test_a_second_run_does_not_hide_what_the_work_took(tmp_path):
    list(run(workspace(tmp_path), (step("one", seconds=0.3),)))
    lines = list(run(workspace(tmp_path), (step("one"), step("two"))))
    assert lines == [("one", ["one done"]), ("two", ["two done"])]
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["seconds"]["one"] >= 0.3 > summary["seconds"]["two"]


def test_fresh_removes_what_a_quickstart_made_and_nothing_else(tmp_path):
    out = tmp_path / "out"
    for name in (*FOLDERS, ".warc.0123456789ab.partial", "mine"):
        (out / name).mkdir(parents=True)
        (out / name / "file").write_text("x")
    (out / "summary.json").write_text("{}")
    remove_output(out)
    assert [path.name for path in out.iterdir()] == ["mine"]


SMALL = """
import sys
from dataclasses import replace
from gonerd.sample import data_steps, describe
data_steps.COUNTS.update(train=12, validation=3, test=4)
finetune, distill = describe.finetune_config, describe.distill_config
describe.finetune_config = lambda seed: replace(finetune(seed), max_steps=30)
describe.distill_config = lambda seed: replace(distill(seed), max_steps=20)
from gonerd.cli.main import main
main(["quickstart", "--out", sys.argv[1]])
"""
MEASURED = ("tokens_per_second", "peak_memory_mib", "time")


def quickstart(out, *, kill_after=None):
    """Run a small quickstart; interrupt it after some seconds, if asked to. Return its exit code."""
    process = subprocess.Popen(
        [sys.executable, "-c", SMALL, str(out)], stdout=subprocess.DEVNULL, start_new_session=True
    )
    try:
        return process.wait(timeout=kill_after)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, random.choice([signal.SIGINT, signal.SIGKILL]))
        return process.wait(timeout=60)


def figures(out):
    """Return the figures of a run, without those that are measured anew in each."""
    summary = json.loads((out / "summary.json").read_text())
    del summary["seconds"]
    evaluation = summary["evaluation"]
    for part in (evaluation, evaluation["teacher"], evaluation["student"]):
        for name in MEASURED:
            part.pop(name, None)
    return summary


@pytest.mark.slow
def test_interrupts_and_kills_at_any_point_lose_nothing(tmp_path):
    assert quickstart(tmp_path / "undisturbed") == 0
    random.seed(7)
    codes = [quickstart(tmp_path / "disturbed", kill_after=random.uniform(1.0, 15.0)) for _ in range(8)]
    assert any(code != 0 for code in codes)
    assert quickstart(tmp_path / "disturbed") == 0
    assert figures(tmp_path / "disturbed") == figures(tmp_path / "undisturbed")
