"""The machinery that all training shares: transformers' Trainer with a loss and a validation given."""

from __future__ import annotations

import math
import os
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gonerd.errors import GonerdError
from gonerd.formats import jsonl
from gonerd.models.batches import free_memory
from gonerd.models.device import choose_device
from gonerd.models.share import launched_share
from gonerd.store import read_json, write_json
from gonerd.training.config import Schedule
from gonerd.training.depth import freeze, parameter_groups
from gonerd.training.rows import only
from gonerd.training.watch import Pace, Standing, Watch

if TYPE_CHECKING:
    import torch

CHECKPOINTS = "checkpoints"
LOG = "training_log.jsonl"
STATE = "trainer_state.json"  # in a checkpoint


@dataclass(frozen=True, slots=True)
class Objective:
    """What a training run minimises, and by what it is judged."""

    loss: Callable[[Any, dict[str, torch.Tensor]], torch.Tensor]  # of a model on a batch
    validate: Callable[[Any], dict[str, float]]  # figures of a model
    metric: str = "f1"  # the figure that decides which state is kept; higher is better
    notes: Mapping[str, Any] = field(default_factory=dict)  # the first line of the log


def train(model: Any, batches: Any, work: Path, *, objective: Objective, config: Schedule, watch: Watch) -> None:
    """Train `model` and leave its best state in it; the log goes to `work`.

    Checkpoints lie in `work`, for the caller to remove: the same call on the same folder goes on from the last one,
    and ends in the same weights as an undisturbed run.

    Args:
        model: takes what the objective gives it.
        batches: a map-style dataset whose items are batches.
        work: the folder.
        objective: loss and validation.
        config: the schedule, settled.
        watch: is told how training stands after each step.

    Raises:
        GonerdError: the loss is no longer a number, or more layers are to be frozen than there are.
    """
    freeze(model, config)
    if config.gradient_checkpointing:
        # transformers is renaming it.
        enable = getattr(model, "activation_checkpointing_enable", None) or model.gradient_checkpointing_enable
        enable()
    share = launched_share(config.device)
    last = share.agree(_last_checkpoint(work / CHECKPOINTS) if share.rank == 0 else None)
    trainer = _trainer(model, batches, work, objective=objective, config=config, watch=watch)
    if config.tensorboard is not None and share.rank == 0:
        _add_tensorboard(trainer, config.tensorboard, last)
    if last is not None and _is_over(last, trainer):
        _load_best(trainer, last)
    else:
        trainer.train(resume_from_checkpoint=last)
    first = {
        "step": 0,
        "steps": trainer.state.max_steps,
        "batches": len(batches),
        "trained_parameters": sum(weight.numel() for weight in model.parameters() if weight.requires_grad),
        **objective.notes,
    }
    # How long this process took is left out, and a checkpoint has sorted its keys: a resumed run writes the same log.
    history = [entry for entry in trainer.state.log_history if "train_runtime" not in entry]
    if share.rank == 0:
        jsonl.write(work / LOG, [first, *({"step": entry["step"], **dict(sorted(entry.items()))} for entry in history)])


def _last_checkpoint(folder: Path) -> str | None:
    """Return the newest complete checkpoint, and remove what a kill left half written."""
    complete: dict[int, Path] = {}
    for path in folder.glob("checkpoint-*"):
        if _is_complete(path):
            complete[int(path.name.rpartition("-")[2])] = path
        else:
            shutil.rmtree(path)
    if not complete:
        return None
    last = complete[max(complete)]
    _name_best_here(last)
    return str(last)


def _name_best_here(checkpoint: Path) -> None:
    """Have a checkpoint name the best one where it is now: the Trainer passes over one that was moved."""
    state = read_json(checkpoint / STATE)
    best = state["best_model_checkpoint"]
    here = None if best is None else str(checkpoint.parent / Path(best).name)
    if best != here:
        write_json(checkpoint / STATE, {**state, "best_model_checkpoint": here})


def _is_over(checkpoint: str, trainer: Any) -> bool:
    """Tell whether training ended with this checkpoint: the Trainer, told to go on from it, would take another step."""
    state = read_json(Path(checkpoint) / STATE)
    stopping = state["stateful_callbacks"].get("EarlyStoppingCallback")
    worse = stopping["attributes"]["early_stopping_patience_counter"] if stopping else 0
    limit = stopping["args"]["early_stopping_patience"] if stopping else math.inf
    return bool(state["global_step"] >= trainer.args.max_steps or worse >= limit)


def _load_best(trainer: Any, checkpoint: str) -> None:
    """Load what the Trainer loads at the end of training."""
    from transformers import TrainerState

    trainer.state = TrainerState.load_from_json(str(Path(checkpoint) / STATE))
    trainer.state.max_steps = trainer.args.max_steps
    trainer._load_best_model()


def _is_complete(checkpoint: Path) -> bool:
    """Tell whether a checkpoint was written to its end: the Trainer writes its state last."""
    try:
        return bool(read_json(checkpoint / STATE))
    except GonerdError:
        return False


def _trainer(model: Any, batches: Any, work: Path, *, objective: Objective, config: Schedule, watch: Watch) -> Any:
    from transformers import EarlyStoppingCallback

    callbacks = []
    if config.patience is not None:
        callbacks.append(EarlyStoppingCallback(early_stopping_patience=config.patience))
    trainer = _trainer_class(objective, config)(
        model=model,
        args=_arguments(work / CHECKPOINTS, config, batches=len(batches), metric=objective.metric),
        train_dataset=batches,
        eval_dataset=batches,  # the Trainer wants one; `evaluate` has its own
        data_collator=only,
        callbacks=callbacks,
    )
    _quiet(trainer)
    trainer.add_callback(_reporter(trainer, objective.metric, watch))
    return trainer


def _trainer_class(objective: Objective, config: Schedule) -> Any:
    """Return the Trainer's class with our loss and our validation; everything else is as people know it."""
    from transformers import Trainer

    base: Any = Trainer

    class OurTrainer(base):  # type: ignore[misc]  # its own annotations are narrower than its use
        loss_is_scaled_for_ga = False  # ours is the mean of one batch, whatever the model's signature looks like
        pace: Pace

        def create_optimizer(self, model: Any = None) -> Any:
            """Return the Trainer's own optimizer, over our groups of weights where layers differ."""
            if config.layer_decay == 1.0 or self.optimizer is not None:
                return super().create_optimizer(model)
            decayed = self.get_decay_parameter_names(self.model)
            made, settings = self.get_optimizer_cls_and_kwargs(self.args, self.model)
            self.optimizer: Any = made(parameter_groups(self.model, config, decayed=decayed), **settings)
            return self.optimizer

        def compute_loss(self, model: Any, inputs: Any, *_: Any, **__: Any) -> Any:
            """Return the objective's loss."""
            loss = objective.loss(model, inputs)
            value = loss.item()
            _check_finite(value, step=self.state.global_step + 1, what="the loss")
            self.pace.batch(value, _tokens(inputs))
            return loss

        def log(self, logs: Any, *more: Any, **options: Any) -> None:
            """Log what is a number: the norm of gradients that overflow in fp16, whose step is left out, is none."""
            numbers = {name: value for name, value in logs.items() if math.isfinite(value)}
            super().log(numbers, *more, **options)

        def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
            """Return the objective's figures, as the Trainer expects them."""
            free_memory()  # batches of all sizes leave the heap full of holes: a process would take twice its need
            self.model.eval()
            figures = objective.validate(self.model)
            _check_finite(
                figures[objective.metric], step=self.state.global_step, what=f"validation's {objective.metric}"
            )
            metrics = {f"eval_{name}": value for name, value in figures.items()}
            self.model.train()
            self.log(metrics)
            self.control: Any = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
            return metrics

    return OurTrainer


def _tokens(batch: Mapping[str, torch.Tensor]) -> int:
    """Return the sub-tokens of a batch, padding apart."""
    return int(batch["attention_mask"].sum()) if "attention_mask" in batch else batch["input_ids"].numel()


def _reporter(trainer: Any, metric: str, watch: Watch) -> Any:
    """Return the callback that tells how training stands."""
    from transformers import TrainerCallback

    class Reporter(TrainerCallback):
        """Measures, and reports each step: one that is validated, once that is done."""

        def on_train_begin(self, *_: Any, **__: Any) -> None:
            """Begin to measure."""
            trainer.pace = Pace()

        def on_step_begin(self, *_: Any, **__: Any) -> None:
            """Take what came after the step before, validation and saving, out of the time that counts."""
            if trainer.pace.steps:
                trainer.pace.resting += time.perf_counter() - self.rested

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002 - its signature
            """Report the step."""
            trainer.pace.steps += 1
            self.rested, self.speed = time.perf_counter(), trainer.pace.tokens_per_second()
            if not control.should_evaluate:
                self._report(state, validated=False)

        def on_evaluate(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002 - its signature
            """Report the step with its score."""
            self._report(state, validated=True)

        def _report(self, state: Any, *, validated: bool) -> None:
            scores = [entry[f"eval_{metric}"] for entry in state.log_history if f"eval_{metric}" in entry]
            left = trainer.pace.seconds_left(state.max_steps - state.global_step)
            watch(
                Standing(
                    state.global_step, state.max_steps, validated, trainer.pace.loss, scores[-1] if scores else None,
                    max(scores, default=None), self.speed, left,
                )
            )  # fmt: skip

    return Reporter()


def _add_tensorboard(trainer: Any, folder: Path, last: str | None) -> None:
    """Have the Trainer's own callback write logs; what it wrote beyond the last checkpoint counts no more."""
    from torch.utils.tensorboard import SummaryWriter
    from transformers import integrations

    callback: Any = integrations
    step = int(last.rpartition("-")[2]) + 1 if last else None
    trainer.add_callback(callback.TensorBoardCallback(SummaryWriter(str(folder), purge_step=step)))


def _quiet(trainer: Any) -> None:
    """Take away what prints: the library reports through `watch` and the log alone."""
    from transformers import PrinterCallback, ProgressCallback

    for printing in (PrinterCallback, ProgressCallback):
        trainer.remove_callback(printing)


def _check_finite(value: float, *, step: int, what: str) -> None:
    if not math.isfinite(value):
        raise GonerdError(
            f"{what} is {value} at step {step}",
            remedy="Lower the learning rate, or use fp32; the last checkpoint is kept",
        )


def _arguments(folder: Path, config: Schedule, *, batches: int, metric: str) -> Any:
    from transformers import TrainingArguments

    device = choose_device(config.device)
    if config.precision == "fp16" and device == "cpu":
        raise GonerdError("fp16 needs CUDA", remedy="Use --precision bf16 or fp32")
    launched = os.environ.get("ACCELERATE_MIXED_PRECISION", "no")  # the Trainer would take it where fp32 is asked for
    if launched not in ("no", config.precision):
        raise GonerdError(
            f"accelerate was launched for {launched}, and the precision is {config.precision}",
            remedy=f"Give --precision {launched}, or launch with --mixed_precision no",
        )
    steps = config.steps(batches, processes=launched_share(config.device).size)
    every = math.ceil(steps / config.evaluations)
    # A resumed run logs the mean loss of the steps since its checkpoint: both logs are the same if it logged there.
    logged = max(number for number in range(1, max(1, steps // 50) + 1) if every % number == 0)
    arguments = TrainingArguments(
        output_dir=str(folder),
        max_steps=steps,
        per_device_train_batch_size=1,  # an item is a batch of many pieces
        gradient_accumulation_steps=config.accumulate,
        learning_rate=config.learning_rate or 0.0,
        warmup_steps=math.ceil(steps * config.warmup_share),
        weight_decay=config.weight_decay,
        lr_scheduler_type="linear",
        max_grad_norm=1.0,
        bf16=config.precision == "bf16",
        fp16=config.precision == "fp16",
        use_cpu=device == "cpu",
        seed=config.seed,
        data_seed=config.seed,
        eval_strategy="steps",
        save_strategy="steps",
        eval_steps=every,
        save_steps=every,
        save_total_limit=2,
        load_best_model_at_end=True,
        metric_for_best_model=metric,
        greater_is_better=True,
        restore_callback_states_from_checkpoint=True,
        logging_steps=logged,
        logging_nan_inf_filter=False,
        remove_unused_columns=False,
        label_names=["labels"],
        report_to=[],
        disable_tqdm=True,
    )
    # Of several GPUs that are not launched one computes: transformers would scatter several items, each a whole batch.
    arguments._n_gpu = min(1, arguments.n_gpu)
    return arguments
