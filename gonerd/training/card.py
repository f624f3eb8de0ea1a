"""The card of a trained model: a template of `hub_card/` filled from its run, its data and its validation alone."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from gonerd import __version__
from gonerd.formats import jsonl
from gonerd.models.translate import is_lsg
from gonerd.resources import folder
from gonerd.store import Run, canonical, write_atomic

_CARD = "README.md"
_HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+")
_ORIGINS = {"base": "started from", "teacher": "distilled from"}


@dataclass(frozen=True, slots=True)
class TrainedOn:
    """What a model was trained and validated on."""

    documents: int
    train: str  # fingerprints
    validation_documents: int
    validation: str
    reach: int  # sub-tokens that are read at once


def write_model_card(work: Path, run: Run, *, model: Any, data: TrainedOn, log: Path) -> None:
    """Write `README.md` into the folder of a trained model; the same run gives the same card.

    Args:
        work: the model's folder.
        run: what trained it.
        model: the loaded model, for its shape.
        data: what it was trained on.
        log: the training's log, whose best validation is that of the kept state.
    """
    first, *entries = (value for _, value in jsonl.read_objects(log))
    checks = [entry for entry in entries if "eval_f1" in entry]
    kept = _best(checks, "eval_f1")
    rows = [
        f"| {check['step']:,}{' (kept)' if check is kept else ''} | {check['eval_f1']:.4f} |"
        f" {check['eval_precision']:.4f} | {check['eval_recall']:.4f} |"
        for check in checks
    ]
    values = _shape(run, model) | {
        "name": f"{_plain(str(model.config.model_type))} for named entities",
        "labels": ", ".join(f"`{_plain(model.config.id2label[n])}`" for n in sorted(model.config.id2label)),
        "reach": f"{data.reach:,}",
        "documents": f"{data.documents:,}",
        "train_fingerprint": data.train,
        "validation_documents": f"{data.validation_documents:,}",
        "validation_fingerprint": data.validation,
        "class_weights": _weights(first["class_weights"]),
        "steps": f"{max(entry['step'] for entry in entries):,} of {first['steps']:,}",
        "batches": f"{first['batches']:,}",
        "trained_parameters": f"{first['trained_parameters']:,}",
        "validations": "\n".join(rows),
        "is_lsg": is_lsg(model.config.to_dict()),
    }
    _write(work, "model.md", values, task="token-classification")


def write_adapted_card(work: Path, run: Run, *, model: Any, documents: int, log: Path) -> None:
    """Write `README.md` into the folder of an adapted encoder.

    Args:
        work: the model's folder.
        run: what trained it.
        model: the loaded model, for its shape.
        documents: how many it learned from and was validated on.
        log: the training's log.
    """
    first, *entries = (value for _, value in jsonl.read_objects(log))
    kept = _best([entry for entry in entries if "eval_log_likelihood" in entry], "eval_log_likelihood")
    values = _shape(run, model) | {
        "name": f"{_plain(str(model.config.model_type))} adapted to a kind of text",
        "documents": f"{documents:,}",
        "texts_sha256": run.inputs[-1],
        "pieces": f"{first['pieces']:,}",
        "held_out_pieces": f"{first['held_out_pieces']:,}",
        "step": f"{kept['step']:,} of {first['steps']:,}",
        "perplexity": f"{math.exp(-kept['eval_log_likelihood']):.2f}",
        "accuracy": f"{kept['eval_accuracy']:.4f}",
        "is_lsg": is_lsg(model.config.to_dict()),
    }
    _write(work, "adapted.md", values, task="fill-mask")


def _shape(run: Run, model: Any) -> dict[str, Any]:
    """Return what is said of any trained model."""
    settings = canonical(run.config)
    origin_key = next((key for key in _ORIGINS if key in settings), "base")
    parameters = sum(weight.numel() for weight in model.parameters())
    return {
        "stage": f"model {run.stage}",
        "gonerd_version": __version__,
        "libraries": ", ".join(f"{name} {version(name)}" for name in ("torch", "transformers")),
        "origin_name": _ORIGINS[origin_key],
        "origin": _plain(str(settings.get(origin_key, ""))),
        "architecture": _plain(str(model.config.model_type)),
        "layers": f"{model.config.num_hidden_layers:,}",
        "width": f"{model.config.hidden_size:,}",
        "parameters": f"{parameters:,}",
        "settings": json.dumps(settings, indent=2, sort_keys=True, ensure_ascii=False),
    }


def _best(entries: Sequence[dict[str, Any]], figure: str) -> dict[str, Any]:
    """Return the entry whose state was kept: the first with the highest figure."""
    return max(entries, key=lambda entry: float(entry[figure]))


def kept_entry(log: Path, figure: str) -> dict[str, Any]:
    """Return the log's validation whose state was kept."""
    return _best([value for _, value in jsonl.read_objects(log) if f"eval_{figure}" in value], f"eval_{figure}")


def kept_validation(log: Path) -> dict[str, float]:
    """Return F1, precision and recall of the validation whose state was kept."""
    best = kept_entry(log, "f1")
    return {name: best[f"eval_{name}"] for name in ("f1", "precision", "recall")}


def _weights(weights: Mapping[str, float] | None) -> str:
    """Return how much each tag counted in the loss."""
    if weights is None:
        return "all tags counted the same"
    return "the tags counted " + ", ".join(f"`{_plain(tag)}` {weight:.2f}" for tag, weight in weights.items())


def _write(work: Path, template: str, values: Mapping[str, Any], *, task: str) -> None:
    front = _front(str(values["origin"]), task)
    write_atomic(work / _CARD, f"---\n{front}\n---\n\n{_fill(template, values)}")


def _fill(template: str, values: Mapping[str, Any]) -> str:
    """Return the template with its fields filled; an unknown field is an error."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(undefined=StrictUndefined, keep_trailing_newline=True)  # noqa: S701 - Markdown, not HTML
    return environment.from_string((folder("hub_card") / template).read_text(encoding="utf-8")).render(**values)


def _front(origin: str, task: str) -> str:
    """Return the YAML front matter: what the Hub reads."""
    from huggingface_hub import ModelCardData

    more: dict[str, Any] = {"base_model": origin} if _HUB_NAME.fullmatch(origin) and not Path(origin).exists() else {}
    if task == "token-classification":
        more["metrics"] = ["f1"]
    data = ModelCardData(
        library_name="transformers", pipeline_tag=task,
        tags=["gonerd", "named-entity-recognition", "long-context"], **more,
    )  # fmt: skip
    return str(data.to_yaml())


def _plain(text: str) -> str:
    """Return text that can neither leave a code span or a table cell nor start a line."""
    return re.sub(r"[`|<>\s]+", " ", text).strip()
