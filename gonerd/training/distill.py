"""Distillation: a student with fewer layers learns from its teacher's answers, its hidden states, and gold.

The recipe is DistilBERT's (Sanh, Debut, Chaumond and Wolf 2019): layers of the teacher to start from, softened answers,
the cosine of the last hidden states, and the task's own loss.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gonerd.errors import GonerdError
from gonerd.models.checkpoints import checkpoint_name
from gonerd.records import Example, Manifest
from gonerd.training.config import DistillConfig
from gonerd.training.fit import Loss, Training, is_packed, load_model, width_of, write_model
from gonerd.training.losses import IGNORED, cosine_loss, hard_loss, soft_loss
from gonerd.training.rows import inputs_of
from gonerd.training.watch import Watch, unwatched

if TYPE_CHECKING:
    import torch

__all__ = ["DistillConfig", "choose_layers", "distill", "distillation_loss", "make_student"]

_LAYER = re.compile(r"^(.*?\blayers?\.)(\d+)(\..*)$")


def distill(
    teacher: str | Path,
    out: Path,
    *,
    train: Sequence[Example],
    validation: Sequence[Example],
    config: DistillConfig,
    watch: Watch = unwatched,
) -> Manifest:
    """Distill a teacher into a student with fewer layers and write its best state to the folder `out`.

    Resuming, windows and validation are as in `finetune`.

    Args:
        teacher: a token-classification model; a folder or a name on the Hub.
        out: where the student goes, with `manifest.json` and `training_log.jsonl`.
        train: documents to learn from.
        validation: documents on which strict F1 decides which state is kept.
        config: layers, losses, schedule.
        watch: is told how training stands after each step.

    Raises:
        GonerdError: as `finetune`; or the student can not have that many layers.
    """
    config = config.settled(width_of(teacher))
    training = Training(train, validation, config, watch)

    def start() -> tuple[Any, Any, Loss]:
        model, tokenizer = load_model(teacher, training, new_head=False)
        student = make_student(model, layers=config.layers)
        return student, tokenizer, distillation_loss(model, config)

    settings = {**config.settings(), "teacher": checkpoint_name(teacher)}
    return write_model(out, training.run("distill", teacher, settings=settings), training=training, start=start)


def choose_layers(teacher_layers: int, layers: int | None) -> list[int]:
    """Return which of the teacher's layers the student starts from, evenly spread from the first.

    Raises:
        GonerdError: there are not that many.
    """
    count = max(1, teacher_layers // 2) if layers is None else layers
    if not 1 <= count <= teacher_layers:
        raise GonerdError(f"a teacher of {teacher_layers} layers has no student of {count}")
    return [number * teacher_layers // count for number in range(count)]


def make_student(teacher: Any, *, layers: int | None = None) -> Any:
    """Return a model like the teacher with fewer layers, which are copies of the teacher's, as is all around them.

    The teacher is a model of transformers, or an encoder (`Trainable`); so is the student.

    Raises:
        GonerdError: the student can not have that many layers, or the architecture does not number its layers.
    """
    import copy

    from transformers import AutoModelForTokenClassification

    total = teacher.config.num_hidden_layers
    chosen = choose_layers(total, layers)
    config = copy.deepcopy(teacher.config)
    for name, value in vars(teacher.config).items():
        if isinstance(value, list) and len(value) == total:  # one entry a layer: windows, kinds of attention
            setattr(config, name, [value[number] for number in chosen])
    config.num_hidden_layers = len(chosen)
    if is_packed(teacher):
        return teacher.with_layers(chosen, config)
    build: Any = AutoModelForTokenClassification.from_config
    student = build(config)
    weights = teacher.state_dict()
    origins = {name: _teacher_name(name, chosen) for name in student.state_dict()}
    if any(_LAYER.match(name) is None for name in weights.keys() - origins.values()):
        raise GonerdError(f"which layer a weight of a {config.model_type} model is of can not be told from its name")
    student.load_state_dict({name: weights[origin] for name, origin in origins.items()})
    return student


def _teacher_name(name: str, chosen: list[int]) -> str:
    """Return the name of the teacher's weight that a student's weight starts from."""
    match = _LAYER.match(name)
    return name if match is None else f"{match[1]}{chosen[int(match[2])]}{match[3]}"


def distillation_loss(teacher: Any, config: DistillConfig) -> Loss:
    """Return the weighted sum of the losses against a teacher; words decide, hidden states count everywhere."""
    import torch

    teacher.eval().requires_grad_(requires_grad=False)

    def loss(student: Any, batch: dict[str, torch.Tensor], weights: torch.Tensor | None = None) -> torch.Tensor:
        inputs = inputs_of(batch)
        teacher.to(batch["input_ids"].device)
        with torch.no_grad():
            theirs = teacher(**inputs, output_hidden_states=True)
        ours = student(**inputs, output_hidden_states=True)
        words = batch["labels"] != IGNORED
        text = batch["attention_mask"].bool() if "attention_mask" in batch else torch.ones_like(words)  # nothing pads
        soft = soft_loss(ours.logits[words], theirs.logits[words], temperature=config.temperature)
        cosine = cosine_loss(ours.hidden_states[-1][text], theirs.hidden_states[-1][text])
        hard = hard_loss(ours.logits, batch["labels"], weights=weights)
        return config.soft_weight * soft + config.hard_weight * hard + config.cosine_weight * cosine

    return loss
