"""One clear line for everything that goes wrong: what was wrong, where, and what to do."""

from __future__ import annotations

import contextlib
import difflib
import errno
from collections.abc import Iterable, Iterator
from pathlib import Path

# The package behind an import, and the extra that brings it.
EXTRAS = {
    "bs4": "corpus",
    "lxml": "corpus",
    "lxml_html_clean": "corpus",
    "protego": "corpus",
    "py3langid": "corpus",
    "requests": "corpus",
    "trafilatura": "corpus",
    "urllib3": "corpus",
    "warcio": "corpus",
    "bottle": "annotation",
    "scipy": "annotation",
    "sklearn": "annotation",
    "spacy": "annotation",
    "jinja2": "dataset",
    "matplotlib": "dataset",
    "pyarrow": "dataset",
    "accelerate": "models",
    "psutil": "models",
    "safetensors": "models",
    "tensorboard": "models",
    "tokenizers": "models",
    "torch": "models",
    "transformers": "models",
    "yaml": "leaderboard",
}


class GonerdError(Exception):
    """Bad input or a state the user can mend.

    The command line prints it as one line and exits with 2; nothing has been lost when it is raised.

    Args:
        what: what was wrong.
        where: file, line, id or setting that it was found in.
        remedy: what to do about it.
    """

    def __init__(self, what: str, *, where: object = None, remedy: str | None = None) -> None:
        self.what, self.where, self.remedy = what, where, remedy
        place = f"{where}: " if where is not None else ""
        super().__init__(f"{place}{what}" + (f". {remedy}" if remedy else ""))


def require_file(path: Path) -> None:
    """Raise where a path that is to be read leads to nothing, or to a folder."""
    if not path.exists():
        raise GonerdError("no such file", where=path)
    if path.is_dir():
        raise GonerdError("this is a folder, not a file", where=path)


def unknown_name(kind: str, name: str, known: Iterable[str], *, where: object = None) -> GonerdError:
    """Return the error for a name that is not among `known`, with the nearest one that is."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    hint = f"Did you mean {near[0]!r}? " if near else ""
    return GonerdError(f"unknown {kind} {name!r}", where=where, remedy=f"{hint}Known: {', '.join(names) or 'none'}")


def missing_extra(error: ModuleNotFoundError) -> GonerdError | None:
    """Return the error that names the extra to install, or None if the module belongs to no extra."""
    extra = EXTRAS.get((error.name or "").partition(".")[0])
    if extra is None:
        return None
    return GonerdError(
        f"this command needs the module {error.name!r}",
        remedy=f"""Install it with: python -m pip install "gonerd[{extra}]" """.strip(),
    )


FREE_SPACE = "Free some space and run the same command again"
FREE_TEMPORARY = "Free some space there, or set TMPDIR to a folder with more, and run the same command again"
_FULL = {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)}  # the disk, or what the user may take of it


def no_room(error: OSError, where: object, *, remedy: str = FREE_SPACE) -> GonerdError | None:
    """Return the error for a disk that takes no more, or None if that is not what is wrong."""
    if error.errno in _FULL:
        return GonerdError("the disk is full", where=where, remedy=remedy)
    if error.errno == errno.EFBIG:
        what = "a file has grown to the largest size allowed here (ulimit -f)"
        return GonerdError(what, where=where, remedy="Allow larger ones and run the same command again")
    return None


@contextlib.contextmanager
def room_in(folder: object, *, remedy: str = FREE_SPACE) -> Iterator[None]:
    """Turn a disk that takes no more into one line that names the folder: the system's error of a write names none."""
    try:
        yield
    except OSError as error:
        if found := no_room(error, folder, remedy=remedy):
            raise found from error
        raise


@contextlib.contextmanager
def hub_errors(repository: str, doing: str) -> Iterator[None]:
    """Turn whatever goes wrong between here and the Hub into one line."""
    try:
        yield
    except GonerdError:
        raise
    except Exception as error:  # many kinds of error, one and the same to the user
        cause = error.__cause__ if isinstance(error, RuntimeError) and error.__cause__ else error
        reason = " ".join(str(cause).split()) or type(cause).__name__
        raise GonerdError(
            f"{doing} failed ({reason})",
            where=repository,
            remedy="Check the name, the network and `hf auth login`; nothing is half done: run the same command again",
        ) from error
