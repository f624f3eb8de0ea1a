"""Spans moved from one version of a text to another: to the same words in the same place, or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from gonerd.corpus.anchor import Mention, anchor
from gonerd.errors import GonerdError
from gonerd.formats.standoff import StandoffSpan
from gonerd.records import Annotation, Document, Dropped, Reason, Span, sha256_of

CONTEXT = 96  # code points looked at on either side of a span, where the old text is at hand


def realign(annotation: Annotation, *, old_text: str, document: Document) -> tuple[Annotation, list[Dropped]]:
    """Move the spans of an annotation from `old_text` to the text of `document`.

    A span is placed only where the very same characters stand, in the same surroundings and with the same neighbours
    (see `gonerd.corpus.anchor`); every other span is dropped as unplaced.

    Returns:
        The annotation of the document, and one Dropped for each span that could not be placed.

    Raises:
        GonerdError: the annotation does not refer to `old_text`.
    """
    if annotation.text_sha256 != sha256_of(old_text):
        raise GonerdError("the annotation refers to another text", where=annotation.document_id)
    if annotation.text_sha256 == document.text_sha256:
        return replace(annotation, document_id=document.id), []
    mentions = [_mention(old_text, span) for span in annotation.spans]
    labels = [span.label for span in annotation.spans]
    spans, lost = _placed(mentions, labels, document)
    return replace(annotation, document_id=document.id, text_sha256=document.text_sha256, spans=spans), lost


def reanchor(spans: Sequence[StandoffSpan], document: Document) -> tuple[tuple[Span, ...], list[Dropped]]:
    """Place the spans of a release in the text of `document`, whose released version is not at hand.

    Args:
        spans: in the order of the released text.
        document: the document as it is now.

    Returns:
        The spans in the order of the text, and one Dropped for each that could not be placed.
    """
    mentions = [Mention(span.start, span.surface, span.before, span.after) for span in spans]
    return _placed(mentions, [span.label for span in spans], document)


def _mention(text: str, span: Span) -> Mention:
    before = text[max(0, span.start - CONTEXT) : span.start]
    return Mention(span.start, text[span.start : span.end], before, text[span.end : span.end + CONTEXT])


def _placed(
    mentions: Sequence[Mention], labels: Sequence[str], document: Document
) -> tuple[tuple[Span, ...], list[Dropped]]:
    kept: list[Span] = []
    lost: list[Dropped] = []
    for mention, label, start in zip(mentions, labels, anchor(mentions, document.text), strict=True):
        if start is None:
            lost.append(Dropped(document.id, Reason.UNPLACED, f"{label} {mention.surface!r} at {mention.start}"))
        else:
            kept.append(Span(start, start + len(mention.surface), label))
    return tuple(sorted(kept)), lost
