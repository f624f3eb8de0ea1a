"""The scorer beside seqeval on the same tags, in one run: equality first, then time and memory.

    python benchmarks/scoring.py --tags 10000000 --record

Ours reads the integer column that a dataset has (`ner_tags`); seqeval needs strings, whose making is timed apart and
not counted against it. The two take turns; ratios are of neighbouring turns. seqeval in strict mode takes minutes at
ten million tags: `--turns` says how often.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import platform
import statistics
import time
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np

from gonerd.evaluation.hardware import describe_hardware
from gonerd.labels import load_scheme
from gonerd.scoring import score_tag_ids
from gonerd.store import utc_now, write_json

RESULTS = Path(__file__).with_name("results") / "scoring.json"
SCHEME = load_scheme()
DOCUMENT = 400  # tags


def column(tags: int, seed: int) -> tuple[Any, Any, Any]:
    """Return gold, predictions and document starts: names of one to four words, a tenth of the predictions changed."""
    draw = np.random.default_rng(seed)
    gold = np.zeros(tags, dtype=np.int8)
    starts = np.flatnonzero(draw.random(tags) < 0.05)
    for width in range(4):
        chosen = starts[draw.random(len(starts)) < (1, 0.5, 0.2, 0.1)[width]] + width
        chosen = chosen[chosen < tags]
        gold[chosen] = 2 * draw.integers(0, 4, len(chosen)) + (1 if width == 0 else 2)
    predicted = gold.copy()
    changed = draw.random(tags) < 0.02
    predicted[changed] = draw.integers(0, 9, int(changed.sum()))
    return gold, predicted, np.arange(0, tags, DOCUMENT)


def strings(ids: Any) -> list[list[str]]:
    names = np.array(SCHEME.tags, dtype=object)
    return [names[ids[start : start + DOCUMENT]].tolist() for start in range(0, len(ids), DOCUMENT)]


def ours(gold: Any, predicted: Any, starts: Any, reading: str) -> Any:
    return score_tag_ids(gold, predicted, starts, scheme=SCHEME, reading=reading).micro  # type: ignore[arg-type]


def theirs(gold: list[list[str]], predicted: list[list[str]], reading: str) -> float:
    from seqeval.metrics import f1_score
    from seqeval.scheme import IOB2

    options: dict[str, Any] = {"mode": "strict", "scheme": IOB2} if reading == "strict" else {}
    return float(f1_score(gold, predicted, average="micro", **options))


def timed(function: Any, *arguments: Any) -> tuple[float, Any]:
    started = time.perf_counter()
    answer = function(*arguments)
    return time.perf_counter() - started, answer


def measure(tags: int, turns: int) -> dict[str, Any]:
    gold, predicted, starts = column(tags, 0)
    making, (left, right) = timed(lambda: (strings(gold), strings(predicted)))
    report: dict[str, Any] = {"tags": tags, "making_strings_seconds": round(making, 2)}
    for reading in ("lenient", "strict"):
        pairs = []
        for turn in range(turns):
            mine, counts = timed(ours, gold, predicted, starts, reading)
            seconds, f1 = timed(theirs, left, right, reading)
            assert abs(counts.f1 - f1) < 1e-12, (reading, counts.f1, f1)
            pairs.append((mine, seconds))
            print(f"{reading} {turn + 1}: ours {mine:.3f} s, seqeval {seconds:.1f} s, F1 {f1:.6f} in both", flush=True)
        tracemalloc.start()
        ours(gold, predicted, starts, reading)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        report[reading] = {
            "ours_seconds": round(statistics.median(pair[0] for pair in pairs), 4),
            "seqeval_seconds": round(statistics.median(pair[1] for pair in pairs), 2),
            "times_faster": round(statistics.median(pair[1] / pair[0] for pair in pairs), 1),
            "ours_peak_bytes_a_tag": round(peak / tags, 1),
            "turns": turns,
        }
    return report


def main() -> None:
    parser = argparse.ArgumentParser(description="The scorer beside seqeval.")
    parser.add_argument("--tags", type=int, default=10_000_000)
    parser.add_argument("--turns", type=int, default=1)
    parser.add_argument("--record", action="store_true", help=f"write the figures to {RESULTS.name}")
    options = parser.parse_args()
    sizes = sorted({options.tags // 10, options.tags})
    report = {
        "date": utc_now(),
        "hardware": describe_hardware(None),
        "versions": {name: importlib.metadata.version(name) for name in ("numpy", "seqeval")},
        "python": platform.python_version(),
        "runs": [measure(size, options.turns) for size in sizes],
    }
    print(json.dumps(report, indent=2))
    if options.record:
        write_json(RESULTS, report)


if __name__ == "__main__":
    main()
