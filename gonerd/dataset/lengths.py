"""How long documents are to a given model: in the sub-tokens of its tokenizer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gonerd.dataset.files import data_files
from gonerd.dataset.statistics import in_order, longer_shares, quantiles
from gonerd.dataset.views import align_labels
from gonerd.errors import GonerdError
from gonerd.formats.parquet import read_rows
from gonerd.records import Progress, silent

_DOCUMENTS = 32


@dataclass(frozen=True, slots=True)
class SubTokenLengths:
    """Sub-tokens of the documents of a split, special tokens included."""

    documents: int
    sub_tokens: int
    length: dict[str, int]  # quantiles, nearest rank
    longer: dict[str, float]  # share of the documents with more sub-tokens than so many


def sub_token_lengths(folder: Path, tokenizer: str, *, progress: Progress = silent) -> dict[str, SubTokenLengths]:
    """Return by split, and for `all`, how long the documents of a dataset's folder are to a tokenizer.

    Args:
        folder: a dataset's folder.
        tokenizer: a model's folder or its name on the Hub; no code that lies there is ever run.
        progress: told how many documents are done.

    Raises:
        GonerdError: the tokenizer cannot be loaded or is not a fast one, or the folder holds no dataset.
    """
    loaded = _load(tokenizer)
    found: dict[str, list[int]] = {}
    for split, paths in data_files(folder).items():
        lengths = found.setdefault(split, [])
        for path in paths:
            batch: list[list[str]] = []
            for row in read_rows(path, columns=("tokens",), batch=_DOCUMENTS):
                batch.append(row["tokens"])
                if len(batch) == _DOCUMENTS:
                    lengths += _count(loaded, batch)
                    batch = []
                    progress(sum(map(len, found.values())), None)
            lengths += _count(loaded, batch)
    described = {split: _describe(found[split]) for split in in_order(found)}
    return {**described, "all": _describe([length for lengths in found.values() for length in lengths])}


def _load(name: str) -> Any:
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(name, trust_remote_code=False)
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise GonerdError(f"no tokenizer can be loaded ({reason})", where=name) from error


def _count(tokenizer: Any, documents: Sequence[Sequence[str]]) -> list[int]:
    rows = align_labels(tokenizer, {"tokens": list(documents)}) if documents else {"input_ids": []}
    return [len(ids) for ids in rows["input_ids"]]


def _describe(lengths: list[int]) -> SubTokenLengths:
    return SubTokenLengths(len(lengths), sum(lengths), quantiles(Counter(lengths)), longer_shares(Counter(lengths)))
