"""Tiny models and documents for the tests of models, training and evaluation."""

from __future__ import annotations

import random
from pathlib import Path

import torch
from transformers import AutoModelForTokenClassification, AutoTokenizer, ModernBertConfig

from gonerd.formats.gold import Gold, GoldDocument
from gonerd.labels import load_scheme
from gonerd.models.checkpoints import load_checkpoint, quietly, save_checkpoint, set_labels
from gonerd.models.load import load_encoder
from gonerd.models.small import SmallConfig, new_checkpoint
from gonerd.records import Example

torch.set_num_threads(1)  # tiny products: threads only wait for each other, above all on a busy machine
SCHEME = load_scheme("gonerd")
FIRST = ("Ann", "Bea", "Cem", "Dag", "Eva")
PLACES = ("Oslo", "Ghent", "Porto", "Turku")
FILLER = ("the", "boat", "left", "again", ",", "and", "nobody", "waited", "😀", "ça", "…", "Ω", "\u200b", "x" * 40)


def tiny_config(**changes: int) -> SmallConfig:
    """Return a shape that trains in a second: reach 64, 2 layers, 32 wide."""
    settings = {"layers": 2, "width": 32, "heads": 2, "window": 16, "reach_tokens": 64, "vocabulary": 280}
    return SmallConfig(**(settings | changes))


def tiny_example(number: int, *, words: int = 30, split: str = "train") -> Example:
    """Return a document of `words` words with people and places in it."""
    draw = random.Random(f"{split} {number}")
    tokens: list[str] = []
    tags: list[str] = []
    while len(tokens) < words:
        kind = draw.random()
        if kind < 0.2 and len(tokens) + 2 <= words:
            tokens += [draw.choice(FIRST), draw.choice(FIRST) + "sen"]
            tags += ["B-PER", "I-PER"]
        else:
            tokens.append(draw.choice(PLACES if kind < 0.35 else FILLER))
            tags.append("B-LOC" if kind < 0.35 else "O")
    text, starts = "", []
    for token in tokens:
        starts.append(len(text))
        text += token + " "
    return Example(
        id=f"{split}-{number}",
        text=text,
        tokens=tuple(tokens),
        token_starts=tuple(starts),
        ner_tags=tuple(tags),
        entities=(),
        sentence_starts=None,
        source=f"source-{number % 2}",
        url=None,
        license=None,
        title=None,
        published=None,
        annotators=(),
        text_sha256="",
        split=split,
    )


def tiny_examples(count: int, *, split: str = "train") -> tuple[Example, ...]:
    """Return documents of 1 to 150 words; the longer ones are beyond a tiny model's reach."""
    lengths = (1, 12, 30, 61, 62, 63, 150, 90)
    return tuple(tiny_example(number, words=lengths[number % len(lengths)], split=split) for number in range(count))


def tiny_gold(count: int = 8) -> Gold:
    """Return a test split."""
    documents = map(GoldDocument.of, tiny_examples(count, split="test"))
    return Gold.of(documents, scheme=SCHEME, name="tiny", split="test")


def tiny_checkpoint(folder: Path, architecture: str = "modernbert", *, seed: int = 0, **changes: int) -> Path:
    """Write a tiny model with random weights: a Longformer, which the encoder runs, or what transformers has to run."""
    texts = [" ".join(example.tokens) for example in tiny_examples(8)]
    config = tiny_config(**changes)
    new_checkpoint(texts, folder, config=config, scheme=SCHEME, seed=seed)
    if architecture == "modernbert":
        make_modernbert(folder, config, seed=seed)
    return folder


def make_modernbert(folder: Path, config: SmallConfig, *, seed: int = 0) -> None:
    """Put a ModernBERT of the same shape in the place of a checkpoint's model; the tokenizer stays."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    settings = ModernBertConfig(
        vocab_size=len(tokenizer),
        hidden_size=config.width,
        num_hidden_layers=config.layers,
        num_attention_heads=config.heads,
        intermediate_size=2 * config.width,
        local_attention=config.window,
        layer_types=["sliding_attention"] * config.layers,
        max_position_embeddings=config.reach_tokens,
        bos_token_id=tokenizer.bos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        cls_token_id=tokenizer.cls_token_id,
        sep_token_id=tokenizer.sep_token_id,
    )
    set_labels(settings, SCHEME)
    with torch.random.fork_rng(devices=[]), quietly():
        torch.manual_seed(seed)
        save_checkpoint(AutoModelForTokenClassification.from_config(settings), tokenizer, folder)


def assert_transformers_agrees(folder: Path) -> None:
    """Hold the answers of a folder's model in the encoder against those of transformers."""
    reference, tokenizer = load_checkpoint(folder, scheme=SCHEME)
    inputs = tokenizer("Ann left Oslo again, and nobody waited", return_tensors="pt")
    with torch.no_grad():
        wanted, got = (
            model(inputs["input_ids"], inputs["attention_mask"]).logits for model in (reference, load_encoder(folder))
        )
    torch.testing.assert_close(got, wanted, atol=1e-5, rtol=0)
