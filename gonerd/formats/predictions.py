"""Predictions: reading them, and bringing them together with gold by document id.

A predictions file is JSON Lines, plain or gzip, one document a line: `id` and either `ner_tags` (IOB2 tags, one a gold
token) or `spans` (`[[start, end, label], …]` in code points of the text).

It may come from anywhere: reading it is bounded in memory and time (`Limits`), and what is wrong with a document
becomes a `Problem` that names it.
"""

from __future__ import annotations

import gzip
import json
import zlib
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import IO, Any, cast

from gonerd.errors import GonerdError, require_file
from gonerd.formats import jsonl
from gonerd.formats.gold import Gold, GoldDocument
from gonerd.labels import LabelScheme, Reading, spans_from_tags, tags_from_spans, token_spans
from gonerd.records import Prediction, Span, check_flat
from gonerd.scoring import Scores, score_spans, score_tag_ids

MIB = 1024 * 1024
SMALL_WORDS = 100_000
SHOWN_CHARACTERS = 80  # how much of a foreign text a message repeats


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How large a predictions file may be; whatever is larger is refused before it fills the memory."""

    file_bytes: int = 256 * MIB
    """Size on disk."""
    unpacked_bytes: int = 256 * MIB
    """Size once unpacked: about 40 million tokens."""
    line_bytes: int = 4 * MIB
    """Size of one document's line: about 400,000 tokens."""
    lines: int = 200_000
    """Documents and blank lines."""
    id_characters: int = 512
    """Length of a document's id."""


DEFAULT_LIMITS = Limits()


def shown(text: object, *, limit: int = SHOWN_CHARACTERS) -> str:
    """Return a foreign text for a message: quoted, shortened, its control and direction characters escaped."""
    whole = text if isinstance(text, str) else str(text)
    quoted = repr(whole[:limit]).encode("utf-8", "backslashreplace").decode("utf-8")
    return quoted if len(whole) <= limit else f"{quoted}… ({len(whole)} characters)"


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of one line of a predictions file."""
    span = {
        "type": "array",
        "prefixItems": [{"type": "integer", "minimum": 0}, {"type": "integer", "minimum": 1}, {"type": "string"}],
        "minItems": 3,
        "maxItems": 3,
    }
    either = [{"required": ["id", name], "properties": {name: {"type": "array"}}} for name in ("ner_tags", "spans")]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "One document of predictions.jsonl",
        "type": "object",
        "properties": {
            "id": {"type": "string", "minLength": 1, "maxLength": DEFAULT_LIMITS.id_characters},
            "ner_tags": {
                "description": "IOB2 tags, one a gold token, such as O, B-PER, I-PER",
                "type": ["array", "null"],
                "items": {"type": "string", "pattern": "^(O|[BI]-.+)$"},
            },
            "spans": {
                "description": "[start, end, label]: half-open, in Unicode code points of the text, without overlaps",
                "type": ["array", "null"],
                "items": span,
            },
        },
        "oneOf": either,
        "additionalProperties": False,
    }


def read_predictions(path: Path, *, limits: Limits = DEFAULT_LIMITS) -> Iterator[Prediction]:
    """Yield the documents of a predictions file as they stand in it.

    Raises:
        GonerdError: the file is missing, over a limit, damaged, or a line is no prediction; the line is named.
    """
    for number, line in _lines(path, limits):
        try:
            yield _prediction(line, limits)
        except (ValueError, RecursionError) as error:
            reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
            raise GonerdError(f"not a prediction: {shorten(reason)}", where=f"{path}, line {number}") from error


def write_predictions(path: Path, predictions: Iterable[Prediction]) -> int:
    """Write predictions to a file, gzip when it ends in `.gz`; return how many. Same predictions, same bytes."""
    return jsonl.write(path, (_without_null(prediction) for prediction in predictions))


def _without_null(prediction: Prediction) -> dict[str, object]:
    return {name: value for name in ("id", "ner_tags", "spans") if (value := getattr(prediction, name)) is not None}


def shorten(text: str, *, limit: int = 300) -> str:
    """Return a message that may repeat foreign text: shortened, on one line, unprintable characters escaped."""
    cut = text if len(text) <= limit else f"{text[:limit]}…"
    return "".join(character if character.isprintable() else repr(character)[1:-1] for character in cut)


def _lines(path: Path, limits: Limits) -> Iterator[tuple[int, bytes]]:
    """Yield the numbered lines that are not blank, never holding more than one of them."""
    require_file(path)
    if not path.is_file():  # a pipe has no size to hold against a limit
        raise GonerdError("not a plain file", where=path)
    if path.stat().st_size > limits.file_bytes:
        raise GonerdError(f"larger than {limits.file_bytes} bytes", where=path)
    left, number = limits.unpacked_bytes, 0
    try:
        with _open(path) as stream:
            while line := stream.readline(limits.line_bytes + 1):
                number, left = number + 1, left - len(line)
                _check_limits(f"{path}, line {number}", len(line), left=left, number=number, limits=limits)
                if line.strip():
                    yield number, line
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise GonerdError(f"damaged gzip after line {number} ({error})", where=path) from error


def _open(path: Path) -> IO[bytes]:
    return cast("IO[bytes]", gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb"))


def _check_limits(where: str, length: int, *, left: int, number: int, limits: Limits) -> None:
    if length > limits.line_bytes:
        raise GonerdError(f"a line of more than {limits.line_bytes} bytes", where=where)
    if left < 0:
        raise GonerdError(f"more than {limits.unpacked_bytes} bytes once unpacked", where=where)
    if number > limits.lines:
        raise GonerdError(f"more than {limits.lines} lines", where=where)


def _prediction(line: bytes, limits: Limits) -> Prediction:
    prediction = jsonl.from_json(Prediction, strict_json(line))
    if not 0 < len(prediction.id) <= limits.id_characters:
        raise ValueError(f"the id must have 1 to {limits.id_characters} characters")
    prediction.id.encode("utf-8")  # a lone surrogate is no character: a UnicodeEncodeError is a ValueError
    return prediction


def strict_json(data: bytes) -> Any:
    """Return the value of JSON that could be read in one way only: a key given twice, NaN and infinity are refused.

    Raises:
        ValueError: it is not UTF-8 or not such JSON.
        RecursionError: it is nested too deeply.
    """
    return json.loads(
        data.decode("utf-8"), object_pairs_hook=_unique_keys, parse_constant=_refuse_constant, parse_float=_finite
    )


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key is given twice")
    return found


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not a number")


def _finite(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise ValueError("a number is too large")
    return value


class ProblemKind(StrEnum):
    """What can be wrong with a document: the closed set."""

    MISSING = "missing"  # gold has it, the predictions do not
    SURPLUS = "surplus"  # the predictions have it, gold does not
    DUPLICATED = "duplicated"  # predicted again after the first time
    MISALIGNED = "misaligned"  # another number of tags than gold has tokens
    ILLEGAL_TAG = "illegal_tag"  # a tag or label outside the scheme
    UNPLACED = "unplaced"  # a span that overlaps another or fits no token


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with one document."""

    kind: ProblemKind
    id: str  # shortened
    detail: str = ""


class _UnusableError(Exception):
    """One document's answer cannot be used."""

    def __init__(self, kind: ProblemKind, detail: str) -> None:
        self.kind, self.detail = kind, detail


@dataclass(frozen=True, slots=True)
class Matching:
    """Gold and predicted tags side by side, in the order of gold.

    A document that is missing, or whose answer cannot be used, stands there without a predicted entity; `problems`
    names it. A surplus document is left out, and of a duplicated one the first answer counts.
    """

    gold: Gold
    predicted: tuple[array[int], ...]  # integers of the scheme's tags, one array a document
    problems: tuple[Problem, ...]

    def scores(self, *, reading: Reading = "strict", source: str | None = None) -> Scores:
        """Score all documents, or those of one source."""
        pairs = [
            (document.tags, answer)
            for document, answer in zip(self.gold.documents, self.predicted, strict=True)
            if source is None or document.source == source
        ]
        words = sum(len(answer) for _, answer in pairs)
        # numpy takes longer to import than a small file to score. Both ways give the same counts; a test holds that.
        score = _score_small if words < SMALL_WORDS else _score_large
        return score(pairs, scheme=self.gold.scheme, reading=reading)


def match(gold: Gold, predictions: Iterable[Prediction]) -> Matching:
    """Bring predictions together with gold by id; what is wrong with a document is a problem, not an error."""
    places = {document.id: place for place, document in enumerate(gold.documents)}
    answers: list[array[int] | None] = [None] * len(places)
    problems: list[Problem] = []
    answered: set[str] = set()
    numbers = {tag: number for number, tag in enumerate(gold.scheme.tags)}
    for prediction in predictions:
        place = places.get(prediction.id)
        if place is None or prediction.id in answered:
            kind = ProblemKind.SURPLUS if place is None else ProblemKind.DUPLICATED
            problems.append(Problem(kind, shorten(prediction.id, limit=SHOWN_CHARACTERS)))
            continue
        answered.add(prediction.id)
        try:
            answers[place] = _tag_ids(prediction, gold.documents[place], numbers)
        except _UnusableError as error:
            problems.append(Problem(error.kind, prediction.id, error.detail))
    missing = [Problem(ProblemKind.MISSING, name) for name in places if name not in answered]
    return Matching(gold, _filled(answers, gold), tuple(missing + problems))


def _filled(answers: Sequence[array[int] | None], gold: Gold) -> tuple[array[int], ...]:
    """Return the answers with all-`O` tags where there is none."""
    return tuple(
        array("h", bytes(2 * len(document.tokens))) if answer is None else answer
        for answer, document in zip(answers, gold.documents, strict=True)
    )


def _tag_ids(prediction: Prediction, document: GoldDocument, numbers: dict[str, int]) -> array[int]:
    tags: Sequence[str] = prediction.ner_tags or ()
    if prediction.spans is not None:
        tags = _tags_of_spans(prediction.spans, document, numbers)
    if len(tags) != len(document.tokens):
        raise _UnusableError(ProblemKind.MISALIGNED, f"{len(tags)} tags for {len(document.tokens)} tokens")
    illegal = next(((place, tag) for place, tag in enumerate(tags) if tag not in numbers), None)
    if illegal is not None:
        raise _UnusableError(ProblemKind.ILLEGAL_TAG, f"token {illegal[0]}: {shown(illegal[1])}")
    return array("h", [numbers[tag] for tag in tags])


def _tags_of_spans(spans: Sequence[Span], document: GoldDocument, numbers: dict[str, int]) -> list[str]:
    """Return the tags of spans in code points, given in any order; every one must find tokens of its own."""
    if document.token_starts is None:
        raise _UnusableError(ProblemKind.MISALIGNED, "predicted as spans, but gold has no token_starts")
    if illegal := [span.label for span in spans if f"B-{span.label}" not in numbers]:
        raise _UnusableError(ProblemKind.ILLEGAL_TAG, f"label {shown(illegal[0])}")
    ordered = sorted(spans)
    last = document.token_starts[-1] + len(document.tokens[-1]) if document.tokens else 0
    if ordered and ordered[-1].end > last:
        raise _UnusableError(ProblemKind.UNPLACED, f"a span ends at {ordered[-1].end}, the last token at {last}")
    try:
        check_flat(ordered, owner="the document")
    except ValueError as error:
        raise _UnusableError(ProblemKind.UNPLACED, str(error)) from error
    placed = token_spans(document.token_starts, document.tokens, ordered)
    if len(placed) != len(ordered):
        raise _UnusableError(ProblemKind.UNPLACED, "a span covers no token, or shares one with another span")
    return tags_from_spans(len(document.tokens), placed)


_Pairs = Sequence["tuple[Sequence[str], array[int]]"]


def _score_small(pairs: _Pairs, *, scheme: LabelScheme, reading: Reading) -> Scores:
    """Score without numpy."""
    gold = {str(place): spans_from_tags(tags, reading=reading) for place, (tags, _) in enumerate(pairs)}
    legal = scheme.tags
    predicted = {
        str(place): spans_from_tags([legal[number] for number in answer], reading=reading)
        for place, (_, answer) in enumerate(pairs)
    }
    return score_spans(gold, predicted, labels=scheme.names)


def _score_large(pairs: _Pairs, *, scheme: LabelScheme, reading: Reading) -> Scores:
    """Score with numpy."""
    import numpy as np

    starts = np.cumsum([0, *(len(answer) for _, answer in pairs)])[:-1]
    gold = np.concatenate([np.array(scheme.tag_ids(tags), dtype=np.int16) for tags, _ in pairs])
    predicted = np.concatenate([np.frombuffer(answer, dtype=np.int16) for _, answer in pairs])
    return score_tag_ids(gold, predicted, starts, scheme=scheme, reading=reading)
