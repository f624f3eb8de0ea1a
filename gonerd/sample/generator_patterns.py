"""The pattern language of the document generator.

A pattern is a sentence with slots and choices:

- `{town}` is a member of the document's cast, or one of the section's roles; `{town2}` is another one of that kind;
- `{town:bare}` asks for a form: `bare` (no article, no title), `short`, `last`, `upper`, `place` (a body as a place),
  `body` (a place as the body in it), `name` (a product without its brand), `a` (with "a" or "an"), `cap` (with a
  capital), `he his him He His` (pronouns);
- `{per:new}` is somebody who was not in the document before (`newbare` likewise);
- `{weekday}`, `{money}`, `{job}` and so on are ordinary words;
- `[one|another]` is a choice.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from random import Random
from typing import Any

from gonerd.errors import GonerdError
from gonerd.resources import folder

GENRES = ("press", "court", "local", "obituary", "travel", "company", "sport")
_KINDS = ("headline", "subhead", "lede", "body", "item", "close", "byline", "dateline", "list_intro", "quote")
_PIECE = re.compile(r"\{([a-z_]+)(\d?)(?::(\w+))?\}|\[([^\]]*)\]")
_OPENING = re.compile(r'(^|[\s(\[|—])"')


@dataclass(frozen=True, slots=True)
class Slot:
    """A place for a name or an ordinary word; slots of one pattern with the same `key` hold the same name."""

    kind: str
    key: str
    form: str
    new: bool = False  # somebody who is not in the text yet


Piece = str | Slot


@dataclass(frozen=True, slots=True)
class Pattern:
    """A compiled pattern: pieces in order, and each choice as a tuple of alternatives."""

    text: str
    pieces: tuple[Piece | tuple[tuple[Piece, ...], ...], ...]

    def flat(self, rng: Random) -> list[Piece]:
        """Return the pieces with every choice made."""
        found: list[Piece] = []
        for piece in self.pieces:
            if isinstance(piece, tuple):
                found.extend(pick(rng, piece))
            else:
                found.append(piece)
        return found


@dataclass(frozen=True, slots=True)
class Genre:
    """The patterns of one genre in one split, by kind (`headline`, `body`, …), and the roles of its sections."""

    name: str
    patterns: Mapping[str, tuple[Pattern, ...]]
    roles: Mapping[str, tuple[str, ...]]
    common_share: float  # of its sentences come from the patterns that fit any genre


def pick(rng: Random, items: Any) -> Any:
    """Return one of `items`. Built on `random()`, whose sequence Python keeps from version to version."""
    return items[int(rng.random() * len(items))]


def shuffled(rng: Random, items: Any) -> list[Any]:
    """Return `items` in random order (see `pick` for why not `Random.shuffle`)."""
    return [items[place] for _, place in sorted((rng.random(), place) for place in range(len(items)))]


def curly(text: str) -> str:
    """Return `text` with typographic quotation marks and apostrophes."""
    return _OPENING.sub("\\1“", text).replace('"', "”").replace("'", "’")


@cache
def read_table(name: str) -> dict[str, Any]:
    """Return a table of the generator's data, `names` or a genre."""
    return tomllib.loads((folder("sample") / "generator" / f"{name}.toml").read_text(encoding="utf-8"))


def patterns_of(split: str) -> str:
    """Return whose patterns a split uses: validation has names of its own, but train's patterns."""
    return "test" if split == "test" else "train"


@cache
def load_genre(name: str, *, split: str, typographic: bool) -> Genre:
    """Return a genre's compiled patterns for a split, with straight or typographic quotation marks."""
    table = read_table(name)
    lines = table[patterns_of(split)]
    found = {kind: _compile_all(lines.get(kind, ""), typographic) for kind in _KINDS}
    roles = {role: tuple(kinds) for role, kinds in table.get("roles", {}).items()}
    return Genre(name, found, roles, table.get("common_share", 0.36))


def _compile_all(lines: str, typographic: bool) -> tuple[Pattern, ...]:
    return tuple(compile_pattern(line, typographic=typographic) for line in lines.splitlines() if line.strip())


def compile_pattern(text: str, *, typographic: bool = False) -> Pattern:
    """Compile a pattern.

    Raises:
        GonerdError: a brace or bracket is left over.
    """
    styled = curly(text) if typographic else text
    pieces: list[Piece | tuple[tuple[Piece, ...], ...]] = []
    for literal, match in _split(styled):
        if literal:
            pieces.append(literal)
        if match is None:
            continue
        if match[4] is not None:
            pieces.append(tuple(_plain(option) for option in match[4].split("|")))
        else:
            pieces.append(_slot(match))
    if any(isinstance(piece, str) and re.search(r"[][{}]", piece) for piece in pieces):
        raise GonerdError("a brace or bracket is left over", where=f"pattern {text!r}")
    return Pattern(text, tuple(pieces))


def _split(text: str) -> Iterator[tuple[str, re.Match[str] | None]]:
    """Yield each literal stretch and the slot or choice after it."""
    end = 0
    for match in _PIECE.finditer(text):
        yield text[end : match.start()], match
        end = match.end()
    yield text[end:], None


def _plain(text: str) -> tuple[Piece, ...]:
    """Return the pieces of one alternative, which may hold slots but no choices."""
    found: list[Piece] = []
    for literal, match in _split(text):
        found.extend([literal] if literal else [])
        found.extend([_slot(match)] if match else [])
    return tuple(found)


def _slot(match: re.Match[str]) -> Slot:
    form = match[3] or ""
    return Slot(match[1], match[1] + match[2], form.removeprefix("new"), form.startswith("new"))
