"""Plain texts, one document each: `.txt` files, and JSON Lines with `text`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from gonerd.errors import GonerdError
from gonerd.formats.jsonl import read_objects

LINES = (".jsonl", ".jsonl.gz")


def read_texts(path: Path) -> Iterator[str]:
    """Yield the texts of a file, or of all such files of a folder and those in it, by name.

    A `.txt` file is one document; in `.jsonl` and `.jsonl.gz` every line is one.

    Raises:
        GonerdError: there is nothing to read, a file is not UTF-8 text, or a line has no text.
    """
    files = sorted(one for one in path.rglob("*") if _is_text(one)) if path.is_dir() else [path]
    if not files:
        raise GonerdError("no .txt, .jsonl or .jsonl.gz file", where=path)
    for file in files:
        if file.name.endswith(LINES):
            yield from _lines(file)
        else:
            yield _whole(file)


def _is_text(path: Path) -> bool:
    return path.is_file() and path.name.endswith((".txt", *LINES)) and not path.name.startswith(".")


def _lines(path: Path) -> Iterator[str]:
    for number, row in read_objects(path):
        if not isinstance(row.get("text"), str):
            raise GonerdError("no text under the key 'text'", where=f"{path}, line {number}")
        yield row["text"]


def _whole(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise GonerdError(f"not a readable text ({error})", where=path) from error
