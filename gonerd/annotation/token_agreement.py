"""Agreement corrected for chance, over the tokens of a text: Cohen's kappa and Krippendorff's alpha."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from gonerd.records import Span

TOKEN = re.compile(r"\w+|[^\w\s]+")
"""What counts as a token here: a run of letters and digits, or a run of other signs."""
OUTSIDE = "O"

Units = Counter[tuple[tuple[str, int], ...]]
"""Tokens by what their annotators gave them: for each label, how often; equal ones are counted together."""


def token_labels(text: str, spans: Sequence[Span]) -> list[str]:
    """Return the label of each token of `text` (see `TOKEN`): that of the first span it meets, else O."""
    labels, place = [], 0
    for token in TOKEN.finditer(text):
        while place < len(spans) and spans[place].end <= token.start():
            place += 1
        inside = place < len(spans) and spans[place].start < token.end()
        labels.append(spans[place].label if inside else OUTSIDE)
    return labels


def cohen_kappa(counts: Mapping[tuple[str, str], int]) -> float:
    """Return Cohen's kappa of a table of (first's label, second's label) -> items (Cohen 1960).

    1.0 where the two always agree, also when chance alone would have it so (one label only, or no items).
    """
    total = sum(counts.values())
    agreed = sum(count for (first, second), count in counts.items() if first == second)
    if agreed == total:
        return 1.0
    margins: tuple[Counter[str], Counter[str]] = (Counter(), Counter())
    for labels, count in counts.items():
        for margin, label in zip(margins, labels, strict=True):
            margin[label] += count
    chance = sum(margins[0][label] * margins[1][label] for label in margins[0])
    return (agreed * total - chance) / (total * total - chance)


def units_of(text: str, passes: Iterable[Sequence[Span]]) -> Units:
    """Return the tokens of a document by what the annotators of these passes gave them."""
    columns = zip(*(token_labels(text, spans) for spans in passes), strict=True)
    return Counter(tuple(sorted(Counter(column).items())) for column in columns)


def krippendorff_alpha(units: Units) -> float:
    """Return Krippendorff's alpha for nominal labels (Krippendorff 2011): any number of annotators, some missing.

    A token with fewer than two labels says nothing. 1.0 where all agree, also when there is but one label.
    """
    totals: Counter[str] = Counter()
    values = observed = 0.0
    for unit, count in units.items():
        given = sum(times for _, times in unit)
        if given < 2:
            continue
        values += count * given
        observed += count * sum(times * (given - times) for _, times in unit) / (given - 1)
        for label, times in unit:
            totals[label] += count * times
    expected = sum(times * (values - times) for times in totals.values())
    return 1.0 - (values - 1) * observed / expected if observed else 1.0
