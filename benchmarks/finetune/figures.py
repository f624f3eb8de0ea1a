"""What is kept of a run: scores, the course of validation, and how long training took."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from gonerd.encoding import sub_tokens
from gonerd.evaluation.hardware import code_commit, library_versions
from gonerd.evaluation.result import BucketPart, Result
from gonerd.formats import jsonl
from gonerd.models.checkpoints import load_tokenizer
from gonerd.models.repository import find_checkpoint
from gonerd.records import Example
from gonerd.store import read_json, utc_now
from gonerd.training.card import kept_validation
from gonerd.training.trainer import LOG


class StepTimes:
    """Progress that is written down: when each step ended, by the wall and by the processor."""

    def __init__(self, path: Path, name: str) -> None:
        self.path, self.name = path, name
        self.session = utc_now()
        path.parent.mkdir(parents=True, exist_ok=True)

    def __call__(self, done: int, total: int | None) -> None:
        row = [self.session, done, total, round(time.perf_counter(), 3), round(time.process_time(), 3)]
        with self.path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(row) + "\n")
        if done % 10 == 0 or done == total:
            print(f"{self.name}: step {done} of {total}, {time.strftime('%H:%M:%S')}", flush=True)


def of_result(result: Result) -> dict[str, Any]:
    """Return the scores on the test split: in all with its interval, by type, source, length and position."""
    if result.analysis is None:
        raise RuntimeError("a result without its analysis")
    interval, views = result.analysis.intervals["strict_f1"], result.analysis.views
    micro = result.strict.micro
    return {
        "strict_f1": round(micro.f1, 4), "interval": [round(interval.low, 4), round(interval.high, 4)],
        "precision": round(micro.precision, 4), "recall": round(micro.recall, 4),
        "by_type": {name: round(score.f1, 4) for name, score in result.strict.by_type.items()},
        "by_source": {name: round(score.f1, 4) for name, score in result.by_source.items()},
        "by_length": _bucketed(views["document length"]),
        "by_position": _bucketed(views["position in the document"]),
        "coverage": result.coverage.predicted_words / result.coverage.gold_words,
        "windowed_documents": result.coverage.windowed_documents,
        "reach": result.model.reach_tokens, "parameters": result.model.parameters,
        "words_per_second": round(result.speed.words_per_second, 1),
    }  # fmt: skip


def _bucketed(view: dict[str, BucketPart]) -> dict[str, Any]:
    """Return documents and F1 of each bucket that has any."""
    return {
        name: [part.documents, round(part.score.f1, 4) if part.score else None]
        for name, part in view.items()
        if part.documents
    }


def of_training(model: Path, times: Path, *, documents: Sequence[Example]) -> dict[str, Any]:
    """Return how training went and how long an epoch takes, validation apart."""
    log = [value for _, value in jsonl.read_objects(model / LOG)]
    manifest = read_json(model / "manifest.json")
    checks = [[entry["step"], round(entry["eval_f1"], 4)] for entry in log if "eval_f1" in entry]
    losses = [[entry["step"], round(entry["loss"], 4)] for entry in log if "loss" in entry]
    tokenizer = load_tokenizer(find_checkpoint(model))
    size = sum(len(ids) for ids, _ in sub_tokens(tokenizer, [example.tokens for example in documents]))
    return {
        "validation_f1": round(kept_validation(model / LOG)["f1"], 4),
        "validation_f1_by_step": checks, "loss_by_step": losses,
        "documents": len(documents), "sub_tokens": size,
        **_speed(times, epochs=log[-1]["epoch"], sub_tokens=size, checked={step for step, _ in checks}),
        "settings": manifest["config"], "trained": [manifest["started_at"], manifest["finished_at"]],
        "versions": library_versions("gonerd"), "commit": code_commit(),
    }  # fmt: skip


def _speed(times: Path, *, epochs: float, sub_tokens: int, checked: set[int]) -> dict[str, Any]:
    """Return the seconds of an epoch by the wall and by the processor, from the mean step, and sub-tokens a second.

    A validated step and the one after it, for which validation and saving would count, and the first of a session are
    left out.
    """
    rows = [row for _, row in _lines(times)]
    steps = [
        (later[3] - sooner[3], later[4] - sooner[4])
        for sooner, later in pairwise(rows)
        if later[0] == sooner[0] and later[1] == sooner[1] + 1 and not {sooner[1], later[1]} & checked
    ]
    if not steps:
        return {}
    wall, processor = (statistics.fmean(column) * rows[-1][2] / epochs for column in zip(*steps, strict=True))
    return {
        "epoch_seconds": round(wall, 1), "epoch_processor_seconds": round(processor, 1),
        "tokens_per_second": round(sub_tokens / wall, 1), "steps": rows[-1][2],
    }  # fmt: skip


def _lines(path: Path) -> list[tuple[int, Any]]:
    """Return the rows of a file; one that a kill cut off is left out."""
    found = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines()):
        try:
            found.append((number, json.loads(line)))
        except ValueError:
            continue
    return found
