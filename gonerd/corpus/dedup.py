"""One document of each cluster of near-duplicates: the same one in whatever order they come."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from gonerd import store
from gonerd.formats import jsonl
from gonerd.records import Document, Dropped, Manifest, Progress, Reason, Shard, silent
from gonerd.similarity import Signatures, SimilarityConfig, signature

STAGE = "dedup"
CLUSTERS = "clusters.jsonl"


@dataclass(frozen=True, slots=True)
class Cluster:
    """Documents that are near-duplicates of each other."""

    ids: tuple[str, ...]  # sorted; the representative among them
    representative: str


Rank = tuple[str, int, str, str]  # the lowest is kept: published, longest, id, hash of the text


def choose(read: Callable[[], Iterable[Document]], config: SimilarityConfig) -> tuple[dict[str, str], list[Cluster]]:
    """Return who stands for each document that is not kept, and the clusters.

    Of a cluster the document published first is kept (one without a date counts as last), then the longest, then the
    one with the smallest id. Of different texts with one id, one is kept by the same rule, before clusters are made.
    The first return value is keyed by id and hash of the text. Signatures wait on disk; in memory stay a document's id,
    hash, date and length.

    Args:
        read: gives the documents, as often as it is called, in any order.
        config: how alike near-duplicates are.
    """
    best: dict[str, Rank] = {}
    stand_in: dict[str, str] = {}
    for document in read():
        rank = _rank(document)
        other = best.get(document.id, rank)
        best[document.id] = min(rank, other)
        if rank != other:
            stand_in[_key(max(rank, other))] = document.id
    numbered: list[Rank] = []
    found: list[Cluster] = []
    with Signatures(config) as signatures:
        done: set[str] = set()
        for document in read():
            if best[document.id] == _rank(document) and document.id not in done:
                done.add(document.id)
                signatures.add(signature(document.text, config))
                numbered.append(best[document.id])
        for numbers in signatures.clusters():
            group = [numbered[number] for number in numbers]
            kept = min(group)
            stand_in.update({_key(rank): kept[2] for rank in group if rank is not kept})
            found.append(Cluster(tuple(sorted(rank[2] for rank in group)), kept[2]))
    return stand_in, sorted(found, key=lambda cluster: cluster.ids)


def _rank(document: Document) -> Rank:
    return document.published or "9999", -len(document.text), document.id, document.text_sha256


def _key(rank: Rank) -> str:
    """Return what tells a text from all others: two pages of one URL have one id."""
    return f"{rank[2]}\x1f{rank[3]}"


def dedup(folder: Path, out: Path, *, config: SimilarityConfig | None = None, progress: Progress = silent) -> Manifest:
    """Copy the documents of a stage folder to `out`, one of each cluster of near-duplicates.

    `clusters.jsonl` in `out` names the members of each cluster and its representative. The documents that are kept do
    not depend on the order of the input, which the output keeps.

    Raises:
        GonerdError: `folder` is no finished stage folder, or `out` holds something else.
    """
    config = config or SimilarityConfig()
    shards = store.shards(folder)
    run = store.Run(STAGE, config, tuple(store.sha256_file(path) for path in shards))
    if store.is_current(out, run):
        return store.read_manifest(out)
    with store.replacing(out, run) as work:
        _write(shards, work, run, config, progress)
    return store.read_manifest(out)


def _write(shards: Sequence[Path], work: Path, run: store.Run, config: SimilarityConfig, progress: Progress) -> None:
    total = 3 * len(shards)
    reads = count()
    stand_in, found = choose(lambda: _documents(shards, progress, next(reads), total), config)
    dropped: list[Dropped] = []
    outputs = []
    seen: set[str] = set()
    for number, path in enumerate(shards):
        kept = []
        for document in jsonl.read(path, Document):
            refusal = _refusal(document, stand_in, seen)
            if refusal:
                dropped.append(refusal)
            else:
                kept.append(document)
        name = f"{number:05d}.jsonl"
        written = jsonl.write(work / name, kept)
        outputs.append(Shard(name, store.sha256_file(work / name), written))
        progress(2 * len(shards) + number + 1, total)
    jsonl.write(work / CLUSTERS, found)
    jsonl.write(work / store.DROPPED, dropped)
    read = len(dropped) + sum(shard.records for shard in outputs)
    store.write_json(work / store.MANIFEST, run.manifest(outputs, read=read, dropped=dropped))


def _documents(shards: Sequence[Path], progress: Progress, turn: int, total: int) -> Iterable[Document]:
    for number, path in enumerate(shards):
        yield from jsonl.read(path, Document)
        progress(turn * len(shards) + number + 1, total)


def _refusal(document: Document, stand_in: dict[str, str], seen: set[str]) -> Dropped | None:
    """Return why a document is not kept."""
    key = f"{document.id}\x1f{document.text_sha256}"
    if key in seen:
        return Dropped(document.id, Reason.DUPLICATE_BODY, "the same document came twice")
    seen.add(key)
    if stand_in.get(key) == document.id:
        return Dropped(document.id, Reason.DUPLICATE_BODY, "another text of the same document is kept")
    return Dropped(document.id, Reason.NEAR_DUPLICATE, stand_in[key]) if key in stand_in else None
