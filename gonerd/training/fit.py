"""From a loaded model and documents to a written model: what fine-tuning and distillation have in common."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gonerd.label_maps import map_labels
from gonerd.labels import LabelScheme, load_scheme
from gonerd.models.checkpoints import (
    checkpoint_revision,
    label_map,
    load_checkpoint,
    load_config,
    output_labels,
    quietly,
    save_checkpoint,
)
from gonerd.models.encode import Reach
from gonerd.models.load import is_known
from gonerd.models.reach import window_reach
from gonerd.models.repository import find_checkpoint
from gonerd.models.share import launched_rank, launched_share
from gonerd.models.small import model_files
from gonerd.models.tagging import Decoding, Precision, packed_forward, padded_forward, tag_documents
from gonerd.records import Example, Manifest, sha256_of
from gonerd.scoring import score_tag_ids
from gonerd.store import MANIFEST, Run, is_current, read_manifest, replacing, write_json
from gonerd.training.card import TrainedOn, write_model_card
from gonerd.training.config import FinetuneConfig, Schedule
from gonerd.training.losses import class_weights
from gonerd.training.rows import Rows, TokenBatches, encode_examples, fingerprint_of
from gonerd.training.trainer import CHECKPOINTS, LOG, Objective, train
from gonerd.training.watch import Watch

if TYPE_CHECKING:
    import torch

Loss = Callable[[Any, dict[str, "torch.Tensor"], "torch.Tensor | None"], "torch.Tensor"]
"""A loss of a model on a batch of `TokenBatches`; the weight of each of its outputs counts in that against gold."""


@dataclass(frozen=True, slots=True)
class Training:
    """What a model is trained on, how, and how that is reported."""

    train: Sequence[Example]
    validation: Sequence[Example]  # strict F1 on them decides which state is kept
    config: FinetuneConfig
    watch: Watch

    @property
    def scheme(self) -> LabelScheme:
        """The label scheme of the documents."""
        return load_scheme(self.config.scheme)

    def run(self, stage: str, checkpoint: str | Path, *, settings: dict[str, Any]) -> Run:
        """Return the run: named by its settings, the state of its checkpoint, and its documents in their order."""
        inputs = [checkpoint_revision(checkpoint)]
        for examples in (self.train, self.validation):
            inputs += [fingerprint_of(examples), sha256_of("\n".join(example.id for example in examples))]
        return Run(stage, settings, tuple(inputs))


def uses_encoder(checkpoint: str | Path, config: FinetuneConfig) -> bool:
    """Tell whether gonerd's encoder is what trains a checkpoint."""
    if config.backend != "auto":
        return config.backend == "encoder"
    return is_known(load_config(find_checkpoint(checkpoint)))


def load_model(checkpoint: str | Path, training: Training, *, new_head: bool) -> tuple[Any, Any]:
    """Return a model to train, or to learn from, in what is to compute it, and its tokenizer.

    Raises:
        GonerdError: as `load_checkpoint` and `load_trainable`.
    """
    config, scheme = training.config, training.scheme
    if not uses_encoder(checkpoint, config):
        return load_checkpoint(checkpoint, scheme=scheme, new_head=new_head)
    from gonerd.models.trainable import load_trainable

    return load_trainable(checkpoint, scheme=scheme, attention_dropout=config.attention_dropout, new_head=new_head)


def width_of(checkpoint: str | Path) -> int:
    """Return the width of a checkpoint's hidden states, by which its schedule is chosen."""
    return int(load_config(find_checkpoint(checkpoint)).hidden_size)


def is_packed(model: Any) -> bool:
    """Tell whether a loaded model takes packed rows."""
    from gonerd.models.trainable import Trainable

    return isinstance(model, Trainable)


def write_model(out: Path, run: Run, *, training: Training, start: Callable[[], tuple[Any, Any, Loss]]) -> Manifest:
    """Train what `start` gives (model, tokenizer, loss) and write it to `out`, unless this very run is there already.

    An interrupted run leaves its checkpoints beside `out` and goes on from them.
    """

    def fill(work: Path) -> None:
        model, tokenizer, loss = start()
        _fit(model, tokenizer, work, loss=loss, training=training)
        if launched_rank() > 0:
            return
        save_checkpoint(model, tokenizer, work)
        write_model_card(work, run, model=model, data=_trained_on(model, tokenizer, training), log=work / LOG)

    return write_trained(out, run, config=training.config, read=len(training.train), fill=fill)


def write_trained(out: Path, run: Run, *, config: Schedule, read: int, fill: Callable[[Path], None]) -> Manifest:
    """Have a folder filled by training, unless this very run is there already.

    Of several processes, as `accelerate launch` starts them, all train and the first alone writes.

    Args:
        out: the folder.
        run: what is trained.
        config: its seed and device.
        read: documents, for the manifest.
        fill: trains in a folder, with checkpoints in it, and in the first process writes the model there.
    """
    from transformers import set_seed

    share = launched_share(config.device)
    if share.agree(is_current(out, run)):
        return read_manifest(out)
    with replacing(out, run) if share.rank == 0 else nullcontext(Path()) as place, quietly():
        work, trained = share.agree((place, (place / MANIFEST).is_file()))
        if not trained:
            set_seed(config.seed)
            fill(work)
        if share.rank == 0 and not trained:
            write_json(work / MANIFEST, run.manifest(model_files(work), read=read, dropped=()))
        if share.rank == 0:
            shutil.rmtree(work / CHECKPOINTS, ignore_errors=True)
    share.agree(None)  # the folder is in its place
    return read_manifest(out)


def _reach(model: Any, tokenizer: Any, config: FinetuneConfig) -> Reach:
    return window_reach(model, tokenizer, stride=config.stride, max_length=config.max_length)


def _trained_on(model: Any, tokenizer: Any, training: Training) -> TrainedOn:
    """Return what the card says of the data."""
    return TrainedOn(
        documents=len(training.train),
        train=fingerprint_of(training.train),
        validation_documents=len(training.validation),
        validation=fingerprint_of(training.validation),
        reach=_reach(model, tokenizer, training.config).tokens,
    )


def _fit(model: Any, tokenizer: Any, work: Path, *, loss: Loss, training: Training) -> None:
    """Train a loaded model and leave its best state in it."""
    config, scheme = training.config, training.scheme
    labels = label_map(model.config, scheme)
    reach = _reach(model, tokenizer, config)
    outputs = [labels.index(tag) for tag in range(len(scheme.tags))]
    weights = class_weights(_tag_counts(training), config.class_weights)
    batches = TokenBatches(
        encode_examples(tokenizer, training.train, reach=reach, scheme=scheme),
        outputs=outputs,
        max_tokens=config.batch_tokens,
        pad_id=None if is_packed(model) else tokenizer.pad_token_id or 0,
        seed=config.seed,
    )
    rows = encode_examples(tokenizer, training.validation, reach=reach, scheme=scheme)
    decoding = Decoding(map_labels(output_labels(model.config), scheme))
    objective = Objective(
        partial(_weighted, loss=loss, weights=None if weights is None else [weights[tag] for tag in labels]),
        partial(_validate, rows=rows, scheme=scheme, decoding=decoding, config=config),
        notes={"class_weights": None if weights is None else dict(zip(scheme.tags, weights, strict=True))},
    )
    train(model, batches, work, objective=objective, config=config, watch=training.watch)


def _tag_counts(training: Training) -> list[int]:
    """Return how many training words have each tag of the scheme."""
    counts = Counter(tag for example in training.train for tag in example.ner_tags)
    return [counts[tag] for tag in training.scheme.tags]


def _weighted(
    model: Any, batch: dict[str, torch.Tensor], *, loss: Loss, weights: Sequence[float] | None
) -> torch.Tensor:
    import torch

    return loss(model, batch, None if weights is None else torch.tensor(weights))


def _validate(
    model: Any, *, rows: Rows, scheme: LabelScheme, decoding: Decoding, config: FinetuneConfig
) -> dict[str, float]:
    """Return strict precision, recall and F1 over whole documents."""
    import numpy as np

    precision: Precision = "fp32" if config.precision == "fp16" else config.precision

    if is_packed(model):
        forward = packed_forward(model.encoder, precision=precision)
    else:
        forward = padded_forward(model, precision=precision)
    share = launched_share(config.device)
    tags = tag_documents(forward, rows.documents, decoding=decoding, max_tokens=config.batch_tokens, share=share)
    starts = np.cumsum([0, *(len(answer) for answer in tags)])[:-1]
    counts = score_tag_ids(np.concatenate(rows.tags), np.concatenate(tags), starts, scheme=scheme).micro
    return {"f1": counts.f1, "precision": counts.precision, "recall": counts.recall}
