"""An encoder with the face that training expects of a model of transformers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from gonerd.errors import GonerdError
from gonerd.labels import LabelScheme
from gonerd.models.checkpoints import load_config, load_tokenizer, set_labels
from gonerd.models.encoder import Encoder
from gonerd.models.load import head_among, head_of, load_encoder, located
from gonerd.models.packing import Layout
from gonerd.models.repository import find_checkpoint
from gonerd.models.save import save_encoder
from gonerd.models.translate import CLASSIFIES, family_of, labels_of
from gonerd.models.weights import read_weights


@dataclass(frozen=True, slots=True)
class TrainableOutput:
    """What training asks of an answer, under the names that it has in transformers."""

    logits: Tensor | None  # (slots, labels)
    hidden_states: tuple[Tensor]  # the last ones alone, (slots, width)


class Trainable(nn.Module):
    """An encoder and its configuration in transformers' form.

    Args:
        encoder: the encoder.
        config: of transformers.
        attention_dropout: of the attention weights in training, in place of the configuration's own.
    """

    def __init__(self, encoder: Encoder, config: Any, *, attention_dropout: float) -> None:
        super().__init__()
        self.encoder, self.config, self.attention_dropout = encoder, config, attention_dropout
        for part in encoder.modules():
            if isinstance(getattr(part, "dropout", None), float):  # an attention's; other parts have modules for theirs
                part.dropout = attention_dropout  # type: ignore[assignment]  # torch types attributes as modules

    @property
    def device(self) -> torch.device:
        """Where its weights are."""
        return self.encoder.embeddings.tokens.weight.device

    def activation_checkpointing_enable(self) -> None:
        """Compute the layers' states a second time in place of keeping them."""
        self.encoder.recompute = True

    def forward(self, input_ids: Tensor, lengths: Tensor, **_: Any) -> TrainableOutput:
        """Return the answer to a packed row, (slots,), of documents of the given lengths, (documents,)."""
        output = self.encoder(input_ids, layout=Layout.of_lengths(lengths.tolist(), input_ids.device))
        return TrainableOutput(output.logits, (output.last_hidden_state,))

    def with_layers(self, chosen: Sequence[int], config: Any) -> Trainable:
        """Return a model of some of the layers, whose configuration is given; its weights are copies."""
        return Trainable(self.encoder.with_layers(chosen), config, attention_dropout=self.attention_dropout)

    def save_pretrained(self, folder: Path) -> None:
        """Write the encoder as a checkpoint."""
        save_encoder(self.encoder, folder)


def load_trainable(
    name_or_path: str | Path, *, scheme: LabelScheme, attention_dropout: float, new_head: bool = True
) -> tuple[Trainable, Any]:
    """Return an encoder to train, or to learn from, and its tokenizer.

    Args:
        name_or_path: a checkpoint of a type that the encoder knows; a folder or a name on the Hub.
        scheme: the tags to learn.
        attention_dropout: of the attention weights while it is trained; the checkpoint's own is kept in what is saved.
        new_head: give it a new classifier unless it has one for the scheme's tags.

    Raises:
        GonerdError: as `load_encoder`; or its tags are not the scheme's and it is to have no new head.
    """
    files = find_checkpoint(name_or_path)
    config = load_config(files)
    with located(files.name):
        head = head_of(config) or head_among(read_weights(files.folder), family_of(config.to_dict()))
    has_head = head == CLASSIFIES and set(labels_of(config)) == set(scheme.tags)
    if not has_head and not new_head:
        raise GonerdError(
            f"not a classifier of the tags of the scheme {scheme.name}",
            where=files.name,
            remedy="Fine-tune it first: gonerd model finetune",
        )
    encoder = load_encoder(name_or_path, revision=files.commit, labels=None if has_head else scheme.tags)
    if not has_head:
        set_labels(config, scheme)
    return Trainable(encoder, config, attention_dropout=attention_dropout), load_tokenizer(files)
