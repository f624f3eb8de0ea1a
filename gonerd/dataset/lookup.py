"""Records of stage folders by id, read from disk when asked for: a corpus need not fit in memory."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Generic, TypeVar

from gonerd.errors import GonerdError
from gonerd.formats import jsonl
from gonerd.scratch import scratch

Record = TypeVar("Record")


class Lookup(Generic[Record]):
    """The records of some JSON Lines files by one of their fields; ids and places are on disk as well.

    Args:
        paths: the files.
        kind: of the records.
        key: the field that names a record.
    """

    def __init__(self, paths: Sequence[Path], kind: type[Record], *, key: str) -> None:
        self._paths, self._kind, self._key = paths, kind, key
        self._base = scratch("places (name TEXT PRIMARY KEY, file INTEGER, offset INTEGER, sha256 TEXT) WITHOUT ROWID")
        self._count = 0

    def fill(self) -> Iterator[Record]:
        """Read the files once, note where every record is, and yield the records in order.

        Raises:
            GonerdError: a line is no record, or two records have the same id.
        """
        for number, path in enumerate(self._paths):
            offset = 0
            with path.open("rb") as stream:
                for count, line in enumerate(stream, start=1):
                    record = self._parse(line, f"{path}, line {count}")
                    name, text = getattr(record, self._key), getattr(record, "text_sha256", None)
                    try:
                        self._base.execute("INSERT INTO places VALUES (?, ?, ?, ?)", (name, number, offset, text))
                    except sqlite3.IntegrityError as error:
                        where = f"{path}, line {count}"
                        raise GonerdError(f"{self._key} {name!r} is there twice", where=where) from error
                    offset += len(line)
                    self._count += 1
                    yield record

    def text_sha256(self, name: str) -> str | None:
        """Return the hash of the text that a record is or is about, or None if there is no such record."""
        found = self._find("sha256", name)
        return str(found[0]) if found else None

    def names(self) -> Iterator[str]:
        """Yield all names in order."""
        yield from (name for (name,) in self._base.execute("SELECT name FROM places ORDER BY name"))

    def shuffled(self) -> Iterator[str]:
        """Yield all names in the order of their hashes, which has nothing to do with what they name."""
        yield from (name for (name,) in self._base.execute("SELECT name FROM places ORDER BY sha256(name)"))

    def __contains__(self, name: str) -> bool:
        return self._find("1", name) is not None

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, name: str) -> Record:
        found = self._find("file, offset", name)
        if found is None:
            raise KeyError(name)
        number, offset = found
        with self._paths[number].open("rb") as stream:
            stream.seek(offset)
            return self._parse(stream.readline(), self._paths[number])

    def _find(self, columns: str, name: str) -> tuple[int, ...] | None:
        found: tuple[int, ...] | None = self._base.execute(
            f"SELECT {columns} FROM places WHERE name = ?",  # noqa: S608 - the columns are named above
            (name,),
        ).fetchone()
        return found

    def _parse(self, line: bytes, where: object) -> Record:
        try:
            return jsonl.from_json(self._kind, jsonl.loads(line.decode("utf-8")))
        except ValueError as error:
            raise GonerdError(str(error), where=where) from error
