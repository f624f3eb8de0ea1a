"""`gonerd annotate suggest|import`: passes of suggesters and of people."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from gonerd import store
from gonerd.annotation.suggest import SuggestConfig
from gonerd.cli.console import progress_bar, say, say_dropped
from gonerd.errors import GonerdError
from gonerd.records import Annotation, Document


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


def import_(
    file: Path,
    /,
    *,
    documents: Path,
    out: Path,
    format_: Annotated[Literal["standoff"], Parameter(name="--format")] = "standoff",
    before: Path | None = None,
) -> None:
    """Import one annotator's pass over documents, verified span by span.

    Example: gonerd annotate import ann.jsonl --documents documents --out annotations/ann

    Parameters
    ----------
    file
        The pass: JSON Lines, one document a line, each span with its surface.
    documents
        Stage folder of the documents as they are now.
    out
        Folder for the annotations.
    format_
        How the file is written.
    before
        Stage folder of the documents as they were annotated, where their text has changed since: spans are moved.
    """
    from gonerd.annotation.passes import import_pass, mover
    from gonerd.corpus.realign import realign
    from gonerd.formats.standoff import read

    move = mover(realign, store.read_records(before, Document) if before else ())
    records = list(import_pass(read(file), store.read_records(documents, Document), move=move))
    if not any(isinstance(record, Annotation) for record in records):
        raise GonerdError(
            f"no document of this pass is in {documents}" if records else "it holds no pass",
            where=file,
            remedy="Name the documents that were annotated with --documents",
        )
    config = {"format": format_, "file": store.sha256_file(file) if file.is_file() else None}
    manifest = store.write_stage(records, out, stage="annotate import", config=config)
    say(f"{manifest.written} annotated documents in {out}")
    say_dropped(manifest, out)
