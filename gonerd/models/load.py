"""Loading an encoder from a checkpoint in the transformers format, and saving it as one.

No code of a checkpoint is run, and none of its weights is left out in silence.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gonerd.errors import GonerdError
from gonerd.models.checkpoints import load_config
from gonerd.models.families import BERT, COPIES, OLD_ENDINGS, POOLER, TOKEN_CLASSIFIER, UNREAD, Family
from gonerd.models.repository import find_checkpoint
from gonerd.models.translate import BARE, CLASSIFIES, FILLS, class_names, encoder_config, family_of, weight_names
from gonerd.models.weights import read_weights

if TYPE_CHECKING:
    import torch

    from gonerd.models.config import Attention
    from gonerd.models.encoder import Encoder

HEADS = {
    CLASSIFIES: CLASSIFIES,
    FILLS: FILLS,
    "ForPreTraining": FILLS,
    BARE: BARE,
}  # what an architecture's name ends in
NEW_HEAD = {"classifier.output.weight": 0.02, "classifier.output.bias": 0.0}  # deviations of its first weights: BERT's


def load_encoder(
    name_or_path: str | Path,
    *,
    revision: str | None = None,
    attention: Attention | None = None,
    labels: Sequence[str] | None = None,
    dtype: torch.dtype | None = None,
) -> Encoder:
    """Return the encoder of a checkpoint, in evaluation mode, with its head if it has one.

    Types: BERT, DistilBERT, RoBERTa, XLM-RoBERTa, CamemBERT, Longformer, BigBird, Nystromformer, LSG-RoBERTa.

    Args:
        name_or_path: a folder in the transformers format (`config.json`, and safetensors or a `.bin` of plain tensors),
            or a name on the Hub.
        revision: commit, tag or branch on the Hub.
        attention: in place of the checkpoint's, with the same weights: to choose another behaviour than the
            reference's, `dataclasses.replace(encoder.config.attention, …)`.
        labels: give it a new token classifier with these labels, in place of its head: for training.
        dtype: of its weights; fp32 if not given.

    Raises:
        GonerdError: it is not there, is of another type, is damaged, or a weight is missing, surplus, of another shape
            or not a number.
    """
    import torch

    from gonerd.models.encoder import Encoder, Source

    files = find_checkpoint(name_or_path, revision=revision)
    settings = load_config(files)
    with located(files.name):
        family = family_of(settings.to_dict())
        named = BARE if labels is not None else head_of(settings)
        tensors = {_today(name): tensor for name, tensor in read_weights(files.folder).items()}
        config = encoder_config(settings, family, head=named or head_among(tensors, family))
        config = replace(
            config, attention=attention or config.attention, labels=config.labels if labels is None else tuple(labels)
        )
        with torch.device("meta"):
            encoder = Encoder(config)
        shapes = {name: tuple(weight.shape) for name, weight in encoder.state_dict().items()}
        new = {name: shapes.pop(name) for name in NEW_HEAD if labels is not None}
        poolers = {match["name"]: tensors[name] for name in tensors if (match := re.fullmatch(POOLER, name))}
        names = match_weights(tensors, shapes, family=family, any_head=labels is not None)
        weights = {
            ours: _checked(tensors.pop(theirs), shapes[ours], theirs, dtype or torch.float32)
            for ours, theirs in names.items()
        }
    weights |= {name: NEW_HEAD[name] * torch.randn(shape, dtype=dtype) for name, shape in new.items()}
    encoder.load_state_dict(weights, assign=True)
    encoder.source = Source(settings.to_dict(), poolers)
    return encoder.eval()


def is_known(settings: Any) -> bool:
    """Tell whether the encoder computes what a checkpoint's configuration, as transformers reads it, says."""
    try:
        encoder_config(settings, family_of(settings.to_dict()), head=head_of(settings) or BARE)
    except GonerdError:
        return False
    return True


@contextmanager
def located(where: str) -> Iterator[None]:
    """Say of which checkpoint an error is, where it does not say so itself."""
    try:
        yield
    except GonerdError as error:
        if error.where is None:
            raise GonerdError(error.what, where=where, remedy=error.remedy) from error
        raise


def head_of(settings: Any) -> str | None:
    """Return the head of a checkpoint: `ForTokenClassification`, `ForMaskedLM`, or `Model` for none.

    None if its configuration does not say so, as that of Longformer's authors: its weights do, see `head_among`.

    Raises:
        GonerdError: it has the head of another task.
    """
    for architecture in class_names(getattr(settings, "architectures", None)):
        for ending, head in HEADS.items():
            if architecture.endswith(ending):
                return head
        raise GonerdError(
            f"the head of another task ({architecture})", remedy="Only token classifiers and masked LMs load"
        )
    return None


def head_among(names: Collection[str], family: Family) -> str:
    """Return the head that is among a checkpoint's weights.

    With a pooler, BERT's may be a classifier of texts as well as of tokens: it is left to be found surplus.
    """
    if f"{family.masked_lm['masked_lm.transform']}.weight" in names:
        return FILLS
    pooled = family is BERT and any(re.fullmatch(POOLER, name) for name in names)
    return CLASSIFIES if f"{TOKEN_CLASSIFIER['classifier.output']}.weight" in names and not pooled else BARE


def match_weights(
    tensors: dict[str, torch.Tensor], wanted: Iterable[str], *, family: Family, any_head: bool
) -> dict[str, str]:
    """Return the name in the checkpoint of each of our weights, having seen that all are there and no others.

    Args:
        tensors: the weights by their names in the checkpoint; copies of others are taken out.
        wanted: our names.
        family: the checkpoint's type.
        any_head: leave out what is not the encoder's own.

    Raises:
        GonerdError: a weight is missing or surplus, or two that must be equal are not.
    """
    prefixed = any(name.startswith(f"{family.prefix}.") for name in tensors)
    names = weight_names(wanted, family, prefixed=prefixed)
    for copy, ours in COPIES.items():
        _settle_copy(tensors, copy, names.get(ours))
    _refuse("weights are missing", [name for name in names.values() if name not in tensors])
    surplus = sorted(tensors.keys() - names.values())
    if any_head and prefixed:
        surplus = [name for name in surplus if name.startswith(f"{family.prefix}.")]
    _refuse("surplus weights", [name for name in surplus if not any(re.fullmatch(unread, name) for unread in UNREAD)])
    return names


def _today(name: str) -> str:
    """Return the name that a weight has today."""
    for old, new in OLD_ENDINGS.items():
        if name.endswith(old):
            return name.removesuffix(old) + new
    return name


def _settle_copy(tensors: dict[str, torch.Tensor], copy: str, original: str | None) -> None:
    """Take away a weight that is another one's once more, or let it stand for the other where that is missing."""
    tensor = tensors.pop(copy, None) if original is not None else None
    if tensor is None or original is None:
        return
    if tensors.setdefault(original, tensor) is not tensor and not tensors[original].equal(tensor):
        raise GonerdError(
            f"{copy} is not equal to {original}", remedy="The encoder has these in common: load it with transformers"
        )


def _refuse(what: str, names: Sequence[str]) -> None:
    if names:
        raise GonerdError(f"{what}: {names[0]}" + (f" and {len(names) - 1} more" if len(names) > 1 else ""))


def _checked(weight: torch.Tensor, shape: tuple[int, ...], name: str, dtype: torch.dtype) -> torch.Tensor:
    """Return a copy of a weight in the wanted type, having looked at all its numbers.

    Raises:
        GonerdError: it has another shape than the configuration says, or numbers that are none.
    """
    import torch

    if tuple(weight.shape) != shape:
        raise GonerdError(f"the weight {name} is {tuple(weight.shape)}, but {shape} by the configuration")
    if not weight.is_floating_point():
        raise GonerdError(f"the weight {name} is {weight.dtype}, which is no floating-point type")
    if not weight.isfinite().all():
        raise GonerdError(f"the weight {name} has numbers that are NaN or infinite")
    return weight.to(dtype, copy=True, memory_format=torch.contiguous_format)
