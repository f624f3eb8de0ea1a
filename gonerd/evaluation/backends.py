"""Backends: whatever answers for documents, behind one small interface.

A backend says what it is before anything is computed, then takes documents, without their gold, and answers for each
with tags or spans. Which backend a `MODEL` on the command line means is one entry in `KINDS`; a prefix such as `spacy:`
names it outright.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from gonerd.evaluation.predict import PredictConfig
from gonerd.evaluation.result import CoveragePart, ModelPart, Settings
from gonerd.formats.gold import GoldDocument
from gonerd.labels import LabelScheme
from gonerd.models.share import ALONE, Share
from gonerd.records import Prediction, Progress


@dataclass(frozen=True, slots=True)
class InputDocument:
    """What a backend is given of a document: everything but its gold."""

    id: str
    tokens: tuple[str, ...]
    text: str | None = None
    token_starts: tuple[int, ...] | None = None  # code points of the text

    @classmethod
    def of(cls, document: GoldDocument) -> InputDocument:
        """Return the document without its tags."""
        return cls(document.id, document.tokens, document.text, document.token_starts)


@dataclass(frozen=True, slots=True)
class Answers:
    """What a backend answered."""

    predictions: Sequence[Prediction]
    coverage: CoveragePart
    sub_tokens: dict[str, int] | None = None  # of each document by its id; None where a backend knows none
    seconds: float | None = None  # for the answers alone, model loaded and warm; None where that can not be told
    max_tokens: int | None = None  # sub-tokens in a batch
    facts: dict[str, Any] = field(default_factory=dict)  # of `ModelPart`, known only now: layers, parameters, …


class Backend(Protocol):
    """Something that answers for documents."""

    model: ModelPart
    """What it is, known without computing: name, revision, file hashes, the meaning of its labels."""
    settings: Settings
    """What of the configuration can move its F1."""
    device: str | None
    """What it computes on, as torch names it; None where that is not known."""

    def predict(self, documents: Sequence[InputDocument], *, progress: Progress) -> Answers:
        """Answer for each document once, with `ner_tags` (one a token) or `spans` (code points of its text)."""
        ...


@dataclass(frozen=True, slots=True)
class Setup:
    """What every backend is opened with."""

    scheme: LabelScheme
    config: PredictConfig
    name: str | None = None  # of the model, if it is to have another than its own
    share: Share = ALONE


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
