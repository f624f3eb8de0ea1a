"""What a result claims, held against what was found: each function yields the faults of one check."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from math import isclose
from typing import Any

from gonerd.evaluation.analysis import analyse
from gonerd.evaluation.cost_report import Cost, LatencyPart, is_of
from gonerd.evaluation.result import AnalysisPart, Outcome, Reading, Result, TypeScore
from gonerd.evaluation.views import DISTANCE_VIEW
from gonerd.formats.gold import Gold
from gonerd.formats.predictions import Matching, shown
from gonerd.leaderboard.submission import COST, LONG, RESULT, SUBMISSION, Submission, unsafe_character
from gonerd.leaderboard.verification import Checks
from gonerd.scoring import Scores

TOLERANCE = 1e-9  # a claimed number may differ by rounding, not by more
SUB_TOKENS = re.compile("([0-9]{1,9}) sub-tokens")  # what the throughput on documents of one length is called
LEAST_USE = 0.5  # of the weights, by a sub-token; global projections of Longformer, a fifth, serve few of them
TEXT_CHARACTERS = 300  # of any text in a result
MOST = {"seconds": 1e9, "words_per_second": 1e9, "tokens_per_second": 1e9, "peak_memory_mib": 1e8}


MODEL_FACTS = ("parameters", "layers", "attention", "reach_tokens")


def text_faults(claim: Outcome | Cost) -> Iterator[str]:
    """Yield the texts of a claim that are too long or hold what hides or reorders text, and a time that is none."""
    for path, value in _leaves(claim.model_dump(mode="json")):
        for text in (path, value):
            if isinstance(text, str) and (len(text) > TEXT_CHARACTERS or unsafe_character(text)):
                yield f"{shown(path)}: too long, or not plain text"
    try:
        datetime.fromisoformat(claim.created_at)
    except ValueError:
        yield f"created_at: {shown(claim.created_at)} is no ISO 8601 time"


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield what stands at the ends of nested mappings and lists, each with its dotted path."""
    if isinstance(value, list):
        yield from _leaves(dict(enumerate(value)), path)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _leaves(item, f"{path}.{key}" if path else str(key))
    else:
        yield path, value


def speed_faults(result: Outcome) -> Iterator[str]:
    """Yield the figures of speed and memory that no measurement gives."""
    for name, most in MOST.items():
        claimed = getattr(result.speed, name)
        if claimed is not None and claimed > most:
            yield f"{name} is {shown(claimed)}, more than {most:g}"


def disagreements(submission: Submission, result: Outcome, cost: Cost | None) -> Iterator[str]:
    """Yield what submission, result and cost say differently of the model."""
    yield from _differing(MODEL_FACTS, submission, result.model, files=(SUBMISSION, RESULT))
    if cost is not None:
        yield from _differing(MODEL_FACTS, submission, cost.model, files=(SUBMISSION, COST))
        latency = cost.latency_at(LONG)
        told = submission.latency_4096_ms
        if told is not None and latency is not None and not isclose(told, latency.p50_ms):
            yield f"latency_4096_ms: {told:g} in {SUBMISSION}, {latency.p50_ms:g} in {COST}"


def _differing(names: Iterable[str], one: object, other: object, *, files: tuple[str, str]) -> Iterator[str]:
    for name in names:
        here, there = getattr(one, name), getattr(other, name)
        if here is not None and there is not None and here != there:
            yield f"{name}: {shown(here)} in {files[0]}, {shown(there)} in {files[1]}"


def cost_faults(cost: Cost, result: Outcome | None) -> Iterator[str]:
    """Yield why a cost file is not about the model of a result as it was run there, or contradicts itself."""
    yield from text_faults(cost)
    if result is not None and not is_of(cost, result):
        yield f"of other weights, or run in another way, than {RESULT} says (revision, backend, precision)"
    if len({row.length for row in cost.latency}) < len(cost.latency):
        yield "a length is there twice"
    for row in cost.latency:
        yield from _latency_faults(row, cost)
    for batch in (batch for batch in cost.throughput if batch.documents):
        each = batch.tokens_per_second / batch.documents_per_second
        named = SUB_TOKENS.fullmatch(batch.what)
        if named is None or not isclose(each, float(named[1]), rel_tol=1e-6):
            yield f"{shown(batch.what)}: {each:g} sub-tokens a document"
    weights = (cost.model.parameters or 0) - cost.embedding_parameters
    for length, flops in cost.flops_per_token.items():
        if flops < LEAST_USE * 2 * weights:
            yield f"{flops:g} operations a sub-token at {shown(length)} do not use {weights:,} weights"


def _latency_faults(row: LatencyPart, cost: Cost) -> Iterator[str]:
    """Yield where the time of one document contradicts itself; its share of the matrix rate follows from the rest."""
    if not (row.length and row.windows and row.repeats) or row.p50_ms > row.p90_ms:
        yield f"{row.length} sub-tokens: {row.p50_ms:g} ms in the middle, {row.p90_ms:g} ms at the end"
    flops = cost.flops_per_token.get(str(row.length))
    share = None if flops is None else flops * row.length / row.p50_ms / cost.machine.matrix_tflops / 1e9
    if (share is None) != (row.utilisation is None) or not isclose(share or 0.0, row.utilisation or 0.0, rel_tol=1e-6):
        yield f"{row.length} sub-tokens: the share of the matrix rate does not follow from time and operations"


def data_faults(result: Outcome, gold: Gold) -> Iterator[str]:
    """Yield why a result is not about this gold.

    Ids and tokens must be those of the gold; where both have labels, these must be the same too.
    """
    if result.data.inputs != gold.fingerprint.inputs:
        documents = shown(result.data.documents).strip("'")
        yield f"made on other data ({documents} documents; this gold has {len(gold.documents)})"
        return
    expected = {
        "split": gold.split,
        "scheme": gold.scheme.name,
        "documents": len(gold.documents),
        "words": gold.words,
    }
    for name, right in expected.items():
        claimed = getattr(result.data, name)
        if claimed != right:
            yield f"{name} is {shown(claimed)}, this gold has {shown(right)}"
    if not gold.hidden and isinstance(result, Result) and result.data.gold != gold.fingerprint.gold:
        yield "made on these documents with other labels (the fingerprints of the gold differ)"


SCORES = ("strict", "lenient", "sources", "analysis")


def check_scores(checks: Checks, matching: Matching, strict: Scores, result: Outcome) -> None:
    """Add the checks that the scores claimed are those found; one who has not the labels claims none."""
    if not isinstance(result, Result):
        for name in SCORES:
            checks.nothing_claimed(name)
        return
    lenient = matching.scores(reading="lenient")
    checks.none("strict", _differences(result.strict.model_dump(), Reading.of(strict).model_dump()))
    checks.none("lenient", _differences(result.lenient.model_dump(), Reading.of(lenient).model_dump()))
    checks.none("sources", _source_faults(result, matching))
    checks.none("analysis", _analysis_faults(result, matching))


def _analysis_faults(result: Result, matching: Matching) -> Iterator[str]:
    """Yield where classes, kinds of error, consistency and the view by distance are not those found.

    The other views are in sub-tokens of the model or need its training data, which are not here; intervals are drawn,
    and another numpy may draw otherwise: a board computes its own.
    """
    if result.analysis is None:
        return
    claimed, found = (_recomputable(part) for part in (result.analysis, analyse(matching)))
    yield from _differences(claimed, found)


def _recomputable(analysis: AnalysisPart) -> dict[str, Any]:
    values = analysis.model_dump()
    views = {name: buckets for name, buckets in values["views"].items() if name == DISTANCE_VIEW}
    return {name: values[name] for name in ("classes", "errors", "consistency")} | {"views": views}


def _source_faults(result: Result, matching: Matching) -> Iterator[str]:
    """Yield where the scores by source are not those found; the names of sources are in no fingerprint."""
    claimed = {source: score.model_dump() for source, score in result.by_source.items()}
    if not claimed:
        return
    found = _scores_by_source(matching)
    if claimed.keys().isdisjoint(found):
        yield f"named otherwise in this gold ({', '.join(map(shown, found)) or 'it names none'})"
        return
    yield from _differences(claimed, found)


def _scores_by_source(matching: Matching) -> dict[str, Any]:
    sources = sorted({document.source for document in matching.gold.documents if document.source is not None})
    return {source: TypeScore.of(matching.scores(source=source).micro).model_dump() for source in sources}


def _differences(claimed: dict[str, Any], found: dict[str, Any]) -> Iterator[str]:
    """Yield where claimed numbers are not the ones found: missing, surplus or further off than rounding explains."""
    left, right = dict(_leaves(claimed)), dict(_leaves(found))
    for name in sorted(left.keys() | right.keys()):
        if name not in left or name not in right:
            yield f"{shown(name)} is {'not claimed' if name not in left else 'not in this gold'}"
        elif not _same(left[name], right[name]):
            yield f"{shown(name)} claimed {shown(left[name])}, found {right[name]}"


def _same(claimed: float | None, found: float | None) -> bool:
    """Compare counts exactly (they may be larger than any float) and scores up to rounding."""
    if claimed is None or found is None:
        return claimed is found
    if isinstance(claimed, int) and isinstance(found, int):
        return claimed == found
    return abs(claimed - found) <= TOLERANCE


def coverage_faults(result: Outcome, gold: Gold) -> Iterator[str]:
    """Yield why not every word was predicted."""
    coverage = result.coverage
    if coverage.gold_words != gold.words:
        yield f"gold_words is {coverage.gold_words}, this gold has {gold.words}"
    if not coverage.predicted_words <= gold.words <= coverage.predicted_words + coverage.lost_words:
        yield f"{coverage.predicted_words} words predicted and {coverage.lost_words} lost, of {gold.words}"
    if coverage.windowed_documents > len(gold.documents):
        yield f"{coverage.windowed_documents} documents in windows, of {len(gold.documents)}"
