"""Spans that the guideline's rules about edges and addresses forbid, and what they should be instead."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

from gonerd.conventions import Conventions, trim
from gonerd.records import Span

_ADDRESS = re.compile(r"\S+@\S+\.\w|https?://|www\.\w|^[#@]\w")


@dataclass(frozen=True, slots=True)
class Breach:
    """A rule that a span breaks."""

    rule: str  # of the guideline
    why: str
    instead: Span | None  # None: no span at all


def breaches(text: str, span: Span, conventions: Conventions, *, known: Collection[str]) -> list[Breach]:
    """Return the rules that a span breaks.

    Args:
        text: the document's.
        span: in it.
        conventions: what stays outside, by the scheme.
        known: surfaces marked elsewhere in the document. A possessive ending is a breach only for a label whose names
            bear titles (people), or if the name without it is one of these: some names end so by themselves.
    """
    surface = text[span.start : span.end]
    found: list[Breach] = []
    around = text[max(0, span.start - 80) : span.end + 80]
    if _ADDRESS.search(surface) or _inside_address(text, span):
        found.append(Breach("N4", f"an address, or inside one: {' '.join(around.split())[:60]!r}", None))
    if not any(letter.isalpha() for letter in surface):
        found.append(Breach("N2", "no letter in it", None))
    whole = _whole_words(text, span)
    if whole != span:
        found.append(Breach("S11", f"cuts the word {text[whole.start : whole.end]!r}", whole))
    if re.search(r"\n\s*\n", surface):
        found.append(Breach("S11", "runs across a blank line", trim(text, span, conventions)))
    return found + _edges(text, span, conventions, known)


def _edges(text: str, span: Span, conventions: Conventions, known: Collection[str]) -> list[Breach]:
    kept = trim(text, span, conventions)
    if kept == span:
        return []
    if kept is None:
        return [Breach("S11", "nothing but what stays outside a name", None)]
    before, after = text[span.start : kept.start], text[kept.end : span.end]
    found = []
    if after.strip() in conventions.after:
        if span.label in conventions.titled or text[kept.start : kept.end] in known:
            found.append(Breach("S3", f"ends in {after!r}", kept))
    elif after:
        found.append(Breach("S7" if after.strip() else "S11", f"ends in {after!r}", kept))
    if before:
        words = before.split()
        article = bool(words) and words[0].lower() in conventions.before
        rule = "S4" if article else "S2" if words and words[0][0].isalnum() else "S7" if words else "S11"
        found.append(Breach(rule, f"begins with {before.strip() or before!r}", kept))
    return found


def _whole_words(text: str, span: Span) -> Span:
    """Return the span, widened to whole words."""
    start, end = span.start, span.end
    while start and text[start].isalnum() and text[start - 1].isalnum():
        start -= 1
    while end < len(text) and text[end - 1].isalnum() and text[end].isalnum():
        end += 1
    return Span(start, end, span.label)


def _inside_address(text: str, span: Span) -> bool:
    """Tell whether the characters without white space around a span are an address."""
    start = max(text.rfind(sign, 0, span.start) for sign in " \n\t(<") + 1
    ends = [place for sign in " \n\t)>" if (place := text.find(sign, span.end)) >= 0]
    around = text[start : min(ends, default=len(text))]
    return len(around) > span.end - span.start and bool(_ADDRESS.search(around))
