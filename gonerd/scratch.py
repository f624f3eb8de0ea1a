"""Where a stage keeps what it must know of every document: on disk, so that its memory does not grow with their number.

An SQLite database without a name, in the system's folder for temporary files (`TMPDIR`); it goes when the process does.
"""

from __future__ import annotations

import sqlite3

from gonerd.records import sha256_of

_CACHE_KIB = 4_096


def scratch(*tables: str) -> sqlite3.Connection:
    """Return a new, empty database with some tables; `sha256(text)` is a function of it.

    Args:
        tables: what follows `CREATE TABLE`, one each.
    """
    base = sqlite3.connect("", isolation_level=None)
    base.create_function("sha256", 1, sha256_of, deterministic=True)
    for setting in ("journal_mode = OFF", "synchronous = OFF", "temp_store = FILE", f"cache_size = -{_CACHE_KIB}"):
        base.execute(f"PRAGMA {setting}")
    base.execute("BEGIN")  # for ever: nothing is to be kept
    for table in tables:
        base.execute(f"CREATE TABLE {table}")
    return base
