"""A dataset's folder to the Hub: checked, in one commit, with a tag.

A commit on the Hub is all or nothing: an interrupted push leaves at most uploaded files that no revision names, and the
next push goes on with them. The tag comes after the commit; where it is missing, the next push sets it.
"""

from __future__ import annotations

import contextlib
import hashlib
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from gonerd.bars import without_bars
from gonerd.dataset.card import placed_card
from gonerd.dataset.facts import hidden_splits, read_build_config
from gonerd.dataset.hidden import hide_labels
from gonerd.dataset.publishable import (
    CARD,
    OPTIONAL,
    REQUIRED,
    check_kept,
    check_publishable,
    check_removed,
    check_still_hidden,
    published_files,
)
from gonerd.dataset.release import STANDOFF
from gonerd.dataset.remote import Remote, read_remote, remote_file, remote_manifest
from gonerd.errors import FREE_TEMPORARY, GonerdError, hub_errors, room_in
from gonerd.formats.removed import REMOVED, Removed, read_removed
from gonerd.records import Manifest, Progress, silent
from gonerd.store import MANIFEST, read_manifest, sha256_file

SUMS = "SHA256SUMS"


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishConfig:
    """How a dataset is published."""

    private: bool = False
    """Make the repository private if it is a new one; refuse one that is public."""
    dry_run: bool = False
    """Show what would change, and change nothing."""
    hide_labels: str | None = None
    """A split that is published without its labels, which are kept in a folder of their own."""
    removed: Path | None = None
    """A removed.toml: refuse a folder that holds one of its documents, as for the lists of folder and repository."""
    gold: Path | None = None
    """Folder for the labels that are kept back; beside the dataset's, with the ending -SPLIT-gold, if not given."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What publishing changes in a repository, or has changed; names of files, in order."""

    repository: str
    tag: str
    added: tuple[str, ...]
    changed: tuple[str, ...]
    removed: tuple[str, ...]
    same: tuple[str, ...]
    not_published: tuple[str, ...]  # files in the folder that belong to no dataset
    commit: str | None  # that holds the version; None before it is pushed
    tagged: bool  # the tag is there already
    gold: Path | None  # where the labels are that were kept back
    removal_requests: int = 0  # that the folder was checked against

    @property
    def done(self) -> bool:
        """Tell whether the repository holds this version, with its tag."""
        return self.tagged and not (self.added or self.changed or self.removed)


def publish(folder: Path, repository: str, *, config: PublishConfig | None = None, progress: Progress = silent) -> Plan:
    """Publish a dataset's folder in a dataset repository on the Hub; the same folder again changes nothing.

    Everything goes in one commit, which is tagged `v<version>`: Parquet, card, statistics, the Release, Croissant,
    plots, and `SHA256SUMS` over them. Files in the repository that belong to no dataset of gonerd are left alone.

    Args:
        folder: a finished dataset.
        repository: organisation/name; made if it is not there.
        config: visibility, dry run, hidden labels.
        progress: told when the files were compared (1), pushed (2) and tagged (3), of 3.

    Returns:
        What was changed, or with `dry_run` would be.

    Raises:
        GonerdError: the folder is not ready to be published, holds a document that was to be removed or forgets a
            request for removal, the version is published with another content, the push would reveal labels that the
            repository hides, or the Hub cannot be reached or refuses.
    """
    chosen = config or PublishConfig()
    check_publishable(folder)
    requests = _check_lists(folder, chosen)
    with _prepared(folder, chosen) as (prepared, gold):
        remote = read_remote(repository)
        if remote and (published := remote_file(remote, REMOVED)):
            _check_published(folder, read_removed(published), where=f"{REMOVED} of {repository}")
        plan, contents = _plan(prepared, repository, remote, chosen)
        unknown = tuple(published_files(folder)[1])
        plan = replace(plan, gold=gold, not_published=unknown, removal_requests=requests)
        progress(1, 3)
        if chosen.dry_run or plan.done:
            return plan
        commit = _push(plan, contents, remote, private=chosen.private)
        progress(2, 3)
        if not plan.tagged:
            _tag(repository, plan.tag, commit)
        progress(3, 3)
        return replace(plan, commit=commit, tagged=True)


def _check_lists(folder: Path, config: PublishConfig) -> int:
    """Raise if the folder holds what its own list, or the one given, names; return how many requests they have."""
    lists = [path for path in (folder / REMOVED, config.removed) if path and (path == config.removed or path.is_file())]
    for path in lists:
        check_removed(folder, read_removed(path), where=path)
    read = [read_removed(path) for path in lists]
    return len({name for removed in read for name in (*removed.ids, *removed.urls)})


def _check_published(folder: Path, published: Removed, *, where: str) -> None:
    """Raise if the folder holds what the repository's list names, or would take a request from that list."""
    check_removed(folder, published, where=where)
    own = folder / REMOVED
    check_kept(read_removed(own if own.is_file() else None), published, where=where, folder=folder)


@contextlib.contextmanager
def _prepared(folder: Path, config: PublishConfig) -> Iterator[tuple[Path, Path | None]]:
    """Give the folder to publish, and where hidden labels are kept; a dry run keeps them nowhere."""
    if config.hide_labels is None:
        yield folder, None
        return
    split = config.hide_labels
    gold = config.gold or folder.resolve().with_name(f"{folder.resolve().name}-{split}-gold")
    with tempfile.TemporaryDirectory(prefix="gonerd-publish-") as work:
        kept = Path(work) / "gold" if config.dry_run else gold
        with room_in(tempfile.gettempdir(), remedy=FREE_TEMPORARY):
            hide_labels(folder, split, out=Path(work) / "dataset", gold=kept)
        yield Path(work) / "dataset", gold


def _plan(
    folder: Path, repository: str, remote: Remote | None, config: PublishConfig
) -> tuple[Plan, dict[str, Path | bytes]]:
    """Return what differs between folder and repository, and the contents to publish."""
    manifest = read_manifest(folder)
    tag = f"v{read_build_config(manifest, where=folder).version}"
    contents: dict[str, Path | bytes] = dict(published_files(folder)[0])
    contents[CARD] = placed_card((folder / CARD).read_text(encoding="utf-8"), repository).encode()
    tagged = None
    if remote is not None:
        _check_visibility(remote, private=config.private)
        tagged = read_remote(repository, tag)
        _settle(contents, manifest, tagged or remote)
    contents[SUMS] = _sums(contents)
    if tagged is not None:
        _check_tag(contents, tagged, tag)
    base = tagged or remote
    found = _compare(contents, base)
    plan = Plan(
        repository=repository,
        tag=tag,
        added=found["added"],
        changed=found["changed"],
        removed=found["removed"],
        same=found["same"],
        not_published=(),
        commit=tagged.commit if tagged else None,
        tagged=tagged is not None,
        gold=None,
    )
    return plan, contents


def _settle(contents: dict[str, Path | bytes], manifest: Manifest, remote: Remote) -> None:
    """Take the repository's manifest where it differs by the times of the run alone; refuse to reveal its labels."""
    found = remote_manifest(remote)
    if found is None:
        return
    theirs, content = found
    if hidden := set(hidden_splits(theirs)) - set(hidden_splits(manifest)):
        raise GonerdError(
            f"the repository hides the labels of {', '.join(sorted(hidden))}, and this would reveal them",
            where=remote.repository,
            remedy=f"Add --hide-labels {min(hidden)}, or publish to another repository",
        )
    published = remote_file(remote, STANDOFF) if hidden_splits(theirs) else None
    if published and isinstance(ours := contents[STANDOFF], Path):
        check_still_hidden(ours, published, hidden=hidden_splits(theirs), own=hidden_splits(manifest))
    if replace(theirs, started_at="", finished_at="") == replace(manifest, started_at="", finished_at=""):
        contents[MANIFEST] = content


def _check_visibility(remote: Remote, *, private: bool) -> None:
    if private and not remote.private:
        raise GonerdError(
            "the repository is there already, and is public",
            where=remote.repository,
            remedy="Make it private in its settings on the Hub, or name another",
        )


def _check_tag(contents: Mapping[str, Path | bytes], tagged: Remote, tag: str) -> None:
    """Raise if the version is published with another content: a version never changes."""
    found = _compare(contents, tagged)
    if different := [*found["added"], *found["changed"], *found["removed"]]:
        raise GonerdError(
            f"{tag} is published already with another content ({', '.join(different)})",
            where=tagged.repository,
            remedy="Build the dataset with a new --version",
        )


def _compare(contents: Mapping[str, Path | bytes], remote: Remote | None) -> dict[str, tuple[str, ...]]:
    files = remote.files if remote else {}
    kinds: dict[str, list[str]] = {"added": [], "changed": [], "removed": [], "same": []}
    for name, content in sorted(contents.items()):
        kind = "added" if name not in files else "same" if files[name].holds(content) else "changed"
        kinds[kind].append(name)
    kinds["removed"] = sorted(name for name in files if name not in contents and _is_ours(name))
    return {kind: tuple(names) for kind, names in kinds.items()}


def _is_ours(name: str) -> bool:
    """Tell whether a file in a repository is one that a dataset has: only those are ever removed."""
    folder, _, base = name.rpartition("/")
    ours = (folder == "data" and base.endswith(".parquet")) or (folder == "plots" and base.endswith(".png"))
    return ours or name in {*REQUIRED, *OPTIONAL, SUMS}


def _sums(contents: Mapping[str, Path | bytes]) -> bytes:
    """Return the checksums of all files, as `sha256sum --check` reads them."""
    lines = []
    for name, content in sorted(contents.items()):
        digest = hashlib.sha256(content).hexdigest() if isinstance(content, bytes) else sha256_file(content)
        lines.append(f"{digest}  {name}\n")
    return "".join(lines).encode("utf-8")


def _push(plan: Plan, contents: Mapping[str, Path | bytes], remote: Remote | None, *, private: bool) -> str:
    """Commit what differs, on top of what the plan was made for; return the commit that then holds the version."""
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, utils

    api = HfApi()
    repository = plan.repository
    operations: list[CommitOperationAdd | CommitOperationDelete] = [
        CommitOperationAdd(path_in_repo=name, path_or_fileobj=contents[name]) for name in (*plan.added, *plan.changed)
    ]
    operations += [CommitOperationDelete(path_in_repo=name) for name in plan.removed]
    with hub_errors(repository, "publishing"), without_bars(utils):
        if remote is None:
            api.create_repo(repository, repo_type="dataset", private=private)
        if not operations and remote is not None:
            return remote.commit
        info = api.create_commit(
            repository,
            operations,
            commit_message=f"Version {plan.tag.removeprefix('v')}",
            repo_type="dataset",
            parent_commit=remote.commit if remote else None,
        )
        return info.oid


def _tag(repository: str, tag: str, commit: str) -> None:
    from huggingface_hub import HfApi

    with hub_errors(repository, f"setting the tag {tag}"):
        HfApi().create_tag(repository, tag=tag, revision=commit, repo_type="dataset")
