"""CoNLL: a word and its tag a line, a blank line after each sentence, `-DOCSTART- <id> O` before each document.

What is read is written again in the same bytes, and what is written is read again with the same ids, words, tags and
sentences. Characters of an id that would end its column are written as `%20` and the like.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote

from gonerd.errors import GonerdError, require_file

_START = "-DOCSTART- "
_SAFE = "".join(chr(code) for code in range(33, 127) if chr(code) != "%")


@dataclass(frozen=True, slots=True)
class ConllDocument:
    """One document of a CoNLL file."""

    id: str
    tokens: tuple[str, ...]
    ner_tags: tuple[str, ...]
    sentence_starts: tuple[int, ...]  # token indexes


def conll_lines(document: ConllDocument) -> Iterator[str]:
    """Yield the lines of a document, without their ends.

    Raises:
        GonerdError: a token holds a space or a line end, or is `-DOCSTART-` itself: the format has no form for it.
    """
    yield f"{_START}{_quoted(document.id)} O"
    yield ""
    starts = set(document.sentence_starts)
    for number, (token, tag) in enumerate(zip(document.tokens, document.ner_tags, strict=True)):
        if not token or token == _START.strip() or any(character in token for character in " \n\r\t"):
            raise GonerdError(
                f"CoNLL has no form for token {number}, {token!r}",
                where=f"document {document.id!r}",
                remedy="Export it as jsonl or spacy",
            )
        if number and number in starts:
            yield ""
        yield f"{token} {tag}"
    if document.tokens:
        yield ""


def _quoted(name: str) -> str:
    """Return an id without white space; letters of any script stay."""
    return "".join(quote(char, safe=_SAFE) if char.isspace() or char in "%\x00" else char for char in name)


def read_conll(path: Path) -> Iterator[ConllDocument]:
    """Yield the documents of a file that `conll_lines` wrote.

    Raises:
        GonerdError: there is no such file, it is not UTF-8, or a line is not as described.
    """
    name: str | None = None
    rows: list[tuple[str, str]] = []
    starts: list[int] = []
    for number, line in _lines(path):
        if line.startswith(_START):
            if name is not None:
                yield _document(name, rows, starts)
            name, rows, starts = unquote(line[len(_START) :].rpartition(" ")[0]), [], [0]
        elif line:
            token, _, tag = line.rpartition(" ")
            if name is None or not token or not tag:
                what = "expected a word, a space and a tag" if name is not None else "expected -DOCSTART- and an id"
                raise GonerdError(what, where=f"{path}, line {number}")
            rows.append((token, tag))
        elif rows and starts[-1] != len(rows):
            starts.append(len(rows))
    if name is not None:
        yield _document(name, rows, starts)


def _document(name: str, rows: Iterable[tuple[str, str]], starts: list[int]) -> ConllDocument:
    tokens, tags = tuple(token for token, _ in rows), tuple(tag for _, tag in rows)
    return ConllDocument(name, tokens, tags, tuple(start for start in starts if start < len(tokens)))


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    r"""Yield the numbered lines; only `\n` ends one, as Unicode's other separators are part of words."""
    require_file(path)
    number = 0
    try:
        with path.open(encoding="utf-8", newline="\n") as stream:
            for number, line in enumerate(stream, start=1):
                yield number, line.removesuffix("\n")
    except UnicodeDecodeError as error:
        raise GonerdError(f"not UTF-8 text after line {number}", where=path) from error
