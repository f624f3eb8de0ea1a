from dataclasses import replace

import pytest

from gonerd.annotation.passes import import_pass, mover
from gonerd.errors import GonerdError
from gonerd.formats.standoff import StandoffPass, from_annotation
from gonerd.records import Annotation, Document, Dropped, Reason, Span

DOCUMENT = Document("d", "Ann Holt met Ben.", "s", url="https://example.org/a")
CHANGED = Document("d", "Updated. Ann Holt met Ben.", "s", url="https://example.org/a")


def entry(document: Document = DOCUMENT, annotator: str = "ann") -> StandoffPass:
    spans = (Span(0, 8, "PER"), Span(13, 16, "PER"))
    return from_annotation(Annotation(document.id, document.text_sha256, annotator, "gonerd", spans), document)


def no_move(*_: object) -> tuple[Annotation, list[Dropped]]:
    raise AssertionError("nothing was to be moved")


def shift(annotation: Annotation, *, old_text: str, document: Document) -> tuple[Annotation, list[Dropped]]:
    """Move everything by the length of what was put in front, and lose the last span."""
    by = len(document.text) - len(old_text)
    *kept, last = (Span(span.start + by, span.end + by, span.label) for span in annotation.spans)
    moved = replace(annotation, document_id=document.id, text_sha256=document.text_sha256, spans=tuple(kept))
    return moved, [Dropped(document.id, Reason.UNPLACED, str(last))]


def test_same_text_is_taken_as_it_is_whatever_the_order():
    other = Document("e", DOCUMENT.text + " ", "s")
    entries = [entry(other), entry()]
    found = list(import_pass(entries, [DOCUMENT, other], move=no_move))
    assert [item.document_id for item in found] == ["e", "d"]
    assert found[1].spans == (Span(0, 8, "PER"), Span(13, 16, "PER"))


def test_document_is_found_by_its_url():
    renamed = replace(DOCUMENT, id="new")
    (found,) = import_pass([entry()], [renamed], move=no_move)
    assert isinstance(found, Annotation)
    assert found.document_id == "new"


def test_unknown_documents_are_dropped_with_a_reason():
    stranger = replace(entry(), document_id="x", url="https://example.org/x")
    twins = [replace(DOCUMENT, id="one"), replace(DOCUMENT, id="two")]
    assert list(import_pass([stranger], [DOCUMENT], move=no_move)) == [
        Dropped("x", Reason.UNKNOWN_DOCUMENT, "no document has its id or url")
    ]
    (found,) = import_pass([entry()], twins, move=no_move)
    assert found == Dropped("d", Reason.UNKNOWN_DOCUMENT, "2 documents have the url https://example.org/a")


def test_changed_text_moves_and_nothing_vanishes():
    found = list(import_pass([entry()], [CHANGED], move=mover(shift, [DOCUMENT])))
    assert isinstance(found[0], Annotation)
    assert [CHANGED.text[span.start : span.end] for span in found[0].spans] == ["Ann Holt"]
    assert found[0].text_sha256 == CHANGED.text_sha256
    assert isinstance(found[1], Dropped)
    assert found[1].reason is Reason.UNPLACED


def test_changed_text_without_the_old_one_is_an_error_that_says_what_to_give():
    with pytest.raises(GonerdError, match="--before"):
        list(import_pass([entry()], [CHANGED], move=mover(shift, [])))


def test_moved_surface_is_verified():
    wrong = replace(entry(), spans=(replace(entry().spans[0], start=1, end=9), entry().spans[1]))
    with pytest.raises(GonerdError, match="moved to 'nn Holt '"):
        list(import_pass([wrong], [CHANGED], move=mover(shift, [DOCUMENT])))


def test_surface_mismatch_is_an_error():
    wrong = replace(entry(), spans=(replace(entry().spans[0], start=1, end=9),))
    with pytest.raises(GonerdError, match="expected 'Ann Holt', found 'nn Holt '"):
        list(import_pass([wrong], [DOCUMENT], move=no_move))


def test_second_pass_second_annotator_and_foreign_label_are_errors():
    other = Document("e", DOCUMENT.text, "s")
    with pytest.raises(GonerdError, match="second pass"):
        list(import_pass([entry(), entry()], [DOCUMENT], move=no_move))
    with pytest.raises(GonerdError, match="a file of its own"):
        list(import_pass([entry(), entry(other, "ben")], [DOCUMENT, other], move=no_move))
    foreign = replace(entry(), spans=(replace(entry().spans[0], label="PERSON"),))
    with pytest.raises(GonerdError, match="unknown label 'PERSON'"):
        list(import_pass([foreign], [DOCUMENT], move=no_move))
