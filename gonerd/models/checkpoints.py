"""Checkpoints in the transformers format: loading them safely, naming their revision, reading what they are.

A checkpoint is a folder (or a name on the Hub) with `config.json`, safetensors weights and a tokenizer. It may come
from anywhere: no code of its own is run and no pickle is opened.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gonerd.errors import GonerdError, unknown_name
from gonerd.labels import LabelScheme
from gonerd.models.origin import described_by, teacher_of, vocabulary_files
from gonerd.models.reach import reach_tokens
from gonerd.models.repository import CheckpointFiles, find_checkpoint
from gonerd.models.translate import is_lsg
from gonerd.models.weights import weight_files
from gonerd.store import sha256_file

PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl", "*.pickle")
WEIGHTS = "*.safetensors"
LISTED, MOST_LISTED = ("num_labels", "num_hidden_layers", "n_layers"), 20_000  # settings that become lists
SAFE: dict[str, Any] = {"trust_remote_code": False, "local_files_only": True}  # how files that are here are loaded


@dataclass(frozen=True, slots=True)
class CheckpointInfo:
    """What a checkpoint is, as its configuration says."""

    name: str
    revision: str
    architecture: str
    attention: str | None
    layers: int | None
    parameters: int
    reach_tokens: int | None
    labels: tuple[str, ...]
    teacher: str | None  # name of the teacher, if this is a student


def load_checkpoint(
    name_or_path: str | Path, *, scheme: LabelScheme | None, new_head: bool = False, revision: str | None = None
) -> tuple[Any, Any]:
    """Return the model, in evaluation mode and fp32, and the tokenizer of a token-classification checkpoint.

    Args:
        name_or_path: a folder, or a name on the Hub.
        scheme: the scheme that the model's labels must belong to, in whatever order; None where any labels will do.
        new_head: accept an encoder without a head, or with the head of another task, and give it a new one with the
            scheme's tags: for training only.
        revision: commit on the Hub.

    Raises:
        GonerdError: it is not there, is no such checkpoint, its weights are a pickle, incomplete or damaged, or a label
            is outside the scheme.
    """
    from transformers import AutoModelForTokenClassification

    files = _plain_files(name_or_path, revision)
    where = files.name
    config = load_config(files)
    _refuse_lsg(config, where=where)
    if scheme is not None:
        _settle_labels(config, scheme, where=where, new_head=new_head)
    with _explained(where), quietly():
        model, report = AutoModelForTokenClassification.from_pretrained(
            files.folder,
            config=config,
            use_safetensors=True,
            output_loading_info=True,
            ignore_mismatched_sizes=new_head,
            dtype="float32",
            **SAFE,
        )
    _check_complete(model, report, where=where, new_head=new_head)
    return model.eval(), load_tokenizer(files)


def read_config(name_or_path: str | Path, revision: str | None = None) -> Any:
    """Return the configuration of a token-classification checkpoint, without its weights.

    Raises:
        GonerdError: there is no such checkpoint, its weights are a pickle, or it is a model of another task.
    """
    config = load_config(_plain_files(name_or_path, revision))
    tasks = [name for name in config.architectures or () if not str(name).endswith("ForTokenClassification")]
    if tasks:
        raise GonerdError(
            f"this is no token classifier but a {tasks[0]}",
            where=name_or_path,
            remedy="Fine-tune it first: gonerd model finetune",
        )
    return config


def _settle_labels(config: Any, scheme: LabelScheme, *, where: str, new_head: bool) -> None:
    """Check that a model's labels are the scheme's, or give them to what is to get a new head."""
    if new_head and not _has_labels(config, scheme):
        set_labels(config, scheme)
    else:
        label_map(config, scheme, where=where)


def _plain_files(name_or_path: str | Path, revision: str | None = None) -> CheckpointFiles:
    """Return a checkpoint's files, whose weights must be safetensors."""
    files = find_checkpoint(name_or_path, revision=revision)
    _refuse_pickles(files.folder, where=files.name)
    return files


def _refuse_pickles(folder: Path, *, where: str) -> None:
    if any(folder.glob(WEIGHTS)):
        weight_files(folder)  # refuses an index that names files elsewhere, which transformers would open
        return
    pickles = sorted(path.name for pattern in PICKLES for path in folder.glob(pattern))
    if pickles:
        raise GonerdError(
            f"the weights are a pickle ({pickles[0]}), which could run code when opened; it is not opened",
            where=where,
            remedy="Have them saved as safetensors: model.save_pretrained(folder)",
        )
    raise GonerdError("no model weights (*.safetensors) in this folder", where=where)


def save_checkpoint(model: Any, tokenizer: Any, folder: Path) -> None:
    """Write a model and its tokenizer into a folder that is there."""
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    make_readable(folder)


def make_readable(folder: Path) -> None:
    """Give weights the permissions of the other files: safetensors writes them for the owner alone."""
    mode = (folder / "config.json").stat().st_mode & 0o777
    for weights in folder.glob(WEIGHTS):
        weights.chmod(mode)


@contextlib.contextmanager
def quietly() -> Iterator[None]:
    """Keep transformers from drawing bars and printing reports: the library never prints, and looks for itself."""
    import transformers.utils.logging

    logging: Any = transformers.utils.logging
    shown, verbosity = logging.is_progress_bar_enabled(), logging.get_verbosity()
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if shown:
            logging.enable_progress_bar()


class _explained:  # noqa: N801 - a context manager reads as a verb
    """Turns what transformers raises for a broken checkpoint into one line."""

    def __init__(self, where: str) -> None:
        self.where = where

    def __enter__(self) -> None:
        """Do nothing."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        # A hostile configuration makes it raise almost anything; a module or memory that is missing is another matter.
        if isinstance(error, Exception) and not isinstance(error, GonerdError | ImportError | MemoryError):
            line = next(iter(str(error).strip().splitlines()), type(error).__name__)
            raise GonerdError(f"not a usable checkpoint: {line}", where=self.where) from error


def load_config(files: CheckpointFiles) -> Any:
    """Return the configuration of a checkpoint as transformers reads it; its own code is never run.

    Raises:
        GonerdError: there is none, or it is not of a type that transformers knows.
    """
    from transformers import AutoConfig

    with _explained(files.name), quietly():
        _refuse_endless(files)
        return AutoConfig.from_pretrained(files.folder, **SAFE)


def _refuse_endless(files: CheckpointFiles) -> None:
    """Raise where a few bytes would make transformers write lists without an end."""
    file = files.folder / "config.json"
    settings: Any = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    for key in LISTED:
        count = settings.get(key) if isinstance(settings, dict) else None
        if isinstance(count, int | float) and not count <= MOST_LISTED:
            raise GonerdError(f"{key} is {count}", where=files.name, remedy=f"Up to {MOST_LISTED:,} are possible")


def _refuse_lsg(config: Any, *, where: str) -> None:
    if is_lsg(config.to_dict()):
        raise GonerdError(
            "an LSG model, whose attention transformers does not know: it would compute full attention in its place",
            where=where,
            remedy="Load it with gonerd.models.load_encoder; gonerd model finetune trains it",
        )


def load_tokenizer(files: CheckpointFiles) -> Any:
    """Return the tokenizer, which must be a fast one and treats each word as one that follows a space.

    RoBERTa-style tokenizers give a word at the very beginning other sub-tokens than inside a text unless they are told
    to add a space; models never saw most words that way.
    """
    from tokenizers.pre_tokenizers import ByteLevel

    tokenizer = read_tokenizer(files, add_prefix_space=True)
    if not tokenizer.is_fast:
        raise GonerdError("its tokenizer can not tell which word a sub-token belongs to", where=files.name)
    if isinstance(step := tokenizer.backend_tokenizer.pre_tokenizer, ByteLevel):
        step.add_prefix_space = True
    return tokenizer


def read_tokenizer(files: CheckpointFiles, **options: Any) -> Any:
    """Return the tokenizer of a checkpoint as it is, but for options of transformers.

    Raises:
        GonerdError: there is none, or it is damaged.
    """
    from transformers import AutoTokenizer

    if not vocabulary_files(files.folder):  # transformers would make one of special tokens alone
        raise GonerdError(
            "the vocabulary of its tokenizer is not in this folder",
            where=files.name,
            remedy="Save it beside the model: tokenizer.save_pretrained(folder)",
        )
    with _explained(files.name), quietly():
        return AutoTokenizer.from_pretrained(files.folder, **options, **SAFE)


def _has_labels(config: Any, scheme: LabelScheme) -> bool:
    return set(scheme.tags) == set(config.id2label.values())


def set_labels(config: Any, scheme: LabelScheme) -> None:
    """Give a model's configuration the tags of the scheme, in the order of their integers."""
    config.id2label = dict(enumerate(scheme.tags))
    config.label2id = {tag: number for number, tag in enumerate(scheme.tags)}


def output_labels(config: Any) -> tuple[str, ...]:
    """Return the names of a model's outputs, in their order."""
    return tuple(str(config.id2label[number]) for number in range(len(config.id2label)))


def label_map(config: Any, scheme: LabelScheme, *, where: object = None) -> tuple[int, ...]:
    """Return the scheme's integer for each output of a model, in the model's order.

    Raises:
        GonerdError: a label of the model is no tag of the scheme, or two outputs have the same label.
    """
    labels = output_labels(config)
    for label in labels:
        if label not in scheme.tags:
            raise unknown_name("label of the model", str(label), scheme.tags, where=where)
    if len(set(labels)) != len(labels):
        raise GonerdError("two outputs of the model have the same label", where=where)
    return tuple(scheme.tags.index(label) for label in labels)


def _check_complete(model: Any, report: dict[str, Any], *, where: str, new_head: bool) -> None:
    """Raise unless every weight was in the checkpoint: transformers fills missing ones with random numbers."""
    missing = sorted(report["missing_keys"]) + sorted(str(key[0]) for key in report["mismatched_keys"])
    encoder = f"{model.base_model_prefix}."
    wrong = [key for key in missing if not new_head or key.startswith(encoder)]
    if wrong:
        raise GonerdError(
            f"weights are missing or of another shape: {wrong[0]}" + (f" and {len(wrong) - 1} more" * (len(wrong) > 1)),
            where=where,
            remedy="It must be a complete token-classification model",
        )


def checkpoint_revision(name_or_path: str | Path) -> str:
    """Return what names the state of a checkpoint: a hash of configuration, tokenizer and weights, or the Hub's commit.

    Raises:
        GonerdError: there is no such checkpoint.
    """
    found = find_checkpoint(name_or_path)
    return revision_of_files(checkpoint_files(name_or_path)) if found.commit is None else found.commit


def revision_of_files(files: dict[str, str]) -> str:
    """Return the hash of a model's files, given as the SHA-256 of each by its name."""
    return hashlib.sha256("\n".join(f"{name} {digest}" for name, digest in files.items()).encode()).hexdigest()


def checkpoint_files(name_or_path: str | Path) -> dict[str, str]:
    """Return the SHA-256 of each file of a checkpoint that moves its answers.

    Raises:
        GonerdError: there is no such checkpoint, or no weights of it that are safe to open.
    """
    folder = _plain_files(name_or_path).folder
    files = sorted({*folder.glob(WEIGHTS), *described_by(folder)})
    return {file.name: sha256_file(file) for file in files}


def checkpoint_name(name_or_path: str | Path) -> str:
    """Return the name that results carry: the name on the Hub, or a folder's name."""
    path = Path(name_or_path)
    return path.resolve().name if path.is_dir() else str(name_or_path)


def describe(name_or_path: str | Path, model: Any, tokenizer: Any, *, config: Any = None) -> CheckpointInfo:
    """Return what a loaded checkpoint is; its configuration in transformers' form is the model's if not given."""
    config = config or model.config
    return CheckpointInfo(
        name=checkpoint_name(name_or_path),
        revision=checkpoint_revision(name_or_path),
        architecture=config.model_type,
        attention=_attention(config),
        layers=getattr(config, "num_hidden_layers", None),
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        reach_tokens=reach_tokens(config, tokenizer),
        labels=output_labels(config),
        teacher=teacher_of(Path(name_or_path)),
    )


def _attention(config: Any) -> str:
    """Return how far a position sees, as far as the configuration says."""
    if getattr(config, "sparsity_type", None) is not None:  # its model type is that of a model with full attention
        return f"LSG, blocks of {config.block_size}"
    window = getattr(config, "attention_window", None)
    if window is None and set(getattr(config, "layer_types", None) or ()) == {"sliding_attention"}:
        window = config.local_attention
    if window is None:
        return str(getattr(config, "attention_type", "full"))
    widths = sorted(set(window)) if isinstance(window, list) else [window]
    return f"window {'/'.join(str(width) for width in widths)}"
