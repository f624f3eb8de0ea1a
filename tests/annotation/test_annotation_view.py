import base64
import hashlib
import json
import re

import pytest
from browsing import PHONE, opened, serious
from hypothesis import given
from hypothesis import strategies as st

from gonerd import store
from gonerd.annotation.contrast import Kind, contrasts
from gonerd.annotation.sheets import sheets_of_passes, sheets_of_predictions
from gonerd.annotation.view import Note, Sheet, write_view
from gonerd.cli.annotate import app
from gonerd.errors import GonerdError
from gonerd.labels import load_scheme
from gonerd.records import Annotation, Document, Example, Prediction, Span

SCHEME = load_scheme()
MARKUP = "</script><script>alert(1)</script><img src=x onerror=alert(1)>{{ 7 * 7 }}<!--"


def annotation(document, annotator, *spans):
    made = tuple(Span(*span) for span in spans)
    return Annotation(document.id, document.text_sha256, annotator, "gonerd", made)


def data_of(page):
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    return json.loads(found[1])


@st.composite
def flat_spans(draw):
    bounds = sorted(draw(st.sets(st.integers(0, 30), max_size=12)))
    pairs = list(zip(bounds[::2], bounds[1::2], strict=False))
    return [Span(start, end, draw(st.sampled_from(["PER", "ORG"]))) for start, end in pairs]


@given(flat_spans(), flat_spans())
def test_every_span_that_differs_is_in_one_contrast_and_no_other_span_is(first, second):
    found = contrasts(first, second)
    assert sorted(span for item in found for span in item.first) == sorted(set(first) - set(second))
    assert sorted(span for item in found for span in item.second) == sorted(set(second) - set(first))
    ends = [0, *(item.end for item in found)]
    assert all(item.start >= end for item, end in zip(found, ends, strict=False))
    turned = {Kind.FIRST: Kind.SECOND, Kind.SECOND: Kind.FIRST}
    mirrored = [(item.start, item.end, turned.get(item.kind, item.kind)) for item in contrasts(second, first)]
    assert mirrored == [(item.start, item.end, item.kind) for item in found]


@pytest.mark.parametrize(
    ("first", "second", "kind"),
    [
        ([(0, 4, "PER")], [(0, 4, "ORG")], Kind.LABEL),
        ([(0, 4, "PER")], [(0, 3, "PER")], Kind.BOUNDARY),
        ([(0, 4, "PER")], [(2, 6, "ORG")], Kind.BOTH),
        ([(0, 4, "PER")], [(0, 2, "PER"), (3, 4, "PER")], Kind.BOUNDARY),
        ([(0, 4, "PER")], [], Kind.FIRST),
        ([], [(0, 4, "PER")], Kind.SECOND),
    ],
)
def test_a_contrast_says_in_what_way(first, second, kind):
    (found,) = contrasts([Span(*span) for span in first], [Span(*span) for span in second])
    assert found.kind is kind


def test_spans_that_only_touch_are_two_contrasts():
    assert len(contrasts([Span(0, 4, "PER")], [Span(4, 8, "PER")])) == 2


def test_no_text_leaves_its_place_in_the_page(tmp_path):
    document = Document(MARKUP, f"{MARKUP}\n{MARKUP}", MARKUP, url="javascript:alert(1)", title=MARKUP)
    sheet = Sheet(document, (annotation(document, MARKUP, (0, 5, "PER")),), (Note(0, 3, MARKUP, MARKUP),))
    write_view([sheet], tmp_path / "page.html", scheme=SCHEME, title=MARKUP)
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert page.count("<script") == 2
    assert page.count("</script>") == 2
    assert "<img" not in page
    assert "<!--" not in page
    (shown,) = data_of(page)["sheets"]
    assert shown["text"] == document.text
    assert shown["names"] == [MARKUP]


def test_the_policy_allows_the_pages_own_style_and_script_alone(tmp_path):
    document = Document("a", "Ann.", "s")
    write_view([Sheet(document, (annotation(document, "ann"),))], tmp_path / "page.html", scheme=SCHEME, title="t")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)[1]
    assert policy.startswith("default-src 'none';")
    assert "unsafe" not in policy
    assert "connect-src" not in policy
    for kind, content in (("style", r"<style>(.*?)</style>"), ("script", r"<script>(.*?)</script>")):
        digest = base64.b64encode(hashlib.sha256(re.search(content, page, re.DOTALL)[1].encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy


def test_pages_that_cannot_be_are_refused(tmp_path):
    document, other = Document("a", "Ann.", "s"), Document("a", "Ben.", "s")
    one = annotation(document, "ann", (0, 3, "PER"))
    with pytest.raises(GonerdError, match="another text"):
        Sheet(other, (one,))
    with pytest.raises(GonerdError, match="not 3"):
        Sheet(document, (one, one, one))
    with pytest.raises(GonerdError, match="after the text"):
        Sheet(document, (one,), (Note(2, 9, "k", "t"),))
    with pytest.raises(GonerdError, match="no document"):
        write_view([], tmp_path / "page.html", scheme=SCHEME, title="t")
    sheet = Sheet(document, (annotation(document, "ann", (0, 3, "XYZ")),))
    with pytest.raises(GonerdError, match="'XYZ' is not of the scheme"):
        write_view([sheet], tmp_path / "page.html", scheme=SCHEME, title="t")
    assert not (tmp_path / "page.html").exists()


def test_predictions_stand_beside_gold_as_the_scorer_reads_them():
    text = "🙂 Ann Lee saw Oslo"
    tokens, starts = ("🙂", "Ann", "Lee", "saw", "Oslo"), (0, 2, 6, 10, 14)
    gold = ("O", "B-PER", "I-PER", "O", "B-LOC")
    document = Document("a", text, "s")
    row = Example("a", text, tokens, starts, gold, (), None, "s", None, None, None, None, (), document.text_sha256, "x")
    answer = Prediction("a", ("O", "B-PER", "O", "O", "B-LOC"))
    (sheet,), matching = sheets_of_predictions([row], [answer], scheme=SCHEME, name="model")
    assert not matching.problems
    assert [item.spans for item in sheet.passes] == [
        (Span(2, 9, "PER"), Span(14, 18, "LOC")),
        (Span(2, 5, "PER"), Span(14, 18, "LOC")),
    ]
    _, without = sheets_of_predictions([row], [], scheme=SCHEME, name="model")
    assert [problem.id for problem in without.problems] == ["a"]


@pytest.fixture
def place(tmp_path):
    """Two documents with passes by two annotators, who differ in two places."""
    text = "👩‍🚀 Anna met Ben in Zu\u0308rich.\n\nThen the Times wrote of Oslo."
    documents = [Document("a", store_text(text), "s", url="https://example.org/a"), Document("b", "No name.", "s")]
    store.write_stage(documents, tmp_path / "documents", stage="test", config={})
    text = documents[0].text
    names = {"PER": ["Anna", "Ben"], "LOC": ["Zürich", "Oslo"], "ORG": ["Times"]}
    found = sorted((text.index(n), text.index(n) + len(n), label) for label, of in names.items() for n in of)
    other = [(s, e, "LOC" if text[s:e] == "Times" else label) for s, e, label in found if text[s:e] != "Ben"]
    for name, spans in (("ann", found), ("ben", other)):
        passes = [annotation(documents[0], name, *spans), annotation(documents[1], name)]
        store.write_stage(passes, tmp_path / name, stage="test", config={})
    return tmp_path


def store_text(text):
    from gonerd.records import normalize_text

    return normalize_text(text)


def call(*arguments):
    app([str(argument) for argument in arguments], exit_on_error=False, result_action="return_value")


def test_the_command_compares_two_passes(place, capsys):
    call("view", place / "ann", place / "ben", "--documents", place / "documents", "--out", place / "page.html")
    assert "2 documents, 2 differences" in capsys.readouterr().out
    first, second = data_of((place / "page.html").read_text(encoding="utf-8"))["sheets"]
    assert [first["text"][item["start"] : item["end"]] for item in first["items"]] == ["Ben", "Times"]
    assert second["items"] == []
    with pytest.raises(GonerdError, match=r"\.html"):
        call("view", place / "ann", "--documents", place / "documents", "--out", place / "page.txt")
    with pytest.raises(GonerdError, match="either"):
        call("view", place / "ann", "--out", place / "page.html")


def test_documents_that_a_pass_does_not_cover_are_counted(place, capsys):
    documents = list(store.read_records(place / "documents", Document))
    store.write_stage([annotation(documents[0], "eve")], place / "eve", stage="test", config={})
    call("view", place / "ann", place / "eve", "--documents", place / "documents", "--out", place / "page.html")
    assert "not shown: 1 documents" in capsys.readouterr().out
    passes = [[annotation(documents[0], "ann"), annotation(documents[0], "eve")]]
    with pytest.raises(GonerdError, match="two annotations"):
        list(sheets_of_passes(documents, passes))


def test_the_command_shows_predictions_or_a_result_beside_the_gold_of_a_dataset(tmp_path, capsys):
    from gonerd.cli.main import main

    text, tokens, starts = "Ann saw Oslo", ("Ann", "saw", "Oslo"), (0, 4, 8)
    tags = ("B-PER", "O", "B-LOC")
    row = {"id": "a", "text": text, "tokens": tokens, "token_starts": starts, "ner_tags": tags, "source": "s"}
    (tmp_path / "rows.jsonl").write_text(json.dumps(row) + "\n")
    (tmp_path / "mine.jsonl").write_text(json.dumps({"id": "a", "ner_tags": ["B-PER", "O", "O"]}) + "\n")
    command = ["evaluate", tmp_path / "mine.jsonl", "--data", tmp_path / "rows.jsonl", "--out", tmp_path / "out"]
    with pytest.raises(SystemExit) as ended:
        main([str(part) for part in command])
    assert ended.value.code == 0
    (result,) = (tmp_path / "out").rglob("rows-*.json")
    for inputs in ([], [tmp_path / "mine.jsonl"], [result]):
        call("view", *inputs, "--data", tmp_path / "rows.jsonl", "--out", tmp_path / "page.html")
        (sheet,) = data_of((tmp_path / "page.html").read_text(encoding="utf-8"))["sheets"]
        assert sheet["passes"][0] == [[0, 3, 0], [8, 12, 2]]
        assert sheet["names"] == (["gold", "mine"] if inputs else ["gold"])
        assert len(sheet["items"]) == (1 if inputs else 0)
    assert "1 documents, 1 differences" in capsys.readouterr().out
    with pytest.raises(GonerdError, match="one file"):
        call("view", result, result, "--data", tmp_path / "rows.jsonl", "--out", tmp_path / "page.html")


@pytest.mark.tools
def test_the_page_in_a_browser(place, browser):
    call("view", place / "ann", place / "ben", "--documents", place / "documents", "--out", place / "page.html")
    with opened(browser, (place / "page.html").as_uri()) as page:
        sides = page.locator(".row").nth(0).locator(".line")
        assert sides.nth(0).locator("mark").all_inner_texts() == ["Anna", "Ben", "Zürich"]
        assert sides.nth(1).locator("mark").all_inner_texts() == ["Anna", "Zürich"]
        assert sides.nth(1).locator(".gap").all_inner_texts() == ["Ben"]
        page.keyboard.press("n")
        assert "only ann" in page.locator("[data-role=says]").inner_text()
        assert page.locator(".now").all_inner_texts() == ["Ben", "Ben"]
        page.keyboard.press("n")
        assert page.locator("mark.now").all_inner_texts() == ["Times", "Times"]
        page.keyboard.press("p")
        assert page.locator("mark.now").all_inner_texts() == ["Ben"]
        page.get_by_label("only ann").uncheck()
        assert page.locator(".gap").count() == 0
        page.get_by_label("PER").uncheck()
        assert page.locator("mark").all_inner_texts() == ["Zürich", "Zürich", "Times", "Oslo", "Times", "Oslo"]
        page.get_by_label("only paragraphs").check()
        assert page.locator(".row").count() == 1
        page.locator("body").press("]")
        assert "0 differences" in page.locator("[data-role=says]").inner_text()


@pytest.mark.tools
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [None, PHONE], ids=["desk", "phone"])
def test_an_accessibility_checker_finds_nothing_serious(place, browser, size, scheme):
    documents = list(store.read_records(place / "documents", Document))
    passes = list(store.read_records(place / "ann", Annotation))
    sheets = [Sheet(documents[0], (passes[0],), (Note(0, 4, "kind", "why"), Note(9, 20, "kind", "why not")))]
    write_view(sheets, place / "notes.html", scheme=SCHEME, title="notes")
    call("view", place / "ann", place / "ben", "--documents", place / "documents", "--out", place / "page.html")
    for name in ("page.html", "notes.html"):
        with opened(browser, (place / name).as_uri(), size=size, scheme=scheme) as page:
            page.keyboard.press("n")
            assert serious(page) == []
            assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


@pytest.mark.tools
def test_markup_stays_text_in_a_browser(tmp_path, browser):
    document = Document(MARKUP, f"{MARKUP}\n\u202eevil {MARKUP}", MARKUP, url="javascript:alert(1)", title=MARKUP)
    sheet = Sheet(document, (annotation(document, MARKUP, (0, 5, "PER")),), (Note(0, 3, MARKUP, MARKUP),))
    write_view([sheet], tmp_path / "page.html", scheme=SCHEME, title=MARKUP)
    with opened(browser, (tmp_path / "page.html").as_uri()) as page:
        page.keyboard.press("n")
        assert page.title() == MARKUP
        assert page.locator("img, iframe, a").count() == 0
        assert page.locator(".line").all_inner_texts() == document.text.split("\n")


@pytest.mark.tools
def test_a_page_of_whole_long_documents_shows_every_span(tmp_path, browser):
    text = "\n\n".join("Ann Lee of Acme met the people of Oslo near the river again. " * 8 for _ in range(52))
    starts = [found.start() for found in re.finditer("Ann Lee", text)]
    documents = [Document(str(number), text, "s") for number in range(30)]
    gold = [(start, start + 7, "PER") for start in starts]
    sheets = [Sheet(one, (annotation(one, "a", *gold), annotation(one, "b", *gold[::2]))) for one in documents]
    write_view(sheets, tmp_path / "page.html", scheme=SCHEME, title="long")
    assert len(text.split()) > 4900
    with opened(browser, (tmp_path / "page.html").as_uri()) as page:
        for key in ("n", "]", "n"):
            assert page.locator("mark").count() == len(gold) + len(gold[::2])
            page.keyboard.press(key)
        assert page.locator("mark.now").count() == 1
