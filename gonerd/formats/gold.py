"""Gold as the scorer needs it, from JSON Lines, Parquet or CoNLL; pyarrow is loaded for Parquet alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from gonerd.errors import GonerdError, require_file
from gonerd.formats import jsonl
from gonerd.formats.parquet import read_rows
from gonerd.labels import LabelScheme
from gonerd.records import Example, Fingerprint, fingerprint

CONLL_SUFFIXES = (".conll", ".iob2", ".tsv", ".txt")
WHERE_GOLD_IS = "Score where the labels are kept"
USED = ("id", "tokens", "ner_tags", "token_starts", "source", "text")


@dataclass(frozen=True, slots=True)
class GoldDocument:
    """A document with its right tags, or without them where they are kept elsewhere."""

    id: str
    tokens: tuple[str, ...]
    ner_tags: tuple[str, ...] | None  # None: hidden
    token_starts: tuple[int, ...] | None = None  # code points of the text; predictions as spans need them
    source: str | None = None
    text: str | None = None  # for models that read text

    def __post_init__(self) -> None:
        if not self.id:
            raise ValueError("the id must not be empty")
        if any(len(given) != len(self.tokens) for given in (self.ner_tags, self.token_starts) if given is not None):
            raise ValueError(f"document {self.id!r}: tokens, token_starts and ner_tags differ in length")

    @classmethod
    def of(cls, example: Example) -> GoldDocument:
        """Return what the scorer needs of a dataset row."""
        return cls(example.id, example.tokens, example.ner_tags, example.token_starts, example.source, example.text)

    @property
    def tags(self) -> tuple[str, ...]:
        """The right tags, for all that scores: hidden ones are an error, never an empty answer.

        Raises:
            GonerdError: they are hidden.
        """
        if self.ner_tags is None:
            raise GonerdError("its labels are hidden", where=f"document {self.id!r}", remedy=WHERE_GOLD_IS)
        return self.ner_tags


@dataclass(frozen=True)
class Gold:
    """All documents of a split, each once, with tags of one scheme; or all without, where they are hidden.

    Args:
        documents: in any order; scores and fingerprint do not depend on it.
        scheme: the scheme of the tags.
        name: of the dataset, as reports and boards show it.
        split: which part of it this is.
        revision: the commit it was read at, if a repository has it.
    """

    documents: tuple[GoldDocument, ...]
    scheme: LabelScheme
    name: str = "gold"
    split: str = "test"
    revision: str | None = None

    def __post_init__(self) -> None:
        seen: set[str] = set()
        for document in self.documents:
            if document.id in seen:
                raise GonerdError(f"the id {document.id!r} is there twice", where=f"gold {self.name!r}")
            seen.add(document.id)
            self.scheme.tag_ids(document.ner_tags or (), where=f"gold document {document.id!r}")
        if 0 < sum(document.ner_tags is None for document in self.documents) < len(self.documents):
            raise GonerdError("some documents have labels and some have none", where=f"gold {self.name!r}")

    @classmethod
    def of(
        cls,
        documents: Iterable[GoldDocument],
        *,
        scheme: LabelScheme,
        name: str = "gold",
        split: str = "test",
        revision: str | None = None,
    ) -> Gold:
        """Return the gold of some documents.

        Raises:
            GonerdError: an id is there twice, a tag is outside the scheme, or only some labels are hidden.
        """
        return cls(tuple(documents), scheme, name, split, revision)

    @property
    def hidden(self) -> bool:
        """Whether the labels are kept elsewhere: such gold names the documents, and scores nothing."""
        return any(document.ner_tags is None for document in self.documents)

    def check_labelled(self) -> None:
        """Do nothing if the labels are there.

        Raises:
            GonerdError: they are hidden.
        """
        if self.hidden:
            raise GonerdError("the labels are hidden", where=f"{self.name}, {self.split}", remedy=WHERE_GOLD_IS)

    @property
    def words(self) -> int:
        """How many tokens there are."""
        return sum(len(document.tokens) for document in self.documents)

    @property
    def sources(self) -> list[str]:
        """The sources that documents name, sorted."""
        return sorted({document.source for document in self.documents if document.source is not None})

    @cached_property
    def fingerprint(self) -> Fingerprint:
        """What a score on this gold names."""
        return fingerprint((document.id, document.tokens, document.ner_tags) for document in self.documents)


def read_gold(path: Path, *, scheme: LabelScheme) -> Iterator[GoldDocument]:
    """Yield the gold documents of a file: `.parquet`, CoNLL (`.conll .iob2 .tsv .txt`), else JSON Lines, `.gz` or not.

    Rows have `id`, `tokens` and `ner_tags` (tags, or the integers of the scheme's tags; null: hidden), and may have
    `token_starts`, `source` and `text`; other columns are not looked at. CoNLL has the token in the first column and
    the tag in the last; blank lines end sentences; `-DOCSTART-` starts a document, whose id is the second column, or
    else its number in the file, from 1. Entities are read over the whole document.

    Raises:
        GonerdError: the file is missing or unreadable, or a row is not as described; the line is named.
    """
    require_file(path)
    if path.suffix.lower() in CONLL_SUFFIXES:
        yield from _conll_documents(path)
        return
    parquet = path.suffix.lower() == ".parquet"
    rows = enumerate(read_rows(path, columns=USED), start=1) if parquet else jsonl.read_objects(path)
    for number, row in rows:
        yield _row_document(row, scheme, where=f"{path}, row {number}")


def _row_document(row: dict[str, Any], scheme: LabelScheme, *, where: str) -> GoldDocument:
    if missing := [name for name in USED[:3] if row.get(name) is None and not (name == "ner_tags" and name in row)]:
        raise GonerdError(f"the row has no {missing[0]!r}", where=where, remedy=f"Needed: {', '.join(USED[:3])}")
    try:
        tags = row["ner_tags"]
        if tags is not None:
            tags = [scheme.tags[tag] if type(tag) is int and tag >= 0 else tag for tag in tags]
        known = {name: row[name] for name in USED if row.get(name) is not None}
        return jsonl.from_json(GoldDocument, {**known, "ner_tags": tags})
    except IndexError as error:
        raise GonerdError(f"a tag above {len(scheme.tags) - 1}", where=where, remedy="Name another --scheme") from error
    except (ValueError, TypeError) as error:
        raise GonerdError(f"not a gold row: {error}", where=where) from error


def _conll_documents(path: Path) -> Iterator[GoldDocument]:
    documents = 0
    name: str | None = None
    rows: list[tuple[str, str]] = []
    for number, columns in _conll_columns(path):
        if columns[0] == "-DOCSTART-":
            if rows or name is not None:
                documents += 1
                yield _conll_document(name or str(documents), rows)
            name, rows = _docstart_id(columns), []
        elif len(columns) < 2:
            raise GonerdError("expected a token and a tag", where=f"{path}, line {number}")
        else:
            rows.append((columns[0], columns[-1]))
    if rows or name is not None:
        yield _conll_document(name or str(documents + 1), rows)


def _conll_document(name: str, rows: list[tuple[str, str]]) -> GoldDocument:
    return GoldDocument(name, tuple(token for token, _ in rows), tuple(tag for _, tag in rows))


def _docstart_id(columns: list[str]) -> str | None:
    """Return the id beside `-DOCSTART-`, or None: `-X-`, `_` and `O` fill columns and name nothing."""
    return next((column for column in columns[1:2] if column not in ("-X-", "_", "O")), None)


def _conll_columns(path: Path) -> Iterator[tuple[int, list[str]]]:
    for number, line in jsonl.read_lines(path):
        if line.strip():
            yield number, line.split()
