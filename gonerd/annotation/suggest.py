"""Suggests spans for annotators to correct: one `Predict` function for each kind of suggester."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from gonerd.annotation import rules
from gonerd.errors import GonerdError, unknown_name
from gonerd.labels import LabelScheme
from gonerd.records import Annotation, Document, Predict, Progress, silent


@dataclass(frozen=True, slots=True, kw_only=True)
class SuggestConfig:
    """Who suggests, and in which labels."""

    with_: str = "rules"
    """The suggester: `rules` needs no model."""
    scheme: str = "gonerd"
    """The label scheme of the suggestions."""


def with_rules(argument: str, scheme: LabelScheme) -> Predict:
    """Return the suggester that goes by gazetteers and rules.

    Raises:
        GonerdError: an argument was given, or the scheme lacks a label that the rules give.
    """
    if argument:
        raise GonerdError(f"the suggester 'rules' takes no argument, but {argument!r} was given")
    if missing := [label for label in rules.LABELS if label not in scheme.names]:
        raise GonerdError(
            f"the rules give {', '.join(rules.LABELS)}, but the scheme {scheme.name!r} has no {missing[0]}",
            remedy="Choose another suggester or another scheme",
        )

    def predict(documents: Iterable[Document]) -> Iterator[Annotation]:
        nlp = rules.pipeline()
        for document in documents:
            with nlp.memory_zone():  # else every new word would stay in memory
                spans = tuple(rules.find(nlp(document.text)))
            yield Annotation(document.id, document.text_sha256, "rules", scheme.name, spans)

    return predict


SUGGESTERS: dict[str, Callable[[str, LabelScheme], Predict]] = {"rules": with_rules}
"""How a suggester is made from the argument in its name (`kind:argument`) and the scheme: one entry a kind."""


def suggester(name: str, scheme: LabelScheme) -> Predict:
    """Return the suggester called `kind` or `kind:argument`.

    Raises:
        GonerdError: no suggester of that kind.
    """
    kind, _, argument = name.partition(":")
    if kind not in SUGGESTERS:
        raise unknown_name("suggester", kind, SUGGESTERS, where="--with")
    return SUGGESTERS[kind](argument, scheme)


def suggest(
    documents: Iterable[Document], *, config: SuggestConfig, scheme: LabelScheme, progress: Progress = silent
) -> Iterator[Annotation]:
    """Yield suggestions for whole documents, in order: flat spans in code points."""
    for done, annotation in enumerate(suggester(config.with_, scheme)(documents), start=1):
        yield annotation
        progress(done, None)
