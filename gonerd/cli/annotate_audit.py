"""`gonerd annotate audit`: likely errors in gold."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from gonerd import store
from gonerd.annotation.audit import AuditConfig, Finding
from gonerd.annotation.view import Note, Sheet
from gonerd.cli.annotate_gold import read_passes
from gonerd.cli.console import progress_bar, say, table
from gonerd.records import Annotation, Document, Span

if TYPE_CHECKING:
    from collections.abc import Mapping

_SHOWN = 20
_CONTEXT = 24  # code points either side of a place in the table


def audit(
    gold: Path,
    /,
    *,
    documents: Path,
    predictions: Annotated[list[Path] | None, Parameter(negative="")] = None,
    out: Path | None = None,
    page: Path | None = None,
    config: Annotated[AuditConfig, Parameter(name="*")] = AuditConfig(),  # noqa: B008 - frozen
) -> None:
    """Find likely errors in gold: marks that do not fit, names that lack one, with reasons.

    Each mark is held against the guideline's rules about spans, the other mentions in its document and in the corpus,
    and a light model that learned from the other documents.

    Example: gonerd annotate audit gold --documents documents --out audit.json --page audit.html

    Parameters
    ----------
    gold
        Stage folder of gold, one annotation a document.
    documents
        Stage folder of the documents.
    predictions
        Stage folders of predictions by models that have not seen these documents, as further evidence.
    out
        JSON file for all the findings.
    page
        HTML file that shows the findings in their documents.
    """
    from gonerd.annotation.audit import audit as audited

    held = {document.id: document for document in store.read_records(documents, Document)}
    given = list(store.read_records(gold, Annotation))
    others = read_passes(predictions) if predictions else {}
    with progress_bar("audit") as progress:
        found = audited(given, held.values(), config=config, predictions=others, progress=progress)
    _show(found, held)
    if out:
        store.write_json(out, found)
        say(f"{len(found)} findings in {out}")
    if page:
        _write_page(found, held, given, page)
        say(f"{len({finding.document_id for finding in found})} documents with findings on {page}")


def _show(found: Sequence[Finding], held: Mapping[str, Document]) -> None:
    rows = [
        [
            f"{finding.score:.2f}",
            finding.document_id,
            _in_context(finding, held[finding.document_id].text),
            finding.label or "unmarked",
            _told(finding.instead, held[finding.document_id].text),
            "; ".join(reason.text for reason in finding.reasons),
        ]
        for finding in found[:_SHOWN]
    ]
    title = f"The {len(rows)} most suspicious of {len(found)} findings"
    table(["score", "document", "place", "is", "perhaps", "because"], rows, title=title)


def _in_context(finding: Finding, text: str) -> str:
    before, after = text[max(0, finding.start - _CONTEXT) : finding.start], text[finding.end : finding.end + _CONTEXT]
    return " ".join(f"{before}[{finding.surface}]{after}".split())


def _told(span: Span | None, text: str) -> str:
    return "no name" if span is None else f"{text[span.start : span.end]} {span.label}"


def _write_page(found: Sequence[Finding], held: Mapping[str, Document], gold: Sequence[Annotation], page: Path) -> None:
    from gonerd.annotation.view import write_view
    from gonerd.labels import load_scheme

    write_view(_sheets(found, held, gold), page, scheme=load_scheme(gold[0].scheme), title="Audit of gold")


def _sheets(found: Sequence[Finding], held: Mapping[str, Document], gold: Sequence[Annotation]) -> Iterator[Sheet]:
    """Yield the documents with findings, the most suspicious first."""
    marks = {annotation.document_id: annotation for annotation in gold}
    notes: dict[str, list[Note]] = {}
    for finding in found:
        reasons = "; ".join(reason.text for reason in finding.reasons) or "no single reason"
        perhaps = _told(finding.instead, held[finding.document_id].text)
        text = f"{finding.score:.2f}: {finding.label or 'unmarked'}, perhaps {perhaps}: {reasons}"
        kind = finding.reasons[0].kind if finding.reasons else "weak"
        notes.setdefault(finding.document_id, []).append(Note(finding.start, finding.end, kind, text))
    for name, there in notes.items():
        ordered = tuple(sorted(there, key=lambda note: (note.start, note.end)))
        yield Sheet(held[name], (marks[name],), ordered)
