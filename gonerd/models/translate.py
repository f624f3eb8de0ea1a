"""From transformers' configurations and names of weights to ours, and back, by the tables of `families`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import fields
from types import UnionType
from typing import Any

from gonerd.errors import GonerdError, unknown_name
from gonerd.models.config import (
    Attention,
    BigBirdAttention,
    EncoderConfig,
    FullAttention,
    LongformerAttention,
    NystromformerAttention,
)
from gonerd.models.families import (
    ACTIVATIONS,
    BIGBIRD,
    FAMILIES,
    LSG_ROBERTA,
    TOKEN_CLASSIFIER,
    Family,
)

MOST_LAYERS, BEYOND = 1000, 2**31  # from where on a configuration is a mistake, or hostile
KINDS: dict[str, type | UnionType] = {"int": int, "float": int | float, "bool": bool, "str": str, "None": type(None)}
KINDS |= {"list": int}  # of what is in it
BIGBIRD_TYPES = ("block_sparse", "original_full")
CLASSIFIES, FILLS, BARE = "ForTokenClassification", "ForMaskedLM", "Model"
_LAYER = re.compile(r"^layers\.(\d+)\.")


def family_of(settings: Mapping[str, Any]) -> Family:
    """Return the type of a checkpoint, from its `config.json`.

    Raises:
        GonerdError: the encoder is not of that type.
    """
    name = str(settings.get("model_type"))
    if is_lsg(settings):
        if name == LSG_ROBERTA.model_type:
            return LSG_ROBERTA
        raise GonerdError(f"LSG attention in a {name}", remedy="Of LSG models only LSG-RoBERTa is known")
    plain: dict[str, Family] = {one.model_type: one for one in FAMILIES if one is not LSG_ROBERTA}
    if name not in plain:
        raise unknown_name("type of encoder", name, plain)
    return plain[name]


def is_lsg(settings: Mapping[str, Any]) -> bool:
    """Tell whether a `config.json` is of an LSG model, of whatever type it says it is."""
    named = class_names(settings.get("architectures"))
    return settings.get("base_model_prefix") == "lsg" or any(name.startswith("LSG") for name in named)


def class_names(architectures: object) -> list[str]:
    """Return the names of classes under `architectures` in a configuration.

    Raises:
        GonerdError: they are no list.
    """
    if not isinstance(architectures, list | tuple | None):
        raise GonerdError(f"architectures is {architectures!r}"[:200], remedy="It must be a list of names")
    return [str(name) for name in architectures or ()]


def encoder_config(settings: Any, family: Family, *, head: str) -> EncoderConfig:
    """Return what an encoder is from a checkpoint's configuration as transformers reads it.

    Args:
        settings: the configuration.
        family: its type.
        head: the head to have: `ForTokenClassification`, `ForMaskedLM` or `Model` for none.

    Raises:
        GonerdError: the configuration is of a model that computes something else, or its numbers do not fit.
    """
    masked_lm = {"tie_word_embeddings": True} if head == FILLS else {}
    for key, wanted in {**family.required, **masked_lm}.items():
        if getattr(settings, key, wanted) != wanted:
            raise GonerdError(
                f"{key} is {getattr(settings, key)!r}; the encoder knows {wanted!r} alone",
                remedy="Load it with transformers",
            )
    values = _values(settings, family.shape, EncoderConfig) | dict(family.fixed)
    pad = _checked(settings, "pad_token_id", "int | None")
    if pad is None and family.offset is None:
        raise GonerdError("no padding token, from which this type counts its positions")
    values["pad_id"] = pad or 0
    if values["activation"] not in ACTIVATIONS:
        raise unknown_name("activation", str(values["activation"]), ACTIVATIONS)
    values["activation"] = ACTIVATIONS[values["activation"]]
    if not 1 <= values["layers"] <= MOST_LAYERS:
        raise GonerdError(f"{values['layers']} layers", remedy=f"1 to {MOST_LAYERS} are possible")
    if head == FILLS and family.masked_lm_activation not in {None, values["activation"]}:
        raise GonerdError(
            f"a masked-LM head with {family.masked_lm_activation} on an encoder with {settings.hidden_act}"
        )
    return EncoderConfig(
        **values,
        positions=_checked(settings, "max_position_embeddings", "int") + family.spare,
        position_offset=values["pad_id"] + 1 if family.offset is None else family.offset,
        attention=_attention(settings, family),
        labels=labels_of(settings) if head == CLASSIFIES else None,
        masked_lm=head == FILLS,
    )


def _attention(settings: Any, family: Family) -> Attention:
    values = _values(settings, family.settings, family.attention)
    if family.attention is LongformerAttention:
        window = _checked(settings, "attention_window", "int | list")
        values["windows"] = (window,) * settings.num_hidden_layers if isinstance(window, int) else tuple(window)
    if family.attention is BigBirdAttention:
        if settings.attention_type not in BIGBIRD_TYPES:
            raise unknown_name("attention_type", str(settings.attention_type), BIGBIRD_TYPES)
        if settings.attention_type == "original_full":
            return FullAttention()
    if family.attention is NystromformerAttention:
        values["approximate"] = settings.segment_means_seq_len != settings.num_landmarks
    return family.attention(**values)


def _values(settings: Any, table: Mapping[str, str], kind: type) -> dict[str, Any]:
    """Return the settings of a table under our names, each of the kind that our configuration declares.

    One that is not there is left out: our defaults are those of LSG's reference code, which transformers does not know.
    """
    declared = {field.name: str(field.type) for field in fields(kind)}
    return {
        ours: _checked(settings, theirs, declared[ours]) for ours, theirs in table.items() if hasattr(settings, theirs)
    }


def _checked(settings: Any, key: str, declared: str) -> Any:
    """Return a setting of a declared kind.

    Raises:
        GonerdError: it is of another kind, or a number beyond all sense.
    """
    value = getattr(settings, key)
    kinds = declared.split(" | ")
    items = value if isinstance(value, list) and "list" in kinds else [value]
    for item in items:
        fits = any(isinstance(item, KINDS[kind]) for kind in kinds) and isinstance(item, bool) <= ("bool" in kinds)
        if not fits or (isinstance(item, int | float) and not abs(item) < BEYOND):
            raise GonerdError(f"{key} is {value!r}"[:200], remedy=f"It must be of kind {declared}")
    return value


def labels_of(settings: Any) -> tuple[str, ...]:
    """Return the names of a configuration's labels, in the order of the outputs.

    Raises:
        GonerdError: they are not numbered from 0 on.
    """
    table = settings.id2label
    if sorted(table) != list(range(len(table))):
        raise GonerdError("the labels are not numbered from 0 on")
    return tuple(str(table[number]) for number in range(len(table)))


def family_for(config: EncoderConfig, settings: Mapping[str, Any]) -> Family:
    """Return the type that an encoder is saved as: that of the checkpoint it came from, if it still fits.

    Args:
        config: the encoder's.
        settings: the configuration of the checkpoint that it came from; empty if it came from none.

    Raises:
        GonerdError: transformers has no type that computes this.
    """
    if unsaid := _unsaid(config.attention):
        raise GonerdError(
            f"no type of transformers has {type(config.attention).__name__} with {unsaid}",
            remedy="Save it with the attention that it was loaded with",
        )
    candidates: list[Family] = [*([family_of(settings)] if settings else ()), *FAMILIES]
    for family in candidates:
        if _fits(config, family):
            return family
    raise GonerdError(f"no type of transformers has {_traits(config)}")


def _traits(config: EncoderConfig) -> str:
    """Return what may keep an encoder from being saved as some type."""
    traits = [type(config.attention).__name__, f"positions from row {config.position_offset} on"]
    traits += [f"{config.types} types"]
    traits += ["projections without a bias"] * (not config.projection_bias)
    traits += ["scaled embeddings"] * config.scale_embeddings
    traits += [f"a masked-LM head with {config.activation}"] * config.masked_lm
    return ", ".join(traits)


def _unsaid(attention: Attention) -> str:
    """Return what of an attention has no place in a checkpoint and is not what is computed where nothing is said."""
    if isinstance(attention, NystromformerAttention) and attention.convolution is None:
        return "no convolution"
    usual: dict[str, object] = {"global_tokens": 0} if isinstance(attention, LongformerAttention) else {}
    if isinstance(attention, BigBirdAttention):
        usual = {"short": "reference", "randomness": "reference"}
    values = {name: getattr(attention, name) for name in usual}
    return ", ".join(f"{name} {value!r}" for name, value in values.items() if value != usual[name])


def _fits(config: EncoderConfig, family: Family) -> bool:
    """Tell whether a type can compute what an encoder does."""
    attention, defaults = config.attention, {field.name: field.default for field in fields(EncoderConfig)}
    full_bigbird = family is BIGBIRD and isinstance(attention, FullAttention)
    unsaid = {name: defaults[name] for name in ("projection_bias", "scale_embeddings") if name not in family.shape}
    fixed = {**unsaid, **family.fixed}
    return all(
        (
            isinstance(attention, family.attention) or full_bigbird,
            not isinstance(attention, LongformerAttention) or attention.global_projections,
            all(getattr(config, name) == value for name, value in fixed.items()),
            config.types > 0 or "types" not in family.shape,
            not config.masked_lm or family.masked_lm_activation in {None, config.activation},
            config.position_offset == (config.pad_id + 1 if family.offset is None else family.offset),
        )
    )


def settings_of(config: EncoderConfig, family: Family) -> dict[str, Any]:
    """Return the entries of `config.json` that say what an encoder is."""
    values: dict[str, Any] = {theirs: getattr(config, ours) for ours, theirs in family.shape.items()}
    activation = next(theirs for theirs, ours in ACTIVATIONS.items() if ours == config.activation)
    values |= {family.shape["activation"]: activation, "pad_token_id": config.pad_id}
    values["max_position_embeddings"] = config.positions - family.spare
    if isinstance(config.attention, family.attention):
        values |= {theirs: getattr(config.attention, ours) for ours, theirs in family.settings.items()}
    if isinstance(config.attention, LongformerAttention):
        values["attention_window"] = list(config.attention.windows)
    if family is BIGBIRD:
        full = isinstance(config.attention, FullAttention)
        values["attention_type"] = "original_full" if full else "block_sparse"
    if isinstance(config.attention, NystromformerAttention):
        landmarks = config.attention.landmarks
        longest = config.reach - config.reach % landmarks  # transformers approximates at one length alone
        approximates = max(longest, 2 * landmarks)  # as many as there are landmarks would say that it does not
        values["segment_means_seq_len"] = approximates if config.attention.approximate else landmarks
    if config.masked_lm:
        values["tie_word_embeddings"] = True
    if config.labels is not None:
        values["id2label"] = dict(enumerate(config.labels))
        values["label2id"] = {label: number for number, label in enumerate(config.labels)}
    return {**values, **family.constants}


def weight_names(ours: Iterable[str], family: Family, *, prefixed: bool) -> dict[str, str]:
    """Return transformers' name of each of our weights.

    Args:
        ours: the names of the encoder's parameters.
        family: the checkpoint's type.
        prefixed: whether the names of the encoder's own weights have the type's prefix, as in a model with a head.
    """
    prefix = f"{family.prefix}." if prefixed else ""
    heads = {**TOKEN_CLASSIFIER, **family.masked_lm}
    names = {}
    for name in ours:
        module, _, ending = name.rpartition(".")
        layer = _LAYER.match(name)
        template = _LAYER.sub("layers.{}.", module)
        if module not in heads and template not in family.weights:
            raise GonerdError(
                f"a checkpoint of type {family.model_type} has no weights for {module}",
                remedy="To give it another attention: gonerd model convert",
            )
        theirs = heads.get(module) or prefix + family.weights[template]
        names[name] = f"{theirs.format(layer and layer[1])}.{ending}"
    return names
