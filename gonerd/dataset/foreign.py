"""Datasets that others made, whose columns are not ours: read what is there, rebuild what is not, guess no label.

Rows may hold words with tags, or a text with spans. Tags and labels must be the scheme's own, or be mapped to it. Tags
may be IOB1: what comes out is IOB2.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gonerd.dataset.align import align
from gonerd.errors import GonerdError
from gonerd.labels import LabelScheme, load_scheme, spans_from_tags, tags_from_spans, text_spans
from gonerd.records import Example, Span, check_flat, normalize_text, sha256_of

# The usual names of a column, the first that a row has counts.
ALIASES: dict[str, tuple[str, ...]] = {
    "id": ("id", "doc_id", "document_id", "uid", "guid"),
    "text": ("text", "content", "document", "body"),
    "tokens": ("tokens", "words"),
    "token_starts": ("token_starts",),
    "ner_tags": ("ner_tags", "tags", "ner", "labels"),
    "entities": ("entities", "spans", "annotations", "label"),
}
REBUILT = "text rebuilt from the words"
_WORD = re.compile(r"\w+|[^\w\s]")


@dataclass(frozen=True, slots=True)
class Reader:
    """How the rows of a foreign dataset become examples.

    `columns` maps our names to theirs; `labels` maps their tags or labels, written as text, to ours.
    """

    source: str
    split: str
    columns: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    scheme: LabelScheme = field(default_factory=load_scheme)

    def example(self, row: Mapping[str, Any], *, number: int) -> Example:
        """Return row `number` (from 0) as an example.

        Raises:
            GonerdError: neither words with tags nor a text with spans is there, or a label is not the scheme's. The
                keys that were found, and how to map them, are in the error.
        """
        where = f"{self.source}, {self.split}, row {number}"
        tokens, tags = self._value(row, "tokens"), self._value(row, "ner_tags")
        text, entities = self._value(row, "text"), self._value(row, "entities")
        if isinstance(tokens, Sequence) and isinstance(tags, Sequence) and len(tokens) == len(tags):
            words, given = self._words(row, tokens, text), self._tags(tags, where)
            spans = self._exact(entities, words, given, where)
            if not spans:
                spans = text_spans(words.starts, words.tokens, spans_from_tags(given))
            return self._example(row, words, given, spans, number)
        if isinstance(text, str) and text and isinstance(entities, Sequence):
            normal = normalize_text(text)
            if normal != text:
                raise GonerdError("spans cannot refer to text that is not NFC with \\n line ends", where=where)
            words = _split(text)
            spans = sorted(self._span(value, where) for value in entities)
            aligned = align("", text, tokens=words.tokens, token_starts=words.starts, spans=spans)
            return self._example(row, words, aligned.ner_tags, spans, number)
        raise GonerdError(
            f"neither words with as many tags nor a text with spans; the row has: {', '.join(sorted(row))}",
            where=where,
            remedy='Name the columns: columns={"tokens": "their name", "ner_tags": "their name"}',
        )

    def _value(self, row: Mapping[str, Any], name: str) -> Any:
        names = (self.columns[name],) if name in self.columns else ALIASES[name]
        return next((row[known] for known in names if row.get(known) is not None), None)

    def _exact(self, entities: object, words: _Words, tags: Sequence[str], where: str) -> list[Span]:
        """Return the exact spans of a row with words and tags, which the tags may have widened.

        Only where they give these very tags: a column of that name may as well hold names, or places in words.
        """
        if words.rebuilt or not isinstance(entities, list | tuple):
            return []
        try:
            spans = sorted(self._span(value, where) for value in entities)
            check_flat(spans, owner=where)
        except (GonerdError, ValueError):
            return []
        aligned = align("", words.text, tokens=words.tokens, token_starts=words.starts, spans=spans)
        return spans if list(aligned.ner_tags) == list(tags) else []

    def _words(self, row: Mapping[str, Any], tokens: Sequence[Any], text: object) -> _Words:
        """Return the words in their text: the row's own if they are found in it one after the other."""
        words = tuple(normalize_text(str(token)) for token in tokens)
        starts = self._value(row, "token_starts")
        if isinstance(text, str) and starts is not None:
            return _Words(text, words, tuple(starts), rebuilt=False)
        if isinstance(text, str) and (found := _find(normalize_text(text), words)) is not None:
            return _Words(normalize_text(text), words, found, rebuilt=False)
        joined = " ".join(words)
        return _Words(joined, words, _starts(words), rebuilt=True)

    def _tags(self, tags: Sequence[object], where: str) -> list[str]:
        """Return tags in IOB2: an `I-` that continues nothing begins an entity, as in IOB1 and to conlleval."""
        given = [self._tag(tag, where) for tag in tags]
        return tags_from_spans(len(given), spans_from_tags(given, reading="lenient"))

    def _tag(self, tag: object, where: str) -> str:
        text = str(tag)
        prefix, dash, label = text.partition("-")
        mapped = self.labels.get(text) or (f"{prefix}{dash}{self.labels.get(label, label)}")
        if mapped not in self.scheme.tags:
            raise self._unknown("tag", text, self.scheme.tags, where)
        return mapped

    def _span(self, value: Any, where: str) -> Span:
        if isinstance(value, Mapping):
            start, end = value.get("start", value.get("start_offset")), value.get("end", value.get("end_offset"))
            label = value.get("label", value.get("type"))
        elif isinstance(value, Sequence) and len(value) == 3:
            start, end, label = value
        else:
            start = end = label = None
        if not isinstance(start, int) or not isinstance(end, int):
            raise GonerdError(f"{value!r} is no span: start, end and label are needed", where=where)
        mapped = self.labels.get(str(label), str(label))
        if mapped not in self.scheme.names:
            raise self._unknown("label", str(label), self.scheme.names, where)
        return Span(start, end, mapped)

    def _unknown(self, kind: str, found: str, known: Iterable[str], where: str) -> GonerdError:
        return GonerdError(
            f"{kind} {found!r} is not one of {', '.join(known)}",
            where=where,
            remedy=f'Say what it means: labels={{"{found}": "..."}}',
        )

    def _example(
        self, row: Mapping[str, Any], words: _Words, tags: Sequence[str], spans: Sequence[Span], number: int
    ) -> Example:
        name, sentences = self._value(row, "id"), row.get("sentence_starts")
        known = {key: row.get(key) for key in ("url", "license", "title", "published")}
        return Example(
            id=str(name) if name is not None else f"{self.split}-{number:05d}",
            text=words.text,
            tokens=words.tokens,
            token_starts=words.starts,
            ner_tags=tuple(tags),
            entities=tuple(spans),
            sentence_starts=tuple(sentences) if isinstance(sentences, list) else None,
            source=f"{row.get('source') or self.source}{f' ({REBUILT})' if words.rebuilt else ''}",
            **{key: value if isinstance(value, str) else None for key, value in known.items()},
            annotators=tuple(map(str, row.get("annotators") or ())),
            text_sha256=sha256_of(words.text),
            split=self.split,
        )


@dataclass(frozen=True, slots=True)
class _Words:
    text: str
    tokens: tuple[str, ...]
    starts: tuple[int, ...]
    rebuilt: bool


def _split(text: str) -> _Words:
    """Return a text's words and marks; for texts that come without words of their own."""
    found = [(match.group(), match.start()) for match in _WORD.finditer(text)]
    return _Words(text, tuple(word for word, _ in found), tuple(start for _, start in found), rebuilt=False)


def _find(text: str, words: Sequence[str]) -> tuple[int, ...] | None:
    """Return where the words stand in `text`, one after the other with only white space between, or None."""
    starts, position = [], 0
    for word in words:
        start = text.find(word, position)
        if start < 0 or not word or text[position:start].strip():
            return None
        starts.append(start)
        position = start + len(word)
    return tuple(starts)


def _starts(words: Sequence[str]) -> tuple[int, ...]:
    starts, position = [], 0
    for word in words:
        starts.append(position)
        position += len(word) + 1
    return tuple(starts)
