"""`gonerd score`: score a file of predictions against gold."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from gonerd.cli.console import say, table

if TYPE_CHECKING:
    from gonerd.evaluation.errors import Errors
    from gonerd.formats.predictions import Matching, Problem
    from gonerd.scoring import Counts, Scores

PROBLEMS_SHOWN = 10  # of each kind; --json has them all


def score(
    *,
    gold: Path,
    predictions: Path,
    scheme: str = "gonerd",
    examples: int | None = None,
    as_json: Annotated[bool, Parameter(name="--json", negative="")] = False,
) -> int:
    """Score a file of predictions against gold, entity by entity, strictly and leniently.

    Documents are matched by id. One that is missing from the predictions, or has another number of tags than gold has
    tokens, counts as if nothing had been found in it, and is named. `strict` reads tags as IOB2 and is the benchmark's
    figure; `lenient` reads them as conlleval does. Exit code 1 when a document was missing, surplus or unusable.

    Example: gonerd score --gold test.jsonl --predictions predictions.jsonl.gz

    Args:
        gold: JSON Lines or Parquet with `id`, `tokens` and `ner_tags`, or CoNLL (.conll, .iob2, .tsv, .txt).
        predictions: JSON Lines or .gz: `id`, and `ner_tags` (IOB2, one a token) or `spans` [[start, end, label]].
        scheme: the label scheme of both.
        examples: also show SemEval's classes and the kinds of error, with so many examples of each.
        as_json: print one JSON object in place of tables.
    """
    from gonerd.errors import GonerdError
    from gonerd.formats.gold import Gold, read_gold
    from gonerd.formats.predictions import match, read_predictions
    from gonerd.labels import load_scheme

    labels = load_scheme(scheme)
    expected = Gold.of(read_gold(gold, scheme=labels), scheme=labels, name=gold.name)
    if not expected.documents:
        raise GonerdError("no documents in the gold", where=gold)
    matching = match(expected, read_predictions(predictions))
    strict, lenient = matching.scores(reading="strict"), matching.scores(reading="lenient")
    errors = None
    if examples is not None:
        from gonerd.evaluation.errors import describe_errors

        errors = describe_errors(matching, examples=examples)
    if as_json:
        _print_json(matching, strict, lenient, errors)
    else:
        _print_tables(matching, strict, lenient)
        if errors is not None:
            _print_errors(errors)
    return 1 if matching.problems else 0


def _print_json(matching: Matching, strict: Scores, lenient: Scores, errors: Errors | None) -> None:
    import json

    content = {
        "scheme": matching.gold.scheme.name,
        "documents": len(matching.gold.documents),
        "words": matching.gold.words,
        "inputs": matching.gold.fingerprint.inputs,
        "gold": matching.gold.fingerprint.gold,
        "strict": _reading(strict),
        "lenient": _reading(lenient),
        "problems": [{"kind": item.kind, "id": item.id, "detail": item.detail} for item in matching.problems],
    }
    if errors is not None:
        content |= {"classes": errors.classes, "errors": errors.counts, "examples": errors.examples}
    say(json.dumps(content, indent=2))


def _reading(scores: Scores) -> dict[str, Any]:
    by_type = {label: _counts(counts) for label, counts in scores.by_type.items()}
    return {"micro": _counts(scores.micro), "macro_f1": scores.macro_f1, "by_type": by_type}


def _counts(counts: Counts) -> dict[str, float | int]:
    names = ("precision", "recall", "f1", "correct", "predicted", "gold")
    return {name: getattr(counts, name) for name in names}


def _print_tables(matching: Matching, strict: Scores, lenient: Scores) -> None:
    headers = ["", "strict P", "R", "F1", "lenient P", "R", "F1", "gold"]
    rows = [
        [label, *_figures(counts), *_figures(lenient.by_type[label]), str(counts.gold)]
        for label, counts in strict.by_type.items()
    ]
    rows.append(["micro", *_figures(strict.micro), *_figures(lenient.micro), str(strict.micro.gold)])
    rows.append(["macro", "", "", _percent(strict.macro_f1), "", "", _percent(lenient.macro_f1), ""])
    table(headers, rows)
    say(f"{len(matching.gold.documents)} documents, {matching.gold.words} words")
    for line in problem_lines(matching.problems):
        say(line)


def _print_errors(errors: Errors) -> None:
    from gonerd.formats.predictions import shown

    rows = [
        [name, *(_percent(figures[key]) for key in ("precision", "recall", "f1"))]
        for name, figures in errors.classes.items()
    ]
    table(["SemEval", "P", "R", "F1"], rows)
    for kind, count in errors.counts.items():
        say(f"{kind}: {count}")
        for example in errors.examples[kind]:
            sides = (f"{side} {shown(example[side])}" for side in ("gold", "predicted") if side in example)
            say(f"  {example['id']}, token {example['token']}: {'; '.join(sides)}")


def _figures(counts: Counts) -> list[str]:
    return [_percent(value) for value in (counts.precision, counts.recall, counts.f1)]


def _percent(value: float) -> str:
    return f"{100 * value:.2f}"


def problem_lines(problems: tuple[Problem, ...]) -> list[str]:
    """Return a line for each problem, up to a limit for each kind, then how many more there are."""
    totals = Counter(problem.kind for problem in problems)
    lines: list[str] = []
    for kind, total in totals.items():
        named = [problem for problem in problems if problem.kind is kind][:PROBLEMS_SHOWN]
        lines += [f"{kind}: {problem.id}" + (f" ({problem.detail})" if problem.detail else "") for problem in named]
        if total > len(named):
            lines.append(f"{kind}: {total - len(named)} more")
    return lines
