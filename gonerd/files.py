"""Whole files and folders: in place entirely or not at all, and files named by their hash."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

from gonerd.errors import GonerdError
from gonerd.formats import jsonl

MANIFEST = "manifest.json"


def sha256_file(path: Path) -> str:
    """Return the hexadecimal SHA-256 of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def write_atomic(path: Path, content: str | bytes) -> None:
    """Write a file so that it is there whole or not at all, also after a power cut."""
    partial = path.with_name(f".{path.name}.partial")
    data = content.encode("utf-8") if isinstance(content, str) else content
    try:
        with partial.open("wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        partial.replace(path)
    except OSError:
        partial.unlink(missing_ok=True)
        raise


def write_json(path: Path, value: Any) -> None:
    """Write a value as indented JSON, atomically."""
    write_atomic(path, json.dumps(jsonl.to_json(value), indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """Return the value of a JSON file.

    Raises:
        GonerdError: there is no such file, or it is not JSON.
    """
    try:
        return jsonl.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise GonerdError("no such file", where=path) from error
    except IsADirectoryError as error:
        raise GonerdError("this is a folder, not a file", where=path) from error
    except ValueError as error:
        raise GonerdError(f"not a JSON file ({error})", where=path) from error


def bring_back(out: Path) -> None:
    """Undo the first of two renames if a run died before the second."""
    old = _old(out)
    if (old / MANIFEST).is_file() and not out.exists():
        old.rename(out)


def _old(out: Path) -> Path:
    return out.with_name(f".{out.name}.old")


def put_in_place(work: Path, out: Path) -> None:
    """Let the finished folder `work` take the place of `out`, and clear away what earlier runs left beside it."""
    discard(_old(out))
    if out.exists():
        out.rename(_old(out))
    work.rename(out)
    unfinished = re.compile(rf"\.{re.escape(out.name)}\.[0-9a-f]{{12}}\.partial")
    for leftover in sorted(out.parent.iterdir()):
        if leftover == _old(out) or unfinished.fullmatch(leftover.name):
            discard(leftover)


def discard(folder: Path) -> None:
    """Remove a folder, its manifest first: what is left of it if this is interrupted is not complete."""
    (folder / MANIFEST).unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)
