"""How many operations a model needs for a sub-token, by formula: what no implementation of it can do without.

A matrix product of an (m, k) with a (k, n) matrix is 2 m k n operations. Per sub-token and layer an encoder of width d
and feed-forward width f needs 8 d² for its four projections, 4 d f for the feed-forward block (6 d f where it is gated)
and 4 d n for n keys attended: scores, and the sum of values. Embeddings are looked up, and normalisation, softmax and
activation are left out: less than a hundredth (Hoffmann et al. 2022, appendix F, count alike).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gonerd.errors import GonerdError

Keys = Callable[[int], float]
"""From a document's length in sub-tokens to how many keys a query of it sees, on average."""


@dataclass(frozen=True, slots=True)
class EncoderShape:
    """What the formula needs of an encoder."""

    width: int
    intermediate: int
    keys: tuple[Keys, ...]  # one a layer
    gated: bool = False
    outputs: int = 0  # of the head
    convolution: int = 0  # taps of a depthwise convolution over the values, in every layer

    def flops_per_token(self, length: int) -> float:
        """Return the operations for one sub-token of a document of `length` sub-tokens."""
        d, f = self.width, self.intermediate
        dense = 8 * d * d + (6 if self.gated else 4) * d * f + 2 * d * self.convolution
        attention = sum(4 * d * keys(length) for keys in self.keys)
        return len(self.keys) * dense + attention + 2 * d * self.outputs


def full(length: int) -> float:
    """Return the keys of full attention: all."""
    return float(length)


def within(left: int, right: int) -> Keys:
    """Return the keys of a window of so many sub-tokens on either side, the query itself between them."""

    def keys(length: int) -> float:
        # The first and last queries see less: min(left, i) on the left of query i, and so on the right.
        return 1 + _reached(left, length) + _reached(right, length)

    return keys


def _reached(side: int, length: int) -> float:
    """Return the mean of min(side, i) over i from 0 to length - 1."""
    if not length:
        return 0.0
    side = min(side, length)
    return (side * (side - 1) / 2 + side * (length - side)) / length


def up_to(limit: int) -> Keys:
    """Return the keys of a pattern that sees so many, or all of a shorter document."""
    return lambda length: float(min(length, limit))


def shape_of(config: Any) -> EncoderShape:
    """Return the shape that a transformers configuration describes.

    Raises:
        GonerdError: it is of an architecture whose attention is not known here.
    """
    kind = config.model_type
    if kind not in _KEYS:
        raise GonerdError(f"no formula for the architecture {kind!r}", remedy=f"Known: {', '.join(sorted(_KEYS))}")
    width = getattr(config, "hidden_size", None) or config.dim
    return EncoderShape(
        width=width,
        intermediate=getattr(config, "intermediate_size", None) or config.hidden_dim,
        keys=_KEYS[kind](config),
        gated=kind == "modernbert",
        outputs=len(config.id2label),
        convolution=getattr(config, "conv_kernel_size", None) or 0 if kind == "nystromformer" else 0,
    )


def _layers(config: Any) -> int:
    return int(getattr(config, "num_hidden_layers", None) or config.n_layers)


def _full(config: Any) -> tuple[Keys, ...]:
    lsg = getattr(config, "sparsity_type", None)
    return (full if lsg is None else _lsg(config),) * _layers(config)


def _lsg(config: Any) -> Keys:
    """Three blocks of neighbours, the pooled keys on both sides of them, and the global ones."""
    sparse = 2 * config.sparse_block_size if config.sparsity_factor and config.sparse_block_size else 0
    return up_to(3 * config.block_size + sparse + config.num_global_tokens)


def _longformer(config: Any) -> tuple[Keys, ...]:
    windows = config.attention_window
    chosen = windows if isinstance(windows, list) else [windows] * _layers(config)
    return tuple(within(window // 2, window // 2) for window in chosen)


def _big_bird(config: Any) -> tuple[Keys, ...]:
    """Three blocks of neighbours, the first and last, and the random ones; these two, and short documents, see all."""
    if config.attention_type == "original_full":
        return (full,) * _layers(config)
    blocks, size = 5 + config.num_random_blocks, config.block_size
    short = (5 + 2 * config.num_random_blocks) * size

    def keys(length: int) -> float:
        # The second block and the last but one are neighbours of a block that all see anyway: one less.
        inner = (length - 2 * size) * blocks * size - 2 * size * size
        return float(length if length <= short else 2 * size + inner / length)

    return (keys,) * _layers(config)


def _nystromformer(config: Any) -> tuple[Keys, ...]:
    """Published checkpoints have as many landmarks as segments, and see everything."""
    if config.segment_means_seq_len == config.num_landmarks:
        return (full,) * _layers(config)
    # Queries against landmarks, landmarks against keys, and the product of the two: each once the landmarks a token.
    landmarks = config.num_landmarks
    return (lambda length: float(min(length, 2 * landmarks)),) * _layers(config)


def _modernbert(config: Any) -> tuple[Keys, ...]:
    side = config.local_attention // 2
    return tuple(within(side, side) if kind == "sliding_attention" else full for kind in config.layer_types)


_KEYS: dict[str, Callable[[Any], tuple[Keys, ...]]] = {
    "bert": _full,
    "big_bird": _big_bird,
    "camembert": _full,
    "distilbert": _full,
    "longformer": _longformer,
    "modernbert": _modernbert,
    "nystromformer": _nystromformer,
    "roberta": _full,
    "xlm-roberta": _full,
}
