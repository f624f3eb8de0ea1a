"""The Release: a dataset without its text, enough to build it again from the sources.

`standoff.jsonl` has one line a document, `release.json` what holds for all. A span is found again in a page's text by
its offsets where the text is unchanged, else by its surface and the characters around it.
"""

from __future__ import annotations

from dataclasses import dataclass

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
