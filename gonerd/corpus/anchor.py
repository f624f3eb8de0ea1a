"""Where mentions are in another version of their text: told by surface, surroundings and order.

The old text itself is not needed: a release has none. A mention goes to the same characters in the same surroundings,
or nowhere: of several places that fit, only the one that its neighbours went with is taken.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise

from gonerd.corpus.places import LEAST, ONE_SIDE, SURE, Finder, Mention, Place

__all__ = ["Mention", "anchor"]

_CHAIN = 6  # mentions back to which one is linked
_RIVAL = 0.15  # a place this close to the best is a rival
_TOGETHER, _IN_ORDER = 0.5, 0.15  # what a mention gains by having gone with the one before, or after it at least


def anchor(mentions: Sequence[Mention], text: str) -> list[int | None]:
    """Return where each mention starts in `text`, None where it cannot be told.

    Args:
        mentions: in the order of the old text.
        text: the new version.
    """
    finder = Finder(text)
    places = finder.places(mentions)
    chosen = _chain(mentions, places)
    _verify(mentions, places, chosen)
    return [place.start if place else None for place in chosen]


def _together(one: Mention, two: Mention, first: Place, second: Place) -> bool:
    """Tell whether two mentions are about as far from each other as they were."""
    before, after = two.start - one.end, second.start - first.end
    return after >= 0 and abs(after - before) <= 24 + 0.25 * before


def _chain(mentions: Sequence[Mention], places: Sequence[Sequence[Place]]) -> list[Place | None]:
    """Return the place of each mention such that likeness and the order of them all are best, None for no place."""
    best: list[list[tuple[float, int, int]]] = []  # for each place: value, and mention and place before it
    ends: list[tuple[float, int, int]] = [(0.0, -1, -1)]  # the best chain that ends at or before each mention
    for number, mention in enumerate(mentions):
        row = []
        for place in places[number]:
            came = ends[max(0, number - _CHAIN)]
            for back in range(number - 1, max(-1, number - 1 - _CHAIN), -1):
                for index, other in enumerate(places[back]):
                    gain = _TOGETHER if _together(mentions[back], mention, other, place) else 0.0
                    gain = gain or (_IN_ORDER if place.start >= other.end else -_IN_ORDER)
                    came = max(came, (best[back][index][0] + gain, back, index), key=lambda one: one[0])
            row.append((came[0] + max(place.likeness, place.stronger) - LEAST, came[1], came[2]))
        best.append(row)
        here = max(((value[0], number, index) for index, value in enumerate(row)), default=ends[-1])
        ends.append(max(ends[-1], here, key=lambda one: one[0]))
    chosen: list[Place | None] = [None] * len(mentions)
    _, number, index = ends[-1]
    while number >= 0:
        chosen[number] = places[number][index]
        _, number, index = best[number][index]
    return chosen


def _verify(mentions: Sequence[Mention], places: Sequence[Sequence[Place]], chosen: list[Place | None]) -> None:
    """Take back in place what is not certain: too little alike, a rival that is as good, two mentions in one place."""
    judge = _Judge(mentions, places, chosen)
    kept = [place if place is not None and judge.is_certain(n, place) else None for n, place in enumerate(chosen)]
    order = sorted((place.start, place.end, number) for number, place in enumerate(kept) if place is not None)
    for (_, end, number), (start, _, other) in pairwise(order):
        one, two = kept[number], kept[other]
        if start < end and one is not None and two is not None:
            if one.likeness <= two.likeness:
                kept[number] = None
            if two.likeness <= one.likeness:
                kept[other] = None
    chosen[:] = kept


class _Judge:
    """Tells which of the chosen places are certain."""

    def __init__(
        self, mentions: Sequence[Mention], places: Sequence[Sequence[Place]], chosen: Sequence[Place | None]
    ) -> None:
        self._mentions, self._places, self._chosen = mentions, places, chosen
        self._rivals = [
            [rival for rival in places[n] if place is not None and _is_rival(rival, place)]
            for n, place in enumerate(chosen)
        ]
        self._wanted: defaultdict[int, list[int]] = defaultdict(list)  # by a place's start: who might be there
        for number, row in enumerate(places):
            for place in row:
                if max(place.likeness, place.stronger) >= SURE:
                    self._wanted[place.start].append(number)

    def is_certain(self, number: int, place: Place) -> bool:
        """Tell whether a mention is at the place that was chosen for it, and at no other."""
        together = self._support(number, place)
        for rival in self._rivals[number]:  # order alone never makes up for a place that is clearly more alike
            if rival.likeness > place.likeness + _RIVAL or self._support(number, rival) >= together:
                return False
        if any(self._is_homeless(other, place) for other in self._wanted[place.start] if other != number):
            return False
        if place.likeness >= SURE:
            return True
        return together > (place.weaker < LEAST) and (place.stronger >= ONE_SIDE or place.weaker >= LEAST)

    def _is_homeless(self, other: int, place: Place) -> bool:
        """Tell whether another mention may be at a place just as well, and has no place of its own."""
        own = self._chosen[other]
        like = next(one.likeness for one in self._places[other] if one.start == place.start)
        return (own is None or own.start == place.start) and like >= place.likeness - _RIVAL

    def _support(self, number: int, place: Place) -> int:
        """Return how many neighbours went along to a place: those without rivals, if there are any of them."""
        near = range(max(0, number - _CHAIN), min(len(self._mentions), number + _CHAIN + 1))
        beside = [other for other in near if other != number and self._chosen[other] is not None]
        alone = [other for other in beside if not self._rivals[other]]
        return sum(_goes(self._mentions, number, place, other, self._chosen[other]) for other in alone or beside)


def _is_rival(rival: Place, place: Place) -> bool:
    if rival is place or (place.exact and not rival.exact):
        return False
    return rival.likeness >= place.likeness - _RIVAL or (rival.stronger >= ONE_SIDE and place.weaker < LEAST)


def _goes(mentions: Sequence[Mention], number: int, place: Place, other: int, beside: Place | None) -> bool:
    if beside is None:
        return False
    if other < number:
        return _together(mentions[other], mentions[number], beside, place)
    return _together(mentions[number], mentions[other], place, beside)
