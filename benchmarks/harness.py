"""The harness beside transformers' pipeline (with stride) and Trainer.predict: same model, same documents, one run.

    python benchmarks/harness.py MODEL --gold ../shared/gold/test.jsonl --documents 24 --record

The pipeline is given each document's text and answers with character spans, which are put on the gold's tokens; Trainer
predicts windows that the same tokenizer makes (`return_overflowing_tokens`), where the window that comes first answers;
and, as most scripts do, the document cut at the model's reach, where the words behind it count as O. All three take
turns on the processor; ratios are of neighbouring turns.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gonerd.evaluation.backend_tokens import TRANSFORMERS
from gonerd.evaluation.hardware import describe_hardware
from gonerd.evaluation.predict import PredictConfig, predict_tags
from gonerd.formats.gold import GoldDocument, read_gold
from gonerd.labels import load_scheme, tags_from_spans, token_spans
from gonerd.records import Span
from gonerd.scoring import score_tags
from gonerd.store import utc_now, write_json

RESULTS = Path(__file__).with_name("results") / "harness.json"
SCHEME = load_scheme()
STRIDE = 128
Run = Callable[[list[GoldDocument]], list[list[str]]]


def harness(model: str) -> Run:
    config = PredictConfig(device="cpu", stride=STRIDE)
    loaded = TRANSFORMERS.load(model, "cpu", config).model

    def run(documents: list[GoldDocument]) -> list[list[str]]:
        rows = [(document.id, document.tokens) for document in documents]
        tags, coverage = predict_tags(loaded, rows, config=config, scheme=SCHEME)
        assert coverage.predicted_words == coverage.gold_words
        return [[SCHEME.tags[tag] for tag in tags[document.id]] for document in documents]

    return run


def pipeline(model: str) -> Run:
    from transformers import AutoModelForTokenClassification, AutoTokenizer
    from transformers import pipeline as make

    tokenizer = AutoTokenizer.from_pretrained(model)
    loaded = AutoModelForTokenClassification.from_pretrained(model)
    tagger: Any = make(
        "token-classification",
        model=loaded,
        tokenizer=tokenizer,
        aggregation_strategy="first",
        stride=STRIDE,
        device=-1,
    )

    def run(documents: list[GoldDocument]) -> list[list[str]]:
        found = []
        for document in documents:
            spans = [Span(e["start"], e["end"], e["entity_group"]) for e in tagger(document.text)]
            placed = token_spans(document.token_starts or (), document.tokens, spans)
            found.append(tags_from_spans(len(document.tokens), placed))
        return found

    return run


def trainer(model: str, *, windows: bool) -> Run:
    from transformers import (
        AutoModelForTokenClassification,
        AutoTokenizer,
        DataCollatorForTokenClassification,
        Trainer,
        TrainingArguments,
    )

    tokenizer = AutoTokenizer.from_pretrained(model)
    loaded = AutoModelForTokenClassification.from_pretrained(model)
    labels = loaded.config.id2label
    arguments = TrainingArguments(
        tempfile.mkdtemp(), use_cpu=True, per_device_eval_batch_size=8, report_to=[], disable_tqdm=True
    )
    predictor = Trainer(loaded, arguments, data_collator=DataCollatorForTokenClassification(tokenizer))

    def run(documents: list[GoldDocument]) -> list[list[str]]:
        rows, owners = [], []
        for number, document in enumerate(documents):
            encoded = tokenizer(
                list(document.tokens), is_split_into_words=True, truncation=True, stride=STRIDE,
                return_overflowing_tokens=windows,
            )  # fmt: skip
            pieces = encoded["input_ids"] if windows else [encoded["input_ids"]]
            for place, ids in enumerate(pieces):
                rows.append({"input_ids": ids, "labels": [0] * len(ids)})
                owners.append((number, encoded.word_ids(place)))
        answers = predictor.predict(rows).predictions.argmax(-1)
        found = [["O"] * len(document.tokens) for document in documents]
        answered: list[set[int]] = [set() for _ in documents]
        for (number, words), row in zip(owners, answers, strict=True):
            for word, answer in zip(words, row, strict=False):
                if word is not None and word not in answered[number]:
                    answered[number].add(word)
                    found[number][word] = labels[int(answer)]
        return found

    return run


def measure(model: str, documents: list[GoldDocument], turns: int) -> dict[str, Any]:
    runs = {
        "gonerd evaluate": harness(model),
        "pipeline with stride": pipeline(model),
        "Trainer.predict with windows": trainer(model, windows=True),
        "Trainer.predict cut at the reach": trainer(model, windows=False),
    }
    gold = [document.tags for document in documents]
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    scores: dict[str, float] = {}
    for turn in range(turns + 1):  # the first is the warm-up, of two documents
        chosen = documents if turn else documents[:2]
        for name, run in runs.items():
            started = time.perf_counter()
            predicted = run(chosen)
            if turn:
                seconds[name].append(time.perf_counter() - started)
                scores[name] = score_tags(gold, predicted, scheme=SCHEME).micro.f1
                print(f"{name}: {seconds[name][-1]:.1f} s, F1 {scores[name]:.4f}", flush=True)
    mine = seconds["gonerd evaluate"]
    return {
        name: {
            "strict_f1": round(scores[name], 4),
            "documents_per_second": round(len(documents) / statistics.median(spent), 3),
            "gonerd_times_as_fast": round(statistics.median(a / b for a, b in zip(spent, mine, strict=True)), 2),
        }
        for name, spent in seconds.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="The harness beside transformers' own ways.")
    parser.add_argument("model", help="a token classifier's folder")
    parser.add_argument("--gold", type=Path, default=Path("../shared/gold/test.jsonl"))
    parser.add_argument("--documents", type=int, default=24, help="how many, evenly from the file")
    parser.add_argument("--turns", type=int, default=2)
    parser.add_argument("--record", action="store_true", help=f"write the figures to {RESULTS.name}")
    options = parser.parse_args()
    every = list(read_gold(options.gold, scheme=SCHEME))
    chosen = every[:: max(1, len(every) // options.documents)][: options.documents]
    report = {
        "date": utc_now(),
        "hardware": describe_hardware("cpu"),
        "versions": {name: importlib.metadata.version(name) for name in ("torch", "transformers", "tokenizers")},
        "documents": len(chosen),
        "words": sum(len(document.tokens) for document in chosen),
        "stride": STRIDE,
        "runs": measure(options.model, chosen, options.turns),
    }
    print(json.dumps(report, indent=2))
    if options.record:
        write_json(RESULTS, report)


if __name__ == "__main__":
    main()
