"""Finds the files that come with the package, installed or in a checkout."""

from __future__ import annotations

from pathlib import Path

from gonerd.errors import GonerdError

PACKAGE = Path(__file__).resolve().parent


def folder(name: str) -> Path:
    """Return a folder of package data.

    `annotation_guidelines` and `hub_card` stand at the top level of a checkout and are installed inside the package;
    everything else (`sample`, …) is inside the package in both.
    """
    for candidate in (PACKAGE / name, PACKAGE.parent / name):
        if candidate.is_dir():
            return candidate
    raise GonerdError(
        f"the package's folder {name!r} is missing",
        where=PACKAGE,
        remedy="Reinstall gonerd: python -m pip install --force-reinstall gonerd",
    )
