"""JSON Lines, plain or gzip: the form of every record between stages.

A record is checked when it is read: missing, surplus and mistyped fields are one error that names file, line and field.
A `Span` is written as `[start, end, label]`.
"""

from __future__ import annotations

import gzip
import io
import json
import types
import typing
from collections.abc import Iterable, Iterator
from dataclasses import MISSING, fields, is_dataclass
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from gonerd.errors import GonerdError
from gonerd.records import Span

Record = TypeVar("Record")


def dumps(record: Any) -> str:
    """Return a record as one line of JSON, without the line end; the same record always gives the same line."""
    return json.dumps(to_json(record), ensure_ascii=False, separators=(",", ":"))


def to_json(value: Any) -> Any:
    """Return a record, or anything a record holds, as JSON values."""
    if isinstance(value, Span):
        return [value.start, value.end, value.label]
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_json(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, dict):
        return {key: to_json(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [to_json(item) for item in value]
    return value.value if isinstance(value, Enum) else value


def from_json(kind: type[Record], value: Any) -> Record:
    """Return `value` as a record of `kind`.

    Raises:
        ValueError: a field is missing, surplus or of another type, or the record refuses it.
    """
    if not isinstance(value, dict):
        raise ValueError(f"expected an object with the fields of {kind.__name__}")
    hints: dict[str, Any] = _hints(typing.cast("Any", kind))
    if surplus := sorted(value.keys() - hints.keys()):
        raise ValueError(f"unknown field {surplus[0]!r}; {kind.__name__} has {', '.join(hints)}")
    if missing := [name for name in _required(typing.cast("Any", kind)) if name not in value]:
        raise ValueError(f"field {missing[0]!r} is missing")
    return kind(**{name: _convert(hints[name], item, name) for name, item in value.items()})


@cache
def _hints(kind: Any) -> dict[str, Any]:
    return typing.get_type_hints(kind)


@cache
def _required(kind: Any) -> list[str]:
    return [field.name for field in fields(kind) if field.default is MISSING and field.default_factory is MISSING]


def _convert(hint: Any, value: Any, name: str) -> Any:  # noqa: PLR0911 - one line a kind of type
    """Check `value` against a field's type and return it in that type."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        inner = next(argument for argument in arguments if argument is not type(None))
        return None if value is None and type(None) in arguments else _convert(inner, value, name)
    if origin is tuple and isinstance(value, list):
        return tuple(_convert(arguments[0], item, name) for item in value)
    if origin is dict and isinstance(value, dict):
        return value
    if hint is Span and isinstance(value, list) and [type(item) for item in value] == [int, int, str]:
        return Span(*value)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return hint(value)
    if is_dataclass(hint) and hint is not Span:
        return from_json(typing.cast("type[Any]", hint), value)
    if isinstance(hint, type) and type(value) is hint:
        return value
    raise ValueError(f"field {name!r} should be {getattr(hint, '__name__', hint)}, but is {type(value).__name__}")


def open_text(path: Path) -> io.TextIOBase:
    """Open a text file for reading as UTF-8; `.gz` is unpacked as it is read."""
    if path.suffix == ".gz":
        return typing.cast("io.TextIOBase", gzip.open(path, "rt", encoding="utf-8", newline="\n"))
    return path.open(encoding="utf-8", newline="\n")


def read_objects(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the objects of a JSON Lines file with their line numbers; blank lines are skipped.

    Raises:
        GonerdError: the file is not there, is not UTF-8 text, or a line is not a JSON object.
    """
    if not path.is_file():
        raise GonerdError("no such file", where=path)
    number = 0
    try:
        with open_text(path) as stream:
            for number, line in enumerate(stream, start=1):
                if line.strip():
                    value = json.loads(line)
                    if not isinstance(value, dict):
                        raise GonerdError("expected a JSON object", where=f"{path}, line {number}")
                    yield number, value
    except json.JSONDecodeError as error:
        raise GonerdError(f"not JSON ({error.msg})", where=f"{path}, line {number}") from error
    except (UnicodeDecodeError, EOFError, gzip.BadGzipFile) as error:
        raise GonerdError(f"unreadable after line {number} ({error})", where=path) from error


def read(path: Path, kind: type[Record]) -> Iterator[Record]:
    """Yield the records of a JSON Lines file.

    Raises:
        GonerdError: as `read_objects`; or a line is no record of `kind`.
    """
    for number, value in read_objects(path):
        try:
            yield from_json(kind, value)
        except ValueError as error:
            raise GonerdError(str(error), where=f"{path}, line {number}") from error


def write(path: Path, records: Iterable[Any]) -> int:
    """Write records to a JSON Lines file, gzip when it ends in `.gz`; return how many. Same records, same bytes."""
    count = 0
    with path.open("wb") as raw:
        packed = gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0) if path.suffix == ".gz" else None
        for record in records:
            (packed or raw).write(dumps(record).encode("utf-8") + b"\n")
            count += 1
        if packed:
            packed.close()
    return count
