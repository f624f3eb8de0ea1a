"""Spans of a release on damaged texts: how many are placed, and whether each is where its own words went."""

import json
from collections import defaultdict

import pytest
from damage import KINDS, damaged

from gonerd.corpus.realign import realign, reanchor
from gonerd.formats import jsonl
from gonerd.formats.standoff import StandoffPass, standoff_span
from gonerd.labels import spans_from_tags, text_spans
from gonerd.records import Annotation, Document, Span, sha256_of
from gonerd.sample.data import sample, true_documents

RECALL = {"all_of_it": 0.8, "sentences_rewritten": 0.93, "sentences_reordered": 0.95}  # others: 0.98
PRECISION = 0.999


def sample_texts():
    documents = {document.id: document for document in true_documents()}
    for entry in jsonl.read(sample("annotations", "first.jsonl"), StandoffPass):
        document = documents[entry.document_id]
        yield document.id, document.text, list(entry.spans)


def gold_texts(shared, split):
    for line in (shared / "gold" / f"{split}.jsonl").read_text("utf-8").splitlines():
        row = json.loads(line)
        spans = text_spans(row["token_starts"], row["tokens"], spans_from_tags(row["ner_tags"]))
        yield row["id"], row["text"], [standoff_span(row["text"], span) for span in spans]


def measure(texts, *, kinds=KINDS, known=False):
    """Return by kind of damage how many spans were placed, placed rightly, and could have been placed."""
    counts = defaultdict(lambda: [0, 0, 0])
    for name, text, spans in texts:
        for kind in kinds:
            new, truth = damaged(text, spans, kind, name)
            document = Document(name, new, "s")
            wanted = [place for place in truth if place is not None]
            found = with_text(text, spans, document) if known else reanchor(spans, document)[0]
            for span in found:
                assert new[span.start : span.end] in {one.surface for one in spans}
            own = counts[kind]
            own[0] += len(found)
            own[1] += len({*found} & {*wanted})
            own[2] += len(wanted)
    return counts


def with_text(text, spans, document):
    own = tuple(Span(span.start, span.end, span.label) for span in spans)
    return realign(Annotation("d", sha256_of(text), "a", "gonerd", own), old_text=text, document=document)[0].spans


def check(counts):
    placed, right, wanted = (sum(column) for column in zip(*counts.values(), strict=True))
    assert right / placed >= PRECISION, {kind: (p - r, p) for kind, (p, r, _) in counts.items() if p != r}
    for kind, (_, well, all_) in counts.items():
        assert well / all_ >= RECALL.get(kind, 0.98), (kind, well, all_)
    assert right / wanted >= 0.97


@pytest.mark.parametrize("known", [False, True], ids=["release", "old text"])
def test_the_sample(known):
    check(measure(list(sample_texts())[: 5 if known else None], known=known))


def test_human_gold(shared):
    """A few of the documents; all of them in the slow tests."""
    check(measure(list(gold_texts(shared, "validation"))[::3]))


@pytest.mark.slow
@pytest.mark.parametrize("split", ["train", "validation", "test"])
@pytest.mark.parametrize("known", [False, True], ids=["release", "old text"])
def test_all_human_gold(shared, split, known):
    check(measure(gold_texts(shared, split), known=known))


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_damage_does_what_it_says(kind):
    """Every kind changes the text, and a span whose own characters are all there is not called gone."""
    _, text, spans = next(sample_texts())
    new, truth = damaged(text, spans, kind, "x")
    assert new != text
    for span, place in zip(spans, truth, strict=True):
        assert place is None or new[place.start : place.end] == span.surface
    assert any(place is not None for place in truth)
