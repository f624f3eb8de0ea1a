"""Which documents deduplication has recorded as so alike that they must share a split."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from gonerd.errors import GonerdError
from gonerd.formats import jsonl

CLUSTERS = "clusters.jsonl"


def recorded_clusters(folder: Path) -> Iterator[list[str]]:
    """Yield the clusters that deduplication has recorded in a documents folder; none where it did not run.

    Raises:
        GonerdError: a line has no list of ids.
    """
    path = folder / CLUSTERS
    if not path.is_file():
        return
    for number, value in jsonl.read_objects(path):
        ids = value.get("ids")
        if not isinstance(ids, list) or not ids or not all(isinstance(name, str) for name in ids):
            raise GonerdError("a cluster needs `ids`, a list of document ids", where=f"{path}, line {number}")
        yield ids
