"""The interface of a backend: whatever answers for documents.

A backend says what it is before anything is computed, then takes documents, without their gold, and answers for each
with tags or spans.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
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
