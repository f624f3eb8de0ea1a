"""The backend that has its answers already: a file of predictions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gonerd.errors import GonerdError
from gonerd.evaluation.backend import Answers, InputDocument, Setup
from gonerd.evaluation.result import CoveragePart, ModelPart, Settings
from gonerd.formats.predictions import read_predictions
from gonerd.records import Progress
from gonerd.store import sha256_file


class FileBackend:
    """A file of predictions; its hash is its revision.

    Raises:
        GonerdError: something is to be done to them: they are scored as they are.
    """

    def __init__(self, path: Path, setup: Setup) -> None:
        if changes := setup.config.meaning():
            raise GonerdError(
                f"predictions are scored as they stand in the file: --{next(iter(changes))} does nothing to them",
                where=path,
                remedy="Leave it out, and evaluate other models apart",
            )
        digest = sha256_file(path)
        self.path = path
        self.model = ModelPart(
            name=setup.name or path.name.partition(".")[0],
            revision=digest,
            backend="predictions",
            files={path.name: digest},
        )
        self.settings: Settings = {}
        self.device: str | None = None

    def predict(self, documents: Sequence[InputDocument], *, progress: Progress) -> Answers:
        """Return what the file says."""
        words = sum(len(document.tokens) for document in documents)
        predictions = list(read_predictions(self.path))
        progress(len(documents), len(documents))
        coverage = CoveragePart(gold_words=words, predicted_words=words, lost_words=0, windowed_documents=0)
        return Answers(predictions, coverage)
