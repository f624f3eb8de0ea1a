"""Fine-tuning: a token-classification model trained on whole documents."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gonerd.models.checkpoints import checkpoint_name
from gonerd.records import Example, Manifest
from gonerd.training.config import FinetuneConfig
from gonerd.training.fit import Loss, Training, load_model, width_of, write_model
from gonerd.training.losses import hard_loss
from gonerd.training.rows import inputs_of
from gonerd.training.watch import Watch, unwatched

if TYPE_CHECKING:
    import torch


def finetune(
    checkpoint: str | Path,
    out: Path,
    *,
    train: Sequence[Example],
    validation: Sequence[Example],
    config: FinetuneConfig,
    watch: Watch = unwatched,
) -> Manifest:
    """Train a checkpoint on whole documents and write the best state to the folder `out`, which transformers loads.

    A document that is longer than the longest input is windowed, and each of its words is learned from once. A run
    that was interrupted goes on from its last checkpoint to the same weights; a finished one is only looked up.

    Args:
        checkpoint: a token-classification model, or an encoder to give a new head; a folder or a name on the Hub.
        out: where the model goes, with `manifest.json` and `training_log.jsonl`.
        train: documents to learn from.
        validation: documents on which strict F1 decides which state is kept.
        config: the schedule.
        watch: is told how training stands after each step.

    Raises:
        GonerdError: the checkpoint is unusable, a split is empty, the loss is no longer a number, or `out` holds
            something else.
    """
    config = config.settled(width_of(checkpoint))
    training = Training(train, validation, config, watch)

    def start() -> tuple[Any, Any, Loss]:
        return *load_model(checkpoint, training, new_head=True), gold_loss

    run = training.run("finetune", checkpoint, settings={**config.settings(), "base": checkpoint_name(checkpoint)})
    return write_model(out, run, training=training, start=start)


def gold_loss(model: Any, batch: dict[str, torch.Tensor], weights: torch.Tensor | None = None) -> torch.Tensor:
    """Return the mean cross-entropy of a model's answers against the batch's gold."""
    return hard_loss(model(**inputs_of(batch)).logits, batch["labels"], weights=weights)
