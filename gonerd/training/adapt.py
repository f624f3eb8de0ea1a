"""Adapting an encoder to a kind of text: it learns to guess masked sub-tokens of whole documents.

Masked-language-model training as BERT's (Devlin, Chang, Lee and Toutanova 2019, section 3.1), over packed documents of
the encoder's full reach. What comes out is a checkpoint with a masked-LM head, to fine-tune from.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gonerd.errors import GonerdError
from gonerd.models.checkpoints import checkpoint_name, checkpoint_revision, load_tokenizer, save_checkpoint
from gonerd.models.encode import EncodedDocument, Piece, encode_documents
from gonerd.models.reach import window_reach
from gonerd.models.repository import find_checkpoint
from gonerd.models.share import launched_rank
from gonerd.records import Manifest, sha256_of
from gonerd.store import Run
from gonerd.training.card import write_adapted_card
from gonerd.training.config import AdaptConfig
from gonerd.training.fit import width_of, write_trained
from gonerd.training.trainer import LOG, Objective, train
from gonerd.training.watch import Watch, unwatched

if TYPE_CHECKING:
    import torch

    from gonerd.models.masked import MaskedTrainable

METRIC = "log_likelihood"
MASKED, CHANGED = 0.8, 0.9  # of what is to be guessed: masked up to the first, another sub-token up to the second


def adapt(
    checkpoint: str | Path, out: Path, *, texts: Sequence[str], config: AdaptConfig, watch: Watch = unwatched
) -> Manifest:
    """Train an encoder to guess masked sub-tokens and write its best state to the folder `out`.

    Every document is read whole, in pieces of the model's reach that do not overlap where it is longer. Resuming is as
    in `finetune`.

    Args:
        checkpoint: of a type that the encoder knows; a folder or a name on the Hub. A classifier is left out.
        out: where the model goes, with `manifest.json` and `training_log.jsonl`.
        texts: documents.
        config: schedule and masking.
        watch: is told how training stands after each step.

    Raises:
        GonerdError: the checkpoint is unusable, there are fewer than two documents, the loss is no longer a number, or
            `out` holds something else.
    """
    config = config.settled(width_of(checkpoint))
    inputs = (checkpoint_revision(checkpoint), sha256_of("\n".join(sha256_of(text) for text in texts)))
    run = Run("adapt", {**config.settings(), "base": checkpoint_name(checkpoint)}, inputs)

    def fill(work: Path) -> None:
        from gonerd.models.masked import load_masked

        tokenizer = load_tokenizer(find_checkpoint(checkpoint))
        model = load_masked(checkpoint, attention_dropout=config.attention_dropout)
        if tokenizer.mask_token_id is None:
            raise GonerdError("its tokenizer has no mask token", where=checkpoint)
        training, held = _encoded(tokenizer, model, texts, config)
        masking = Masking.of(tokenizer, config.masked_share)
        objective = Objective(
            partial(_loss, masking=masking),
            partial(_validate, pieces=held, masking=masking, config=config),
            metric=METRIC,
            notes={"pieces": len(training), "held_out_pieces": len(held)},
        )
        batches = TextBatches(training, max_tokens=config.batch_tokens, seed=config.seed)
        train(model, batches, work, objective=objective, config=config, watch=watch)
        if launched_rank() > 0:
            return
        save_checkpoint(model, tokenizer, work)
        write_adapted_card(work, run, model=model, documents=len(texts), log=work / LOG)

    return write_trained(out, run, config=config, read=len(texts), fill=fill)


def _encoded(tokenizer: Any, model: Any, texts: Sequence[str], config: AdaptConfig) -> tuple[list[Piece], list[Piece]]:
    """Return the pieces to train on, and those of the documents that are held out."""
    reach = window_reach(model, tokenizer, stride=0, max_length=config.max_length)
    documents = [one for one in encode_documents(tokenizer, (text.split() for text in texts), reach=reach) if one.words]
    if len(documents) < 2:
        raise GonerdError(f"{len(documents)} documents with any words", remedy="Give at least two: one is held out")
    held = _held_out(documents, config)
    training = [piece for number, one in enumerate(documents) if number not in held for piece in one.pieces]
    return training, [piece for number in sorted(held) for piece in documents[number].pieces]


def _held_out(documents: Sequence[EncodedDocument], config: AdaptConfig) -> set[int]:
    """Return documents, drawn by the seed, that come to so many sub-tokens at most; the shortest if none does."""
    order = list(range(len(documents)))
    random.Random(config.seed).shuffle(order)  # noqa: S311 - not for secrets
    held: set[int] = set()
    left = config.held_out_tokens
    for number in order[:-1]:
        if documents[number].sub_tokens <= left:
            held.add(number)
            left -= documents[number].sub_tokens
    return held or {min(order, key=lambda number: (documents[number].sub_tokens, number))}


class TextBatches:
    """The batches of an epoch as a map-style dataset: item i is a packed row of whole pieces."""

    def __init__(self, pieces: Sequence[Piece], *, max_tokens: int, seed: int) -> None:
        from gonerd.models.packing import first_fit

        self.pieces = list(pieces)
        random.Random(seed).shuffle(self.pieces)  # noqa: S311 - not for secrets
        sizes = [len(piece.input_ids) for piece in self.pieces]
        self.batches = first_fit(sizes, max_tokens, order=range(len(sizes)))

    def __len__(self) -> int:
        """Return the number of batches in an epoch."""
        return len(self.batches)

    def __getitem__(self, number: int) -> dict[str, torch.Tensor]:
        """Return a batch: `input_ids`, (sub-tokens,), and the pieces' `lengths`."""
        return packed([self.pieces[place] for place in self.batches[number]])


def packed(pieces: Sequence[Piece]) -> dict[str, torch.Tensor]:
    """Return pieces as one row."""
    import torch

    rows = [torch.from_numpy(piece.input_ids).long() for piece in pieces]
    return {"input_ids": torch.cat(rows), "lengths": torch.tensor([len(row) for row in rows])}


@dataclass(frozen=True, slots=True)
class Masking:
    """What is hidden of a row."""

    share: float
    mask: int
    vocabulary: int
    special: tuple[int, ...]  # sub-tokens that are never hidden

    @classmethod
    def of(cls, tokenizer: Any, share: float) -> Masking:
        """Return how to mask with a tokenizer's tokens."""
        return cls(share, tokenizer.mask_token_id, len(tokenizer), tuple(tokenizer.all_special_ids))

    def __call__(
        self, input_ids: torch.Tensor, generator: torch.Generator | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return a row with some of it hidden, and which slots are to be guessed: (slots,) and (slots,) bool.

        It is drawn where the loss is computed, not where batches are read ahead: so a resumed run draws the same.
        """
        import torch

        draws, kinds = (torch.rand(input_ids.shape, generator=generator).to(input_ids.device) for _ in range(2))
        others = torch.randint(self.vocabulary, input_ids.shape, generator=generator).to(input_ids.device)
        special = torch.isin(input_ids, torch.tensor(self.special, device=input_ids.device))
        chosen = (draws < self.share) & ~special
        hidden = torch.where(kinds < CHANGED, others, input_ids)
        hidden = hidden.masked_fill(kinds < MASKED, self.mask)
        return torch.where(chosen, hidden, input_ids), chosen


def _loss(model: Any, batch: dict[str, torch.Tensor], *, masking: Masking) -> torch.Tensor:
    """Return the mean cross-entropy of the masked sub-tokens; 0 of a row in which none is."""
    from torch.nn.functional import cross_entropy

    hidden, chosen = masking(batch["input_ids"])
    scores = model(hidden, batch["lengths"], chosen)
    return cross_entropy(scores.float(), batch["input_ids"][chosen], reduction="sum") / chosen.sum().clamp_min(1)


def _validate(
    model: MaskedTrainable, *, pieces: Sequence[Piece], masking: Masking, config: AdaptConfig
) -> dict[str, float]:
    """Return the mean log-likelihood of masked sub-tokens, always the same ones, and the share guessed right."""
    import torch
    from torch.nn.functional import cross_entropy

    from gonerd.models.tagging import autocast

    draws = torch.Generator().manual_seed(config.seed)
    batches = TextBatches(pieces, max_tokens=config.batch_tokens, seed=config.seed)
    total, right, count = 0.0, 0, 0
    for number in range(len(batches)):
        batch = {name: tensor.to(model.device) for name, tensor in batches[number].items()}
        hidden, chosen = masking(batch["input_ids"], draws)
        with torch.inference_mode(), autocast(model.device.type, "bf16" if config.precision == "bf16" else "fp32"):
            scores = model(hidden, batch["lengths"], chosen).float()
        wanted = batch["input_ids"][chosen]
        total -= float(cross_entropy(scores, wanted, reduction="sum"))
        right += int((scores.argmax(-1) == wanted).sum())
        count += len(wanted)
    return {METRIC: total / max(1, count), "accuracy": right / max(1, count)}
