"""What a card was filled from, read back from a dataset's folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gonerd.dataset.card import Facts
from gonerd.dataset.config import BuildConfig
from gonerd.dataset.examples import read_examples
from gonerd.dataset.files import DataFile, arrow_bytes, data_files, split_of
from gonerd.dataset.previous import read_continuity
from gonerd.dataset.statistics import in_order, read_statistics
from gonerd.errors import GonerdError
from gonerd.formats.parquet import read_rows
from gonerd.labels import load_scheme
from gonerd.records import Example, Manifest
from gonerd.store import MANIFEST, read_manifest


def read_build_config(manifest: Manifest, *, where: Path) -> BuildConfig:
    """Return the configuration that a dataset was built with.

    Raises:
        GonerdError: the manifest has none, or one of another version of gonerd.
    """
    build: Any = manifest.config.get("build")
    try:
        return BuildConfig(**build)
    except TypeError as error:
        raise GonerdError(
            f"the build's configuration is incomplete ({error})",
            where=where / MANIFEST,
            remedy="Build the dataset again with this version of gonerd",
        ) from error


def hidden_splits(manifest: Manifest) -> tuple[str, ...]:
    """Return the splits whose labels were taken out before publication."""
    found = manifest.config.get("hidden_labels")
    return tuple(str(split) for split in found) if isinstance(found, list) else ()


def read_facts(folder: Path) -> Facts:
    """Return everything that the card of a finished dataset's folder is filled from.

    Raises:
        GonerdError: the folder holds no dataset, or no document whose labels may be shown.
    """
    manifest = read_manifest(folder)
    config = read_build_config(manifest, where=folder)
    names = data_files(folder)
    shown = [split for split in in_order(names) if split not in hidden_splits(manifest)]
    return Facts(
        config,
        load_scheme(config.scheme),
        manifest,
        read_statistics(folder),
        tuple(_data_file(folder, manifest, split) for split in in_order(names)),
        _shortest(folder, shown),
        read_continuity(folder),
    )


def _data_file(folder: Path, manifest: Manifest, split: str) -> DataFile:
    (shard,) = (shard for shard in manifest.outputs if split_of(shard.name) == split)
    path = folder / shard.name
    return DataFile(split, shard, arrow_bytes(path), path.stat().st_size)


def _shortest(folder: Path, splits: list[str]) -> Example:
    """Return the document that the card shows: the shortest, as when the dataset was built."""
    found = [
        (len(row["text"]), row["id"], split)
        for split in splits
        for path in data_files(folder)[split]
        for row in read_rows(path, columns=("id", "text"))
    ]
    if not found:
        raise GonerdError("no document is left whose labels may be shown", where=folder)
    _, name, split = min(found)
    return next(example for example in read_examples(folder, split) if example.id == name)
