"""An encoder with the face that training expects of a model of transformers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from gonerd.labels import LabelScheme
from gonerd.models.checkpoints import load_config, load_tokenizer, set_labels
from gonerd.models.encoder import Encoder
from gonerd.models.load import head_of, load_encoder
from gonerd.models.repository import find_checkpoint
from gonerd.models.save import save_encoder
from gonerd.models.translate import CLASSIFIES, labels_of


@dataclass(frozen=True, slots=True)
class TrainableOutput:
    """What training asks of an answer, under the names that it has in transformers."""

    logits: Tensor | None  # (rows, length, labels)
    hidden_states: tuple[Tensor]  # the last ones alone, (rows, length, width)


class Trainable(nn.Module):
    """An encoder and its configuration in transformers' form."""

    def __init__(self, encoder: Encoder, config: Any) -> None:
        super().__init__()
        self.encoder, self.config = encoder, config

    @property
    def device(self) -> torch.device:
        """Where its weights are."""
        return self.encoder.embeddings.tokens.weight.device

    def forward(self, input_ids: Tensor, attention_mask: Tensor, **_: Any) -> TrainableOutput:
        """Return the answer to a padded batch, (rows, length)."""
        output = self.encoder(input_ids, attention_mask)
        return TrainableOutput(output.logits, (output.last_hidden_state,))

    def save_pretrained(self, folder: Path) -> None:
        """Write the encoder as a checkpoint."""
        save_encoder(self.encoder, folder)


def load_trainable(name_or_path: str | Path, *, scheme: LabelScheme) -> tuple[Trainable, Any]:
    """Return an encoder to train and its tokenizer; it gets a new classifier unless it has one for the scheme's tags.

    Raises:
        GonerdError: as `load_encoder`.
    """
    files = find_checkpoint(name_or_path)
    config = load_config(files)
    has_head = head_of(config) == CLASSIFIES and set(labels_of(config)) == set(scheme.tags)
    encoder = load_encoder(name_or_path, revision=files.commit, labels=None if has_head else scheme.tags)
    if not has_head:
        set_labels(config, scheme)
    return Trainable(encoder, config), load_tokenizer(files)
