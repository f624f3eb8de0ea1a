"""Labels that were kept back when a dataset was published: the folder in which they lie."""

from __future__ import annotations

from pathlib import Path

from gonerd.errors import GonerdError, unknown_name
from gonerd.formats import jsonl
from gonerd.formats.gold import Gold, read_gold
from gonerd.labels import LabelScheme
from gonerd.store import read_json

GOLD = "gold.json"  # beside <split>.jsonl: name and version of the dataset, the split and its fingerprint


def holds_kept_gold(folder: Path) -> bool:
    """Tell whether labels that were kept back lie in a folder."""
    return (folder / GOLD).is_file()


def read_kept_gold(folder: Path, split: str, *, scheme: LabelScheme) -> Gold:
    """Return the gold that was kept back when its dataset was published.

    Raises:
        GonerdError: it is that of another split, or not what was kept: its fingerprint is another.
    """
    kept = read_json(folder / GOLD)
    if not isinstance(kept, dict) or not {"name", "split", "fingerprint"} <= kept.keys():
        raise GonerdError("does not say what was kept here", where=folder / GOLD)
    if kept["split"] != split:
        raise unknown_name("split", split, [str(kept["split"])], where=folder)
    rows = read_gold(folder / f"{split}.jsonl", scheme=scheme)
    gold = Gold.of(rows, scheme=scheme, name=str(kept["name"]), split=split)
    if jsonl.to_json(gold.fingerprint) != kept["fingerprint"]:
        raise GonerdError(f"{split}.jsonl is not what was kept here: its fingerprint is another", where=folder)
    return gold
