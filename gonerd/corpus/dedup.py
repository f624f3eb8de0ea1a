"""One document of each cluster of near-duplicates: the same one in whatever order they come."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gonerd import store
from gonerd.formats import jsonl
from gonerd.records import Document, Dropped, Manifest, Progress, Reason, Shard, silent
from gonerd.similarity import SimilarityConfig, clusters, signature

STAGE = "dedup"
CLUSTERS = "clusters.jsonl"


@dataclass(frozen=True, slots=True)
class Cluster:
    """Documents that are near-duplicates of each other."""

    ids: tuple[str, ...]  # sorted; the representative among them
    representative: str


@dataclass(frozen=True, slots=True)
class _Candidate:
    """What the choice needs to know of a document."""

    id: str
    text_sha256: str
    rank: tuple[str, int, str, str]  # the lowest is kept

    @property
    def key(self) -> str:
        """What tells it from all others: two pages of one URL have one id."""
        return f"{self.id}\x1f{self.text_sha256}"


def choose(documents: Iterable[Document], config: SimilarityConfig) -> tuple[dict[str, str], list[Cluster]]:
    """Return who stands for each document that is not kept, and the clusters.

    Of a cluster the document published first is kept (one without a date counts as last), then the longest, then the
    one with the smallest id. Of different texts with one id, one is kept by the same rule, before clusters are made.
    The first return value is keyed by id and hash of the text.
    """
    candidates: dict[str, _Candidate] = {}
    signatures: dict[str, Any] = {}
    stand_in: dict[str, str] = {}
    for document in documents:
        rank = (document.published or "9999", -len(document.text), document.id, document.text_sha256)
        candidate = _Candidate(document.id, document.text_sha256, rank)
        other = candidates.get(candidate.id, candidate)
        best, rest = sorted((candidate, other), key=lambda one: one.rank)
        if best.key != rest.key:
            stand_in[rest.key] = rest.id
        if best is candidate:
            candidates[candidate.id] = candidate
            signatures[candidate.id] = signature(document.text, config)
    groups = [[candidates[name] for name in group] for group in clusters(signatures, config)]
    found = []
    for group in groups:
        best = min(group, key=lambda candidate: candidate.rank)
        stand_in.update({candidate.key: best.id for candidate in group if candidate is not best})
        found.append(Cluster(tuple(sorted(candidate.id for candidate in group)), best.id))
    return stand_in, [cluster for cluster in found if len(cluster.ids) > 1]


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
    total = 2 * len(shards)
    stand_in, found = choose(_documents(shards, progress, total), config)
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
        progress(len(shards) + number + 1, total)
    jsonl.write(work / CLUSTERS, found)
    jsonl.write(work / store.DROPPED, dropped)
    read = len(dropped) + sum(shard.records for shard in outputs)
    store.write_json(work / store.MANIFEST, run.manifest(outputs, read=read, dropped=dropped))


def _documents(shards: Sequence[Path], progress: Progress, total: int) -> Iterable[Document]:
    for number, path in enumerate(shards):
        yield from jsonl.read(path, Document)
        progress(number + 1, total)


def _refusal(document: Document, stand_in: dict[str, str], seen: set[str]) -> Dropped | None:
    """Return why a document is not kept."""
    key = f"{document.id}\x1f{document.text_sha256}"
    if key in seen:
        return Dropped(document.id, Reason.DUPLICATE_BODY, "the same document came twice")
    seen.add(key)
    if stand_in.get(key) == document.id:
        return Dropped(document.id, Reason.DUPLICATE_BODY, "another text of the same document is kept")
    return Dropped(document.id, Reason.NEAR_DUPLICATE, stand_in[key]) if key in stand_in else None
