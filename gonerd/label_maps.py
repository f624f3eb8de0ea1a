"""From the label names of somebody else's model to the tags of a scheme: shown, overridable, never guessed in silence.

A model says `PERSON`, `B-GPE`, `I-per`, `S-ORG` or `LABEL_3`. What its labels mean here is settled before anything is
computed; a label that means nothing here is an error that says how to settle it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Literal

from gonerd.conventions import load_conventions
from gonerd.errors import GonerdError, unknown_name
from gonerd.labels import LabelScheme, has_scheme

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Tagging = Literal["IOB2", "IOB1", "IO", "BIOES"]
"""How a model writes entities as tags.

IOB2: B- begins every entity. IOB1: B- begins an entity that follows one of its own type, I- any other. IO: no B- at
all, so that neighbours of one type are one entity. BIOES (or BILOU): S- (U-) is an entity of one word, E- (L-) ends
one.
"""

OUTSIDE = "O"
NUMBERED = re.compile(r"LABEL_(\d+)")
PREFIXED = re.compile(r"([BILOUESM])[-_](.+)", re.DOTALL)
IOB2_PREFIX = {"B": "B", "S": "B", "U": "B", "I": "I", "E": "I", "L": "I", "M": "I"}


@dataclass(frozen=True, slots=True)
class LabelMap:
    """What each output of a model means."""

    outputs: tuple[str, ...]  # the model's labels, in its order
    tags: tuple[int, ...]  # the scheme's integer for each
    tagging: Tagging
    names: tuple[str, ...]  # the scheme's tags, in the order of their integers

    @property
    def changed(self) -> dict[str, str]:
        """The labels that are not a tag of the scheme by themselves, and the tag that each counts as."""
        pairs = zip(self.outputs, self.tags, strict=True)
        return {label: self.names[tag] for label, tag in pairs if label != self.names[tag]}

    def whole(self, tags: NDArray[np.int8]) -> NDArray[np.int8]:
        """Return a document's tags in IOB2: where `B-` need not begin an entity, it is put there."""
        import numpy as np

        if self.tagging not in ("IOB1", "IO") or not len(tags):
            return tags
        label = (tags + 1) >> 1  # 0 outside
        begins = (tags > 0) & (np.concatenate([[0], label[:-1]]) != label)
        return np.where(begins, 2 * label - 1, tags).astype(tags.dtype)


def map_labels(
    outputs: Sequence[str],
    scheme: LabelScheme,
    *,
    overrides: Mapping[str, str] | None = None,
    tagging: Tagging | None = None,
    where: object = None,
) -> LabelMap:
    """Return what the outputs of a token classifier mean in a scheme.

    Args:
        outputs: its labels, in order: tags with or without a prefix, in any case, or `LABEL_0` …, which count as the
            scheme's tags in their order where there are as many.
        scheme: the scheme of the gold.
        overrides: what a label, or a type without its prefix, counts as: a tag or label of the scheme, or `O`.
        tagging: how the model writes entities; told from its labels if not given, which can not tell IOB1 from IOB2
            where every type has both prefixes.
        where: what to name in an error.

    Raises:
        GonerdError: a label means nothing in the scheme, an override names nothing, or no label is an entity.
    """
    given = dict(overrides or {})
    labels = _numbered(outputs, scheme, given, where=where)
    parts = [_split(label) for label in labels]
    types = map_types(
        [kind for _, kind in parts if kind is not None], scheme, overrides=given, whole=labels, where=where
    )
    style = tagging or _tagging(parts)
    tags = [_tag(label, part, types, given, style) for label, part in zip(labels, parts, strict=True)]
    numbers = scheme.tag_ids(tags, where=where)
    if not any(numbers):
        raise GonerdError("none of the model's labels is an entity of the scheme", where=where)
    return LabelMap(tuple(outputs), tuple(numbers), style, scheme.tags)


def map_types(
    types: Iterable[str],
    scheme: LabelScheme,
    *,
    overrides: Mapping[str, str] | None = None,
    whole: Iterable[str] = (),
    where: object = None,
) -> dict[str, str]:
    """Return the scheme's label, or `O`, for each entity type of a model.

    Args:
        types: its entity types, such as `GPE`.
        scheme: the scheme of the gold.
        overrides: what a type counts as.
        whole: names that overrides may also have, because the caller looks them up.
        where: what to name in an error.

    Raises:
        GonerdError: a type means nothing in the scheme, or an override names nothing; all such types are named.
    """
    known, given, whole = dict.fromkeys(types), dict(overrides or {}), list(whole)
    for name, target in given.items():
        if name not in known and name not in whole:
            raise unknown_name("label of the model", name, [*known, *whole], where=where)
        if target not in {OUTSIDE, *scheme.names, *scheme.tags}:
            raise unknown_name("label", target, [OUTSIDE, *scheme.names], where=f"--labels {name}={target}")
    settled = {name: _plain(given[name]) if name in given else _meaning(name, scheme) for name in known}
    by_tag = {_split(name)[1] for name in whole} - {_split(name)[1] for name in whole if name not in given}
    lost = [name for name, meaning in settled.items() if meaning is None and name not in by_tag]
    if lost:
        raise GonerdError(
            f"labels that mean nothing in the scheme {scheme.name!r}: {', '.join(lost[:10])}"
            + (f" and {len(lost) - 10} more" if len(lost) > 10 else ""),
            where=where,
            remedy=f"Say what they count as: --labels {lost[0]}={scheme.names[0]}, or {lost[0]}=O",
        )
    return {name: meaning or OUTSIDE for name, meaning in settled.items()}


def parse_overrides(pairs: Iterable[str]) -> dict[str, str]:
    """Return `MODEL_LABEL=LABEL` pairs as a mapping.

    Raises:
        GonerdError: a pair has no `=`, or a label is given twice.
    """
    found: dict[str, str] = {}
    for pair in pairs:
        name, equals, target = pair.rpartition("=")
        if not equals or not name or not target:
            raise GonerdError(f"not MODEL_LABEL=LABEL: {pair!r}", where="--labels")
        if name in found:
            raise GonerdError(f"{name!r} is given twice", where="--labels")
        found[name] = target
    return found


def _numbered(outputs: Sequence[str], scheme: LabelScheme, given: dict[str, str], *, where: object) -> list[str]:
    """Return the labels, `LABEL_n` as the scheme's n-th tag where there are as many; else they must be given."""
    open_ones = [label for label in outputs if NUMBERED.fullmatch(label) and label not in given]
    if not open_ones:
        return list(outputs)
    if len(outputs) != len(scheme.tags) or len(open_ones) != len(outputs):
        raise GonerdError(
            f"{len(outputs)} labels without names ({open_ones[0]} …), but the scheme {scheme.name!r} has "
            f"{len(scheme.tags)} tags",
            where=where,
            remedy=f"Say what each counts as: --labels {open_ones[0]}=O and so on",
        )
    places = [int(label.removeprefix("LABEL_")) for label in outputs]
    if sorted(places) != list(range(len(places))):
        raise GonerdError("labels without names that are not numbered from 0", where=where)
    return [scheme.tags[place] for place in places]


def _split(label: str) -> tuple[str, str | None]:
    """Return the prefix and the type of a label; the type is None where it names no entity."""
    if label.upper() in {OUTSIDE, "0", "OUT", "OUTSIDE"} or NUMBERED.fullmatch(label):
        return OUTSIDE, None
    match = PREFIXED.fullmatch(label)
    return (match[1], match[2]) if match else ("", label)


def _tagging(parts: Sequence[tuple[str, str | None]]) -> Tagging:
    """Return how the labels write entities."""
    prefixes = {prefix for prefix, kind in parts if kind is not None}
    if prefixes & set("SEUL"):
        return "BIOES"
    if "B" not in prefixes:
        return "IO"
    begun = {kind for prefix, kind in parts if prefix == "B"}
    inside = {kind for prefix, kind in parts if prefix == "I"}
    # A type that is only ever continued has no neighbour of its own type in IOB1; IOB2 would need its B-.
    return "IOB1" if inside - begun else "IOB2"


def _tag(
    label: str, part: tuple[str, str | None], types: Mapping[str, str], given: Mapping[str, str], style: Tagging
) -> str:
    """Return the tag of the scheme that a label counts as."""
    prefix, kind = part
    target = given.get(label) or (types[kind] if kind is not None else OUTSIDE)
    if target == OUTSIDE or target[:2] in ("B-", "I-"):
        return target
    return f"{'I' if style == 'IO' else IOB2_PREFIX.get(prefix, 'I')}-{target}"


def _plain(target: str) -> str:
    """Return a target without its prefix: a type counts as a label, whichever tag was given for it."""
    return target[2:] if target[:2] in ("B-", "I-") else target


def _meaning(name: str, scheme: LabelScheme) -> str | None:
    """Return the scheme's label for a type, `O` for what is no name there, or None if the scheme says nothing of it."""
    return _meanings(scheme).get(name.upper())


@cache
def _meanings(scheme: LabelScheme) -> dict[str, str]:
    """Return all that a scheme says of types, its own among them, in capitals."""
    meanings: dict[str, str] = {}
    if has_scheme(scheme.name):
        conventions = load_conventions(scheme.name)
        meanings = {name.upper(): OUTSIDE for name in conventions.no_entities}
        for labels in conventions.sources.values():
            meanings |= {name.upper(): label for name, label in labels.items()}
    return meanings | {label.upper(): label for label in scheme.names}
