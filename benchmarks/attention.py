"""The encoder beside the references, on the same weights: milliseconds, tokens a second, memory, equal logits.

    python benchmarks/attention.py --record                        the whole table, cell by cell; what is recorded is
                                                                   not measured again, so a killed run goes on
    python benchmarks/attention.py --record --minutes 14           the same in pieces: no new cell after that time
    python benchmarks/attention.py --left                          what is left, and about how long it takes
    python benchmarks/attention.py --memory --record               peaks above the weights, a process for each
    python benchmarks/attention.py --gold ../shared/gold --record  documents of real lengths: packed, against padded
    python benchmarks/attention.py --profile --record              where the time goes, and what that bounds
    python benchmarks/attention.py --architectures lsg --lsg-python lsg/bin/python     see lsg_reference.py

`--architectures`, `--size`, `--layers`, `--precision` and `--lengths` choose a part. It runs on CUDA where there is a
device, else on the CPU; on a busy machine `--clock cpu` with `OMP_NUM_THREADS=1` times what a process computes.

A cell runs both sides in turns (ours, theirs, ours, theirs …); a ratio is the median over the turns. The first turn
also compares the logits, and counts as a turn where one takes long, else it is the warm-up. A reference that would take
longer than `--longest-run` for one document is not run, and the cell says so. Everything goes to
`benchmarks/results/attention.json`, and from there as tables to `attention.md` beside it.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import math
import os
import statistics
import sys
import time
from collections.abc import Iterator
from datetime import date
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch
import transformers
from attention_pairs import ARCHITECTURES, CLOCKS, PAD, SIZES, SPARSE, Local, Pair, Shape, draw
from attention_profile import profile
from attention_tables import write_tables

from gonerd.evaluation.hardware import describe_hardware
from gonerd.evaluation.machine import other_work
from gonerd.models.packing import Layout, pack, unpack

RESULTS = Path(__file__).with_name("results") / "attention.json"
# Logits, 12 layers deep, 768 wide; in LSG rounding decides which of two keys with nearly the same norm is chosen
NEAR = {"fp32": 1e-4, "bf16": 0.15, "lsg": 1e-3}
DENSE_UP_TO = 4096  # lengths that full attention is measured at
LONG = 2.5  # seconds from which the first turn counts, and one more is enough
ENOUGH = 5.0  # seconds of turns in a cell of short ones
VERY_LONG = 30.0  # seconds from which one turn is all
PEAK_LAYERS = 2  # a forward pass without gradients keeps nothing of a layer that is done
PADDED = ("roberta", "longformer", "bigbird")  # transformers' Nystromformer raises on padded batches
KEY = ("what", "hardware", "architecture", "size", "layers", "precision", "length", "compiled", "clock")
# Of one CPU core, for `--left`: seconds for a token and a layer, base size, fp32; ours, theirs
ABOUT = {"roberta": (2.2e-4, 2.4e-4), "longformer": (1.5e-4, 3.5e-4), "bigbird": (1.5e-4, 5e-4), "lsg": (2e-4, 4e-4)}
BIGBIRD_MIB = 4.5e-5  # that its reference takes for a token of a document, times the document's length


class Record:
    """The recorded figures, and the circumstances of new ones."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.args = args
        self.rows = self._recorded()
        self.fixed = {"hardware": describe_hardware(args.device), "compiled": args.compile, "clock": args.clock}
        self.other_work = other_work(args.device)

    def has(self, **of: Any) -> bool:
        """Tell whether something is recorded already."""
        return any(self._same(row, {**of, **self.fixed}) for row in self.rows)

    def add(self, row: dict[str, Any]) -> None:
        """Print a row, and with `--record` write it in the place of one of the same."""
        row |= self.fixed | {
            "date": date.today().isoformat(), "other_work": self.other_work,
            "versions": {name: importlib.metadata.version(name) for name in ("torch", "transformers")},
        }  # fmt: skip
        print(json.dumps(row), flush=True)
        self.rows = [old for old in self._recorded() if not self._same(old, row)] + [row]
        if self.args.record:
            RESULTS.write_text(json.dumps(self.rows, indent=1) + "\n")
            write_tables(self.rows, RESULTS.with_suffix(".md"))

    @staticmethod
    def _recorded() -> list[dict[str, Any]]:
        """Read what is recorded, by whatever run."""
        return json.loads(RESULTS.read_text()) if RESULTS.is_file() else []

    @staticmethod
    def _same(one: dict[str, Any], other: dict[str, Any]) -> bool:
        return all(one.get(name) == other.get(name) for name in KEY)


def shapes(args: argparse.Namespace) -> Iterator[Shape]:
    """Yield the models of the table, the quick ones first."""
    for size in sorted(args.size, reverse=True):
        for layers in sorted(args.layers):
            for precision in args.precision:
                for architecture in args.architectures:
                    yield Shape(architecture, size, layers, precision)


def lengths_of(shape: Shape, args: argparse.Namespace) -> list[int]:
    """Return the lengths that an architecture is measured at."""
    return [length for length in args.lengths if shape.architecture in SPARSE or length <= DENSE_UP_TO]


def cell(shape: Shape, length: int | str) -> dict[str, Any]:
    """Return what a figure is of."""
    return {
        "architecture": shape.architecture, "size": shape.size, "layers": shape.layers,
        "precision": shape.precision, "length": length,
    }  # fmt: skip


def expected(shape: Shape, length: int) -> tuple[float, float]:
    """Return about how long one run takes on a CPU core, ours and theirs, in seconds."""
    ours, theirs = ABOUT.get(shape.architecture, ABOUT["roberta"])
    share = {"base": 1.0, "small": 0.3}[shape.size] * {"fp32": 1.0, "bf16": 0.6}[shape.precision]
    growth = 1.0 if shape.architecture in SPARSE else 0.7 + length / 4096
    their_growth = max(1.0, length / 4096) if shape.architecture == "bigbird" else growth
    return ours * length * shape.layers * share * growth, theirs * length * shape.layers * share * their_growth


def measure_table(record: Record, args: argparse.Namespace) -> bool:
    """Measure the cells that are not recorded; return whether all logits were equal."""
    equal, until = True, time.monotonic() + 60 * args.minutes
    for shape in shapes(args):
        left = [n for n in lengths_of(shape, args) if args.again or not record.has(what="time", **cell(shape, n))]
        if not left or time.monotonic() > until:
            continue
        pair = Pair(shape, args, longest=max(4096, *left))
        for length in left:
            if time.monotonic() > until:
                break
            row = measure(pair, shape, length, args)
            record.add({"what": "time", **cell(shape, length), **row})
            equal = equal and row.get("equal", True)
        pair.close()
    return equal


def measure(pair: Pair, shape: Shape, length: int, args: argparse.Namespace) -> dict[str, Any]:
    """Time documents of one length on both sides in turns, and compare the logits."""
    ids = draw(length, args.device)
    left_out = _why_not(pair, shape, length, args)
    with torch.inference_mode():
        logits, first = pair.ours.logits(ids)
        if left_out:
            ours = [first] if first > LONG else [pair.ours.run(ids) for _ in range(3)]
            return {**_side("ours", ours, ids), "theirs_not_run": left_out}
        their_logits, their_first = pair.theirs.logits(ids)
        difference = float((logits - their_logits.to(logits.device)).abs().max())
        ours, theirs = ([first], [their_first]) if first + their_first > LONG else ([], [])
        while len(ours) < _turns(first + their_first, args.turns):
            ours.append(pair.ours.run(ids))
            theirs.append(pair.theirs.run(ids))
    near = max(NEAR[shape.precision], NEAR.get(shape.architecture, 0))
    return {**_both(ours, theirs, ids), "largest_difference": difference, "equal": difference < near}


def _turns(seconds: float, most: int) -> int:
    """Return how many turns are made in a cell whose turns take that long."""
    if seconds > LONG:
        return 1 if seconds > VERY_LONG else 2
    return max(2, min(most, math.ceil(ENOUGH / seconds)))


def _why_not(pair: Pair, shape: Shape, length: int, args: argparse.Namespace) -> str | None:
    """Return why the reference is not run, or None."""
    if pair.theirs is None:
        return "not there: see lsg_reference.py"
    if shape.architecture == "bigbird" and (gib := BIGBIRD_MIB * length**2 / 1024) > args.most_gib:
        return f"it would take about {gib:.0f} GiB for one document"
    seconds = expected(shape, length)[1]
    if args.device == "cpu" and seconds > args.longest_run:
        return f"it would take about {seconds:.0f} s for one document"
    return None


def _side(name: str, seconds: list[float], ids: torch.Tensor) -> dict[str, Any]:
    middle = statistics.median(seconds)
    return {f"{name}_ms": 1000 * middle, f"{name}_tokens_per_s": ids.numel() / middle, "turns": len(seconds)}


def _both(ours: list[float], theirs: list[float], ids: torch.Tensor) -> dict[str, Any]:
    ratios = [their / our for our, their in zip(ours, theirs, strict=True)]
    faster = {"times_faster": statistics.median(ratios), "times_faster_range": [min(ratios), max(ratios)]}
    return _side("ours", ours, ids) | _side("theirs", theirs, ids) | faster


def measure_memory(record: Record, args: argparse.Namespace) -> None:
    """Measure the peaks of one forward pass above the weights, each in a process of its own."""
    for shape in shapes(args):
        for length in lengths_of(shape, args):
            if record.has(what="memory", **cell(shape, length)) and not args.again:
                continue
            row: dict[str, Any] = {"what": "memory", **cell(shape, length)}
            for side in ("ours", "theirs"):
                dense = 3 * 4 * SIZES[shape.size][1] * length**2 / 2**30  # scores, weights, and one more of them
                if side == "theirs" and shape.architecture == "nystromformer" and dense > args.most_gib:
                    row["theirs_not_run"] = f"its dense scores would take about {dense:.0f} GiB"
                elif side == "ours" or shape.architecture != "lsg" or args.lsg_python:
                    row[f"{side}_peak_mib"] = _in_a_process(shape, length, side, args)
            record.add(row)


def _in_a_process(shape: Shape, length: int, side: str, args: argparse.Namespace) -> float:
    # In a fork the libraries are loaded already; but CUDA, which is asked for the device's name, does not bear one.
    context = get_context("fork" if args.device == "cpu" else "spawn")
    mine, other = context.Pipe(duplex=False)
    process = context.Process(target=_send_peak, args=(other, shape, length, side, args))
    process.start()
    other.close()
    peak = mine.recv()
    process.join()
    return float(peak)


def _send_peak(pipe: Any, shape: Shape, length: int, side: str, args: argparse.Namespace) -> None:
    pair = Pair(shape, args, longest=max(4096, length))
    model = getattr(pair, side)
    with torch.inference_mode():
        model.run(draw(64, args.device))  # what the libraries take at their first call is not the model's
        pipe.send(model.peak(draw(length, args.device)))
    pair.close()


def real_documents(folder: Path, longest: int, tokens: int) -> list[torch.Tensor]:
    """Return random documents as long as those of a gold collection (1.3 sub-tokens a word), in a fixed mixture."""
    lengths = []
    for name in ("train", "validation", "test"):
        with (folder / f"{name}.jsonl").open(encoding="utf-8") as lines:
            lengths += [min(longest, int(1.3 * len(json.loads(line)["tokens"])) + 2) for line in lines]
    order = torch.randperm(len(lengths), generator=torch.Generator().manual_seed(0)).tolist()
    chosen: list[int] = []
    for place in order:
        if sum(chosen) < tokens:
            chosen.append(lengths[place])
    return [draw(length, "cpu", seed=number)[0] for number, length in enumerate(chosen)]


def padded_batches(documents: list[torch.Tensor], limit: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Yield batches sorted by length, each of at most `limit` sub-tokens with its padding, and their masks."""
    batch: list[torch.Tensor] = []
    for document in [*sorted(documents, key=len, reverse=True), None]:
        if batch and (document is None or (len(batch) + 1) * len(batch[0]) > limit):
            ids = torch.nn.utils.rnn.pad_sequence(batch, batch_first=True, padding_value=PAD)
            yield ids, (ids != PAD).long()
            batch = []
        if document is not None:
            batch.append(document)


def measure_real(record: Record, args: argparse.Namespace) -> None:
    """Time documents of real lengths: packed by the encoder, and in sorted padded batches by transformers."""
    documents = real_documents(args.gold, 4096, args.real_tokens)
    rows = pack([document.to(args.device) for document in documents], args.batch)
    batches = [(ids.to(args.device), mask.to(args.device)) for ids, mask in padded_batches(documents, args.batch)]
    tokens, clock = torch.cat(documents), CLOCKS[args.clock]
    padding = 1 - len(tokens) / sum(ids.numel() for ids, _ in batches)
    for shape in shapes(args):
        if shape.architecture not in PADDED or (record.has(what="real", **cell(shape, "real")) and not args.again):
            continue
        pair = Pair(shape, args, longest=4096)
        theirs: Local = pair.theirs  # type: ignore[assignment]

        def ours(model: Any = pair.ours.model) -> list[torch.Tensor]:
            def fresh(layout: Layout) -> Layout:  # blocks and masks are made anew: their time is part of it
                return Layout(starts=layout.starts, lengths=layout.lengths, slots=layout.slots, device=layout.device)

            return unpack(rows, [model(row.input_ids, layout=fresh(row.layout)).logits for row in rows])

        times: dict[str, list[float]] = {"ours": [], "theirs": []}
        with torch.inference_mode():
            alone = theirs.ask(documents[0][None].to(args.device))[0].float()
            difference = float((ours()[0].float() - alone).abs().max())
            for _ in range(2):
                for side, run in (("ours", ours), ("theirs", lambda theirs=theirs: [theirs.ask(*b) for b in batches])):
                    started = clock()
                    run()
                    times[side].append(clock() - started)
        about = {"documents": len(documents), "tokens": len(tokens), "padding_share": padding}
        equal = {"largest_difference": difference, "equal": difference < NEAR[shape.precision]}
        row = {**cell(shape, "real"), **about, **_both(times["ours"], times["theirs"], tokens), **equal}
        record.add({"what": "real", **row})
        pair.close()


def say_what_is_left(record: Record, args: argparse.Namespace) -> None:
    """Print the cells that are left, and about how long they take on one core."""
    total, count = 0.0, 0
    for shape in shapes(args):
        for length in lengths_of(shape, args):
            if not record.has(what="time", **cell(shape, length)):
                ours, theirs = expected(shape, length)
                theirs *= theirs <= args.longest_run and (shape.architecture != "lsg" or args.lsg_python is not None)
                turns = _turns(ours + theirs, args.turns) + (ours + theirs <= LONG)
                total, count = total + turns * (ours + theirs), count + 1
    print(f"{count} cells, about {total / 60:.0f} minutes of one core")


def parse() -> argparse.Namespace:
    """Return what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--architectures", nargs="+", default=list(ARCHITECTURES), choices=list(ARCHITECTURES))
    parser.add_argument("--size", nargs="+", default=list(SIZES), choices=list(SIZES))
    parser.add_argument("--layers", nargs="+", type=int, default=[6, 12])
    parser.add_argument("--precision", nargs="+", default=["fp32", "bf16"], choices=["fp32", "bf16"])
    parser.add_argument("--lengths", type=int, nargs="+", default=[512, 1024, 2048, 4096, 8192, 16384])
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--turns", type=int, default=5, help="in a cell, at most")
    parser.add_argument("--clock", default="wall", choices=list(CLOCKS), help="what is timed")
    parser.add_argument("--compile", action="store_true", help="compile our layers")
    parser.add_argument("--longest-run", type=float, default=60, help="seconds of a reference's run on the CPU")
    parser.add_argument("--most-gib", type=float, default=6, help="memory that a reference may take")
    parser.add_argument("--lsg-python", type=Path, help="interpreter of an environment with lsg-converter")
    parser.add_argument("--minutes", type=float, default=math.inf, help="after which no new cell begins")
    parser.add_argument("--gold", type=Path, help="folder of gold: measure documents of real lengths")
    parser.add_argument("--real-tokens", type=int, default=12_000, help="of the documents of real lengths")
    parser.add_argument("--batch", type=int, default=8192, help="sub-tokens in a batch of real lengths")
    for name in ("--memory", "--profile", "--left", "--record", "--again"):
        parser.add_argument(name, action="store_true")
    return parser.parse_args()


def main() -> None:
    args = parse()
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    record = Record(args)
    if args.left:
        say_what_is_left(record, args)
    elif args.memory:
        # Memory that was freed goes back to the system at once, so that what a model takes again is seen to be taken.
        thresholds = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}
        if not thresholds.items() <= os.environ.items():
            os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **thresholds})
        args.layers = [PEAK_LAYERS]
        measure_memory(record, args)
    elif args.profile:
        for shape in shapes(args):
            record.add({"what": "profile", **cell(shape, 4096), **profile(shape, args)})
    elif args.gold:
        measure_real(record, args)
    elif not measure_table(record, args):
        sys.exit("the logits are not the same")


if __name__ == "__main__":
    main()
