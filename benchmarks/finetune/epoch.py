"""Where the time of an epoch goes: some steps of a configuration under torch's profiler, by kind of operation."""

from __future__ import annotations

import time
from collections import defaultdict
from typing import Any

import torch
from plan import Plan
from work import Workplace

from gonerd.dataset.examples import read_examples
from gonerd.labels import load_scheme
from gonerd.models.checkpoints import load_tokenizer
from gonerd.models.reach import window_reach
from gonerd.models.repository import find_checkpoint
from gonerd.models.tagging import autocast
from gonerd.models.trainable import load_trainable
from gonerd.training.config import FinetuneConfig
from gonerd.training.finetune import gold_loss
from gonerd.training.fit import width_of
from gonerd.training.rows import TokenBatches, encode_examples

KINDS = {  # parts of an operator's name, the first that fits
    "attention": ("scaled_dot_product", "flash_attention", "softmax", "bmm"),
    "matrix products": ("aten::mm", "aten::addmm", "linear"),
    "norms": ("norm",),
    "activation": ("gelu",),
    "dropout": ("dropout", "bernoulli"),
    "optimizer": ("_fused_adam", "_foreach", "addcdiv", "addcmul", "lerp", "sqrt"),
    "embeddings": ("embedding",),
    "moving data": ("copy_", "cat", "index", "gather", "scatter", "constant_pad", "slice", "fill_", "zero_"),
    "sums": ("sum", "add", "mul", "where"),
}


def profile(place: Workplace, plan: Plan, *, steps: int) -> dict[str, Any]:
    """Return seconds of an epoch from some steps, and the share of each kind of operation in them."""
    scheme, config = load_scheme(), FinetuneConfig(**plan.finetune)
    start = place.start(plan)
    config = config.settled(width_of(start))
    torch.manual_seed(0)
    model, _ = load_trainable(start, scheme=scheme, attention_dropout=config.attention_dropout)
    tokenizer = load_tokenizer(find_checkpoint(start))
    reach = window_reach(model, tokenizer, stride=config.stride, max_length=config.max_length)
    rows = encode_examples(tokenizer, tuple(read_examples(place.data, "train")), reach=reach, scheme=scheme)
    batches = TokenBatches(
        rows, outputs=range(len(scheme.tags)), max_tokens=config.batch_tokens, pad_id=None, seed=0
    )  # fmt: skip
    optimizer = torch.optim.AdamW(model.parameters(), lr=config.learning_rate or 0.0)
    chosen = [batches[number * len(batches) // steps] for number in range(steps)]

    def step(batch: dict[str, torch.Tensor]) -> None:
        with autocast("cpu", "bf16" if config.precision == "bf16" else "fp32"):
            loss = gold_loss(model, batch)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()

    model.train()
    step(chosen[0])  # what is made at first use
    began, busy = time.perf_counter(), time.process_time()
    for batch in chosen:
        step(batch)
    wall, busy = time.perf_counter() - began, time.process_time() - busy
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as found:
        for batch in chosen:
            step(batch)
    tokens = sum(len(batch["input_ids"]) for batch in chosen)
    whole = sum(len(piece.input_ids) for piece in batches.pieces)
    return {
        "steps": steps, "sub_tokens": whole, "threads": torch.get_num_threads(), "precision": config.precision,
        "epoch_seconds": round(wall / tokens * whole, 1), "epoch_processor_seconds": round(busy / tokens * whole, 1),
        "shares": _shares(found),
    }  # fmt: skip


def _shares(found: Any) -> dict[str, float]:
    """Return the share of each kind of operation in the processor's time, the largest first."""
    spent: defaultdict[str, float] = defaultdict(float)
    for row in found.key_averages():
        kind = next((kind for kind, parts in KINDS.items() if any(part in row.key for part in parts)), "other")
        spent[kind] += row.self_cpu_time_total
    total = sum(spent.values())
    return {kind: round(part / total, 3) for kind, part in sorted(spent.items(), key=lambda item: -item[1])}


def as_markdown(name: str, figures: dict[str, Any]) -> str:
    """Return the figures as a table."""
    head = (
        f"{name}: {figures['epoch_processor_seconds']:,.0f} processor seconds ({figures['epoch_seconds']:,.0f} by the "
        f"clock) an epoch of {figures['sub_tokens']:,} sub-tokens on {figures['threads']} threads in "
        f"{figures['precision']}, validation apart"
    )
    rows = [f"| {kind} | {100 * share:.1f} % |" for kind, share in figures["shares"].items()]
    return "\n".join([head, "", "| operations | share of the time |", "|---|---|", *rows])
