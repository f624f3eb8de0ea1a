"""`gonerd.load`: the dataset in one line, with nothing hooked into anything."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypedDict, Unpack

from gonerd.dataset.releases import releases
from gonerd.dataset.sources import content_hash, package_hash
from gonerd.errors import GonerdError, unknown_name

RELEASES_BUILDER = "gonerd.builders.gonerd_dataset"
FOLDER_BUILDER = "gonerd.builders.gonerd_folder"


class LoadOptions(TypedDict, total=False):
    """What `load` takes beside the name."""

    repo: str  # a dataset repository on the Hub, organisation/name
    revision: str  # branch, tag or commit of the repository
    columns: dict[str, str]  # our column names to theirs, for a repository of other make
    labels: dict[str, str]  # their tags or labels to ours, likewise
    cache_dir: str
    num_proc: int


def load(
    name: str | None = None,
    *,
    data_dir: str | Path | None = None,
    split: str | None = None,
    streaming: bool = False,
    **options: Unpack[LoadOptions],
) -> Any:
    """Load a dataset of the benchmark.

    Args:
        name: a release (`original`, `sample`), a folder built with gonerd, or a repository `organisation/name`; the
            default release if nothing else is given.
        data_dir: a folder built with gonerd.
        split: a split or a slice, as `train` or `test[:10]`; without it, all splits.
        streaming: read rows as they are asked for, without a cache.
        **options: see `LoadOptions`.

    Returns:
        What `datasets.load_dataset` returns: a Dataset with a split, else a DatasetDict; iterable when streaming.

    Raises:
        GonerdError: the name is unknown, the folder holds no dataset, or the Hub cannot be reached.
    """
    from datasets.load import import_main_class

    release, folder, repository = _resolve(name, data_dir, options.get("repo"))
    workers, cache_dir = options.get("num_proc"), options.get("cache_dir")
    settings: dict[str, Any] = {key: options[key] for key in ("revision", "columns", "labels") if key in options}
    if repository:
        settings["repo"] = repository
    module, digest, kwargs = builder_module(folder)
    builder = import_main_class(module)(
        cache_dir=cache_dir, config_name=release, hash=digest, dataset_name="gonerd", **kwargs, **settings
    )
    if streaming:
        return builder.as_streaming_dataset(split=split)
    builder.download_and_prepare(num_proc=workers)
    return builder.as_dataset(split=split)


def builder_module(folder: str | Path | None) -> tuple[str, str, dict[str, Any]]:
    """Return the builder's module, the hash of its data, and its arguments; `datasets` keeps one cache a hash."""
    if folder is None:
        return RELEASES_BUILDER, package_hash(), {}
    path = Path(folder).expanduser().absolute()
    if not path.is_dir():
        raise GonerdError("no such folder", where=path, remedy="data_dir= takes a folder that gonerd has built")
    return FOLDER_BUILDER, content_hash(path), {"data_dir": str(path)}


def _resolve(
    name: str | None, data_dir: str | Path | None, repo: str | None
) -> tuple[str | None, str | Path | None, str | None]:
    """Return release, folder and repository that were meant; at most one of the last two is given."""
    if sum(value is not None for value in (name, data_dir, repo)) > 1:
        raise GonerdError("name, data_dir and repo exclude each other", remedy="Give one of them")
    if name is None:
        return None, data_dir, repo
    if name in releases().rows:
        return name, None, None
    if Path(name).is_dir():
        return None, name, None
    if name.count("/") == 1 and not name.startswith((".", "/", "~")):
        return None, None, name
    raise unknown_name("dataset", name, releases().rows)
