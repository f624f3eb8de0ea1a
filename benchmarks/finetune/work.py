"""One run: the dataset, the encoder it starts from, training with the time of each step, evaluation."""

from __future__ import annotations

import hashlib
import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from figures import StepTimes, of_result, of_training
from plan import Plan
from real_input import gold_examples

from gonerd.cli.leaderboard import read_gold_split
from gonerd.dataset.config import BuildConfig
from gonerd.dataset.examples import read_examples
from gonerd.dataset.write import write_dataset
from gonerd.evaluation.analysis import Training
from gonerd.evaluation.evaluate import About, RunConfig, evaluate
from gonerd.evaluation.predict import PredictConfig
from gonerd.evaluation.result import read_result
from gonerd.evaluation.views import surfaces
from gonerd.formats.texts import read_texts
from gonerd.models.config import ConvertConfig
from gonerd.models.convert import convert_checkpoint
from gonerd.records import Example
from gonerd.store import sha256_file
from gonerd.training.adapt import adapt
from gonerd.training.config import AdaptConfig, FinetuneConfig
from gonerd.training.finetune import finetune
from gonerd.training.watch import counting

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class Workplace:
    """Where runs are made, and of what."""

    work: Path
    shared: Path
    encoder: Path

    @cached_property
    def data(self) -> Path:
        """The gold as a dataset that keeps its own splits and tokens."""
        folder, files = self.work / "data", [self.shared / "gold" / f"{split}.jsonl" for split in SPLITS]
        config = BuildConfig(name="human-gold", summary="Human-annotated long documents.", annotations_creators="found")
        examples = (example for path in files for example in gold_examples(path))
        write_dataset(examples, folder, config=config, inputs=[sha256_file(path) for path in files])
        return folder

    def run(self, plan: Plan, *, seed: int) -> dict[str, Any]:
        """Train and evaluate, and return the figures."""
        name = f"{plan.name}-{seed}"
        model, config = self.work / "models" / name, FinetuneConfig(**{"device": "cpu", **plan.finetune, "seed": seed})
        train, validation = (tuple(read_examples(self.data, split)) for split in ("train", "validation"))
        train = share_of(train, plan.train_share)
        times = StepTimes(self.work / "times" / f"{name}.jsonl", name)
        finetune(self.start(plan), model, train=train, validation=validation, config=config, watch=counting(times))
        found = self.evaluate(model, name=plan.name)
        return {
            "plan": plan.name, "kind": plan.kind, "base": plan.base, "about": plan.about, "seed": seed, **found,
            "reach": min(found["reach"], config.max_length or found["reach"]),
            **of_training(model, times.path, documents=train),
        }  # fmt: skip

    def start(self, plan: Plan) -> Path:
        """Return the folder to fine-tune: the encoder as it is, or converted, and adapted to texts."""
        if not plan.convert:
            return self.encoder
        out = self.work / "encoders" / "-".join(str(value) for value in plan.convert.values())
        convert_checkpoint(self.encoder, out, config=ConvertConfig(**plan.convert))
        return self.adapted(out, plan) if plan.adapt else out

    def adapted(self, start: Path, plan: Plan) -> Path:
        """Return the converted encoder after masked-language-model training on the texts."""
        out = self.work / "encoders" / f"{plan.name}-adapted"
        times = StepTimes(self.work / "times" / f"{plan.name}-adapted.jsonl", f"{plan.name}, adapting")
        config = AdaptConfig(**{"device": "cpu", **plan.adapt})
        adapt(start, out, texts=list(read_texts(self.shared / "text")), config=config, watch=counting(times))
        return out

    def evaluate(self, model: str | Path, *, name: str, config: PredictConfig | None = None) -> dict[str, Any]:
        """Evaluate on the whole test split and return the figures."""
        gold, train = (read_gold_split(str(self.data), split) for split in ("test", "train"))
        seen = Training(surfaces([(one.tokens, one.ner_tags) for one in train.documents]), train.fingerprint.inputs)
        path = evaluate(
            model, gold, self.work / "results", config=config or PredictConfig(device="cpu"),
            about=About(RunConfig(run_group=name), seen),
        )  # fmt: skip
        return {**of_result(read_result(path)), "result": path.relative_to(self.work).as_posix()}

    def evaluate_peer(self, pipeline: str, name: str) -> dict[str, Any]:
        """Evaluate a spaCy pipeline, its spans trimmed as the scheme demands."""
        about = "spaCy's small English model, trimmed"
        return {
            "plan": name,
            "kind": "peer",
            "about": about,
            **self.evaluate(pipeline, name=name, config=PredictConfig(trim=True)),
        }


def share_of(examples: Sequence[Example], share: float) -> tuple[Example, ...]:
    """Return a share of the documents of each source; a smaller share is part of a larger one."""
    by_source = defaultdict(list)
    for example in examples:
        by_source[example.source].append(example)
    kept = set()
    for rows in by_source.values():
        drawn = sorted(rows, key=lambda row: hashlib.sha256(row.id.encode()).digest())
        kept |= {row.id for row in drawn[: math.ceil(share * len(rows))]}
    return tuple(example for example in examples if example.id in kept)
