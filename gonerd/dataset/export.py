"""A split in the forms that other tools read, and back.

| form     | holds                                                   | loses                                       |
|----------|---------------------------------------------------------|---------------------------------------------|
| jsonl    | every column                                            | nothing                                     |
| spacy    | every column; a DocBin that `spacy train` reads         | nothing                                     |
| conll    | id, words, tags, sentences                              | text, offsets, exact spans, all about it    |
| standoff | everything but text, words and tags, which come back    | nothing, where the documents are at hand    |
|          | with the documents: what `corpus regenerate` reads      |                                             |

The split is the file's, and named when it is read.
"""

from __future__ import annotations

import contextlib
import gzip
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Literal, cast

from gonerd.dataset.align import align
from gonerd.dataset.columns import COLUMNS
from gonerd.dataset.release import StandoffDocument, standoff
from gonerd.dataset.tokens import tokenizer
from gonerd.errors import GonerdError, room_in
from gonerd.formats import jsonl
from gonerd.formats.conll import ConllDocument, conll_lines, read_conll
from gonerd.formats.spacy import read_spacy, write_spacy
from gonerd.formats.standoff import check_surface
from gonerd.labels import spans_from_tags, text_spans
from gonerd.records import Document, Example, Span, sha256_of

Form = Literal["jsonl", "conll", "spacy", "standoff"]

_LINES: tuple[Form, ...] = ("jsonl", "standoff")  # JSON Lines, which are read packed too

LOSSES: Mapping[Form, str] = {
    "jsonl": "",
    "spacy": "",
    "conll": "text, offsets, exact spans and all columns but id, tokens and tags are left out",
    "standoff": "text, tokens and tags are left out: they come back with the documents",
}


def export(examples: Iterable[Example], path: Path, *, form: Form) -> int:
    """Write examples to a file, replaced as a whole, and return how many there were; `.gz` is packed.

    Raises:
        GonerdError: the form cannot hold an example, such as a word with a space in it in CoNLL, or is not read packed.
    """
    if path.suffix == ".gz" and form not in _LINES:
        raise GonerdError(f"{form} is not read packed", where=path, remedy="Leave .gz away, and pack the file yourself")
    if path.is_dir():
        raise GonerdError("this is a folder. Name a file", where=path)
    partial = path.with_name(f".{path.name}.partial")
    with room_in(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            written = write_spacy if form == "spacy" else _writer(form, packed=path.suffix == ".gz")
            count = written(examples, partial)
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
    return count


def _writer(form: Form, *, packed: bool) -> Callable[[Iterable[Example], Path], int]:
    def write(examples: Iterable[Example], path: Path) -> int:
        count = 0
        with contextlib.ExitStack() as stack:
            stream: IO[bytes] = stack.enter_context(path.open("wb"))
            if packed:  # without name and time: the same rows in the same bytes
                pack = gzip.GzipFile(filename="", mode="wb", fileobj=stream, mtime=0)
                stream = cast("IO[bytes]", stack.enter_context(pack))
            for example in examples:
                stream.writelines(f"{line}\n".encode() for line in _lines(example, form))
                count += 1
        return count

    return write


def _lines(example: Example, form: Form) -> Iterator[str]:
    if form == "jsonl":
        yield jsonl.dumps({name: getattr(example, name) for name, _, _ in COLUMNS})
    elif form == "standoff":
        yield jsonl.dumps(standoff(example, extractor=None))
    else:
        starts = example.sentence_starts or ()
        yield from conll_lines(ConllDocument(example.id, example.tokens, example.ner_tags, starts))


def import_jsonl(path: Path, *, split: str) -> Iterator[Example]:
    """Yield the examples of a file that was exported as `jsonl`, exactly as they were.

    Raises:
        GonerdError: a line is no row; the line is named.
    """
    for number, value in jsonl.read_objects(path):
        try:
            yield jsonl.from_json(Example, {**value, "split": split})
        except (ValueError, TypeError) as error:
            raise GonerdError(str(error), where=f"{path}, line {number}") from error


def import_conll(path: Path, *, split: str, source: str = "conll") -> Iterator[Example]:
    """Yield the documents of a CoNLL file as examples: the words with a space between them are their text.

    Raises:
        GonerdError: a line is not CoNLL; the line is named.
    """
    for document in read_conll(path):
        starts, at = [], 0
        for token in document.tokens:
            starts.append(at)
            at += len(token) + 1
        text = " ".join(document.tokens)
        yield Example(
            id=document.id,
            text=text,
            tokens=document.tokens,
            token_starts=tuple(starts),
            ner_tags=document.ner_tags,
            entities=tuple(text_spans(starts, document.tokens, spans_from_tags(document.ner_tags))),
            sentence_starts=document.sentence_starts,
            source=source,
            url=None,
            license=None,
            title=None,
            published=None,
            annotators=(),
            text_sha256=sha256_of(text),
            split=split,
        )


def import_spacy(path: Path, *, split: str) -> Iterator[Example]:
    """Yield the examples of a file that was exported as `spacy`, exactly as they were.

    Raises:
        GonerdError: the file is no DocBin, or not one of gonerd's.
    """
    return read_spacy(path, split=split)


def import_standoff(path: Path, *, documents: Mapping[str, Document]) -> Iterator[Example]:
    """Yield the examples of a stand-off file, their text from `documents` by id, their words from the tokenizer.

    Raises:
        GonerdError: a document is missing, its text has changed, or a line is broken.
    """
    for entry in jsonl.read(path, StandoffDocument):
        where = f"{path}, document {entry.id!r}"
        if entry.id not in documents:
            raise GonerdError("the document is missing", where=where)
        if documents[entry.id].text_sha256 != entry.text_sha256:
            raise GonerdError("the document's text has changed", where=where)
        yield _with_text(entry, documents[entry.id].text, where=where)


def _with_text(entry: StandoffDocument, text: str, *, where: str) -> Example:
    for span in entry.spans:
        check_surface(span, text, where=where)
    spans = tuple(Span(span.start, span.end, span.label) for span in entry.spans)
    words = tokenizer()(text)
    aligned = align(entry.id, text, tokens=words.tokens, token_starts=words.token_starts, spans=spans)
    return Example(
        id=entry.id,
        text=text,
        tokens=words.tokens,
        token_starts=words.token_starts,
        ner_tags=aligned.ner_tags,
        entities=spans,
        sentence_starts=words.sentence_starts,
        source=entry.source,
        url=entry.url,
        license=entry.license,
        title=entry.title,
        published=entry.published,
        annotators=entry.annotators,
        text_sha256=entry.text_sha256,
        split=entry.split,
    )
