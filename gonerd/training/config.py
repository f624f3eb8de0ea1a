"""How a model is trained: the one home of the defaults."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypeVar

from gonerd.errors import GonerdError
from gonerd.models.device import Device
from gonerd.models.share import launched_share

TrainingPrecision = Literal["fp32", "bf16", "fp16"]


ClassWeights = Literal["none", "balanced", "inverse-sqrt"]
Settled = TypeVar("Settled", bound="Schedule")


@dataclass(frozen=True, slots=True)
class Usual:
    """What is usual for models from some width of their hidden states on."""

    width: int
    learning_rate: float
    epochs: float


USUAL = (Usual(1024, 2e-5, 5), Usual(768, 5e-5, 5), Usual(384, 3e-4, 10), Usual(0, 1e-3, 10))


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """How long, how fast and on what a model is trained."""

    epochs: float | None = None
    """Passes over the training documents; if not given, 5 for models of width 768 or more, 10 for smaller ones."""
    max_steps: int | None = None
    """Steps to train for, in place of epochs."""
    learning_rate: float | None = None
    """Highest learning rate (AdamW); it rises in the warm-up and then falls linearly to zero. If not given: 2e-5 from
    width 1,024 on, 5e-5 from 768, 3e-4 from 384, 1e-3 below."""
    warmup_share: float = 0.1
    """Share of the steps in which the learning rate rises."""
    weight_decay: float = 0.01
    """Decoupled weight decay."""
    layer_decay: float = 1.0
    """Factor by which the learning rate falls from each layer to the one below, embeddings lowest; 1: it does not."""
    freeze_layers: int = 0
    """Lowest layers that keep their weights, and the embeddings with them."""
    freeze_embeddings: bool = False
    """Keep the weights of the embeddings."""
    batch_tokens: int = 4096
    """Sub-tokens in a batch, padding included; a longer document is a batch of its own."""
    accumulate: int = 1
    """Batches in a step: their gradients are averaged, each batch counting the same. Under accelerate every process
    takes so many."""
    gradient_checkpointing: bool = False
    """Compute the layers' states a second time in place of keeping them: less memory, a third more time."""
    max_length: int | None = None
    """Longest input in sub-tokens, special tokens included; the model's reach if not given. Longer documents are read
    in windows, in training and validation."""
    attention_dropout: float = 0.0
    """Dropout of the encoder's attention weights. Above 0 it keeps torch from its fused attention, which takes several
    times as long; transformers has the checkpoint's own."""
    precision: TrainingPrecision = "fp32"
    """Of the matrix products; fp16 needs CUDA, and validates in fp32."""
    device: Device = "auto"
    """Where to compute; auto takes CUDA where there is one."""
    evaluations: int = 4
    """How often the model is validated and saved in the course of training; the best state is kept."""
    patience: int | None = None
    """Stop after this many validations without a better one; at most two fewer than there are."""
    tensorboard: Path | None = None
    """Folder for TensorBoard's logs: losses, validations, learning rate; none are written if not given. Of several
    seeds each has a folder of its own in it."""
    seed: int = 0
    """Of the order of the batches, dropout and a new head."""

    def __post_init__(self) -> None:
        for name in ("epochs", "learning_rate", "batch_tokens", "evaluations", "layer_decay", "accumulate"):
            value = getattr(self, name)
            if value is not None and not 0 < value < math.inf:
                raise GonerdError(f"{name} is {value}", remedy="It must be a number above 0")
        for name in ("max_steps", "max_length", "patience"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise GonerdError(f"{name} is {value}", remedy="It must be 1 or more")
        if self.patience is not None and self.patience > self.evaluations - 2:
            raise GonerdError(
                f"patience is {self.patience} and evaluations is {self.evaluations}: it would never stop early",
                remedy=f"Set evaluations to {self.patience + 2} or more",
            )
        if self.layer_decay > 1:
            raise GonerdError(f"layer_decay is {self.layer_decay}", remedy="It must be at most 1")
        for name in ("freeze_layers", "weight_decay"):
            if not 0 <= getattr(self, name) < math.inf:
                raise GonerdError(f"{name} is {getattr(self, name)}", remedy="It must be a number of 0 or more")
        if not 0 <= self.seed < 2**32:
            raise GonerdError(f"seed is {self.seed}", remedy="It must be from 0 to 4294967295")
        for name in ("warmup_share", "attention_dropout"):
            if not 0 <= getattr(self, name) < 1:
                raise GonerdError(f"{name} is {getattr(self, name)}", remedy="It must be at least 0 and below 1")

    def settled(self: Settled, width: int) -> Settled:
        """Return the configuration with what is usual for a model of that width where nothing was chosen."""
        usual = next(row for row in USUAL if width >= row.width)
        return replace(
            self,
            learning_rate=usual.learning_rate if self.learning_rate is None else self.learning_rate,
            epochs=usual.epochs if self.epochs is None else self.epochs,
        )

    def settings(self) -> dict[str, Any]:
        """Return all that can change the outcome; the number of processes too, where there are several."""
        processes = launched_share(self.device).size
        more = {"processes": processes} if processes > 1 else {}
        return {name: value for name, value in asdict(self).items() if name != "tensorboard"} | more

    def steps(self, batches: int, *, processes: int = 1) -> int:
        """Return the number of steps of the whole training, with so many batches in an epoch."""
        if self.max_steps is not None:
            return self.max_steps
        if self.epochs is None:
            raise RuntimeError("the configuration is not settled")
        return max(1, math.ceil(self.epochs * math.ceil(batches / (self.accumulate * processes))))


@dataclass(frozen=True, slots=True, kw_only=True)
class FinetuneConfig(Schedule):
    """How a model is trained on whole documents; strict F1 on validation decides which state is kept."""

    stride: int | None = None
    """Sub-tokens that neighbouring windows share at least; a quarter of the longest input if not given."""
    class_weights: ClassWeights = "none"
    """How much more rare tags count in the loss: balanced by the inverse of their number, inverse-sqrt by that of its
    root; a word counts 1 on average."""
    backend: Literal["auto", "encoder", "transformers"] = "auto"
    """What computes: gonerd's encoder packs whole documents without padding; transformers pads them. auto takes the
    encoder for every checkpoint it knows."""
    scheme: str = "gonerd"
    """Label scheme, by its name in annotation_guidelines/."""

    def __post_init__(self) -> None:
        Schedule.__post_init__(self)
        if self.stride is not None and self.stride < 0:
            raise GonerdError(f"stride is {self.stride}", remedy="It must be 0 or more")


@dataclass(frozen=True, slots=True, kw_only=True)
class AdaptConfig(Schedule):
    """How an encoder is adapted to texts; the log-likelihood of masked sub-tokens of held-out documents decides."""

    epochs: float | None = 1.0
    """Passes over the texts."""
    masked_share: float = 0.15
    """Share of the sub-tokens to guess; of these 80 % are masked, 10 % are others, 10 % stay (Devlin et al. 2019)."""
    held_out_tokens: int = 50_000
    """Sub-tokens of the whole documents, drawn by the seed, that are held out for validation; at least one document."""

    def __post_init__(self) -> None:
        Schedule.__post_init__(self)
        if not 0 < self.masked_share < 1:
            raise GonerdError(f"masked_share is {self.masked_share}", remedy="It must be above 0 and below 1")


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
        if not 0 < self.temperature < math.inf:
            raise GonerdError(f"temperature is {self.temperature}", remedy="It must be a number above 0")
        weights = (self.soft_weight, self.hard_weight, self.cosine_weight)
        if not (all(0 <= weight < math.inf for weight in weights) and any(weights)):
            raise GonerdError(
                f"the weights of the losses are {weights}", remedy="All are numbers of 0 or more, and one is above"
            )
