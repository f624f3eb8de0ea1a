"""What kind of right and wrong: entities paired one to one, the SemEval classes, and kinds of error.

SemEval-2013 task 9.1 looks at a prediction in more ways than right or wrong: `exact` asks for the boundaries alone,
`type` for the type on any overlap, and `partial` for overlap alone, half a point where the boundaries differ. Which
prediction answers which gold entity is settled here in one fixed way, so that the figures do not depend on any order:
the same boundaries and type first, then the same boundaries, then overlaps, those of one type first, the longest first,
then the earliest. An entity is in at most one pair. nervaluate, which pairs in the order of lists, gives the same
counts wherever no entity overlaps two.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from gonerd.labels import LabelScheme

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class ErrorKind(StrEnum):
    """What can be wrong with an entity: each gold or predicted entity that is not right is in exactly one error."""

    MISSED = "missed"  # gold, and nothing predicted is paired with it
    SPURIOUS = "spurious"  # predicted, and nothing in gold is paired with it
    WRONG_TYPE = "wrong type"  # the right boundaries
    WRONG_BOUNDARY = "wrong boundary"  # the right type, overlapping
    BOTH = "wrong boundary and type"  # overlapping


@dataclass(frozen=True, slots=True)
class Credit:
    """What predictions earn in one of SemEval's classes."""

    gold_points: float  # of the gold entities
    predicted_points: float  # of the predicted ones; the same, unless types are looked at one by one
    gold: int
    predicted: int

    @property
    def precision(self) -> float:
        """Points for each predicted entity; 0.0 when there is none."""
        return self.predicted_points / self.predicted if self.predicted else 0.0

    @property
    def recall(self) -> float:
        """Points for each gold entity; 0.0 when there is none."""
        return self.gold_points / self.gold if self.gold else 0.0

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall; 0.0 when both are."""
        total = self.precision + self.recall
        return 2 * self.precision * self.recall / total if total else 0.0


@dataclass(frozen=True, slots=True)
class ClassScores:
    """One of SemEval's classes: all types together, and each, a point counting for the type of either side."""

    micro: Credit
    by_type: dict[str, Credit]

    @property
    def macro_f1(self) -> float:
        """Mean F1 over the types that occur."""
        present = [credit.f1 for credit in self.by_type.values() if credit.gold or credit.predicted]
        return sum(present) / len(present) if present else 0.0


@dataclass(frozen=True)
class Pairing:
    """Gold and predicted entities, and which belongs to which."""

    gold: NDArray[
        np.int64
    ]  # (entities, 3): first token, token after the last, label; as `labels.entity_table` has them
    predicted: NDArray[np.int64]
    pairs: NDArray[np.int64]  # (pairs, 2): indexes of gold and predicted

    def errors(self) -> Iterator[tuple[ErrorKind, int | None, int | None]]:
        """Yield every error with the indexes of the gold and the predicted entity, in the order of the text."""
        import numpy as np

        every: list[tuple[ErrorKind, int | None, int | None]] = []
        for kind, rows in self._wrong_pairs():
            every += [(kind, gold, predicted) for gold, predicted in self.pairs[rows].tolist()]
        missed = np.setdiff1d(np.arange(len(self.gold)), self.pairs[:, 0])
        spurious = np.setdiff1d(np.arange(len(self.predicted)), self.pairs[:, 1])
        every += [(ErrorKind.MISSED, place, None) for place in missed.tolist()]
        every += [(ErrorKind.SPURIOUS, None, place) for place in spurious.tolist()]
        yield from sorted(every, key=self._where)

    def error_counts(self) -> dict[ErrorKind, int]:
        """Return how many errors of each kind there are."""
        missed, spurious = (len(side) - len(self.pairs) for side in (self.gold, self.predicted))
        of_pairs = {kind: int(rows.sum()) for kind, rows in self._wrong_pairs()}
        return {ErrorKind.MISSED: missed, ErrorKind.SPURIOUS: spurious, **of_pairs}

    def classes(self, scheme: LabelScheme) -> dict[str, ClassScores]:
        """Return the scores in SemEval's classes `exact`, `partial` and `type`."""
        same_bounds, same_type = self._sides()
        points = {
            "exact": same_bounds.astype(float),
            "partial": 0.5 + 0.5 * same_bounds,
            "type": same_type.astype(float),
        }
        return {name: self._scores(earned, scheme) for name, earned in points.items()}

    def _sides(self) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        gold, predicted = self.gold[self.pairs[:, 0]], self.predicted[self.pairs[:, 1]]
        same_bounds = (gold[:, 0] == predicted[:, 0]) & (gold[:, 1] == predicted[:, 1])
        return same_bounds, gold[:, 2] == predicted[:, 2]

    def _wrong_pairs(self) -> list[tuple[ErrorKind, NDArray[np.bool_]]]:
        same_bounds, same_type = self._sides()
        return [
            (ErrorKind.WRONG_TYPE, same_bounds & ~same_type),
            (ErrorKind.WRONG_BOUNDARY, ~same_bounds & same_type),
            (ErrorKind.BOTH, ~same_bounds & ~same_type),
        ]

    def _scores(self, points: NDArray[np.float64], scheme: LabelScheme) -> ClassScores:
        import numpy as np

        size = len(scheme.labels)
        sides = []
        for column, table in enumerate((self.gold, self.predicted)):
            labels = table[:, 2]
            earned = np.bincount(labels[self.pairs[:, column]], weights=points, minlength=size)
            sides.append((earned, np.bincount(labels, minlength=size)))
        (gold_points, gold), (predicted_points, predicted) = sides
        by_type = {
            name: Credit(float(gold_points[i]), float(predicted_points[i]), int(gold[i]), int(predicted[i]))
            for i, name in enumerate(scheme.names)
        }
        total = float(points.sum())
        return ClassScores(Credit(total, total, len(self.gold), len(self.predicted)), by_type)

    def _where(self, error: tuple[ErrorKind, int | None, int | None]) -> tuple[int, int]:
        _, gold, predicted = error
        places = [int(self.gold[gold, 0])] if gold is not None else []
        places += [int(self.predicted[predicted, 0])] if predicted is not None else []
        return min(places), 0 if gold is not None else 1


def pair_entities(gold: NDArray[np.int64], predicted: NDArray[np.int64]) -> Pairing:
    """Pair the entities of two tables as `labels.entity_table` makes them: flat, in the order of the text."""
    import numpy as np

    candidates = _overlapping(gold, predicted)
    left, right = gold[candidates[:, 0]], predicted[candidates[:, 1]]
    same_bounds = (left[:, 0] == right[:, 0]) & (left[:, 1] == right[:, 1])
    same_type = left[:, 2] == right[:, 2]
    shared = np.minimum(left[:, 1], right[:, 1]) - np.maximum(left[:, 0], right[:, 0])
    order = np.lexsort((candidates[:, 1], candidates[:, 0], -shared, ~same_type, ~same_bounds))
    alone = (np.bincount(candidates[:, 0], minlength=len(gold))[candidates[:, 0]] == 1) & (
        np.bincount(candidates[:, 1], minlength=len(predicted))[candidates[:, 1]] == 1
    )
    chosen = alone.copy()
    taken_gold, taken_predicted = set[int](), set[int]()
    for place in order[~alone[order]].tolist():  # where an entity overlaps two: few
        first, second = candidates[place].tolist()
        if first not in taken_gold and second not in taken_predicted:
            taken_gold.add(first)
            taken_predicted.add(second)
            chosen[place] = True
    return Pairing(gold, predicted, candidates[chosen])


def _overlapping(gold: NDArray[np.int64], predicted: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the indexes of all pairs that share a token, (pairs, 2); at most as many as there are entities."""
    import numpy as np

    first = np.searchsorted(gold[:, 1], predicted[:, 0], side="right")
    after = np.searchsorted(gold[:, 0], predicted[:, 1], side="left")
    counts = np.maximum(after - first, 0)
    owner = np.repeat(np.arange(len(predicted)), counts)
    inside = np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.stack([first[owner] + inside, owner], axis=1).astype(np.int64)
