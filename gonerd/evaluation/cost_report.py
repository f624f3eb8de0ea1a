"""What a model costs on one machine: the file beside its results, keyed by what it was measured on."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gonerd.errors import GonerdError
from gonerd.evaluation.result import Count, ModelPart, Outcome, file_name
from gonerd.models.tagging import Precision
from gonerd.store import read_json, write_json

Positive = Annotated[float, Field(gt=0.0)]
Amount = Annotated[float, Field(ge=0.0)]
Named = Annotated[str, Field(min_length=1)]  # a figure without what it was measured on, and against, is none


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class RatioPart(_Part):
    """Against the reference model in the same run: below 1 is less time than it takes."""

    median: Positive
    lowest: Positive
    highest: Positive


class LatencyPart(_Part):
    """One document at a time."""

    length: Count  # sub-tokens
    windows: Count  # 1: seen at once
    p50_ms: Positive
    p90_ms: Positive
    repeats: Count
    ratio: RatioPart
    utilisation: Amount | None  # of the matrix rate, by the formula's operations; None where there is no formula
    peak_mib: Amount | None  # above the weights, in a process of its own


class ThroughputPart(_Part):
    """Many documents at once."""

    what: str  # the data, or a length
    documents: Count  # at a time; 0: sorted batches of documents of all lengths
    tokens_per_second: Positive  # sub-tokens
    documents_per_second: Positive
    words_per_second: Positive | None = None  # of the data; documents made of sub-tokens have no words
    ratio: RatioPart
    joules_per_document: Amount | None = None  # as the device reports it


class MachinePart(_Part):
    """What it was measured on."""

    hardware: Named
    device: Named
    precision: Precision
    driver: str | None
    libraries: Annotated[dict[str, str], Field(min_length=1)]  # their versions
    matrix_tflops: Positive  # measured in the same run and precision


class Cost(_Part):
    """What one model costs on one machine."""

    schema_version: Literal[1] = 1
    gonerd_version: str
    created_at: str
    model: ModelPart
    embedding_parameters: Count  # of the model's parameters: looked up, not multiplied
    disk_bytes: Count | None  # of the weights' files
    weights_mib: Amount
    flops_per_token: dict[str, Positive]  # by length, from the formula; empty where there is none
    counted_flops_per_token: dict[str, Positive]  # by length, of what was executed, from a counter
    reference: Named  # the model of the ratios
    machine: MachinePart
    latency: tuple[LatencyPart, ...]
    throughput: tuple[ThroughputPart, ...]
    price_per_hour: Amount | None = None
    price_per_million_documents: Amount | None = None
    doubts: tuple[str, ...] = ()  # what makes a figure doubtful: spread, drift, other work on the machine

    def latency_at(self, length: int) -> LatencyPart | None:
        """Return the latency of one document of so many sub-tokens, where it was measured."""
        return next((row for row in self.latency if row.length == length), None)

    def memory_at(self, length: int) -> float | None:
        """Return what the weights and one document of so many sub-tokens take at most, in MiB."""
        row = self.latency_at(length)
        return None if row is None or row.peak_mib is None else self.weights_mib + row.peak_mib

    @property
    def words_per_second(self) -> float | None:
        """Words a second on documents of real lengths, where they were measured."""
        return next((row.words_per_second for row in self.throughput if row.words_per_second), None)

    @property
    def path(self) -> Path:
        """Where the file belongs under `results/`: beside the model's results."""
        revision = file_name(self.model.revision)[:12]
        return Path(file_name(self.model.name)) / revision / f"{PREFIX}{self.key}.json"

    @property
    def key(self) -> str:
        """A short hash of what the figures were measured on and with."""
        content = [self.machine.model_dump(exclude={"matrix_tflops"}), self.model.backend, self.reference]
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]


PREFIX = "cost-"
NAME = re.compile(PREFIX + "[0-9a-f]{12}[.]json")


def write_cost(cost: Cost, folder: Path) -> Path:
    """Write what a model costs where it belongs under `folder`; a measurement on the same machine is replaced."""
    path = folder / cost.path
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, cost.model_dump(mode="json"))
    return path


def read_cost(path: Path) -> Cost:
    """Return what a file says a model costs.

    Raises:
        GonerdError: the file is missing, is not JSON, or breaks the schema; the first field at fault is named.
    """
    try:
        return Cost.model_validate(read_json(path))
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise GonerdError(f"no cost: field {field!r}: {first['msg']}", where=path) from error


def is_cost(path: Path) -> bool:
    """Tell whether a file among results has the name of a cost file."""
    return NAME.fullmatch(path.name) is not None


def costs_in(folder: Path) -> list[Cost]:
    """Return all costs under a folder of results, in order of their paths."""
    return [read_cost(path) for path in sorted(folder.glob(f"*/*/{PREFIX}*.json")) if is_cost(path)]


def cost_of(outcome: Outcome, costs: Iterable[Cost]) -> Cost | None:
    """Return what the model of an outcome costs as it was run there: same weights, same backend, same precision.

    Of several, the one measured on the outcome's own hardware is taken, else the last one.
    """
    fitting = [cost for cost in costs if is_of(cost, outcome)]
    here = [cost for cost in fitting if cost.machine.hardware == outcome.speed.hardware]
    return max(here or fitting, key=lambda cost: cost.created_at, default=None)


def is_of(cost: Cost, outcome: Outcome) -> bool:
    """Tell whether a cost is that of an outcome's model as it was run there, whatever it was called."""
    same = (cost.model.revision, cost.model.backend) == (outcome.model.revision, outcome.model.backend)
    return same and outcome.settings.get("precision", cost.machine.precision) == cost.machine.precision
