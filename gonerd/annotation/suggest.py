"""Suggests spans for annotators to correct: one `Predict` function for each kind of suggester."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from gonerd import store
from gonerd.annotation import rules
from gonerd.annotation.pipelines import portions, with_spacy
from gonerd.errors import GonerdError, unknown_name
from gonerd.formats import jsonl
from gonerd.labels import LabelScheme, load_scheme
from gonerd.processes import locked
from gonerd.records import Annotation, Document, Manifest, Predict, Progress, silent

STAGE = "annotate suggest"

Maker = Callable[[str, LabelScheme], Predict]
"""How a suggester is made from the argument in its name (`kind:argument`) and the scheme."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SuggestConfig:
    """Who suggests, in which labels, and in what portions."""

    with_: str = "rules"
    """The suggester: `rules` needs no model; `spacy:MODEL` is an installed pipeline or a folder; `model:CHECKPOINT` a
    folder in the transformers format, or a name on the Hub."""
    scheme: str = "gonerd"
    """The label scheme of the suggestions."""
    batch: int = 32
    """Documents in a portion: what a worker takes at a time, and what a broken-off run does not do again."""

    def __post_init__(self) -> None:
        if self.batch < 1:
            raise GonerdError(f"portions of {self.batch} documents", remedy="Set batch to 1 or more")


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


SUGGESTERS: Mapping[str, Maker] = {"rules": with_rules, "spacy": with_spacy}
"""The suggesters that need nothing of another room: one entry a kind. `gonerd annotate suggest` adds the models."""


def suggester(name: str, scheme: LabelScheme, *, kinds: Mapping[str, Maker] = SUGGESTERS) -> Predict:
    """Return the suggester called `kind` or `kind:argument`.

    Raises:
        GonerdError: no suggester of that kind, or it cannot be made.
    """
    kind, _, argument = name.partition(":")
    if kind not in kinds:
        raise unknown_name("suggester", kind, kinds, where="--with")
    return kinds[kind](argument, scheme)


def suggest(
    documents: Iterable[Document],
    *,
    config: SuggestConfig,
    scheme: LabelScheme,
    kinds: Mapping[str, Maker] = SUGGESTERS,
    progress: Progress = silent,
) -> Iterator[Annotation]:
    """Yield suggestions for whole documents, in order: flat spans in code points."""
    for done, annotation in enumerate(suggester(config.with_, scheme, kinds=kinds)(documents), start=1):
        yield annotation
        progress(done, None)


def suggest_folder(
    documents: Path,
    out: Path,
    *,
    config: SuggestConfig,
    kinds: Mapping[str, Maker] = SUGGESTERS,
    workers: int = 1,
    progress: Progress = silent,
) -> Manifest:
    """Write suggestions for a stage folder of documents to `out`; a run that was broken off goes on where it stopped.

    Args:
        documents: the stage folder.
        out: the folder to write.
        config: who suggests.
        kinds: the suggesters there are; with several workers they must be functions that a module holds.
        workers: processes that share the portions; the suggestions are the same.
        progress: told the portions done and their number.

    Raises:
        GonerdError: the suggester cannot be made, or `out` holds something else or is being written.
    """
    scheme = load_scheme(config.scheme)
    work_folder = out.with_name(f".{out.name}.portions")
    inputs = [shard.sha256 for shard in store.read_manifest(documents).outputs]
    work = partial(suggest, config=config, scheme=scheme, kinds=kinds)
    stage = store.Stage(STAGE, {**asdict(config), "documents": inputs}, partial(jsonl.read, kind=Document), work)
    out.parent.mkdir(parents=True, exist_ok=True)
    with locked(work_folder.with_name(f"{work_folder.name}.lock"), owner=out):  # another run's portions are its own
        try:
            paths = _portions(documents, work_folder, size=config.batch)
            return store.run_stage(stage, paths, out, workers=workers, progress=progress)
        finally:
            shutil.rmtree(work_folder, ignore_errors=True)


def _portions(documents: Path, folder: Path, *, size: int) -> list[Path]:
    """Write the documents in files of `size` and return them, in order: what workers share and a resume counts by."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for number, records in enumerate(portions(store.read_records(documents, Document), size)):
        paths.append(folder / f"{number:06d}.jsonl")
        jsonl.write(paths[-1], records)
    return paths
