"""The card of a trained model: `hub_card/model.md` filled from its run, its data and its validation alone."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gonerd import __version__
from gonerd.formats import jsonl
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
    validation: str


def write_model_card(work: Path, run: Run, *, model: Any, data: TrainedOn, log: Path) -> None:
    """Write `README.md` into the folder of a trained model; the same run gives the same card.

    Args:
        work: the model's folder.
        run: what trained it.
        model: the loaded model, for its shape.
        data: what it was trained on.
        log: the training's log, whose best validation is that of the kept state.
    """
    settings = canonical(run.config)
    origin_key = next((key for key in _ORIGINS if key in settings), "base")
    origin = _plain(str(settings.get(origin_key, "")))
    values = {
        "name": f"{_plain(str(model.config.model_type))} for named entities",
        "stage": f"model {run.stage}",
        "gonerd_version": __version__,
        "origin_name": _ORIGINS[origin_key],
        "origin": origin,
        "architecture": _plain(str(model.config.model_type)),
        "layers": f"{model.config.num_hidden_layers:,}",
        "width": f"{model.config.hidden_size:,}",
        "parameters": f"{sum(weight.numel() for weight in model.parameters()):,}",
        "labels": ", ".join(f"`{_plain(model.config.id2label[n])}`" for n in sorted(model.config.id2label)),
        "documents": f"{data.documents:,}",
        "train_fingerprint": data.train,
        "validation_fingerprint": data.validation,
        "settings": json.dumps(settings, indent=2, sort_keys=True, ensure_ascii=False),
        **{name: f"{value:.4f}" for name, value in kept_validation(log).items()},
    }
    write_atomic(work / _CARD, f"---\n{_front(origin)}\n---\n\n{_fill(values)}")


def kept_validation(log: Path) -> dict[str, float]:
    """Return F1, precision and recall of the validation whose state was kept: the first with the highest F1."""
    found = [value for _, value in jsonl.read_objects(log) if "eval_f1" in value]
    best = max(found, key=lambda value: value["eval_f1"])
    return {name: best[f"eval_{name}"] for name in ("f1", "precision", "recall")}


def _fill(values: Mapping[str, str]) -> str:
    """Return the template with its fields filled; an unknown field is an error."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(undefined=StrictUndefined, keep_trailing_newline=True)  # noqa: S701 - Markdown, not HTML
    return environment.from_string((folder("hub_card") / "model.md").read_text(encoding="utf-8")).render(**values)


def _front(origin: str) -> str:
    """Return the YAML front matter: what the Hub reads."""
    from huggingface_hub import ModelCardData

    base: dict[str, Any] = {"base_model": origin} if _HUB_NAME.fullmatch(origin) and not Path(origin).exists() else {}
    data = ModelCardData(
        language="en", library_name="transformers", pipeline_tag="token-classification", metrics=["f1"],
        tags=["gonerd", "named-entity-recognition", "long-context"], **base,
    )  # fmt: skip
    return str(data.to_yaml())


def _plain(text: str) -> str:
    """Return text that can neither leave a code span or a table cell nor start a line."""
    return re.sub(r"[`|<>\s]+", " ", text).strip()
