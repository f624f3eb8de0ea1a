"""One document of each cluster of near-duplicates: the same one in whatever order they come."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from gonerd import store
from gonerd.formats import jsonl
from gonerd.records import Document, Dropped, Manifest, Progress, Reason, Shard, silent
from gonerd.scratch import scratch, scratch_room
from gonerd.similarity import Signatures, SimilarityConfig, signature

STAGE = "dedup"
CLUSTERS = "clusters.jsonl"
_LAST = "9999"  # published after all others: a document without a date


@dataclass(frozen=True, slots=True)
class Cluster:
    """Documents that are near-duplicates of each other."""

    ids: tuple[str, ...]  # sorted; the representative among them
    representative: str


class Choice:
    """Which documents are kept, and who stands for each of the others.

    Of a cluster the document published first is kept (one without a date counts as last), then the longest, then the
    one with the smallest id. Of different texts with one id, one is kept by the same rule, before clusters are made.
    All that is known of the documents is on disk, and so are their signatures.

    Args:
        read: gives the documents, as often as it is called, in any order.
        config: how alike near-duplicates are.
    """

    def __init__(self, read: Callable[[], Iterable[Document]], config: SimilarityConfig) -> None:
        self._base = scratch(
            "texts (id TEXT, sha256 TEXT, published TEXT, shortness INTEGER, number INTEGER, stand_in TEXT,"
            " met INTEGER DEFAULT 0, PRIMARY KEY (id, sha256)) WITHOUT ROWID",
            "groups (ordered TEXT, ids TEXT, representative TEXT)",
            "refused (id TEXT, reason TEXT, detail TEXT)",
        )
        self._base.executemany(
            "INSERT OR IGNORE INTO texts(id, sha256, published, shortness) VALUES (?, ?, ?, ?)",
            ((one.id, one.text_sha256, one.published or _LAST, -len(one.text)) for one in read()),
        )
        self._base.execute(
            "UPDATE texts SET stand_in = id WHERE EXISTS (SELECT 1 FROM texts other WHERE other.id = texts.id AND"
            " (other.published, other.shortness, other.sha256) < (texts.published, texts.shortness, texts.sha256))"
        )
        with Signatures(config) as signatures:
            for document in read():
                if self._is_next(document, signatures.count):
                    signatures.add(signature(document.text, config))
            self._base.execute("CREATE INDEX numbers ON texts(number)")
            for numbers in signatures.clusters():
                self._settle(numbers)

    def _is_next(self, document: Document, number: int) -> bool:
        """Give a document its number, unless it has one or another text of its id is kept."""
        found = self._base.execute(
            "UPDATE texts SET number = ? WHERE id = ? AND sha256 = ? AND number IS NULL AND stand_in IS NULL",
            (number, document.id, document.text_sha256),
        )
        return found.rowcount > 0

    def _settle(self, numbers: list[int]) -> None:
        """Keep one text of a cluster."""
        query = "SELECT published, shortness, id, number FROM texts WHERE number = ?"
        group = [self._base.execute(query, (number,)).fetchone() for number in numbers]
        _, _, kept, of_kept = min(group)
        others = [(kept, number) for *_, number in group if number != of_kept]
        self._base.executemany("UPDATE texts SET stand_in = ? WHERE number = ?", others)
        ids = sorted(name for _, _, name, _ in group)
        self._base.execute("INSERT INTO groups VALUES (?, ?, ?)", ("\0".join(ids), json.dumps(ids), kept))

    def clusters(self) -> Iterator[Cluster]:
        """Yield the clusters, in the order of their ids."""
        for ids, kept in self._base.execute("SELECT ids, representative FROM groups ORDER BY ordered"):
            yield Cluster(tuple(json.loads(ids)), kept)

    def kept(self, documents: Iterable[Document]) -> Iterator[Document]:
        """Yield the documents that are kept, and note the others."""
        for document in documents:
            if refusal := self._refusal(document):
                self._base.execute("INSERT INTO refused VALUES (?, ?, ?)", (refusal.id, refusal.reason, refusal.detail))
            else:
                yield document

    def refused(self) -> Iterator[Dropped]:
        """Yield what `kept` has left out so far, in order."""
        for name, reason, detail in self._base.execute("SELECT id, reason, detail FROM refused ORDER BY rowid"):
            yield Dropped(name, Reason(reason), detail)

    def _refusal(self, document: Document) -> Dropped | None:
        """Return why a document is not kept."""
        key = document.id, document.text_sha256
        query = "SELECT stand_in, met FROM texts WHERE id = ? AND sha256 = ?"
        stand_in, met = self._base.execute(query, key).fetchone()
        if met:
            return Dropped(document.id, Reason.DUPLICATE_BODY, "the same document came twice")
        self._base.execute("UPDATE texts SET met = 1 WHERE id = ? AND sha256 = ?", key)
        if stand_in == document.id:
            return Dropped(document.id, Reason.DUPLICATE_BODY, "another text of the same document is kept")
        return Dropped(document.id, Reason.NEAR_DUPLICATE, stand_in) if stand_in is not None else None


def dedup(folder: Path, out: Path, *, config: SimilarityConfig | None = None, progress: Progress = silent) -> Manifest:
    """Copy the documents of a stage folder to `out`, one of each cluster of near-duplicates.

    `clusters.jsonl` in `out` names the members of each cluster and its representative. The documents that are kept do
    not depend on the order of the input, which the output keeps.

    Raises:
        GonerdError: `folder` is no finished stage folder, `out` holds something else, or there is no room for temporary
            files.
    """
    config = config or SimilarityConfig()
    shards = store.shards(folder)
    run = store.Run(STAGE, config, tuple(store.sha256_file(path) for path in shards))
    if store.is_current(out, run):
        return store.read_manifest(out)
    with store.replacing(out, run) as work, scratch_room():
        _write(shards, work, run, config, progress)
    return store.read_manifest(out)


def _write(shards: Sequence[Path], work: Path, run: store.Run, config: SimilarityConfig, progress: Progress) -> None:
    total = 3 * len(shards)
    turns = count()
    choice = Choice(lambda: _documents(shards, progress, next(turns), total), config)
    outputs = []
    for number, path in enumerate(shards):
        name = f"{number:05d}.jsonl"
        written = jsonl.write(work / name, choice.kept(jsonl.read(path, Document)))
        outputs.append(Shard(name, store.sha256_file(work / name), written))
        progress(2 * len(shards) + number + 1, total)
    jsonl.write(work / CLUSTERS, choice.clusters())
    dropped = jsonl.write(work / store.DROPPED, choice.refused())
    read = dropped + sum(shard.records for shard in outputs)
    store.write_json(work / store.MANIFEST, run.manifest(outputs, read=read, dropped=choice.refused()))


def _documents(shards: Sequence[Path], progress: Progress, turn: int, total: int) -> Iterable[Document]:
    for number, path in enumerate(shards):
        yield from jsonl.read(path, Document)
        progress(turn * len(shards) + number + 1, total)
