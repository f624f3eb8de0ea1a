"""A dataset's folder by what a user calls it: a path, a name of the table of releases, or a repository on the Hub."""

from __future__ import annotations

from pathlib import Path

from gonerd.dataset.release import RELEASE, STANDOFF
from gonerd.dataset.releases import releases
from gonerd.dataset.remote import read_remote, remote_file
from gonerd.dataset.statistics import STATISTICS
from gonerd.errors import GonerdError, unknown_name
from gonerd.store import MANIFEST

_DESCRIBING = (MANIFEST, STATISTICS, RELEASE, STANDOFF)


def dataset_folder(dataset: str) -> Path:
    """Return the folder that describes a dataset: its own, or for a repository the files that hold no rows, downloaded.

    Args:
        dataset: a folder, a name such as `sample`, or `organisation/name`, with `@revision` where it is not `main`.

    Raises:
        GonerdError: there is no such dataset, it was not published with gonerd, or the Hub cannot be reached.
    """
    path = Path(dataset)
    if path.is_dir():
        return path
    row = releases().rows.get(dataset)
    if row and row.path:
        return row.path
    repository, _, revision = (row.repository or "", "", row.revision) if row else dataset.partition("@")
    if repository.count("/") != 1 or repository.startswith((".", "/", "~")):
        raise unknown_name("dataset", dataset, releases().rows, where="neither a folder nor a known name")
    return _downloaded(repository, revision or "main")


def _downloaded(repository: str, revision: str) -> Path:
    remote = read_remote(repository, revision)
    if remote is None:
        raise GonerdError(f"no such repository, or no revision {revision!r} in it", where=repository)
    files = [path for name in _DESCRIBING if (path := remote_file(remote, name))]
    if len(files) < len(_DESCRIBING):
        raise GonerdError(
            f"it does not hold {', '.join(_DESCRIBING)}: it was not published with gonerd",
            where=repository,
            remedy=f'Load its rows with gonerd.load("{repository}")',
        )
    return files[0].parent
