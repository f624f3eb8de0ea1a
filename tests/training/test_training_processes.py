"""Two processes, as `accelerate launch` starts them, train as one does that accumulates two batches a step."""

import json
import os
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file
from tiny_models import tiny_checkpoint, tiny_examples

from gonerd.formats import jsonl
from gonerd.training.config import FinetuneConfig
from gonerd.training.finetune import finetune


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["transformers", "auto"])
def test_two_processes_take_the_steps_of_one_that_accumulates(backend, tmp_path):
    # Neither has dropout: each process would draw its own.
    architecture = "modernbert" if backend == "transformers" else "longformer"
    start = tiny_checkpoint(tmp_path / "start", architecture)
    config = json.loads((start / "config.json").read_text())
    (start / "config.json").write_text(json.dumps(config | {"hidden_dropout_prob": 0.0}))
    fields = ("id", "text", "tokens", "token_starts", "ner_tags")
    rows = [{name: getattr(example, name) for name in fields} for example in tiny_examples(16)]
    jsonl.write(tmp_path / "rows.jsonl", rows)
    launch = ["accelerate.commands.launch", "--multi_gpu", "--num_processes", "2", "--main_process_port", "0"]
    schedule = ["--max-steps", "6", "--evaluations", "2", "--batch-tokens", "256", "--learning-rate", "3e-3"]
    done = subprocess.run(
        [sys.executable, "-m", *launch, "-m", "gonerd", "model", "finetune", "start", "--data", "rows.jsonl",
         "--out", "two", "--backend", backend, "--device", "cpu", *schedule],
        cwd=tmp_path, env={**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.count("strict F1 on validation") == 1  # one of them speaks
    from gonerd.dataset.examples import read_examples

    examples = tuple(read_examples(tmp_path / "rows.jsonl", "train"))
    config = FinetuneConfig(
        max_steps=6, evaluations=2, batch_tokens=256, learning_rate=3e-3, accumulate=2, backend=backend, device="cpu"
    )
    finetune(start, tmp_path / "one", train=examples, validation=examples, config=config)
    two, one = (load_file(tmp_path / name / "model.safetensors") for name in ("two", "one"))
    before = load_file(start / "model.safetensors")
    for name, weight in one.items():
        torch.testing.assert_close(two[name], weight, atol=1e-4, rtol=1e-3)
    assert any(not torch.equal(weight, before[name]) for name, weight in two.items())
    assert json.loads((tmp_path / "two" / "manifest.json").read_text())["config"]["processes"] == 2
    logs = [json.loads((tmp_path / name / "training_log.jsonl").read_text().splitlines()[0]) for name in ("two", "one")]
    assert logs[0] == logs[1]
