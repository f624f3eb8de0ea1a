"""How like its true text a found text is: by its words, and by its sequences of words."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

_WORD = re.compile(r"\w+")
SHINGLE_WORDS = 4


def word_f1(found: str, true: str) -> float:
    """Return the F1 of the words of a text, each as often as it occurs."""
    return _f1(_WORD.findall(found), _WORD.findall(true))


def shingle_f1(found: str, true: str) -> float:
    """Return the F1 of the sequences of four words of a text: order counts, and where what is missing was."""
    return _f1(_shingles(found), _shingles(true))


def _shingles(text: str) -> list[tuple[str, ...]]:
    words = _WORD.findall(text)
    return [tuple(words[n : n + SHINGLE_WORDS]) for n in range(max(1, len(words) - SHINGLE_WORDS + 1))]


def _f1(found: Sequence[object], true: Sequence[object]) -> float:
    here, there = Counter(found), Counter(true)
    both = (here & there).total()
    return 2 * both / (here.total() + there.total()) if both else 0.0
