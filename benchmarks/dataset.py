"""How fast a dataset is built, and in how much memory, beside `datasets`' own `from_generator`.

    python benchmarks/dataset.py                                  10,000 and 100,000 documents, 1,000,000 of 100 words
    python benchmarks/dataset.py --size 2000 --size 20000:100     2,000 documents, and 20,000 of 100 words

Needs the extra `dataset` and spaCy. Documents come from gonerd's generator: of the lengths of the web by default, or of
about so many words. Each measurement is a process of its own; memory is the most that it held at once, as the system
counts it, with what the imports take stated beside it. The peer reads the same documents, makes the same tokens and
tags, and writes Parquet; it makes no splits, looks for no near-duplicates, and counts nothing.
With `--work DIR` inputs and measurements stay there, and a run that was broken off goes on: what is measured is not
measured again, and what is not there is left out of the record with `--measured`. The figures go to
`benchmarks/results/dataset.json` with `--record`.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Any

from gonerd import store
from gonerd.formats import jsonl
from gonerd.records import Annotation, Document, Shard

RESULTS = Path(__file__).with_name("results") / "dataset.json"
SIZES = ("10000", "100000", "1000000:100")
SHARD = 5_000  # documents


def generate(folder: Path, *, count: int, words: int | None) -> None:
    """Write generated documents and their gold as two stage folders, a shard at a time."""
    from gonerd.sample.generator import GeneratorConfig, generate

    config = GeneratorConfig()
    if words:
        config = GeneratorConfig(median_words=words, minimum_words=words // 2, maximum_words=2 * words, spread=0.2)
    shards: dict[str, list[Shard]] = {"documents": [], "gold": []}
    for name in shards:
        (folder / name).mkdir(parents=True)
    made = generate(count, seed=1, config=config)
    for number, pairs in enumerate(iter(lambda: list(islice(made, SHARD)), [])):
        for name, records in zip(shards, zip(*pairs, strict=True), strict=True):
            path = folder / name / f"{number:05d}.jsonl"
            jsonl.write(path, records)
            shards[name].append(Shard(path.name, store.sha256_file(path), len(records)))
    for name, outputs in shards.items():
        run = store.Run(f"benchmark {name}", {"count": count, "words": words}, ())
        store.write_json(folder / name / store.MANIFEST, run.manifest(outputs, read=count, dropped=()))


def build_gonerd(folder: Path, out: Path) -> None:
    from gonerd.dataset.build import build

    build([folder / "documents"], [folder / "gold"], out)


def build_datasets(folder: Path, out: Path) -> None:
    """Write one Parquet file with `datasets`."""
    from datasets import Dataset, Features, disable_progress_bars

    from gonerd.dataset.columns import features
    from gonerd.labels import load_scheme

    disable_progress_bars()
    scheme = load_scheme()
    made = Dataset.from_generator(
        rows,
        gen_kwargs={"folder": folder},
        features=Features.from_dict(features(scheme.tags)),
        cache_dir=str(out / "cache"),
    )
    made.to_parquet(out / "train.parquet")


def rows(folder: Path) -> Iterator[dict[str, Any]]:
    from gonerd.dataset.build import make_row
    from gonerd.dataset.columns import to_row
    from gonerd.dataset.tokens import tokenizer
    from gonerd.labels import load_scheme

    documents = store.read_records(folder / "documents", Document)
    golds = store.read_records(folder / "gold", Annotation)
    for document, gold in zip(documents, golds, strict=True):
        example = make_row(document, gold, tokenizer()(document.text), split="train").example
        yield to_row(example, load_scheme().tag_ids(example.ner_tags))


BUILDERS = {"gonerd": build_gonerd, "datasets": build_datasets}


def measure(name: str, folder: Path, out: Path) -> dict[str, float]:
    """Build in this process; return seconds by the clock and of the processor, and the most memory (MiB) so far."""
    import datasets  # noqa: F401 - counted as an import for both
    import pyarrow.parquet  # noqa: F401

    from gonerd.dataset.tokens import tokenizer

    tokenizer()("One.")
    imported, started, worked = peak(), time.perf_counter(), time.process_time()
    BUILDERS[name](folder, out)
    seconds, processor = time.perf_counter() - started, time.process_time() - worked
    taken = {"seconds": round(seconds, 1), "processor_seconds": round(processor, 1)}
    return {**taken, "imports_mib": imported, "peak_mib": peak()}


def peak() -> float:
    """Return the most memory that this process has held, in MiB."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(most / (2**20 if sys.platform == "darwin" else 2**10), 1)


def compare(size: str, work: Path, *, measured: bool = False) -> dict[str, Any]:
    """Generate documents of one size and measure both builders on them, or take what is measured."""
    count, _, words = size.partition(":")
    work = work / size.replace(":", "-")
    folder = work / "input"
    if not (folder / "gold" / store.MANIFEST).is_file():
        shutil.rmtree(folder, ignore_errors=True)
        run("--generate", folder, "--size", size)
    content = sum(path.stat().st_size for path in (folder / "documents").glob("*.jsonl"))
    report: dict[str, Any] = {"documents": int(count), "words_about": int(words) if words else None}
    report["input_mib"] = round(content / 2**20, 1)
    for name in BUILDERS:
        path = work / f"{name}.json"
        if not path.is_file() and not measured:
            with tempfile.TemporaryDirectory(dir=work) as out:
                found = run("--measure", name, "--folder", folder, "--out", Path(out) / "dataset")
            path.write_text(found, encoding="utf-8")
        if path.is_file():
            found = json.loads(path.read_text(encoding="utf-8"))
            speed = round(int(count) / found["processor_seconds"], 1)
            report[name] = {**found, "documents_per_processor_second": speed}
    return report


def surroundings() -> dict[str, Any]:
    """Return date, hardware and versions."""
    load = [round(value, 1) for value in os.getloadavg()] if hasattr(os, "getloadavg") else None
    names = ("gonerd", "datasets", "pyarrow", "spacy", "numpy")
    return {
        "date": store.utc_now()[:10],
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, {platform.system()}",
        "load_average_at_the_end": load,
        "python": platform.python_version(),
        "versions": {name: version(name) for name in names},
    }


def run(*arguments: object) -> str:
    """Run this file in a fresh process and return its last line."""
    command = [sys.executable, __file__, *map(str, arguments)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout.strip().rpartition("\n")[2]


def main() -> None:
    parser = argparse.ArgumentParser(description="Speed and memory of building a dataset.")
    parser.add_argument("--size", action="append", help="documents, or documents:words; may be given several times")
    parser.add_argument("--record", action="store_true", help=f"write the figures to {RESULTS.name}")
    parser.add_argument("--work", type=Path, help="keep inputs and measurements here, and go on from there")
    parser.add_argument("--note", default="", help="what the record should say of how it was measured")
    parser.add_argument("--measured", action="store_true", help="measure nothing: report what --work has")
    for hidden in ("--generate", "--folder", "--out"):
        parser.add_argument(hidden, type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--measure", choices=BUILDERS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.generate:
        count, _, words = options.size[0].partition(":")
        generate(options.generate, count=int(count), words=int(words) if words else None)
        return
    if options.measure:
        print(json.dumps(measure(options.measure, options.folder, options.out)))
        return
    reports = []
    for size in options.size or SIZES:
        with tempfile.TemporaryDirectory() as work:
            reports.append(compare(size, options.work or Path(work), measured=options.measured))
        print(json.dumps(reports[-1], indent=2), flush=True)
    if options.record:
        RESULTS.parent.mkdir(exist_ok=True)
        store.write_json(RESULTS, {**surroundings(), "note": options.note, "sizes": reports})


if __name__ == "__main__":
    main()
