import re

import pytest

from gonerd.annotation.guideline import load_guideline, read_marked
from gonerd.conventions import load_conventions, trim
from gonerd.errors import GonerdError
from gonerd.labels import load_scheme
from gonerd.records import check_flat
from gonerd.resources import folder

SCHEMES = sorted(path.stem for path in folder("annotation_guidelines").glob("*.toml"))
RULES = [(scheme, name) for scheme in SCHEMES for name in load_guideline(scheme)]


def test_there_is_a_guideline_for_every_scheme():
    assert "gonerd" in SCHEMES
    assert all(load_guideline(scheme) for scheme in SCHEMES)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_label_has_a_rule_of_its_name_and_is_used_rightly_in_examples(scheme):
    rules = load_guideline(scheme)
    right = [one for rule in rules.values() for one in rule.examples if one.right]
    used = {span.label for example in right for span in example.spans}
    for label in load_scheme(scheme).names:
        assert label in rules
        assert label in used


@pytest.mark.parametrize(("scheme", "name"), RULES)
def test_every_rule_has_examples_of_right_and_wrong_in_labels_of_the_scheme(scheme, name):
    rule = load_guideline(scheme)[name]
    right = {example.text: example.spans for example in rule.examples if example.right}
    wrong = [example for example in rule.examples if not example.right]
    assert right
    assert wrong
    assert rule.text.strip()
    for example in rule.examples:
        check_flat(example.spans, owner=name)
        assert {span.label for span in example.spans} <= set(load_scheme(scheme).names)
    for example in wrong:
        assert example.text in right, "a wrong line should be the sentence of a right one"
        assert set(example.spans) != set(right[example.text]), "what is wrong should differ from what is right"


@pytest.mark.parametrize(("scheme", "name"), RULES)
def test_right_examples_keep_to_the_edges_that_the_scheme_states(scheme, name):
    conventions = load_conventions(scheme)
    for example in load_guideline(scheme)[name].examples:
        for span in example.spans if example.right else ():
            surface = example.text[span.start : span.end]
            kept = trim(example.text, span, conventions)
            own_ending = surface.endswith(conventions.after) and name == "S3"  # McDonald's
            assert kept == span or own_ending, surface


def test_the_rules_about_edges_are_shown_by_examples_that_the_edges_catch():
    conventions = load_conventions()
    for name in ("S2", "S3", "S4", "S7", "S11"):
        wrong = [example for example in load_guideline()[name].examples if not example.right]
        assert any(trim(example.text, span, conventions) != span for example in wrong for span in example.spans), name


@pytest.mark.parametrize("page", ["quick_card.md", "decisions.md"])
def test_card_and_decisions_cite_rules_that_there_are(page):
    text = (folder("annotation_guidelines") / page).read_text(encoding="utf-8")
    cited = set(re.findall(r"\b[SWND]\d+\b", text)) - {"N95"}
    assert cited
    assert cited <= load_guideline().keys()
    if page == "quick_card.md":
        assert len(text.split()) < 500, "one page"


def test_decisions_are_dated_and_the_stock_exchange_is_among_them():
    text = (folder("annotation_guidelines") / "decisions.md").read_text(encoding="utf-8")
    headings = re.findall(r"^## (.+)$", text, re.M)
    assert all(re.match(r"\d{4}-\d\d-\d\d: .+ \([SWND]\d+(, [SWND]\d+)*\)$", heading) for heading in headings)
    assert any("Stock exchanges are ORG" in heading for heading in headings)


def test_a_marked_line():
    example = read_marked("😀 [Ann Holt|PER] [ sic ] left.", right=True)
    assert example.text == "😀 Ann Holt [ sic ] left."
    assert [example.text[span.start : span.end] for span in example.spans] == ["Ann Holt"]
    with pytest.raises(GonerdError, match="no \\[surface"):
        read_marked("[Ann |Holt] PER|", right=True)
    with pytest.raises(GonerdError, match="Known: "):
        load_scheme("gonerdd")
