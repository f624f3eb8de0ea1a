"""The Parquet files of a dataset: written in bounded memory, the same rows in the same bytes; and read back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gonerd.dataset.columns import arrow_schema, to_row
from gonerd.errors import GonerdError
from gonerd.records import Example, Manifest, Shard
from gonerd.store import read_manifest, sha256_file

STAGE = "dataset"
# A row group is what is read at once, and what processes share out: some megabytes with all columns.
_GROUP_CHARACTERS = 1_000_000  # of text
_GROUP_ROWS = 1_000
# Smallest and largest values help to skip row groups; of texts and tokens they would only take room.
_COLUMNS_WITH_BOUNDS = ["id", "source", "license", "published"]


@dataclass(frozen=True, slots=True)
class DataFile:
    """One written file."""

    split: str
    shard: Shard  # named relative to the dataset's folder
    arrow_bytes: int  # in memory
    file_bytes: int  # on disk


@dataclass(slots=True)
class _Open:
    """A file being written, with the rows that wait for the next row group."""

    path: Path
    writer: Any
    rows: list[dict[str, Any]] = field(default_factory=list)
    characters: int = 0
    records: int = 0


class ParquetFolder:
    """Writes examples to `data/<split>-00000-of-00001.parquet`, a row group at a time."""

    def __init__(self, folder: Path, *, tags: Sequence[str]) -> None:
        self._folder = folder
        self._schema = arrow_schema(tags)
        self._open: dict[str, _Open] = {}
        (folder / "data").mkdir()

    def add(self, example: Example, tag_ids: Sequence[int]) -> None:
        """Write one example to the file of its split."""
        if example.split not in self._open:
            self._open[example.split] = self._start(example.split)
        file = self._open[example.split]
        file.rows.append(to_row(example, tag_ids))
        file.characters += len(example.text)
        if file.characters >= _GROUP_CHARACTERS or len(file.rows) >= _GROUP_ROWS:
            self._flush(file)

    def close(self) -> None:
        """Write the rows that still wait, and close all files."""
        for file in self._open.values():
            with file.writer:
                self._flush(file)

    def files(self) -> list[DataFile]:
        """Return the closed files by name of the split."""
        return [_describe(self._folder, split, file) for split, file in sorted(self._open.items())]

    def _start(self, split: str) -> _Open:
        import pyarrow.parquet as pq

        if not split.isidentifier():
            raise GonerdError(f"split {split!r} cannot name a file", remedy="Use letters, digits and underscores")
        path = self._folder / "data" / f"{split}-00000-of-00001.parquet"
        writer = pq.ParquetWriter(path, self._schema, compression="zstd", write_statistics=_COLUMNS_WITH_BOUNDS)
        return _Open(path, writer)

    def _flush(self, file: _Open) -> None:
        import pyarrow as pa

        if not file.rows:
            return
        table = pa.Table.from_pylist(file.rows, schema=self._schema)
        file.writer.write_table(table, row_group_size=len(file.rows))
        file.records += len(file.rows)
        file.rows, file.characters = [], 0


def _describe(folder: Path, split: str, file: _Open) -> DataFile:
    shard = Shard(file.path.relative_to(folder).as_posix(), sha256_file(file.path), file.records)
    return DataFile(split, shard, arrow_bytes(file.path), file.path.stat().st_size)


def arrow_bytes(path: Path) -> int:
    """Return how much memory the rows of a Parquet file take when they are read."""
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        return sum(file.read_row_group(group).nbytes for group in range(file.num_row_groups))


def split_of(name: str) -> str:
    """Return the split that a data file's name begins with."""
    return Path(name).name.partition("-")[0]


def data_files(folder: Path) -> dict[str, list[Path]]:
    """Return the Parquet files of a dataset's folder by split.

    Raises:
        GonerdError: there is no such folder, or no finished dataset in it.
    """
    manifest = read_manifest(folder)
    if manifest.stage != STAGE:
        raise GonerdError(f"holds the output of stage {manifest.stage!r}, not a dataset", where=folder)
    if is_standoff_only(manifest):
        raise GonerdError(
            "this dataset was built without its text",
            where=folder,
            remedy="Regenerate its documents, then: gonerd dataset build --release",
        )
    found: dict[str, list[Path]] = {}
    for shard in manifest.outputs:
        if Path(shard.name).is_absolute() or ".." in Path(shard.name).parts:
            raise GonerdError(f"file {shard.name!r} lies outside the dataset", where=folder / "manifest.json")
        found.setdefault(split_of(shard.name), []).append(folder / shard.name)
    return found


def is_standoff_only(manifest: Manifest) -> bool:
    """Tell whether a dataset was built without its text."""
    build = manifest.config.get("build")
    return isinstance(build, dict) and build.get("standoff_only") is True
