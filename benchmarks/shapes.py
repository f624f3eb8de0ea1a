"""What half the layers saves, and what the implementation saves: published shapes through gonerd's measurement of cost.

    python benchmarks/shapes.py --work DIR --record                      every architecture, 512 and 4,096 sub-tokens
    python benchmarks/shapes.py --work DIR --only bigbird --record       one of them; what is recorded already stays
    python benchmarks/shapes.py --table                                  print what is recorded, as Markdown

Checkpoints are made with random weights, in the base size (768 wide, 12 heads) and with the published attention of each
architecture: time and memory do not depend on what the weights say. For each architecture one run of `gonerd cost`'s
measurement takes four models in turns: 12 and 6 layers, computed by transformers' own modules and by gonerd's encoder.
The reference of the ratios is transformers with 12 layers; transformers has no LSG, whose reference is the encoder's 12
layers. On a busy machine the ratios, taken turn by turn, count and not the seconds; doubts are recorded with them. The
same command measures on CUDA where there is a device.
"""

from __future__ import annotations

import argparse
import json
from datetime import date
from pathlib import Path
from typing import Any

import torch
import transformers
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from gonerd.evaluation.cost import CostConfig, measure_costs
from gonerd.evaluation.cost_report import Cost
from gonerd.labels import load_scheme
from gonerd.models.config import ConvertConfig
from gonerd.models.convert import convert_checkpoint
from gonerd.store import write_json

RESULTS = Path(__file__).with_name("results") / "shapes.json"
ARCHITECTURES = ("roberta", "longformer", "bigbird", "nystromformer", "lsg")
LAYERS = (12, 6)
REACH, VOCABULARY = 4096, 30_000
TAGS = load_scheme("gonerd").tags


def config_of(architecture: str, layers: int) -> Any:
    """Return transformers' configuration of a published shape."""
    shape = {
        "vocab_size": VOCABULARY, "hidden_size": 768, "num_hidden_layers": layers, "num_attention_heads": 12,
        "intermediate_size": 3072, "pad_token_id": 1, "id2label": dict(enumerate(TAGS)),
        "label2id": {tag: number for number, tag in enumerate(TAGS)}, "max_position_embeddings": REACH + 2,
    }  # fmt: skip
    if architecture == "longformer":
        return transformers.LongformerConfig(**shape, attention_window=[512] * layers, type_vocab_size=1)
    if architecture == "bigbird":
        return transformers.BigBirdConfig(**shape)
    if architecture == "nystromformer":
        return transformers.NystromformerConfig(**shape, segment_means_seq_len=64, num_landmarks=64)
    return transformers.RobertaConfig(**shape, type_vocab_size=1)


def write_tokenizer(folder: Path) -> None:
    """Write a tokenizer that knows words of one letter: documents are drawn by number, and never read."""
    special = {"<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3, "<mask>": 4}
    tokenizer = Tokenizer(models.WordLevel(special | {chr(97 + n): 5 + n for n in range(26)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    names = {"bos": "<s>", "cls": "<s>", "eos": "</s>", "sep": "</s>", "pad": "<pad>", "unk": "<unk>", "mask": "<mask>"}
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, model_max_length=REACH, **{f"{name}_token": token for name, token in names.items()}
    ).save_pretrained(folder)


def checkpoint(work: Path, architecture: str, layers: int) -> Path:
    """Write a checkpoint of a published shape, unless it is there."""
    folder = work / f"{architecture}-base-{layers}"
    if (folder / "config.json").is_file() and any(folder.glob("*.safetensors")):
        return folder
    if architecture == "lsg":
        convert_checkpoint(checkpoint(work, "roberta", layers), folder, config=ConvertConfig(to="lsg"))
        return folder
    torch.manual_seed(0)
    model = transformers.AutoModelForTokenClassification.from_config(config_of(architecture, layers))
    model.save_pretrained(folder)
    write_tokenizer(folder)
    return folder


def measure(architecture: str, args: argparse.Namespace) -> list[dict[str, Any]]:
    """Return a row for each of an architecture's models, the reference first."""
    engines = ("gonerd",) if architecture == "lsg" else ("transformers", "gonerd")
    asked = [(engine, layers) for engine in engines for layers in LAYERS]
    config = CostConfig(
        lengths=tuple(args.lengths), repeats=args.repeats, seconds=args.seconds, precision=args.precision, batches=False
    )
    names = [f"{engine}:{checkpoint(args.work, architecture, layers)}" for engine, layers in asked]
    costs = measure_costs(names, config=config)
    return [row_of(cost, architecture, engine, layers) for (engine, layers), cost in zip(asked, costs, strict=True)]


def row_of(cost: Cost, architecture: str, engine: str, layers: int) -> dict[str, Any]:
    """Return what is recorded of a measurement, which folder names are no part of."""
    return {
        "architecture": architecture, "engine": engine, "layers": layers, "parameters": cost.model.parameters,
        "flops_per_token": cost.flops_per_token, "latency": [part.model_dump() for part in cost.latency],
        "machine": cost.machine.model_dump(), "doubts": list(cost.doubts), "date": str(date.today()),
    }  # fmt: skip


def table(rows: list[dict[str, Any]]) -> str:
    """Return the rows as Markdown: times and memory against 12 layers of transformers."""
    lengths = sorted({part["length"] for row in rows for part in row["latency"]})
    columns = [f"{length:,}: time, of the reference" for length in lengths]
    head = ["attention", "computed by", "layers", *columns, f"memory at {lengths[-1]:,}", "share of the matrix rate"]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for row in rows:
        parts = {part["length"]: part for part in row["latency"]}
        longest = parts[lengths[-1]]
        times = [f"{parts[n]['p50_ms'] / 1000:.2f} s, {100 * parts[n]['ratio']['median']:.0f} %" for n in lengths]
        share = "-" if longest["utilisation"] is None else f"{100 * longest['utilisation']:.0f} %"
        cells = [
            row["architecture"],
            row["engine"],
            str(row["layers"]),
            *times,
            f"{longest['peak_mib']:,.0f} MiB",
            share,
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure published shapes through gonerd's own cost measurement.")
    parser.add_argument("--work", type=Path, default=Path("shapes"), help="folder for the checkpoints")
    parser.add_argument("--only", nargs="*", choices=ARCHITECTURES, default=list(ARCHITECTURES))
    parser.add_argument("--lengths", nargs="*", type=int, default=[512, 4096])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=60.0, help="for each part; three turns are made in any case")
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="fp32")
    parser.add_argument("--record", action="store_true")
    parser.add_argument("--table", action="store_true")
    args = parser.parse_args()
    recorded = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.is_file() else []
    for architecture in () if args.table else args.only:
        recorded = [row for row in recorded if row["architecture"] != architecture] + measure(architecture, args)
        if args.record:
            write_json(RESULTS, sorted(recorded, key=lambda row: ARCHITECTURES.index(row["architecture"])))
    print(table(recorded))


if __name__ == "__main__":
    main()
