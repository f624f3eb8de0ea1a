"""`gonerd annotate suggest|export|import`: passes of suggesters and of people, to tools and back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from gonerd import store
from gonerd.annotation.suggest import SuggestConfig
from gonerd.cli.annotate_gold import read_passes
from gonerd.cli.console import progress_bar, say, say_dropped
from gonerd.errors import GonerdError
from gonerd.records import Annotation, Document, Dropped


def suggest(
    documents: Path,
    /,
    *,
    out: Path,
    config: Annotated[SuggestConfig, Parameter(name="*")] = SuggestConfig(),  # noqa: B008 - frozen
    workers: int = 1,
) -> None:
    """Suggest spans for annotators to correct, in whole documents.

    Example: gonerd annotate suggest documents --out annotations/rules --with rules

    Parameters
    ----------
    documents
        Stage folder of documents.
    out
        Folder for the suggestions, one annotation a document.
    workers
        Processes that share the documents; the output is the same.
    """
    from gonerd.annotation.suggest import suggest_folder, suggester
    from gonerd.cli.suggesters import KINDS
    from gonerd.labels import load_scheme

    suggester(config.with_, load_scheme(config.scheme), kinds=KINDS)  # an unknown name is an error before any work
    with progress_bar("suggest") as progress:
        manifest = suggest_folder(documents, out, config=config, kinds=KINDS, workers=workers, progress=progress)
    say(f"{manifest.written} documents with suggestions in {out}")


def export(
    documents: Path,
    /,
    *,
    to: Literal["label-studio", "doccano"],
    out: Path,
    suggestions: Annotated[list[Path] | None, Parameter(negative="")] = None,
    scheme: str = "gonerd",
) -> None:
    """Export whole documents for an annotation tool, with suggestions to correct.

    Label Studio: paste config.xml as the labelling interface, import tasks-*.json. doccano: a project of sequence
    labelling (grapheme mode off), labels.json as its labels, documents.jsonl as JSONL.

    Example: gonerd annotate export documents --to label-studio --suggestions annotations/rules --out label-studio

    Parameters
    ----------
    documents
        Stage folder of documents.
    to
        The tool.
    out
        Folder for its files.
    suggestions
        Stage folders of annotations that annotators start from.
    scheme
        The label scheme.
    """
    from gonerd.annotation.export import write_export
    from gonerd.labels import load_scheme

    folders = suggestions or []
    passes = read_passes(folders) if folders else {}
    inputs = tuple(path.sha256 for folder in (documents, *folders) for path in store.read_manifest(folder).outputs)
    manifest = write_export(
        store.read_records(documents, Document),
        {name: {one.document_id: one for one in annotations} for name, annotations in passes.items()},
        out,
        tool=to,
        scheme=load_scheme(scheme),
        inputs=inputs,
    )
    say(f"{manifest.written} documents for {to} in {out}")


@dataclass(frozen=True, kw_only=True)
class ImportConfig:
    """How a file of passes is read."""

    format_: Annotated[Literal["standoff", "label-studio", "doccano"], Parameter(name="--format")] = "standoff"
    """How the file is written: our own stand-off lines, or what a tool exports (Label Studio: JSON; doccano: JSONL)."""
    scheme: str = "gonerd"
    """The label scheme of a tool's labels."""
    unit: Literal["auto", "code-points", "utf-16"] = "auto"
    """What a tool's offsets count: auto finds out by the text of the spans, where the tool gives it."""
    annotator: str | None = None
    """Whose pass a single file of doccano is; else the file's name says so."""
    rename: Annotated[tuple[str, ...] | None, Parameter(negative="")] = None
    """What annotators are to be called, each as OLD=NEW: Label Studio exports the numbers of its users (user-5=ann)."""
    ground_truth: Annotated[bool, Parameter(negative="")] = False
    """Take the annotations that Label Studio marks as ground truth alone, as one pass."""


def import_(
    file: Path,
    /,
    *,
    documents: Path,
    out: Path,
    before: Path | None = None,
    config: Annotated[ImportConfig, Parameter(name="*")] = ImportConfig(),
) -> None:
    """Import annotators' passes over documents, verified span by span.

    Example: gonerd annotate import ann.jsonl --documents documents --out annotations/ann

    Example: gonerd annotate import project-1.json --format label-studio --documents documents --out annotations/people

    Parameters
    ----------
    file
        Stand-off: JSON Lines, one document a line, each span with its surface. Or what a tool exported, with all its
        annotators.
    documents
        Stage folder of the documents as they are now.
    out
        Folder for the annotations.
    before
        Stage folder of the documents as they were annotated, where their text has changed since: spans are moved.
        A tool's export brings its text along.
    config
        How the file is read.
    """
    names = _names(config.rename or ())
    records = [_renamed(record, names) for record in _imported(file, documents, before, config)]
    if not any(isinstance(record, Annotation) for record in records):
        raise GonerdError(
            f"no document of this pass is in {documents}" if records else "it holds no pass",
            where=file,
            remedy="Name the documents that were annotated with --documents",
        )
    settings = {"format": config.format_, "file": store.sha256_file(file) if file.is_file() else None}
    manifest = store.write_stage(records, out, stage="annotate import", config=settings)
    annotators = Counter(record.annotator for record in records if isinstance(record, Annotation))
    told = ", ".join(f"{count} by {name}" for name, count in sorted(annotators.items()))
    say(f"{manifest.written} annotated documents in {out}: {told}")
    say_dropped(manifest, out)


def _names(given: Sequence[str]) -> dict[str, str]:
    """Return the new names of annotators by the old ones."""
    pairs = [one.partition("=") for one in given]
    names = {old: new for old, _, new in pairs}
    if not all(old and new for old, new in names.items()) or len({*names.values()}) < len(pairs):
        raise GonerdError(f"{', '.join(given)}: not one new name for each old one", remedy="For example: user-5=ann")
    return names


def _renamed(record: Annotation | Dropped, names: dict[str, str]) -> Annotation | Dropped:
    if isinstance(record, Dropped):
        return record
    return replace(record, annotator=names.get(record.annotator, record.annotator))


def _imported(file: Path, documents: Path, before: Path | None, config: ImportConfig) -> Iterator[Annotation | Dropped]:
    from gonerd.annotation import doccano, label_studio
    from gonerd.annotation.passes import import_pass, mover
    from gonerd.annotation.tools import import_export
    from gonerd.corpus.realign import realign
    from gonerd.formats.standoff import read
    from gonerd.labels import load_scheme

    held = store.read_records(documents, Document)
    earlier = list(store.read_records(before, Document)) if before else []
    if config.format_ == "standoff":
        yield from import_pass(read(file), held, move=mover(realign, earlier))
        return
    scheme = load_scheme(config.scheme)
    if config.format_ == "doccano":
        export = doccano.read_export(file, scheme=scheme, unit=config.unit, annotator=config.annotator)
    else:
        export = label_studio.read_export(file, scheme=scheme, unit=config.unit, ground_truth=config.ground_truth)
    yield from import_export(export, held, move=mover(realign, [*earlier, *export.texts.values()]))
