"""Names for generated documents: made of parts, consistent within a text's cast, never from another split's parts."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from random import Random
from typing import Any
from zlib import crc32

from gonerd.sample.generator_patterns import pick, read_table

_PART = re.compile(r"\{([a-z_]+)(\d?)\}")
_SPLITS = ("train", "validation", "test")
_NEW_AT_LEAST = 0.14  # how often a long text brings in somebody new
_EARLY = 1.7  # above 1, earlier members come up more often than later ones


@dataclass(frozen=True, slots=True, eq=False)
class Entity:
    """A member of the cast; two of them are the same when they are one object."""

    label: str
    full: str
    short: str  # as it is called later on
    article: bool = False  # "the" goes before the full name, outside the span
    short_article: bool = False
    acronym: bool = False  # the short form is put in brackets when the name is first used
    title: str = ""  # goes before a person's name, outside the span
    pronouns: tuple[str, str, str] = ("it", "its", "it")
    brand: str = ""  # goes before a product's name, as an ORG of its own


class Cast:
    """The entities of one text. It grows as the text does, so that a longer text has a larger cast."""

    def __init__(self, split: str, rng: Random) -> None:
        self.split = split
        self.parts: dict[str, Any] = read_table("names")[split]
        self.rng = rng
        self._members: dict[str, list[Entity]] = {}
        self._taken: set[str] = set()

    def members(self, kind: str) -> list[Entity]:
        """Return the members of a kind so far."""
        return self._members.setdefault(kind, [])

    def choose(self, kind: str, *, avoid: Collection[Entity] = ()) -> Entity | None:
        """Return a member of a kind, new or known, other than those to avoid; None when there is no other."""
        known = [entity for entity in self.members(kind) if entity not in avoid]
        if not known or self.rng.random() < max(_NEW_AT_LEAST, 1 / (1 + len(known) / 2)):
            fresh = self.add(kind)
            if fresh is not None:
                return fresh
        return known[int(len(known) * self.rng.random() ** _EARLY)] if known else None

    def add(self, kind: str) -> Entity | None:
        """Return a new member of a kind, or None when its names are used up."""
        for _ in range(12):
            entity = _make(self, kind)
            # Two people of one surname in one text could not be told apart; a person and a town of one name can.
            called = {f"{kind} {entity.full}", f"{entity.label} {entity.short}"}
            if not called & self._taken:
                self._taken |= called
                self.members(kind).append(entity)
                return entity
        return None

    def part(self, name: str) -> str:
        """Return one of the split's parts, one of the head words, or a name made of them."""
        if name in _MADE:
            return _MADE[name](self)
        return str(pick(self.rng, self.parts[name] if name in self.parts else read_table("shapes")["heads"][name]))

    def known(self, kind: str) -> Entity:
        """Return a member of a kind whose names do not run out."""
        entity = self.choose(kind)
        if entity is None:
            raise LookupError(f"no name of kind {kind!r} is left")
        return entity


def _make(cast: Cast, kind: str) -> Entity:
    if kind in _SPECIAL:
        return _SPECIAL[kind](cast)
    for label in ("LOC", "ORG", "PER", "MISC"):
        shapes = read_table("shapes")[label]
        if kind in shapes:
            return _shaped(cast, label, pick(cast.rng, shapes[kind]))
    raise LookupError(f"no shape for names of kind {kind!r}")


def _shaped(cast: Cast, label: str, shape: str) -> Entity:
    """Return the name that a shape of shapes.toml gives."""
    chosen: dict[str, str] = {}

    def fill(match: re.Match[str]) -> str:
        if match[0] not in chosen:
            part = cast.part(match[1])
            for _ in range(5):
                if part in chosen.values():
                    part = cast.part(match[1])
            chosen[match[0]] = part
        return chosen[match[0]]

    full, _, short = (text.strip() for text in _PART.sub(fill, shape).partition(">"))
    short = short or full
    name = full.removeprefix("the ")
    if short.endswith("~"):
        return _with_acronym(cast, label, full, short)
    return Entity(label, name, short.removeprefix("the "), article=full != name, short_article=short.startswith("the "))


def _with_acronym(cast: Cast, label: str, full: str, short: str) -> Entity:
    """Return an organisation that goes by its initials, unless they spell something or are another split's."""
    name = full.removeprefix("the ")
    letters = "".join(word[0] for word in name.split() if word[0].isupper())
    article = full != name
    avoided = letters in read_table("shapes")["heads"]["avoided_acronyms"]
    if avoided or not 3 <= len(letters) <= 5 or _SPLITS[crc32(letters.encode()) % 3] != cast.split:
        return Entity(label, name, name, article=article, short_article=article)
    return Entity(label, name, letters, article=article, short_article=short.startswith("the "), acronym=True)


def _place(cast: Cast) -> str:
    return cast.part("place_stems") + cast.part("place_ends")


def _river(cast: Cast) -> str:
    return cast.part("river_stems") + cast.part("river_ends")


def _brand(cast: Cast) -> str:
    return cast.part("brand_stems") + cast.part("brand_ends")


def _theme(cast: Cast) -> str:
    return f"{cast.part('theme_adjectives')} {cast.part('theme_nouns')}"


def _plain_surname(cast: Cast) -> str:
    return cast.part("surname_stems") + cast.part("surname_ends")


def _surname(cast: Cast) -> str:
    """Return a surname: made of parts, from the list, or a town's."""
    draw = cast.rng.random()
    if draw < 0.08:
        return _place(cast)
    return str(cast.part("surnames")) if draw < 0.36 else _plain_surname(cast)


def _person_surname(cast: Cast) -> str:
    draw = cast.rng.random()
    towns = cast.members("town")
    if draw < 0.05:
        return f"{cast.part('particle')} {_plain_surname(cast)}"
    if draw < 0.09:
        return f"{_surname(cast)}-{_plain_surname(cast)}"
    return towns[0].short if draw < 0.11 and towns and towns[0].short.isalpha() else _surname(cast)


def _founder(cast: Cast) -> str:
    """Return a surname that may be that of somebody in the text."""
    people = [person.short for person in cast.members("per") if person.short[0].isupper() and "-" not in person.short]
    return str(pick(cast.rng, people)) if people and cast.rng.random() < 0.4 else _surname(cast)


def _someone(cast: Cast) -> str:
    name = cast.known("per").short
    return name[0].upper() + name[1:]


_MADE: dict[str, Callable[[Cast], str]] = {
    "place": _place,
    "river": _river,
    "brand": _brand,
    "theme": _theme,
    "surname": _surname,
    "plain_surname": _plain_surname,
    "founder": _founder,
    "someone": _someone,
    "town": lambda cast: cast.known("town").full,
    "defendant": lambda cast: cast.known("co").full.removesuffix("."),
}


def _given(cast: Cast) -> tuple[str, tuple[str, str, str]]:
    if cast.rng.random() < 0.5:
        return cast.part("given_female"), ("she", "her", "her")
    return cast.part("given_male"), ("he", "his", "him")


def _person(cast: Cast) -> Entity:
    (given, pronouns), draw = _given(cast), cast.rng.random()
    if draw < 0.1:
        given = f"{given} {cast.part('initial')}."
    elif draw < 0.16:
        given = f"{cast.part('initial')}. {cast.part('initial')}."
    elif draw < 0.2:
        given = f"{given} {cast.part('given_female' if pronouns[0] == 'she' else 'given_male')}"
    surname = _person_surname(cast)
    suffix = cast.part("suffix") if pronouns[0] == "he" and cast.rng.random() < 0.05 else ""
    title = cast.part("title") if cast.rng.random() < 0.12 else ""
    if title == "Sir" and pronouns[0] == "she":
        title = "Dame"
    return Entity("PER", f"{given} {surname}{suffix}", surname, title=title, pronouns=pronouns)


def _relative(part: str = "") -> Callable[[Cast], Entity]:
    def make(cast: Cast) -> Entity:
        name = cast.part(part) if part else _given(cast)[0]
        return Entity("PER", name, name)

    return make


def _nation(column: int, label: str) -> Callable[[Cast], Entity]:
    def make(cast: Cast) -> Entity:
        name = cast.part("countries").split("|")[column]
        return Entity(label, name, name)

    return make


def _model(cast: Cast) -> Entity:
    shaped = _shaped(cast, "MISC", pick(cast.rng, read_table("shapes")["MISC"]["model"]))
    return replace(shaped, brand=cast.known("brand").full)


_SPECIAL: dict[str, Callable[[Cast], Entity]] = {
    "per": _person,
    "writer": _person,
    "kin": _relative(),
    "woman": _relative("given_female"),
    "man": _relative("given_male"),
    "model": _model,
    "country": _nation(0, "LOC"),
    "demonym": _nation(1, "MISC"),
    "lang": _nation(2, "MISC"),
}
