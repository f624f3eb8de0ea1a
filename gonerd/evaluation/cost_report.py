"""What a model costs on one machine: the file beside its results, keyed by what it was measured on."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gonerd.errors import GonerdError
from gonerd.evaluation.result import ModelPart, file_name
from gonerd.store import read_json, write_json

Positive = Annotated[float, Field(gt=0.0)]
Amount = Annotated[float, Field(ge=0.0)]
Whole = Annotated[int, Field(ge=0)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class RatioPart(_Part):
    """Against the reference model in the same run: below 1 is less time than it takes."""

    median: Positive
    lowest: Positive
    highest: Positive


class LatencyPart(_Part):
    """One document at a time."""

    length: Whole  # sub-tokens
    windows: Whole  # 1: seen at once
    p50_ms: Positive
    p90_ms: Positive
    repeats: Whole
    ratio: RatioPart
    utilisation: Amount | None  # of the matrix rate, by the formula's operations; None where there is no formula
    peak_mib: Amount | None  # above the weights, in a process of its own


class ThroughputPart(_Part):
    """Many documents at once."""

    what: str  # the data, or a length
    documents: Whole  # at a time; 0: sorted batches of documents of all lengths
    tokens_per_second: Positive  # sub-tokens
    documents_per_second: Positive
    ratio: RatioPart
    joules_per_document: Amount | None = None  # as the device reports it


class MachinePart(_Part):
    """What it was measured on."""

    hardware: str
    device: str
    precision: str
    driver: str | None
    libraries: dict[str, str]
    matrix_tflops: Positive  # measured in the same run and precision


class Cost(_Part):
    """What one model costs on one machine."""

    schema_version: Literal[1] = 1
    gonerd_version: str
    created_at: str
    model: ModelPart
    embedding_parameters: Whole  # of the model's parameters: looked up, not multiplied
    disk_bytes: Whole | None  # of the weights' files
    weights_mib: Amount
    flops_per_token: dict[str, Positive]  # by length, from the formula; empty where there is none
    counted_flops_per_token: dict[str, Positive]  # by length, of what was executed, from a counter
    reference: str  # the model of the ratios
    machine: MachinePart
    latency: tuple[LatencyPart, ...]
    throughput: tuple[ThroughputPart, ...]
    price_per_hour: Amount | None = None
    price_per_million_documents: Amount | None = None
    doubts: tuple[str, ...] = ()  # what makes a figure doubtful: spread, drift, other work on the machine

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


def costs_in(folder: Path) -> list[Cost]:
    """Return all costs under a folder of results, in order of their paths."""
    return [read_cost(path) for path in sorted(folder.glob(f"*/*/{PREFIX}*.json"))]
