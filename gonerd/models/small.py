"""A small long-context model made from nothing: its own tokenizer, first weights, a folder that transformers loads."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gonerd.labels import LabelScheme
from gonerd.models.checkpoints import quietly, save_checkpoint, set_labels
from gonerd.records import Manifest, Shard, sha256_of
from gonerd.store import MANIFEST, Run, is_current, read_manifest, replacing, sha256_file, write_json

if TYPE_CHECKING:
    import torch

SPECIAL_TOKENS = ("<s>", "<pad>", "</s>", "<unk>", "<mask>")
BEGIN, PAD, END = 0, 1, 2
HEIGHT, SHARPNESS = 0.4, 1.4  # of the waves that positions start as, and of the heads' first look at their neighbours


@dataclass(frozen=True, slots=True, kw_only=True)
class SmallConfig:
    """The shape of a small model."""

    layers: int = 4
    """Layers of the encoder."""
    width: int = 128
    """Width of the hidden states."""
    heads: int = 4
    """Attention heads a layer."""
    window: int = 32
    """Sub-tokens that a position sees, half of them on each side."""
    reach_tokens: int = 4096
    """Longest input in sub-tokens, special tokens included."""
    vocabulary: int = 1000
    """Sub-tokens in the vocabulary, at most."""


def new_checkpoint(
    texts: Iterable[str], out: Path, *, config: SmallConfig, scheme: LabelScheme, seed: int = 0
) -> Manifest:
    """Write a new checkpoint: a byte-level BPE tokenizer trained on `texts`, and first weights drawn from `seed`.

    The tokenizer keeps letter case and loses no character. It counts a word once a text, so that a name which recurs
    in one document does not become a sub-token of its own: names are cut the same way whether they were seen or not.
    The model is a Longformer whose heads start by looking at their neighbours, so that word order need not be learned
    first.

    Raises:
        GonerdError: `out` holds something else.
    """
    kept = list(texts)
    settings = {"small": asdict(config), "scheme": scheme.name, "labels": scheme.tags, "seed": seed}
    run = Run("new-checkpoint", settings, tuple(sha256_of(text) for text in kept))
    if is_current(out, run):
        return read_manifest(out)
    with replacing(out, run) as work, quietly():
        tokenizer = _train_tokenizer(kept, config)
        model = _first_model(config, scheme, vocabulary=len(tokenizer), seed=seed)
        save_checkpoint(model, tokenizer, work)
        write_json(work / MANIFEST, run.manifest(model_files(work), read=len(kept), dropped=()))
    return read_manifest(out)


def model_files(folder: Path) -> list[Shard]:
    """Return the files of a written model, with their hashes, for its manifest; they hold no records."""
    return [Shard(path.name, sha256_file(path), 0) for path in sorted(folder.iterdir()) if path.is_file()]


def _train_tokenizer(texts: list[str], config: SmallConfig) -> Any:
    """Return a cased byte-level BPE tokenizer that puts <s> and </s> around a text."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=config.vocabulary,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator((" ".join(sorted(set(text.split()))) for text in texts), trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> $B </s>", special_tokens=[("<s>", BEGIN), ("</s>", END)]
    )
    begin, pad, end, unknown, mask = SPECIAL_TOKENS
    names = {"bos_token": begin, "cls_token": begin, "eos_token": end, "sep_token": end, "pad_token": pad}
    build: Any = PreTrainedTokenizerFast
    return build(
        tokenizer_object=tokenizer,
        model_max_length=config.reach_tokens,
        unk_token=unknown,
        mask_token=mask,
        **names,
    )


def _first_model(config: SmallConfig, scheme: LabelScheme, *, vocabulary: int, seed: int) -> Any:
    """Return a model with weights drawn from `seed`, leaving the random state of the caller as it was."""
    import torch
    from transformers import AutoModelForTokenClassification

    build: Any = AutoModelForTokenClassification.from_config
    settings = _longformer(config, vocabulary)
    set_labels(settings, scheme)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = build(settings)
    _look_at_neighbours(model)
    return model


def _longformer(config: SmallConfig, vocabulary: int) -> Any:
    from transformers import LongformerConfig

    return LongformerConfig(
        vocab_size=vocabulary,
        hidden_size=config.width,
        num_hidden_layers=config.layers,
        num_attention_heads=config.heads,
        bos_token_id=BEGIN,
        pad_token_id=PAD,
        eos_token_id=END,
        intermediate_size=2 * config.width,
        attention_window=[config.window] * config.layers,
        max_position_embeddings=config.reach_tokens + PAD + 1,  # positions are counted from the padding index on
        type_vocab_size=1,
        initializer_range=0.05,  # 0.02 is for models six times as wide: here training stalls at it now and then
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )


def _look_at_neighbours(model: Any) -> None:
    """Let every head of a Longformer start by looking at one neighbour: the heads at -1, 1, -2, 2 … sub-tokens.

    A position is a row of waves whose frequencies are spread evenly, as wide as a head: two rows have a high product if
    they are the same, and about none if they are not but lie in one window. A head's key is the position, its query the
    position so many sub-tokens on. The waves are high, so that training hardly moves them, also where no document of
    training was so long; the norm brings waves and sub-tokens, which have the other dimensions, to one size.
    """
    import torch

    settings, embeddings = model.config, model.longformer.embeddings
    size = settings.hidden_size // settings.num_attention_heads
    frequencies = torch.pi * (torch.arange(size // 2) + 0.5) / (size // 2)
    positions, norm = embeddings.position_embeddings.weight, embeddings.LayerNorm.weight
    waves, words = HEIGHT / 2**0.5, settings.initializer_range  # root mean squares
    both = ((size * waves**2 + settings.hidden_size * words**2) / settings.hidden_size) ** 0.5
    with torch.no_grad():
        angles = torch.arange(len(positions))[:, None] * frequencies
        positions.zero_()[:, :size] = HEIGHT * torch.cat([angles.sin(), angles.cos()], dim=1)
        embeddings.token_type_embeddings.weight.zero_()
        norm[:size], norm[size:] = both / waves, both / words
        for layer in model.longformer.encoder.layer:
            attention = layer.attention.self
            for head in range(settings.num_attention_heads):
                rows = slice(head * size, (head + 1) * size)
                neighbour = (head // 2 + 1) * (1 if head % 2 else -1)
                for weight, by in ((attention.query.weight, neighbour), (attention.key.weight, 0)):
                    weight[rows].zero_()[:, :size] = SHARPNESS * _moved(frequencies, by)


def _moved(frequencies: torch.Tensor, by: int) -> torch.Tensor:
    """Return the matrix, (size, size), that makes the waves of a position those of the position `by` further on."""
    import torch

    sine, cosine = (frequencies * by).sin().diag(), (frequencies * by).cos().diag()
    return torch.cat([torch.cat([cosine, sine], dim=1), torch.cat([-sine, cosine], dim=1)])
