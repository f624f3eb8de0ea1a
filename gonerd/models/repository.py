"""Where a checkpoint's files are: a folder, or a name on the Hub whose files are fetched at one commit."""

from __future__ import annotations

import glob
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gonerd.bars import without_bars
from gonerd.errors import GonerdError

if TYPE_CHECKING:
    from huggingface_hub.hf_api import ModelInfo

HUB_NAME = re.compile(r"(?!\.)[\w.-]+/(?!\.)[\w.-]+", re.ASCII)
PROBE_SECONDS = 10  # to wait for the Hub before it counts as out of reach
SAFE_WEIGHTS, PICKLED_WEIGHTS = ".safetensors", ".bin"
# What a checkpoint needs beside its weights, and what says what it is.
TEXT = re.compile(r"(config|tokenizer|tokenizer_config|special_tokens_map|added_tokens|vocab|.*\.index)\.json|.*\.txt")
TEXT_MORE = re.compile(r".*\.model|.*\.bpe|README\.md")  # sentencepiece, and the card


@dataclass(frozen=True, slots=True)
class CheckpointFiles:
    """The files of a checkpoint."""

    name: str  # a folder as it was given, or a name on the Hub
    folder: Path
    commit: str | None  # on the Hub; None for a folder


def find_checkpoint(name_or_path: str | Path, *, revision: str | None = None) -> CheckpointFiles:
    """Return where a checkpoint's files are, fetching them if they are on the Hub.

    All files are of one commit. A folder is never looked for on the Hub, and of a repository that has safetensors no
    other weights are fetched. Without a network, what was fetched before is used.

    Args:
        name_or_path: a folder, or a name on the Hub (organisation/name).
        revision: commit, tag or branch on the Hub; the newest if not given.

    Raises:
        GonerdError: it is not there, or the Hub can not be reached.
    """
    path = Path(name_or_path)
    if path.is_dir():
        return CheckpointFiles(str(name_or_path), path, None)
    if isinstance(name_or_path, Path) or not HUB_NAME.fullmatch(name_or_path):
        raise GonerdError("no such folder, and no name on the Hub (organisation/name)", where=name_or_path)
    info = _ask_hub(name_or_path, revision)
    folder = _fetched(name_or_path, revision) if info is None else _fetch(name_or_path, revision, info)
    return CheckpointFiles(name_or_path, folder, folder.name)


def _ask_hub(name: str, revision: str | None) -> ModelInfo | None:
    """Return what the Hub says of a model, asking once: transformers would ask six times for half a minute.

    None means that the Hub can not be reached.
    """
    import transformers  # noqa: F401 - first, so that where it is missing its extra is named
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError

    try:
        return HfApi().model_info(name, revision=revision, timeout=PROBE_SECONDS)
    except HfHubHTTPError as error:
        line = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise GonerdError(f"not on the Hub: {line}", where=name) from error
    except Exception:  # whatever stands between here and the Hub, of whichever HTTP library
        return None


def _fetched(name: str, revision: str | None) -> Path:
    """Return the folder of what was fetched from the Hub before."""
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(name, "config.json", revision=revision)
    if not isinstance(found, str):
        raise GonerdError(
            "no such folder, and the Hub cannot be reached to look for it there",
            where=name,
            remedy="Name a folder, or try again with a network",
        )
    return Path(found).parent


def _fetch(name: str, revision: str | None, info: ModelInfo) -> Path:
    """Fetch a model's files, all of one commit, and return their folder, which has the commit's name."""
    from huggingface_hub import snapshot_download, utils

    wanted = wanted_files(sibling.rfilename for sibling in info.siblings or ())
    if "config.json" not in wanted:
        raise GonerdError("this repository has no config.json: it is no model that transformers loads", where=name)
    try:
        with without_bars(utils):
            folder = snapshot_download(name, revision=revision, allow_patterns=[glob.escape(file) for file in wanted])
    except Exception as error:  # of whichever HTTP library, or the disk
        line = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise GonerdError(f"its files can not be fetched: {line}", where=name) from error
    return Path(folder)


def wanted_files(names: Iterable[str]) -> list[str]:
    """Return which files of a repository make the checkpoint: never code, and pickles only where nothing else is."""
    here = sorted(name for name in names if "/" not in name)
    safe = any(name.endswith(SAFE_WEIGHTS) for name in here)
    ending = SAFE_WEIGHTS if safe else PICKLED_WEIGHTS
    return [name for name in here if name.endswith(ending) or TEXT.fullmatch(name) or TEXT_MORE.fullmatch(name)]
