"""A split in the forms that other tools read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Literal, TextIO

from gonerd.dataset.columns import COLUMNS
from gonerd.formats import jsonl
from gonerd.records import Example

Form = Literal["jsonl", "conll"]
"""jsonl: all columns, tags as text; read back by `read_examples` without loss.
conll: word and tag a line, a blank line after each sentence; text, offsets and all other columns are lost."""


def export(examples: Iterable[Example], path: Path, *, form: Form) -> int:
    """Write examples to a file, replaced as a whole, and return how many there were."""
    lines: Callable[[Example], Iterator[str]] = _json_lines if form == "jsonl" else _conll_lines
    partial = path.with_name(f".{path.name}.partial")
    path.parent.mkdir(parents=True, exist_ok=True)
    with partial.open("w", encoding="utf-8", newline="\n") as stream:
        count = sum(_write(stream, lines(example)) for example in examples)
    partial.replace(path)
    return count


def _write(stream: TextIO, lines: Iterable[str]) -> int:
    stream.writelines(f"{line}\n" for line in lines)
    return 1


def _json_lines(example: Example) -> Iterator[str]:
    yield jsonl.dumps({name: getattr(example, name) for name, _, _ in COLUMNS})


def _conll_lines(example: Example) -> Iterator[str]:
    """Yield a document as `-DOCSTART-` with its id in the second column, then its sentences."""
    yield f"-DOCSTART- {'_'.join(example.id.split())} O"
    yield ""
    starts = set(example.sentence_starts or ())
    for number, (token, tag) in enumerate(zip(example.tokens, example.ner_tags, strict=True)):
        if number and number in starts:
            yield ""
        yield f"{token} {tag}"
    yield ""
