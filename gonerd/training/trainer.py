"""The machinery that fine-tuning and distillation share: transformers' Trainer with a loss and a validation given."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gonerd.errors import GonerdError
from gonerd.formats import jsonl
from gonerd.models.tagging import choose_device
from gonerd.records import Progress
from gonerd.store import read_json
from gonerd.training.config import FinetuneConfig
from gonerd.training.rows import TokenBatches, only

if TYPE_CHECKING:
    import torch

CHECKPOINTS = "checkpoints"
LOG = "training_log.jsonl"


@dataclass(frozen=True, slots=True)
class Objective:
    """What a training run minimises, and by what it is judged."""

    loss: Callable[[Any, dict[str, torch.Tensor]], torch.Tensor]  # of a model on a batch
    validate: Callable[[Any], dict[str, float]]  # figures of a model; `f1` decides which state is kept


def train(
    model: Any, batches: TokenBatches, work: Path, *, objective: Objective, config: FinetuneConfig, progress: Progress
) -> None:
    """Train `model` and leave its best state in it; the log goes to `work`.

    Checkpoints lie in `work`, for the caller to remove: the same call on the same folder goes on from the last one,
    and ends in the same weights as an undisturbed run.

    Raises:
        GonerdError: the loss is no longer a number.
    """
    trainer = _trainer(model, batches, work, objective=objective, config=config, progress=progress)
    trainer.train(resume_from_checkpoint=_last_checkpoint(work / CHECKPOINTS))
    jsonl.write(work / LOG, trainer.state.log_history)


def _last_checkpoint(folder: Path) -> str | None:
    """Return the newest complete checkpoint, and remove what a kill left half written."""
    complete: dict[int, Path] = {}
    for path in folder.glob("checkpoint-*"):
        if _is_complete(path):
            complete[int(path.name.rpartition("-")[2])] = path
        else:
            shutil.rmtree(path)
    return str(complete[max(complete)]) if complete else None


def _is_complete(checkpoint: Path) -> bool:
    """Tell whether a checkpoint was written to its end: the Trainer writes its state last."""
    try:
        return bool(read_json(checkpoint / "trainer_state.json"))
    except GonerdError:
        return False


def _trainer(
    model: Any, batches: TokenBatches, work: Path, *, objective: Objective, config: FinetuneConfig, progress: Progress
) -> Any:
    from transformers import EarlyStoppingCallback, TrainerCallback

    class Report(TrainerCallback):
        """Tells how far training is."""

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002 - its signature
            """Report the step."""
            progress(state.global_step, state.max_steps)

    callbacks: list[TrainerCallback] = [Report()]
    if config.patience is not None:
        callbacks.append(EarlyStoppingCallback(early_stopping_patience=config.patience))
    trainer = _word_trainer(objective)(
        model=model,
        args=_arguments(work / CHECKPOINTS, config, steps=_steps(config, len(batches))),
        train_dataset=batches,
        eval_dataset=batches,  # the Trainer wants one; `evaluate` has its own
        data_collator=only,
        callbacks=callbacks,
    )
    _quiet(trainer)
    return trainer


def _word_trainer(objective: Objective) -> Any:
    """Return the Trainer's class with our loss and our validation; everything else is as people know it."""
    from transformers import Trainer

    base: Any = Trainer

    class WordTrainer(base):  # type: ignore[misc]  # its own annotations are narrower than its use
        def compute_loss(self, model: Any, inputs: Any, *_: Any, **__: Any) -> Any:
            """Return the objective's loss."""
            loss = objective.loss(model, inputs)
            _check_finite(loss, step=self.state.global_step)
            return loss

        def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
            """Return the objective's figures, as the Trainer expects them."""
            self.model.eval()
            metrics = {f"eval_{name}": value for name, value in objective.validate(self.model).items()}
            self.model.train()
            self.log(metrics)
            self.control: Any = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
            return metrics

    return WordTrainer


def _quiet(trainer: Any) -> None:
    """Take away what prints: the library reports through `progress` and the log alone."""
    from transformers import PrinterCallback, ProgressCallback

    for printing in (PrinterCallback, ProgressCallback):
        trainer.remove_callback(printing)


def _check_finite(loss: torch.Tensor, *, step: int) -> None:
    if not bool(loss.isfinite()):
        raise GonerdError(
            f"the loss is {loss.item()} at step {step + 1}",
            remedy="Lower the learning rate, or use fp32; the last checkpoint is kept",
        )


def _steps(config: FinetuneConfig, batches: int) -> int:
    return config.max_steps or max(1, math.ceil(config.epochs * batches))


def _arguments(folder: Path, config: FinetuneConfig, *, steps: int) -> Any:
    from transformers import TrainingArguments

    every = math.ceil(steps / config.evaluations)
    return TrainingArguments(
        output_dir=str(folder),
        max_steps=steps,
        per_device_train_batch_size=1,  # an item is a batch of many pieces
        learning_rate=config.learning_rate,
        warmup_steps=math.ceil(steps * config.warmup_share),
        weight_decay=config.weight_decay,
        lr_scheduler_type="linear",
        max_grad_norm=1.0,
        bf16=config.precision == "bf16",
        use_cpu=choose_device(config.device) == "cpu",
        seed=config.seed,
        data_seed=config.seed,
        eval_strategy="steps",
        save_strategy="steps",
        eval_steps=every,
        save_steps=every,
        save_total_limit=2,
        load_best_model_at_end=True,
        metric_for_best_model="f1",
        greater_is_better=True,
        restore_callback_states_from_checkpoint=True,
        logging_steps=max(1, steps // 50),
        logging_nan_inf_filter=False,
        remove_unused_columns=False,
        label_names=["labels"],
        report_to=[],
        disable_tqdm=True,
    )
