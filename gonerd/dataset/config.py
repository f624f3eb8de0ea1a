"""What a build can be told: the one home of its defaults and their explanation."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from gonerd.errors import GonerdError

SPLITS = ("train", "validation", "test")

Creator = Literal["crowdsourced", "expert-generated", "found", "machine-generated", "other"]
"""Who made something, in the words of the Hub's dataset cards."""

_VERSION = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)")


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
    annotations_creators: Creator = "other"
    """Who made the annotations, in the words of the Hub."""
    language_creators: Creator = "other"
    """Who wrote the texts, in the words of the Hub."""
    contact: str = ""
    """Where someone can ask for a document to be taken out: an address or URL, for the card."""

    def __post_init__(self) -> None:
        if not _VERSION.fullmatch(self.version):
            raise GonerdError(f"version {self.version!r} is not MAJOR.MINOR.PATCH", remedy="For example: 1.0.0")
        if min(self.shares.values()) < 0 or self.train_share <= 0:
            raise GonerdError(
                f"shares {self.train_share} and {self.validation_share} leave no sensible splits",
                remedy="The train share must be above 0, and the shares must add up to at most 1",
            )

    @property
    def shares(self) -> dict[str, float]:
        """The target share of the documents by split, in the order train, validation, test."""
        rest = round(1 - self.train_share - self.validation_share, 9)
        return dict(zip(SPLITS, (self.train_share, self.validation_share, rest), strict=True))
