"""What transformers calls the parts of the encoder, type by type: tables that are read both ways, to load and to save.

In every table a name of ours stands left and transformers' right. Weights are named without their ending (`.weight`,
`.bias`), which is the same on both sides; `{}` is the number of a layer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from gonerd.models.config import (
    Attention,
    BigBirdAttention,
    FullAttention,
    LongformerAttention,
    LSGAttention,
    NystromformerAttention,
)

# All types but DistilBERT name the encoder's parts as BERT did.
BERT_WEIGHTS = {
    "embeddings.tokens": "embeddings.word_embeddings",
    "embeddings.positions": "embeddings.position_embeddings",
    "embeddings.types": "embeddings.token_type_embeddings",
    "embeddings.norm": "embeddings.LayerNorm",
    "layers.{}.query": "encoder.layer.{}.attention.self.query",
    "layers.{}.key": "encoder.layer.{}.attention.self.key",
    "layers.{}.value": "encoder.layer.{}.attention.self.value",
    "layers.{}.collect": "encoder.layer.{}.attention.output.dense",
    "layers.{}.attention_norm": "encoder.layer.{}.attention.output.LayerNorm",
    "layers.{}.widen": "encoder.layer.{}.intermediate.dense",
    "layers.{}.narrow": "encoder.layer.{}.output.dense",
    "layers.{}.norm": "encoder.layer.{}.output.LayerNorm",
}
LONGFORMER_WEIGHTS = BERT_WEIGHTS | {
    "layers.{}.attention.query_global": "encoder.layer.{}.attention.self.query_global",
    "layers.{}.attention.key_global": "encoder.layer.{}.attention.self.key_global",
    "layers.{}.attention.value_global": "encoder.layer.{}.attention.self.value_global",
}
NYSTROMFORMER_WEIGHTS = BERT_WEIGHTS | {"layers.{}.attention.convolution": "encoder.layer.{}.attention.self.conv"}
LSG_WEIGHTS = BERT_WEIGHTS | {"global_rows.table": "embeddings.global_embeddings"}
DISTILBERT_WEIGHTS = {
    "embeddings.tokens": "embeddings.word_embeddings",
    "embeddings.positions": "embeddings.position_embeddings",
    "embeddings.norm": "embeddings.LayerNorm",
    "layers.{}.query": "transformer.layer.{}.attention.q_lin",
    "layers.{}.key": "transformer.layer.{}.attention.k_lin",
    "layers.{}.value": "transformer.layer.{}.attention.v_lin",
    "layers.{}.collect": "transformer.layer.{}.attention.out_lin",
    "layers.{}.attention_norm": "transformer.layer.{}.sa_layer_norm",
    "layers.{}.widen": "transformer.layer.{}.ffn.lin1",
    "layers.{}.narrow": "transformer.layer.{}.ffn.lin2",
    "layers.{}.norm": "transformer.layer.{}.output_layer_norm",
}

# Heads stand beside the encoder. The masked-LM head's last matrix is that of the tokens and has no name of its own.
TOKEN_CLASSIFIER = {"classifier.output": "classifier"}
ROBERTA_MASKED_LM = {
    "masked_lm.transform": "lm_head.dense",
    "masked_lm.norm": "lm_head.layer_norm",
    "masked_lm": "lm_head",
}
BERT_MASKED_LM = {
    "masked_lm.transform": "cls.predictions.transform.dense",
    "masked_lm.norm": "cls.predictions.transform.LayerNorm",
    "masked_lm": "cls.predictions",
}
DISTILBERT_MASKED_LM = {
    "masked_lm.transform": "vocab_transform",
    "masked_lm.norm": "vocab_layer_norm",
    "masked_lm": "vocab_projector",
}

# Weights that are another one's once more, and which: either may be missing, and both must be equal.
COPIES = {
    "cls.predictions.decoder.weight": "embeddings.tokens.weight",
    "cls.predictions.decoder.bias": "masked_lm.bias",
    "lm_head.decoder.weight": "embeddings.tokens.weight",
    "lm_head.decoder.bias": "masked_lm.bias",
    "vocab_projector.weight": "embeddings.tokens.weight",
}
# Weights of transformers' models on which no answer depends: they are not read. The pooler is kept, to be saved again.
POOLER = r"(.*\.)?(?P<name>pooler\.(dense\.)?(weight|bias))"
UNREAD = (
    POOLER,
    r"(.*\.)?embeddings\.(position_ids|token_type_ids)",
    r"cls\.seq_relationship\.(weight|bias)",
)
OLD_ENDINGS = {".gamma": ".weight", ".beta": ".bias"}  # of LayerNorm, in checkpoints that came from TensorFlow

# The shape of the encoder in `config.json`.
BERT_SHAPE = {
    "vocabulary": "vocab_size",
    "width": "hidden_size",
    "layers": "num_hidden_layers",
    "heads": "num_attention_heads",
    "intermediate": "intermediate_size",
    "activation": "hidden_act",
    "layer_norm_eps": "layer_norm_eps",
    "hidden_dropout": "hidden_dropout_prob",
    "attention_dropout": "attention_probs_dropout_prob",
    "types": "type_vocab_size",
}
CLASSIFIER_DROPOUT = {"head_dropout": "classifier_dropout"}
DISTILBERT_SHAPE = {
    "vocabulary": "vocab_size",
    "width": "dim",
    "layers": "n_layers",
    "heads": "n_heads",
    "intermediate": "hidden_dim",
    "activation": "activation",
    "hidden_dropout": "dropout",
    "attention_dropout": "attention_dropout",
}
ACTIVATIONS = {  # theirs left, since several of them are one of ours; the first of these is written
    "gelu": "gelu",
    "gelu_new": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "gelu_fast": "gelu_tanh",
    "relu": "relu",
    "silu": "silu",
    "swish": "silu",
}
# The settings of attention.
BIGBIRD_SETTINGS = {"block": "block_size", "random_blocks": "num_random_blocks"}
NYSTROMFORMER_SETTINGS = {"landmarks": "num_landmarks", "convolution": "conv_kernel_size"}
LSG_SETTINGS = {
    "block": "block_size",
    "sparse_block": "sparse_block_size",
    "factor": "sparsity_factor",
    "global_tokens": "num_global_tokens",
    "mask_first_token": "mask_first_token",
    "pool_with_global": "pool_with_global",
}

# Settings with which a checkpoint computes something else; one that has them otherwise is refused.
REQUIRED = {
    "is_decoder": False,
    "add_cross_attention": False,
    "position_embedding_type": "absolute",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """A type of checkpoint."""

    model_type: str
    """In `config.json`."""
    classes: str
    """What the names of its classes begin with."""
    prefix: str
    """Of the encoder's weights in a model that has a head."""
    attention: type[Attention]
    """What a token sees."""
    offset: int | None
    """Rows of the position table before the first position; None: the padding token's id, and one."""
    spare: int = 0
    """Rows of the position table that `max_position_embeddings` does not count."""
    weights: Mapping[str, str]
    """The encoder's weights."""
    masked_lm: Mapping[str, str]
    """The weights of the masked-LM head."""
    masked_lm_activation: str | None = None
    """Its activation, where it is not the encoder's."""
    shape: Mapping[str, str]
    """The shape of the encoder in `config.json`."""
    fixed: Mapping[str, float] = field(default_factory=dict)
    """What of the shape does not stand there, because it is always the same."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """The settings of its attention there."""
    required: Mapping[str, object] = field(default_factory=lambda: REQUIRED)
    """What else must stand there."""
    constants: Mapping[str, object] = field(default_factory=dict)
    """What else is written there."""


BERT = Family(
    model_type="bert",
    classes="Bert",
    prefix="bert",
    attention=FullAttention,
    offset=0,
    weights=BERT_WEIGHTS,
    masked_lm=BERT_MASKED_LM,
    shape=BERT_SHAPE | CLASSIFIER_DROPOUT,
)
DISTILBERT = replace(
    BERT,
    model_type="distilbert",
    classes="DistilBert",
    prefix="distilbert",
    weights=DISTILBERT_WEIGHTS,
    masked_lm=DISTILBERT_MASKED_LM,
    shape=DISTILBERT_SHAPE,
    fixed={"layer_norm_eps": 1e-12, "types": 0},
)
ROBERTA = replace(
    BERT,
    model_type="roberta",
    classes="Roberta",
    prefix="roberta",
    offset=None,
    masked_lm=ROBERTA_MASKED_LM,
    masked_lm_activation="gelu",
)
XLM_ROBERTA = replace(ROBERTA, model_type="xlm-roberta", classes="XLMRoberta")
CAMEMBERT = replace(ROBERTA, model_type="camembert", classes="Camembert")
LONGFORMER = replace(
    ROBERTA,
    model_type="longformer",
    classes="Longformer",
    prefix="longformer",
    attention=LongformerAttention,
    weights=LONGFORMER_WEIGHTS,
    shape=BERT_SHAPE,
)
BIGBIRD = replace(
    BERT,
    model_type="big_bird",
    classes="BigBird",
    attention=BigBirdAttention,
    shape=BERT_SHAPE | CLASSIFIER_DROPOUT | {"projection_bias": "use_bias", "scale_embeddings": "rescale_embeddings"},
    settings=BIGBIRD_SETTINGS,
)
NYSTROMFORMER = replace(
    BERT,
    model_type="nystromformer",
    classes="Nystromformer",
    prefix="nystromformer",
    attention=NystromformerAttention,
    offset=2,
    spare=2,
    weights=NYSTROMFORMER_WEIGHTS,
    shape=BERT_SHAPE,
    settings=NYSTROMFORMER_SETTINGS,
    required=REQUIRED | {"inv_coeff_init_option": False},
)
LSG_ROBERTA = replace(
    ROBERTA,
    classes="LSGRoberta",
    attention=LSGAttention,
    weights=LSG_WEIGHTS,
    settings=LSG_SETTINGS,
    required=REQUIRED | {"sparsity_type": "norm", "adaptive": True},
    constants={"base_model_prefix": "lsg", "sparsity_type": "norm", "adaptive": True, "lsh_num_pre_rounds": 1},
)
FAMILIES = (BERT, DISTILBERT, ROBERTA, XLM_ROBERTA, CAMEMBERT, LONGFORMER, BIGBIRD, NYSTROMFORMER, LSG_ROBERTA)
