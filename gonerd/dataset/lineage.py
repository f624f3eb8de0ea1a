"""Which stages documents and gold went through before a dataset was built, and with which settings: for its card."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gonerd.errors import GonerdError
from gonerd.records import Manifest
from gonerd.store import MANIFEST, read_manifest

_PRIVATE = {"contact", "removed"}  # who crawled, and a path on their machine


@dataclass(frozen=True, slots=True)
class Step:
    """A stage that ran, as its manifest tells."""

    stage: str
    version: str  # of gonerd
    read: int
    written: int
    settings: dict[str, str]  # by dotted name; without those that are empty, or the same in a stage before


def lineage(folders: Iterable[Path]) -> tuple[Step, ...]:
    """Return the stages behind stage folders and their own, first to last, as far as the folders beside them tell.

    A stage is behind another if that read what it wrote: by the hashes of the files, never by names. What ran several
    times with the same settings is one step.
    """
    steps: list[Step] = []
    for step in (step for folder in folders for step in _steps(_behind(folder))):
        for place, other in enumerate(steps):
            if (step.stage, step.version, step.settings) == (other.stage, other.version, other.settings):
                steps[place] = replace(other, read=other.read + step.read, written=other.written + step.written)
                break
        else:
            steps.append(step)
    return tuple(steps)


def _behind(folder: Path) -> list[Manifest]:
    manifest = read_manifest(folder)
    beside = [*filter(None, map(_manifest, sorted(folder.resolve().parent.iterdir())))]
    found, waiting = {manifest.key: manifest}, [manifest]
    while waiting:
        inputs = set(waiting.pop().inputs)
        for other in beside:
            if other.key not in found and inputs & {shard.sha256 for shard in other.outputs}:
                found[other.key] = other
                waiting.append(other)
    return [*reversed(found.values())]


def _manifest(folder: Path) -> Manifest | None:
    """Return the manifest of a stage folder, or None if this is none."""
    if not (folder / MANIFEST).is_file():
        return None
    try:
        return read_manifest(folder)
    except GonerdError:
        return None


def _steps(manifests: Iterable[Manifest]) -> Iterator[Step]:
    told: set[tuple[str, str]] = set()
    for manifest in manifests:
        settings = [setting for setting in _flat(manifest.config) if setting not in told]
        told.update(settings)
        yield Step(manifest.stage, manifest.version, manifest.read, manifest.written, dict(settings))


def _flat(config: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Yield the settings of a configuration by dotted name, without those that are empty."""
    if isinstance(config, dict):
        for key, value in config.items():
            yield from _flat(value, f"{name}.{key}" if name else key)
    elif config not in (None, "", []) and name.rpartition(".")[2] not in _PRIVATE:
        yield name, config if isinstance(config, str) else json.dumps(config, ensure_ascii=False)
