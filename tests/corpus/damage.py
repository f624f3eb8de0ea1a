"""What happens to pages between two visits, done to a text whose characters remember where they come from."""

import random
import re
from dataclasses import dataclass
from itertools import pairwise

from gonerd.records import Span

NEW = -1  # the origin of a character that was not there before


@dataclass(frozen=True)
class Tracked:
    """A text and, for each character, its place in the text that it began as."""

    text: str
    origin: tuple[int, ...]

    @classmethod
    def of(cls, text):
        return cls(text, tuple(range(len(text))))

    @classmethod
    def new(cls, text):
        return cls(text, (NEW,) * len(text))

    def __getitem__(self, part):
        return Tracked(self.text[part], self.origin[part])

    def __add__(self, other):
        return Tracked(self.text + other.text, self.origin + other.origin)

    def split(self, pattern):
        """Return the pieces between matches, and each match with the piece before it."""
        ends = [0, *(match.end() for match in re.finditer(pattern, self.text)), len(self.text)]
        return [self[a:b] for a, b in pairwise(ends) if b > a]

    def sub(self, pattern, replace):
        """Put new characters in place of matches; a replacement of the same length keeps their origin."""
        pieces, end = [], 0
        for match in re.finditer(pattern, self.text):
            text = replace(match)
            same = self.origin[match.start() : match.end()] if len(text) == len(match.group()) else (NEW,) * len(text)
            pieces += [self[end : match.start()], Tracked(text, tuple(same))]
            end = match.end()
        return join([*pieces, self[end:]])


def join(pieces):
    texts, origins = [], []
    for piece in pieces:
        texts.append(piece.text)
        origins.extend(piece.origin)
    return Tracked("".join(texts), tuple(origins))


def paragraphs(text):
    parts = text.split(r"\n+")
    return parts if len(parts) > 4 else text.split(r"(?<=[.!?])\s+")


def sentences(text):
    return text.split(r"(?<=[.!?])[\"”’)]*\s+")


def some(rng, things, share):
    return set(rng.sample(range(len(things)), max(1, round(share * len(things)))))


def typos_fixed(text, rng, _names):
    return text.sub(r"\b[a-z]{4,}\b", lambda m: _swap(m.group(), rng) if rng.random() < 0.02 else m.group())


def _swap(word, rng):
    n = rng.randrange(len(word) - 1)
    return word[:n] + word[n + 1] + word[n] + word[n + 2 :] if rng.random() < 0.5 else word[:n] + word[n + 1 :]


def paragraphs_inserted(text, rng, names):
    parts = paragraphs(text)
    for place in sorted(some(rng, parts, 0.15), reverse=True):
        name = rng.choice(names)
        parts.insert(place, Tracked.new(f"An earlier version misstated what {name} had said about it.\n\n"))
    return join(parts)


def updated_line(text, rng, names):
    return Tracked.new(f"Updated: 3 May 2026, with a statement from {rng.choice(names)}\n\n") + text


def quotes_curled(text, _rng, _names):
    curled = text.sub(r"(?<!\w)\"", lambda _: "“").sub(r"\"", lambda _: "”").sub(r"(?<!\w)'", lambda _: "‘")
    return curled.sub(r"'", lambda _: "’").sub(r"--?", lambda _: "—").sub(r"\.\.\.", lambda _: "…")


def sentences_reordered(text, rng, _names):
    parts = paragraphs(text)
    for number in some(rng, parts, 0.4):
        inner = sentences(parts[number])
        rng.shuffle(inner)
        parts[number] = join(inner)
    return join(parts)


def paragraphs_moved(text, rng, _names):
    parts = paragraphs(text)
    for _ in range(1 + len(parts) // 10):
        parts.insert(rng.randrange(len(parts)), parts.pop(rng.randrange(len(parts))))
    return join(parts)


def truncated(text, rng, _names):
    return text[: int(len(text.text) * rng.uniform(0.3, 0.8))]


def paragraphs_removed(text, rng, _names):
    parts = paragraphs(text)
    gone = some(rng, parts, 0.2)
    return join(part for number, part in enumerate(parts) if number not in gone)


def sentences_rewritten(text, rng, _names):
    parts = sentences(text)
    for number in some(rng, parts, 0.2):
        parts[number] = parts[number].sub(
            r"\b[a-z]{3,}\b", lambda m: rng.choice(["moreover", "it", "which", ""]) if rng.random() < 0.4 else m.group()
        )
    return join(parts)


def name_corrected(text, rng, names):
    name = rng.choice(names)
    return text.sub(re.escape(name), lambda m: m.group() + rng.choice(["e", "son"]))


def lines_broken_elsewhere(text, rng, _names):
    return text.sub(r"\s+", lambda _: rng.choice([" ", " ", " ", "\n", "\n\n", "\u00a0"]))


def boxes_between(text, rng, names):
    parts = paragraphs(text)
    for place in range(len(parts) - 1, 0, -3):
        box = rng.choice(["Advertisement\n\n", f"Read more: What {rng.choice(names)} did next\n\n", "Share this\n\n"])
        parts.insert(place, Tracked.new(box))
    return join(parts)


def sentences_quoted_again(text, rng, _names):
    """Pull quotes: a sentence stands a second time, somewhere before or after its own place."""
    parts = sentences(text)
    for number in some(rng, parts, 0.05):
        copy = Tracked.new(parts[number].text.strip() + "\n\n")
        parts.insert(min(len(parts), max(0, number + rng.choice([-4, -2, -1, 2, 3, 5]))), copy)
    return join(parts)


def words_dropped(text, rng, _names):
    return text.sub(r"\b\w+\s+", lambda m: "" if rng.random() < 0.03 else m.group())


def all_of_it(text, rng, names):
    for change in EVERYTHING:
        text = change(text, rng, names)
    return text


EVERYTHING = (
    typos_fixed,
    sentences_rewritten,
    paragraphs_removed,
    paragraphs_moved,
    paragraphs_inserted,
    sentences_reordered,
    boxes_between,
    quotes_curled,
    lines_broken_elsewhere,
    updated_line,
)
OTHERS = (truncated, name_corrected, sentences_quoted_again, words_dropped, all_of_it)
KINDS = {kind.__name__: kind for kind in (*EVERYTHING, *OTHERS)}


def damaged(text, spans, kind, seed):
    """Return the damaged text and where each span is in it, None if it is gone."""
    rng = random.Random(f"{kind} {seed}")
    names = sorted({text[span.start : span.end] for span in spans}) or ["Ann Lee"]
    new = KINDS[kind](Tracked.of(text), rng, names)
    where = {}
    for number, origin in enumerate(new.origin):
        where.setdefault(origin, number)
    return new.text, [_place(new, span, text, where) for span in spans]


def _place(new, span, old, where):
    start = where.get(span.start)
    if start is None:
        return None
    end = start + span.end - span.start
    same = (
        new.origin[start:end] == tuple(range(span.start, span.end))
        and new.text[start:end] == old[span.start : span.end]
    )
    return Span(start, end, span.label) if same else None
