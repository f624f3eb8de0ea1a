"""Where two passes over a document differ, stretch by stretch, and in what way."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from gonerd.records import Span


class Kind(StrEnum):
    """In what way two passes differ over a stretch of text: the closed set."""

    LABEL = "label"  # same boundaries, another label
    BOUNDARY = "boundary"  # same label, other boundaries
    BOTH = "label and boundary"
    FIRST = "first only"  # the second pass marks nothing there
    SECOND = "second only"


@dataclass(frozen=True, slots=True)
class Contrast:
    """A stretch that two passes mark differently: it covers their spans, which overlap one another and no other."""

    start: int  # code points
    end: int
    kind: Kind
    first: tuple[Span, ...]
    second: tuple[Span, ...]


def contrasts(first: Iterable[Span], second: Iterable[Span]) -> list[Contrast]:
    """Return the stretches that two flat passes mark differently, in order; spans that both have are not among them."""
    one, other = set(first), set(second)
    left = sorted([(span, False) for span in one - other] + [(span, True) for span in other - one])
    groups: list[list[tuple[Span, bool]]] = []
    end = 0
    for span, is_second in left:
        if not groups or span.start >= end:
            groups.append([])
        groups[-1].append((span, is_second))
        end = max(end, span.end)
    return [_contrast(group) for group in groups]


def _contrast(group: list[tuple[Span, bool]]) -> Contrast:
    first = tuple(span for span, is_second in group if not is_second)
    second = tuple(span for span, is_second in group if is_second)
    start, end = min(span.start for span, _ in group), max(span.end for span, _ in group)
    return Contrast(start, end, _kind(first, second), first, second)


def _kind(first: tuple[Span, ...], second: tuple[Span, ...]) -> Kind:
    if not second:
        return Kind.FIRST
    if not first:
        return Kind.SECOND
    if [(span.start, span.end) for span in first] == [(span.start, span.end) for span in second]:
        return Kind.LABEL
    return Kind.BOUNDARY if len({span.label for span in (*first, *second)}) == 1 else Kind.BOTH
