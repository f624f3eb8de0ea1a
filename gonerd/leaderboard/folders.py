"""Which folders are submissions, and what to say when a folder given is none."""

from __future__ import annotations

from pathlib import Path

from gonerd.errors import GonerdError
from gonerd.leaderboard.submission import FILES


def submission_folders(parent: Path) -> list[Path]:
    """Return the folders in `parent`, in order of name; every one is to be verified, whatever it holds.

    Raises:
        GonerdError: `parent` is no folder, is itself a submission, or holds none.
    """
    _require_folder(parent)
    remedy = "Give the folder that holds the submission folders"
    if holds_submission(parent):
        raise GonerdError("is itself a submission", where=parent, remedy=remedy)
    folders = _folders_in(parent)
    if not any(map(holds_submission, folders)):
        raise GonerdError(f"no submissions in {parent}", remedy=remedy)
    return folders


def require_submission(folder: Path) -> None:
    """Do nothing if `folder` can be verified: a folder, and not one of submissions.

    Raises:
        GonerdError: it is not.
    """
    _require_folder(folder)
    if not holds_submission(folder) and any(map(holds_submission, _folders_in(folder))):
        raise GonerdError(
            "a folder of submissions, not a submission",
            where=folder,
            remedy=f"Give the folders in it: gonerd verify {folder}/*/",
        )


def holds_submission(folder: Path) -> bool:
    """Return whether any file of a submission lies in a folder."""
    return any((folder / name).exists() for name in FILES)


def _require_folder(path: Path) -> None:
    if not path.is_dir():
        raise GonerdError("not a folder" if path.exists() else "no such folder", where=path)


def _folders_in(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
