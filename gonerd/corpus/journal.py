"""What a crawl has done so far: an append-only file that a kill at any moment leaves usable."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO


class Journal:
    """Remembers the outcome of each piece of work, in step with an archive file that grows beside it.

    A line is written when a piece of work is complete and names the size of the archive at that moment. Opening the
    journal cuts off whatever came after the last good line, in the journal and in the archive: a half-written line, a
    half-written archive record, the records of a piece of work that was not finished.
    """

    def __init__(self, path: Path, archive: Path) -> None:
        self._values: dict[tuple[str, str], Any] = {}
        self._path, self._archive_path = path, archive
        self._lines: BinaryIO
        self.archive: BinaryIO

    def __enter__(self) -> Journal:
        self._archive_path.touch()
        self._path.touch()
        journal_end, archive_end = self._replay(self._archive_path.stat().st_size)
        os.truncate(self._path, journal_end)
        os.truncate(self._archive_path, archive_end)
        self._lines = self._path.open("ab")
        self.archive = self._archive_path.open("ab")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._lines.close()
        self.archive.close()

    def _replay(self, archive_size: int) -> tuple[int, int]:
        """Read the good lines; return where they end in the journal and in the archive (bytes)."""
        position = archive_end = 0
        with self._path.open("rb") as stream:
            for line in stream:
                if not line.endswith(b"\n"):
                    break
                try:
                    kind, name, value, end = json.loads(line)
                except ValueError:
                    break
                if end > archive_size:
                    break
                self._values[kind, name] = value
                position, archive_end = position + len(line), end
        return position, archive_end

    def once(self, kind: str, name: str, work: Callable[[], Any]) -> Any:
        """Return the outcome of a piece of work (JSON values), doing it only if it is not in the journal."""
        if (kind, name) not in self._values:
            value = work()
            self.archive.flush()
            os.fsync(self.archive.fileno())
            line = json.dumps([kind, name, value, self.archive.tell()], ensure_ascii=False)
            self._lines.write(line.encode("utf-8") + b"\n")
            self._lines.flush()
            self._values[kind, name] = json.loads(json.dumps(value))
        return self._values[kind, name]

    def has(self, kind: str, name: str) -> bool:
        """Tell whether a piece of work is done."""
        return (kind, name) in self._values
