"""Findings of an audit in words, and as notes in the documents for a page."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from gonerd.annotation.audit import Finding
from gonerd.annotation.view import Note, Sheet
from gonerd.records import Annotation, Document


def perhaps(finding: Finding, text: str) -> str:
    """Return what a place may have to be, in words."""
    span = finding.instead
    return "no name" if span is None else f"{text[span.start : span.end]} {span.label}"


def finding_sheets(
    findings: Sequence[Finding], documents: Iterable[Document], gold: Iterable[Annotation]
) -> Iterator[Sheet]:
    """Yield the documents with findings, in the order of the findings, which stand as notes beside the gold."""
    held = {document.id: document for document in documents}
    marks = {annotation.document_id: annotation for annotation in gold}
    notes: dict[str, list[Note]] = {}
    for finding in findings:
        kind = finding.reasons[0].kind if finding.reasons else "weak"
        note = Note(finding.start, finding.end, kind, _said(finding, held[finding.document_id].text))
        notes.setdefault(finding.document_id, []).append(note)
    for name, there in notes.items():
        yield Sheet(held[name], (marks[name],), tuple(sorted(there, key=lambda note: (note.start, note.end))))


def _said(finding: Finding, text: str) -> str:
    reasons = "; ".join(reason.text for reason in finding.reasons) or "no single reason"
    return f"{finding.score:.2f}: {finding.label or 'unmarked'}, perhaps {perhaps(finding, text)}: {reasons}"
