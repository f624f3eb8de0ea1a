"""Saving an encoder as a folder that transformers loads."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from gonerd.models.checkpoints import make_readable
from gonerd.models.families import BIGBIRD, LSG_ROBERTA, Family
from gonerd.models.translate import BARE, CLASSIFIES, FILLS, family_for, family_of, settings_of, weight_names
from gonerd.models.weights import SAFETENSORS
from gonerd.store import write_atomic

if TYPE_CHECKING:
    import torch

    from gonerd.models.config import EncoderConfig
    from gonerd.models.encoder import Encoder

# What a checkpoint of one type keeps of one of another: nothing that says how to compute.
KEPT = ("bos_token_id", "eos_token_id", "sep_token_id", "cls_token_id", "mask_token_id", "initializer_range")
LOST = ("_name_or_path", "transformers_version", "architectures", "torch_dtype", "dtype")  # said anew
LSG_NOTE = """# This is an LSG model

`config.json` and the weights have the names of the published LSG-RoBERTa checkpoints. transformers alone does not know
LSG attention: it would load this folder as a RoBERTa with full attention and answer differently, without a word. Load
it with gonerd (`gonerd.models.load_encoder(folder)`, or any `gonerd` command), or with the authors' code
(`lsg-converter` with transformers up to 4.44: `LSGRobertaForTokenClassification.from_pretrained(folder)` and its kin).
"""


def save_encoder(encoder: Encoder, folder: Path, *, tokenizer: Any = None) -> None:
    """Write an encoder into a folder that transformers loads to the same answers.

    It is saved as the type that it was loaded as; if its attention is another now, as the type that has that one. LSG,
    which transformers lacks, keeps the keys of the published checkpoints, with a note.

    Args:
        encoder: the encoder.
        folder: where it goes; made if it is not there.
        tokenizer: of transformers, to save with it.

    Raises:
        GonerdError: transformers has no type that computes what this encoder does.
    """
    from safetensors.torch import save_file

    family = family_for(encoder.config, encoder.source.settings)
    head = _head(encoder.config)
    weights = encoder.state_dict()
    prefixed = head != BARE
    names = weight_names(weights, family, prefixed=prefixed)
    folder.mkdir(parents=True, exist_ok=True)
    _settings(encoder, family, head).save_pretrained(folder)
    stored = {names[name]: weight for name, weight in weights.items()}
    stored |= {f"{family.prefix}." * prefixed + name: weight for name, weight in _pooler(encoder, family).items()}
    stored = {name: weight.detach().cpu().contiguous() for name, weight in stored.items()}
    save_file(stored, folder / SAFETENSORS, metadata={"format": "pt"})
    if tokenizer is not None:
        tokenizer.save_pretrained(folder)
    if family is LSG_ROBERTA:
        write_atomic(folder / "LSG.md", LSG_NOTE)
    make_readable(folder)


def _head(config: EncoderConfig) -> str:
    if config.labels is not None:
        return CLASSIFIES
    return FILLS if config.masked_lm else BARE


def _pooler(encoder: Encoder, family: Family) -> dict[str, torch.Tensor]:
    """Return the pooler to save: the checkpoint's own, or for BigBird, which always has one, zeros.

    No answer of the heads here depends on it, but transformers says that weights are missing where it is not there.
    """
    source, table = encoder.source, encoder.embeddings.tokens.weight
    if source.pooler and family_of(source.settings) is family:
        return dict(source.pooler)
    if family is not BIGBIRD:
        return {}
    return {"pooler.weight": table.new_zeros(2 * table.shape[1:]), "pooler.bias": table.new_zeros(table.shape[1:])}


def _settings(encoder: Encoder, family: Family, head: str) -> Any:
    """Return the configuration, as an object of transformers."""
    from transformers import CONFIG_MAPPING

    source, values = encoder.source.settings, settings_of(encoder.config, family)
    same = bool(source) and family_of(source) is family
    kept = {key: value for key, value in source.items() if (key not in LOST if same else key in KEPT)}
    dtype = str(encoder.embeddings.tokens.weight.dtype).removeprefix("torch.")
    more = {"architectures": [family.classes + head], "dtype": dtype}
    return CONFIG_MAPPING[family.model_type].from_dict({**kept, **values, **more})
