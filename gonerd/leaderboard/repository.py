"""A results repository to start from: where submissions are proposed, verified by a workflow, and shown as a board."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from gonerd import __version__
from gonerd.errors import GonerdError
from gonerd.leaderboard.send import FOLDER
from gonerd.store import write_atomic

_TEMPLATES = Path(__file__).with_name("templates")
_FILES = {
    ".github/workflows/leaderboard.yml": "results_workflow.yml",
    "README.md": "results_readme.md",
    "reviewed.toml": "results_reviewed.toml",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RepositoryConfig:
    """What a results repository is about."""

    data: str
    """The gold of the board: a dataset's name on the Hub, or its path in the repository."""
    split: str = "test"
    """Split of the data."""
    per_month: int = 4
    """Submissions of one name or contact in a calendar month."""


def write_repository(out: Path, config: RepositoryConfig) -> list[Path]:
    """Write the files of a results repository into the folder `out`; return their paths.

    Raises:
        GonerdError: one of the files is there already.
    """
    if existing := [name for name in _FILES if (out / name).exists()]:
        raise GonerdError(f"there is a {existing[0]} already", where=out, remedy="Choose another folder")
    written = []
    for name, template in _FILES.items():
        text = (_TEMPLATES / template).read_text(encoding="utf-8")
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        write_atomic(out / name, _filled(text, config, quoted=template.endswith(".yml")))
        written.append(out / name)
    (out / FOLDER).mkdir(exist_ok=True)
    write_atomic(out / FOLDER / ".gitkeep", "")
    return [*written, out / FOLDER]


def _filled(text: str, config: RepositoryConfig, *, quoted: bool) -> str:
    """Return a template with its fields filled; in YAML a text is quoted as JSON, which YAML reads."""
    values = {
        "data": json.dumps(config.data) if quoted else config.data,
        "split": json.dumps(config.split) if quoted else config.split,
        "per_month": str(config.per_month),
        "version": __version__,
    }
    for name, value in values.items():
        text = text.replace(f"@{name}@", value)
    return text
