"""What is to be run: configurations, and their order."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

BEST = "best"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A configuration, as its file and those that it is based on say."""

    name: str
    about: str
    kind: str  # "reach": one of those compared; "ablation": what another setting changes
    base: str | None = None  # the configuration that it changes
    convert: dict[str, Any] = field(default_factory=dict)  # options of `gonerd model convert`; none: as it is
    adapt: dict[str, Any] = field(default_factory=dict)  # options of `gonerd model adapt`, on `text/`; none: it is not
    finetune: dict[str, Any] = field(default_factory=dict)  # options of `gonerd model finetune`
    train_share: float = 1.0  # of the training documents of each source


def read_plan(folder: Path, name: str) -> Plan:
    """Return a configuration; a table of its own adds to that of its base, setting by setting."""
    values = _merged(folder, name)
    return Plan(name=name, **values)


def _merged(folder: Path, name: str) -> dict[str, Any]:
    own = tomllib.loads((folder / f"{name}.toml").read_text(encoding="utf-8"))
    base = own.pop("base", None)
    merged = {**_merged(folder, base), "base": base} if base else {}
    for key, value in own.items():
        merged[key] = {**merged.get(key, {}), **value} if isinstance(value, dict) else value
    return merged


def read_order(path: Path) -> list[tuple[str, int]]:
    """Return names and seeds in their order; what stands behind # is a comment."""
    lines = (line.partition("#")[0].split() for line in path.read_text(encoding="utf-8").splitlines())
    return [(line[0], int(line[1])) for line in lines if line]


def best_of_reach(runs: dict[str, Any]) -> str | None:
    """Return the configuration of reach 4,096 with the best F1 on validation at seed 0; None before there is one."""
    found = {
        run["plan"]: run["validation_f1"]
        for run in runs.values()
        if run.get("kind") == "reach" and run["seed"] == 0 and run["reach"] > 512
    }
    return max(found, key=lambda name: found[name], default=None)
