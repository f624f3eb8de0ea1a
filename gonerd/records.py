"""What travels between the rooms. Every record is frozen; a bad one cannot be made."""

from __future__ import annotations

import contextlib
import hashlib
import heapq
import json
import tempfile
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from itertools import pairwise
from typing import IO

from gonerd.errors import FREE_TEMPORARY, room_in


def sha256_of(text: str) -> str:
    """Return the hexadecimal SHA-256 of `text` in UTF-8."""
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def normalize_text(text: str) -> str:
    r"""Return `text` in the one form that offsets refer to for ever: Unicode NFC with `\n` line ends."""
    return unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n"))


class Reason(StrEnum):
    """Why something was dropped: the closed set. A new reason is a new line here."""

    ROBOTS = "robots"  # the host's robots.txt disallows the URL
    HTTP_STATUS = "http_status"  # the server answered with anything but 200
    FETCH_ERROR = "fetch_error"  # no answer: connection, TLS, time-out, redirect loop
    MEDIA_TYPE = "media_type"  # the body is not HTML
    TOO_LARGE = "too_large"  # the body is over the size limit
    TRUNCATED = "truncated"  # the archive ends inside the record
    NOT_ARTICLE = "not_article"  # the source's patterns say that the URL is no article
    OFF_SITE = "off_site"  # the URL, or where it redirects to, is outside the source's hosts
    PRIVATE_ADDRESS = "private_address"  # the host is, or its name means, a loopback, link-local or private address
    TOO_OLD = "too_old"  # its listing dates it before what the crawl asks for
    PAGE_LIMIT = "page_limit"  # the crawl's page limit was reached first
    DUPLICATE_BODY = "duplicate_body"  # another URL gave the same bytes
    DUPLICATE_URL = "duplicate_url"  # another URL leads to the same page, by a redirect or by the page's canonical link
    EMPTY = "empty"  # no main text was found
    TOO_SHORT = "too_short"  # fewer words than the minimum
    TOO_LONG = "too_long"  # more words than the maximum
    LANGUAGE = "language"  # not in the wanted language
    NAVIGATION = "navigation"  # a page of links, not of prose
    BOILERPLATE = "boilerplate"  # most of what was found is the page talking about itself
    LIST = "list"  # a list of names or figures, not prose
    NEAR_DUPLICATE = "near_duplicate"  # another document of the same cluster was kept
    LICENSE = "license"  # the licence forbids what the build does
    REMOVED = "removed"  # listed in removed.toml
    TEXT_CHANGED = "text_changed"  # annotations refer to another text
    NO_ANNOTATION = "no_annotation"  # a document without gold
    UNPLACED = "unplaced"  # a span could not be found again in the text
    UNKNOWN_DOCUMENT = "unknown_document"  # annotations of a document that is not there
    UNFINISHED = "unfinished"  # the annotator skipped the document, or left a draft
    SUPERSEDED = "superseded"  # a later pass by the same annotator, or one marked as ground truth, was taken
    NOT_A_SPAN = "not_a_span"  # a choice, a relation, a comment, or nothing but white space
    OVERLAP = "overlap"  # inside another span of the same pass: the outermost name is marked
    SPLIT_CONFLICT = "split_conflict"  # a near-duplicate of documents in two splits


@dataclass(frozen=True, slots=True)
class Page:
    """One fetched resource; its body lies in a WARC file."""

    url: str
    final_url: str
    source: str
    fetched_at: str  # ISO 8601, UTC
    status: int
    media_type: str
    body_sha256: str
    warc_file: str
    warc_offset: int  # bytes


@dataclass(frozen=True, slots=True)
class Document:
    r"""A text that never changes: NFC, `\n`, at least one character, named by its SHA-256."""

    id: str
    text: str
    source: str
    url: str | None = None
    license: str | None = None
    title: str | None = None
    published: str | None = None  # ISO 8601 date
    language: str | None = None  # ISO 639-1
    text_sha256: str = ""  # computed when left empty
    extractor: str | None = None  # name and version

    def __post_init__(self) -> None:
        if not self.id or not self.text:
            raise ValueError(f"document {self.id!r}: id and text must not be empty")
        if "\r" in self.text or not unicodedata.is_normalized("NFC", self.text):
            raise ValueError(f"document {self.id!r}: text must be NFC with \\n line ends (records.normalize_text)")
        computed = sha256_of(self.text)
        if not self.text_sha256:
            object.__setattr__(self, "text_sha256", computed)
        elif self.text_sha256 != computed:
            raise ValueError(f"document {self.id!r}: text_sha256 does not match the text")


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A labelled stretch of text: half-open, in Unicode code points."""

    start: int
    end: int
    label: str

    def __post_init__(self) -> None:
        if not 0 <= self.start < self.end:
            raise ValueError(f"span [{self.start}, {self.end}) is empty or negative")


def check_flat(spans: Iterable[Span], *, owner: str) -> None:
    """Raise ValueError unless `spans` are in order and do not overlap."""
    end = 0
    for span in spans:
        if span.start < end:
            raise ValueError(f"{owner}: span [{span.start}, {span.end}) overlaps the one before it or is out of order")
        end = span.end


@dataclass(frozen=True, slots=True)
class Annotation:
    """One annotator's complete pass over one document: suggestion, human, gold or model prediction alike."""

    document_id: str
    text_sha256: str
    annotator: str
    scheme: str
    spans: tuple[Span, ...]  # flat, in order

    def __post_init__(self) -> None:
        check_flat(self.spans, owner=f"annotation of {self.document_id!r} by {self.annotator!r}")


@dataclass(frozen=True, slots=True)
class Dropped:
    """Something that goes no further, and why."""

    id: str
    reason: Reason
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Example:
    """A whole document as a row of the dataset. Tokens never depend on annotations."""

    id: str
    text: str
    tokens: tuple[str, ...]
    token_starts: tuple[int, ...]  # code points of text
    ner_tags: tuple[str, ...]  # IOB2, one a token
    entities: tuple[Span, ...]  # the exact spans, in code points of text
    sentence_starts: tuple[int, ...] | None  # token indexes
    source: str
    url: str | None
    license: str | None
    title: str | None
    published: str | None
    annotators: tuple[str, ...]
    text_sha256: str
    split: str

    def __post_init__(self) -> None:
        if not len(self.tokens) == len(self.token_starts) == len(self.ner_tags):
            raise ValueError(f"example {self.id!r}: tokens, token_starts and ner_tags differ in length")
        end = 0
        for token, start in zip(self.tokens, self.token_starts, strict=True):
            if not token or self.text[start : start + len(token)] != token:
                raise ValueError(f"example {self.id!r}: token {token!r} is not at code point {start}")
            if start < end:
                raise ValueError(f"example {self.id!r}: token {token!r} at {start} overlaps the one before it")
            end = start + len(token)
        if self.sentence_starts:
            bounds = (*self.sentence_starts, len(self.tokens))
            if bounds[0] != 0 or any(start >= after for start, after in pairwise(bounds)):
                raise ValueError(f"example {self.id!r}: sentence_starts must rise from 0 and end before the tokens do")
        check_flat(self.entities, owner=f"example {self.id!r}")
        if self.entities and self.entities[-1].end > len(self.text):
            raise ValueError(f"example {self.id!r}: an entity ends after the text")


@dataclass(frozen=True, slots=True)
class Prediction:
    """One system's answer for one document: tags on the gold tokens, or spans in code points."""

    id: str
    ner_tags: tuple[str, ...] | None = None
    spans: tuple[Span, ...] | None = None

    def __post_init__(self) -> None:
        if (self.ner_tags is None) == (self.spans is None):
            raise ValueError(f"prediction {self.id!r} must have either ner_tags or spans")


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What a score was computed on: `inputs` over ids and tokens, `gold` over ids, tokens and tags."""

    inputs: str
    gold: str | None  # None where the labels are hidden


def fingerprint(rows: Iterable[tuple[str, Iterable[str], Iterable[str] | None]]) -> Fingerprint:
    """Return the fingerprint of `(id, tokens, tags)` rows, however many; it does not depend on their order.

    It is the SHA-256 of the rows' SHA-256 in hexadecimal, sorted, a line each.
    """
    hidden = False
    with contextlib.ExitStack() as stack:
        inputs, gold = (stack.enter_context(_SortedHashes()) for _ in range(2))
        for document_id, tokens, tags in rows:
            line = json.dumps([document_id, *tokens])
            inputs.add(line)
            hidden = hidden or tags is None
            gold.add(f"[{line}, {json.dumps(list(tags or ()))}]")
        return Fingerprint(inputs.sha256(), None if hidden else gold.sha256())


class _SortedHashes:
    """The hashes of texts, in order at the end; beyond some thousands they wait on disk, in sorted runs."""

    RUN = 50_000

    def __init__(self) -> None:
        self._waiting: list[bytes] = []
        self._runs: list[IO[bytes]] = []

    def __enter__(self) -> _SortedHashes:
        return self

    def __exit__(self, *_: object) -> None:
        for run in self._runs:
            run.close()

    def add(self, text: str) -> None:
        self._waiting.append(hashlib.sha256(text.encode("utf-8")).digest())
        if len(self._waiting) == self.RUN:
            with room_in(tempfile.gettempdir(), remedy=FREE_TEMPORARY):
                run = tempfile.TemporaryFile(prefix="gonerd-")  # noqa: SIM115 - closed by __exit__
                run.writelines(sorted(self._waiting))
                run.seek(0)
            self._runs.append(run)
            self._waiting = []

    def sha256(self) -> str:
        """Return the hash of all hashes."""
        size = hashlib.sha256().digest_size
        runs = [iter(partial(run.read, size), b"") for run in self._runs]
        whole, separator = hashlib.sha256(), b""
        for found in heapq.merge(*runs, sorted(self._waiting)):
            whole.update(separator + found.hex().encode())
            separator = b"\n"
        return whole.hexdigest()


@dataclass(frozen=True, slots=True)
class Shard:
    """One file of a stage folder."""

    name: str
    sha256: str
    records: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a stage did, written last: present means complete. Stages chain by the hashes of their shards."""

    stage: str
    key: str  # hash of stage, version, configuration and inputs
    version: str
    config: dict[str, object]
    inputs: tuple[str, ...]  # sha256, in order
    outputs: tuple[Shard, ...]
    read: int
    written: int
    dropped: dict[str, int] = field(default_factory=dict)  # by reason
    started_at: str = ""
    finished_at: str = ""


Progress = Callable[[int, "int | None"], None]
"""How a stage reports: records done, and how many there are if that is known."""


def silent(done: int, total: int | None) -> None:
    """Report nothing: the default of every stage, since the library never prints."""


Predict = Callable[[Iterable[Document]], Iterable[Annotation]]
"""How a room that needs a model is given one."""
