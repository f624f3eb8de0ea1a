"""The table of releases: which names `load_dataset("gonerd", NAME)` knows, and where their files are."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from gonerd.formats.jsonl import from_json
from gonerd.resources import PACKAGE, folder

_TABLE = "releases.toml"


@dataclass(frozen=True, slots=True)
class Published:
    """One row: a dataset in a repository on the Hub, or in a folder of the package."""

    summary: str
    version: str
    license: str
    verified: str  # date of the last reading with this code, or "never"
    repository: str | None = None
    revision: str | None = None
    folder: str | None = None  # relative to the package

    @property
    def path(self) -> Path | None:
        """The folder in the package, whether or not it is there."""
        return PACKAGE / self.folder if self.folder else None


@dataclass(frozen=True, slots=True)
class Releases:
    """The table."""

    default: str
    rows: dict[str, Published]


@cache
def releases() -> Releases:
    """Return the table that comes with the package."""
    table = tomllib.loads((folder("dataset") / _TABLE).read_text(encoding="utf-8"))
    return Releases(table["default"], {name: from_json(Published, row) for name, row in table["releases"].items()})
