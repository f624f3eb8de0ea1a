"""What a model's folder says of it: the files that move its answers, and how it was trained."""

from __future__ import annotations

from pathlib import Path

from gonerd.store import MANIFEST, read_json

# What moves a checkpoint's answers beside its weights: its configuration, and any file that a tokenizer is read from.
DESCRIBING = ["config.json", "tokenizer*", "special_tokens_map.json", "added_tokens.json"]
DESCRIBING += ["vocab*", "merges*", "*.model", "*.bpe", "bpe.codes"]


_NO_VOCABULARY = {"config.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"}


def vocabulary_files(folder: Path) -> list[Path]:
    """Return the files of a checkpoint that a tokenizer's vocabulary may be in."""
    return [path for path in described_by(folder) if path.name not in _NO_VOCABULARY]


def described_by(folder: Path) -> list[Path]:
    """Return the files of a checkpoint that move its answers, beside its weights."""
    return sorted({path for pattern in DESCRIBING for path in folder.glob(pattern) if path.is_file()})


def teacher_of(folder: Path) -> str | None:
    """Return the name of the teacher that the model in a folder was distilled from, if it was."""
    teacher = trained_with(folder, "teacher")
    return teacher if isinstance(teacher, str) else None


def trained_with(folder: Path, setting: str) -> object:
    """Return a setting of the training from the manifest in a model's folder; None where it says nothing of it."""
    manifest = read_json(folder / MANIFEST) if (folder / MANIFEST).is_file() else None
    config = manifest.get("config") if isinstance(manifest, dict) else None
    return config.get(setting) if isinstance(config, dict) else None
