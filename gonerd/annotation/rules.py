"""Names by rule: gazetteers, titles, given names, head words, context, and what the rest of the document says.

Every run of capitalised words gives its surface a vote for a label; the surface is then marked by its votes wherever it
stands in the document, also where a capital says nothing (sentence openings, headlines). This is how a surname that
follows a full name, and an acronym in brackets after an organisation, get their labels.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import takewhile
from typing import TYPE_CHECKING, Any

from gonerd.annotation.gazetteer import TITLE, names, phrases
from gonerd.annotation.runs import Word, headline_lines, runs, words_of
from gonerd.records import Span

if TYPE_CHECKING:
    from spacy.language import Language
    from spacy.tokens import Doc

LABELS = ("PER", "ORG", "LOC", "MISC")
_SURE, _LIKELY, _HINT = 6, 4, 1
_QUOTES = frozenset('“”"')
_SUFFIXES = frozenset(("Jr.", "Jr", "Sr.", "Sr", "II", "III", "IV"))
_LONGEST = 8  # words of a surface that is looked for again

Surface = tuple[str, ...]
"""The words of a name."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A stretch of words that may be a name; `label` is None where the words themselves do not tell."""

    first: int
    after: int
    label: str | None
    weight: int


@dataclass(slots=True)
class Text:
    """A document as the rules see it: its words, and what the gazetteers know by first word."""

    words: list[Word]
    marks: dict[int, tuple[int, str]]  # first word -> word after the last, label
    headlines: set[int] = field(default_factory=set)
    small: frozenset[str] = frozenset()  # words that this document writes without a capital
    defined: frozenset[Surface] = frozenset()  # its defined terms

    def surface(self, first: int, after: int) -> Surface:
        """Return the words of a stretch."""
        return tuple(word.text for word in self.words[first:after])


@cache
def pipeline() -> Language:
    """Return spaCy's blank English with the gazetteers as an entity ruler."""
    import spacy

    nlp = spacy.blank("en")
    nlp.max_length = 2**31  # the limit is there for parsers; documents go whole
    ruler: Any = nlp.add_pipe("entity_ruler")
    ruler.add_patterns([{"label": label, "pattern": phrase} for phrase, label in phrases()])
    return nlp


def find(doc: Doc) -> list[Span]:
    """Return the names of a document that went through `pipeline`: flat, in order, in code points."""
    text = _text(doc)
    candidates = list(_candidates(text))
    labels = _decide(_votes(text, candidates))
    taken = _settle(text, candidates, labels)
    taken += _repeats(text, labels, taken)
    return sorted(span for span in (_trim(text, *stretch) for stretch in taken) if span)


def _text(doc: Doc) -> Text:
    words, places = words_of(doc)
    marks = {places[mark.start]: (places[mark.end], mark.label_) for mark in doc.ents}
    small = frozenset(word.text for word in words if word.text.islower()) | names("function_words")
    small -= frozenset(name.lower() for name in names("given_names"))
    return Text(words, marks, headline_lines(words), small, _defined(words))


def _candidates(text: Text) -> Iterator[Candidate]:
    """Yield what the runs give; in headlines, only what the gazetteers know."""
    listed = {first: after for first, (after, label) in text.marks.items() if label != TITLE}
    for first, after in runs(text.words, small=text.small, listed=listed):
        look = _listed if text.words[first].line in text.headlines else _typed
        yield from look(text, first, after)


def _listed(text: Text, first: int, after: int) -> Iterator[Candidate]:
    position = first
    while position < after:
        end, label = text.marks.get(position, (position + 1, TITLE))
        if label != TITLE and end <= after:
            yield Candidate(position, end, label, _LIKELY)
        position = end


def _typed(text: Text, first: int, after: int) -> Iterator[Candidate]:
    """Yield the parts of a run, each with the label that its words give it."""
    if first >= after:
        return
    end, mark = text.marks.get(first, (0, ""))
    if end == after and mark != TITLE:
        yield Candidate(first, after, mark, _LIKELY)
    elif mark == TITLE and text.surface(first, end)[0] in names("courtesy_titles"):
        yield from _person(text, end, after)
    elif label := _head(text.surface(first, after)):
        yield Candidate(first, after, label, _LIKELY)
    elif mark == TITLE:
        yield from _person(text, end, after)
    elif inner := _inner_title(text, first, after):
        yield from _typed(text, first, inner)
        yield from _typed(text, inner, after)
    else:
        yield from _untitled(text, first, after)


def _inner_title(text: Text, first: int, after: int) -> int | None:
    return next((place for place in range(first + 1, after) if text.marks.get(place, (0, ""))[1] == TITLE), None)


def _untitled(text: Text, first: int, after: int) -> Iterator[Candidate]:
    """Yield the parts of a run without titles and head words."""
    end, mark = text.marks.get(first, (0, ""))
    words = text.surface(first, after)
    if words[0] in names("given_names") or words[-1] in _SUFFIXES or (_is_initial(words[0]) and len(words) > 1):
        yield Candidate(first, after, "PER", _LIKELY if len(words) > 1 else _LIKELY - 1)
    elif mark and end < after:
        yield Candidate(first, end, mark, _LIKELY)
        yield from _typed(text, end + (text.words[end].text == "-"), after)
    elif len(words) > 1 and words[0] in names("place_prefixes"):
        yield Candidate(first, after, "LOC", _HINT + 1)
    elif not (len(words) == 1 and words[0] in names("not_names")):
        yield Candidate(first, after, None, 0)


def _is_initial(word: str) -> bool:
    return len(word) == 2 and word[0].isupper() and word[1] == "."


def _person(text: Text, first: int, after: int) -> Iterator[Candidate]:
    """Yield the name after a title; further titles go too (`Lt. Col. Ann Holt`)."""
    while first < after and text.marks.get(first, (0, ""))[1] == TITLE:
        first = min(text.marks[first][0], after)
    if first < after:
        yield Candidate(first, after, "PER", _SURE)


def _head(words: Surface) -> str | None:
    """Return the label that the head word of a name gives, if it has one."""
    for link in ("of", "for"):
        if link in words[1:-1]:
            return _linked(words[words.index(link) - 1])
    if len(words) < 2:
        return None
    last = words[-1]
    for file, label in (("organisation_heads", "ORG"), ("place_heads", "LOC"), ("misc_heads", "MISC")):
        if last in names(file):
            return label
    return None


def _linked(opener: str) -> str | None:
    for file, label in (("organisation_prefixes", "ORG"), ("link_places", "LOC"), ("link_misc", "MISC")):
        if opener in names(file):
            return label
    return None


def _votes(text: Text, candidates: Sequence[Candidate]) -> dict[Surface, Counter[str]]:
    """Return the votes for each surface that the document has seen as a name."""
    votes: dict[Surface, Counter[str]] = {}
    for candidate in candidates:
        surface = text.surface(candidate.first, candidate.after)
        count = votes.setdefault(surface, Counter())
        if candidate.label:
            count[candidate.label] += candidate.weight
        count.update(_context(text, candidate))
        if candidate.label == "PER":
            _vote_parts(votes, surface)
    _vote_acronyms(text, candidates, votes)
    return votes


def _vote_parts(votes: dict[Surface, Counter[str]], surface: Surface) -> None:
    """Let a full name speak for its surname and its given name alone."""
    parts = [part for part in surface if part not in _SUFFIXES and part[0].isupper() and len(part) > 2]
    if len(parts) > 1:
        votes.setdefault((parts[-1],), Counter())["PER"] += _SURE
        if parts[0] in names("given_names"):
            votes.setdefault((parts[0],), Counter())["PER"] += _LIKELY


def _context(text: Text, candidate: Candidate) -> Counter[str]:
    """Return the votes that the words around a candidate give."""
    words, first, after = text.words, candidate.first, candidate.after
    before = words[first - 1].text.lower() if first else ""
    follows = words[after].text.lower() if after < len(words) else ""
    surface = text.surface(first, after)
    count: Counter[str] = Counter()
    if words[first].line in text.headlines or (candidate.label is None and _is_ordinary(text, surface)):
        return count
    if before in names("places_before"):
        count["LOC"] += _HINT + (before in ("in", "at", "near"))
    if follows in names("speech_after"):
        count["PER"] += 2 * _HINT
    if len(surface) == 1 and surface[0].isupper() and 2 <= len(surface[0]) <= 6:
        count["ORG"] += 2 * _HINT
    if candidate.label is None and before in _QUOTES and follows in _QUOTES and len(surface) > 1:
        count["MISC"] += 2 * _HINT
    elif candidate.label is None and before not in names("places_before"):
        count["ORG" if before == "the" else "PER"] += _HINT * (not words[first].opens)
    return count


def _is_ordinary(text: Text, surface: Surface) -> bool:
    """Whether the document writes all the words without capitals too, or defines them as a term."""
    return all(word.lower() in text.small for word in surface) or surface in text.defined


def _defined(words: Sequence[Word]) -> frozenset[Surface]:
    """Return the terms that a contract defines: in quotation marks and brackets (`(the “Borrower”)`)."""
    found: set[Surface] = set()
    for first, word in enumerate(words[1:-1], start=1):
        if word.text in _QUOTES and words[first - 1].text.lower() in ("(", "the", "each", "a", "or", "and"):
            inside = list(
                takewhile(lambda place: words[place].text not in _QUOTES, range(first + 1, min(first + 8, len(words))))
            )
            term = tuple(words[place].text for place in inside)
            if inside and inside[-1] + 2 < len(words) and words[inside[-1] + 2].text in (")", ","):
                found |= {term, (*term[:-1], f"{term[-1]}s")}
    return frozenset(found)


def _vote_acronyms(text: Text, candidates: Sequence[Candidate], votes: dict[Surface, Counter[str]]) -> None:
    """Let an organisation speak for the acronym in brackets after it."""
    for candidate in candidates:
        following = [word.text for word in text.words[candidate.after : candidate.after + 3]]
        if len(following) == 3 and following[0] == "(" and following[2] == ")" and following[1].isupper():
            initials = "".join(word[0] for word in text.surface(candidate.first, candidate.after) if word[0].isupper())
            if candidate.label == "ORG" or (len(initials) > 1 and initials == following[1]):
                votes.setdefault((following[1],), Counter())["ORG"] += _SURE


def _decide(votes: Mapping[Surface, Counter[str]]) -> dict[Surface, str]:
    """Return the label of each surface that has a vote; a tie goes by the order of the labels."""
    winners = {}
    for surface, count in votes.items():
        if any(count.values()):
            winners[surface] = max(LABELS, key=lambda label: (count[label], -LABELS.index(label)))
    return winners


def _settle(text: Text, candidates: Sequence[Candidate], labels: Mapping[Surface, str]) -> list[tuple[int, int, str]]:
    """Return the candidates whose surface has a label; what the words themselves say at this place comes first."""
    settled = []
    for candidate in candidates:
        surface = text.surface(candidate.first, candidate.after)
        label = candidate.label if candidate.weight == _SURE else labels.get(surface)
        alone = len(surface) == 1 and surface[0] in names("not_names") and candidate.weight < _SURE
        if label and not alone:
            settled.append((candidate.first, candidate.after, label))
    return settled


def _repeats(
    text: Text, labels: Mapping[Surface, str], taken: Sequence[tuple[int, int, str]]
) -> list[tuple[int, int, str]]:
    """Return further places of labelled surfaces among the words not taken, the longest first."""
    covered = [False] * len(text.words)
    for first, after, _ in taken:
        covered[first:after] = [True] * (after - first)
    known = {surface: label for surface, label in labels.items() if _repeatable(surface)}
    known |= {tuple(word.upper() for word in surface): label for surface, label in known.items()}
    found, position = [], 0
    while position < len(covered):
        end = next((end for end in _ends(text.words, covered, position) if text.surface(position, end) in known), 0)
        if end:
            found.append((position, end, known[text.surface(position, end)]))
        position = end or position + 1
    return found


def _repeatable(surface: Surface) -> bool:
    return len(surface) > 1 or (len(surface[0]) > 2 and surface[0] not in names("not_names"))


def _ends(words: Sequence[Word], covered: Sequence[bool], first: int) -> Iterator[int]:
    """Yield the ends of the stretches of words not covered that begin and end with a capital, the longest first."""
    last = first
    while last < min(len(words), first + _LONGEST) and not covered[last]:
        last += 1
    if words[first].capital:
        yield from (end for end in range(last, first, -1) if words[end - 1].capital)


def _trim(text: Text, first: int, after: int, label: str) -> Span | None:
    """Return a stretch of words as a span without leading articles and titles, possessives and quotation marks."""
    while first < after and text.words[first].text.lower() in ("the", "a", "an", "“", '"', "‘", "'", "-"):
        first += 1
    while after > first and text.words[after - 1].text in ("'s", "’s", "'", "’", "”", '"', "-", ",", "."):
        after -= 1
    return Span(text.words[first].start, text.words[after - 1].end, label) if first < after else None
