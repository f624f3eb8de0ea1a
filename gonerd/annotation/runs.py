"""Words of a document and its runs of capitalised words: what the rules look at."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gonerd.annotation.gazetteer import names

if TYPE_CHECKING:
    from spacy.tokens import Doc

_SENTENCE_ENDS = frozenset(".!?:;•*—–\"“”‘'«»()[]…|/")
_HEADLINE_WORDS = 14  # a longer line is prose
_LONGEST = 16  # words of a run: what goes on longer is no single name


@dataclass(frozen=True, slots=True)
class Word:
    """A token that is not white space; offsets in code points."""

    text: str
    start: int
    end: int
    line: int
    opens: bool  # stands where any word would have a capital

    @property
    def capital(self) -> bool:
        """Whether the word begins like a name."""
        return self.text[0].isupper() or (self.text[0].isdigit() and self.text[-1].isupper() and len(self.text) > 3)


def words_of(doc: Doc) -> tuple[list[Word], list[int]]:
    """Return the words of a tokenised text, and for each of its tokens the number of the word at or after it."""
    words: list[Word] = []
    places: list[int] = []
    line = 0
    for token in doc:
        places.append(len(words))
        if token.is_space:
            line += token.text.count("\n") > 0
            continue
        previous = words[-1] if words else None
        opens = previous is None or previous.line != line or previous.text[-1] in _SENTENCE_ENDS
        if previous is not None and opens and previous.line == line and previous.text[-1] == ".":
            opens = len(previous.text) == 1 or previous.text[:-1].islower()  # not after `Mr.` or `J.`
        words.append(Word(token.text, token.idx, token.idx + len(token.text), line, opens))
    return words, [*places, len(words)]


def headline_lines(words: Sequence[Word]) -> set[int]:
    """Return the lines in which capitals tell nothing: headlines, headings, lists in capitals."""
    lines: dict[int, list[Word]] = {}
    for word in words:
        lines.setdefault(word.line, []).append(word)
    return {number for number, line in lines.items() if _is_headline(line)}


def _is_headline(line: list[Word]) -> bool:
    letters = [word for word in line if word.text[0].isalpha()]
    shouted = sum(word.text.isupper() and len(word.text) > 1 for word in letters)
    if len(letters) > 2 and shouted * 10 > len(letters) * 7:
        return True
    long = [word for word in letters if len(word.text) > 3]
    short_line = len(line) <= _HEADLINE_WORDS and line[-1].text not in (".", "!", "?", ",", ";", "”", '"')
    return short_line and len(long) > 2 and sum(word.capital for word in long) * 10 > len(long) * 8


def runs(words: Sequence[Word], *, small: Collection[str], listed: Mapping[int, int]) -> list[tuple[int, int]]:
    """Return the runs of capitalised words as (first, after last), in order.

    Hyphens, ampersands and particles hold a run together, and so does `of` after a word that a name may open with
    (University of …, Battle of …).

    Args:
        words: the document's.
        small: words that a capital makes no name of where a sentence opens.
        listed: names that are known, as first word -> word after the last; a run holds the whole of them.
    """
    found: list[tuple[int, int]] = []
    breakers = names("breakers")
    position = 0
    while position < len(words):
        word = words[position]
        small_opening = word.opens and word.text.lower() in small
        if position not in listed and (small_opening or not _begins(word, breakers)):
            position += 1
            continue
        end = listed.get(position, position + 1)
        while end - position < _LONGEST and (after := _next(words, end, breakers)):
            end = listed.get(after - 1, after)
        found.append((position, end))
        position = end
    return found


def _begins(word: Word, breakers: Collection[str]) -> bool:
    return word.capital and word.text not in breakers and any(letter.isalpha() for letter in word.text)


def _next(words: Sequence[Word], end: int, breakers: Collection[str]) -> int:
    """Return where a run that reaches `end` goes on to, or 0."""
    here = words[end - 1]
    rest = words[end : end + 3]
    if not rest or rest[0].line != here.line:
        return 0
    if _begins(rest[0], breakers) and not rest[0].opens:
        return end + 1
    if rest[0].text in ("-", "–", "'") and len(rest) > 1 and rest[0].start == here.end and rest[0].end == rest[1].start:
        return end + 2 if _begins(rest[1], breakers) else 0
    steps = _link(words, end)
    follows = words[end + steps] if steps and end + steps < len(words) else None
    return end + steps + 1 if follows and follows.line == here.line and _begins(follows, breakers) else 0


def _link(words: Sequence[Word], end: int) -> int:
    """Return how many small words at `end` may stand inside a name: 0 for none."""
    here, first, particles = words[end - 1].text, words[end].text, names("particles")
    if first == "&" or first in particles:
        second = words[end + 1].text if end + 1 < len(words) else ""
        return 2 if first in particles and second in particles else 1
    if first in ("of", "for") and here in openers():
        return 2 if end + 1 < len(words) and words[end + 1].text == "the" else 1
    return 0


def openers() -> frozenset[str]:
    """Return the words that open a name which goes on with `of` or `for`."""
    return names("organisation_prefixes") | names("link_places") | names("link_misc")
