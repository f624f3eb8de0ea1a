"""A dataset's folder by what a user calls it: a path, a name of the table of releases, or a repository on the Hub."""

from __future__ import annotations

import re
from pathlib import Path

from gonerd.dataset.release import RELEASE, STANDOFF
from gonerd.dataset.releases import releases
from gonerd.dataset.remote import Remote, read_remote, remote_file
from gonerd.dataset.statistics import STATISTICS
from gonerd.errors import GonerdError, unknown_name
from gonerd.store import MANIFEST

_DESCRIBING = (MANIFEST, STATISTICS, RELEASE, STANDOFF)
COMMIT = re.compile(r"[0-9a-f]{40}")


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
    return _downloaded(*_place(dataset))


def pinned(dataset: str) -> tuple[str, str] | None:
    """Return the repository and the commit that a name now means; None for a folder, on this machine or in the package.

    A name that has its commit already (`organisation/name@` and 40 digits) is not looked up.

    Raises:
        GonerdError: there is no such dataset or revision, or the Hub cannot be reached.
    """
    row = releases().rows.get(dataset)
    if Path(dataset).is_dir() or (row and row.path):
        return None
    repository, revision = _place(dataset)
    if COMMIT.fullmatch(revision):
        return repository, revision
    return repository, _remote(repository, revision).commit


def _place(dataset: str) -> tuple[str, str]:
    """Return the repository that a name stands for, and the revision that is meant."""
    row = releases().rows.get(dataset)
    repository, _, revision = (row.repository or "", "", row.revision) if row else dataset.partition("@")
    if repository.count("/") != 1 or repository.startswith((".", "/", "~")):
        raise unknown_name("dataset", dataset, releases().rows, where="neither a folder nor a known name")
    return repository, revision or "main"


def _remote(repository: str, revision: str) -> Remote:
    remote = read_remote(repository, revision)
    if remote is None:
        raise GonerdError(f"no such repository, or no revision {revision!r} in it", where=repository)
    return remote


def _downloaded(repository: str, revision: str) -> Path:
    remote = _remote(repository, revision)
    files = [path for name in _DESCRIBING if (path := remote_file(remote, name))]
    if len(files) < len(_DESCRIBING):
        raise GonerdError(
            f"it does not hold {', '.join(_DESCRIBING)}: it was not published with gonerd",
            where=repository,
            remedy=f'Load its rows with gonerd.load("{repository}")',
        )
    return files[0].parent
