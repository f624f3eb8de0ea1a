"""Nystromformer: landmarks in place of keys, and a convolution of the values (Xiong et al. 2021, arXiv 2102.03902).

The published checkpoints do not approximate: their configurations name as many segment tokens as landmarks, and with
these transformers computes the full softmax. That is the default here too. With `approximate` the softmax goes through
landmarks, which are the means of neighbouring tokens of one document.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from gonerd.models.attention.engine import attend
from gonerd.models.attention.full import Whole
from gonerd.models.attention.pattern import document_tiles
from gonerd.models.attention.plan import Plan
from gonerd.models.config import NystromformerAttention

if TYPE_CHECKING:
    from gonerd.models.config import EncoderConfig
    from gonerd.models.packing import Layout

STEPS = 6  # of the iteration to the pseudo-inverse


class Nystromformer(nn.Module):
    """The full softmax or its approximation, and the convolution of a document's values along it.

    As in transformers there is no dropout of attention's weights.
    """

    def __init__(self, config: EncoderConfig, layer: int) -> None:  # noqa: ARG002 - what every attention is made of
        super().__init__()
        self.settings = cast(NystromformerAttention, config.attention)
        self.convolution = None
        if kernel := self.settings.convolution:
            shape: dict[str, Any] = {"kernel_size": (kernel, 1), "padding": (kernel // 2, 0), "groups": config.heads}
            self.convolution = nn.Conv2d(config.heads, config.heads, bias=False, **shape)

    def forward(self, hidden: Tensor, query: Tensor, key: Tensor, value: Tensor, layout: Layout) -> Tensor:  # noqa: ARG002
        """Return what each query collects, (slots, heads, head width), as all of its arguments but `hidden` are."""
        if self.settings.approximate:
            collected = by_document(partial(nystrom, landmarks=self.settings.landmarks), layout, query, key, value)
        else:
            collected = attend(query, key, value, Plan.of(Whole(), layout))
        return collected if self.convolution is None else collected + by_document(self.convolution, layout, value)


def by_document(compute: Callable[..., Tensor], layout: Layout, *values: Tensor) -> Tensor:
    """Return what a function makes of the values of each document; slots of no document get zeros.

    Args:
        compute: from values, (documents, heads, length, head width), to the same shape; for documents of one length.
        layout: where the documents are.
        values: (slots, heads, head width).
    """
    row = torch.zeros_like(values[0])
    for tile in document_tiles(layout):
        runs = tile.queries
        found = compute(*(runs.of(value) for value in values))
        row[runs.start : runs.stop] = found.transpose(1, 2).flatten(0, 1)
    return row


def nystrom(query: Tensor, key: Tensor, value: Tensor, *, landmarks: int) -> Tensor:
    """Return the Nystrom approximation of softmax attention in each document; all (documents, heads, length, width).

    A document is cut into as many segments as there are landmarks, whose lengths differ by one at most. The softmax
    between landmarks and its pseudo-inverse are computed in fp32: in bf16 the iteration does not converge. A document
    with no more tokens than landmarks gets the softmax itself, which the approximation then tends to.
    """
    if query.shape[2] <= landmarks:
        return functional.scaled_dot_product_attention(query, key, value)
    scale = 1 / math.sqrt(query.shape[-1])
    query_marks, key_marks = segment_means(query, landmarks), segment_means(key, landmarks)
    with torch.autocast(query.device.type, enabled=False):
        between = (query_marks.float() @ key_marks.float().transpose(-1, -2) * scale).softmax(-1)
        inverse = pseudo_inverse(between)
    from_keys = functional.scaled_dot_product_attention(query_marks, key, value)
    weights = (inverse @ from_keys.float()).to(value.dtype)
    return functional.scaled_dot_product_attention(query, key_marks, weights)


def segment_means(values: Tensor, segments: int) -> Tensor:
    """Return the means over segments of neighbouring tokens, (…, length, width) -> (…, segments, width)."""
    length = values.shape[-2]
    segment = torch.arange(length, device=values.device) * segments // length
    sums = values.new_zeros(*values.shape[:-2], segments, values.shape[-1]).index_add(-2, segment, values)
    return sums / segment.bincount(minlength=segments)[:, None]


def pseudo_inverse(matrix: Tensor) -> Tensor:
    """Return about the Moore-Penrose inverse of matrices whose rows are softmaxes, (documents, heads, marks, marks).

    The iteration is that of the paper (section 4.3), its start the one that transformers takes, with the largest sum of
    a column over the heads of one document: transformers takes the largest of the whole batch.
    """
    largest = matrix.sum(dim=-2).amax(dim=(-2, -1))[:, None, None, None]
    found = matrix.transpose(-1, -2) / largest
    identity = torch.eye(matrix.shape[-1], device=matrix.device, dtype=matrix.dtype)
    for _ in range(STEPS):
        product = matrix @ found
        found = 0.25 * found @ (13 * identity - product @ (15 * identity - product @ (7 * identity - product)))
    return found
