"""What a label scheme says about the edges of spans, and what other schemes' labels are in it.

Both are data, in the tables `[spans]` and `[from.NAME]` of `annotation_guidelines/<scheme>.toml`. They serve whoever
brings in spans that followed other rules: suggesters, evaluation, the audit.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from gonerd.errors import GonerdError, unknown_name
from gonerd.labels import load_scheme
from gonerd.records import Span
from gonerd.resources import folder

_BLANK_LINE = re.compile(r"\n\s*\n")


@dataclass(frozen=True, slots=True)
class Conventions:
    """The edges of a scheme's spans, and the labels of other schemes in it."""

    scheme: str
    before: frozenset[str] = frozenset()  # words, in small letters, that stay outside before a name
    after: tuple[str, ...] = ()  # endings that stay outside, the longest first
    around: frozenset[str] = frozenset()  # signs that stay outside at either edge
    titled: frozenset[str] = frozenset()  # labels before whose names titles stand
    titles: frozenset[str] = frozenset()
    sources: dict[str, dict[str, str]] = field(default_factory=dict)  # other scheme -> its label -> this one's
    no_entities: frozenset[str] = frozenset()  # other schemes' labels of what is no entity in this one

    def labels_from(self, source: str) -> dict[str, str]:
        """Return the labels of another scheme in this one's.

        Raises:
            GonerdError: the scheme says nothing about that one.
        """
        if source not in self.sources:
            raise unknown_name(f"labels for the scheme {self.scheme!r}:", source, self.sources)
        return self.sources[source]


@cache
def load_conventions(scheme: str = "gonerd") -> Conventions:
    """Return what `annotation_guidelines/<scheme>.toml` says besides its labels; a scheme may say nothing.

    Raises:
        GonerdError: no such scheme, or a label that the scheme does not have.
    """
    known = load_scheme(scheme).names
    path = folder("annotation_guidelines") / f"{scheme}.toml"
    table: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    spans, sources = table.get("spans", {}), table.get("from", {})
    named = [*spans.get("titled", ()), *(label for labels in sources.values() for label in labels.values())]
    for label in named:
        if label not in known:
            raise unknown_name("label", label, known, where=path)
    try:
        return Conventions(
            scheme,
            before=frozenset(spans.get("before", ())),
            after=tuple(sorted(spans.get("after", ()), key=len, reverse=True)),
            around=frozenset(spans.get("around", "")),
            titled=frozenset(spans.get("titled", ())),
            titles=frozenset(spans.get("titles", ())),
            sources=sources,
            no_entities=frozenset(table.get("no_entities", {}).get("labels", ())),
        )
    except TypeError as error:
        raise GonerdError("[spans] should hold lists of strings", where=path) from error


def translate(text: str, spans: Iterable[Span], *, source: str, conventions: Conventions) -> list[Span]:
    """Return flat spans in another scheme's labels as spans of this scheme: renamed, trimmed, none across a blank line.

    Raises:
        GonerdError: the scheme says nothing about `source`.
    """
    labels = conventions.labels_from(source)
    named = (Span(span.start, span.end, labels[span.label]) for span in spans if span.label in labels)
    trimmed = (trim(text, span, conventions) for span in named)
    return [span for span in trimmed if span is not None]


def trim(text: str, span: Span, conventions: Conventions) -> Span | None:
    """Return a span without what stays outside at its edges; None if nothing is left.

    What stays outside: white space and signs, whatever comes after a blank line, articles, titles before a capital,
    possessive endings.
    """
    start, end = span.start, span.end
    if blank := _BLANK_LINE.search(text, start + _leading(text, start, end, conventions), end):
        end = blank.start()
    while True:
        before = start, end
        start += _leading(text, start, end, conventions)
        end -= _trailing(text, start, end, conventions)
        start += _words_before(text[start:end], span.label, conventions)
        end -= next((len(ending) for ending in conventions.after if text[start:end].endswith(ending)), 0)
        if start >= end:
            return None
        if (start, end) == before:
            return Span(start, end, span.label)


def _outside(sign: str, conventions: Conventions) -> bool:
    return sign.isspace() or sign in conventions.around


def _leading(text: str, start: int, end: int, conventions: Conventions) -> int:
    return next((n for n in range(end - start) if not _outside(text[start + n], conventions)), end - start)


def _trailing(text: str, start: int, end: int, conventions: Conventions) -> int:
    return next((n for n in range(end - start) if not _outside(text[end - 1 - n], conventions)), end - start)


def _words_before(surface: str, label: str, conventions: Conventions) -> int:
    """Return how many code points of articles or of a title, with the space after it, open a surface."""
    first = re.match(r"\S+(\s+|$)", surface)
    if first and first[0].strip().lower() in conventions.before:
        return first.end()
    return _title(surface, label, conventions)


def _title(surface: str, label: str, conventions: Conventions) -> int:
    """Return the length of the longest title before a word with a capital."""
    if label not in conventions.titled:
        return 0
    ends = [space.end() for space in re.finditer(r"\s+", surface) if surface[space.end() : space.end() + 1].isupper()]
    known = [end for end in ends if " ".join(surface[:end].split()) in conventions.titles]
    return max(known, default=0)
