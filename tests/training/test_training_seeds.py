"""Several seeds: all runs are kept, the same command goes on, and mean and spread are those of the runs."""

import csv
import json
import statistics
from dataclasses import replace

import pytest
from tiny_models import tiny_checkpoint, tiny_examples, tiny_gold

from gonerd.cli.main import main
from gonerd.errors import GonerdError
from gonerd.formats import jsonl
from gonerd.training.config import FinetuneConfig
from gonerd.training.finetune import finetune
from gonerd.training.seeds import group_of, seed_folders, train_seeds

CONFIG = FinetuneConfig(max_steps=6, evaluations=2, learning_rate=1e-2, batch_tokens=256, device="cpu", seed=3)


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    return tiny_checkpoint(tmp_path_factory.mktemp("start") / "tiny")


class StopHereError(Exception):
    pass


def stop_here(*_):
    raise StopHereError


def test_a_run_that_was_broken_off_goes_on_and_the_spread_is_that_of_the_runs(start, tmp_path):
    trained = []

    def train(folder, config, *, stop_at=None):
        def watch(standing):
            trained.append((config.seed, standing.step))
            if (config.seed, standing.step) == stop_at:
                raise StopHereError

        examples = {"train": tiny_examples(8), "validation": tiny_examples(4, split="validation")}
        finetune(start, folder, **examples, config=config, watch=watch)

    with pytest.raises(StopHereError):
        train_seeds(
            tmp_path / "out", CONFIG, seeds=3, train=lambda folder, config: train(folder, config, stop_at=(4, 5))
        )
    assert [folder.name for folder in seed_folders(tmp_path / "out")] == ["seed-3"]
    trained.clear()
    spread = train_seeds(tmp_path / "out", CONFIG, seeds=3, train=train)
    assert trained[0] == (4, 4)  # from the checkpoint after step 3; the first seed was done
    assert {seed for seed, _ in trained} == {4, 5}
    summary = json.loads((tmp_path / "out" / "seeds.json").read_text())
    scores = []
    for folder, row in zip(seed_folders(tmp_path / "out"), summary["seeds"], strict=True):
        log = [json.loads(line) for line in (folder / "training_log.jsonl").read_text().splitlines()]
        scores.append(max(entry["eval_f1"] for entry in log if "eval_f1" in entry))
        assert row["f1"] == scores[-1]
        assert json.loads((folder / "manifest.json").read_text())["config"]["seed"] == row["seed"]
    assert spread.mean == summary["validation_f1_mean"] == pytest.approx(statistics.fmean(scores))
    assert spread.deviation == summary["validation_f1_standard_deviation"] == pytest.approx(statistics.stdev(scores))


def test_another_folder_is_never_written_into(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(GonerdError, match=r"something else is there: notes\.txt"):
        train_seeds(tmp_path, CONFIG, seeds=2, train=lambda *_: pytest.fail("trained"))
    (tmp_path / "notes.txt").rename(tmp_path / ".seeds.json.partial")  # a kill left it
    with pytest.raises(StopHereError):
        train_seeds(tmp_path, CONFIG, seeds=2, train=stop_here)
    with pytest.raises(GonerdError, match="seed is 4294967296"):
        train_seeds(tmp_path, replace(CONFIG, seed=2**32 - 1), seeds=2, train=stop_here)
    with pytest.raises(GonerdError, match="0 seeds"):
        train_seeds(tmp_path / "new", CONFIG, seeds=0, train=lambda *_: pytest.fail("trained"))


def test_each_seed_has_curves_of_its_own(start, tmp_path):
    pytest.importorskip("tensorboard")
    config = replace(CONFIG, max_steps=1, evaluations=1, tensorboard=tmp_path / "curves")
    examples = {"train": tiny_examples(4), "validation": tiny_examples(4, split="validation")}
    train_seeds(
        tmp_path / "out",
        config,
        seeds=2,
        train=lambda folder, config: finetune(start, folder, **examples, config=config),
    )
    assert sorted(path.name for path in (tmp_path / "curves").iterdir()) == ["seed-3", "seed-4"]
    assert all(any(folder.iterdir()) for folder in (tmp_path / "curves").iterdir())


def test_the_command_line_trains_seeds_and_evaluates_them_as_one_group(start, tmp_path, capsys):
    fields = ("id", "text", "tokens", "token_starts", "ner_tags")
    rows = [{name: getattr(example, name) for name in fields} for example in tiny_examples(4)]
    jsonl.write(tmp_path / "rows.jsonl", rows)
    gold = [{"id": row.id, "tokens": row.tokens, "ner_tags": row.ner_tags} for row in tiny_gold(6).documents]
    jsonl.write(tmp_path / "test.jsonl", gold)
    small = [
        "--max-length",
        "4096",
        "--max-steps",
        "2",
        "--evaluations",
        "1",
        "--batch-tokens",
        "256",
        "--device",
        "cpu",
    ]
    runs = str(tmp_path / "runs")
    command = ["model", "finetune", str(start), "--data", str(tmp_path / "rows.jsonl"), "--out", runs, "--seeds", "2"]
    done = called(*command, *small)
    shown = capsys.readouterr()
    assert done == 0
    assert "2 steps, batches of 256 sub-tokens, learning rate 0.001" in shown.out
    assert "it reads 64 sub-tokens at once, not 4,096: longer documents go in windows" in shown.out
    assert "2 seeds" in shown.out
    assert "Fine-tuning seed-1: step 2 of 2, loss" in shown.err
    assert "transformers" not in shown.err
    results = str(tmp_path / "results")
    assert called("evaluate", runs, "--data", str(tmp_path / "test.jsonl"), "--out", results, "--device", "cpu") == 0
    capsys.readouterr()
    assert called("results", results, "--form", "csv") == 0
    (row,) = csv.DictReader(capsys.readouterr().out.splitlines())
    assert (row["model"], row["runs"]) == (group_of(tmp_path / "runs"), "2")


def test_another_training_in_the_same_folder_is_another_group(start, tmp_path):
    """Its results stay beside those of the first, and their mean would be of two trainings."""
    examples = {"train": tiny_examples(4), "validation": tiny_examples(4, split="validation")}
    groups = []
    for rate, first in ((1e-2, 3), (1e-2, 4), (1e-3, 3)):
        config = replace(CONFIG, max_steps=1, evaluations=1, learning_rate=rate, seed=first)
        train_seeds(
            tmp_path / "out",
            config,
            seeds=1,
            train=lambda folder, config: finetune(start, folder, **examples, config=config),
        )
        groups.append(group_of(tmp_path / "out"))
    assert groups[0] == groups[1] != groups[2]
    assert all(group.startswith("out ") for group in groups)


def called(*arguments):
    with pytest.raises(SystemExit) as done:
        main(list(arguments))
    return done.value.code
