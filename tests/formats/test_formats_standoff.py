import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gonerd.errors import GonerdError
from gonerd.formats.standoff import (
    CONTEXT,
    StandoffSpan,
    from_annotation,
    read,
    standoff_span,
    to_annotation,
    write,
    write_passes,
)
from gonerd.records import Annotation, Document, Span, normalize_text, sha256_of

TEXT = "😀 Ána Bērziņš flew 🛩️ to תל אביב; नमस्ते Ltd."


def made(text: str = TEXT, *spans: Span) -> tuple[Document, Annotation]:
    document = Document("d", text, "s", url="https://example.org/a")
    return document, Annotation("d", document.text_sha256, "ann", "gonerd", spans)


def at(surface: str, label: str) -> Span:
    start = TEXT.index(surface)
    return Span(start, start + len(surface), label)


def test_offsets_are_code_points_through_the_file(tmp_path):
    document, annotation = made(TEXT, at("Ána Bērziņš", "PER"), at("תל אביב", "LOC"), at("नमस्ते Ltd.", "ORG"))
    assert annotation.spans[0].start == 2  # one code point of emoji, one space
    path = tmp_path / "a.jsonl"
    assert write(path, [annotation], {"d": document}) == 1
    value = json.loads(path.read_text(encoding="utf-8"))
    assert list(value) == ["document_id", "url", "text_sha256", "annotator", "scheme", "spans"]
    assert value["spans"][1]["surface"] == "תל אביב"
    (entry,) = read(path)
    assert to_annotation(entry, document) == annotation
    assert from_annotation(annotation, document) == replace(entry, where="")


def test_file_holds_no_more_of_the_text_than_the_context(tmp_path):
    text = "x" * 100 + "Ann" + "y" * 100
    document, annotation = made(text, Span(100, 103, "PER"))
    write(tmp_path / "a.jsonl", [annotation], {"d": document})
    content = (tmp_path / "a.jsonl").read_text(encoding="utf-8")
    assert "x" * CONTEXT in content
    assert "x" * (CONTEXT + 1) not in content
    assert "y" * (CONTEXT + 1) not in content


def test_context_is_shorter_at_the_edges():
    assert standoff_span("Ann", Span(0, 3, "PER")) == StandoffSpan(0, 3, "PER", "Ann", "", "")


@given(st.text(min_size=1).map(normalize_text).filter(bool), st.data())
def test_round_trip_for_any_text(text, data):
    cuts = sorted(data.draw(st.sets(st.integers(0, len(text)), max_size=8)))
    spans = [Span(start, end, "MISC") for start, end in zip(cuts[::2], cuts[1::2], strict=False)]
    document, annotation = made(text, *spans)
    assert to_annotation(from_annotation(annotation, document), document) == annotation


def test_surface_mismatch_names_line_document_span_and_both_surfaces(tmp_path):
    document, annotation = made(TEXT, at("Ána Bērziņš", "PER"))
    entry = from_annotation(annotation, document)
    # An offset counted in UTF-16 units is one too far after the emoji.
    wrong = replace(entry.spans[0], start=3, end=14)
    write_passes(tmp_path / "a.jsonl", [replace(entry, spans=(wrong,))])
    (back,) = read(tmp_path / "a.jsonl")
    with pytest.raises(GonerdError) as caught:
        to_annotation(back, document)
    for part in ("a.jsonl, line 1", "'d'", "[3, 14)", "'Ána Bērziņš'", "'na Bērziņš '"):
        assert part in str(caught.value)


def test_another_text_is_refused():
    document, annotation = made(TEXT, at("Ána Bērziņš", "PER"))
    entry = from_annotation(annotation, document)
    other = Document("d", TEXT + "!", "s")
    with pytest.raises(GonerdError, match="has changed"):
        to_annotation(entry, other)
    with pytest.raises(GonerdError, match="has changed"):
        from_annotation(annotation, other)


def test_overlapping_spans_are_refused_and_order_is_not_asked_for():
    document, annotation = made("Ann Holt", Span(0, 3, "PER"), Span(4, 8, "PER"))
    entry = from_annotation(annotation, document)
    assert to_annotation(replace(entry, spans=entry.spans[::-1]), document) == annotation
    whole = standoff_span(document.text, Span(0, 8, "PER"))
    with pytest.raises(GonerdError, match="overlaps"):
        to_annotation(replace(entry, spans=(*entry.spans, whole)), document)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"spans": [{"start": 0, "end": 3, "label": "PER", "surface": "Anna", "before": "", "after": ""}]}, "length"),
        ({"spans": [{"start": 3, "end": 3, "label": "PER", "surface": "", "before": "", "after": ""}]}, "empty"),
        ({"spans": [{"start": 0, "end": 1, "label": "P", "surface": "A", "before": "x" * 33, "after": ""}]}, "context"),
        ({"spans": [[0, 3, "PER"]]}, "StandoffSpan"),
        ({"where": "elsewhere"}, "where"),
        ({"text": "the whole text"}, "text"),
        ({"annotator": 3}, "annotator"),
    ],
)
def test_broken_lines_are_named(tmp_path, change, message):
    value = {"document_id": "d", "text_sha256": sha256_of("Ann"), "annotator": "a", "scheme": "gonerd", "spans": []}
    path = tmp_path / "a.jsonl"
    path.write_text("\n" + json.dumps(value | change) + "\n", encoding="utf-8")
    with pytest.raises(GonerdError, match=message) as caught:
        list(read(path))
    assert "line 2" in str(caught.value)


def test_missing_document_is_named(tmp_path):
    _, annotation = made("Ann")
    with pytest.raises(GonerdError, match="no document 'd'"):
        write(tmp_path / "a.jsonl", [annotation], {})
