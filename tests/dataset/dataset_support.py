"""Small corpora for the tests of the dataset."""

from pathlib import Path

from gonerd.dataset.build import BuildConfig
from gonerd.records import Annotation, Document, Span
from gonerd.store import write_stage

WORDS = ("harbour", "council", "winter", "signal", "bridge", "garden", "copper", "ledger", "meadow", "engine", "violet")
CONFIG = BuildConfig(annotators="two test programs", annotations_creators="machine-generated")


def make_text(number, *, words=60):
    """A text that shares almost no five-word stretch with another number's."""
    picked = (f"{WORDS[(number * 7 + i * i + i) % len(WORDS)]}{number}x{i % 9}" for i in range(words))
    return f"Anna Lund met the Lake-side Trust in Oslo{number}. " + " ".join(picked) + "."


def make_document(number, *, source="paper", **more):
    values = {"text": make_text(number), "license": "CC0-1.0", "title": f"Title {number}", "published": None, **more}
    return Document(id=f"doc-{number:03d}", source=source, extractor="reader 1", **values)


def make_gold(document, *spans):
    place = document.text.find("Oslo")
    given = spans or ((0, 9, "PER"), (18, 33, "ORG"), *([(place, place + 4, "LOC")] if place > 0 else []))
    spans = tuple(Span(*span) for span in given)
    return Annotation(document.id, document.text_sha256, "gold", "gonerd", spans)


def make_stages(folder: Path, documents, gold):
    write_stage(documents, folder / "documents", stage="documents", config={})
    write_stage(gold, folder / "gold", stage="gold", config={})
    return [folder / "documents"], [folder / "gold"]
