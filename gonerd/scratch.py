"""Where a stage keeps what it must know of every document: on disk, so that its memory does not grow with their number.

An SQLite database without a name, in the system's folder for temporary files (`TMPDIR`); it goes when the process does.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from gonerd.errors import FREE_TEMPORARY, GonerdError
from gonerd.records import sha256_of

_SETTINGS = ("journal_mode = OFF", "synchronous = OFF", "temp_store = FILE", "cache_size = -4096")  # KiB
_NO_ROOM = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN)


def scratch(*tables: str) -> sqlite3.Connection:
    """Return a new, empty database with some tables; `sha256(text)` is a function of it.

    Args:
        tables: what follows `CREATE TABLE`, one each.
    """
    base = sqlite3.connect("", isolation_level=None)
    base.create_function("sha256", 1, sha256_of, deterministic=True)
    for setting in _SETTINGS:
        base.execute(f"PRAGMA {setting}")
    base.execute("BEGIN")  # for ever: nothing is to be kept
    for table in tables:
        base.execute(f"CREATE TABLE {table}")
    return base


@contextlib.contextmanager
def scratch_room() -> Iterator[None]:
    """Turn what SQLite says where such a database can not grow into one line that names the folder."""
    try:
        yield
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF not in _NO_ROOM:
            raise
        raise GonerdError(f"no room for temporary files ({error})", where=_folder(), remedy=FREE_TEMPORARY) from error


def _folder() -> str:
    """Return where SQLite puts what has no name: it does not look where Python does."""
    if sys.platform == "win32":
        return tempfile.gettempdir()
    places = [os.environ.get("SQLITE_TMPDIR"), os.environ.get("TMPDIR"), "/var/tmp", "/usr/tmp", "/tmp"]  # noqa: S108
    return next((place for place in places if place and Path(place).is_dir() and os.access(place, os.W_OK)), ".")
