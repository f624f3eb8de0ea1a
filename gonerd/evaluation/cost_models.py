"""Models as their cost is measured: loaded by what runs them in an evaluation, given documents of any length."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gonerd.encoding import Piece, Reach, split_windows
from gonerd.errors import GonerdError
from gonerd.evaluation.backend import Setup
from gonerd.evaluation.backend_tokens import TokenBackend
from gonerd.evaluation.backends import open_backend
from gonerd.evaluation.memory import automatic_max_tokens
from gonerd.evaluation.predict import PredictConfig, TokenModel, reach_of
from gonerd.evaluation.result import ModelPart
from gonerd.labels import load_scheme
from gonerd.models.batches import token_batches
from gonerd.models.checkpoints import read_config
from gonerd.models.flops import EncoderShape, shape_of
from gonerd.models.tagging import Precision

if TYPE_CHECKING:
    import torch

SPECIAL = 2  # tokens around every piece


@dataclass(frozen=True)
class CostModel:
    """A model on its device, ready to be timed."""

    name: str  # as it was asked for: with the prefix of what runs it, if that was given
    part: ModelPart
    model: TokenModel
    module: Any
    config: PredictConfig
    shape: EncoderShape | None  # None where there is no formula

    @property
    def reach(self) -> Reach:
        """How much of a document it sees at once."""
        return reach_of(self.model, self.config)

    @property
    def max_tokens(self) -> int:
        """Sub-tokens in a batch."""
        return self.config.max_tokens or automatic_max_tokens(self.model.device, width=self.model.width)

    def weights(self) -> Iterable[torch.Tensor]:
        """Return its weights, one that is used twice once."""
        weights: Iterable[torch.Tensor] = self.module.parameters()
        return weights

    def embedding_parameters(self) -> int:
        """Return how many of its parameters are looked up and not multiplied."""
        from torch import nn

        tables = {id(part.weight): part.weight for part in self.module.modules() if isinstance(part, nn.Embedding)}
        return sum(table.numel() for table in tables.values())

    def flops(self, length: int) -> float | None:
        """Return the operations that a document of `length` sub-tokens needs by the formula, as it is seen."""
        if self.shape is None:
            return None
        sizes = [len(piece.input_ids) for piece in document_of(self, length)]
        return sum(size * self.shape.flops_per_token(size) for size in sizes)

    def run(self, pieces: Sequence[Piece], *, max_tokens: int | None = None) -> None:
        """Compute the logits of pieces, in batches as an evaluation makes them, or of `max_tokens` sub-tokens."""
        import torch

        with torch.inference_mode():
            for batch in token_batches(pieces, max_tokens=max_tokens or self.max_tokens):
                self.model.forward([pieces[place] for place in batch])


def load_for_cost(name: str, *, device: str, precision: Precision) -> CostModel:
    """Return a model on its device.

    Raises:
        GonerdError: it is no token-classification checkpoint.
    """
    config = PredictConfig(precision=precision, device="cuda" if device.startswith("cuda") else "cpu")
    backend = open_backend(name, Setup(load_scheme(), config))
    if not isinstance(backend, TokenBackend):
        raise GonerdError("cost is measured of checkpoints", where=name, remedy="Give a folder or a name on the Hub")
    loaded = backend.engine.load(backend.name, device, config)
    loaded.module.requires_grad_(False)  # torch's counter of operations fails on weights that ask for a gradient
    facts = ("architecture", "attention", "layers", "parameters", "reach_tokens", "teacher")
    part = backend.model.model_copy(update={fact: getattr(loaded.info, fact) for fact in facts})
    return CostModel(name, part, loaded.model, loaded.module, config, _shape(read_config(backend.name)))


def _shape(config: Any) -> EncoderShape | None:
    try:
        return shape_of(config)
    except GonerdError:
        return None


def document_of(model: CostModel, length: int, *, number: int = 0) -> list[Piece]:
    """Return a document of `length` sub-tokens, special tokens included, as the pieces in which a model sees it.

    Its sub-tokens are drawn from the vocabulary with `number` as the seed: what they are has no part in the cost.
    """
    import numpy as np

    vocabulary = int(model.model.tokenizer.vocab_size)
    drawn = np.random.default_rng(number).integers(vocabulary // 2, vocabulary, size=max(1, length - SPECIAL))
    reach = model.reach
    size, overlap = max(1, reach.tokens - SPECIAL), min(reach.overlap, len(drawn) - 1)
    pieces = []
    for window in split_windows(len(drawn), size=size, overlap=overlap, special=SPECIAL):
        ids = np.concatenate([drawn[:1], drawn[window.start : window.end], drawn[:1]]).astype(np.int32)
        words = np.arange(window.keep_start, window.keep_end, dtype=np.int32)
        positions = (words - window.start + 1).astype(np.int32)
        pieces.append(Piece(number, ids, positions, positions + 1, words))
    return pieces
