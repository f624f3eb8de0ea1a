"""An encoder with a masked-LM head, as training takes it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from torch import Tensor

from gonerd.models.checkpoints import load_config
from gonerd.models.encoder import Encoder
from gonerd.models.load import load_encoder
from gonerd.models.packing import Layout
from gonerd.models.repository import find_checkpoint
from gonerd.models.trainable import Trainable


class MaskedTrainable(Trainable):
    """A masked LM that scores only the slots that are to be guessed: a vocabulary is wide."""

    def forward(self, input_ids: Tensor, lengths: Tensor, chosen: Tensor) -> Tensor:  # type: ignore[override]
        """Return the scores of the chosen slots, (slots,) bool, of a packed row, (slots,) -> (chosen, vocabulary)."""
        hidden = self.encoder.encode(input_ids, Layout.of_lengths(lengths.tolist(), input_ids.device))
        scores = self.encoder.score(hidden[chosen])
        if scores is None:
            raise RuntimeError("an encoder without a head")
        return scores


def load_masked(name_or_path: str | Path, *, attention_dropout: float) -> MaskedTrainable:
    """Return an encoder with its masked-LM head, or a new one if it has none; a classifier is left out.

    Args:
        name_or_path: a checkpoint of a type that the encoder knows; a folder or a name on the Hub.
        attention_dropout: of the attention weights in training.

    Raises:
        GonerdError: as `load_encoder`.
    """
    files = find_checkpoint(name_or_path)
    encoder = load_encoder(name_or_path, revision=files.commit)
    if encoder.masked_lm is None:
        headed = Encoder(replace(encoder.config, labels=None, masked_lm=True))
        kept = {name: weight for name, weight in encoder.state_dict().items() if not name.startswith("classifier.")}
        headed.load_state_dict({**headed.state_dict(), **kept})
        headed.source = encoder.source
        encoder = headed
    return MaskedTrainable(encoder, load_config(files), attention_dropout=attention_dropout)
