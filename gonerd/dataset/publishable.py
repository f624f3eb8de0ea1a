"""What must hold before a dataset's folder is published, and which of its files are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from gonerd.dataset.facts import read_build_config
from gonerd.dataset.files import data_files, is_standoff_only, split_of
from gonerd.dataset.licenses import objections
from gonerd.dataset.previous import PREVIOUS
from gonerd.dataset.release import RELEASE, STANDOFF, StandoffDocument
from gonerd.dataset.statistics import STATISTICS
from gonerd.errors import GonerdError
from gonerd.formats import jsonl
from gonerd.formats.parquet import read_rows
from gonerd.formats.removed import REMOVED, Removed
from gonerd.records import Manifest
from gonerd.store import DROPPED, MANIFEST, read_json, read_manifest, sha256_file

CARD = "README.md"
CROISSANT = "croissant.json"
REQUIRED = (CARD, CROISSANT, MANIFEST, RELEASE, STANDOFF, STATISTICS)
OPTIONAL = (DROPPED, PREVIOUS, "widened.jsonl", REMOVED)
_DESCRIBED = {"annotators": "who annotated, and how", "contact": "where to ask for a removal", "summary": "what it is"}
_CARD_FIELDS = (
    "license", "language", "annotations_creators", "task_categories", "size_categories", "configs", "dataset_info",
)  # fmt: skip


def check_publishable(folder: Path) -> Manifest:
    """Return the manifest of a folder that may be published.

    Raises:
        GonerdError: files are missing or are not those of the manifest, the card is incomplete, or a document has no
            licence, or one that forbids to pass its text on. The line names every fault.
    """
    manifest = read_manifest(folder)
    if not is_standoff_only(manifest):
        data_files(folder)
    missing = [name for name in _required(manifest) if not (folder / name).is_file()]
    if missing:
        raise GonerdError(
            f"{', '.join(missing)} is missing", where=folder, remedy="Build the dataset with this version of gonerd"
        )
    faults = [*_damaged(folder, manifest), *_unlicensed(folder, manifest), *_undescribed(folder, manifest)]
    faults += _card_faults(folder / CARD, manifest)
    if faults:
        raise GonerdError(
            f"not ready to be published: {'; '.join(faults)}",
            where=folder,
            remedy="Build it again with that",
        )
    return manifest


def published_files(folder: Path) -> tuple[dict[str, Path], list[str]]:
    """Return the files of a dataset that are published, by their names, and those in the folder that are not."""
    manifest = read_manifest(folder)
    names = [*_required(manifest), *(name for name in OPTIONAL if (folder / name).is_file())]
    names += [shard.name for shard in manifest.outputs]
    names += [path.relative_to(folder).as_posix() for path in sorted((folder / "plots").glob("*.png"))]
    present = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    return {name: folder / name for name in sorted({*names})}, sorted(present - {*names})


def _required(manifest: Manifest) -> tuple[str, ...]:
    """Return the files that a dataset must have; one without its text has no records to describe for machines."""
    return tuple(name for name in REQUIRED if name != CROISSANT or not is_standoff_only(manifest))


def _damaged(folder: Path, manifest: Manifest) -> Iterator[str]:
    """Yield the files that are not the ones the manifest, or release.json, was written for."""
    for shard in manifest.outputs:
        path = folder / shard.name
        if not path.is_file():
            yield f"{shard.name} is missing"
        elif sha256_file(path) != shard.sha256:
            yield f"{shard.name} is not the file that {MANIFEST} names"
    if read_json(folder / RELEASE).get("standoff_sha256") != sha256_file(folder / STANDOFF):
        yield f"{STANDOFF} is not the file that {RELEASE} names"


def _unlicensed(folder: Path, manifest: Manifest) -> Iterator[str]:
    """Yield how many documents have no licence, as nobody could use them, and which licences forbid to pass text on."""
    without: list[str] = []
    stated: set[str] = set()
    for row in _rows(folder):
        found = (row["license"] or "").strip()
        stated.add(found) if found else without.append(str(row["id"]))
    if without:
        more = ", …" if len(without) > 3 else ""
        yield f"{len(without)} documents have no licence ({', '.join(without[:3])}{more})"
    if not is_standoff_only(manifest):
        yield from (f"the licence {against}" for against in objections(stated))


def check_removed(folder: Path, removed: Removed, *, where: object) -> None:
    """Raise if a document that someone has asked to be taken out is in a dataset's folder."""
    found = [str(row["id"]) for row in _rows(folder) if removed.find(row["id"], row["url"])]
    if found:
        raise GonerdError(
            f"{len(found)} documents are in it that were to be removed ({', '.join(found[:3])}"
            f"{', …' if len(found) > 3 else ''}), as {where} says",
            where=folder,
            remedy="Build it again with this list as --removed, and a new --version",
        )


def check_still_hidden(standoff: Path, published: Path, *, hidden: Collection[str], own: Collection[str]) -> None:
    """Raise if a document whose labels are kept back where it is published would go to a split that shows them.

    Args:
        standoff: of the dataset that is to be published.
        published: of the one that is there.
        hidden: the splits whose labels are kept back there.
        own: those whose labels are kept back here.
    """
    kept = [one for one in jsonl.read(published, StandoffDocument) if one.split in hidden]
    known = {one.id for one in kept} | {one.text_sha256 for one in kept}
    entries = (one for one in jsonl.read(standoff, StandoffDocument) if one.split not in own)
    shown = [one.id for one in entries if known & {one.id, one.text_sha256}]
    if shown:
        named = ", ".join(shown[:3]) + (", …" if len(shown) > 3 else "")
        raise GonerdError(
            f"{len(shown)} documents are in splits with labels ({named}), but the repository hides theirs",
            where=standoff,
            remedy="Build it with that release as --previous, so that documents stay in their splits",
        )


def check_kept(removed: Removed, published: Removed, *, where: object, folder: Path) -> None:
    """Raise if a list of removals lacks requests that the published one has: the next version would forget them."""
    left = [*(published.ids.keys() - removed.ids.keys()), *(published.urls.keys() - removed.urls.keys())]
    if left:
        raise GonerdError(
            f"it was built without {len(left)} of the requests for removal that {where} has",
            where=folder,
            remedy="Build it again with that list, and whatever has come since, as --removed",
        )


def _rows(folder: Path) -> Iterator[dict[str, Any]]:
    """Yield id, address and licence of every document, from its data or, without text, from the Release."""
    if is_standoff_only(read_manifest(folder)):
        yield from (value for _, value in jsonl.read_objects(folder / STANDOFF))
        return
    for path in (path for paths in data_files(folder).values() for path in paths if path.is_file()):
        yield from read_rows(path, columns=("id", "url", "license"))


def _undescribed(folder: Path, manifest: Manifest) -> Iterator[str]:
    """Yield what the card could not say because the build was not told."""
    config = read_build_config(manifest, where=folder)
    for name, meaning in _DESCRIBED.items():
        if not getattr(config, name).strip():
            yield f"the build was not told {meaning} (--{name})"


def _card_faults(path: Path, manifest: Manifest) -> Iterator[str]:
    """Yield what is missing in a card, or is not what the data says."""
    from huggingface_hub import DatasetCard

    without_text = is_standoff_only(manifest)
    try:
        card = DatasetCard.load(path)
        front: dict[str, Any] = card.data.to_dict()
    except Exception as error:  # YAML has many errors
        yield f"{CARD} has no readable front matter ({' '.join(str(error).split())})"
        return
    fields = [name for name in _CARD_FIELDS if name not in ("configs", "dataset_info") or not without_text]
    for name in fields:
        if not front.get(name):
            yield f"{CARD} does not give {name}"
    if any(trace in card.text for trace in ("{{", "{%")):
        yield f"{CARD} has unfilled fields"
    rows = Counter({split_of(shard.name): shard.records for shard in manifest.outputs})
    splits = (front.get("dataset_info") or {}).get("splits") or []
    if not without_text and {split.get("name"): split.get("num_examples") for split in splits} != dict(rows):
        yield f"{CARD} counts other documents than {MANIFEST}"
