"""Writes generated sentences: the text and, as it grows, the spans of its names."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from gonerd.records import Span
from gonerd.sample.generator_patterns import Piece, Slot, pick, read_table, shuffled
from gonerd.sample.generator_words import Cast, Entity

_PRONOUNS = {"he": 0, "his": 1, "him": 2}
_AFTER_A = re.compile(r"(^|[\s(\[“\"])([Aa]) $")
_VOWEL = re.compile(r"(?i)[aeiouåáéíóøúöü8]|11\b|18\b|hon(est|our|orary)|hour")
_NOT_VOWEL = re.compile(r"(?i)uni[^nm]|u[krs][aei]|eu|one\b|ut[ei]")
_WORD = re.compile(r"(?<![\w'’])[a-z]{4,}")
_SENTENCE_END = (". ", "? ", "! ", '." ', ".” ")
MONTH_DAYS = 28


@dataclass(frozen=True, slots=True)
class Style:
    """How one document looks."""

    typographic: bool  # quotation marks and apostrophes
    courtesy: bool  # "Ms Holt" rather than "Holt"
    headline: str  # "plain", "title" or "capitals"
    bullet: str
    day_first: bool  # "3 May" rather than "May 3"
    gap: str  # between paragraphs
    currency: str

    @classmethod
    def draw(cls, rng: Random) -> Style:
        """Return a style at random."""
        return cls(
            typographic=rng.random() < 0.5,
            courtesy=rng.random() < 0.35,
            headline=pick(rng, ("plain", "plain", "title", "capitals")),
            bullet=pick(rng, ("- ", "• ", "* ", "")),
            day_first=rng.random() < 0.6,
            gap="\n" if rng.random() < 0.3 else "\n\n",
            currency=pick(rng, ("£", "£", "$", "€")),
        )


class Writer:
    """Collects text and spans; knows how each name was last used."""

    def __init__(self, style: Style) -> None:
        self.style = style
        self.spans: list[Span] = []
        self.words = 0
        self.case = "plain"
        self._parts: list[str] = []
        self._length = 0
        self._last = ""
        self._starts_sentence = True
        self._introduced: set[Entity] = set()

    @property
    def text(self) -> str:
        """The text so far."""
        return "".join(self._parts)

    def begin(self, *, gap: str | None = None, case: str = "plain") -> None:
        """Begin a sentence: on the same line, or after a gap."""
        if self._length:
            self._append(" " if gap is None else gap)
        self.words += 1
        self._starts_sentence, self.case = True, case

    def continue_line(self) -> None:
        """Begin a sentence right here: what stands before it has written its own space."""
        self._starts_sentence = True

    def literal(self, text: str) -> None:
        """Write ordinary text."""
        if self._last.endswith(".") and text.startswith("."):
            text = text[1:]  # "Jr." ends its sentence
        if self._last.endswith("s") and text[:2] in ("'s", "’s") and self.spans and self.spans[-1].end == self._length:
            text = text[0] + text[2:]  # "Banks' garden"
        self.words += text.count(" ")
        self._append(self._cased(text))
        if text.endswith(_SENTENCE_END):
            self._starts_sentence = True

    def name(self, text: str, label: str) -> None:
        """Write a name and its span."""
        text = text.replace("'", "’") if self.style.typographic else text
        shown = text.upper() if self.case == "capitals" else self._capitalised(text)
        start = self._length
        self.words += shown.count(" ")
        self._append(shown)
        self.spans.append(Span(start, self._length, label))

    def mention(self, entity: Entity, form: str, rng: Random, *, again: bool = False) -> None:
        """Write a mention of an entity: in full and introduced at first, mostly short later on."""
        if form in _PRONOUNS or form.lower() in _PRONOUNS:
            pronoun = entity.pronouns[_PRONOUNS[form.lower()]]
            self.literal(pronoun.capitalize() if form[0].isupper() else pronoun)
        elif self.case != "plain" or form == "upper":
            self._headline_mention(entity, form, rng)
        elif entity.brand:
            self._product(entity, form)
        else:
            self._body_mention(entity, form, rng, again=again)

    def _headline_mention(self, entity: Entity, form: str, rng: Random) -> None:
        if entity.brand and form != "name":
            self.name(entity.brand, "ORG")
            self.literal(" ")
        shortens = form == "short" or (entity.label == "ORG" and not entity.acronym and rng.random() < 0.4)
        text = entity.short if shortens else entity.full
        self._article(entity.article and form not in ("bare", "name", "short", "upper") and not shortens)
        self.name(text.upper() if form == "upper" else text, entity.label)

    def _product(self, entity: Entity, form: str) -> None:
        if form != "name":
            self._an(entity.brand)
            self.name(entity.brand, "ORG")
            self.literal(" ")
        self.name(entity.full, entity.label)

    def _body_mention(self, entity: Entity, form: str, rng: Random, *, again: bool) -> None:
        known = entity in self._introduced
        short = form in ("short", "last") or again or (known and rng.random() < 0.78)
        short = short and (known or not entity.acronym)
        text = entity.short if short else entity.full
        if form not in ("bare", "last"):
            self._title(entity, short=short)
            article = entity.short_article if short else entity.article
            if form == "a":
                self.literal(f"{'an' if sounds_open(text) else 'a'} ")
            else:
                self._article(article)
        self._an(text)
        self.name(text, {"place": "LOC", "body": "ORG"}.get(form, entity.label))
        if not known and not short:
            self._introduce(entity, brackets=form not in ("bare", "owner"))

    def _introduce(self, entity: Entity, *, brackets: bool) -> None:
        """Note that a name is known from here on; initials are, once they have stood in brackets behind it."""
        if entity.acronym and not brackets:
            return
        self._introduced.add(entity)
        if entity.acronym:
            self.literal(" (")
            self.name(entity.short, entity.label)
            self.literal(")")

    def _title(self, entity: Entity, *, short: bool) -> None:
        """Write what goes before a person's name, outside the span."""
        if entity.title:
            self.literal("" if short and entity.title in ("Sir", "Dame") else f"{entity.title} ")
        elif entity.label == "PER" and short and self.style.courtesy and entity.short != entity.full:
            self.literal("Mr " if entity.pronouns[0] == "he" else "Ms ")

    def _article(self, wanted: bool) -> None:
        if wanted:
            self.literal("the ")

    def word(self, text: str) -> None:
        """Write an ordinary word that a slot stands for."""
        self._an(text)
        self.literal(text)

    def _an(self, following: str) -> None:
        """Turn the "a" just written into "an" where the next word asks for it."""
        if _AFTER_A.search(self._last) and sounds_open(following):
            self._parts[-1] = f"{self._last[:-1]}n "
            self._last = self._parts[-1]
            self._length += 1

    def _cased(self, text: str) -> str:
        if self.case == "capitals":
            return text.upper()
        if self.case == "title":
            text = _WORD.sub(lambda match: match[0].capitalize(), text)
        return self._capitalised(text)

    def _capitalised(self, text: str) -> str:
        if not self._starts_sentence:
            return text
        first = next((place for place, character in enumerate(text) if character.isalnum()), None)
        if first is None:
            return text
        self._starts_sentence = False
        return text[:first] + text[first].upper() + text[first + 1 :]

    def _append(self, text: str) -> None:
        if text:
            self._parts.append(text)
            self._length += len(text)
            self._last = text


def sounds_open(word: str) -> bool:
    """Tell whether "an" goes before a word or a number."""
    return bool(_VOWEL.match(word)) and not _NOT_VOWEL.match(word)


class Fillers:
    """Ordinary words and numbers for the slots that are not names."""

    def __init__(self, rng: Random, style: Style, quotes: tuple[str, ...]) -> None:
        self.rng, self.style, self._quotes = rng, style, quotes
        self.fixed: dict[str, str] = {}  # what holds for a section
        self._deck: list[str] = []

    def get(self, kind: str) -> str | None:
        """Return a filler of a kind, or None when the kind is one of names."""
        if kind in self.fixed:
            return self.fixed[kind]
        banks = read_table("common")["words"]
        if kind in banks:
            return str(pick(self.rng, banks[kind]))
        return str(_DRAWN[kind](self)) if kind in _DRAWN else None

    def between(self, low: int, high: int) -> int:
        """Return a whole number, both ends included."""
        return low + int(self.rng.random() * (high - low + 1))

    def quote(self) -> str:
        """Return a quotation; none comes back before all have been used."""
        if not self._deck:
            self._deck = shuffled(self.rng, self._quotes)
        return self._deck.pop()

    def date(self) -> str:
        """Return a day of a month in the document's style."""
        day, month = self.between(1, MONTH_DAYS), self.get("month")
        return f"{day} {month}" if self.style.day_first else f"{month} {day}"

    def money(self) -> str:
        """Return an amount."""
        sign = self.style.currency
        if self.rng.random() < 0.4:
            return f"{sign}{self.between(11, 98) / 10:.1f} million"
        return f"{sign}{self.between(2, 990)},{self.between(0, 9)}00"

    def section(self) -> dict[str, str]:
        """Return what must agree within a section: the years and the work of a life, the score of a match."""
        died, age = self.between(2008, 2025), self.between(66, 97)
        birth = died - age
        facts = {"died": died, "birth": birth, "lifespan": age, "early": birth + self.between(21, 29)}
        facts |= {"high": self.between(2, 4), "low": self.between(0, 1)}
        return {**{key: str(fact) for key, fact in facts.items()}, "profession": str(self.get("job"))}

    def middle(self) -> int:
        """Return a year in the middle of the section's life."""
        return int(self.fixed["birth"]) + self.between(32, 60)


_DRAWN: dict[str, Callable[[Fillers], object]] = {
    "quote": Fillers.quote,
    "date": Fillers.date,
    "money": Fillers.money,
    "middle": Fillers.middle,
    "price": lambda fillers: f"{fillers.style.currency}{fillers.between(8, 140)}",
    "fine": lambda fillers: f"{fillers.style.currency}{fillers.between(2, 19) * 50}",
    "num": lambda fillers: fillers.between(13, 97),
    "big": lambda fillers: f"{fillers.between(2, 38)},{fillers.between(100, 999)}",
    "pct": lambda fillers: f"{fillers.between(2, 39)}{pick(fillers.rng, (' per cent', '%'))}",
    "age": lambda fillers: fillers.between(34, 79),
    "year": lambda fillers: fillers.between(1978, 2019),
    "old": lambda fillers: fillers.between(1780, 1938),
    "later": lambda fillers: fillers.between(2027, 2031),
    "goals": lambda fillers: fillers.between(2, 4),
    "fewer": lambda fillers: fillers.between(0, 1),
}


class Sentences:
    """Fills patterns with the cast and writes them, never the same names in the same pattern twice."""

    def __init__(self, cast: Cast, fillers: Fillers, writer: Writer) -> None:
        self.cast, self.fillers, self.writer, self.rng = cast, fillers, writer, cast.rng
        self.roles: dict[str, Entity] = {}
        self.recent: dict[str, Entity] = {}  # by kind, in this paragraph
        self.newcomers = False  # whether people come up who are not in the text yet, as in lists
        self._used: set[tuple[object, ...]] = set()

    def bind(self, text: str, pieces: list[Piece]) -> dict[str, Entity] | None:
        """Choose who fills a pattern's slots; None when there is nobody left or it was written before."""
        bound: dict[str, Entity] = {}
        for piece in pieces:
            if isinstance(piece, Slot) and piece.key not in bound and not self._is_word(piece.kind):
                entity = self.roles.get(piece.key) or self._member(piece, bound)
                if entity is None:
                    return None
                bound[piece.key] = entity
        key = (text, *bound.values())
        if key in self._used:
            return None
        self._used.add(key)
        return bound

    def _is_word(self, kind: str) -> bool:
        return kind in self.fillers.fixed or kind in _DRAWN or kind in read_table("common")["words"]

    def _member(self, slot: Slot, bound: dict[str, Entity]) -> Entity | None:
        """Return a member of the cast, rather the one that the paragraph has spoken of; never a role's holder."""
        kind = slot.kind
        if slot.new or (self.newcomers and kind == "per"):
            return self.cast.add(kind)
        avoid = {*bound.values(), *self.roles.values()}
        recent = self.recent.get(kind)
        if recent is not None and recent not in avoid and self.rng.random() < 0.4:
            return recent
        entity = self.cast.choose(kind, avoid=avoid)
        if entity is not None:
            self.recent[kind] = entity
        return entity

    def write(self, pieces: list[Piece], bound: dict[str, Entity]) -> None:
        """Write a pattern whose slots are bound."""
        named: set[str] = set()
        words: set[str] = set()
        for piece, following in zip(pieces, [*pieces[1:], ""], strict=True):
            if isinstance(piece, str):
                self.writer.literal(piece)
            elif piece.key in bound:
                owner = isinstance(following, str) and following.startswith(("'s", "’s"))
                form = piece.form or ("owner" if owner else "")  # brackets do not go between a name and its "'s"
                self.writer.mention(bound[piece.key], form, self.rng, again=piece.key in named)
                if piece.form.lower() not in _PRONOUNS:
                    named.add(piece.key)
            else:
                self._filler(piece, words)

    def _filler(self, slot: Slot, words: set[str]) -> None:
        text = self.fillers.get(slot.kind) or ""
        for _ in range(4):
            if text in words and slot.kind not in self.fillers.fixed:
                text = self.fillers.get(slot.kind) or ""
        words.add(text)
        if slot.form == "a":
            text = f"{'an' if sounds_open(text) else 'a'} {text}"
        self.writer.word(text[:1].upper() + text[1:] if slot.form == "cap" else text)
