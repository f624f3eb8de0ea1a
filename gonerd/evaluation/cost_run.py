"""One run in which models are measured against each other, in turns."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from gonerd.encoding import Piece, encode_documents
from gonerd.errors import GonerdError
from gonerd.evaluation.cost_memory import measure_peak
from gonerd.evaluation.cost_models import CostModel, document_of
from gonerd.evaluation.cost_report import LatencyPart, RatioPart, ThroughputPart
from gonerd.evaluation.machine import joules, wait_for
from gonerd.evaluation.turns import Ratio, Timings, time_in_turns
from gonerd.models.batches import free_memory, is_out_of_memory

LARGEST_BATCH = 256
WORTH = 1.05  # how much faster a batch twice as large must be for it to be taken


@dataclass
class Notes:
    """What was measured of one model so far."""

    latency: list[LatencyPart] = field(default_factory=list)
    throughput: list[ThroughputPart] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)
    weights_mib: float | None = None


@dataclass
class Run:
    """Models on one device, the first of them the reference, and what was measured of each."""

    models: Mapping[str, CostModel]
    device: str
    precision: str
    repeats: int
    seconds: float
    notes: dict[str, Notes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.notes = {name: Notes() for name in self.models}

    def latency(self, length: int, *, matrix_tflops: float, memory: bool) -> None:
        """Measure one document of a length, alone."""
        what = f"one document of {length}"
        documents = {name: document_of(model, length) for name, model in self.models.items()}
        runs = {name: partial(model.run, documents[name]) for name, model in self.models.items()}
        for name, (timing, ratio) in self._compared(self._time(self._fitting(runs, what), warm_ups=1), what).items():
            model = self.models[name]
            flops = model.flops(length)
            utilisation = None if flops is None else flops / timing.median / (matrix_tflops * 1e12)
            if utilisation and utilisation > 1:
                self.notes[name].doubts.append(f"{what}: faster than the matrix rate, measured too low")
            self.notes[name].latency.append(
                LatencyPart(
                    length=length,
                    windows=len(documents[name]),
                    p50_ms=1e3 * timing.median,
                    p90_ms=1e3 * timing.p90,
                    repeats=len(timing.seconds),
                    ratio=ratio,
                    utilisation=utilisation,
                    peak_mib=self._peak(name, length) if memory else None,
                )
            )

    def batches(self, length: int) -> None:
        """Measure many documents of one length, as many at a time as each model does best; one must have fitted."""
        fitting = [name for name, notes in self.notes.items() if length in (row.length for row in notes.latency)]
        sizes = {name: self._best_batch(self.models[name], length) for name in fitting}
        runs = {name: self._batch(self.models[name], length, size) for name, size in sizes.items()}
        timings = self._time(runs)
        per_document = {
            name: Timings(tuple(s / sizes[name] for s in timing.seconds)) for name, timing in timings.items()
        }
        for name, (timing, ratio) in self._compared(per_document, f"batches of {length}").items():
            self.notes[name].throughput.append(
                ThroughputPart(
                    what=f"{length} sub-tokens",
                    documents=sizes[name],
                    tokens_per_second=length / timing.median,
                    documents_per_second=1 / timing.median,
                    ratio=ratio,
                )
            )

    def data(self, documents: Sequence[Sequence[str]], what: str) -> None:
        """Measure documents of real lengths, in sorted batches, from words to logits."""
        tokens: dict[str, int] = {}
        words = sum(map(len, documents))

        def run(name: str) -> None:
            model = self.models[name]
            encoded = list(encode_documents(model.model.tokenizer, documents, reach=model.reach))
            tokens[name] = sum(document.sub_tokens for document in encoded)
            model.run([piece for document in encoded for piece in document.pieces])

        fitting = self._fitting({name: partial(run, name) for name in self.models}, what)
        for name, (timing, ratio) in self._compared(self._time(fitting, warm_ups=0), what).items():
            self.notes[name].throughput.append(
                ThroughputPart(
                    what=what,
                    documents=0,
                    tokens_per_second=tokens[name] / timing.median,
                    documents_per_second=len(documents) / timing.median,
                    words_per_second=words / timing.median,
                    ratio=ratio,
                    joules_per_document=self._joules(partial(run, name), len(documents)),
                )
            )

    def _fitting(self, runs: Mapping[str, Callable[[], object]], what: str) -> dict[str, Callable[[], object]]:
        """Return what fits into memory, tried once; nothing where the reference does not: there would be no ratio."""
        fitting = {}
        for name, run in runs.items():
            try:
                run()
                wait_for(self.device)
            except RuntimeError as error:
                if not is_out_of_memory(error):
                    raise
                free_memory()
                self.notes[name].doubts.append(f"{what}: not measured, the memory does not suffice")
            else:
                fitting[name] = run
        if (reference := next(iter(runs))) not in fitting:
            named = self.models[reference].part.name
            for name in fitting:
                self.notes[name].doubts.append(f"{what}: not measured, for the memory does not suffice for {named}")
            return {}
        return fitting

    def _time(self, runs: Mapping[str, Callable[[], object]], *, warm_ups: int = 2) -> dict[str, Timings]:
        if not runs:
            return {}
        wait = partial(wait_for, self.device)
        return time_in_turns(runs, repeats=self.repeats, seconds=self.seconds, wait=wait, warm_ups=warm_ups)

    def _compared(self, timings: Mapping[str, Timings], what: str) -> dict[str, tuple[Timings, RatioPart]]:
        """Return each model's timings with its ratio to the reference, and note what is doubtful about them."""
        reference, found = next(iter(self.models)), {}
        for name, timing in timings.items():
            self.notes[name].doubts += [f"{what}: {doubt}" for doubt in timing.doubts()]
            ratio = Ratio.of(timing, timings[reference])
            found[name] = timing, RatioPart(median=ratio.median, lowest=ratio.lowest, highest=ratio.highest)
        return found

    def _peak(self, name: str, length: int) -> float | None:
        notes = self.notes[name]
        try:
            notes.weights_mib, peak = measure_peak(name, length, device=self.device, precision=self.precision)
        except GonerdError as error:  # as when the system ends a process that takes too much: the rest is worth having
            notes.doubts.append(error.what)
            return None
        return peak

    def _joules(self, run: Callable[[], None], documents: int) -> float | None:
        wait_for(self.device)
        before = joules(self.device)
        run()
        wait_for(self.device)
        after = joules(self.device)
        # The meter of a processor starts anew at some value; such a run says nothing.
        return None if before is None or after is None or after < before else (after - before) / documents

    def _batch(self, model: CostModel, length: int, size: int) -> Callable[[], None]:
        pieces: list[Piece] = [piece for number in range(size) for piece in document_of(model, length, number=number)]
        return partial(model.run, pieces, max_tokens=sum(len(piece.input_ids) for piece in pieces))

    def _best_batch(self, model: CostModel, length: int) -> int:
        """Return the number of documents at a time from which twice as many are hardly faster, or do not fit."""
        best, size = self._seconds_a_document(model, length, 1), 1
        while best is not None and 2 * size <= LARGEST_BATCH:
            twice = self._seconds_a_document(model, length, 2 * size)
            if twice is None or best < WORTH * twice:
                break
            best, size = twice, 2 * size
        return size

    def _seconds_a_document(self, model: CostModel, length: int, size: int) -> float | None:
        """Return the time a document takes in a batch, or None where the memory does not suffice for it."""
        wait = partial(wait_for, self.device)
        try:
            runs = {model.name: self._batch(model, length, size)}
            return time_in_turns(runs, repeats=2, wait=wait, warm_ups=1)[model.name].median / size
        except RuntimeError as error:
            if size == 1 or not is_out_of_memory(error):
                raise
            return None
