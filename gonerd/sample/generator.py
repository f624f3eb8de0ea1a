"""Long documents with exact gold, as many as are asked for: to train small models, to load-test, to measure length.

A document is composed from sentence patterns and a cast of invented people, organisations, places and other names. It
introduces them in full and comes back to them in short, as news does; it is full of things that look like names and
are not; and the same word can be a person here and a town or a company there.

No name of one split is made of parts of another, and the sentence patterns of `test` are its own; `validation` has
names of its own in the patterns of `train`. Head words that a reader goes by ("River", "County Council", "Group"),
titles and particles are common to all; initials are shared out among the splits.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from math import exp, log
from random import Random
from statistics import NormalDist

from gonerd.errors import GonerdError, unknown_name
from gonerd.records import Annotation, Document
from gonerd.sample.generator_patterns import GENRES, Genre, Pattern, load_genre, pick, shuffled
from gonerd.sample.generator_text import Fillers, Sentences, Style, Writer
from gonerd.sample.generator_words import Cast

SPLITS = ("train", "validation", "test")
VERSION = 1  # of the texts: raised when the same seed gives other documents
_MOST_ITEMS = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneratorConfig:
    """What the generated documents are like. Lengths are log-normal, as on the web, and cut off at both ends."""

    median_words: int = 830
    """Median length in words before the cut at both ends; after it, it is about 900."""
    spread: float = 1.12
    """Standard deviation of the logarithm of the length; by default one document in ten is above 3,000 words."""
    minimum_words: int = 120
    """No document is shorter. Every word is a sub-token or more, so 4,097 gives documents above 4,096 sub-tokens."""
    maximum_words: int = 6000
    """No document is longer, give or take a sentence."""
    genres: tuple[str, ...] = GENRES
    """The genres to write in: press, court, local, obituary, travel, company, sport."""

    def __post_init__(self) -> None:
        if not 0 < self.minimum_words < self.maximum_words or self.median_words < 1 or not 0 < self.spread < 10:
            raise GonerdError(
                "lengths must be 0 < minimum_words < maximum_words, with a positive median and spread",
                where="GeneratorConfig",
            )
        for genre in self.genres:
            if genre not in GENRES:
                raise unknown_name("genre", genre, GENRES)
        if not self.genres:
            raise GonerdError("no genre to write in", where="GeneratorConfig")

    def words(self, rng: Random) -> int:
        """Draw a length in words."""
        middle = NormalDist(log(self.median_words), self.spread)
        low, high = middle.cdf(log(self.minimum_words)), middle.cdf(log(self.maximum_words))
        return round(exp(middle.inv_cdf(_inside(low + rng.random() * (high - low)))))


def generate(
    count: int, *, seed: int = 0, split: str = "train", start: int = 0, config: GeneratorConfig | None = None
) -> Iterator[tuple[Document, Annotation]]:
    """Yield documents number `start` to `start + count - 1` of a seed and split, with their gold.

    Document n of a seed and split depends on nothing but them and the configuration, so that any part of a collection
    can be made anywhere.

    Raises:
        GonerdError: no split of that name, or a negative count or start.
    """
    if split not in SPLITS:
        raise unknown_name("split", split, SPLITS)
    if count < 0 or start < 0:
        raise GonerdError("count and start must not be negative", where="generate")
    return (_document(number, seed, split, config or GeneratorConfig()) for number in range(start, start + count))


def _document(number: int, seed: int, split: str, config: GeneratorConfig) -> tuple[Document, Annotation]:
    name = f"generated-{split}-{seed}-{number:06d}"
    # A seeded text, not a secret.
    rng = Random(int.from_bytes(hashlib.sha256(f"gonerd generator {VERSION} {name}".encode()).digest()))  # noqa: S311
    composer = _Composer(rng, split, config)
    title = composer.compose(config.words(rng))
    document = Document(
        id=name,
        text=composer.writer.text,
        source="generated",
        license="CC0-1.0",
        title=title,
        published=f"{2008 + int(rng.random() * 18)}-{1 + int(rng.random() * 12):02d}-{1 + int(rng.random() * 28):02d}",
        language="en",
    )
    spans = tuple(composer.writer.spans)
    return document, Annotation(name, document.text_sha256, "generator", "gonerd", spans)


class _Composer:
    """Composes one document: headline, byline, and sections of a genre each until the length is reached."""

    def __init__(self, rng: Random, split: str, config: GeneratorConfig) -> None:
        self.rng, self.config, self.split = rng, config, split
        self.style = Style.draw(rng)
        self.common: Genre = self._genre("common")
        self.writer = Writer(self.style)
        quotes = tuple(pattern.text for pattern in self.common.patterns["quote"])
        self.fillers = Fillers(rng, self.style, quotes)
        self.sentences = Sentences(Cast(split, rng), self.fillers, self.writer)
        self._common_deck: list[Pattern] = []
        self._genres: list[str] = []  # still to come before one comes back
        self._written: set[str] = set()  # texts of patterns

    def compose(self, words: int) -> str:
        """Write the document and return its headline."""
        main: Genre = self._genre(pick(self.rng, self.config.genres))
        self._cast_roles(main)
        self._line(main.patterns["headline"], case=self.style.headline)
        title = self.writer.text
        if self.rng.random() < 0.6:
            self._line(self.common.patterns["byline"])
        self._section(main, words, dateline=self.rng.random() < 0.5)
        while self.writer.words < words:
            genre = self._next_genre(main)
            self._cast_roles(genre)
            self._line(genre.patterns["subhead"])
            self._section(genre, words, dateline=False)
        return title

    def _genre(self, name: str) -> Genre:
        return load_genre(name, split=self.split, typographic=self.style.typographic)

    def _next_genre(self, main: Genre) -> Genre:
        """Return the next section's genre; all have their turn before one comes back."""
        if not self._genres:
            others = [name for name in self.config.genres if name != main.name]
            self._genres = [main.name, *shuffled(self.rng, others)]
        return self._genre(self._genres.pop())

    def _cast_roles(self, genre: Genre) -> None:
        """Give the section's roles to members of the cast, and fix what must agree within it."""
        self.fillers.fixed = self.fillers.section()
        roles = self.sentences.roles
        roles.clear()
        for role, kinds in genre.roles.items():
            kind = pick(self.rng, kinds)
            cast = self.sentences.cast
            entity = (cast.add(kind) if kind == "per" else None) or cast.choose(kind, avoid=set(roles.values()))
            if entity is not None:
                roles[role] = entity

    def _section(self, genre: Genre, words: int, *, dateline: bool) -> None:
        """Write a section: lede, paragraphs and a list until the patterns or the words run out, and an end."""
        self._line(self.common.patterns["dateline"] if dateline else genre.patterns["lede"])
        if dateline:
            self.writer.continue_line()
            self._sentence(genre.patterns["lede"])
        deck = shuffled(self.rng, genre.patterns["body"])
        list_after = self.rng.random() * 2 * len(deck)
        while deck and self.writer.words < words:
            self._paragraph(genre, deck, words)
            if list_after > len(deck):
                list_after = -1
                self._list(genre)
        self._line(genre.patterns["close"])

    def _paragraph(self, genre: Genre, deck: list[Pattern], words: int) -> None:
        self.sentences.recent.clear()
        for place in range(1 + int(self.rng.random() * 4)):
            if not deck or self.writer.words >= words:
                return
            gap = self.style.gap if place == 0 else None
            if self.rng.random() >= genre.common_share:
                self._attempt([deck.pop()], gap=gap)
            else:
                self._attempt([self._next_common()], gap=gap)

    def _next_common(self) -> Pattern:
        if not self._common_deck:
            self._common_deck = shuffled(self.rng, self.common.patterns["body"])
        return self._common_deck.pop()

    def _list(self, genre: Genre) -> None:
        self._line(self.common.patterns["list_intro"])
        self.sentences.newcomers = True
        for _ in range(3 + int(self.rng.random() * (_MOST_ITEMS - 2))):
            own = self.rng.random() < 0.8
            self._line((genre if own else self.common).patterns["item"], gap="\n", bullet=self.style.bullet)
        self.sentences.newcomers = False

    def _line(
        self, patterns: tuple[Pattern, ...], *, gap: str | None = None, case: str = "plain", bullet: str = ""
    ) -> None:
        """Write one of the patterns on a line of its own."""
        self._attempt(self._fresh_first(patterns), gap=gap or self.style.gap, case=case, bullet=bullet)

    def _fresh_first(self, patterns: tuple[Pattern, ...]) -> list[Pattern]:
        """Return the patterns in random order, those not written in this document first."""
        return sorted(shuffled(self.rng, patterns), key=lambda pattern: pattern.text in self._written)

    def _sentence(self, patterns: tuple[Pattern, ...]) -> None:
        """Write one of the patterns right where the text is."""
        for pattern in self._fresh_first(patterns):
            pieces = pattern.flat(self.rng)
            bound = self.sentences.bind(pattern.text, pieces)
            if bound is not None:
                self.sentences.write(pieces, bound)
                self._written.add(pattern.text)
                return

    def _attempt(self, patterns: list[Pattern], *, gap: str | None, case: str = "plain", bullet: str = "") -> None:
        """Write the first of the patterns that is new with the names at hand."""
        for pattern in patterns:
            pieces = pattern.flat(self.rng)
            bound = self.sentences.bind(pattern.text, pieces)
            if bound is not None:
                self.writer.begin(gap=gap, case=case)
                if bullet:
                    self.writer.literal(bullet)
                    self.writer.continue_line()
                self.sentences.write(pieces, bound)
                self._written.add(pattern.text)
                return


def _inside(probability: float) -> float:
    return min(max(probability, 1e-12), 1 - 1e-12)
