"""The places that a mention may have gone to in another version of its text, and how alike they are to where it was."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

_TOKEN = re.compile(r"\w+|[^\w\s]")
_TOKEN_OR_LINE = re.compile(r"\w+|[^\w\s]|\n+")
_PLAIN = {"‘": "'", "’": "'", "‚": "'", "“": '"', "”": '"', "„": '"', "–": "-", "—": "-", "‑": "-", "…": "..."}
_TOKENS = 12  # compared on either side
_SPARE = 3  # tokens that an edit may have put in between
_SKIPPED = 1.0  # what each word put in between counts against a place, in characters
_NEXT_SENTENCE = 0.25  # what a token counts for beyond the end of the mention's sentence
_NEARER = 0.9  # what a token counts for beside the one nearer to the mention
_MOST_PLACES = 48  # of one surface that are compared; beyond, those nearest to where it is expected
BEST = 6  # places of one mention that are handed on
LEAST = 0.45  # how alike the surroundings must be at all
SURE = 0.75  # how alike they must be without neighbours that went along
ONE_SIDE = 0.9  # or those on one side alone, where they are long enough to tell
_TELLING = 6.0  # the least that one side must weigh to tell anything alone
_ALONE = 20.0  # the weight with which one side is enough


@dataclass(frozen=True, slots=True)
class Mention:
    """A stretch of the old text; `before` and `after` are as much of it as is known on either side."""

    start: int  # code points
    surface: str
    before: str
    after: str

    @property
    def end(self) -> int:
        """Where it ends in the old text."""
        return self.start + len(self.surface)


@dataclass(frozen=True, slots=True)
class Place:
    """A place in the new text that a mention may have gone to."""

    start: int
    end: int
    weaker: float  # how alike what is on its less alike side is, 0 to 1
    stronger: float  # and on the other, where there is enough to tell
    likeness: float  # both sides, by what there is to compare
    exact: bool  # whether a long stretch of one side is the very same


class _Plain:
    """A text with plain quotes and dashes and single spaces, and where its characters come from."""

    def __init__(self, text: str) -> None:
        pieces: list[str] = []
        self.origin: list[int] = []
        space = True
        for position, character in enumerate(text):
            piece = " " if character.isspace() else _PLAIN.get(character, character)
            if piece == " " and space:
                continue
            space = piece == " "
            pieces.append(piece)
            self.origin.extend([position] * len(piece))
        self.text = "".join(pieces)


class Finder:
    """Finds the places of mentions in one text."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._plain = _Plain(text)
        self._tokens = [(m.start(), m.end(), _plain(m.group())) for m in _TOKEN.finditer(text)]
        self._starts = [start for start, _, _ in self._tokens]
        self._ends = [end for _, end, _ in self._tokens]
        self._words = [word for _, _, word in self._tokens]
        self._found: dict[tuple[str, bool, bool], list[int]] = {}

    def places(self, mentions: Sequence[Mention]) -> list[list[Place]]:
        """Return for each mention the places that it may have gone to, the likeliest first."""
        keys = [_key(mention) for mention in mentions]
        counts = Counter(key for key, _ in keys)
        found: list[list[Place]] = []
        pending = []
        for number, (mention, (key, offset)) in enumerate(zip(mentions, keys, strict=True)):
            only = self._only(mention, key, offset) if counts[key] == 1 else None
            found.append([Place(only, only + len(mention.surface), 1.0, 1.0, 1.0, True)] if only is not None else [])
            if only is None:
                pending.append(number)
        known = [(number, places[0].start) for number, places in enumerate(found) if places]
        for number in pending:
            expected = self._expected(mentions, known, number)
            found[number] = self._alike(mentions[number], expected)
        return found

    def _only(self, mention: Mention, key: str, offset: int) -> int | None:
        """Return where the mention is if it stands once in the very same surroundings."""
        at = self._plain.text.find(key)
        if at < 0 or self._plain.text.find(key, at + 1) >= 0:
            return None
        start = self._plain.origin[at + offset]
        return start if start in self._occurrences(mention) else None

    def _expected(self, mentions: Sequence[Mention], known: Sequence[tuple[int, int]], number: int) -> int:
        """Return where a mention would be if nothing but what is known had changed."""
        position = bisect_left(known, (number, 0))
        beside = known[position - 1] if position else known[position] if known else None
        if beside is None:
            return mentions[number].start
        return beside[1] + mentions[number].start - mentions[beside[0]].start

    def _occurrences(self, mention: Mention) -> list[int]:
        """Return where the surface stands, as a word if it was one, and as a part of one if it was that."""
        whole = f"{mention.before[-1:]}{mention.surface}{mention.after[:1]}"
        first = len(mention.before[-1:])
        cuts = _cuts(whole, first, first + len(mention.surface))
        key = (mention.surface, *cuts)
        if key not in self._found:
            size = len(mention.surface)
            self._found[key] = [
                at for at in _all(self._text, mention.surface) if _cuts(self._text, at, at + size) == cuts
            ]
        return self._found[key]

    def _alike(self, mention: Mention, expected: int) -> list[Place]:
        starts = self._occurrences(mention)
        if len(starts) > _MOST_PLACES:
            starts = sorted(starts, key=lambda start: abs(start - expected))[:_MOST_PLACES]
        places = [self._place(mention, start) for start in starts]
        places = [place for place in places if max(place.likeness, place.stronger) >= LEAST]
        return sorted(places, key=lambda place: (-place.likeness, abs(place.start - expected)))[:BEST]

    def _place(self, mention: Mention, start: int) -> Place:
        end = start + len(mention.surface)
        first, last = bisect_right(self._ends, start), bisect_left(self._starts, end)
        many = _TOKENS + _SPARE
        before, after = self._words[max(0, first - many) : first], self._words[last : last + many]
        if first < len(self._starts) and self._starts[first] < start:  # it begins inside a word
            before.append(_plain(self._text[self._starts[first] : start]))
        if last and self._ends[last - 1] > end:
            after.insert(0, _plain(self._text[end : self._ends[last - 1]]))
        near = tuple(reversed(before)), tuple(after)
        sides = _side(mention.before, left=True), _side(mention.after, left=False)
        left, right = (_likeness(*side, words) for side, words in zip(sides, near, strict=True))
        heavy, weighty = (sum(weights) for _, weights in sides)
        weight = heavy + weighty
        both = (left * heavy + right * weighty) / weight if weight else float(len(self._occurrences(mention)) == 1)
        strongest = max(share for share, of in ((left, heavy), (right, weighty), (0.0, _TELLING)) if of >= _TELLING)
        alone = any(share >= ONE_SIDE and of >= _ALONE for share, of in ((left, heavy), (right, weighty)))
        exact = any(share == 1.0 and of >= _ALONE for share, of in ((left, heavy), (right, weighty)))
        return Place(start, end, min(left, right), strongest, max(both, SURE) if alone else both, exact)


def _all(text: str, wanted: str) -> Iterator[int]:
    at = text.find(wanted)
    while at >= 0:
        yield at
        at = text.find(wanted, at + 1)


def _cuts(text: str, start: int, end: int) -> tuple[bool, bool]:
    """Tell whether a word goes on right before, and right after, a stretch."""
    return text[start - 1 : start].isalnum(), text[end : end + 1].isalnum()


def _plain(text: str) -> str:
    return "".join(_PLAIN.get(character, character) for character in text)


def _key(mention: Mention) -> tuple[str, int]:
    """Return mention and surroundings in plain form, and where in it the mention begins."""
    before = _Plain(mention.before + "x").text[:-1]
    whole = _Plain(mention.before + mention.surface + mention.after).text
    return whole.rstrip(" "), len(before)


@lru_cache(maxsize=1 << 14)
def _side(text: str, *, left: bool) -> tuple[tuple[str, ...], tuple[float, ...]]:
    """Return the plain tokens beside a mention, the nearest first, and what each counts for.

    A token counts by its length and the less the further away it is, and still less beyond the end of the sentence:
    another sentence may follow, or have come before.
    """
    found = _TOKEN_OR_LINE.findall(text)
    words: list[str] = []
    weights: list[float] = []
    share = 1.0
    for piece in reversed(found) if left else found:
        if piece.isspace() or piece in ".!?":
            share = _NEXT_SENTENCE
        if not piece.isspace():
            words.append(_plain(piece))
            weights.append(share * (len(piece) if piece.isalnum() else 0.5) * _NEARER ** len(weights))
    return tuple(words[:_TOKENS]), tuple(weights[:_TOKENS])


def _likeness(old: tuple[str, ...], weights: tuple[float, ...], new: tuple[str, ...]) -> float:
    """Return the share of the old words, by weight, that come in the same order among the new ones.

    Both begin beside the mention. New words in between count against it. The last of the old ones may be a part of one.
    """
    total = sum(weights)
    if not total:
        return 0.0
    if old[:-1] == new[: len(old) - 1] and _fits(old[-1], new[len(old) - 1 : len(old)]):
        return 1.0
    row = [-_SKIPPED * number for number in range(len(new) + 1)]
    most = 0.0
    for position, word in enumerate(old):
        diagonal, last = row[0], position == len(old) - 1
        for number, other in enumerate(new, start=1):
            above = row[number]
            same = other == word or (last and _fits(word, (other,)))
            row[number] = max(above, row[number - 1] - _SKIPPED, diagonal + weights[position] if same else -1.0)
            diagonal = above
        most = max(most, *row)
    return max(0.0, most / total)


def _fits(part: str, whole: Sequence[str]) -> bool:
    return bool(whole) and (whole[0].startswith(part) or whole[0].endswith(part))
