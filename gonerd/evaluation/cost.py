"""What models cost: time of one document and of many, memory, operations, energy and price, against a reference.

All models are measured in one run, in turns, so that ratios travel between machines where milliseconds do not. What
makes a figure doubtful is said beside it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from gonerd import __version__
from gonerd.errors import GonerdError
from gonerd.evaluation.backends import without_prefix
from gonerd.evaluation.cost_models import CostModel, document_of, load_for_cost
from gonerd.evaluation.cost_report import Cost, MachinePart
from gonerd.evaluation.cost_run import Run
from gonerd.evaluation.hardware import describe_hardware, driver_version, library_versions
from gonerd.evaluation.machine import counted_flops, matrix_tflops, other_work
from gonerd.evaluation.turns import DRIFT
from gonerd.models.device import Device, choose_device
from gonerd.models.tagging import Precision
from gonerd.records import Progress, silent
from gonerd.store import utc_now

COUNTED_LENGTH = 512  # at which operations are counted: the counter needs attention spelled out
LENGTHS = (512, 1024, 2048, 4096)
LONGEST = 16_384  # a reach that is measured without being asked for: beyond it a document takes minutes
ALONE = "measured alone: its ratios are to itself and say nothing elsewhere (--reference names a second model)"
MIB = 2**20
WEIGHTS = ("*.safetensors", "*.bin")


@dataclass(frozen=True, slots=True, kw_only=True)
class CostConfig:
    """What is measured, and how thoroughly."""

    lengths: tuple[int, ...] | None = None
    """Lengths of one document, in sub-tokens, special tokens included; may be repeated. If not given: 512, 1,024,
    2,048, 4,096, and each model's reach up to 16,384."""
    reference: str | None = None
    """The model of the ratios; the first one if not given."""
    precision: Precision = "fp32"
    """Of the matrix products."""
    device: Device = "auto"
    """Where to compute; auto takes CUDA where there is one."""
    repeats: int = 20
    """Timed turns of each part, at most."""
    seconds: float = 60.0
    """For each part, after which no new turn begins; three turns are made in any case."""
    memory: bool = True
    """Measure peak memory too, each figure in a process of its own."""
    batches: bool = True
    """Measure many documents of each length too, as many at a time as each model does best."""
    price_per_hour: float | None = None
    """What an hour of the machine costs, in any currency; gives the price of a million documents of the data."""

    def __post_init__(self) -> None:
        if self.lengths is not None and min(self.lengths, default=0) < 3:
            raise GonerdError(f"lengths {self.lengths}", where="--lengths", remedy="Give lengths of 3 or more")
        if self.repeats < 1:
            raise GonerdError("nothing to time", where="--repeats", remedy="Give 1 or more")
        for name in ("seconds", "price_per_hour"):
            value = getattr(self, name)
            if value is not None and not 0 <= value < math.inf:
                where = f"--{name.replace('_', '-')}"
                raise GonerdError(f"it is {value}", where=where, remedy="Give a number of 0 or more")


def measure_costs(
    models: Sequence[str],
    *,
    config: CostConfig,
    documents: Sequence[Sequence[str]] = (),
    data: str = "data",
    progress: Progress = silent,
) -> list[Cost]:
    """Measure models against each other on this machine; return what each costs, the reference first.

    Args:
        models: as `gonerd evaluate` takes them: folders, or names on the Hub, with a prefix that says what runs them.
        config: what is measured.
        documents: words of real documents, for the throughput on real lengths and the price.
        data: what these are called.
        progress: called with the parts done and their number.

    Raises:
        GonerdError: a model is unusable, or there is a price to be told and no documents to tell it of.
    """
    if config.price_per_hour is not None and not documents:
        raise GonerdError("no documents to price", where="--price-per-hour", remedy="Give --data with some")
    names = list(dict.fromkeys([*([config.reference] if config.reference else []), *models]))
    device = choose_device(config.device)
    busy = other_work(device)
    loaded = {name: load_for_cost(name, device=device, precision=config.precision) for name in names}
    machine = _machine(device, config)
    run = Run(loaded, device, config.precision, config.repeats, config.seconds)
    lengths = _lengths(loaded.values()) if config.lengths is None else sorted(set(config.lengths))
    steps = len(lengths) * (1 + config.batches) + bool(documents)
    done = 0
    for length in lengths:
        run.latency(length, matrix_tflops=machine.matrix_tflops, memory=config.memory)
        progress(done := done + 1, steps)
        if config.batches:
            run.batches(length)
            progress(done := done + 1, steps)
    if documents:
        run.data(documents, data)
        progress(steps, steps)
    busy = [*busy, *_since(machine, device), *([] if len(names) > 1 else [ALONE])]
    return [_cost(run, name, machine=machine, doubts=busy, config=config) for name in names]


def _lengths(models: Iterable[CostModel]) -> tuple[int, ...]:
    """Return the usual lengths, and the reach of each model where it is another."""
    reaches = {model.part.reach_tokens for model in models if model.part.reach_tokens}
    return tuple(sorted({*LENGTHS, *(reach for reach in reaches if 3 <= reach <= LONGEST)}))


def _since(machine: MachinePart, device: str) -> list[str]:
    """Return what changed in the course of the run: the matrix rate, as with the clocks, and other work."""
    found = other_work(device, when="after")
    before, after = machine.matrix_tflops, matrix_tflops(device, machine.precision)
    if max(before, after) > DRIFT * min(before, after):
        found.append(f"the matrix rate went from {before:.2f} to {after:.2f} TFLOP/s in the course of the measurement")
    return found


def _machine(device: str, config: CostConfig) -> MachinePart:
    return MachinePart(
        hardware=describe_hardware(device),
        device=device.partition(":")[0],
        precision=config.precision,
        driver=driver_version(device),
        libraries=library_versions("transformers"),
        matrix_tflops=matrix_tflops(device, config.precision),
    )


def _cost(run: Run, name: str, *, machine: MachinePart, doubts: list[str], config: CostConfig) -> Cost:
    model, notes = run.models[name], run.notes[name]
    speed = notes.throughput[-1].documents_per_second if notes.throughput and not notes.throughput[-1].documents else 0
    hourly = config.price_per_hour
    lengths = [row.length for row in notes.latency]
    weights = sum(value.numel() * value.element_size() for value in model.weights()) / MIB
    return Cost(
        gonerd_version=__version__,
        created_at=utc_now(),
        model=model.part,
        embedding_parameters=model.embedding_parameters(),
        disk_bytes=_disk_bytes(model),
        weights_mib=weights if notes.weights_mib is None else notes.weights_mib,
        flops_per_token={str(length): flops / length for length in lengths if (flops := model.flops(length))},
        counted_flops_per_token=_counted(model, min((COUNTED_LENGTH, *lengths))),
        reference=next(iter(run.models.values())).part.name,
        machine=machine,
        latency=tuple(notes.latency),
        throughput=tuple(notes.throughput),
        price_per_hour=hourly,
        price_per_million_documents=hourly / 3600 * 1e6 / speed if hourly is not None and speed else None,
        doubts=(*doubts, *notes.doubts),
    )


def _counted(model: CostModel, length: int) -> dict[str, float]:
    """Return the operations a sub-token that a counter finds, at one length; nothing where it cannot count."""
    pieces = document_of(model, length)
    flops = counted_flops(lambda: model.run(pieces))
    return {str(length): flops / length} if flops else {}


def _disk_bytes(model: CostModel) -> int | None:
    """Return the size of the weights' files of a folder."""
    folder = Path(without_prefix(model.name))
    if not folder.is_dir():
        return None
    return sum(path.stat().st_size for path in {path for kind in WEIGHTS for path in folder.glob(kind)})
