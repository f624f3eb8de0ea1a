import json
import random

import pytest

from gonerd import store
from gonerd.annotation.audit import AuditConfig, audit
from gonerd.annotation.consistency import places, share_against
from gonerd.annotation.span_rules import breaches
from gonerd.cli.annotate import app
from gonerd.conventions import load_conventions
from gonerd.errors import GonerdError
from gonerd.records import Annotation, Document, Span

pytest.importorskip("spacy")
pytest.importorskip("sklearn")

PEOPLE = ["Ann Holt", "Ben Marsh", "Cem Aksoy", "Dora Quill", "Eve Lunt", "Finn Orde"]
TOWNS = ["Tarnby", "Ormsund", "Wexley", "Harle", "Dunmere", "Quoyle"]
FIRMS = ["Acme Boats Ltd", "Holt & Daughters", "Ormsund Mills", "Tarnby Courier"]


def document(number: int) -> tuple[Document, list[Span]]:
    """Return a report with its marks."""
    draw = random.Random(number)
    person, town, firm = draw.choice(PEOPLE), draw.choice(TOWNS), draw.choice(FIRMS)
    pattern = (
        f"Yesterday [{person}|PER] left [{town}|LOC] for good. In [{town}|LOC] nobody saw [{person}|PER] go, "
        f"said a clerk of [{firm}|ORG]. The boat was slow. At noon [{person}|PER] reached {{}} and met "
        f"the owner of [{firm}|ORG], who had come from [{draw.choice(TOWNS)}|LOC] by road."
    ).format(f"[{draw.choice(TOWNS)}|LOC]")
    from gonerd.annotation.guideline import read_marked

    marked = read_marked(pattern, right=True)
    return Document(f"d{number:02d}", marked.text, "s"), list(marked.spans)


REPORTS = [document(number) for number in range(24)]


def gold_of(reports) -> list[Annotation]:
    return [Annotation(one.id, one.text_sha256, "gold", "gonerd", tuple(sorted(spans))) for one, spans in reports]


def audited(reports, **settings):
    given = {"most": 1000} | settings
    return audit(gold_of(reports), [one for one, _ in reports], config=AuditConfig(**given))


def with_change(number: int, change) -> list:
    """The reports with the marks of one changed."""
    return [(one, change(one, list(spans)) if n == number else spans) for n, (one, spans) in enumerate(REPORTS)]


def flip(_, spans):
    return [Span(spans[3].start, spans[3].end, "LOC"), *(span for span in spans if span != spans[3])]


def widen(one, spans):
    first = Span(one.text.index("Yesterday"), spans[0].end, "PER")
    return [first, *spans[1:]]


def drop(_, spans):
    return [span for span in spans if span != spans[5]]


def add(one, spans):
    start = one.text.index("boat")
    return [*spans, Span(start, start + 4, "ORG")]


@pytest.mark.parametrize("folds", [0, 3])
@pytest.mark.parametrize("change", [flip, widen, drop, add])
def test_a_known_error_comes_first_with_its_reason(change, folds):
    reports = with_change(7, change)
    one = REPORTS[7][0]
    before = {(span.start, span.end, span.label) for span in REPORTS[7][1]}
    after = {(span.start, span.end, span.label) for span in reports[7][1]}
    touched = [(start, end) for start, end, _ in before ^ after]
    if change is add and not folds:
        return  # a single odd mark is what only a model can tell
    first = audited(reports, folds=folds)[0]
    assert first.document_id == one.id
    assert any(start < first.end and first.start < end for start, end in touched)
    assert first.reasons
    assert first.surface == one.text[first.start : first.end]


def test_what_the_mark_may_have_to_be():
    flipped = audited(with_change(7, flip), folds=0)[0]
    assert (flipped.label, flipped.instead.label) == ("LOC", "PER")
    assert "elsewhere in this document it is PER 2" in flipped.reasons[0].text
    dropped = audited(with_change(7, drop), folds=0)[0]
    assert (dropped.label, dropped.instead.label) == (None, "PER")
    assert dropped.reasons[0].kind == "missed"


def test_neither_the_order_of_documents_nor_other_documents_matter():
    reports = with_change(7, flip)
    documents = [one for one, _ in reports]
    other = Document("zz", "Nobody annotated this.", "s")
    config = AuditConfig(folds=3, most=50)
    here = audit(gold_of(reports), documents, config=config)
    there = audit(gold_of(reports)[::-1], [other, *documents[::-1]], config=config)
    assert here == there
    assert [one.score for one in here] == sorted((one.score for one in here), reverse=True)


def test_predictions_are_further_evidence():
    reports = REPORTS[:6]
    documents = [one for one, _ in reports]
    target = reports[2][1][2]
    predicted = [
        Annotation(one.id, one.text_sha256, "m", "gonerd", tuple(span for span in spans if span != target))
        for one, spans in reports
    ]
    config = AuditConfig(folds=0, most=100)
    alone = {(f.document_id, f.start): f.score for f in audit(gold_of(reports), documents, config=config)}
    both = audit(gold_of(reports), documents, config=config, predictions={"m": predicted})
    (found,) = [f for f in both if (f.document_id, f.start) == (documents[2].id, target.start)]
    assert found.score > alone[found.document_id, found.start]
    assert "100% of the predictions differ" in [reason.text for reason in found.reasons]


@pytest.mark.parametrize(
    ("text", "surface", "label", "rule", "instead"),
    [
        ("We saw Dr. Ann Holt.", "Dr. Ann Holt", "PER", "S2", "Ann Holt"),
        ("We saw Ann Holt's hat.", "Ann Holt's", "PER", "S3", "Ann Holt"),
        ("Read the Tarnby Times.", "the Tarnby Times", "ORG", "S4", "Tarnby Times"),
        ("She sang “Long Tide” well.", "“Long Tide”", "MISC", "S7", "Long Tide"),
        ("She sang Long Tide, well.", "Long Tide,", "MISC", "S7", "Long Tide"),
        ("In Oslo now.", "Oslo ", "LOC", "S11", "Oslo"),
        ("In Oslo now.", "slo", "LOC", "S11", "Oslo"),
        ("Oslo\n\nBergen", "Oslo\n\nBergen", "LOC", "S11", "Oslo"),
        ("Ask ann@tarnby.example today.", "ann@tarnby.example", "PER", "N4", None),
        ("Ask ann@tarnby.example today.", "tarnby", "LOC", "N4", None),
        ("See www.tarnby.example/a now.", "tarnby", "LOC", "N4", None),
        ("Tag #TarnbyFest now.", "#TarnbyFest", "MISC", "N4", None),
        ("It cost 400 then.", "400", "MISC", "N2", None),
    ],
)
def test_span_rules(text, surface, label, rule, instead):
    start = text.index(surface)
    found = breaches(text, Span(start, start + len(surface), label), load_conventions(), known=())
    assert rule in [breach.rule for breach in found]
    breach = next(breach for breach in found if breach.rule == rule)
    assert (breach.instead and text[breach.instead.start : breach.instead.end]) == instead


def test_span_rules_let_names_be():
    for text, surface, label in [
        ("We ate at McDonald's today.", "McDonald's", "ORG"),
        ("We saw Ann Holt.", "Ann Holt", "PER"),
        ("She works for Acme Inc. now.", "Acme Inc.", "ORG"),
        ("Los Angeles", "Los Angeles", "LOC"),
    ]:
        start = text.index(surface)
        assert breaches(text, Span(start, start + len(surface), label), load_conventions(), known=()) == []
    text = "We ate at Pell's. Pell is old."
    assert breaches(text, Span(10, 16, "ORG"), load_conventions(), known=("Pell",))[0].rule == "S3"


def test_every_rule_that_is_cited_is_in_the_guideline():
    import inspect
    import re

    from gonerd.annotation import span_rules
    from gonerd.annotation.guideline import load_guideline

    cited = set(re.findall(r'"([SN]\d+)"', inspect.getsource(span_rules)))
    assert len(cited) >= 6
    assert cited <= load_guideline().keys()


def test_unmarked_repeats_are_whole_words_of_marked_names():
    text = "Ann Holt met Holt. Holton was there, said Holt & Co. The holt grew. Ann Holt left."
    found = places(text, [Span(0, 8, "PER"), Span(13, 17, "PER")])
    assert [text[start:end] for start, end, _ in found.unmarked] == ["Holt", "Ann Holt"]
    assert found.others(("Holt",), "PER") == {"O": 1}
    assert found.others(("Ann", "Holt"), "PER") == {"O": 1}
    assert share_against({"O": 1}, "PER") == 0.5


def test_odd_documents():
    odd = [Document("a", "\n", "s"), Document("b", "😀", "s"), Document("c", "Ann", "s")]
    marks = [(), (), (Span(0, 3, "PER"),)]
    gold = [Annotation(one.id, one.text_sha256, "g", "gonerd", spans) for one, spans in zip(odd, marks, strict=True)]
    found = audit(gold, odd, config=AuditConfig(folds=2))
    assert [one.document_id for one in found] == ["c"]
    bare = [Annotation(one.id, one.text_sha256, "g", "gonerd", ()) for one in odd]
    assert audit(bare, odd, config=AuditConfig(folds=2)) == []


def test_unfit_gold_is_an_error():
    gold, documents = gold_of(REPORTS), [one for one, _ in REPORTS]
    config = AuditConfig(folds=0)
    with pytest.raises(GonerdError, match="no gold"):
        audit([], documents, config=config)
    with pytest.raises(GonerdError, match="two annotations"):
        audit([*gold, Annotation("d00", documents[0].text_sha256, "x", "gonerd", ())], documents, config=config)
    with pytest.raises(GonerdError, match="missing"):
        audit(gold, documents[1:], config=config)
    with pytest.raises(GonerdError, match="another text"):
        audit([Annotation("d00", "0" * 64, "x", "gonerd", ())], documents, config=config)
    for wrong in ({"folds": 1}, {"most": 0}):
        with pytest.raises(GonerdError, match="Set folds"):
            AuditConfig(**wrong)


def test_the_command_gives_a_table_json_and_a_page(tmp_path, capsys):
    reports = with_change(7, flip)
    store.write_stage([one for one, _ in reports], tmp_path / "documents", stage="test", config={})
    store.write_stage(gold_of(reports), tmp_path / "gold", stage="test", config={})
    command = ["audit", tmp_path / "gold", "--documents", tmp_path / "documents", "--folds", 0, "--most", 5]
    command += ["--out", tmp_path / "audit.json", "--page", tmp_path / "audit.html"]
    app([str(part) for part in command], exit_on_error=False, result_action="return_value")
    shown = capsys.readouterr().out
    assert "d07" in shown
    assert "5 findings" in shown
    findings = json.loads((tmp_path / "audit.json").read_text(encoding="utf-8"))
    assert (findings[0]["document_id"], findings[0]["label"]) == ("d07", "LOC")
    page = (tmp_path / "audit.html").read_text(encoding="utf-8")
    assert "elsewhere in this document it is PER 2" in page
