"""The result: one JSON file that names everything that could change it.

Written by the evaluation, read by the board and its verifier; the schema is checked wherever a result comes in.
"""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from gonerd.errors import GonerdError
from gonerd.scoring import SCORER, SEQEVAL, Counts, Scores
from gonerd.semeval import ClassScores
from gonerd.store import read_json, write_json

Share = Annotated[float, Field(ge=0.0, le=1.0)]
Count = Annotated[int, Field(ge=0, le=10**15)]  # a larger one is no count, and no float either
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
SplitName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_]{1,64}$")]  # it is part of a path
Settings = dict[str, str | int | float | bool | None]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TypeScore(_Part):
    """Scores and counts of one entity type, or of all together."""

    precision: Share
    recall: Share
    f1: Share
    correct: Count
    predicted: Count
    gold: Count

    @classmethod
    def of(cls, counts: Counts) -> TypeScore:
        """Return the scores of some counts."""
        return cls(
            precision=counts.precision,
            recall=counts.recall,
            f1=counts.f1,
            correct=counts.correct,
            predicted=counts.predicted,
            gold=counts.gold,
        )


class Reading(_Part):
    """Scores under one reading of malformed tags."""

    micro: TypeScore
    macro_f1: Share
    by_type: dict[str, TypeScore]

    @classmethod
    def of(cls, scores: Scores) -> Reading:
        """Return the scores as the result states them."""
        by_type = {label: TypeScore.of(counts) for label, counts in scores.by_type.items()}
        return cls(micro=TypeScore.of(scores.micro), macro_f1=scores.macro_f1, by_type=by_type)


class DocumentsPart(_Part):
    """What was predicted."""

    name: str  # as the file name carries it
    split: SplitName
    scheme: str
    documents: Count
    words: Count
    inputs: Sha256  # fingerprint over ids and tokens
    revision: str | None = None  # the commit that it was read at, where a repository has it


class DataPart(DocumentsPart):
    """What was scored on."""

    gold: Sha256  # fingerprint over ids, tokens and tags


class ModelPart(_Part):
    """What was scored."""

    name: str  # organisation/name on the Hub, or a folder's name
    revision: str  # commit, or the hash of the weights
    backend: Annotated[str, Field(pattern=r"^[a-z]{1,32}$")]  # what ran it: transformers, spacy, predictions, …
    files: dict[str, Sha256] = {}  # of a checkpoint in a folder, or of the predictions
    labels: dict[str, str] = {}  # what the model's labels count as, where they are not tags of the scheme
    tagging: str | None = None  # how the model writes entities: IOB2, IOB1, IO, BIOES
    architecture: str | None = None
    attention: str | None = None
    layers: Count | None = None
    parameters: Count | None = None
    reach_tokens: Count | None = None  # longest input, in sub-tokens
    teacher: str | None = None  # name of the teacher, if this is a student


class ClassScore(_Part):
    """Scores in one of SemEval's classes: exact, partial or type."""

    precision: Share
    recall: Share
    f1: Share
    macro_f1: Share
    by_type: dict[str, Share]  # F1

    @classmethod
    def of(cls, scores: ClassScores) -> ClassScore:
        """Return the scores as the result states them."""
        micro = scores.micro
        by_type = {label: credit.f1 for label, credit in scores.by_type.items()}
        return cls(
            precision=micro.precision, recall=micro.recall, f1=micro.f1, macro_f1=scores.macro_f1, by_type=by_type
        )


class IntervalPart(_Part):
    """Where a figure lies in 95 of 100 draws of the documents."""

    low: Share
    high: Share


class BucketPart(_Part):
    """The strict scores of part of the documents or mentions; none where it has fewer than five documents."""

    documents: Count
    score: TypeScore | None


class ConsistencyPart(_Part):
    """Of the surfaces that are marked more than once in a document, how many always have the same label there."""

    gold_repeated: Count
    gold_consistent: Count
    predicted_repeated: Count
    predicted_consistent: Count


class AnalysisPart(_Part):
    """What lies behind the headline."""

    classes: dict[str, ClassScore]  # SemEval's: exact, partial, type
    errors: dict[str, Count]  # by kind; each entity that is not right is in one
    intervals: dict[
        str, IntervalPart
    ]  # strict_f1, strict_precision, strict_recall, strict_macro_f1, lenient_f1, f1:TYPE
    draws: Count  # of documents, for the intervals
    draws_seed: int
    views: dict[str, dict[str, BucketPart]]
    length_unit: str  # of the views by length and position
    consistency: ConsistencyPart
    training_inputs: Sha256 | None = None  # fingerprint of the documents that "seen in training" means


class ScorerPart(_Part):
    """What computed the scores."""

    name: str = "gonerd.scoring"
    version: str = SCORER
    equals_seqeval: str = SEQEVAL  # the version whose figures it reproduces, strict IOB2 and default


class RunPart(_Part):
    """Which run of several this is, and what it was made with."""

    group: str | None = None  # of runs that differ in their seed alone
    seed: int | None = None  # the model was trained with
    commit: str | None = None  # of gonerd's code, where it runs from a checkout
    python: str | None = None
    system: str | None = None
    driver: str | None = None  # of the GPU
    processes: Count = 1


class CoveragePart(_Part):
    """That nothing was cut off."""

    gold_words: Count
    predicted_words: Count
    lost_words: Count  # words that the tokenizer turned into nothing; they count as O
    windowed_documents: Count  # documents longer than the reach


class SpeedPart(_Part):
    """How long it took here: no more than an indication; `gonerd cost` measures cost."""

    seconds: Annotated[float, Field(ge=0.0)]
    words_per_second: Annotated[float, Field(ge=0.0)]
    tokens_per_second: Annotated[float, Field(ge=0.0)] | None = None  # sub-tokens
    peak_memory_mib: Annotated[float, Field(ge=0.0)] | None = None
    hardware: str
    max_tokens: Count | None = None  # sub-tokens in a batch
    wall_seconds: Annotated[float, Field(ge=0.0)] | None = None  # loading, warming up and scoring included


class Outcome(_Part):
    """One model on one split, scored or not."""

    schema_version: Literal[1] = 1
    gonerd_version: str
    created_at: str
    data: DocumentsPart
    model: ModelPart
    settings: Settings  # windows, precision, decoder, seed: what can move F1
    libraries: dict[str, str]
    coverage: CoveragePart
    speed: SpeedPart
    run: RunPart = RunPart()

    @property
    def key(self) -> str:
        """A short hash of everything that can move F1."""
        return result_key(self.data, self.model, self.settings, scorer=self._scorer_version())

    @property
    def path(self) -> Path:
        """Where it belongs under `results/`."""
        return result_path(self.data, self.model, self.settings, scorer=self._scorer_version())

    def _scorer_version(self) -> str:
        return SCORER


class Result(Outcome):
    """One model on one split, scored."""

    data: DataPart
    strict: Reading  # the headline is strict.micro.f1
    lenient: Reading
    by_source: dict[str, TypeScore]  # strict, micro
    scorer: ScorerPart = ScorerPart()
    analysis: AnalysisPart | None = None
    f1_above_fp32: Annotated[float, Field(ge=-1.0, le=1.0)] | None = None  # strict, where the precision is another

    def _scorer_version(self) -> str:
        return self.scorer.version


class Unscored(Outcome):
    """One model on a split whose labels are kept elsewhere: everything but the scores, which are made there."""

    unscored: Literal["the labels are hidden"] = "the labels are hidden"  # tells it from a result


def result_key(data: DocumentsPart, model: ModelPart, settings: Settings, *, scorer: str = SCORER) -> str:
    """Return the short hash of everything that can move F1, known before anything is computed."""
    gold = data.gold if isinstance(data, DataPart) else None
    content = [data.inputs, gold, model.name, model.revision, model.backend, settings, scorer]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]


def result_path(data: DocumentsPart, model: ModelPart, settings: Settings, *, scorer: str = SCORER) -> Path:
    """Return where a result belongs under `results/`, known before anything is computed."""
    revision = file_name(model.revision)[:12]
    key = result_key(data, model, settings, scorer=scorer)
    return Path(file_name(model.name)) / revision / f"{file_name(data.name)}-{data.split}-{key}.json"


def file_name(name: str) -> str:
    """Return a name as part of a path: `organisation/model` becomes `organisation__model`, nothing can climb out."""
    return re.sub(r"[^A-Za-z0-9._-]", "_", name.replace("/", "__")).lstrip(".") or "_"


def result_schema() -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of an outcome, as `result.schema.json` in this package publishes it."""
    schema = TypeAdapter(Result | Unscored).json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def write_result(result: Outcome, folder: Path) -> Path:
    """Write an outcome where it belongs under `folder` and return its path."""
    path = folder / result.path
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, result.model_dump(mode="json"))
    return path


def outcome_kind(value: object) -> type[Result] | type[Unscored]:
    """Return which of the two the values of a JSON file say they are."""
    return Unscored if isinstance(value, dict) and "unscored" in value else Result


def read_outcome(path: Path) -> Result | Unscored:
    """Return what an evaluation wrote into a file, scored or not.

    Raises:
        GonerdError: the file is missing, is not JSON, or breaks the schema; the first field at fault is named.
    """
    value = read_json(path)
    try:
        return outcome_kind(value).model_validate(value)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise GonerdError(f"not a result: field {field!r}: {first['msg']}", where=path) from error


def read_result(path: Path) -> Result:
    """Return the result in a file.

    Raises:
        GonerdError: as `read_outcome`; or it has no scores.
    """
    found = read_outcome(path)
    if isinstance(found, Unscored):
        raise GonerdError(
            f"has no scores: {found.unscored}",
            where=path,
            remedy="Submit it: gonerd verify scores it where they are kept",
        )
    return found
