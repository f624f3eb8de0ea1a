"""`gonerd annotate`: suggest, import, agreement, adjudicate."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter

from gonerd import store
from gonerd.annotation.adjudicate import AdjudicateConfig
from gonerd.annotation.agreement import LabelAgreement, PairAgreement
from gonerd.annotation.suggest import SuggestConfig
from gonerd.cli.console import progress_bar, say, table
from gonerd.errors import GonerdError
from gonerd.formats import jsonl
from gonerd.records import Annotation, Document, Manifest

app = App(name="annotate", help="Annotate documents: suggestions, passes of annotators, agreement, gold.")


@dataclass(frozen=True, kw_only=True)
class DecisionFiles:
    """What a person decided, and what is left to decide."""

    decisions: Path | None = None
    """JSON Lines of decisions: document_id, start, end, label (null to reject), surface, by, why."""
    queue: Path | None = None
    """File for the differences without a decision, whose documents are left out of the gold; else they are an error."""
    before: Path | None = None
    """Stage folder of the documents as they were decided on, where their text has changed since."""


@app.command
def suggest(
    documents: Path,
    /,
    *,
    out: Path,
    config: Annotated[SuggestConfig, Parameter(name="*")] = SuggestConfig(),  # noqa: B008 - frozen
    workers: int = 1,
) -> None:
    """Suggest spans for annotators to correct.

    Example: gonerd annotate suggest documents --out annotations/rules --with rules

    Parameters
    ----------
    documents
        Stage folder of documents.
    out
        Folder for the suggestions, one annotation a document.
    workers
        Processes; the output is the same.
    """
    from gonerd.annotation.suggest import suggest as suggested
    from gonerd.annotation.suggest import suggester
    from gonerd.labels import load_scheme

    scheme = load_scheme(config.scheme)
    suggester(config.with_, scheme)  # an unknown name is an error before any work
    work = partial(suggested, config=config, scheme=scheme)
    stage = store.Stage("annotate suggest", config, partial(jsonl.read, kind=Document), work)
    with progress_bar("suggest") as progress:
        manifest = store.run_stage(stage, store.shards(documents), out, workers=workers, progress=progress)
    say(f"{manifest.written} documents with suggestions in {out}")


@app.command(name="import")
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
    _say_dropped(manifest, out)


@app.command
def agreement(
    passes: Annotated[list[Path], Parameter(negative="")],
    /,
    *,
    documents: Path,
    out: Path | None = None,
) -> None:
    """Tell how far annotators agree: entities, tokens, labels, and the documents to look at first.

    Example: gonerd annotate agreement annotations/ann annotations/ben --documents documents --out agreement.json

    Parameters
    ----------
    passes
        Stage folders of imported passes, two or more.
    documents
        Stage folder of the documents.
    out
        JSON file for all the figures.
    """
    from gonerd.annotation.agreement import agreement as measured

    result = measured(_read_passes(passes), store.read_records(documents, Document))
    for pair in result.pairs:
        _show_pair(pair)
    most = [[one.document_id, str(one.differences), f"{one.f1:.3f}"] for one in result.ranking[:10] if one.differences]
    table(["document", "differences", "F1 exact"], most, title="Most differences")
    if out:
        store.write_json(out, result)
        say(f"all figures in {out}")


@app.command
def adjudicate(
    passes: Annotated[list[Path], Parameter(negative="")],
    /,
    *,
    documents: Path,
    out: Path,
    config: Annotated[AdjudicateConfig, Parameter(name="*")] = AdjudicateConfig(),  # noqa: B008 - frozen
    files: Annotated[DecisionFiles, Parameter(name="*")] = DecisionFiles(),
) -> None:
    """Make gold of several passes: what all agree on passes, a policy settles the rest, a trail says who and why.

    Example: gonerd annotate adjudicate annotations/ann annotations/ben --documents documents --out gold
    --decisions decisions.jsonl

    Parameters
    ----------
    passes
        Stage folders of imported passes, two or more.
    documents
        Stage folder of the documents.
    out
        Folder for the gold, with trail.jsonl.
    """
    from gonerd.annotation.adjudicate import adjudicate as adjudicated
    from gonerd.annotation.decisions import Decision
    from gonerd.annotation.gold import write_gold
    from gonerd.annotation.passes import mover
    from gonerd.corpus.realign import realign

    result = adjudicated(
        _read_passes(passes),
        store.read_records(documents, Document),
        config=config,
        decisions=jsonl.read(files.decisions, Decision) if files.decisions else (),
        move=mover(realign, store.read_records(files.before, Document) if files.before else ()),
        leave_open=files.queue is not None,
    )
    manifest = write_gold(result, out, config=config)
    rejected = sum(entry.label is None for entry in result.trail)
    agreed = sum(entry.by == "agreement" for entry in result.trail)
    say(f"gold for {manifest.written} documents in {out}")
    say(f"{len(result.trail)} places: {agreed} agreed, {len(result.trail) - agreed} settled, {rejected} without a span")
    if files.queue:
        store.write_atomic(files.queue, "".join(f"{jsonl.dumps(item)}\n" for item in result.queue))
        say(f"{len(result.queue)} open differences in {files.queue}")
    _say_dropped(manifest, out)


def _show_pair(pair: PairAgreement) -> None:
    whole = LabelAgreement(pair.exact, pair.type_only)
    rows = [
        [label, f"{one.exact.f1:.3f}", f"{one.type_only.f1:.3f}", str(one.exact.first), str(one.exact.second)]
        for label, one in [("all", whole), *pair.by_label.items()]
    ]
    title = f"{pair.first} and {pair.second}: {pair.documents} documents"
    table(["label", "F1 exact", "F1 type-only", pair.first, pair.second], rows, title=title)
    interval = f"F1 exact {pair.exact.f1:.3f} (95 % {pair.exact_low:.3f} to {pair.exact_high:.3f})"
    say(f"{interval}, boundary-only {pair.boundary_only.f1:.3f}, kappa {pair.kappa:.3f} over {pair.tokens} tokens")
    labels = list(pair.confusion)
    confused = [[row, *(str(pair.confusion[row][column]) for column in labels)] for row in labels]
    table([f"{pair.first} \\ {pair.second}", *labels], confused, title="Labels of the spans with the same boundaries")


def _read_passes(folders: list[Path]) -> dict[str, list[Annotation]]:
    """Return the annotations in stage folders by annotator."""
    passes: dict[str, list[Annotation]] = {}
    for folder in folders:
        found = list(store.read_records(folder, Annotation))
        if not found:
            raise GonerdError("no annotation in this folder", where=folder)
        for annotation in found:
            passes.setdefault(annotation.annotator, []).append(annotation)
    return passes


def _say_dropped(manifest: Manifest, out: Path) -> None:
    if manifest.dropped:
        reasons = ", ".join(f"{count} {reason}" for reason, count in manifest.dropped.items())
        say(f"dropped: {reasons}; each with its reason in {out / store.DROPPED}")
