"""Where a forward pass of the encoder spends its time, and how much faster than the reference it could be at best."""

from __future__ import annotations

import argparse
import statistics
from typing import Any

import torch
from attention_pairs import CLOCKS, DTYPES, SIZES, Pair, Shape, draw
from torch.nn.functional import linear

from gonerd.evaluation.machine import wait_for
from gonerd.models.attention.full import Whole
from gonerd.models.attention.lsg import Blocks, RowsLayout
from gonerd.models.attention.pattern import Runs
from gonerd.models.packing import Layout

LENGTH = 4096
TURNS = 5
OPERATIONS = {  # of torch, by what they do here
    "linear layers": ("addmm", "mm", "linear"),
    "scores, softmax, values": ("scaled_dot_product", "attention", "softmax", "bmm"),
    "activation": ("gelu", "tanh", "erf"),
    "norms": ("layer_norm",),
    "copies": ("copy_", "cat", "index", "gather", "fill_", "zero_", "clone", "empty"),
}


def profile(shape: Shape, args: argparse.Namespace) -> dict[str, Any]:
    """Return times in turns, the share of each kind of operation, products by formula, and the bounds on the ratio.

    A bound is the reference's time over what the encoder would take if everything else cost nothing: but the linear
    layers as fast as this device multiplies matrices of their shapes in the same run; or these and the products of
    attention, at the same rate.
    """
    pair, ids, clock = Pair(shape, args, longest=LENGTH), draw(LENGTH, args.device), CLOCKS[args.clock]
    assert pair.theirs is not None, "there is no reference to compare with: see lsg_reference.py"
    times: dict[str, list[float]] = {"ours": [], "theirs": [], "linear": []}
    with torch.inference_mode():
        products = _linear_products(shape, args.device)
        for turn in range(TURNS + 1):
            taken = {"ours": pair.ours.run(ids), "theirs": pair.theirs.run(ids)}
            wait_for(args.device)
            started = clock()
            for states, weights in products:
                linear(states, weights)
            wait_for(args.device)
            taken["linear"] = (clock() - started) * shape.layers
            for name, seconds in taken.items():
                times[name] += [seconds] * (turn > 0)
        shares = _shares(pair, ids)
    flops = {"linear": _linear_flops(shape), "attention": _attention_flops(pair, shape)}
    pair.close()
    theirs = times["theirs"]
    both = 1 + flops["attention"] / flops["linear"]
    return {
        **{f"{name}_ms": 1000 * statistics.median(seconds) for name, seconds in times.items()},
        "times_faster": statistics.median(t / o for t, o in zip(theirs, times["ours"], strict=True)),
        "bound_by_linear_layers": statistics.median(t / n for t, n in zip(theirs, times["linear"], strict=True)),
        "bound_by_all_products": statistics.median(t / n / both for t, n in zip(theirs, times["linear"], strict=True)),
        "shares": shares,
        "gflops": {name: count / 1e9 for name, count in flops.items()},
        "linear_gflop_per_s": flops["linear"] / statistics.median(times["linear"]) / 1e9,
    }


def _linear_products(shape: Shape, device: str) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Return states and weights of one layer's linear layers: queries, keys, values, output, feed-forward network."""
    width, kind = SIZES[shape.size][0], DTYPES[shape.precision]
    sizes = [(width, width)] * 4 + [(width, 4 * width), (4 * width, width)]
    drawn = [(torch.randn(LENGTH, taken), torch.randn(given, taken)) for taken, given in sizes]
    return [(states.to(device, kind), weights.to(device, kind)) for states, weights in drawn]


def _linear_flops(shape: Shape) -> float:
    return 2.0 * LENGTH * shape.layers * 12 * SIZES[shape.size][0] ** 2


def _attention_flops(pair: Pair, shape: Shape) -> float:
    """Return the operations of scores and values: those of the tiles, which is what is computed."""
    layout = Layout.of_lengths([LENGTH], torch.device("cpu"))
    pattern = getattr(pair.ours.model.layers[0].attention, "pattern", Whole())
    if shape.architecture == "lsg":
        settings = pair.ours.model.config.attention
        layout, pattern = RowsLayout.of(layout, settings), Blocks(settings)
    pairs = 0
    for tile in pattern.tiles(layout):
        keys = tile.keys.size if isinstance(tile.keys, Runs) else tile.keys.shape[1]
        pairs += tile.queries.count * tile.queries.size * keys
    return 4.0 * pairs * SIZES[shape.size][0] * shape.layers


def _shares(pair: Pair, ids: torch.Tensor) -> dict[str, float]:
    """Return the share of each kind of operation in the time of the encoder."""
    activity = torch.profiler.ProfilerActivity
    kinds = [activity.CPU, *([activity.CUDA] if ids.is_cuda else [])]
    with torch.profiler.profile(activities=kinds) as found:
        pair.ours.run(ids)
    sums = dict.fromkeys([*OPERATIONS, "the rest"], 0.0)
    for event in found.key_averages():
        name = event.key.removeprefix("aten::")
        kind = next((kind for kind, words in OPERATIONS.items() if any(word in name for word in words)), "the rest")
        sums[kind] += event.self_device_time_total if ids.is_cuda else event.self_cpu_time_total
    total = sum(sums.values())
    return {kind: value / total for kind, value in sums.items()}
