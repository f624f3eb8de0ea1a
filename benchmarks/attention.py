"""The encoder beside transformers' own modules, on the same weights: milliseconds, tokens a second, memory.

    python benchmarks/attention.py                                 every architecture, base size, 512 to 4,096 tokens
    python benchmarks/attention.py --layers 6 --size small         half the layers, 384 wide
    python benchmarks/attention.py --lengths 8192 16384            what the sparse patterns alone go on to
    python benchmarks/attention.py --gold ../shared/gold           and documents of real lengths: packed, and padded

It runs on CUDA where there is a device, else on the CPU. Weights are random and the same on both sides; that the
logits are the same is checked in the same run, and stated. Both are timed in turns (ours, theirs, ours, theirs …); a
ratio is the median over the turns. Memory is the peak above the weights of one forward pass, in a process of its own.
On a busy machine `--clock cpu` with `OMP_NUM_THREADS=1` times what the process itself computes.
Figures are added to `benchmarks/results/attention.json` with `--record`; `--table` prints what is recorded there.
"""

from __future__ import annotations

import argparse
import gc
import importlib.metadata
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import torch
import transformers

from gonerd.evaluation.cost_memory import _process_peak
from gonerd.evaluation.hardware import describe_hardware
from gonerd.evaluation.machine import matrix_tflops, other_work, wait_for
from gonerd.evaluation.turns import Ratio, time_in_turns
from gonerd.models.load import load_encoder
from gonerd.models.packing import Layout, pack, unpack

RESULTS = Path(__file__).with_name("results") / "attention.json"
SIZES = {"base": (768, 12), "small": (384, 12)}  # width, heads
VOCABULARY = 30_000
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}
NEAR = {"fp32": 1e-4, "bf16": 0.15}  # logits; 12 layers deep, 768 wide
LABELS = 9
CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}
PADDED = ("roberta", "longformer", "bigbird")  # transformers' Nystromformer raises on padded batches


def reference_config(architecture: str, size: str, layers: int, longest: int) -> Any:
    """Return a transformers configuration, with the published attention of its architecture."""
    width, heads = SIZES[size]
    shape = {
        "vocab_size": VOCABULARY, "hidden_size": width, "num_hidden_layers": layers, "num_attention_heads": heads,
        "intermediate_size": 4 * width, "num_labels": LABELS, "pad_token_id": 1,
    }  # fmt: skip
    if architecture == "roberta":
        return transformers.RobertaConfig(**shape, max_position_embeddings=longest + 2, type_vocab_size=1)
    if architecture == "longformer":
        window = [512] * layers
        return transformers.LongformerConfig(
            **shape, attention_window=window, max_position_embeddings=longest + 2, type_vocab_size=1
        )
    if architecture == "bigbird":
        return transformers.BigBirdConfig(**shape, max_position_embeddings=longest)
    return transformers.NystromformerConfig(
        **shape, max_position_embeddings=longest, segment_means_seq_len=64, num_landmarks=64
    )


KINDS = {
    "roberta": "RobertaForTokenClassification",
    "longformer": "LongformerForTokenClassification",
    "bigbird": "BigBirdForTokenClassification",
    "nystromformer": "NystromformerForTokenClassification",
}


class Pair:
    """One architecture with the same weights on both sides."""

    def __init__(self, architecture: str, args: argparse.Namespace, *, longest: int) -> None:
        torch.manual_seed(0)
        config = reference_config(architecture, args.size, args.layers, longest)
        self.device, self.precision = args.device, args.precision
        self.theirs = getattr(transformers, KINDS[architecture])(config).eval()
        with tempfile.TemporaryDirectory() as folder:
            self.theirs.save_pretrained(folder)
            self.ours = load_encoder(folder)
        for model in (self.ours, self.theirs):
            model.to(args.device, DTYPES[args.precision])
        if args.compile:
            self.ours.compile_layers()

    def ask_theirs(self, ids: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        """Return transformers' logits, (rows, length, labels), of a model as if fresh."""
        if hasattr(inner := getattr(self.theirs, "bert", None), "set_attention_type"):
            inner.set_attention_type("block_sparse")  # it stays full once it has seen a short document
        return self.theirs(input_ids=ids, attention_mask=mask).logits

    def ask_ours(self, ids: torch.Tensor) -> torch.Tensor:
        """Return the encoder's logits, (rows, length, labels)."""
        return self.ours(ids).logits


def draw(length: int, device: str, *, seed: int = 0) -> torch.Tensor:
    """Return a random document, (1, length)."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(5, VOCABULARY, (1, length), generator=generator).to(device)


def measure(pair: Pair, architecture: str, length: int, args: argparse.Namespace) -> dict[str, Any]:
    """Time documents of one length, and check that the logits are the same."""
    ids = draw(length, args.device).expand(args.rows, -1).contiguous()
    with torch.inference_mode():
        difference = float((pair.ask_ours(ids[:1]).float() - pair.ask_theirs(ids[:1]).float()).abs().max())
        times = time_in_turns(
            {"ours": lambda: pair.ask_ours(ids), "theirs": lambda: pair.ask_theirs(ids)},
            repeats=args.repeats, warm_ups=1, wait=lambda: wait_for(args.device), clock=CLOCKS[args.clock],
        )  # fmt: skip
    ratio = Ratio.of(times["theirs"], times["ours"])
    row = {
        "architecture": architecture, "size": args.size, "layers": args.layers, "precision": args.precision,
        "length": length, "rows": args.rows, "largest_difference": difference,
        "ours_ms": 1000 * times["ours"].median, "theirs_ms": 1000 * times["theirs"].median,
        "ours_tokens_per_s": ids.numel() / times["ours"].median,
        "theirs_tokens_per_s": ids.numel() / times["theirs"].median,
        "times_faster": ratio.median, "times_faster_range": [ratio.lowest, ratio.highest],
    }  # fmt: skip
    row["equal"] = difference < NEAR[args.precision]
    return row


def measure_peak(architecture: str, length: int, side: str, args: argparse.Namespace) -> float:
    """Return the peak of one forward pass above the weights, in MiB, from a process of its own."""
    command = [
        sys.executable, __file__, "--peak", architecture, side, "--lengths", str(length), "--size", args.size,
        "--layers", str(args.layers), "--precision", args.precision, "--device", args.device,
    ]  # fmt: skip
    # Memory that was freed goes back to the system at once, so that what a model takes again is seen to be taken.
    environment = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    return float(done.stdout.split()[-1])


def peak(architecture: str, side: str, args: argparse.Namespace) -> float:
    """Measure the peak in this process."""
    (length,) = args.lengths
    pair = Pair(architecture, args, longest=max(4096, length))
    ask = pair.ask_ours if side == "ours" else pair.ask_theirs
    setattr(pair, "theirs" if side == "ours" else "ours", None)
    with torch.inference_mode():
        ask(draw(64, args.device))  # what the libraries take at their first call is not the model's
        gc.collect()
        ids = draw(length, args.device)
        if args.device == "cpu":
            return _process_peak(lambda: ask(ids))
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        ask(ids)
        torch.cuda.synchronize()
        return (torch.cuda.max_memory_allocated() - before) / 2**20


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
            ids = torch.nn.utils.rnn.pad_sequence(batch, batch_first=True, padding_value=1)
            yield ids, (ids != 1).long()
            batch = []
        if document is not None:
            batch.append(document)


def measure_real(pair: Pair, architecture: str, args: argparse.Namespace) -> dict[str, Any]:
    """Time documents of real lengths: packed by the encoder, and in sorted padded batches by transformers."""
    documents = real_documents(args.gold, 4096, args.real_tokens)
    rows = pack([document.to(args.device) for document in documents], args.batch)
    batches = [(ids.to(args.device), mask.to(args.device)) for ids, mask in padded_batches(documents, args.batch)]

    def ours() -> list[torch.Tensor]:
        def fresh(layout: Layout) -> Layout:  # blocks and masks are made anew: their time is part of it
            return Layout(starts=layout.starts, lengths=layout.lengths, slots=layout.slots, device=layout.device)

        return unpack(rows, [pair.ours(row.input_ids, layout=fresh(row.layout)).logits for row in rows])

    with torch.inference_mode():
        first = ours()[0]
        difference = float((first.float() - pair.ask_theirs(documents[0][None].to(args.device))[0].float()).abs().max())
        times = time_in_turns(
            {"ours": ours, "theirs": lambda: [pair.ask_theirs(*batch) for batch in batches]},
            repeats=args.repeats, warm_ups=1, wait=lambda: wait_for(args.device), clock=CLOCKS[args.clock],
        )  # fmt: skip
    ratio, tokens = Ratio.of(times["theirs"], times["ours"]), sum(map(len, documents))
    return {
        "architecture": architecture, "size": args.size, "layers": args.layers, "precision": args.precision,
        "length": "real", "documents": len(documents), "tokens": tokens,
        "padding_share": 1 - tokens / sum(ids.numel() for ids, _ in batches),
        "largest_difference": difference, "equal": difference < NEAR[args.precision],
        "ours_ms": 1000 * times["ours"].median, "theirs_ms": 1000 * times["theirs"].median,
        "ours_tokens_per_s": tokens / times["ours"].median, "theirs_tokens_per_s": tokens / times["theirs"].median,
        "times_faster": ratio.median, "times_faster_range": [ratio.lowest, ratio.highest],
    }  # fmt: skip


def run(args: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Yield a row of figures for each architecture and length."""
    for architecture in args.architectures:
        pair = Pair(architecture, args, longest=max(4096, *args.lengths))
        for length in args.lengths:
            row = measure(pair, architecture, length, args)
            if not args.no_memory:
                row["ours_peak_mib"], row["theirs_peak_mib"] = (
                    measure_peak(architecture, length, side, args) for side in ("ours", "theirs")
                )
            yield row
        if args.gold and architecture in PADDED:
            yield measure_real(pair, architecture, args)
        del pair


def circumstances(args: argparse.Namespace) -> dict[str, Any]:
    """Return what the figures hold for."""
    return {
        "date": date.today().isoformat(),
        "hardware": describe_hardware(args.device),
        "matrix_tflops": {args.precision: matrix_tflops(args.device, args.precision)},
        "other_work": other_work(args.device),
        "compiled": args.compile,
        "clock": args.clock,
        "threads": torch.get_num_threads(),
        "versions": {name: importlib.metadata.version(name) for name in ("torch", "transformers")},
    }


def record(row: dict[str, Any], about: dict[str, Any]) -> None:
    """Add a row to the recorded results, in the place of one for the same thing."""
    rows = json.loads(RESULTS.read_text()) if RESULTS.is_file() else []
    key = ("hardware", "architecture", "size", "layers", "precision", "length", "compiled", "clock")
    row = {**row, **about}
    kept = [old for old in rows if any(old.get(name) != row.get(name) for name in key)]
    RESULTS.write_text(json.dumps([*kept, row], indent=1) + "\n")


def table(rows: list[dict[str, Any]], say: Callable[[str], None] = print) -> None:
    """Print rows as a table in Markdown."""
    say("| architecture | size, layers | precision | tokens | ours ms | transformers ms | faster | MiB | difference |")
    say("|---|---|---|---:|---:|---:|---:|---:|---:|")
    for row in rows:
        memory = f"{row['ours_peak_mib']:.0f} / {row['theirs_peak_mib']:.0f}" if "ours_peak_mib" in row else ""
        low, high = row["times_faster_range"]
        say(
            f"| {row['architecture']} | {row['size']}, {row['layers']} | {row['precision']} | {row['length']} "
            f"| {row['ours_ms']:,.0f} | {row['theirs_ms']:,.0f} | {row['times_faster']:.2f} ({low:.2f} to {high:.2f}) "
            f"| {memory} | {row['largest_difference']:.0e} |"
        )


def parse() -> argparse.Namespace:
    """Return what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--architectures", nargs="+", default=list(KINDS), choices=list(KINDS))
    parser.add_argument("--size", default="base", choices=list(SIZES))
    parser.add_argument("--layers", type=int, default=12)
    parser.add_argument("--lengths", type=int, nargs="+", default=[512, 1024, 2048, 4096])
    parser.add_argument("--rows", type=int, default=1, help="documents in a batch")
    parser.add_argument("--precision", default="fp32", choices=list(DTYPES))
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--clock", default="wall", choices=list(CLOCKS), help="what is timed")
    parser.add_argument("--compile", action="store_true", help="compile our layers")
    parser.add_argument("--no-memory", action="store_true", help="leave the memory out")
    parser.add_argument("--gold", type=Path, help="folder of gold, for documents of real lengths")
    parser.add_argument("--real-tokens", type=int, default=40_000, help="of the documents of real lengths")
    parser.add_argument("--batch", type=int, default=8192, help="sub-tokens in a batch of real lengths")
    parser.add_argument("--record", action="store_true")
    parser.add_argument("--table", action="store_true", help="print what is recorded and stop")
    parser.add_argument("--peak", nargs=2, metavar=("ARCHITECTURE", "SIDE"), help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> None:
    args = parse()
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    if args.table:
        table(json.loads(RESULTS.read_text()))
        return
    if args.peak:
        print(peak(*args.peak, args))
        return
    about = circumstances(args)
    rows = []
    for row in run(args):
        rows.append(row)
        print(json.dumps(row), flush=True)
        if args.record:
            record(row, about)
    table(rows)
    if not all(row["equal"] for row in rows):
        sys.exit("the logits are not the same")


if __name__ == "__main__":
    main()
