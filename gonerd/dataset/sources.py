"""Where the files of a dataset are, on this machine or on the Hub, and the hash that keeps a cache from going stale."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gonerd import __version__
from gonerd.dataset.files import STAGE, data_files, split_of
from gonerd.dataset.releases import releases
from gonerd.errors import GonerdError
from gonerd.store import MANIFEST, read_manifest, sha256_file

_AGAIN = "Build or download the dataset again"
_SPLIT_WORDS = {"train": "train", "val": "validation", "valid": "validation", "dev": "validation", "test": "test"}
_SPLIT_WORDS["validation"] = "validation"


@dataclass(frozen=True, slots=True)
class Files:
    """The files of a dataset by split: paths, or addresses on the Hub at a resolved commit."""

    origin: str
    of: dict[str, list[str]]
    sums: dict[str, str] = field(default_factory=dict)  # SHA-256 by address, where the Hub states it
    commit: str = ""  # of the repository


def folder_files(folder: Path) -> Files:
    """Return the files of a dataset's folder: those its manifest names, or its Parquet files if it has none.

    Raises:
        GonerdError: there is no dataset in the folder.
    """
    if (folder / MANIFEST).is_file():
        named = data_files(folder)
        if missing := [path for paths in named.values() for path in paths if not path.is_file()]:
            raise GonerdError("the manifest names this file, but it is missing", where=missing[0], remedy=_AGAIN)
        return Files(str(folder), {split: [str(path) for path in paths] for split, paths in named.items()})
    found: dict[str, list[str]] = {}
    for path in sorted((folder / "data").glob("*.parquet")):
        found.setdefault(split_of(path.name), []).append(str(path))
    if not found:
        raise GonerdError(
            "holds no dataset: neither manifest.json nor data/*.parquet",
            where=folder,
            remedy="Give the folder that `gonerd dataset build` has written",
        )
    return Files(str(folder), found)


def content_hash(folder: Path) -> str:
    """Return a hash that changes when the folder's data does: of its checksums, else of sizes and times."""
    if (folder / MANIFEST).is_file() and read_manifest(folder).stage == STAGE:
        lines = [f"{shard.name} {shard.sha256}" for shard in read_manifest(folder).outputs]
    else:
        paths = [Path(name) for names in folder_files(folder).of.values() for name in names]
        lines = [f"{path.name} {path.stat().st_size} {path.stat().st_mtime_ns}" for path in paths]
    return hashlib.sha256("\n".join([__version__, *lines]).encode()).hexdigest()


def package_hash() -> str:
    """Return the hash of what the package itself offers: the table of releases and the folders in the package."""
    parts = [__version__, repr(releases())]
    parts += [content_hash(row.path) for row in releases().rows.values() if row.path and row.path.is_dir()]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def check_sums(folder: Path) -> None:
    """Raise unless every data file of a folder is the one that its manifest names."""
    if not (folder / MANIFEST).is_file():
        return
    for shard in read_manifest(folder).outputs:
        if sha256_file(folder / shard.name) != shard.sha256:
            raise GonerdError(
                "the file is not the one that the manifest names",
                where=folder / shard.name,
                remedy=_AGAIN,
            )


def hub_files(repository: str, revision: str | None) -> Files:
    """Return the files of a dataset repository at the commit that `revision` now names.

    Raises:
        GonerdError: the Hub cannot be reached, or has no such repository or no data in it.
    """
    from huggingface_hub import HfApi

    try:
        found = HfApi().dataset_info(repository, revision=revision, files_metadata=True, timeout=20)
    except Exception as error:  # whatever stands between here and the Hub is one and the same to the user
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        raise GonerdError(
            f"the dataset {repository!r} cannot be had from the Hub ({reason})",
            remedy='Without a network, load "sample", or a folder with data_dir=FOLDER',
        ) from error
    names = sorted(sibling.rfilename for sibling in found.siblings or ())
    base = f"hf://datasets/{repository}@{found.sha}"
    of: dict[str, list[str]] = {}
    for name in _data_names(names):
        of.setdefault(_split_word(name), []).append(f"{base}/{name}")
    if not of:
        raise GonerdError(f"no train, validation or test files among: {', '.join(names) or 'none'}", where=repository)
    _check_one(of, where=repository)
    stated = {f"{base}/{sibling.rfilename}": sibling.lfs.sha256 for sibling in found.siblings or () if sibling.lfs}
    return Files(f"{repository}@{found.sha}", of, stated, found.sha or "")


def _check_one(of: Mapping[str, Sequence[str]], *, where: str) -> None:
    """Raise if the files of a split lie in several folders: they are several datasets, which nobody asked to mix."""
    for split, addresses in of.items():
        folders = sorted({address.rpartition("/")[0].partition("@")[2].partition("/")[2] for address in addresses})
        if len(folders) > 1:
            raise GonerdError(
                f"{split} is in several folders ({', '.join(name or 'the top one' for name in folders)})",
                where=where,
                remedy="Load one of them with datasets alone: load_dataset(NAME, CONFIGURATION)",
            )


def downloaded_sums(found: Files, local: Mapping[str, Sequence[str]]) -> dict[str, dict[str, Any]]:
    """Return size and SHA-256 of the downloaded files by address, as `datasets` keeps them.

    Raises:
        GonerdError: a file is not the one that the Hub has.
    """
    sums: dict[str, dict[str, Any]] = {}
    for split, addresses in found.of.items():
        for address, path in zip(addresses, map(Path, local[split]), strict=True):
            checksum = sha256_file(path)
            if found.sums.get(address, checksum) != checksum:
                remedy = "Load it again with another cache_dir=, or delete the file"
                raise GonerdError(f"the downloaded file {path} is damaged", where=address, remedy=remedy)
            sums[address] = {"num_bytes": path.stat().st_size, "checksum": checksum}
    return sums


def _data_names(names: list[str]) -> list[str]:
    """Return the Parquet files if there are any, else the JSON Lines files, that name a split."""
    for ending in (".parquet", ".jsonl"):
        if chosen := [name for name in names if name.endswith(ending) and _split_word(name)]:
            return chosen
    return []


def _split_word(name: str) -> str:
    stem = Path(name).name.partition(".")[0]
    return _SPLIT_WORDS.get(stem.partition("-")[0].partition("_")[0].casefold(), "")
