"""How sure the scores on one gold are: intervals over its documents, computed from the predictions, never claimed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gonerd.bootstrap import draw_sums, f1_of, interval_of
from gonerd.formats.gold import Gold
from gonerd.labels import entity_table
from gonerd.leaderboard.suspicion import Answers

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Intervals:
    """The intervals of submissions to one gold: all over the same draws of its documents."""

    def __init__(self, gold: Gold) -> None:
        import numpy as np

        documents = sorted(gold.documents, key=lambda document: document.id)  # the order of `Answers`
        lengths = [len(document.tokens) for document in documents]
        tags = [number for document in documents for number in gold.scheme.tag_ids(document.tags)]
        self._starts = np.cumsum([0, *lengths])[:-1]
        self._gold = entity_table(np.array(tags, dtype=np.int16), self._starts, reading="strict")

    def of(self, answers: Answers) -> tuple[float, float]:
        """Return the 95 % interval of the strict micro F1."""
        counts = self.counts(answers)
        if not len(counts):
            return 0.0, 0.0
        interval = interval_of(f1_of(draw_sums(counts)))
        return interval.low, interval.high

    def counts(self, answers: Answers) -> NDArray[np.int64]:
        """Return (documents, 3) correct, predicted and gold entities, in the order of the documents' ids."""
        import numpy as np

        expected = set(map(tuple, self._gold.tolist()))
        right = [tuple(row) in expected for row in answers.entities.tolist()]
        sides = (answers.entities[np.array(right, dtype=np.bool_)], answers.entities, self._gold)
        return np.stack([self._by_document(side) for side in sides], axis=1)

    def _by_document(self, entities: NDArray[np.int64]) -> NDArray[np.int64]:
        import numpy as np

        # Of documents that start at one place, all but the last are empty; that is the one an entity is in.
        places = np.searchsorted(self._starts, entities[:, 0], side="right") - 1
        return np.bincount(places, minlength=len(self._starts))
