"""What a build can be told: the one home of its defaults and their explanation."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Literal

from gonerd.errors import GonerdError

SPLITS = ("train", "validation", "test")

Creator = Literal["crowdsourced", "expert-generated", "found", "machine-generated", "other"]
"""Who made something, in the words of the Hub's dataset cards."""

_VERSION = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)")


def _is_date(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildConfig:
    """How a dataset is built and what its card says about it."""

    name: str = "gonerd"
    """Name of the dataset, as its card and its results carry it."""
    version: str = "1.0.0"
    """Version of the dataset: MAJOR.MINOR.PATCH (https://semver.org)."""
    scheme: str = "gonerd"
    """Label scheme, by its name in annotation_guidelines/."""
    train_share: float = 0.6
    """Share of the documents in the train split."""
    validation_share: float = 0.2
    """Share of the documents in the validation split; the rest is the test split."""
    salt: str = "gonerd"
    """What is hashed with the ids to draw the splits: another salt draws other splits."""
    by_time: bool = False
    """Split by date of publication, oldest to train and newest to test, in place of drawing within strata."""
    group_threshold: float = 0.3
    """Estimated Jaccard similarity (words, shingles of five) from which documents must share a split."""
    summary: str = "Whole documents with named entities."
    """What the dataset is, in a sentence or two, for its card."""
    annotators: str = ""
    """Who annotated, and how, for the card: people or machines, their training, what agreement between them means."""
    guidelines: str = ""
    """Which rules the annotators followed, and where to read them, for the card."""
    agreement: str = ""
    """How far the annotators agree, with the measure and what it was taken on, for the card."""
    adjudication: str = ""
    """How the annotators' differences were settled, for the card."""
    suggestions: bool = False
    """Take what a program suggested as gold, though nobody has checked it; the card says so."""
    changes: str = ""
    """What is new since the release before, for the card's changelog."""
    annotations_creators: Creator = "other"
    """Who made the annotations, in the words of the Hub."""
    language_creators: Creator = "other"
    """Who wrote the texts, in the words of the Hub."""
    standoff_only: bool = False
    """Write everything but the text, so that documents can be released whose licence forbids to pass it on."""
    any_license: bool = False
    """Take up documents whatever their licence, for a dataset that stays with whoever builds it."""
    contact: str = ""
    """Where someone can ask for a document to be taken out: an address or URL, for the card."""
    released: str = ""
    """Date of this release, YYYY-MM-DD, for `croissant.json`; the day of the build if not given."""

    def __post_init__(self) -> None:
        if not _VERSION.fullmatch(self.version):
            raise GonerdError(f"version {self.version!r} is not MAJOR.MINOR.PATCH", remedy="For example: 1.0.0")
        if self.released and not _is_date(self.released):
            raise GonerdError(f"released is {self.released!r}, which is no date", remedy="For example: 2026-05-31")
        if min(self.shares.values()) < 0 or self.train_share <= 0:
            raise GonerdError(
                f"shares {self.train_share} and {self.validation_share} leave no sensible splits",
                remedy="The train share must be above 0, and the shares must add up to at most 1",
            )
        if self.standoff_only and self.any_license:
            raise GonerdError("standoff_only and any_license exclude each other", remedy="Give one of them")

    @property
    def drawn(self) -> str:
        """How documents come to their splits, in a sentence or two."""
        alike = f"Near-duplicates (an estimated Jaccard similarity of {self.group_threshold} and more) share a split"
        if self.by_time:
            return f"{alike}; the oldest documents are in train, the newest in test."
        return f"{alike}; such groups were drawn by a hash of their ids, within sources and lengths."

    @property
    def shares(self) -> dict[str, float]:
        """The target share of the documents by split, in the order train, validation, test."""
        rest = round(1 - self.train_share - self.validation_share, 9)
        return dict(zip(SPLITS, (self.train_share, self.validation_share, rest), strict=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What was decided before a build, and holds in it."""

    splits: Mapping[str, str] = field(default_factory=dict)
    """Split by document id, kept as it is and checked for leaks; other documents are split around it."""
    previous: Path | None = None
    """Folder of the release before this one: its documents stay in their splits."""
    removed: Path | None = None
    """A `removed.toml`: documents that are taken out on request."""
