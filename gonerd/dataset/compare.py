"""What changed between two datasets: documents added, removed, relabelled, moved."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from gonerd.dataset.release import RELEASE, STANDOFF, StandoffDocument, read_release
from gonerd.errors import GonerdError
from gonerd.formats import jsonl
from gonerd.records import sha256_of


@dataclass(frozen=True, slots=True)
class Difference:
    """Ids of documents, each sorted. A document can be in several of the last three."""

    added: tuple[str, ...]
    removed: tuple[str, ...]
    rewritten: tuple[str, ...]  # the text differs
    relabelled: tuple[str, ...]  # the spans differ, as far as neither side keeps them back
    moved: tuple[str, ...]  # the split differs

    @property
    def same(self) -> bool:
        """Whether nothing differs."""
        return not (self.added or self.removed or self.rewritten or self.relabelled or self.moved)


@dataclass(frozen=True, slots=True)
class _Document:
    text: str
    spans: str | None  # their hash; None where the labels are kept back
    split: str


def compare(first: Path, second: Path) -> Difference:
    """Compare two dataset folders, or two releases, by their `standoff.jsonl`.

    Raises:
        GonerdError: a folder has no stand-off file, or a broken one.
    """
    old, new = dict(_documents(first)), dict(_documents(second))
    both = sorted(old.keys() & new.keys())
    return Difference(
        added=tuple(sorted(new.keys() - old.keys())),
        removed=tuple(sorted(old.keys() - new.keys())),
        rewritten=tuple(name for name in both if old[name].text != new[name].text),
        relabelled=tuple(name for name in both if _differ(old[name].spans, new[name].spans)),
        moved=tuple(name for name in both if old[name].split != new[name].split),
    )


def _differ(one: str | None, other: str | None) -> bool:
    return one is not None and other is not None and one != other


def _hidden(folder: Path) -> frozenset[str]:
    """Return the splits whose labels are kept back, as far as the folder tells."""
    return read_release(folder).hidden if (folder / RELEASE).is_file() else frozenset()


def _documents(folder: Path) -> Iterator[tuple[str, _Document]]:
    path = folder / STANDOFF
    if not path.is_file():
        raise GonerdError(
            "no standoff.jsonl here", where=folder, remedy="Give folders written by `gonerd dataset build`"
        )
    hidden = _hidden(folder)
    for document in jsonl.read(path, StandoffDocument):
        spans = sha256_of(jsonl.dumps([[span.start, span.end, span.label] for span in document.spans]))
        told = None if document.split in hidden else spans
        yield document.id, _Document(document.text_sha256, told, document.split)
