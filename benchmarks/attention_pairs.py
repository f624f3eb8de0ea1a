"""Both sides of `attention.py`: the encoder, and the reference with the same weights.

The reference is transformers' module; for LSG it is the code of `lsg-converter`, which runs with transformers 4.44
alone and therefore in an environment and a process of its own (`lsg_reference.py`). A side runs a document and says how
long that took: the process that computes is the one that looks at the clock.
"""

from __future__ import annotations

import argparse
import gc
import json
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
import transformers
from safetensors.torch import load_file, save_file

from gonerd.evaluation.cost_memory import _process_peak
from gonerd.evaluation.machine import wait_for
from gonerd.models.config import EncoderConfig, LSGAttention
from gonerd.models.encoder import Encoder
from gonerd.models.load import load_encoder
from gonerd.models.save import save_encoder

SIZES = {"base": (768, 12), "small": (384, 12)}  # width, heads
VOCABULARY = 30_000
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}
LABELS = 9
PAD = 1
CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}
KINDS = {
    "roberta": "RobertaForTokenClassification",
    "longformer": "LongformerForTokenClassification",
    "bigbird": "BigBirdForTokenClassification",
    "nystromformer": "NystromformerForTokenClassification",
}
ARCHITECTURES = (*KINDS, "lsg")
SPARSE = ("longformer", "bigbird", "lsg")  # Nystromformer computes the full softmax, as its published checkpoints do


@dataclass(frozen=True)
class Shape:
    """What is measured: one model."""

    architecture: str
    size: str
    layers: int
    precision: str


class Side(Protocol):
    """A model that can be asked."""

    def run(self, ids: torch.Tensor) -> float:
        """Return the seconds that a batch, (rows, length), takes."""
        ...

    def logits(self, ids: torch.Tensor) -> tuple[torch.Tensor, float]:
        """Return the logits in fp32, (rows, length, labels), and the seconds they took."""
        ...


class Local:
    """A model in this process."""

    def __init__(self, model: Any, args: argparse.Namespace) -> None:
        self.model, self.device, self.clock = model, args.device, CLOCKS[args.clock]

    def ask(self, ids: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        """Return the logits, of a reference as if it were fresh."""
        if hasattr(inner := getattr(self.model, "bert", None), "set_attention_type"):
            inner.set_attention_type("block_sparse")  # it stays full once it has seen a short document
        return self.model(input_ids=ids, attention_mask=mask).logits

    def logits(self, ids: torch.Tensor) -> tuple[torch.Tensor, float]:
        """Return the logits and the seconds."""
        wait_for(self.device)
        started = self.clock()
        found = self.ask(ids)
        wait_for(self.device)
        return found.float(), self.clock() - started

    def run(self, ids: torch.Tensor) -> float:
        """Return the seconds."""
        return self.logits(ids)[1]

    def peak(self, ids: torch.Tensor) -> float:
        """Return how far the memory rises while a batch runs, in MiB."""
        gc.collect()
        if self.device == "cpu":
            return _process_peak(lambda: self.ask(ids))
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        self.ask(ids)
        torch.cuda.synchronize()
        return float(torch.cuda.max_memory_allocated() - before) / 2**20


class Remote:
    """LSG's reference code in a process of its own, on a folder that `save_encoder` wrote."""

    def __init__(self, folder: Path, shape: Shape, args: argparse.Namespace) -> None:
        self.folder = folder
        script = Path(__file__).with_name("lsg_reference.py")
        command = [str(args.lsg_python), str(script), str(folder), shape.precision, args.clock, args.device]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def _ask(self, ids: torch.Tensor, what: str) -> float:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        save_file({"ids": ids.contiguous()}, self.folder / "ids.safetensors")
        self.process.stdin.write(what + "\n")
        self.process.stdin.flush()
        return float(json.loads(self.process.stdout.readline()))

    def run(self, ids: torch.Tensor) -> float:
        """Return the seconds."""
        return self._ask(ids, "run")

    def logits(self, ids: torch.Tensor) -> tuple[torch.Tensor, float]:
        """Return the logits and the seconds."""
        seconds = self._ask(ids, "logits")
        return load_file(self.folder / "logits.safetensors")["logits"], seconds

    def peak(self, ids: torch.Tensor) -> float:
        """Return how far the memory rises while a batch runs, in MiB."""
        return self._ask(ids, "peak")

    def close(self) -> None:
        """End the process."""
        self.process.communicate()


class Pair:
    """One architecture with the same random weights on both sides."""

    def __init__(self, shape: Shape, args: argparse.Namespace, *, longest: int) -> None:
        torch.manual_seed(0)
        self._folder = tempfile.TemporaryDirectory()
        folder = Path(self._folder.name)
        self.theirs: Local | Remote | None = None
        if shape.architecture == "lsg":
            ours = Encoder(_lsg(shape, longest)).eval()
            if args.lsg_python:
                save_encoder(ours, folder)
                self.theirs = Remote(folder, shape, args)
        else:
            config = _reference_config(shape, longest)
            theirs = getattr(transformers, KINDS[shape.architecture])(config).eval()
            theirs.save_pretrained(folder)
            ours = load_encoder(folder)
            self.theirs = Local(theirs.to(args.device, DTYPES[shape.precision]), args)
        ours.to(args.device, DTYPES[shape.precision])
        if args.compile:
            ours.compile_layers()
        self.ours = Local(ours, args)

    def close(self) -> None:
        """Leave nothing behind."""
        if isinstance(self.theirs, Remote):
            self.theirs.close()
        self._folder.cleanup()


def _reference_config(shape: Shape, longest: int) -> Any:
    """Return a transformers configuration, with the published attention of its architecture."""
    width, heads = SIZES[shape.size]
    common = {
        "vocab_size": VOCABULARY, "hidden_size": width, "num_hidden_layers": shape.layers,
        "num_attention_heads": heads, "intermediate_size": 4 * width, "num_labels": LABELS, "pad_token_id": PAD,
    }  # fmt: skip
    if shape.architecture == "roberta":
        return transformers.RobertaConfig(**common, max_position_embeddings=longest + 2, type_vocab_size=1)
    if shape.architecture == "longformer":
        window = [512] * shape.layers
        return transformers.LongformerConfig(
            **common, attention_window=window, max_position_embeddings=longest + 2, type_vocab_size=1
        )
    if shape.architecture == "bigbird":
        return transformers.BigBirdConfig(**common, max_position_embeddings=longest)
    return transformers.NystromformerConfig(
        **common, max_position_embeddings=longest, segment_means_seq_len=64, num_landmarks=64
    )


def _lsg(shape: Shape, longest: int) -> EncoderConfig:
    """Return the encoder's configuration with LSG's published attention."""
    width, heads = SIZES[shape.size]
    return EncoderConfig(
        vocabulary=VOCABULARY, width=width, heads=heads, intermediate=4 * width, layers=shape.layers,
        positions=longest + 2, position_offset=2, pad_id=PAD, types=1, attention=LSGAttention(),
        labels=tuple(f"L{number}" for number in range(LABELS)),
    )  # fmt: skip


def draw(length: int, device: str, *, seed: int = 0) -> torch.Tensor:
    """Return a random document, (1, length)."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(5, VOCABULARY, (1, length), generator=generator).to(device)
