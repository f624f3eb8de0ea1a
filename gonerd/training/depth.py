"""How deep each weight lies: what is frozen, and how fast the rest learns."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection
from typing import Any

from gonerd.errors import GonerdError
from gonerd.training.config import Schedule

# As they are called in transformers and in our encoder: BERT and Llama, GPT-2 and BLOOM, T5, whose blocks hold layers.
_LAYER = re.compile(r"(?:^|\.)(?:layers?|h|block)\.(\d+)\.")
_EMBEDDINGS = re.compile(r"(?:^|\.)(?:\w*emb\w*|wte|wpe|shared|global_rows)(?:\.|$)")


def depth_of(name: str, layers: int) -> int:
    """Return how many layers a weight lies above the embeddings: 0 for these, `layers` + 1 for a head."""
    if match := _LAYER.search(name):
        return int(match[1]) + 1
    return 0 if _EMBEDDINGS.search(name) else layers + 1


def freeze(model: Any, config: Schedule) -> None:
    """Keep embeddings and lowest layers as they are.

    Raises:
        GonerdError: there are not so many layers, or the names of the weights do not tell where they lie.
    """
    layers = model.config.num_hidden_layers
    if config.freeze_layers > layers:
        raise GonerdError(f"{config.freeze_layers} layers to freeze, of {layers}", remedy="Set freeze-layers to fewer")
    _check_depths({depth_of(name, layers) for name, _ in model.named_parameters()}, layers, config)
    if not (config.freeze_layers or config.freeze_embeddings):
        return
    for name, weight in model.named_parameters():
        if depth_of(name, layers) <= config.freeze_layers:
            weight.requires_grad_(requires_grad=False)


def _check_depths(found: Collection[int], layers: int, config: Schedule) -> None:
    """Raise where an option asks for what no weight is known to be: it would do nothing, and say nothing."""
    by_layer = config.freeze_layers > 0 or config.layer_decay != 1.0
    asked = {0, *range(1, layers + 1)} if by_layer else {0} if config.freeze_embeddings else set()
    if not asked <= set(found):
        raise GonerdError(
            "the names of its weights do not tell its embeddings and layers apart",
            remedy="Train it without freeze-layers, freeze-embeddings and layer-decay",
        )


def parameter_groups(model: Any, config: Schedule, *, decayed: Collection[str]) -> list[dict[str, Any]]:
    """Return the weights that are trained in groups of one learning rate and one weight decay, the head first: the
    learning rate that the Trainer logs is that of the first.

    Args:
        model: the model.
        config: learning rate of the head, and its fall from layer to layer (Howard and Ruder 2018, section 3.2).
        decayed: names of the weights that decay.
    """
    layers = model.config.num_hidden_layers
    groups: defaultdict[tuple[int, bool], list[Any]] = defaultdict(list)
    for name, weight in model.named_parameters():
        if weight.requires_grad:
            groups[depth_of(name, layers), name in decayed].append(weight)
    return [
        {
            "params": weights,
            "lr": (config.learning_rate or 0.0) * config.layer_decay ** (layers + 1 - depth),
            "weight_decay": config.weight_decay if decays else 0.0,
        }
        for (depth, decays), weights in sorted(groups.items(), key=lambda item: item[0], reverse=True)
    ]
