"""Training that is killed with SIGKILL wherever it is, and run again, ends as if nothing had happened."""

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from tiny_models import tiny_checkpoint, tiny_examples

from gonerd.training.config import DistillConfig, FinetuneConfig
from gonerd.training.distill import distill
from gonerd.training.finetune import finetune

SETTINGS = {"max_steps": 24, "evaluations": 4, "learning_rate": 3e-3, "batch_tokens": 256, "device": "cpu"}
STAGES = {"finetune": (finetune, FinetuneConfig), "distill": (distill, DistillConfig)}
COMMAND = "import sys; sys.path.insert(0, {tests!r}); import test_training_kill as own; own.narrate({arguments})"


def train(stage, source, out, watch=lambda _: None):
    function, config = STAGES[stage]
    examples = {"train": tiny_examples(16), "validation": tiny_examples(4, split="validation")}
    function(source, out, **examples, config=config(**SETTINGS), watch=watch)


def narrate(stage, source, out):
    """Train in a process of its own, and say each step."""
    train(stage, Path(source), Path(out), lambda standing: print(standing.step, flush=True))


def killed(stage, source, out, *, step, lines):
    """Train in a process that is killed `lines` reads after it has reached a step; say whether it was."""
    arguments = ", ".join(repr(str(value)) for value in (stage, source, out))
    tests = str(Path(__file__).parents[1])
    code = f"import sys; sys.path.append({tests!r}); " + COMMAND.format(
        tests=str(Path(__file__).parent), arguments=arguments
    )
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=environment) as process:
        for line in process.stdout:
            if int(line) >= step:
                lines -= 1
                if lines < 0:
                    break
        process.send_signal(signal.SIGKILL)
    return process.returncode == -signal.SIGKILL


def assert_equal(first, second):
    logs = [(folder / "training_log.jsonl").read_text() for folder in (first, second)]
    assert logs[0] == logs[1]
    ours, theirs = (load_file(folder / "model.safetensors") for folder in (first, second))
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    return tiny_checkpoint(tmp_path_factory.mktemp("start") / "tiny", "longformer")


@pytest.fixture(scope="module")
def undisturbed(start, tmp_path_factory):
    out = tmp_path_factory.mktemp("undisturbed") / "finetune"
    train("finetune", start, out)
    return out


def test_a_killed_run_ends_in_the_same_log_and_weights(start, undisturbed, tmp_path):
    step = random.randrange(7, 24)
    assert killed("finetune", start, tmp_path / "model", step=step, lines=0), f"not killed at step {step}"
    assert not (tmp_path / "model").exists()
    steps = []
    train("finetune", start, tmp_path / "model", lambda standing: steps.append(standing.step))
    assert steps[0] > 6, f"killed at step {step}, it began anew"
    assert_equal(tmp_path / "model", undisturbed)


@pytest.mark.slow
@pytest.mark.parametrize("stage", list(STAGES))
def test_runs_killed_again_and_again_end_in_the_same_log_and_weights(stage, start, undisturbed, tmp_path):
    source = start if stage == "finetune" else undisturbed
    train(stage, source, tmp_path / "undisturbed")
    for number in range(5):
        draw = random.Random(number)
        out = tmp_path / f"model-{number}"
        for step in sorted(draw.sample(range(1, 25), 3)):  # killed on the way, and killed again going on
            killed(stage, source, out, step=step, lines=draw.randrange(3))
        train(stage, source, out)
        assert_equal(out, tmp_path / "undisturbed")
