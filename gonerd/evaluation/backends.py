"""The kinds of backends, and which of them a `MODEL` on the command line means: one entry each in `KINDS`.

A prefix such as `spacy:` names a kind outright.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from gonerd.evaluation.backend import Backend, Setup


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of backend."""

    name: str  # and the prefix that asks for it
    takes: Callable[[str], bool]  # whether a model without a prefix is of this kind
    open: Callable[[str, Setup], Backend]


def open_backend(model: str | Path, setup: Setup) -> Backend:
    """Return the backend for a model: of the kind that its prefix names, or else the first that takes it.

    Raises:
        GonerdError: there is no such model, it is not usable, or its labels mean nothing in the scheme.
    """
    prefix, colon, rest = str(model).partition(":")
    for kind in KINDS:
        if colon and prefix == kind.name:
            return kind.open(rest, setup)
    return next(kind for kind in KINDS if kind.takes(str(model))).open(str(model), setup)


def without_prefix(model: str | Path) -> str:
    """Return a model as it is called without the prefix that names its kind."""
    prefix, colon, rest = str(model).partition(":")
    return rest if colon and any(prefix == kind.name for kind in KINDS) else str(model)


def _open_predictions(model: str, setup: Setup) -> Backend:
    from gonerd.evaluation.backend_file import FileBackend

    return FileBackend(Path(model), setup)


def _open_python(model: str, setup: Setup) -> Backend:
    from gonerd.evaluation.backend_python import PythonBackend

    return PythonBackend(model, setup)


def _open_spacy(model: str, setup: Setup) -> Backend:
    from gonerd.evaluation.backend_spacy import SpacyBackend

    return SpacyBackend(model, setup)


def _open_transformers(model: str, setup: Setup) -> Backend:
    from gonerd.evaluation.backend_tokens import TRANSFORMERS, TokenBackend

    return TokenBackend(model, setup, TRANSFORMERS)


def _open_encoder(model: str, setup: Setup) -> Backend:
    from gonerd.evaluation.backend_encoder import ENCODER
    from gonerd.evaluation.backend_tokens import TokenBackend

    return TokenBackend(model, setup, ENCODER)


def _is_known(model: str) -> bool:
    from gonerd.evaluation.backend_encoder import knows

    return knows(model)


def _is_spacy(model: str) -> bool:
    """Tell whether a model is a pipeline's folder, or the name of one that is installed."""
    folder = Path(model)
    if folder.is_dir():
        return (folder / "config.cfg").is_file() and (folder / "meta.json").is_file()
    if "/" in model or not model.isidentifier():
        return False
    from importlib.util import find_spec

    spec = find_spec(model)
    places: Iterable[str] = spec.submodule_search_locations or () if spec else ()
    return any((Path(place) / "meta.json").is_file() for place in places)


KINDS = (
    Kind("predictions", lambda model: Path(model).is_file(), _open_predictions),
    Kind("python", lambda _: False, _open_python),
    Kind("spacy", _is_spacy, _open_spacy),
    Kind("gonerd", _is_known, _open_encoder),
    Kind("transformers", lambda _: True, _open_transformers),
)
"""All kinds, in the order in which they are asked."""
