"""`gonerd annotate agreement|adjudicate`: from passes to gold."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from gonerd import store
from gonerd.annotation.adjudicate import AdjudicateConfig
from gonerd.annotation.agreement import LabelAgreement, PairAgreement, SpanAgreement
from gonerd.bootstrap import Interval
from gonerd.cli.console import say, say_dropped, table
from gonerd.errors import GonerdError
from gonerd.formats import jsonl
from gonerd.records import Annotation, Document


@dataclass(frozen=True, kw_only=True)
class DecisionFiles:
    """What a person decided, and what is left to decide."""

    decisions: Path | None = None
    """JSON Lines of decisions: document_id, start, end, label (null to reject), surface, by, why."""
    queue: Path | None = None
    """File for the differences without a decision, whose documents are left out of the gold; else they are an error."""
    before: Path | None = None
    """Stage folder of the documents as they were decided on, where their text has changed since."""


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
        Stage folders of imported passes: of two annotators or more in all.
    documents
        Stage folder of the documents.
    out
        JSON file for all the figures.
    """
    from gonerd.annotation.agreement import agreement as measured

    result = measured(read_passes(passes), store.read_records(documents, Document))
    for pair in result.pairs:
        _show_pair(pair)
    by_source = ", ".join(f"{source} {alpha:.3f}" for source, alpha in result.alpha_by_source.items())
    detail = f" ({by_source})" if len(result.alpha_by_source) > 1 else ""
    say(f"Krippendorff's alpha over all {len(result.annotators)} annotators' tokens: {result.alpha:.3f}{detail}")
    most = [[one.document_id, str(one.differences), f"{one.f1:.3f}"] for one in result.ranking[:10] if one.differences]
    table(["document", "differences", "F1 exact"], most, title="Most differences")
    if out:
        store.write_json(out, result)
        say(f"all figures in {out}")


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
        Stage folders of imported passes: of two annotators or more in all.
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
        read_passes(passes),
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
    say_dropped(manifest, out)


def _show_pair(pair: PairAgreement) -> None:
    whole = LabelAgreement(pair.exact, pair.exact_interval, pair.type_only)
    rows = [
        [label, *_stated(one.exact, one.exact_interval), f"{one.type_only.f1:.3f}", *_marked(one.exact)]
        for label, one in [("all", whole), *pair.by_label.items()]
    ]
    title = f"{pair.first} and {pair.second}: {pair.documents} documents"
    table(["label", "F1 exact", "95 %", "F1 type-only", pair.first, pair.second], rows, title=title)
    if len(pair.by_source) > 1:
        rows = [
            [source, str(one.documents), *_stated(one.exact, one.exact_interval), f"{one.kappa:.3f}"]
            for source, one in pair.by_source.items()
        ]
        table(["source", "documents", "F1 exact", "95 %", "kappa"], rows)
    say(f"F1 boundary-only {pair.boundary_only.f1:.3f}, kappa {pair.kappa:.3f} over {pair.tokens} tokens")
    labels = list(pair.confusion)
    confused = [[row, *(str(pair.confusion[row][column]) for column in labels)] for row in labels]
    table(
        [f"{pair.first} \\ {pair.second}", *labels],
        confused,
        title="Spans with the same boundaries; - is no span with these boundaries",
    )


def _stated(agreed: SpanAgreement, interval: Interval) -> tuple[str, str]:
    return f"{agreed.f1:.3f}", f"{interval.low:.3f} to {interval.high:.3f}"


def _marked(agreed: SpanAgreement) -> tuple[str, str]:
    return str(agreed.first), str(agreed.second)


def read_passes(folders: list[Path]) -> dict[str, list[Annotation]]:
    """Return the annotations in stage folders by annotator."""
    passes: dict[str, list[Annotation]] = {}
    for folder in folders:
        found = list(store.read_records(folder, Annotation))
        if not found:
            raise GonerdError("no annotation in this folder", where=folder)
        for annotation in found:
            passes.setdefault(annotation.annotator, []).append(annotation)
    return passes
