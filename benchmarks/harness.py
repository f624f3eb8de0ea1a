"""The harness beside transformers' pipeline (with stride) and Trainer.predict: same model, same documents, one run.

    python benchmarks/harness.py MODEL --gold ../shared/gold/test.jsonl --work harness-work --record

The pipeline is given each document's text and answers with character spans, which are put on the gold's tokens; Trainer
predicts windows that the same tokenizer makes (`return_overflowing_tokens`), where the window that comes first answers;
and, as most scripts do, the document cut at the model's reach, where the words behind it count as O. The harness runs
as `gonerd evaluate MODEL` does (its own encoder, packed), as `transformers:MODEL` does (padded batches), with
`--decoder viterbi`, with `--precision bf16`, and with windows that share as many sub-tokens as the pipeline's, 128. The
pipeline runs in fp32, in bf16, and with windows that share as few as the harness's do by default.

The documents are done in pieces, and all ways take turns on each, in an order that moves on from piece to piece. A
piece that is done lies in `--work`, so that a run that is broken off goes on. Times are processor time; ratios are the
medians over the pieces, with the least and the most. Differences in F1 have a paired bootstrap's interval and the p of
approximate randomisation, over documents.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from gonerd.evaluation.backend_encoder import ENCODER
from gonerd.evaluation.backend_tokens import TRANSFORMERS, Engine
from gonerd.evaluation.hardware import describe_hardware
from gonerd.evaluation.predict import PredictConfig, predict_tags, reach_of
from gonerd.evaluation.significance import Counted, compare
from gonerd.formats.gold import GoldDocument, read_gold
from gonerd.labels import load_scheme, tags_from_spans, token_spans
from gonerd.models.checkpoints import checkpoint_revision
from gonerd.records import Span
from gonerd.scoring import score_tags
from gonerd.store import read_json, utc_now, write_json

RESULTS = Path(__file__).with_name("results") / "harness.json"
SCHEME = load_scheme()
STRIDE = 128  # what the pipeline is given
OURS, PEER = "gonerd evaluate", f"pipeline, stride {STRIDE}"
Run = Callable[[Sequence[GoldDocument]], list[list[str]]]


def harness(model: str, *, engine: Engine = ENCODER, **options: Any) -> Run:
    config = PredictConfig(device="cpu", **options)
    loaded = engine.load(model, "cpu", config).model

    def run(documents: Sequence[GoldDocument]) -> list[list[str]]:
        rows = [(document.id, document.tokens) for document in documents]
        tags, coverage = predict_tags(loaded, rows, config=config, scheme=SCHEME)
        assert coverage.predicted_words == coverage.gold_words
        return [[SCHEME.tags[tag] for tag in tags[document.id]] for document in documents]

    return run


def default_stride(model: str) -> int:
    """Return what windows share where `gonerd evaluate` is not told."""
    config = PredictConfig(device="cpu")
    return reach_of(ENCODER.load(model, "cpu", config).model, config).overlap


def pipeline(model: str, *, stride: int = STRIDE, dtype: str = "float32") -> Run:
    from transformers import AutoModelForTokenClassification, AutoTokenizer
    from transformers import pipeline as make

    tokenizer = AutoTokenizer.from_pretrained(model)
    loaded = AutoModelForTokenClassification.from_pretrained(model, dtype=dtype)
    tagger: Any = make(
        "token-classification",
        model=loaded,
        tokenizer=tokenizer,
        aggregation_strategy="first",
        stride=stride,
        device=-1,
    )

    def run(documents: Sequence[GoldDocument]) -> list[list[str]]:
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

    def run(documents: Sequence[GoldDocument]) -> list[list[str]]:
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


@dataclass(frozen=True, slots=True)
class Turn:
    """What one way answered for a piece, and how long it took."""

    processor_seconds: float
    wall_seconds: float
    tags: list[list[str]]


def ways(model: str) -> dict[str, Run]:
    shared = default_stride(model)
    return {
        OURS: harness(model),
        f"gonerd evaluate --stride {STRIDE}": harness(model, stride=STRIDE),
        "gonerd evaluate --decoder viterbi": harness(model, decoder="viterbi"),
        "gonerd evaluate --precision bf16": harness(model, precision="bf16"),
        f"gonerd evaluate --precision bf16 --stride {STRIDE}": harness(model, precision="bf16", stride=STRIDE),
        "gonerd evaluate transformers:": harness(model, engine=TRANSFORMERS),
        PEER: pipeline(model),
        f"pipeline, stride {shared}": pipeline(model, stride=shared),
        f"pipeline, stride {STRIDE}, bf16": pipeline(model, dtype="bfloat16"),
        f"pipeline, stride {shared}, bf16": pipeline(model, stride=shared, dtype="bfloat16"),
        "Trainer.predict with windows": trainer(model, windows=True),
        "Trainer.predict cut at the reach": trainer(model, windows=False),
    }


def take_turns(model: str, pieces: Sequence[Sequence[GoldDocument]], folder: Path) -> list[dict[str, Turn]]:
    """Return what all ways answered for each piece; what lies in the folder already is not computed again."""
    folder.mkdir(parents=True, exist_ok=True)
    runs: dict[str, Run] = {}
    for number, documents in enumerate(pieces):
        place = folder / f"{number:03}.json"
        if place.is_file():
            continue
        if not runs:
            runs = ways(model)
            for run in runs.values():  # warm up
                run(documents[:1])
        names = list(runs)
        shift = number % len(names)
        turns = {name: _turn(runs[name], documents) for name in names[shift:] + names[:shift]}
        write_json(place, {name: asdict(turns[name]) for name in names})
        print(
            f"{number + 1}/{len(pieces)}", {name: round(turns[name].processor_seconds, 1) for name in names}, flush=True
        )
    done = [read_json(folder / f"{number:03}.json") for number in range(len(pieces))]
    return [{name: Turn(**turn) for name, turn in piece.items()} for piece in done]


def _turn(run: Run, documents: Sequence[GoldDocument]) -> Turn:
    wall, processor = time.perf_counter(), time.process_time()
    tags = run(documents)
    return Turn(round(time.process_time() - processor, 3), round(time.perf_counter() - wall, 3), tags)


def figures(pieces: Sequence[Sequence[GoldDocument]], done: Sequence[dict[str, Turn]]) -> dict[str, Any]:
    documents = [document for piece in pieces for document in piece]
    gold = [document.tags for document in documents]
    answers = {name: [tags for turns in done for tags in turns[name].tags] for name in done[0]}
    counted = {name: _counted(documents, tags) for name, tags in answers.items()}
    report = {}
    for name, tags in answers.items():
        spent = [turns[name].processor_seconds for turns in done]
        ratios = [turns[PEER].processor_seconds / turns[name].processor_seconds for turns in done]
        against = compare(counted[name], counted[PEER])
        report[name] = {
            "strict_f1": round(score_tags(gold, tags, scheme=SCHEME).micro.f1, 4),
            "lenient_f1": round(score_tags(gold, tags, scheme=SCHEME, reading="lenient").micro.f1, 4),
            "f1_above_the_pipeline": round(against.difference, 4),
            "interval": [round(against.interval.low, 4), round(against.interval.high, 4)],
            "p": round(against.p, 4),
            "documents_per_processor_second": round(len(documents) / sum(spent), 3),
            "documents_per_second": round(len(documents) / sum(turns[name].wall_seconds for turns in done), 3),
            "times_the_pipeline": round(statistics.median(ratios), 2),
            "least_and_most": [round(min(ratios), 2), round(max(ratios), 2)],
            "words_tagged_as_by_gonerd": _same(tags, answers[OURS]),
        }
    return report


def _counted(documents: Sequence[GoldDocument], tags: Sequence[list[str]]) -> Counted:
    scores = [score_tags([d.tags], [t], scheme=SCHEME).micro for d, t in zip(documents, tags, strict=True)]
    return {d.id: (s.correct, s.predicted, s.gold) for d, s in zip(documents, scores, strict=True)}


def _same(first: Sequence[list[str]], second: Sequence[list[str]]) -> int:
    return sum(a == b for one, other in zip(first, second, strict=True) for a, b in zip(one, other, strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description="The harness beside transformers' own ways.")
    parser.add_argument("model", help="a token classifier's folder")
    parser.add_argument("--gold", type=Path, default=Path("../shared/gold/test.jsonl"))
    parser.add_argument("--documents", type=int, help="how many, evenly from the file; all if not given")
    parser.add_argument("--piece", type=int, default=5, help="documents in a piece")
    parser.add_argument("--pieces", type=int, help="how many to do, each evenly from the documents; all if not given")
    parser.add_argument("--work", type=Path, default=Path("harness-work"))
    parser.add_argument("--record", action="store_true", help=f"write the figures to {RESULTS.name}")
    options = parser.parse_args()
    every = list(read_gold(options.gold, scheme=SCHEME))
    chosen = every[:: max(1, len(every) // (options.documents or len(every)))][: options.documents]
    count = -(-len(chosen) // options.piece)
    pieces = [chosen[number::count] for number in range(count)][: options.pieces]
    folder = options.work / f"{checkpoint_revision(options.model)[:12]}-{len(chosen)}-{count}"
    done = take_turns(options.model, pieces, folder)
    report = {
        "date": utc_now(),
        "hardware": describe_hardware("cpu"),
        "versions": {name: importlib.metadata.version(name) for name in ("torch", "transformers", "tokenizers")},
        "documents": sum(map(len, pieces)),
        "words": sum(len(document.tokens) for piece in pieces for document in piece),
        "pieces": len(pieces),
        "runs": figures(pieces, done),
    }
    print(json.dumps(report, indent=2))
    if options.record:
        write_json(RESULTS, report)


if __name__ == "__main__":
    main()
