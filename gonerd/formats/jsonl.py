"""JSON Lines, plain or gzip: the form of every record between stages.

A record is checked when it is read: missing, surplus and mistyped fields are one error that names file, line and field.
A `Span` is written as `[start, end, label]`.
"""

from __future__ import annotations

import contextlib
import gzip
import json
import types
import typing
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import MISSING, fields, is_dataclass
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from gonerd.errors import GonerdError, require_file
from gonerd.records import Span

Record = TypeVar("Record")

LINE_LIMIT = 1 << 26  # bytes of one line: far beyond any document, and little enough to hold


def dumps(record: Any) -> str:
    """Return a record as one line of JSON, without the line end; the same record always gives the same line.

    Raises:
        ValueError: a number is not finite, which JSON has no word for.
    """
    return _ENCODER.encode(record)


def loads(text: str) -> Any:
    r"""Return the value of a JSON text as the standard has it: without `NaN`, and with text that UTF-8 can carry.

    Raises:
        ValueError: not JSON, nested without end, a number that is no number or too long, or half a surrogate pair.
    """
    try:
        value = json.loads(text, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        line = f"line {error.lineno}, " if "\n" in text.strip() else ""
        raise ValueError(f"not JSON: {error.msg.removesuffix(' at')} at {line}column {error.colno}") from error
    except RecursionError as error:
        raise ValueError("not a record: nested too deep") from error
    if "\\ud" in text or "\\uD" in text:
        try:
            json.dumps(value, ensure_ascii=False).encode("utf-8")
        except UnicodeEncodeError as error:
            raise ValueError("half of a surrogate pair stands alone in it") from error
    return value


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"not JSON ({name} is no number)")


def to_json(value: Any) -> Any:
    """Return a record, or anything a record holds, as JSON values."""
    if isinstance(value, dict):
        return {key: to_json(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [to_json(item) for item in value]
    return to_json(_opened(value)) if isinstance(value, Enum) or is_dataclass(value) else value


def _opened(value: Any) -> Any:
    """Return a record with its fields as they are, or a member's value: one step on the way to JSON."""
    if isinstance(value, Span):
        return [value.start, value.end, value.label]
    if isinstance(value, Enum):
        return value.value
    return {name: getattr(value, name) for name in _names(typing.cast("Any", type(value)))}


@cache
def _names(kind: Any) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind))  # a TypeError if it is no record


# One for all, as making one takes longer than many a record; it opens what it does not know, a step at a time.
_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False, default=_opened)


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


@cache
def _parts(hint: Any) -> tuple[Any, tuple[Any, ...]]:
    return typing.get_origin(hint), typing.get_args(hint)


def _convert(hint: Any, value: Any, name: str) -> Any:  # noqa: PLR0911 - one line a kind of type
    """Check `value` against a field's type and return it in that type."""
    if type(value) is hint:
        return value
    origin, arguments = _parts(hint)
    if origin in (typing.Union, types.UnionType):
        inner = next(argument for argument in arguments if argument is not type(None))
        return None if value is None and type(None) in arguments else _convert(inner, value, name)
    if origin is tuple and isinstance(value, list):
        if all(type(item) is arguments[0] for item in value):  # the quick way for tokens, tags and offsets
            return tuple(value)
        return tuple(_convert(arguments[0], item, name) for item in value)
    if origin is dict and isinstance(value, dict):
        return {key: _convert(arguments[1], item, name) for key, item in value.items()}
    if hint is object:
        return value
    if hint is Span:
        return _span(value, name)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return _member(hint, value, name)
    if is_dataclass(hint):
        return from_json(typing.cast("type[Any]", hint), value)
    if hint is float and type(value) is int:
        return float(value)
    raise ValueError(f"field {name!r} should be {getattr(hint, '__name__', hint)}, but is {type(value).__name__}")


def _span(value: Any, name: str) -> Span:
    if not isinstance(value, list) or [type(item) for item in value] != [int, int, str]:
        raise ValueError(f"field {name!r}: a span should be [start, end, label], but is {_short(value)}")
    try:
        return Span(*value)
    except ValueError as error:
        raise ValueError(f"field {name!r}: {error}") from error


def _member(hint: type[Enum], value: Any, name: str) -> Enum:
    try:
        return hint(value)
    except ValueError as error:
        known = ", ".join(str(member.value) for member in hint)
        raise ValueError(f"field {name!r} is {_short(value)}; known: {known}") from error


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:60]}…"


def _open(path: Path) -> typing.BinaryIO:
    return typing.cast("typing.BinaryIO", gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb"))


def read_objects(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the objects of a JSON Lines file with their line numbers; blank lines are skipped.

    Raises:
        GonerdError: the file is not there, is not UTF-8 text, or a line is not a JSON object or is over `LINE_LIMIT`.
    """
    for number, line in read_lines(path):
        if not line.strip():
            continue
        try:
            value = loads(line.rstrip("\r\n"))
        except ValueError as error:
            raise GonerdError(str(error), where=f"{path}, line {number}") from error
        if not isinstance(value, dict):
            raise GonerdError("expected a JSON object", where=f"{path}, line {number}")
        yield number, value


def read_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the numbered lines of a text file; only a line feed ends one, as Unicode's separators are data.

    `.gz` is unpacked as it is read.

    Raises:
        GonerdError: the file is not there, is damaged or not UTF-8, or a line is over `LINE_LIMIT`; the line is named.
    """
    require_file(path)
    number = 0
    with _open(path) as stream:
        while line := _line(stream, path, number):
            number += 1
            yield number, line


def _line(stream: typing.BinaryIO, path: Path, number: int) -> str:
    """Return the line after line `number`, or nothing at the end."""
    where = f"{path}, line {number + 1}"
    try:
        line = stream.readline(LINE_LIMIT + 1)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise GonerdError(f"unreadable after line {number} ({error})", where=path) from error
    if len(line) > LINE_LIMIT:
        raise GonerdError(f"the line is longer than {LINE_LIMIT} bytes", where=where)
    try:
        return line.decode("utf-8")  # by the line: a text stream decodes ahead, and could not name the line
    except UnicodeDecodeError as error:
        raise GonerdError("not UTF-8", where=where, remedy="Save the file as UTF-8") from error


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
    with contextlib.ExitStack() as stack:
        stream: typing.BinaryIO = stack.enter_context(path.open("wb"))
        if path.suffix == ".gz":
            packed = gzip.GzipFile(filename="", mode="wb", fileobj=stream, mtime=0)
            stream = typing.cast("typing.BinaryIO", stack.enter_context(packed))
        for record in records:
            stream.write(dumps(record).encode("utf-8") + b"\n")
            count += 1
    return count
