"""A dataset read back as Examples, from wherever it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from gonerd.bars import without_bars
from gonerd.dataset.columns import features, to_row
from gonerd.dataset.files import data_files
from gonerd.dataset.foreign import Reader
from gonerd.errors import GonerdError, unknown_name
from gonerd.formats.gold import GoldDocument
from gonerd.formats.jsonl import read_objects
from gonerd.formats.parquet import read_rows
from gonerd.labels import load_scheme
from gonerd.records import Example, Span
from gonerd.store import MANIFEST, read_manifest


def read_examples(dataset: str | Path, split: str) -> Iterator[Example]:
    """Yield the examples of one split, in order.

    Args:
        dataset: the folder of a dataset that gonerd built; a JSON Lines file (`.jsonl` or `.jsonl.gz`) of rows with
            `id, text, tokens, token_starts, ner_tags`, tags as IOB2 strings or as the scheme's integers; or a name
            that `gonerd.load` knows, for a repository with `@revision` if that is not `main`.
        split: name of the split; a JSON Lines file is one split, and this only names it.

    Raises:
        GonerdError: there is no such dataset or split, or a row breaks the form.
    """
    path = Path(dataset)
    if _is_lines(path):
        return _from_lines(path, split)
    return (example_of(row, tags=tags, split=split) for row, tags in _rows(dataset, split))


def read_documents(dataset: str | Path, split: str) -> Iterator[GoldDocument]:
    """Yield the documents of one split as the scorer needs them; as `read_examples`, but their labels may be hidden."""
    path = Path(dataset)
    if _is_lines(path):
        return map(GoldDocument.of, _from_lines(path, split))
    return (_document_of(row, tags=tags, split=split) for row, tags in _rows(dataset, split))


def _document_of(row: Mapping[str, Any], *, tags: Sequence[str], split: str) -> GoldDocument:
    if row["ner_tags"] is not None:
        return GoldDocument.of(example_of(row, tags=tags, split=split))
    tokens, starts = tuple(row["tokens"]), tuple(row["token_starts"])
    return GoldDocument(row["id"], tokens, None, starts, row["source"], row["text"])


def _is_lines(path: Path) -> bool:
    return path.name.endswith((".jsonl", ".jsonl.gz"))


def _rows(dataset: str | Path, split: str) -> Iterator[tuple[Mapping[str, Any], tuple[str, ...]]]:
    """Give the rows of a dataset's folder or name with the tags of their integers."""
    if Path(dataset).is_dir():
        return _from_folder(Path(dataset), split)
    if isinstance(dataset, Path):
        raise GonerdError("no such dataset folder or JSON Lines file", where=dataset)
    return _from_name(dataset, split)


def _from_folder(folder: Path, split: str) -> Iterator[tuple[Mapping[str, Any], tuple[str, ...]]]:
    files = data_files(folder)
    if split not in files:
        raise unknown_name("split", split, files, where=folder)
    tags = dataset_tags(folder)
    for path in files[split]:
        yield from ((row, tags) for row in read_rows(path))


def dataset_tags(folder: Path) -> tuple[str, ...]:
    """Return the tags of a dataset's folder in the order of their integers."""
    tags = read_manifest(folder).config.get("tags")
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        raise GonerdError("the manifest does not name the tags", where=folder / MANIFEST)
    return tuple(tags)


def example_of(row: Mapping[str, Any], *, tags: Sequence[str], split: str) -> Example:
    """Return a row of the Parquet files, or of `datasets`, as an example."""
    values = dict(row)
    if row["ner_tags"] is None:
        raise GonerdError("the labels of this document are hidden", where=f"{split}, {row['id']!r}")
    values["tokens"], values["token_starts"] = tuple(row["tokens"]), tuple(row["token_starts"])
    values["ner_tags"] = tuple(tags[number] for number in row["ner_tags"])
    values["entities"] = tuple(Span(span["start"], span["end"], span["label"]) for span in row["entities"])
    starts = row["sentence_starts"]
    values["sentence_starts"] = None if starts is None else tuple(starts)
    values["annotators"] = tuple(row["annotators"] or ())
    return Example(**values, split=split)


def _from_lines(path: Path, split: str) -> Iterator[Example]:
    scheme = load_scheme()
    numbers = {str(number): tag for number, tag in enumerate(scheme.tags)}
    reader = Reader(source=path.name, split=split, labels=numbers, scheme=scheme)
    for number, (line, row) in enumerate(read_objects(path)):
        try:
            yield reader.example(row, number=number)
        except (ValueError, TypeError) as error:
            raise GonerdError(str(error), where=f"{path}, line {line}") from error


def _from_name(name: str, split: str) -> Iterator[tuple[Mapping[str, Any], tuple[str, ...]]]:
    import datasets

    from gonerd.dataset.load import load

    repository, _, revision = name.partition("@")
    with without_bars(datasets):  # which it draws at the first load of a name
        loaded = load(repository, revision=revision) if revision else load(repository)
    if split not in loaded:
        raise unknown_name("split", split, loaded, where=name)
    rows, scheme = loaded[split], load_scheme()
    names = {column: _names_of(feature) for column, feature in rows.features.items()}
    if names.keys() >= features(scheme.tags).keys() and names["ner_tags"]:
        yield from ((row, names["ner_tags"]) for row in rows)
        return
    reader = Reader(source=repository, split=split, scheme=scheme)
    for number, row in enumerate(rows):
        told = {column: [names[column][item] for item in row[column]] for column in names if names[column]}
        example = reader.example({**row, **told}, number=number)
        yield to_row(example, scheme.tag_ids(example.ner_tags)), scheme.tags


def _names_of(feature: Any) -> tuple[str, ...]:
    """Return what the integers in a column of lists stand for; nothing where they stand for nothing."""
    return tuple(getattr(getattr(feature, "feature", None), "names", ()))
