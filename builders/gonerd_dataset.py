"""The `datasets` builder of the releases in gonerd/dataset/releases.toml."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import datasets
import fsspec  # type: ignore[import-untyped]
import pyarrow as pa
import pyarrow.parquet as pq

from gonerd.dataset.columns import arrow_schema, features, to_row
from gonerd.dataset.foreign import Reader
from gonerd.dataset.releases import releases
from gonerd.dataset.sources import Files, check_sums, downloaded_sums, folder_files, hub_files
from gonerd.errors import GonerdError
from gonerd.formats import jsonl
from gonerd.labels import load_scheme
from gonerd.records import Example

_BATCH = 100  # rows of a JSON Lines file in a table


@dataclass
class GonerdConfig(datasets.BuilderConfig):  # type: ignore[misc]
    """One configuration: a folder in the package, a folder of the user's (`data_dir`), or a repository on the Hub."""

    repo: str | None = None
    revision: str | None = None
    folder: str | None = None
    columns: dict[str, str] | None = None
    labels: dict[str, str] | None = None

    @property
    def path(self) -> Path | None:
        """The folder to read, if it is one."""
        chosen = self.data_dir or (self.folder if self.repo is None else None)
        return Path(chosen) if chosen else None


class RowError(GonerdError, datasets.exceptions.DatasetGenerationError):  # type: ignore[misc]
    """A row that cannot be read. `datasets` passes errors of its own kind on, and hides all others behind one."""


def _example(reader: Reader, line: str, number: int) -> Example:
    """Return a line as an example.

    Raises:
        RowError: it is none; one line says where, and what to do.
    """
    try:
        row = jsonl.loads(line)
        if not isinstance(row, dict):
            raise ValueError("expected a JSON object")
        return reader.example(row, number=number)
    except GonerdError as error:
        raise RowError(error.what, where=error.where, remedy=error.remedy) from error
    except (ValueError, TypeError) as error:
        raise RowError(str(error), where=f"{reader.source}, {reader.split}, row {number}") from error


def _configurations() -> list[GonerdConfig]:
    return [
        GonerdConfig(
            name=name,
            version=row.version,
            description=row.summary,
            repo=row.repository,
            revision=row.revision,
            folder=str(row.path) if row.path else None,
        )
        for name, row in releases().rows.items()
    ]


class GonerdDataset(datasets.ArrowBasedBuilder):  # type: ignore[misc]
    """Reads Parquet that gonerd has built, or the JSON Lines of the dataset's authors."""

    BUILDER_CONFIG_CLASS = GonerdConfig
    BUILDER_CONFIGS: ClassVar[list[GonerdConfig]] = _configurations()
    DEFAULT_CONFIG_NAME = releases().default
    hash: str | None  # of what is read: the name of its cache
    _found: Files | None  # on the Hub

    def _info(self) -> datasets.DatasetInfo:
        """Return the features: those of the folder's files, or the benchmark's."""
        known = datasets.Features.from_dict(features(load_scheme().tags))
        path = self.config.path
        if path is not None:
            if not path.is_dir():
                raise GonerdError(
                    f"the configuration {self.config.name!r} has no data in this installation",
                    where=path,
                    remedy="Load a folder with data_dir=FOLDER, or reinstall gonerd",
                )
            first = next(iter(folder_files(path).of.values()))[0]
            known = datasets.Features.from_arrow_schema(pq.read_schema(first))
        row = releases().rows.get(self.config.name)
        own = row is not None and self.config.repo == row.repository
        return datasets.DatasetInfo(description=(self.config.description or "") if own else "", features=known)

    def _build_cache_dir(self) -> str:
        """Return a cache for the commit that the revision now names: a new version is not passed over.

        Where the Hub cannot be reached it is that of the commit which was loaded last.
        """
        if self.config.path is None and not hasattr(self, "_found"):  # `load_dataset` asks twice
            self._found = None
            try:
                self._found = hub_files(self.config.repo or "", self.config.revision)
                self.hash = f"{self.hash}-{self._found.commit}"
            except GonerdError:  # raised again when the files are needed
                self.hash = self._loaded_last() or self.hash
        return str(super()._build_cache_dir())

    def _loaded_last(self) -> str | None:
        folder = Path(self._cache_dir_root, self._relative_data_dir(with_hash=False))
        loaded = [path for path in folder.glob(f"{self.hash}-*") if (path / "dataset_info.json").is_file()]
        return max(loaded, key=lambda path: path.stat().st_mtime).name if loaded else None

    def _split_generators(self, dl_manager: Any) -> list[datasets.SplitGenerator]:
        path = self.config.path
        if path is None:
            found = self._found or hub_files(self.config.repo or "", self.config.revision)
            local = dl_manager.download(found.of)
            if not dl_manager.is_streaming:
                self.info.download_checksums = downloaded_sums(found, local)
        else:
            found = folder_files(path)
            local = found.of
            if not dl_manager.is_streaming:
                check_sums(path)
        self.info.description = f"{self.info.description} (from {found.origin})".strip()
        return [self._split(found, split, local[split]) for split in found.of]

    def _split(self, found: Files, split: str, paths: list[str]) -> datasets.SplitGenerator:
        """Return a split as pieces that can be read side by side: row groups of Parquet, or whole JSON Lines files."""
        pieces: list[tuple[str, int]] = []
        for name, path in zip(found.of[split], paths, strict=True):
            if name.endswith(".parquet"):
                with fsspec.open(path, "rb") as stream, pq.ParquetFile(stream) as file:
                    self.info.features = datasets.Features.from_arrow_schema(file.schema_arrow)
                    pieces += [(path, group) for group in range(file.num_row_groups)]
            else:
                self._check_first_row(path, split)
                pieces.append((path, -1))
        files, groups = [path for path, _ in pieces], [group for _, group in pieces]
        return datasets.SplitGenerator(name=split, gen_kwargs={"files": files, "groups": groups, "splits": split})

    def _generate_tables(self, files: list[str], groups: list[int], splits: str) -> Iterator[tuple[Any, pa.Table]]:
        for number, (path, group) in enumerate(zip(files, groups, strict=True)):
            tables = self._parquet(path, group) if group >= 0 else self._lines(path, splits)
            for count, table in enumerate(tables):
                yield (number, count), table

    def _parquet(self, path: str, group: int) -> Iterator[pa.Table]:
        with fsspec.open(path, "rb") as stream, pq.ParquetFile(stream) as file:
            yield file.read_row_group(group).cast(self.info.features.arrow_schema)

    def _lines(self, path: str, split: str) -> Iterator[pa.Table]:
        scheme, reader = load_scheme(), self._reader(split)
        schema, rows = arrow_schema(scheme.tags), list[dict[str, Any]]()
        with fsspec.open(path, "rt", encoding="utf-8") as stream:
            for number, line in enumerate(stream):
                example = _example(reader, line, number)
                rows.append(to_row(example, scheme.tag_ids(example.ner_tags)))
                if len(rows) == _BATCH:
                    yield pa.Table.from_pylist(rows, schema=schema)
                    rows = []
        if rows:
            yield pa.Table.from_pylist(rows, schema=schema)

    def _check_first_row(self, path: str, split: str) -> None:
        """Say in one line what is wrong with columns or labels, before `datasets` wraps it into errors of its own."""
        with fsspec.open(path, "rt", encoding="utf-8") as stream:
            _example(self._reader(split), next(iter(stream), "{}"), 0)

    def _reader(self, split: str) -> Reader:
        return Reader(
            source=self.config.repo or "",
            split=split,
            columns=self.config.columns or {},
            labels=self.config.labels or {},
        )
