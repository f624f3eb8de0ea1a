"""The Release: a dataset without its text, enough to build it again from the sources.

`standoff.jsonl` has one line a document, `release.json` what holds for all. A span is found again in a page's text by
its offsets where the text is unchanged, else by its surface and the characters around it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from gonerd.errors import GonerdError
from gonerd.files import read_json, sha256_file
from gonerd.formats import jsonl
from gonerd.formats.standoff import StandoffSpan, standoff_span
from gonerd.records import Example, Fingerprint

STANDOFF = "standoff.jsonl"
RELEASE = "release.json"


@dataclass(frozen=True, slots=True)
class StandoffDocument:
    """One document of a release."""

    id: str
    url: str | None
    license: str | None
    source: str
    title: str | None
    published: str | None
    text_sha256: str
    extractor: str | None  # name and version; None where the text was not extracted from a page
    split: str
    annotators: tuple[str, ...]
    spans: tuple[StandoffSpan, ...]


@dataclass(frozen=True, slots=True)
class Release:
    """The content of `release.json`."""

    name: str
    version: str
    gonerd_version: str
    scheme: str
    tags: tuple[str, ...]  # in the order of their integers
    tokenizer: dict[str, str]
    splits: dict[str, int]  # documents
    fingerprints: dict[str, Fingerprint]
    standoff_sha256: str

    @property
    def hidden(self) -> frozenset[str]:
        """The splits whose labels are kept back: their documents are named, their spans are not."""
        return frozenset(split for split, print_ in self.fingerprints.items() if print_.gold is None)


def standoff(example: Example, *, extractor: str | None) -> StandoffDocument:
    """Return an example without its text."""
    return StandoffDocument(
        id=example.id,
        url=example.url,
        license=example.license,
        source=example.source,
        title=example.title,
        published=example.published,
        text_sha256=example.text_sha256,
        extractor=extractor,
        split=example.split,
        annotators=example.annotators,
        spans=tuple(standoff_span(example.text, span) for span in example.entities),
    )


def read_release(folder: Path) -> Release:
    """Return what holds for all documents of a release; its stand-off file is there and unchanged.

    Args:
        folder: a release, or a dataset that gonerd has built: it holds its own.

    Raises:
        GonerdError: a file is missing or broken, or `standoff.jsonl` is not the one that was released.
    """
    path = folder / RELEASE
    for needed in (path, folder / STANDOFF):
        if not needed.is_file():
            raise GonerdError(
                f"no {needed.name} here", where=folder, remedy="A release has release.json and standoff.jsonl"
            )
    try:
        release = jsonl.from_json(Release, read_json(path))
    except ValueError as error:
        raise GonerdError(str(error), where=path) from error
    if sha256_file(folder / STANDOFF) != release.standoff_sha256:
        raise GonerdError("changed since it was released", where=folder / STANDOFF, remedy="Fetch the release again")
    return release


def read_standoff(folder: Path) -> Iterator[StandoffDocument]:
    """Yield the documents of a release, in the order of the dataset's rows.

    Raises:
        GonerdError: there is no stand-off file, or a line of it is broken.
    """
    yield from jsonl.read(folder / STANDOFF, StandoffDocument)
