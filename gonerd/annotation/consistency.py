"""How each surface is marked in its document and across the corpus: what a mark, or its absence, has beside it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from gonerd.annotation.features import TOKEN
from gonerd.annotation.gazetteer import names
from gonerd.records import Span

OUTSIDE = "O"
_LONGEST = 10  # words of a surface that is looked for again

Surface = tuple[str, ...]
"""The words of a name; punctuation in it too."""


@dataclass(slots=True)
class Places:
    """Where a document's marked surfaces stand, marked or not."""

    marked: list[tuple[Span, Surface]]  # the spans, in order
    unmarked: list[tuple[int, int, Surface]]  # code points; whole occurrences that meet no span
    counts: dict[Surface, Counter[str]] = field(default_factory=dict)  # label or O -> occurrences

    def others(self, surface: Surface, label: str) -> Counter[str]:
        """Return what the other occurrences of a surface in the document are marked as, `label` being this one's."""
        rest = Counter(self.counts.get(surface, ()))
        rest[label] -= 1
        return +rest


def places(text: str, spans: Sequence[Span]) -> Places:
    """Return where the surfaces of `spans` stand in a text.

    Unmarked occurrences are of surfaces that a capital or a digit begins, that are no ordinary word, and that the same
    document marks.
    """
    tokens = [(one.start(), one.end(), one[0]) for one in TOKEN.finditer(text)]
    words = [word for _, _, word in tokens]
    starts = {start: number for number, (start, _, _) in enumerate(tokens)}
    marked = [(span, tuple(one[0] for one in TOKEN.finditer(text[span.start : span.end]))) for span in spans]
    wanted: dict[str, list[Surface]] = {}
    for surface in {surface for _, surface in marked}:
        if surface and len(surface) <= _LONGEST and _is_name(surface):
            wanted.setdefault(surface[0], []).append(surface)
    taken = [False] * len(tokens)
    for span, _ in marked:
        first = starts.get(span.start)
        while first is not None and first < len(tokens) and tokens[first][0] < span.end:
            taken[first] = True
            first += 1
    unmarked, place = [], 0
    while place < len(tokens):
        fitting = [one for one in wanted.get(words[place], ()) if tuple(words[place : place + len(one)]) == one]
        longest = max(fitting, key=len, default=())
        if longest and not any(taken[place : place + len(longest)]):
            unmarked.append((tokens[place][0], tokens[place + len(longest) - 1][1], longest))
            place += len(longest)
        else:
            place += 1
    counts: dict[Surface, Counter[str]] = {}
    for span, surface in marked:
        counts.setdefault(surface, Counter())[span.label] += 1
    for _, _, surface in unmarked:
        counts.setdefault(surface, Counter())[OUTSIDE] += 1
    return Places(marked, unmarked, counts)


def _is_name(surface: Surface) -> bool:
    first = surface[0]
    ordinary = len(surface) == 1 and (first in names("not_names") or first.lower() in names("function_words"))
    return (first[0].isupper() or first[0].isdigit()) and any(word[0].isalpha() for word in surface) and not ordinary


def corpus_counts(documents: Iterable[Places]) -> dict[Surface, Counter[str]]:
    """Return what each surface is marked as, all documents together, O for unmarked."""
    counts: dict[Surface, Counter[str]] = {}
    for document in documents:
        for surface, labels in document.counts.items():
            counts.setdefault(surface, Counter()).update(labels)
    return counts


def share_against(counts: Mapping[str, int], label: str) -> float:
    """Return how much speaks against a label: the share of others, smoothed, so that one mention says little."""
    total = sum(counts.values())
    against = total - counts.get(label, 0)
    return against / (total + 1)
