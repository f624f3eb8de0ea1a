"""A model of short reach made into one of long reach: another attention, more positions, the same weights.

As the authors of Longformer (Beltagy et al. 2020, section 5) and of LSG (Condevaux and Harispe 2022) did: the learned
positions are repeated, global projections start as copies of the local ones, and LSG's global rows start as the
begin-of-text and mask tokens at spread positions. Nystromformer's convolution starts at zero. Before any training the
new model therefore answers as the old one wherever its pattern shows a token all of its document; LSG, whose global
rows are additional keys, comes near.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from gonerd.errors import GonerdError
from gonerd.models.checkpoints import checkpoint_name, read_tokenizer
from gonerd.models.config import ConvertConfig, EncoderConfig, LSGAttention, Target
from gonerd.models.families import BIGBIRD, LONGFORMER, LSG_ROBERTA, NYSTROMFORMER, Family
from gonerd.models.load import load_encoder, located
from gonerd.models.origin import described_by
from gonerd.models.repository import find_checkpoint
from gonerd.models.save import save_encoder
from gonerd.models.small import model_files
from gonerd.models.translate import family_for
from gonerd.models.weights import weight_files
from gonerd.records import Manifest
from gonerd.store import MANIFEST, Run, is_current, read_manifest, replacing, sha256_file, write_json

if TYPE_CHECKING:
    from gonerd.models.encoder import Encoder

GLOBAL_STRIDE = 64  # between the positions of neighbouring global rows, as in lsg-converter
LSG_KEPT = ("global_rows", "mask_first_token", "pool_with_global")  # of an LSG model that becomes a longer one
FAMILY_OF: dict[Target, Family] = {
    "longformer": LONGFORMER,
    "bigbird": BIGBIRD,
    "lsg": LSG_ROBERTA,
    "nystromformer": NYSTROMFORMER,
}


@dataclass(frozen=True, slots=True)
class SpecialTokens:
    """The tokens that LSG's global rows are made of."""

    begin: int
    mask: int

    @classmethod
    def of(cls, tokenizer: Any) -> SpecialTokens:
        """Return a tokenizer's.

        Raises:
            GonerdError: it has none.
        """
        begin = tokenizer.bos_token_id if tokenizer.bos_token_id is not None else tokenizer.cls_token_id
        if begin is None or tokenizer.mask_token_id is None:
            raise GonerdError("a tokenizer without begin-of-text or mask token, of which LSG's global rows are made")
        return cls(begin, tokenizer.mask_token_id)


def convert_checkpoint(name_or_path: str | Path, out: Path, *, config: ConvertConfig) -> Manifest:
    """Write a converted checkpoint, with its tokenizer, into the folder `out`.

    Args:
        name_or_path: a checkpoint of a type that the encoder knows; a folder or a name on the Hub.
        out: where the new one goes.
        config: what it becomes.

    Raises:
        GonerdError: the checkpoint is unusable, can not become that, or `out` holds something else.
    """
    files = find_checkpoint(name_or_path)
    settings = {**asdict(config), "source": checkpoint_name(name_or_path)}
    sources = [*weight_files(files.folder), *described_by(files.folder)]
    run = Run("convert", settings, (files.commit,) if files.commit else tuple(map(sha256_file, sources)))
    if is_current(out, run):
        return read_manifest(out)
    tokenizer = read_tokenizer(files)
    encoder = load_encoder(name_or_path, revision=files.commit)
    with located(files.name):
        new_rows = config.to == "lsg" and encoder.global_rows is None
        converted = convert_encoder(encoder, config, special=SpecialTokens.of(tokenizer) if new_rows else None)
    tokenizer.model_max_length = config.max_length
    if tokenizer.is_fast:
        tokenizer.backend_tokenizer.no_truncation()
        tokenizer.backend_tokenizer.no_padding()
    with replacing(out, run) as work:
        save_encoder(converted, work, tokenizer=tokenizer)
        write_json(work / MANIFEST, run.manifest(model_files(work), read=1, dropped=()))
    return read_manifest(out)


def convert_encoder(encoder: Encoder, config: ConvertConfig, *, special: SpecialTokens | None = None) -> Encoder:
    """Return an encoder with another attention and positions for longer documents; its other weights are copies.

    Args:
        encoder: the old one.
        config: what it becomes.
        special: tokens that new global rows of LSG are made of.

    Raises:
        GonerdError: weights on which the old one's answers depend have no place in the new one, transformers has no
            type for that, or `special` is not given and wanted.
    """
    from gonerd.models.encoder import Encoder

    new = Encoder(_new_shape(encoder, config))
    old, wanted = encoder.state_dict(), new.state_dict()
    lost = sorted(name for name in old.keys() - wanted.keys() if "convolution" in name or "global_rows" in name)
    if lost:
        raise GonerdError(f"{lost[0]} has no place in {config.to} attention, and the model's answers depend on it")
    family_for(new.config, encoder.source.settings)  # raises where none can be saved
    _refuse_another_kernel(old, wanted)
    offsets = (encoder.config.position_offset, new.config.position_offset)
    weights = {name: old[name] if name in old else _first(name, weight, old) for name, weight in wanted.items()}
    weights["embeddings.positions.weight"] = tiled(old["embeddings.positions.weight"], offsets, config.max_length)
    if new.global_rows is not None and encoder.global_rows is None:
        if special is None:
            raise GonerdError("no special tokens, of which LSG's global rows are made")
        weights["global_rows.table.weight"] = global_rows(encoder, wanted["global_rows.table.weight"], special)
    new.load_state_dict(weights)
    new.source = encoder.source
    return new.to(encoder.embeddings.tokens.weight.dtype).eval()


def _new_shape(encoder: Encoder, config: ConvertConfig) -> EncoderConfig:
    """Return the shape of the converted encoder, such that transformers has a type for it."""
    shape = encoder.config
    offset, types = shape.position_offset, shape.types
    if family := FAMILY_OF.get(config.to):
        offset = shape.pad_id + 1 if family.offset is None else family.offset
        types = max(types, 1) if "types" in family.shape else 0
    attention = config.attention(shape.layers)
    if isinstance(attention, LSGAttention) and isinstance(shape.attention, LSGAttention):
        attention = replace(attention, **{name: getattr(shape.attention, name) for name in LSG_KEPT})
    return replace(
        shape, attention=attention, position_offset=offset, positions=offset + config.max_length, types=types
    )


def _refuse_another_kernel(old: Mapping[str, torch.Tensor], wanted: Mapping[str, torch.Tensor]) -> None:
    """Raise where a Nystromformer's convolution is to become wider or narrower."""
    for name in old.keys() & wanted.keys():
        if "convolution" in name and old[name].shape != wanted[name].shape:
            raise GonerdError(
                f"a convolution {old[name].shape[2]} wide can not become one {wanted[name].shape[2]} wide",
                remedy=f"Give kernel {old[name].shape[2]}",
            )


def _first(name: str, weight: torch.Tensor, old: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """Return the first value of a weight that the old encoder lacks: a global projection's is the local one's."""
    if name.rpartition(".")[0].endswith("_global"):
        return old[name.replace(".attention.", ".").replace("_global.", ".")]
    return torch.zeros_like(weight)  # a type table, which adds nothing; a convolution; global rows are made apart


def tiled(table: torch.Tensor, offsets: tuple[int, int], length: int) -> torch.Tensor:
    """Return a table of positions, repeated until it has rows for `length` tokens.

    Args:
        table: (rows, width).
        offsets: rows before the first position, in the old table and in the new one; if as many, they are kept.
        length: of the longest document.
    """
    before, offset = offsets
    used = table[before:]
    head = table[:before] if before == offset else table.new_zeros(offset, table.shape[1])
    return torch.cat([head, used.repeat(-(-length // len(used)), 1)[:length]])


def global_rows(encoder: Encoder, table: torch.Tensor, special: SpecialTokens) -> torch.Tensor:
    """Return LSG's first global rows, as `lsg-converter` makes them: the begin-of-text token at the first position, and
    the mask token at others, far apart ones first.

    Where there are several types, that of plain text is added.

    Args:
        encoder: the old encoder.
        table: of the shape of the new rows, (rows, width).
        special: the tokens.
    """
    embeddings, rows = encoder.embeddings, len(table)
    positions = tiled(embeddings.positions.weight, (encoder.config.position_offset, 0), max(rows, encoder.config.reach))
    step = len(positions) // rows
    apart = max(1, GLOBAL_STRIDE // step)
    order = step * torch.tensor(sorted(range(rows), key=lambda row: (row % apart, row)))
    tokens = embeddings.tokens.weight
    found = positions[order] + torch.cat([tokens[special.begin][None], tokens[special.mask].expand(rows - 1, -1)])
    several = embeddings.types is not None and encoder.config.types > 1
    return found + embeddings.types.weight[0] if several and embeddings.types is not None else found
