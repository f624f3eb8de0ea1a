"""One annotator's work over a queue of documents: every save is on the disk before it is confirmed.

Under the folder of a session lie `session.json` (who, and over what), `work/` with a file for each document that was
worked on, and the output for other commands, which is written anew from the work at every start and save: a process
that is killed between the two loses nothing.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from gonerd.errors import GonerdError
from gonerd.files import read_json, write_atomic, write_json
from gonerd.formats import jsonl
from gonerd.labels import LabelScheme
from gonerd.processes import locked
from gonerd.records import Document

SESSION = "session.json"
WORK = "work"


@dataclass(frozen=True, slots=True)
class Saved:
    """The state of one document's work, as it lies on the disk."""

    document_id: str
    text_sha256: str
    revision: int  # counts saves: whoever saves must have seen the last one
    done: bool
    content: dict[str, object]  # what the desk keeps


class Desk(Protocol):
    """What is done to documents in a session: marking spans, or settling differences."""

    @property
    def kind(self) -> str:
        """Name of the page's script."""

    @property
    def output(self) -> str:
        """Name of the file for other commands."""

    @property
    def annotator(self) -> str:
        """Who works here."""

    @property
    def scheme(self) -> LabelScheme:
        """The labels."""

    @property
    def documents(self) -> Sequence[Document]:
        """The queue."""

    def facts(self) -> dict[str, Any]:
        """Return what must be the same whenever the session goes on: scheme, inputs."""

    def shown(self, number: int) -> dict[str, Any]:
        """Return what the page needs of a document beside its text and the work on it."""

    def check(self, number: int, content: Any, *, done: bool) -> tuple[dict[str, Any], bool]:
        """Return the work on a document as it is kept, and whether the document is done.

        Raises:
            ValueError: it is not such work; says why.
        """

    def lines(self, number: int, saved: Saved) -> list[str]:
        """Return a document's lines of the output."""


class StaleError(Exception):
    """Something newer has been saved; nothing was written."""


@dataclass(slots=True)
class Session:
    """The work of one annotator, in memory as on the disk."""

    desk: Desk
    folder: Path
    saved: dict[int, Saved] = field(default_factory=dict)
    _lines: dict[int, list[str]] = field(default_factory=dict)
    _guard: threading.Lock = field(default_factory=threading.Lock)

    @property
    def output(self) -> Path:
        """The file for other commands."""
        return self.folder / self.desk.output

    @property
    def done(self) -> int:
        """How many documents are done."""
        return sum(saved.done for saved in self.saved.values())

    def state(self, number: int) -> Saved:
        """Return the work on a document, which is empty at first."""
        document = self.desk.documents[number]
        return self.saved.get(number) or Saved(document.id, document.text_sha256, 0, done=False, content={})

    def save(self, number: int, content: Any, *, revision: int, done: bool) -> Saved:
        """Save the work on a document and return it; it is on the disk then.

        Raises:
            StaleError: `revision` is not that of the last save.
            ValueError: it is not work on that document.
        """
        kept, is_done = self.desk.check(number, content, done=done)
        with self._guard:
            before = self.state(number)
            if revision != before.revision:
                raise StaleError
            saved = Saved(before.document_id, before.text_sha256, revision + 1, is_done, kept)
            write_json(self._file(number), saved)
            self.saved[number] = saved
            self._publish(number)
        return saved

    def _file(self, number: int) -> Path:
        return self.folder / WORK / f"{number:05d}.json"

    def _publish(self, number: int) -> None:
        """Write the output if what it holds of a document has changed."""
        lines = self.desk.lines(number, self.saved[number])
        if lines != self._lines.get(number, []):
            self._lines[number] = lines
            self._write_output()

    def _write_output(self) -> None:
        write_atomic(
            self.output, "".join(f"{line}\n" for number in sorted(self._lines) for line in self._lines[number])
        )

    def load(self) -> None:
        """Take up what is on the disk.

        Raises:
            GonerdError: a file is damaged, or is the work on another text.
        """
        for number, document in enumerate(self.desk.documents):
            path = self._file(number)
            if not path.exists():
                continue
            try:
                saved = jsonl.from_json(Saved, read_json(path))
                if (saved.document_id, saved.text_sha256) != (document.id, document.text_sha256):
                    raise ValueError(f"this is the work on another document than {document.id!r}")
                self.desk.check(number, saved.content, done=saved.done)
            except ValueError as error:
                raise GonerdError(str(error), where=path) from error
            self.saved[number] = saved
            self._lines[number] = self.desk.lines(number, saved)
        self._write_output()


@contextlib.contextmanager
def opened(desk: Desk, folder: Path) -> Iterator[Session]:
    """Open the session in `folder`, or begin one there; no other process can meanwhile.

    Raises:
        GonerdError: the folder holds something else, another annotator's session or one over other inputs, or another
            process has it open.
    """
    if not desk.documents:
        raise GonerdError("there is no document to work on")
    folder.parent.mkdir(parents=True, exist_ok=True)
    _refuse_foreign(folder)
    folder.mkdir(exist_ok=True)
    with locked(folder / ".lock", owner=folder):
        _check_facts(desk, folder / SESSION)
        (folder / WORK).mkdir(exist_ok=True)
        session = Session(desk, folder)
        session.load()
        yield session


def _refuse_foreign(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise GonerdError("this is a file, not a folder", where=folder, remedy="Choose another with --out")
    if folder.exists() and any(folder.iterdir()) and not (folder / SESSION).is_file():
        raise GonerdError("holds something that is no session", where=folder, remedy="Choose another with --out")


def _check_facts(desk: Desk, path: Path) -> None:
    """Write what the session is, or see that it is the same."""
    queue = [[document.id, document.text_sha256] for document in desk.documents]
    facts = {
        "kind": desk.kind,
        "annotator": desk.annotator,
        "documents": hashlib.sha256(json.dumps(queue).encode()).hexdigest(),
        **desk.facts(),
    }
    if not path.exists():
        write_json(path, facts)
        return
    there = read_json(path)
    for name, value in facts.items():
        if not isinstance(there, dict) or there.get(name) != value:
            what = there.get(name) if isinstance(there, dict) else None
            raise GonerdError(
                f"this session has another {name}: {what!r}, not {value!r}",
                where=path,
                remedy="Each annotator, queue and kind of work has a folder of its own: choose another with --out",
            )
