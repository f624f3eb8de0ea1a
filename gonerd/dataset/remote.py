"""A dataset repository on the Hub as it is now: its files by their hashes, its head, its tags."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from gonerd.errors import hub_errors
from gonerd.formats import jsonl
from gonerd.records import Manifest
from gonerd.store import MANIFEST, sha256_file


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """How the Hub names the content of a file: a Git blob, or for a large file its SHA-256."""

    blob: str
    sha256: str | None

    def holds(self, content: Path | bytes) -> bool:
        """Tell whether the content is this file's."""
        if self.sha256 is not None:
            found = sha256_file(content) if isinstance(content, Path) else hashlib.sha256(content).hexdigest()
            return found == self.sha256
        return _blob(content) == self.blob


@dataclass(frozen=True, slots=True)
class Remote:
    """A repository at one revision."""

    repository: str
    commit: str
    private: bool
    files: dict[str, RemoteFile]


def _blob(content: Path | bytes) -> str:
    """Return the name that Git gives to a content."""
    size = content.stat().st_size if isinstance(content, Path) else len(content)
    digest = hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)
    if isinstance(content, bytes):
        digest.update(content)
        return digest.hexdigest()
    with content.open("rb") as stream:
        while part := stream.read(1 << 20):
            digest.update(part)
    return digest.hexdigest()


def read_remote(repository: str, revision: str = "main") -> Remote | None:
    """Return what a repository holds at a branch, tag or commit, or None if there is no such repository or revision.

    Raises:
        GonerdError: the Hub cannot be reached, or refuses.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import RepositoryNotFoundError, RevisionNotFoundError

    with hub_errors(repository, "looking at the repository"):
        try:
            info = HfApi().dataset_info(repository, revision=revision, files_metadata=True, timeout=60)
        except (RepositoryNotFoundError, RevisionNotFoundError):
            return None
        files = {
            sibling.rfilename: RemoteFile(sibling.blob_id or "", sibling.lfs.sha256 if sibling.lfs else None)
            for sibling in info.siblings or ()
        }
        return Remote(repository, info.sha or "", bool(info.private), files)


def remote_file(remote: Remote, name: str) -> Path | None:
    """Return a file of a repository, downloaded, or None if it has none of this name."""
    if name not in remote.files:
        return None
    from huggingface_hub import hf_hub_download

    with hub_errors(remote.repository, f"reading {name}"):
        return Path(hf_hub_download(remote.repository, name, repo_type="dataset", revision=remote.commit))


def remote_manifest(remote: Remote) -> tuple[Manifest, bytes] | None:
    """Return the manifest of the dataset in a repository with its bytes, or None if there is none that can be read."""
    path = remote_file(remote, MANIFEST)
    if path is None:
        return None
    content = path.read_bytes()
    try:
        return jsonl.from_json(Manifest, jsonl.loads(content.decode("utf-8"))), content
    except ValueError:
        return None
