"""Records of stage folders by id, read from disk when asked for: a corpus need not fit in memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Generic, TypeVar

from gonerd.errors import GonerdError
from gonerd.formats import jsonl

Record = TypeVar("Record")
_OFFSET_BITS = 44  # files of up to 16 TiB


class Lookup(Generic[Record]):
    """The records of some JSON Lines files by one of their fields; holds ids and places, never the records."""

    def __init__(self, paths: Sequence[Path], kind: type[Record], *, key: str) -> None:
        self._paths, self._kind, self._key = paths, kind, key
        self._places: dict[str, int] = {}  # file and offset in one number, which takes a third of the room

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
                    name = getattr(record, self._key)
                    if name in self._places:
                        raise GonerdError(f"{self._key} {name!r} is there twice", where=f"{path}, line {count}")
                    self._places[name] = number << _OFFSET_BITS | offset
                    offset += len(line)
                    yield record

    def __contains__(self, name: str) -> bool:
        return name in self._places

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, name: str) -> Record:
        number, offset = divmod(self._places[name], 1 << _OFFSET_BITS)
        with self._paths[number].open("rb") as stream:
            stream.seek(offset)
            return self._parse(stream.readline(), self._paths[number])

    def _parse(self, line: bytes, where: object) -> Record:
        try:
            return jsonl.from_json(self._kind, jsonl.loads(line.decode("utf-8")))
        except ValueError as error:
            raise GonerdError(str(error), where=where) from error
