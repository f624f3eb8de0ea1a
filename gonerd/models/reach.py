"""How much a model sees at once, and the windows that follow from it."""

from __future__ import annotations

import contextlib
from typing import Any

from gonerd.errors import GonerdError
from gonerd.models.encode import Reach

# Their positions are counted from the padding index on, so the first rows of the table are never used.
POSITIONS_AFTER_PADDING = {"camembert", "data2vec-text", "esm", "ibert", "longformer", "luke", "mpnet", "roberta"}
POSITIONS_AFTER_PADDING |= {"roberta-prelayernorm", "xlm-roberta", "xlm-roberta-xl", "xmod"}
SHORTEST_LOCAL = 512  # shorter inputs are hardly faster, and share more
UNLIMITED = 1_000_000  # a tokenizer without a limit says a number beyond this


def reach_tokens(config: Any, tokenizer: Any) -> int | None:
    """Return the longest input in sub-tokens, special tokens included, or None where there is no limit.

    Raises:
        GonerdError: positions are counted from a padding token that it has not.
    """
    limits = []
    positions = None
    with contextlib.suppress(NotImplementedError):  # XLNet's has the setting, and says in this way that there is none
        positions = getattr(config, "max_position_embeddings", None)
    if isinstance(positions, int) and positions > 0:
        limits.append(positions - _unused(config))
    if tokenizer.model_max_length < UNLIMITED:
        limits.append(tokenizer.model_max_length)
    return min(limits, default=None)


def _unused(config: Any) -> int:
    """Return how many positions no token ever has."""
    if config.model_type not in POSITIONS_AFTER_PADDING:
        return 0
    if config.pad_token_id is None:
        raise GonerdError("a checkpoint without a padding token, from which its positions are counted")
    return int(config.pad_token_id) + 1


def local_length(config: Any) -> int | None:
    """Return the input, in sub-tokens, whose windows give a model of local attention alone its full-length tags.

    None for a model with another attention, or whose positions are absolute. Windows share a quarter and meet in its
    middle, so an eighth is to cover what the layers see to one side: half a window each. It is a power of two.
    """
    if config.model_type != "modernbert" or set(config.layer_types) != {"sliding_attention"}:
        return None
    seen = config.num_hidden_layers * (config.local_attention // 2)
    length = SHORTEST_LOCAL
    while length // 8 < seen:
        length *= 2
    return length


def window_reach(model: Any, tokenizer: Any, *, stride: int | None, max_length: int | None = None) -> Reach:
    """Return the windows to use: the model's reach, or less; `stride` sub-tokens are shared, or else a quarter."""
    limit = reach_tokens(model.config, tokenizer) or UNLIMITED
    size = min(limit, max_length or limit)
    return Reach(size, size // 4 if stride is None else stride)
