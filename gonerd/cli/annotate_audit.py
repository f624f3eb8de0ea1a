"""`gonerd annotate audit`: likely errors in gold."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from gonerd import store
from gonerd.annotation.audit import AuditConfig, Finding
from gonerd.annotation.findings import perhaps
from gonerd.cli.annotate_gold import read_passes
from gonerd.cli.console import progress_bar, say
from gonerd.records import Annotation, Document

if TYPE_CHECKING:
    from collections.abc import Mapping

_SHOWN = 20
_CONTEXT = 40  # code points either side of a place


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
    """Find likely errors in gold: marks that do not fit, names that lack one; the most suspicious first, with reasons.

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
    say(f"The {min(_SHOWN, len(found))} most suspicious of {len(found)} places:")
    for finding in found[:_SHOWN]:
        text = held[finding.document_id].text
        place = f"{finding.document_id} [{finding.start}, {finding.end})"
        say(f"\n{finding.score:.2f}  {finding.label or 'unmarked'}, perhaps {perhaps(finding, text)}  ({place})")
        say(f"      {_in_context(finding, text)}")
        for reason in finding.reasons:
            say(f"      - {reason.text}")
    say("")


def _in_context(finding: Finding, text: str) -> str:
    before, after = text[max(0, finding.start - _CONTEXT) : finding.start], text[finding.end : finding.end + _CONTEXT]
    return " ".join(f"{before}[{finding.surface}]{after}".split())


def _write_page(found: Sequence[Finding], held: Mapping[str, Document], gold: Sequence[Annotation], page: Path) -> None:
    from gonerd.annotation.findings import finding_sheets
    from gonerd.annotation.view import write_view
    from gonerd.labels import load_scheme

    write_view(
        finding_sheets(found, held.values(), gold), page, scheme=load_scheme(gold[0].scheme), title="Audit of gold"
    )
