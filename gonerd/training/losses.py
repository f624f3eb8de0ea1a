"""What training minimises."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from gonerd.training.config import ClassWeights

if TYPE_CHECKING:
    import torch

IGNORED = -100  # the label of a sub-token that speaks for no word, as torch and transformers have it


def hard_loss(logits: torch.Tensor, labels: torch.Tensor, *, weights: torch.Tensor | None = None) -> torch.Tensor:
    """Return the mean cross-entropy against gold.

    Args:
        logits: (…, outputs).
        labels: (…); `IGNORED` where there is none.
        weights: how much a label counts, (outputs,); all the same if not given.
    """
    from torch.nn.functional import cross_entropy

    weights = None if weights is None else weights.to(logits.device)
    return cross_entropy(logits.flatten(0, -2).float(), labels.flatten(), weight=weights, ignore_index=IGNORED)


def class_weights(counts: Sequence[int], how: ClassWeights) -> list[float] | None:
    """Return how much each class counts, such that a word counts 1 on average; None where all count the same.

    Args:
        counts: words of each class; of a class without any, the weight never matters.
        how: by the inverse of the counts, or of their roots.
    """
    if how == "none":
        return None
    rarity = [1 / (count if how == "balanced" else math.sqrt(count)) for count in (max(1, n) for n in counts)]
    mean = sum(count * value for count, value in zip(counts, rarity, strict=True)) / sum(counts)
    return [value / mean for value in rarity]


def soft_loss(student: torch.Tensor, teacher: torch.Tensor, *, temperature: float) -> torch.Tensor:
    """Return the mean divergence of the student's distribution from the teacher's, softened, times T squared.

    The factor keeps the size of the gradients independent of the temperature (Hinton, Vinyals and Dean 2015,
    section 2). The divergence is the soft cross-entropy less the teacher's entropy, which no student can change.

    Args:
        student: (words, outputs) logits.
        teacher: (words, outputs) logits, outputs in the same order.
        temperature: T.
    """
    from torch.nn.functional import kl_div, log_softmax

    ours = log_softmax(student.float() / temperature, dim=-1)
    theirs = log_softmax(teacher.float() / temperature, dim=-1)
    return kl_div(ours, theirs, reduction="batchmean", log_target=True) * temperature**2


def cosine_loss(student: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
    """Return the mean of 1 - cosine between hidden states: (sub-tokens, width) each (Sanh et al. 2019, section 3)."""
    from torch.nn.functional import cosine_similarity

    return 1 - cosine_similarity(student.float(), teacher.float(), dim=-1).mean()
