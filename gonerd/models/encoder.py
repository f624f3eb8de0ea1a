"""The encoder: one BERT/RoBERTa-style stack whose attention is a part to choose.

    tokens -> embeddings -> [attention -> add, norm -> feed-forward -> add, norm] x layers -> head

Everything runs on one row of slots (see `packing`): a hidden state is (slots, width).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from gonerd.errors import GonerdError
from gonerd.models.attention.bigbird import BigBird
from gonerd.models.attention.full import Full
from gonerd.models.attention.longformer import Longformer
from gonerd.models.attention.lsg import LSG, GlobalRows, RowsLayout
from gonerd.models.attention.nystromformer import Nystromformer
from gonerd.models.config import (
    BigBirdAttention,
    EncoderConfig,
    FullAttention,
    LongformerAttention,
    LSGAttention,
    NystromformerAttention,
)
from gonerd.models.packing import Layout, Padding

ATTENTIONS: dict[type, Callable[[EncoderConfig, int], nn.Module]] = {
    FullAttention: Full,
    LongformerAttention: Longformer,
    BigBirdAttention: BigBird,
    LSGAttention: LSG,
    NystromformerAttention: Nystromformer,
}
ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "gelu": functional.gelu,
    "gelu_tanh": partial(functional.gelu, approximate="tanh"),
    "relu": functional.relu,
    "silu": functional.silu,
}
FEED_FORWARD_SLOTS = 1024  # at a time when no gradient is wanted: the wide states then stay in the cache


@dataclass(frozen=True, slots=True)
class EncoderOutput:
    """What an encoder answers, shaped as its input was: (rows, length, …) or (slots, …)."""

    last_hidden_state: Tensor  # (…, width)
    logits: Tensor | None = None  # (…, labels) or (…, vocabulary)


@dataclass(frozen=True, slots=True)
class Source:
    """What a checkpoint holds that the encoder does not need, to be saved with it again."""

    settings: Mapping[str, Any] = field(default_factory=dict)  # its config.json
    pooler: Mapping[str, Tensor] = field(default_factory=dict)  # by the names that transformers gives them


class Encoder(nn.Module):
    """An encoder, with the head that its configuration names."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.config = config
        self.source = Source()
        self.recompute = False  # the layers' states in the way back, in place of keeping them
        self.embeddings = Embeddings(config)
        self.global_rows = GlobalRows(config) if isinstance(config.attention, LSGAttention) else None
        self.layers = nn.ModuleList(Layer(config, number) for number in range(config.layers))
        self.classifier = TokenClassifier(config) if config.labels is not None else None
        self.masked_lm = MaskedLM(config) if config.masked_lm else None
        self.apply(_initialise)

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor | None = None, *, layout: Layout | None = None
    ) -> EncoderOutput:
        """Return the last hidden state, and the head's logits where there is a head.

        Args:
            input_ids: a batch, (rows, length), or with `layout` a packed row, (slots,).
            attention_mask: (rows, length); 0 is padding, left or right. What the answer holds there is unspecified.
            layout: where the documents lie in a packed row.

        Raises:
            GonerdError: a document is longer than the positions, or input and mask or layout do not fit each other.
        """
        if layout is not None:
            hidden = self.encode(input_ids, layout)
            return EncoderOutput(hidden, self.score(hidden))
        padding = Padding.of(input_ids, attention_mask)
        hidden = self.encode(padding.remove(input_ids), padding.layout)
        logits = self.score(hidden)
        return EncoderOutput(
            padding.restore(hidden, input_ids.shape),
            None if logits is None else padding.restore(logits, input_ids.shape),
        )

    def encode(self, input_ids: Tensor, layout: Layout) -> Tensor:
        """Return the last hidden state of a packed row, (slots,) -> (slots, width)."""
        if max(layout.lengths, default=0) > self.config.reach:
            raise GonerdError(f"a document of {max(layout.lengths)} tokens for {self.config.reach} positions")
        if input_ids.shape != (layout.slots,):
            raise GonerdError(f"input_ids of shape {tuple(input_ids.shape)} for a layout of {layout.slots} slots")
        # States are handed on without a name, so that the first is gone when the second is there.
        if not layout.lengths:
            return self.embeddings(input_ids, layout.position)  # type: ignore[no-any-return]
        if self.global_rows is None:
            return self._run_layers(self.embeddings(input_ids, layout.position), layout)
        inner = RowsLayout.of(layout, self.global_rows.settings)
        rows = self.embeddings.normalise(self.global_rows.of_a_document)
        hidden = self._run_layers(
            self.global_rows.insert(self.embeddings(input_ids, layout.position), rows, inner, layout), inner
        )
        return self.global_rows.remove(hidden, inner, layout)

    def _run_layers(self, hidden: Tensor, layout: Layout) -> Tensor:
        for layer in self.layers:
            if self.recompute and torch.is_grad_enabled():
                hidden = checkpoint(layer, hidden, layout, use_reentrant=False)
            else:
                hidden = layer(hidden, layout)
        return hidden

    def with_layers(self, chosen: Sequence[int]) -> Encoder:
        """Return an encoder of some of the layers, by number and in that order; all its weights are copies."""
        attention = self.config.attention
        if isinstance(attention, LongformerAttention):
            attention = replace(attention, windows=tuple(attention.windows[number] for number in chosen))
        fewer = Encoder(replace(self.config, layers=len(chosen), attention=attention))
        fewer.to(self.embeddings.tokens.weight.dtype)
        around = {name: weight for name, weight in self.state_dict().items() if not name.startswith("layers.")}
        fewer.load_state_dict(around, strict=False)
        for layer, number in zip(fewer.layers, chosen, strict=True):
            layer.load_state_dict(self.layers[number].state_dict())
        fewer.source = self.source
        return fewer.train(self.training)

    def round_layers(self) -> None:
        """Round the weights of all matrix products in the layers to bf16, once, in place of at every call of autocast.

        The states between them, the norms and the head stay as they are: run it under autocast.
        """
        for module in self.layers.modules():
            if isinstance(module, nn.Linear):
                module.to(torch.bfloat16)

    def compile_layers(self, backend: str = "inductor") -> None:
        """Compile what each layer does before and after attention, once for all layers and all lengths.

        Attention is a kernel of its own between them: FlexAttention, which is always compiled, or SDPA.
        """
        compiled = partial(torch.compile, fullgraph=True, dynamic=True, backend=backend)
        for layer in self.layers:
            for part in ("project", "merge", "feed_forward"):
                setattr(layer, part, compiled(getattr(layer, part)))

    def score(self, hidden: Tensor) -> Tensor | None:
        """Return the head's scores, (slots, width) -> (slots, labels) or (slots, vocabulary); None without a head."""
        if self.classifier is not None:
            return self.classifier(hidden)  # type: ignore[no-any-return]
        if self.masked_lm is not None:
            return self.masked_lm(hidden, self.embeddings.tokens.weight)  # type: ignore[no-any-return]
        return None


def _initialise(module: nn.Module) -> None:
    """Draw a new module's weights as BERT did."""
    if isinstance(module, nn.Linear | nn.Embedding):
        nn.init.normal_(module.weight, std=0.02)
    if isinstance(module, nn.Linear) and module.bias is not None:
        nn.init.zeros_(module.bias)


class Embeddings(nn.Module):
    """Tokens, positions and types, added up and normalised."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.offset = config.position_offset
        self.scale = math.sqrt(config.width) if config.scale_embeddings else 1.0
        self.tokens = nn.Embedding(config.vocabulary, config.width, padding_idx=config.pad_id)
        self.positions = nn.Embedding(config.positions, config.width)
        self.types = nn.Embedding(config.types, config.width) if config.types else None
        self.norm = nn.LayerNorm(config.width, eps=config.layer_norm_eps)
        self.dropout = nn.Dropout(config.hidden_dropout)

    def forward(self, input_ids: Tensor, position: Tensor) -> Tensor:
        """Return the first hidden state, (slots,) and (slots,) -> (slots, width)."""
        hidden = self.tokens(input_ids) * self.scale + self.positions(position + self.offset)
        if self.types is not None:
            hidden = hidden + self.types.weight[0]
        return self.normalise(hidden)

    def normalise(self, hidden: Tensor) -> Tensor:
        """Return embeddings as the first layer takes them, (…, width) -> (…, width)."""
        return self.dropout(self.norm(hidden))  # type: ignore[no-any-return]


class Layer(nn.Module):
    """One layer: attention, then the feed-forward network, each added to its input and normalised."""

    def __init__(self, config: EncoderConfig, number: int) -> None:
        super().__init__()
        width, bias = config.width, config.projection_bias
        self.heads = config.heads
        self.query = nn.Linear(width, width, bias=bias)
        self.key = nn.Linear(width, width, bias=bias)
        self.value = nn.Linear(width, width, bias=bias)
        self.attention = ATTENTIONS[type(config.attention)](config, number)
        self.collect = nn.Linear(width, width)
        self.attention_norm = nn.LayerNorm(width, eps=config.layer_norm_eps)
        self.widen = nn.Linear(width, config.intermediate)
        self.activation = ACTIVATIONS[config.activation]
        self.narrow = nn.Linear(config.intermediate, width)
        self.norm = nn.LayerNorm(width, eps=config.layer_norm_eps)
        self.dropout = nn.Dropout(config.hidden_dropout)

    def forward(self, hidden: Tensor, layout: Layout) -> Tensor:
        """Return the next hidden state, (slots, width) -> (slots, width)."""
        # In one expression, so that queries, keys, values and what they collect are gone before the widest states come.
        hidden = self.merge(hidden, self.attention(hidden, *self.project(hidden), layout))
        if torch.is_grad_enabled():
            return self.feed_forward(hidden)
        parts = [self.feed_forward(part) for part in torch.split(hidden, FEED_FORWARD_SLOTS)]
        return parts[0] if len(parts) == 1 else torch.cat(parts)

    def project(self, hidden: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return queries, keys and values, (slots, width) -> (slots, heads, head width) each."""
        shape = (len(hidden), self.heads, -1)
        hidden = hidden.to(self.query.weight.dtype)  # once, where the weights are rounded and the states are not
        return self.query(hidden).view(shape), self.key(hidden).view(shape), self.value(hidden).view(shape)

    def merge(self, hidden: Tensor, collected: Tensor) -> Tensor:
        """Return the state with what was collected, (slots, width), (slots, heads, head width) -> (slots, width)."""
        return self.attention_norm(hidden + self.dropout(self.collect(collected.flatten(1))))  # type: ignore[no-any-return]

    def feed_forward(self, hidden: Tensor) -> Tensor:
        """Return the hidden state after the feed-forward network, (slots, width) -> (slots, width)."""
        wide = self.activation(self.widen(hidden.to(self.widen.weight.dtype)))  # (slots, intermediate)
        return self.norm(hidden + self.dropout(self.narrow(wide)))  # type: ignore[no-any-return]


class TokenClassifier(nn.Module):
    """A score for each label, for each token."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.dropout = nn.Dropout(config.hidden_dropout if config.head_dropout is None else config.head_dropout)
        self.output = nn.Linear(config.width, len(config.labels or ()))

    def forward(self, hidden: Tensor) -> Tensor:
        """Return the scores, (slots, width) -> (slots, labels)."""
        return self.output(self.dropout(hidden))  # type: ignore[no-any-return]


class MaskedLM(nn.Module):
    """A score for each token of the vocabulary, from its likeness to the token's embedding."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.transform = nn.Linear(config.width, config.width)
        self.activation = ACTIVATIONS[config.activation]
        self.norm = nn.LayerNorm(config.width, eps=config.layer_norm_eps)
        self.bias = nn.Parameter(torch.zeros(config.vocabulary))

    def forward(self, hidden: Tensor, tokens: Tensor) -> Tensor:
        """Return the scores, (slots, width) and (vocabulary, width) -> (slots, vocabulary)."""
        hidden = self.norm(self.activation(self.transform(hidden)))
        return functional.linear(hidden, tokens, self.bias)
