"""What a checkpoint is, before anything is done with it: shape, reach, memory, licence, and whether it is safe."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gonerd.models.checkpoints import checkpoint_revision, load_config, read_tokenizer
from gonerd.models.config import FullAttention, LongformerAttention
from gonerd.models.load import is_known, load_encoder, located
from gonerd.models.origin import teacher_of
from gonerd.models.reach import reach_tokens
from gonerd.models.repository import SAFE_WEIGHTS, CheckpointFiles, find_checkpoint
from gonerd.models.translate import labels_of
from gonerd.models.weights import read_weights, weight_files

if TYPE_CHECKING:
    from gonerd.models.config import Attention, EncoderConfig

DOCUMENT = 4096  # sub-tokens of the document that memory is measured with, or the reach if that is less
MEASURED_LAYERS = 2  # in prediction a layer's memory is free again when the next one begins
CODE = ("*.py", "*.pyc", "*.so", "*.sh")
_LICENSE = re.compile(r"^license:\s*(\S+)\s*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """What a checkpoint is."""

    name: str
    revision: str | None  # the commit on the Hub, or a hash of the files; None for a pickle in a folder
    architecture: str  # its type, and the class that transformers has for it
    attention: str
    layers: int | None
    parameters: int
    reach_tokens: int | None
    labels: tuple[str, ...]
    teacher: str | None  # name of the teacher, if this is a student
    weights_bytes: int  # in fp32
    working_bytes: int | None  # at its peak, beside the weights, for one document of `DOCUMENT` in fp32 on the CPU
    license: str | None
    weight_files: tuple[str, ...]
    code_files: tuple[str, ...]  # they are never run

    @property
    def is_safe(self) -> bool:
        """Whether the weights are in a format that can not hold code."""
        return all(name.endswith(SAFE_WEIGHTS) for name in self.weight_files)


def model_info(name_or_path: str | Path, *, revision: str | None = None) -> ModelInfo:
    """Return what a checkpoint is; its weights are read, and a small part of it is run to measure its memory.

    Types that the encoder does not know are described as far as their configuration says.

    Raises:
        GonerdError: there is no such checkpoint, or it is damaged.
    """
    files = find_checkpoint(name_or_path, revision=revision)
    settings = load_config(files)
    with located(files.name):
        shape, parameters = _shape_and_size(files, settings)
        stored = tuple(file.name for file in weight_files(files.folder))
        classifies = "ForTokenClassification" in str(settings.architectures)
        labels = shape.labels or () if shape else labels_of(settings) if classifies else ()
    safe = all(name.endswith(SAFE_WEIGHTS) for name in stored)
    return ModelInfo(
        name=files.name,
        revision=files.commit or (checkpoint_revision(name_or_path) if safe else None),
        architecture=" ".join((str(settings.model_type), *(settings.architectures or ()))),
        attention="as transformers has it" if shape is None else describe_attention(shape.attention),
        layers=getattr(settings, "num_hidden_layers", None),
        parameters=parameters,
        reach_tokens=_reach(files, settings) if shape is None else shape.reach,
        labels=labels,
        teacher=teacher_of(files.folder),
        weights_bytes=4 * parameters,
        working_bytes=None if shape is None else working_bytes(shape, min(DOCUMENT, shape.reach)),
        license=_license(files.folder),
        weight_files=stored,
        code_files=tuple(sorted(path.name for pattern in CODE for path in files.folder.glob(pattern))),
    )


def _shape_and_size(files: CheckpointFiles, settings: Any) -> tuple[EncoderConfig | None, int]:
    """Return the shape of a checkpoint's encoder and its parameters; no shape, and those in the files, if the encoder
    does not know its type.
    """
    if not is_known(settings):
        return None, sum(weight.numel() for weight in read_weights(files.folder).values())
    encoder = load_encoder(files.folder)
    return encoder.config, sum(weight.numel() for weight in encoder.parameters())


def _reach(files: CheckpointFiles, settings: Any) -> int | None:
    return reach_tokens(settings, read_tokenizer(files))


def describe_attention(attention: Attention) -> str:
    """Return an attention's name and settings in one line."""
    name = type(attention).__name__.removesuffix("Attention")
    if isinstance(attention, FullAttention):
        return name.lower()
    values = []
    for field in fields(attention):
        value = getattr(attention, field.name)
        if field.name == "windows":
            value = "/".join(map(str, sorted(set(value))))
        values.append(f"{field.name.replace('_', ' ')} {value}")
    return f"{name}: {', '.join(values)}"


def _license(folder: Path) -> str | None:
    """Return the licence that the card states, if there is a card that states one."""
    card = folder / "README.md"
    if not card.is_file():
        return None
    with card.open(encoding="utf-8", errors="replace") as file:
        head = file.read(1 << 16)
    front = head.split("\n---", 1)[0] if head.startswith("---") else ""
    match = _LICENSE.search(front)
    return match[1].strip("\"'") if match else None


def working_bytes(shape: EncoderConfig, tokens: int) -> int:
    """Return the memory that predicting one document takes at its peak, beside the weights, in fp32 on the CPU.

    It is counted on an encoder of two layers with arbitrary weights: all that torch's operations return and that is
    alive at the same time. What they take inside and give back before they end is not in it.
    """
    import torch

    from gonerd.models.encoder import Encoder
    from gonerd.models.memory import PeakCounter

    layers = min(MEASURED_LAYERS, shape.layers)
    attention = shape.attention
    if isinstance(attention, LongformerAttention):
        attention = replace(attention, windows=attention.windows[:layers])
    with torch.random.fork_rng(devices=[]), torch.inference_mode():
        encoder = Encoder(replace(shape, layers=layers, attention=attention)).eval()
        document = torch.zeros(1, tokens, dtype=torch.long)
        with PeakCounter(apart_from=encoder.parameters()) as counter:
            encoder(document)
    return int(counter.peak)
