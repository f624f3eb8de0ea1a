"""What an encoder is: everything its mathematics needs, and nothing about files or names of other libraries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from gonerd.errors import GonerdError, unknown_name

ACTIVATIONS = ("gelu", "gelu_tanh", "relu", "silu")


@dataclass(frozen=True, slots=True, kw_only=True)
class FullAttention:
    """Every token sees its whole document."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LongformerAttention:
    """A window around every token, and global tokens by option (Beltagy et al. 2020, arXiv 2004.05150)."""

    windows: tuple[int, ...]
    """Tokens seen, half of them on each side: one even number a layer."""
    global_tokens: int = 0
    """Tokens at the start of each document that see, and are seen by, all of it. The authors used none to classify
    tokens; a layout can say another number for each of its documents."""
    global_projections: bool = True
    """Whether there are weights for the queries, keys and values of global tokens."""

    def __post_init__(self) -> None:
        if any(window < 2 or window % 2 for window in self.windows):
            raise GonerdError(f"windows of {self.windows} tokens", remedy="Each must be an even number, 2 or more")
        if self.global_tokens and not self.global_projections:
            raise GonerdError("global tokens without the weights of their projections")


@dataclass(frozen=True, slots=True, kw_only=True)
class BigBirdAttention:
    """Blocks: three neighbours, the first and last, and random ones (Zaheer et al. 2020, arXiv 2007.14062)."""

    block: int = 64
    """Tokens in a block."""
    random_blocks: int = 3
    """Random blocks that a block sees."""
    short: Literal["reference", "sparse"] = "reference"
    """Documents of up to (5 + 2 x random_blocks) blocks: `reference` shows each token all of them, as a fresh
    transformers model does; `sparse` treats them like longer ones."""
    randomness: Literal["reference", "random"] = "reference"
    """`reference` puts block 0 in the place of every random block, as transformers does outside of training: block 0 is
    thereby counted once more for each. `random` draws other blocks, for each layer and number of blocks anew."""
    seed: int = 0
    """Of the random blocks."""

    def __post_init__(self) -> None:
        if self.block < 1 or self.random_blocks < 0:
            raise GonerdError(f"blocks of {self.block} tokens with {self.random_blocks} random ones")


@dataclass(frozen=True, slots=True, kw_only=True)
class LSGAttention:
    """Local blocks, pooled keys from further away, global rows (Condevaux and Harispe 2022, arXiv 2210.15497)."""

    block: int = 128
    """Tokens in a block."""
    sparse_block: int = 128
    """Sparse keys on each side of the local blocks."""
    factor: int = 2
    """Tokens that one sparse key stands for."""
    global_tokens: int = 1
    """Rows in front of each document that see, and are seen by, all of it."""
    global_rows: int = 512
    """Rows of the table that they come from."""
    mask_first_token: bool = False
    """Whether a document's first token is hidden from all tokens."""
    pool_with_global: bool = True
    """Whether the first global row's last state takes the place of the first token's."""

    def __post_init__(self) -> None:
        if min(self.block, self.factor, self.global_tokens) < 1 or self.sparse_block < 0:
            raise GonerdError("blocks, factor and global tokens of LSG attention must be 1 or more")
        if self.global_tokens > self.global_rows:
            raise GonerdError(f"{self.global_tokens} global tokens from a table of {self.global_rows} rows")
        if not self.sparse_block:
            return
        uneven = self.block % self.chunk or self.chunk % self.factor or self.step % 2
        if uneven or 3 * self.step >= 4 * self.sparse_block:
            raise GonerdError(
                f"LSG attention with block {self.block}, sparse block {self.sparse_block} and factor {self.factor}",
                remedy="The factor must divide both, block/factor be even and less than 4/3 of the sparse block",
            )

    @property
    def chunk(self) -> int:
        """Neighbouring tokens that sparse keys are chosen from."""
        return min(self.block, self.sparse_block)

    @property
    def sparse_keys_of_chunk(self) -> int:
        """Sparse keys that are chosen from a chunk."""
        return self.chunk // self.factor

    @property
    def step(self) -> int:
        """Sparse keys that stand for a block."""
        return self.block // self.factor


@dataclass(frozen=True, slots=True, kw_only=True)
class NystromformerAttention:
    """Landmarks instead of keys, and a convolution of the values (Xiong et al. 2021, arXiv 2102.03902)."""

    landmarks: int = 64
    """Landmarks of a document."""
    convolution: int | None = 65
    """Width of the convolution's kernel; None: there is no convolution."""
    approximate: bool = False
    """Approximate the softmax through landmarks. The published checkpoints do not: their configurations make
    transformers compute the full softmax."""

    def __post_init__(self) -> None:
        if self.landmarks < 1:
            raise GonerdError(f"{self.landmarks} landmarks", remedy="It must be 1 or more")
        if self.convolution is not None and (self.convolution < 1 or self.convolution % 2 == 0):
            raise GonerdError(f"a convolution {self.convolution} wide", remedy="It must be odd, 1 or more")


Attention = FullAttention | LongformerAttention | BigBirdAttention | LSGAttention | NystromformerAttention


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderConfig:
    """The shape of an encoder."""

    vocabulary: int
    """Rows of the token table."""
    width: int = 768
    """Width of the hidden states."""
    layers: int = 12
    """Layers."""
    heads: int = 12
    """Attention heads a layer."""
    intermediate: int = 3072
    """Width inside the feed-forward network."""
    activation: str = "gelu"
    """`gelu` (exact), `gelu_tanh`, `relu` or `silu`."""
    layer_norm_eps: float = 1e-5
    """Added to the variance in every LayerNorm."""
    hidden_dropout: float = 0.1
    """After embeddings and projections, in training."""
    attention_dropout: float = 0.1
    """Of attention's weights, in training."""
    head_dropout: float | None = None
    """Before the token classifier, in training; the hidden dropout if not given."""
    positions: int = 512
    """Rows of the position table."""
    position_offset: int = 0
    """Row of a document's first token. RoBERTa and its kin: the padding token's id + 1."""
    pad_id: int = 0
    """The padding token."""
    types: int = 0
    """Rows of the type table, of which only row 0 is used; 0: there is none."""
    attention: Attention = FullAttention()
    """What a token sees."""
    projection_bias: bool = True
    """Whether queries, keys and values have a bias."""
    scale_embeddings: bool = False
    """Multiply token embeddings by the square root of the width."""
    labels: tuple[str, ...] | None = None
    """Names of the token classifier's outputs; None: there is no such head."""
    masked_lm: bool = False
    """Whether there is a head that predicts masked tokens."""

    def __post_init__(self) -> None:
        if self.activation not in ACTIVATIONS:
            raise unknown_name("activation", self.activation, ACTIVATIONS)
        for name in ("vocabulary", "width", "layers", "heads", "intermediate", "reach"):
            if getattr(self, name) < 1:
                raise GonerdError(f"{name} is {getattr(self, name)}", remedy="It must be 1 or more")
        if self.types < 0:
            raise GonerdError(f"types is {self.types}", remedy="It must be 0 or more")
        if not 0 <= self.pad_id < self.vocabulary:
            raise GonerdError(f"the padding token {self.pad_id} of {self.vocabulary} tokens")
        for name in ("hidden_dropout", "attention_dropout", "head_dropout"):
            if not 0 <= (getattr(self, name) or 0.0) <= 1:
                raise GonerdError(f"{name} is {getattr(self, name)}", remedy="It must be from 0 to 1")
        if not 0 <= self.layer_norm_eps < 1:
            raise GonerdError(f"layer_norm_eps is {self.layer_norm_eps}", remedy="It must be from 0 to 1")
        if self.width % self.heads:
            raise GonerdError(f"a width of {self.width} does not divide into {self.heads} heads")
        if self.labels is not None and self.masked_lm:
            raise GonerdError("an encoder with two heads", remedy="Choose the token classifier or the masked-LM head")
        if isinstance(self.attention, LongformerAttention) and len(self.attention.windows) != self.layers:
            raise GonerdError(f"{len(self.attention.windows)} windows for {self.layers} layers")

    @property
    def reach(self) -> int:
        """Tokens in the longest document that there are positions for."""
        return self.positions - self.position_offset


Target = Literal["longformer", "bigbird", "lsg", "nystromformer", "full"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConvertConfig:
    """What a model is made into."""

    to: Target
    """The new attention: longformer, bigbird, lsg, nystromformer or full."""
    max_length: int = 4096
    """Longest document in sub-tokens, special tokens included."""
    window: int = 512
    """Longformer: tokens that a token sees, half of them on each side."""
    block: int | None = None
    """BigBird and LSG: tokens in a block; 64 and 128 if not given, as published."""
    random_blocks: int = 3
    """BigBird: random blocks that a block sees."""
    sparse_block: int = 128
    """LSG: sparse keys on each side of the local blocks; 0 for none."""
    factor: int = 2
    """LSG: tokens that one sparse key stands for."""
    global_tokens: int = 1
    """LSG: global rows in front of a document."""
    landmarks: int = 64
    """Nystromformer: landmarks of a document, for its approximation of the softmax."""
    kernel: int = 65
    """Nystromformer: width of the convolution's kernel."""
    approximate: bool = False
    """Nystromformer: approximate the softmax, which the published checkpoints do not."""

    def __post_init__(self) -> None:
        if self.max_length < 1:
            raise GonerdError(f"max_length is {self.max_length}", remedy="It must be 1 or more")

    def attention(self, layers: int) -> Attention:
        """Return the new attention of an encoder with that many layers."""
        match self.to:
            case "longformer":
                return LongformerAttention(windows=(self.window,) * layers)
            case "bigbird":
                return BigBirdAttention(
                    block=64 if self.block is None else self.block, random_blocks=self.random_blocks
                )
            case "lsg":
                return LSGAttention(
                    block=128 if self.block is None else self.block,
                    sparse_block=self.sparse_block,
                    factor=self.factor,
                    global_tokens=self.global_tokens,
                )
            case "nystromformer":
                return NystromformerAttention(
                    landmarks=self.landmarks, convolution=self.kernel, approximate=self.approximate
                )
        return FullAttention()
