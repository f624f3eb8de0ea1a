"""The best sequence of tags in which every `I-` continues an entity of its own type."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def best_legal_tags(scores: Sequence[NDArray[np.float32]], *, free: bool = False) -> list[NDArray[np.int8]]:
    """Return for each document the legal IOB2 tags with the highest sum of scores.

    All documents take a step at a time together, sorted so that those which have ended drop out at the end.

    Args:
        scores: of each document (words, tags), log-probabilities of a scheme's tags in the order of their integers.
        free: every sequence is legal, as where the model's tags need no `B-`.
    """
    import numpy as np

    if free:
        return [row.argmax(axis=1).astype(np.int8) if len(row) else np.zeros(0, np.int8) for row in scores]
    tags: list[NDArray[np.int8]] = [np.zeros(len(row), dtype=np.int8) for row in scores]
    order = sorted((place for place, row in enumerate(scores) if len(row)), key=lambda place: -len(scores[place]))
    for start in range(0, len(order), TOGETHER):
        chosen = order[start : start + TOGETHER]
        for place, answer in zip(chosen, _decode([scores[place] for place in chosen]), strict=True):
            tags[place] = answer
    return tags


TOGETHER = 256  # documents in a step: enough to make the step's own cost small, little enough to hold


def _decode(rows: Sequence[NDArray[np.float32]]) -> list[NDArray[np.int8]]:
    """Decode documents that are sorted by length, the longest first."""
    import numpy as np

    width, longest = rows[0].shape[1], len(rows[0])
    penalty = _penalties(width)
    alive = np.array([sum(len(row) > step for row in rows) for step in range(longest)])
    came_from = np.zeros((longest, len(rows), width), dtype=np.int8)
    best = np.stack([row[0] for row in rows]).astype(np.float64)
    best[:, 2::2] = -np.inf  # nothing to continue yet
    for step in range(1, longest):
        there = alive[step]
        ways = best[:there, :, None] + penalty  # (documents, from, to)
        came_from[step, :there] = ways.argmax(axis=1)
        best[:there] = ways.max(axis=1) + np.stack([row[step] for row in rows[:there]])
    answers = []
    for place, row in enumerate(rows):
        path = np.zeros(len(row), dtype=np.int8)
        path[-1] = best[place].argmax()
        for step in range(len(row) - 1, 0, -1):
            path[step - 1] = came_from[step, place, path[step]]
        answers.append(path)
    return answers


def _penalties(width: int) -> NDArray[np.float64]:
    """Return (from, to): 0 where a tag may follow, else minus infinity. `I-` (even) follows its own `B-` or itself."""
    import numpy as np

    before, after = np.arange(width)[:, None], np.arange(width)[None, :]
    inside = (after > 0) & (after % 2 == 0)
    return np.where(inside & (before != after) & (before != after - 1), -np.inf, 0.0)
