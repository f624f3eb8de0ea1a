"""How a model is trained: the one home of the defaults."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from gonerd.errors import GonerdError
from gonerd.models.tagging import Device, Precision


@dataclass(frozen=True, slots=True, kw_only=True)
class FinetuneConfig:
    """How a model is trained on whole documents."""

    epochs: float = 3.0
    """Passes over the training documents."""
    max_steps: int | None = None
    """Batches to train on, in place of epochs."""
    learning_rate: float = 5e-5
    """Highest learning rate (AdamW); it rises in the warm-up and then falls linearly to zero."""
    warmup_share: float = 0.1
    """Share of the steps in which the learning rate rises."""
    weight_decay: float = 0.01
    """Decoupled weight decay."""
    batch_tokens: int = 4096
    """Sub-tokens in a batch, padding included; a longer document is a batch of its own."""
    max_length: int | None = None
    """Longest input in sub-tokens, special tokens included; the model's reach if not given. Longer documents are
    windowed, in training and validation, as in prediction."""
    stride: int | None = None
    """Sub-tokens that neighbouring windows share; a quarter of the longest input if not given."""
    backend: Literal["auto", "encoder", "transformers"] = "auto"
    """What computes: gonerd's encoder packs whole documents without padding; transformers pads them. auto takes the
    encoder for every checkpoint it knows."""
    attention_dropout: float = 0.0
    """Dropout of the encoder's attention weights. Above 0 it keeps torch from its fused attention, which takes several
    times as long; transformers has the checkpoint's own."""
    precision: Precision = "fp32"
    """Of the matrix products."""
    device: Device = "auto"
    """Where to compute; auto takes CUDA where there is one."""
    evaluations: int = 4
    """How often the model is validated (strict F1) and saved in the course of training; the best state is kept."""
    patience: int | None = None
    """Stop after this many validations without a better F1."""
    seed: int = 0
    """Of the order of the batches, dropout and a new head."""
    scheme: str = "gonerd"
    """Label scheme, by its name in annotation_guidelines/."""

    def __post_init__(self) -> None:
        for name in ("epochs", "learning_rate", "batch_tokens", "evaluations"):
            if getattr(self, name) <= 0:
                raise GonerdError(f"{name} is {getattr(self, name)}", remedy="It must be above 0")
        if self.max_steps is not None and self.max_steps < 1:
            raise GonerdError(f"max_steps is {self.max_steps}", remedy="It must be 1 or more")
        for name in ("warmup_share", "attention_dropout"):
            if not 0 <= getattr(self, name) < 1:
                raise GonerdError(f"{name} is {getattr(self, name)}", remedy="It must be at least 0 and below 1")


@dataclass(frozen=True, slots=True, kw_only=True)
class DistillConfig(FinetuneConfig):
    """How a student is distilled; the schedule is that of any training."""

    layers: int | None = None
    """Layers of the student; half of the teacher's if not given. It starts from as many of the teacher's, evenly spread
    from the first (0, 2, 4, …)."""
    temperature: float = 2.0
    """Softens both distributions before they are compared."""
    soft_weight: float = 5.0
    """Weight of the teacher's softened answers, with the square of the temperature."""
    hard_weight: float = 2.0
    """Weight of gold."""
    cosine_weight: float = 1.0
    """Weight of the direction of the last hidden states."""

    def __post_init__(self) -> None:
        FinetuneConfig.__post_init__(self)
        if self.temperature <= 0:
            raise GonerdError(f"temperature is {self.temperature}", remedy="It must be above 0")
        weights = (self.soft_weight, self.hard_weight, self.cosine_weight)
        if min(weights) < 0 or sum(weights) == 0:
            raise GonerdError(f"the weights of the losses are {weights}", remedy="None below 0, not all 0")
