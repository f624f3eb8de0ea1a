"""Small reference models of transformers, and the same weights in an encoder of ours."""

import re
from dataclasses import dataclass

import torch
import transformers

from gonerd.models.config import BigBirdAttention, EncoderConfig, LongformerAttention
from gonerd.models.encoder import Encoder

SHAPE = {
    "vocab_size": 100,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "num_labels": 5,
    "initializer_range": 0.2,  # larger than usual, so that attention is far from even
}

PUBLISHED = (1, 2, 63, 64, 65, 511, 512, 513, 700, 705)  # around the sizes of published checkpoints
NARROW = (1, 2, 16, 17, 33, 56, 57, 64, 65, 144, 145, 159, 300, 400)

NAMES = [  # what transformers' names become, in turn
    (r"^(roberta|bert|longformer)\.", ""),
    (r"^encoder\.layer\.", "layers."),
    (r"attention\.self\.(query|key|value)(_global)", r"attention.\1\2"),
    (r"attention\.self\.(query|key|value)", r"\1"),
    (r"attention\.output\.dense", "collect"),
    (r"attention\.output\.LayerNorm", "attention_norm"),
    (r"intermediate\.dense", "widen"),
    (r"output\.dense", "narrow"),
    (r"output\.LayerNorm", "norm"),
    (r"^embeddings\.word_embeddings", "embeddings.tokens"),
    (r"^embeddings\.position_embeddings", "embeddings.positions"),
    (r"^embeddings\.token_type_embeddings", "embeddings.types"),
    (r"^embeddings\.LayerNorm", "embeddings.norm"),
    (r"^classifier\.", "classifier.output."),
]


def renamed(name):
    for pattern, replacement in NAMES:
        name = re.sub(pattern, replacement, name)
    return name


def shape_of(config, **others):
    """Return the encoder's configuration for a transformers configuration."""
    return EncoderConfig(
        vocabulary=config.vocab_size,
        width=config.hidden_size,
        layers=config.num_hidden_layers,
        heads=config.num_attention_heads,
        intermediate=config.intermediate_size,
        activation={"gelu_new": "gelu_tanh"}.get(config.hidden_act, config.hidden_act),
        layer_norm_eps=config.layer_norm_eps,
        hidden_dropout=0.0,
        attention_dropout=0.0,
        positions=config.max_position_embeddings,
        pad_id=config.pad_token_id,
        types=config.type_vocab_size,
        labels=tuple(config.id2label.values()),
        **others,
    )


def same_weights(reference, config):
    """Return an encoder with a reference's weights."""
    encoder = Encoder(config).eval()
    weights = {renamed(name): value for name, value in reference.state_dict().items()}
    encoder.load_state_dict({name: value for name, value in weights.items() if "pooler" not in name})
    return encoder


def tokens(*lengths, seed=0):
    """Return random documents, without padding tokens."""
    draw = torch.Generator().manual_seed(seed)
    return [torch.randint(5, SHAPE["vocab_size"], (length,), generator=draw) for length in lengths]


def padded(documents, *, left=False, extra=0):
    """Return a padded batch and its mask."""
    longest = max(len(document) for document in documents) + extra
    ids = torch.ones(len(documents), longest, dtype=torch.long)
    mask = torch.zeros(len(documents), longest, dtype=torch.long)
    for row, document in enumerate(documents):
        place = slice(longest - len(document), None) if left else slice(len(document))
        ids[row, place], mask[row, place] = document, 1
    return ids, mask


@dataclass(frozen=True)
class Pair:
    """A reference with seeded weights, and an encoder with the same."""

    reference: torch.nn.Module
    encoder: Encoder
    lengths: tuple[int, ...]  # of documents that meet its edges
    global_tokens: int = 0  # that the reference is told of

    def alone(self, document):
        """Return the reference's last hidden state and logits for a document that is alone, in a fresh model."""
        if hasattr(self.reference, "bert") and hasattr(self.reference.bert, "set_attention_type"):
            self.reference.bert.set_attention_type("block_sparse")  # it stays full once it has seen a short document
        options = {}
        if self.global_tokens:
            options["global_attention_mask"] = (torch.arange(len(document)) < self.global_tokens).long()[None]
        answer = self.reference(document[None], output_hidden_states=True, **options)
        return answer.hidden_states[-1][0][: len(document)], answer.logits[0]


def pair_of(kind, config, lengths=PUBLISHED, global_tokens=0, **others):
    torch.manual_seed(0)
    reference = kind(config).eval()
    return Pair(reference, same_weights(reference, shape_of(config, **others)), lengths, global_tokens)


def roberta(kind=transformers.RobertaForTokenClassification):
    config = transformers.RobertaConfig(**SHAPE, max_position_embeddings=5002, pad_token_id=1, type_vocab_size=1)
    return pair_of(kind, config, position_offset=2)


def bert():
    config = transformers.BertConfig(**SHAPE, max_position_embeddings=5000, pad_token_id=1)
    return pair_of(transformers.BertForTokenClassification, config)


def longformer(windows=(512, 256), lengths=PUBLISHED, global_tokens=0):
    config = transformers.LongformerConfig(
        **SHAPE, attention_window=list(windows), max_position_embeddings=5002, pad_token_id=1, type_vocab_size=1
    )
    attention = LongformerAttention(windows=windows, global_tokens=global_tokens)
    kind = transformers.LongformerForTokenClassification
    return pair_of(kind, config, lengths, global_tokens, position_offset=2, attention=attention)


def bigbird(block=64, random_blocks=3, lengths=PUBLISHED, **others):
    config = transformers.BigBirdConfig(
        **SHAPE, block_size=block, num_random_blocks=random_blocks, max_position_embeddings=5000, **others
    )
    return pair_of(
        transformers.BigBirdForTokenClassification,
        config,
        lengths,
        attention=BigBirdAttention(block=block, random_blocks=random_blocks),
        projection_bias=config.use_bias,
        scale_embeddings=config.rescale_embeddings,
    )


PAIRS = {
    "roberta": roberta,
    "bert": bert,
    "longformer": longformer,
    "longformer, narrow": lambda: longformer((32, 64), NARROW),
    "longformer, global tokens": lambda: longformer((32, 64), NARROW, global_tokens=3),
    "bigbird": bigbird,
    "bigbird, narrow": lambda: bigbird(16, 2, NARROW),
    "bigbird, one random block": lambda: bigbird(8, 1, NARROW, rescale_embeddings=True, use_bias=False),
}
