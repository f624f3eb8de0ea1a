"""The Release, by the name it has in this room; its form is in `gonerd.formats.release`, where the corpus reads it."""

from __future__ import annotations

from gonerd.formats.release import (
    RELEASE,
    STANDOFF,
    Release,
    StandoffDocument,
    read_release,
    read_standoff,
    standoff,
)

__all__ = ["RELEASE", "STANDOFF", "Release", "StandoffDocument", "read_release", "read_standoff", "standoff"]
