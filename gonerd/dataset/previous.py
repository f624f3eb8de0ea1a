"""The release before: its documents stay in their splits, and what became of them is told."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from gonerd.dataset.release import read_release, read_standoff
from gonerd.formats import jsonl
from gonerd.records import Example
from gonerd.store import read_json

PREVIOUS = "previous.json"


@dataclass(frozen=True, slots=True)
class Continuity:
    """What a dataset keeps of the release before: the content of `previous.json`."""

    name: str
    version: str
    kept: int  # documents, among them those whose id alone has changed
    added: int
    vanished: tuple[str, ...]  # ids of the old release that are not in the new one, sorted


@dataclass(slots=True)
class Previous:
    """The documents of the release before, and which of them have come by."""

    name: str
    version: str
    splits: dict[str, str] = field(default_factory=dict)  # by id
    texts: dict[str, str] = field(default_factory=dict)  # id by the text's hash
    kept: int = 0
    added: int = 0
    seen: set[str] = field(default_factory=set)

    def split(self, document_id: str, text_sha256: str) -> str | None:
        """Return where a document was, by its id or else by its text; None if it is new."""
        return self.splits.get(self._old_id(document_id, text_sha256) or "")

    def note(self, example: Example) -> None:
        """Count a document of the new dataset."""
        old = self._old_id(example.id, example.text_sha256)
        if old is None:
            self.added += 1
        else:
            self.kept += 1
            self.seen.add(old)

    def continuity(self) -> Continuity:
        """Return what became of the old documents."""
        vanished = tuple(sorted(self.splits.keys() - self.seen))
        return Continuity(self.name, self.version, self.kept, self.added, vanished)

    def _old_id(self, document_id: str, text_sha256: str) -> str | None:
        return document_id if document_id in self.splits else self.texts.get(text_sha256)


def read_previous(folder: Path) -> Previous:
    """Return the documents of a release: `release.json` and `standoff.jsonl`, or a dataset's folder, which has both.

    Raises:
        GonerdError: a file is missing, broken, or not the one that was released.
    """
    release = read_release(folder)
    previous = Previous(release.name, release.version)
    for document in read_standoff(folder):
        previous.splits[document.id] = document.split
        previous.texts[document.text_sha256] = document.id
    return previous


def read_continuity(folder: Path) -> Continuity | None:
    """Return what a dataset's folder says of the release before, or None if it was built without one."""
    path = folder / PREVIOUS
    return jsonl.from_json(Continuity, read_json(path)) if path.is_file() else None
