"""The word lists that the rules look names up in: one name a line, `#` opens a comment."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from gonerd.conventions import load_conventions
from gonerd.resources import folder

# What a listed name is, by file. A name in several files is what the first of them says.
NAMED = {
    "countries": "LOC",
    "regions": "LOC",
    "cities": "LOC",
    "nationalities": "MISC",
    "languages": "MISC",
    "religions": "MISC",
    "events": "MISC",
    "organisations": "ORG",
}
TITLE = "TITLE"
"""The mark of words that stand before a name and outside its span; no label of any scheme."""


@cache
def names(name: str) -> frozenset[str]:
    """Return the entries of `gazetteers/<name>.txt`."""
    path = folder("annotation") / "gazetteers" / f"{name}.txt"
    lines = (line.partition("#")[0].strip() for line in path.read_text(encoding="utf-8").splitlines())
    return frozenset(line for line in lines if line)


def phrases() -> Iterator[tuple[str, str]]:
    """Yield every listed name with what it is, also as it looks in a headline in capitals; each once, in order."""
    seen: set[str] = set()
    listed = [(label, names(file)) for file, label in NAMED.items()]
    for label, entries in [*listed, (TITLE, load_conventions().titles), (TITLE, names("courtesy_titles"))]:
        for name in sorted(entries):
            forms = [name, name.upper()] if label != TITLE and len(name) > 3 else [name]
            for form in forms:
                if form not in seen:
                    seen.add(form)
                    yield form, label
