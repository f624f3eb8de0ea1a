"""Two processes, as `accelerate launch` starts them, give the numbers of one."""

import os
import subprocess
import sys

import pytest
from tiny_models import tiny_checkpoint, tiny_gold

from gonerd.evaluation.evaluate import evaluate, predictions_path
from gonerd.evaluation.predict import PredictConfig
from gonerd.evaluation.result import read_result
from gonerd.formats import jsonl


def launched(folder, *arguments, ok=True):
    # With --multi_gpu also where there is none: without it, several processes on a CPU would need MPI.
    launch = ["accelerate.commands.launch", "--multi_gpu", "--num_processes", "2", "--main_process_port", "0"]
    command = [sys.executable, "-m", *launch]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(
        [*command, "-m", "gonerd", "evaluate", *arguments], cwd=folder, env=environment, capture_output=True, text=True,
        timeout=300, check=False,
    )  # fmt: skip
    assert (done.returncode == 0) == ok, done.stderr[-3000:]
    return done


def test_two_processes_give_the_numbers_of_one(tmp_path):
    gold = tiny_gold()
    checkpoint = tiny_checkpoint(tmp_path / "tiny")
    jsonl.write(tmp_path / "tiny.jsonl", list(gold.documents))
    done = launched(tmp_path, "tiny", "--data", "tiny.jsonl", "--max-tokens", "64", "--out", "two")
    assert done.stdout.count("strict F1") == 1  # one of them speaks
    (place,) = (tmp_path / "two").glob("*/*/*-test-????????????.json")
    alone = evaluate(checkpoint, gold, tmp_path / "one", config=PredictConfig(device="cpu"))
    two, one = read_result(place), read_result(alone)
    assert two.run.processes == 2
    assert two.key == one.key
    assert (two.strict, two.lenient, two.coverage) == (one.strict, one.lenient, one.coverage)
    assert predictions_path(place).read_bytes() == predictions_path(alone).read_bytes()


@pytest.mark.slow
def test_a_fault_of_one_process_ends_both(tmp_path):
    from safetensors.torch import load_file, save_file

    checkpoint = tiny_checkpoint(tmp_path / "tiny")
    state = load_file(checkpoint / "model.safetensors")
    state["classifier.bias"][3] = float("nan")
    save_file(state, checkpoint / "model.safetensors", metadata={"format": "pt"})
    jsonl.write(tmp_path / "tiny.jsonl", list(tiny_gold().documents))
    done = launched(tmp_path, "tiny", "--data", "tiny.jsonl", "--device", "cpu", ok=False)
    assert "NaN" in done.stderr


@pytest.mark.slow
def test_cuda_where_there_is_none_is_an_error(tmp_path):
    tiny_checkpoint(tmp_path / "tiny")
    jsonl.write(tmp_path / "tiny.jsonl", list(tiny_gold().documents))
    done = launched(tmp_path, "tiny", "--data", "tiny.jsonl", "--device", "cuda", ok=False)
    assert "no CUDA device here" in done.stderr
    assert not (tmp_path / "results").exists()
