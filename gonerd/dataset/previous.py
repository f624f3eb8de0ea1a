"""The release before: its documents stay in their splits, and what became of them is told."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gonerd.dataset.release import read_release, read_standoff
from gonerd.formats import jsonl
from gonerd.records import Example, Manifest
from gonerd.scratch import scratch
from gonerd.store import MANIFEST, read_json, read_manifest

PREVIOUS = "previous.json"


@dataclass(frozen=True, slots=True)
class Entry:
    """What a card's changelog says of a version before."""

    version: str
    date: str
    changes: str


@dataclass(frozen=True, slots=True)
class Continuity:
    """What a dataset keeps of the release before: the content of `previous.json`."""

    name: str
    version: str
    kept: int  # documents, among them those whose id alone has changed
    added: int
    vanished: tuple[str, ...]  # ids of the old release that are not in the new one, sorted
    history: tuple[Entry, ...] = ()  # the versions before, newest first, as far as they are known


class Previous:
    """The documents of the release before, on disk, and which of them have come by."""

    def __init__(self, folder: Path) -> None:
        """Read a release: `release.json` and `standoff.jsonl`, or a dataset's folder, which has both.

        Raises:
            GonerdError: a file is missing, broken, or not the one that was released.
        """
        self._release, self._folder = read_release(folder), folder
        self._base = scratch("old (id TEXT PRIMARY KEY, text_sha256 TEXT, split TEXT, kept INTEGER)")
        self._base.execute("CREATE INDEX by_text ON old (text_sha256)")
        for document in read_standoff(folder):
            row = (document.id, document.text_sha256, document.split)
            self._base.execute("INSERT OR REPLACE INTO old VALUES (?, ?, ?, 0)", row)
        self._kept = self._added = 0

    def split(self, document_id: str, text_sha256: str) -> str | None:
        """Return where a document was, by its id or else by its text; None if it is new."""
        found = self._find(document_id, text_sha256)
        return found[1] if found else None

    def note(self, example: Example) -> None:
        """Count a document of the new dataset."""
        found = self._find(example.id, example.text_sha256)
        if found is None:
            self._added += 1
        else:
            self._kept += 1
            self._base.execute("UPDATE old SET kept = 1 WHERE id = ?", found[:1])

    def continuity(self) -> Continuity:
        """Return what became of the old documents."""
        vanished = tuple(name for (name,) in self._base.execute("SELECT id FROM old WHERE NOT kept ORDER BY id"))
        name, version = self._release.name, self._release.version
        return Continuity(name, version, self._kept, self._added, vanished, _history(self._folder))

    def _find(self, document_id: str, text_sha256: str) -> tuple[str, str] | None:
        """Return id and split of a document in the release before; of several with this text, the last."""
        query = "SELECT id, split FROM old WHERE id = ? OR text_sha256 = ? ORDER BY id = ? DESC, rowid DESC"
        found: tuple[str, str] | None = self._base.execute(query, (document_id, text_sha256, document_id)).fetchone()
        return found


def _history(folder: Path) -> tuple[Entry, ...]:
    """Return the changelog up to a release, as far as its folder tells: a bare Release does not."""
    if not (folder / MANIFEST).is_file():
        return ()
    manifest, before = read_manifest(folder), read_continuity(folder)
    return (entry_of(manifest), *(before.history if before else ()))


def entry_of(manifest: Manifest) -> Entry:
    """Return what the changelog says of the dataset that a manifest describes."""
    build: Any = manifest.config.get("build") or {}
    return Entry(
        version=str(build.get("version", "")),
        date=str(build.get("released") or manifest.finished_at[:10]),
        changes=str(build.get("changes") or ""),
    )


def read_continuity(folder: Path) -> Continuity | None:
    """Return what a dataset's folder says of the release before, or None if it was built without one."""
    path = folder / PREVIOUS
    return jsonl.from_json(Continuity, read_json(path)) if path.is_file() else None
