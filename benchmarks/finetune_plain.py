"""A token classifier as most people fine-tune one: transformers, torch and nothing of gonerd's.

    python benchmarks/finetune_plain.py ENCODER --gold ../shared/gold --out minilm512

Training documents are cut into pieces of 512 sub-tokens that share 64, the first sub-token of a word carries its tag,
and AdamW runs a linear schedule. The state with the best validation loss is not looked for: the last one is kept. A run
that is broken off goes on from its last checkpoint. `real_models.py` and `harness.py` beside this evaluate the folder.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForTokenClassification, AutoTokenizer, get_linear_schedule_with_warmup

LABELS = ["O", *(f"{prefix}-{name}" for name in ("PER", "ORG", "LOC", "MISC") for prefix in "BI")]
IGNORED = -100


def pieces(tokenizer: Any, path: Path, *, length: int, shared: int) -> list[dict[str, list[int]]]:
    """Return the pieces of all documents: sub-tokens, and for each word's first sub-token its tag."""
    number = {tag: place for place, tag in enumerate(LABELS)}
    found = []
    with path.open(encoding="utf-8") as lines:
        for row in map(json.loads, lines):
            encoded = tokenizer(
                row["tokens"], is_split_into_words=True, truncation=True, max_length=length, stride=shared,
                return_overflowing_tokens=True,
            )  # fmt: skip
            for place, ids in enumerate(encoded["input_ids"]):
                words = encoded.word_ids(place)
                labels = [
                    IGNORED if word is None or word == before else number[row["ner_tags"][word]]
                    for before, word in zip([None, *words], words, strict=False)
                ]
                if place:  # a piece may begin within a word, whose first sub-token is in the piece before
                    labels[1] = IGNORED
                found.append({"input_ids": ids, "labels": labels})
    return found


def batches(rows: list[dict[str, list[int]]], *, size: int, seed: int) -> list[list[dict[str, list[int]]]]:
    """Return the batches of an epoch: pieces of about one length together, in an order drawn anew."""
    draw = random.Random(seed)
    order = sorted(rows, key=lambda row: (len(row["input_ids"]), draw.random()))
    groups = [order[start : start + size] for start in range(0, len(order), size)]
    draw.shuffle(groups)
    return groups


def tensors(batch: list[dict[str, list[int]]], pad: int) -> dict[str, torch.Tensor]:
    longest = max(len(row["input_ids"]) for row in batch)

    def padded(name: str, filler: int) -> torch.Tensor:
        return torch.tensor([row[name] + [filler] * (longest - len(row[name])) for row in batch])

    ids, labels = padded("input_ids", pad), padded("labels", IGNORED)
    mask = torch.tensor([[1] * len(row["input_ids"]) + [0] * (longest - len(row["input_ids"])) for row in batch])
    return {"input_ids": ids, "attention_mask": mask, "labels": labels}


def train(options: argparse.Namespace) -> None:
    torch.manual_seed(options.seed)
    torch.set_flush_denormal(True)
    tokenizer = AutoTokenizer.from_pretrained(options.encoder, model_max_length=options.length)
    names = dict(enumerate(LABELS))
    # Dropout on attention weights would keep torch from its fused attention, which on a CPU costs a third of a step.
    model = AutoModelForTokenClassification.from_pretrained(
        options.encoder, id2label=names, label2id={tag: place for place, tag in names.items()}, dtype="float32",
        attention_probs_dropout_prob=0.0,
    )  # fmt: skip
    rows = pieces(tokenizer, options.gold / "train.jsonl", length=options.length, shared=options.shared_tokens)
    steps = options.epochs * len(batches(rows, size=options.batch, seed=0))
    optimizer = torch.optim.AdamW(model.parameters(), lr=options.learning_rate, weight_decay=0.01)
    schedule = get_linear_schedule_with_warmup(optimizer, steps // 10, steps)
    state, done = options.out / "state.pt", 0
    if state.is_file():
        saved = torch.load(state, weights_only=True)
        model.load_state_dict(saved["model"])
        optimizer.load_state_dict(saved["optimizer"])
        schedule.load_state_dict(saved["schedule"])
        done = saved["done"]
    options.out.mkdir(parents=True, exist_ok=True)
    model.train()
    print(f"{len(rows)} pieces, {steps} steps, {torch.get_num_threads()} threads, from step {done}", flush=True)
    order = [
        batch
        for epoch in range(options.epochs)
        for batch in batches(rows, size=options.batch, seed=options.seed + epoch)
    ]
    for step, batch in enumerate(order[done:], start=done + 1):
        started = time.perf_counter()
        loss = model(**tensors(batch, tokenizer.pad_token_id)).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        if step % 2 == 0:
            print(f"step {step} of {steps}: loss {loss.item():.4f}, {time.perf_counter() - started:.1f} s", flush=True)
        if step % options.save_every == 0:
            content = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "done": step}
            torch.save({**content, "schedule": schedule.state_dict()}, state.with_suffix(".partial"))
            state.with_suffix(".partial").replace(state)
        if step == options.stop_after:
            return
    model.eval().save_pretrained(options.out)
    tokenizer.save_pretrained(options.out)
    state.unlink(missing_ok=True)


def main() -> None:
    parser = argparse.ArgumentParser(description="Fine-tune a token classifier with transformers and torch alone.")
    parser.add_argument("encoder", help="folder of an encoder in the transformers format")
    parser.add_argument("--gold", type=Path, default=Path("../shared/gold"))
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--batch", type=int, default=8, help="pieces in a batch")
    parser.add_argument("--length", type=int, default=512, help="sub-tokens in a piece")
    parser.add_argument("--shared-tokens", type=int, default=64, help="sub-tokens that neighbouring pieces share")
    parser.add_argument("--learning-rate", type=float, default=3e-4)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--save-every", type=int, default=10)
    parser.add_argument("--stop-after", type=int, default=0, help="leave off after this step, for a trial")
    train(parser.parse_args())


if __name__ == "__main__":
    main()
