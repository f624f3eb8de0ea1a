import json
from dataclasses import replace

import pytest

from gonerd import store
from gonerd.annotation.adjudicate import AdjudicateConfig, Adjudication, adjudicate
from gonerd.annotation.decisions import Decision
from gonerd.annotation.gold import write_gold
from gonerd.annotation.passes import Move, mover
from gonerd.errors import GonerdError
from gonerd.formats import jsonl
from gonerd.records import Annotation, Document, Dropped, Reason, Span

TEXT = "😀 Ann Holt of Acme met Ben in Oslo"
DOCUMENT = Document("d", TEXT, "s", url="https://example.org/a")


def span(surface: str, label: str, text: str = TEXT) -> Span:
    start = text.index(surface)
    return Span(start, start + len(surface), label)


WHOLE, HOLT, ACME, OSLO = span("Ann Holt", "PER"), span("Holt", "PER"), span("Acme", "ORG"), span("Oslo", "LOC")


def passes(**by_name: list[Span]) -> dict[str, list[Annotation]]:
    return {
        name: [Annotation("d", DOCUMENT.text_sha256, name, "gonerd", tuple(sorted(spans)))]
        for name, spans in by_name.items()
    }


def decision(there: Span, label: str | None = "keep", text: str = TEXT, **more: str) -> Decision:
    return Decision(
        document_id="d",
        start=there.start,
        end=there.end,
        label=there.label if label == "keep" else label,
        surface=text[there.start : there.end],
        by="eve",
        why="rule 3",
        **more,
    )


def settled(given, *decisions: Decision, policy: str = "decisions", move: Move | None = None, **more) -> Adjudication:
    return adjudicate(
        given,
        [DOCUMENT],
        config=AdjudicateConfig(policy=policy),
        decisions=decisions,
        move=move or mover(no_realign, []),
        **more,
    )


def no_realign(*_: object, **__: object) -> tuple[Annotation, list[Dropped]]:
    raise AssertionError("nothing was to be moved")


def test_majority_of_three_with_its_reasons():
    dissent = Span(ACME.start, ACME.end, "LOC")
    third = Span(ACME.start, ACME.end, "MISC")
    given = passes(ann=[WHOLE, ACME, OSLO], ben=[WHOLE, dissent, OSLO], cy=[HOLT, third, OSLO])
    with pytest.raises(GonerdError, match=r"1 differences are open .* 'Acme'"):
        settled(given, policy="majority")
    queued = settled(given, policy="majority", leave_open=True)
    assert [(one.surface, one.proposals) for one in queued.queue] == [
        ("Acme", {"ann": "ORG", "ben": "LOC", "cy": "MISC"})
    ]
    assert queued.gold == ()
    result = settled(given, decision(ACME, None), policy="majority")
    assert result.gold[0].spans == (WHOLE, OSLO)
    assert result.gold[0].annotator == "gold"
    assert [(entry.surface, entry.label, entry.by, entry.why) for entry in result.trail] == [
        ("Ann Holt", "PER", "majority", "2 of 3 annotators"),
        ("Holt", None, "majority", "2 of 3 annotators"),
        ("Acme", None, "eve", "rule 3"),
        ("Oslo", "LOC", "agreement", "all 3 annotators"),
    ]
    assert result.trail[1].proposals == {"ann": None, "ben": None, "cy": "PER"}


def test_majority_needs_three():
    with pytest.raises(GonerdError, match="three annotators"):
        settled(passes(ann=[WHOLE], ben=[]), policy="majority")


def test_senior_decides_both_ways():
    result = settled(passes(ann=[WHOLE, OSLO], ben=[HOLT, ACME, OSLO]), policy="senior:ben")
    assert result.gold[0].spans == (HOLT, ACME, OSLO)
    assert {(entry.surface, entry.by) for entry in result.trail} == {
        ("Ann Holt", "ben"),
        ("Holt", "ben"),
        ("Acme", "ben"),
        ("Oslo", "agreement"),
    }
    with pytest.raises(GonerdError, match=r"unknown annotator 'bin'.*'ben'"):
        settled(passes(ann=[], ben=[OSLO]), policy="senior:bin")
    with pytest.raises(GonerdError, match="unknown policy"):
        settled(passes(ann=[], ben=[OSLO]), policy="coin")


def test_a_decision_comes_before_the_policy():
    given = passes(ann=[WHOLE, OSLO], ben=[HOLT, ACME, OSLO])
    result = settled(given, decision(WHOLE), decision(OSLO, None), policy="senior:ben")
    assert result.gold[0].spans == (WHOLE, ACME)
    assert [(entry.surface, entry.label, entry.by) for entry in result.trail] == [
        ("Ann Holt", "PER", "eve"),
        ("Holt", None, "eve"),  # overlaps what was accepted
        ("Acme", "ORG", "ben"),
        ("Oslo", None, "eve"),
    ]


def test_decisions_settle_and_the_trail_covers_every_place():
    given = passes(ann=[WHOLE, OSLO], ben=[HOLT, ACME, OSLO])
    result = settled(given, decision(WHOLE), decision(ACME, None))
    assert result.gold[0].spans == (WHOLE, OSLO)
    places = {(item.start, item.end) for side in given.values() for item in side[0].spans}
    assert {(entry.start, entry.end) for entry in result.trail} == places
    overruled = next(entry for entry in result.trail if entry.surface == "Holt")
    assert (overruled.label, overruled.by) == (None, "eve")
    assert "overlaps [2, 10) PER 'Ann Holt'" in overruled.why
    assert all(entry.by and entry.why for entry in result.trail)


def test_a_decision_may_overrule_agreement_and_add_what_nobody_marked():
    ben = span("Ben", "PER")
    result = settled(passes(ann=[OSLO], ben=[OSLO]), decision(ben), decision(OSLO, "MISC"))
    assert result.gold[0].spans == (ben, Span(OSLO.start, OSLO.end, "MISC"))
    assert result.trail[0].proposals == {}


def test_open_differences_are_an_error_or_a_queue():
    given = passes(ann=[WHOLE, OSLO], ben=[HOLT, OSLO])
    with pytest.raises(GonerdError, match=r"2 differences are open in 1 documents.*\[2, 10\) 'Ann Holt' in 'd'"):
        settled(given)
    result = settled(given, leave_open=True)
    assert result.gold == ()
    assert [(item.surface, item.proposals) for item in result.queue] == [
        ("Ann Holt", {"ann": "PER", "ben": None}),
        ("Holt", {"ann": None, "ben": "PER"}),
    ]
    assert result.dropped == (Dropped("d", Reason.NO_ANNOTATION, "2 differences are open"),)


def test_a_queue_line_becomes_a_decision():
    given = passes(ann=[WHOLE, OSLO], ben=[HOLT, OSLO])
    line = json.loads(jsonl.dumps(settled(given, leave_open=True).queue[1]))
    del line["proposals"]
    taken = jsonl.from_json(Decision, {**line, "label": "PER", "by": "eve", "why": "surname alone"})
    assert settled(given, taken).gold[0].spans == (HOLT, OSLO)


def test_overlap_after_decisions_names_both_spans():
    with pytest.raises(GonerdError) as caught:
        settled(passes(ann=[WHOLE], ben=[HOLT]), decision(WHOLE), decision(HOLT))
    assert "[2, 10) PER 'Ann Holt' (by eve) overlaps [6, 10) PER 'Holt' (by eve)" in str(caught.value)
    with pytest.raises(GonerdError, match=r"'Ann Holt' .by agreement. overlaps .* 'Holt' .by eve."):
        settled(passes(ann=[WHOLE], ben=[WHOLE]), decision(HOLT))


def test_bad_decisions_are_errors():
    given = passes(ann=[WHOLE], ben=[])
    with pytest.raises(GonerdError, match="decided twice"):
        settled(given, decision(WHOLE), decision(WHOLE, None))
    with pytest.raises(GonerdError, match="unknown label 'PRE'"):
        settled(given, decision(WHOLE, "PRE"))
    astray = replace(decision(WHOLE), start=3, end=11, text_sha256=DOCUMENT.text_sha256)
    with pytest.raises(GonerdError, match="expected 'Ann Holt', found 'nn Holt '"):
        settled(given, astray)
    with pytest.raises(ValueError, match="by whom"):
        replace(decision(WHOLE), by="")


def test_decisions_on_another_text_move_also_where_they_overlap():
    old = Document("old", "Then: " + TEXT[2:], "s")

    def shift(annotation: Annotation, *, old_text: str, document: Document) -> tuple[Annotation, list[Dropped]]:
        assert (annotation.text_sha256, old_text) == (old.text_sha256, old.text)
        kept = tuple(Span(item.start - 4, item.end - 4, item.label) for item in annotation.spans)
        return replace(annotation, text_sha256=document.text_sha256, spans=kept), []

    before = {"text": old.text, "text_sha256": old.text_sha256}
    taken = [
        decision(span("Ann Holt", "PER", old.text), **before),
        decision(span("Holt", "PER", old.text), None, **before),
    ]
    by_url = [replace(item, document_id="old", url=DOCUMENT.url) for item in taken]
    for decisions in (taken, by_url):
        result = settled(passes(ann=[WHOLE], ben=[HOLT]), *decisions, move=mover(shift, [old]))
        assert result.gold[0].spans == (WHOLE,)


def test_documents_that_are_unknown_or_lack_a_pass_are_dropped():
    other = Document("e", "Oslo", "s")
    given = passes(ann=[OSLO], ben=[OSLO])
    given["ann"].append(Annotation("e", other.text_sha256, "ann", "gonerd", (Span(0, 4, "LOC"),)))
    result = adjudicate(
        given,
        [other, DOCUMENT],
        config=AdjudicateConfig(),
        decisions=[replace(decision(OSLO), document_id="x")],
        move=mover(no_realign, []),
    )
    assert [item.document_id for item in result.gold] == ["d"]
    assert [(item.id, item.reason) for item in result.dropped] == [
        ("x", Reason.UNKNOWN_DOCUMENT),
        ("e", Reason.NO_ANNOTATION),
    ]


def test_order_does_not_matter():
    given = passes(ann=[WHOLE, OSLO], ben=[HOLT, ACME, OSLO])
    decisions = [decision(WHOLE), decision(ACME, None)]
    turned = dict(reversed(given.items()))
    assert settled(given, *decisions) == settled(turned, *decisions[::-1])


def test_gold_folder_is_complete_and_rerunning_changes_nothing(tmp_path):
    result = settled(passes(ann=[WHOLE], ben=[HOLT]), decision(WHOLE))
    first = write_gold(result, tmp_path / "gold", config=AdjudicateConfig())
    assert list(store.read_records(tmp_path / "gold", Annotation)) == list(result.gold)
    assert len((tmp_path / "gold" / "trail.jsonl").read_text(encoding="utf-8").splitlines()) == 2
    assert write_gold(result, tmp_path / "gold", config=AdjudicateConfig()) == first
