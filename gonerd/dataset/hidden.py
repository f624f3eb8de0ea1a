"""A dataset whose labels of one split are kept back: what is published of it, and what is kept apart."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from gonerd.dataset.card import write_card
from gonerd.dataset.croissant import LABEL_COLUMNS, write_croissant
from gonerd.dataset.examples import read_examples
from gonerd.dataset.export import export
from gonerd.dataset.facts import hidden_splits, read_facts
from gonerd.dataset.files import data_files, split_of
from gonerd.dataset.kept import GOLD
from gonerd.dataset.plots import PLOTS, link_plots
from gonerd.dataset.release import RELEASE, STANDOFF, Release
from gonerd.dataset.statistics import STATISTICS, Statistics, read_statistics
from gonerd.errors import GonerdError, room_in, unknown_name
from gonerd.formats import jsonl
from gonerd.formats.parquet import read_rows
from gonerd.formats.removed import REMOVED
from gonerd.records import Manifest, Shard, sha256_of
from gonerd.store import MANIFEST, read_json, read_manifest, sha256_file, write_json

_SAME = ("dropped.jsonl", "previous.json", REMOVED)  # what tells no label


def hide_labels(folder: Path, split: str, *, out: Path, gold: Path) -> Manifest:
    """Write `folder` to `out` without the labels of one split, and that split with its labels to `gold`.

    The columns `ner_tags` and `entities` stay and are null in that split; its spans are gone from `standoff.jsonl` and
    `widened.jsonl`, and the fingerprint of its gold from the manifest. Counts of its labels stay in the statistics.
    `gold` gets `<split>.jsonl` and `gold.json` with its fingerprint: every command that scores takes the folder.

    Args:
        folder: a finished dataset.
        split: the split whose labels are kept back.
        out: an empty or new folder.
        gold: folder for the labels; a `<split>.jsonl` in it is replaced.

    Raises:
        GonerdError: there is no such split, it is the only one, its labels are hidden already, or `gold` is inside
            the dataset.
    """
    manifest = read_manifest(folder)
    files = data_files(folder)
    _check(folder, split, manifest=manifest, gold=gold)
    _write_gold(folder, split, gold=gold, manifest=manifest)
    (out / "data").mkdir(parents=True, exist_ok=True)
    for path in (path for paths in files.values() for path in paths):
        target = out / path.relative_to(folder)
        _blank(path, target) if split_of(path.name) == split else shutil.copyfile(path, target)
    for name in _SAME:
        if (folder / name).is_file():
            shutil.copyfile(folder / name, out / name)
    ids = {row["id"] for path in files[split] for row in read_rows(path, columns=("id",))}
    _write_lines(out / STANDOFF, _standoff(folder, split))
    _write_lines(out / "widened.jsonl", _widened(folder, ids))
    hidden = _manifest(manifest, out, split)
    write_json(out / STATISTICS, _statistics(folder))
    write_json(out / RELEASE, _release(folder, out, split))
    write_json(out / MANIFEST, hidden)
    facts = read_facts(out)
    write_card(facts, out / "README.md")
    write_croissant(facts, out)
    if (folder / PLOTS).is_dir():
        shutil.copytree(folder / PLOTS, out / PLOTS)
        link_plots(out)
    return hidden


def _check(folder: Path, split: str, *, manifest: Manifest, gold: Path) -> None:
    files = data_files(folder)
    if split not in files:
        raise unknown_name("split", split, files, where=folder)
    if len(files) == 1:
        raise GonerdError(f"{split!r} is the only split: nothing would be left to learn from", where=folder)
    if split in hidden_splits(manifest):
        raise GonerdError(f"the labels of {split!r} are hidden already", where=folder)
    if gold.resolve().is_relative_to(folder.resolve()):
        raise GonerdError("the kept labels cannot lie inside the dataset", where=gold, remedy="Name another folder")


def _write_gold(folder: Path, split: str, *, gold: Path, manifest: Manifest) -> None:
    prints: Any = manifest.config["fingerprints"]
    build: Any = manifest.config["build"]
    content = {"name": build["name"], "version": build["version"], "split": split, "fingerprint": prints[split]}
    with room_in(gold):
        gold.mkdir(parents=True, exist_ok=True)
        export(read_examples(folder, split), gold / f"{split}.jsonl", form="jsonl")
        write_json(gold / GOLD, content)


def _blank(path: Path, target: Path) -> None:
    """Copy a Parquet file with null in place of every label, a row group at a time."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        schema = file.schema_arrow
        with pq.ParquetWriter(target, schema, compression="zstd", write_statistics=["id", "source"]) as writer:
            for group in range(file.num_row_groups):
                table = file.read_row_group(group)
                for name in LABEL_COLUMNS:
                    place = schema.get_field_index(name)
                    table = table.set_column(place, schema.field(place), pa.nulls(len(table), schema.field(place).type))
                writer.write_table(table, row_group_size=len(table))


def _standoff(folder: Path, split: str) -> Iterator[dict[str, Any]]:
    for _, value in jsonl.read_objects(folder / STANDOFF):
        yield {**value, "spans": []} if value["split"] == split else value


def _widened(folder: Path, ids: set[str]) -> Iterator[dict[str, Any]]:
    """Yield the widened spans of the other splits: a surface is a label told."""
    for _, value in jsonl.read_objects(folder / "widened.jsonl"):
        if value["id"] not in ids:
            yield value


def _statistics(folder: Path) -> Statistics:
    """Return the statistics without the names in them, which may be the hidden split's."""
    found = read_statistics(folder)
    return replace(found, ambiguity=replace(found.ambiguity, examples=()) if found.ambiguity else None)


def _write_lines(path: Path, values: Iterator[dict[str, Any]]) -> None:
    with path.open("w", encoding="utf-8", newline="\n") as stream:
        stream.writelines(f"{jsonl.dumps(value)}\n" for value in values)


def _release(folder: Path, out: Path, split: str) -> Release:
    release = jsonl.from_json(Release, read_json(folder / RELEASE))
    prints = {**release.fingerprints, split: replace(release.fingerprints[split], gold=None)}
    return replace(release, fingerprints=prints, standoff_sha256=sha256_file(out / STANDOFF))


def _manifest(manifest: Manifest, out: Path, split: str) -> Manifest:
    prints: Any = manifest.config["fingerprints"]
    hidden = sorted({*hidden_splits(manifest), split})
    config = {
        **manifest.config,
        "fingerprints": {**prints, split: {**prints[split], "gold": None}},
        "hidden_labels": hidden,
    }
    outputs = tuple(Shard(shard.name, sha256_file(out / shard.name), shard.records) for shard in manifest.outputs)
    key = sha256_of(f"{manifest.key} without the labels of {', '.join(hidden)}")
    return replace(manifest, key=key, config=config, outputs=outputs)
