"""What the audit's model sees of a token: the word, its neighbours, word lists, the rules, the rest of the document.

A name's other mentions are known in an audit, since it does not predict: it asks whether each mark fits the others. So
a token also sees what the same word is marked as elsewhere in the document, itself left out, and in the documents that
the model learns from.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from gonerd.annotation.gazetteer import NAMED, names
from gonerd.labels import tags_from_spans, token_spans
from gonerd.records import Span

TOKEN = re.compile(r"\w+|[^\w\s]")
OUTSIDE = "O"
_LISTS = (*NAMED, "given_names", "organisation_heads", "place_heads", "misc_heads", "courtesy_titles")

Memory = Mapping[str, Counter[str]]
"""A word in small letters -> what it is marked as (tags), how often."""


@dataclass(slots=True)
class Tokens:
    """A text in tokens, with the tags that it is marked with and those that the rules give it."""

    words: list[str]
    starts: list[int]
    tags: list[str]
    rules: list[str]
    opens_line: list[bool]

    @classmethod
    def of(cls, text: str, spans: Sequence[Span], rules: Sequence[Span]) -> Tokens:
        """Return the tokens of a text; a span that cuts a token takes the whole of it."""
        found = list(TOKEN.finditer(text))
        words, starts = [one[0] for one in found], [one.start() for one in found]
        tags, by_rule = (tags_from_spans(len(words), token_spans(starts, words, side)) for side in (spans, rules))
        opens = [n == 0 or "\n" in text[found[n - 1].end() : one.start()] for n, one in enumerate(found)]
        return cls(words, starts, tags, by_rule, opens)

    @property
    def end(self) -> int:
        """How many tokens there are."""
        return len(self.words)


def remembered(documents: Iterable[Tokens]) -> dict[str, Counter[str]]:
    """Return what each word is marked as in some documents."""
    memory: dict[str, Counter[str]] = defaultdict(Counter)
    for document in documents:
        for word, tag in zip(document.words, document.tags, strict=True):
            memory[word.lower()][tag] += 1
    return memory


def candidates(document: Tokens) -> list[int]:
    """Return the tokens that may be of a name: those with a capital, or marked, or that the rules mark; and neighbours.

    What is left out is small words among small words, which nobody marks.
    """
    may_be = [
        word[0].isupper() or tag != OUTSIDE or rule != OUTSIDE
        for word, tag, rule in zip(document.words, document.tags, document.rules, strict=True)
    ]
    near = [False, *may_be, False]
    return [place for place in range(document.end) if any(near[place : place + 3])]


def static_features(document: Tokens, places: Sequence[int]) -> Iterator[list[str]]:
    """Yield what the document alone tells of some of its tokens."""
    here = remembered([document])
    small = {word for word in document.words if word.islower()}
    seen: dict[int, list[str]] = {}

    def word(place: int) -> list[str]:
        if place not in seen:
            seen[place] = _word(document, place, small)
        return seen[place]

    for place in places:
        others = here[document.words[place].lower()].copy()
        others[document.tags[place]] -= 1
        found = [*word(place), "bias", *_share("doc", others)]
        for step in (-2, -1, 1, 2):
            if 0 <= place + step < document.end:
                found += [f"{step}{feature}" for feature in word(place + step)[: 12 if abs(step) == 1 else 3]]
        yield found


def memory_features(document: Tokens, places: Sequence[int], memory: Memory, *, own: bool) -> Iterator[list[str]]:
    """Yield what other documents tell of some tokens.

    Args:
        document: the tokens.
        places: which of them.
        memory: what words are marked as in the documents that the model learns from.
        own: whether `document` is one of these, so that its own marks are to be left out.
    """
    here = remembered([document]) if own else {}
    for place in places:
        key = document.words[place].lower()
        elsewhere = Counter(memory.get(key, ()))
        elsewhere.subtract(here.get(key, {}))
        yield _share("corpus", elsewhere)


def _word(document: Tokens, place: int, small: set[str]) -> list[str]:
    word = document.words[place]
    shape = re.sub(r"(.)\1+", r"\1", re.sub(r"\d", "0", re.sub(r"[a-zà-ÿ]", "x", re.sub(r"[A-ZÀ-Þ]", "X", word))))
    found = [f"w={word.lower()}", f"shape={shape[:8]}", f"rule={document.rules[place]}"]
    found += [f"in={name}" for name in _LISTS if word in names(name)]
    found += [f"small={word.lower() in small}", f"opens={document.opens_line[place]}"]
    return [*found, f"pre={word[:3].lower()}", f"suf={word[-3:].lower()}"]


def _share(kind: str, counts: Counter[str]) -> list[str]:
    """Say what a word mostly is elsewhere, how surely, and by how many mentions."""
    total = sum(count for count in counts.values() if count > 0)
    if not total:
        return [f"{kind}=none"]
    tag, count = max(counts.items(), key=lambda item: (item[1], item[0]))
    often = "1" if total == 1 else "2-4" if total < 5 else "5+"
    surely = "all" if count == total else "most" if 3 * count > 2 * total else "split"
    return [f"{kind}={tag}", f"{kind}={tag} {surely} {often}"]
