"""The audit at work: gold with known errors, found again, beside cleanlab on the same probabilities.

    python benchmarks/audit.py --shared ../shared --record

Takes the human-annotated documents of `shared/gold`, makes 3 in 100 marks wrong in four ways in equal parts (another
label, an edge moved by a token, the mark dropped, a word marked), and looks how many of the errors are among as many
findings. The gold has errors of its own, which count as false alarms here: real precision is higher. Then the
20 most suspicious places of the gold as it is. `--fit` shows the weights that the audit would get from errors with
another seed in the documents of the train split. cleanlab is installed apart; without it its rows are left out.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import platform
import random
import time
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from real_input import gold_examples

from gonerd import store
from gonerd.annotation.audit import MARKED, UNMARKED, AuditConfig, audit, prepare, score
from gonerd.annotation.consistency import corpus_counts
from gonerd.annotation.evidence import Audited, Suspect, suspects
from gonerd.annotation.features import TOKEN
from gonerd.conventions import load_conventions
from gonerd.labels import load_scheme
from gonerd.records import Annotation, Document, Example, Span

RESULTS = Path(__file__).with_name("results") / "audit.json"
SCHEME = load_scheme()
KINDS = ("label", "edge", "dropped", "spurious")


@dataclass(frozen=True, slots=True)
class Wrong:
    """An error that was made: where, over both what was and what is marked."""

    document_id: str
    start: int
    end: int
    kind: str


def corrupt(examples: list[Example], *, share: float, seed: int) -> tuple[list[Annotation], list[Wrong]]:
    """Return the gold with a share of its marks made wrong, and what was done."""
    draw = random.Random(seed)
    spans = {one.id: list(one.entities) for one in examples}
    texts = {one.id: one.text for one in examples}
    marks = [(one.id, span) for one in examples for span in one.entities]
    made: list[Wrong] = []
    for number, (name, span) in enumerate(draw.sample(marks, round(share * len(marks)))):
        kind = KINDS[number % len(KINDS)]
        put = changed(texts[name], span, spans[name], kind=kind, draw=draw)
        if kind != "spurious":
            spans[name].remove(span)
        spans[name] += put
        touched = put if kind == "spurious" else [span, *put]
        made.append(Wrong(name, min(one.start for one in touched), max(one.end for one in touched), kind))
    gold = [Annotation(one.id, one.text_sha256, "gold", "gonerd", tuple(sorted(spans[one.id]))) for one in examples]
    return gold, made


def changed(text: str, span: Span, others: list[Span], *, kind: str, draw: random.Random) -> list[Span]:
    """Return what is marked instead of a span; for a spurious mark, what is marked besides."""
    if kind == "label":
        label = draw.choice([label for label in SCHEME.names if label != span.label])
        return [Span(span.start, span.end, label)]
    if kind == "dropped":
        return []
    tokens = [(one.start(), one.end()) for one in TOKEN.finditer(text)]

    def free(start: int, end: int) -> bool:
        return not any(one.start < end and start < one.end for one in others if one != span or kind == "spurious")

    if kind == "spurious":
        words = [(s, e) for s, e in tokens if e - s > 3 and text[s:e].isalpha() and free(s, e)]
        return [Span(*draw.choice(words), draw.choice(SCHEME.names))]
    first = next(n for n, token in enumerate(tokens) if token[1] > span.start)
    last = next(n for n, token in enumerate(tokens) if token[1] >= span.end)
    moved = [(first - 1, last), (first + 1, last), (first, last - 1), (first, last + 1)]
    places = [(tokens[a][0], tokens[b][1]) for a, b in moved if 0 <= a <= b < len(tokens)]
    return [Span(*draw.choice([(s, e) for s, e in places if free(s, e) and "\n" not in text[s:e]]), span.label)]


def found_at_number(ranked: list[tuple[str, int, int]], made: list[Wrong]) -> dict[str, Any]:
    """Return precision and recall among the first so many places as errors were made."""
    by_document: dict[str, list[Wrong]] = {}
    for wrong in made:
        by_document.setdefault(wrong.document_id, []).append(wrong)
    right, met = 0, set()
    for name, start, end in ranked[: len(made)]:
        there = [one for one in by_document.get(name, ()) if one.start < end and start < one.end]
        right += bool(there)
        met.update(there)
    kinds, of = Counter(one.kind for one in met), Counter(one.kind for one in made)
    return {
        "precision": round(right / len(made), 4),
        "recall": round(len(met) / len(made), 4),
        "recall_by_kind": {kind: round(kinds[kind] / of[kind], 4) for kind in KINDS},
    }


def by_cleanlab(audited: list[Audited], most: int) -> dict[str, list[tuple[str, int, int]]]:
    """Return cleanlab's rankings of tokens on the audit's own probabilities, neighbours joined to one place."""
    from cleanlab.token_classification.filter import find_label_issues
    from cleanlab.token_classification.rank import get_label_quality_scores

    labels = [SCHEME.tag_ids(one.tokens.tags) for one in audited]
    tables = [one.probabilities for one in audited]
    _, tokens = get_label_quality_scores(labels, tables, token_score_method="normalized_margin")
    worst = sorted(
        ((float(value), number, place) for number, column in enumerate(tokens) for place, value in enumerate(column)),
    )
    issues = [(number, place) for number, place in find_label_issues(labels, tables)]
    orders = {
        "cleanlab, tokens by quality": [(number, place) for _, number, place in worst[: 6 * most]],
        "cleanlab, label issues": issues[: 6 * most],
    }
    return {name: joined(audited, order)[:most] for name, order in orders.items()}


def joined(audited: list[Audited], order: list[tuple[int, int]]) -> list[tuple[str, int, int]]:
    """Return tokens as places, in order; one beside an earlier one belongs to the same place."""
    seen: set[tuple[int, int]] = set()
    places = []
    for number, place in order:
        if not seen & {(number, place - 1), (number, place), (number, place + 1)}:
            one = audited[number]
            places.append((one.document.id, one.tokens.starts[place], one.ends[place]))
        seen.add((number, place))
    return places


def all_suspects(audited: list[Audited]) -> list[tuple[str, Suspect]]:
    corpus = corpus_counts(one.places for one in audited)
    conventions = load_conventions()
    return [
        (one.document.id, suspect)
        for one in audited
        for suspect in suspects(one, corpus, scheme=SCHEME, conventions=conventions)
    ]


def known_errors(examples: list[Example], *, share: float, seed: int, folds: int) -> dict[str, Any]:
    """Make errors, audit, and say how many are found; and how cleanlab does on the same probabilities."""
    gold, made = corrupt(examples, share=share, seed=seed)
    documents = [Document(one.id, one.text, one.source) for one in examples]
    started = time.perf_counter()
    audited = prepare(gold, documents, folds=folds, progress=shown)
    told = sorted(all_suspects(audited), key=lambda pair: -score(pair[1]))
    seconds = time.perf_counter() - started
    report = {
        "marks": sum(len(one.entities) for one in examples),
        "errors_made": len(made),
        "seed": seed,
        "seconds": round(seconds, 1),
        "audit": found_at_number([(name, one.start, one.end) for name, one in told], made),
    }
    doubted = sorted(told, key=lambda pair: -pair[1].evidence["model"])
    report["the model's doubt alone"] = found_at_number([(name, one.start, one.end) for name, one in doubted], made)
    if importlib.util.find_spec("cleanlab"):
        for name, ranked in by_cleanlab(audited, len(made)).items():
            report[name] = found_at_number(ranked, made)
    return report


def fit(examples: list[Example], *, share: float, seed: int, folds: int) -> dict[str, Any]:
    """Return the weights that errors in these documents give."""
    from sklearn.linear_model import LogisticRegression

    gold, made = corrupt(examples, share=share, seed=seed)
    documents = [Document(one.id, one.text, one.source) for one in examples]
    told = all_suspects(prepare(gold, documents, folds=folds, progress=shown))
    weights = {}
    for title, fitted, marked in (("marked", MARKED, True), ("unmarked", UNMARKED, False)):
        names = [name for name in fitted if name not in ("bias", "predictions")]
        rows = [(name, one) for name, one in told if (one.span is not None) == marked]
        wrong = [
            any(w.document_id == name and w.start < one.end and one.start < w.end for w in made) for name, one in rows
        ]
        model = LogisticRegression(C=10, max_iter=2000).fit([[o.evidence[n] for n in names] for _, o in rows], wrong)
        weights[title] = {"bias": round(float(model.intercept_[0]), 2)}
        weights[title] |= {name: round(float(value), 2) for name, value in zip(names, model.coef_[0], strict=True)}
    return weights


def most_suspicious(examples: list[Example], *, folds: int) -> list[dict[str, Any]]:
    """Return the 20 most suspicious places of the gold as it is."""
    gold = [Annotation(one.id, one.text_sha256, "gold", "gonerd", one.entities) for one in examples]
    documents = {one.id: Document(one.id, one.text, one.source) for one in examples}
    config = AuditConfig(folds=folds, most=20)
    return [
        {
            "document": one.document_id,
            "text": documents[one.document_id].text[max(0, one.start - 30) : one.end + 30],
            "surface": one.surface,
            "label": one.label,
            "score": one.score,
            "reasons": [reason.text for reason in one.reasons],
        }
        for one in audit(gold, documents.values(), config=config, progress=shown)
    ]


def shown(done: int, total: int | None) -> None:
    print(f"  fold {done} of {total}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description="How well the audit finds errors in gold.")
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument("--share", type=float, default=0.03, help="of the marks, made wrong")
    parser.add_argument("--seed", type=int, default=2, help="of the errors; the weights were fitted with seed 1")
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--fit", action="store_true", help="fit the weights on the train split, and stop")
    parser.add_argument("--record", action="store_true", help=f"write the figures to {RESULTS.name}")
    options = parser.parse_args()
    if not options.shared.is_dir():
        print(f"skipped: no folder {options.shared}")
        return
    splits = ("train",) if options.fit else ("train", "validation", "test")
    examples = [one for split in splits for one in gold_examples(options.shared / "gold" / f"{split}.jsonl")]
    if options.fit:
        print(json.dumps(fit(examples, share=options.share, seed=1, folds=options.folds), indent=2))
        return
    report: dict[str, Any] = {
        "documents": len(examples),
        "known_errors": known_errors(examples, share=options.share, seed=options.seed, folds=options.folds),
    }
    print(json.dumps(report, indent=2), flush=True)
    report["most_suspicious"] = most_suspicious(examples, folds=options.folds)
    packages = ["gonerd", "scikit-learn", "spacy", *(["cleanlab"] if importlib.util.find_spec("cleanlab") else [])]
    report["hardware"] = f"{platform.machine()}, 2 shared cores"
    report["versions"] = {"python": platform.python_version(), **{name: version(name) for name in packages}}
    report["date"] = datetime.now(UTC).date().isoformat()
    print(json.dumps(report["most_suspicious"], indent=2, ensure_ascii=False))
    if options.record:
        RESULTS.parent.mkdir(exist_ok=True)
        store.write_json(RESULTS, report)


if __name__ == "__main__":
    main()
