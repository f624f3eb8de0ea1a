"""Which documents are so alike that they must share a split."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gonerd.errors import GonerdError
from gonerd.formats import jsonl
from gonerd.similarity import SimilarityConfig, clusters, signature

if TYPE_CHECKING:
    from numpy.typing import NDArray

CLUSTERS = "clusters.jsonl"


class Grouper:
    """Finds the documents that share a good part of their wording; looser than what deduplication takes out."""

    def __init__(self, threshold: float) -> None:
        # Two rows a band: at the threshold of 0.3 a pair is missed as a candidate once in 400 times.
        self._config = SimilarityConfig(bands=64, rows=2, threshold=threshold)
        self._signatures: dict[str, NDArray[Any]] = {}

    def add(self, document_id: str, text: str) -> None:
        """Take up a text."""
        # Half of each minimum: two that differ have the same lower half once in four thousand million.
        self._signatures[document_id] = signature(text, self._config).astype("uint32")

    def alike(self) -> list[list[str]]:
        """Return the groups of two ids or more."""
        return clusters(self._signatures, self._config)


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
