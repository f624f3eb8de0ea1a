"""The embedded tool end to end: a person at a headless Chromium, the files under --out as the judge."""

import contextlib
import os
import signal
import time

import pytest
from browsing import PHONE, opened, serious
from serving import DOCUMENTS, SCHEME, annotation, marking, serving, settling, spans_of, write_queue
from test_annotation_serve import plain, started

from gonerd.annotation.decisions import Decision
from gonerd.annotation.desks import marking_desk
from gonerd.formats import jsonl, standoff
from gonerd.records import Document

pytestmark = pytest.mark.tools
pytest.importorskip("bottle")

SUGGESTED = [
    annotation(DOCUMENTS[0], "rules", ("Bén̂", "ORG"), ("Zürich", "LOC"), ("Times", "ORG")),
    annotation(DOCUMENTS[1], "rules", ("Acme", "ORG"), ("Oslo", "LOC")),
]


@contextlib.contextmanager
def at_work(browser, desk, folder, **how):
    """A page of a session; saved work is in `session`."""
    with serving(desk, folder) as (address, session), opened(browser, address, **how) as page:
        page.wait_for_selector(".line")
        yield page, session


def press(page, *keys):
    for key in keys:
        page.keyboard.press(key)


def saved(page):
    page.wait_for_selector("[data-role=saved]:text-is('Saved')")


def wait_for_document(page, number):
    from playwright.sync_api import expect

    expect(page.locator("[data-role=document]")).to_have_value(str(number))
    page.wait_for_selector(f"[data-role=facts]:has-text('{DOCUMENTS[number].id}')")


def surfaces(session, number=0):
    document = DOCUMENTS[number]
    content = session.state(number).content
    return [(document.text[start:end], label) for start, end, label in content.get("spans", [])]


def drag(page, surface, *, within=".line", which=0):
    """Select a surface with the mouse, from its first letter to its last."""
    box = page.evaluate(
        """([surface, within, which]) => {
            const found = [];
            for (const line of document.querySelectorAll(within)) {
                const nodes = [];
                const walker = document.createTreeWalker(line, NodeFilter.SHOW_TEXT);
                for (let node = walker.nextNode(); node; node = walker.nextNode()) nodes.push(node);
                const place = (offset) => {
                    for (const node of nodes) {
                        if (offset <= node.length) return [node, offset];
                        offset -= node.length;
                    }
                };
                const text = line.textContent;
                for (let at = text.indexOf(surface); at >= 0; at = text.indexOf(surface, at + 1)) {
                    const range = document.createRange();
                    range.setStart(...place(at));
                    range.setEnd(...place(at + surface.length));
                    found.push(range);
                }
            }
            found[which].startContainer.parentElement.scrollIntoView({ block: "center" });
            const box = found[which].getBoundingClientRect();
            return [box.left, box.right, (box.top + box.bottom) / 2];
        }""",
        [surface, within, which],
    )
    page.mouse.move(box[0] + 1, box[2])
    page.mouse.down()
    page.mouse.move(box[1] - 1, box[2], steps=4)
    page.mouse.up()


def bar(page, name):
    return page.locator("[data-role=actions] button", has_text=name)


def test_marking_by_mouse_among_emoji_and_combining_characters(tmp_path, browser):
    with at_work(browser, marking(), tmp_path / "s") as (page, session):
        drag(page, "én̂")  # widened to the whole word, accents and all
        bar(page, "PER").click()
        drag(page, "Zürich")
        press(page, "3")
        drag(page, "Anna", which=1)
        press(page, "1")
        saved(page)
        assert surfaces(session) == [("Bén̂", "PER"), ("Zürich", "LOC"), ("Anna", "PER")]
        assert session.state(0).content["spans"][2:] == plain(DOCUMENTS[0], ("Anna", "PER", 2))
        page.locator("mark", has_text="Zürich").click()
        press(page, "2")
        page.locator("mark", has_text="Bén̂").click()
        bar(page, "Delete").click()
        saved(page)
        assert surfaces(session) == [("Zürich", "ORG"), ("Anna", "PER")]
        page.get_by_label("whole words").uncheck()
        drag(page, "👩‍🚀")  # one character to a reader: three code points, five units
        press(page, "4")
        drag(page, "🇳🇴")
        press(page, "4")
        drag(page, "the Time")
        press(page, "2")
        saved(page)
        assert surfaces(session) == [
            ("👩‍🚀", "MISC"),
            ("Zürich", "ORG"),
            ("🇳🇴", "MISC"),
            ("the Time", "ORG"),
            ("Anna", "PER"),
        ]


def test_marking_by_keys_alone(tmp_path, browser):
    with at_work(browser, marking(), tmp_path / "s") as (page, session):
        press(page, "ArrowRight", "1")  # Anna
        press(page, "ArrowRight", "ArrowRight", "1")  # met, Bén̂
        press(page, "ArrowDown", "Escape", "p")
        saved(page)
        assert surfaces(session) == [("Anna", "PER"), ("Bén̂", "PER")]
        press(page, "ArrowRight", "ArrowRight", "ArrowRight", "Shift+ArrowRight")  # Then the
        press(page, "ArrowRight", "Shift+ArrowRight", "Shift+ArrowLeft", "2")  # Times
        press(page, "ArrowRight", "Shift+Alt+ArrowRight", "4")  # "wrote " without its blank
        press(page, "Shift+Alt+ArrowRight", "Shift+Alt+ArrowRight", "4")  # "wrote o", exactly
        saved(page)
        assert surfaces(session) == [("Anna", "PER"), ("Bén̂", "PER"), ("Times", "ORG"), ("wrote o", "MISC")]
        press(page, "Delete", "Control+z", "Control+z", "p", "x")
        saved(page)
        assert surfaces(session) == [("Anna", "PER"), ("Bén̂", "PER"), ("Times", "ORG")]
        press(page, "Control+z", "Control+Shift+z", "Control+z")
        saved(page)
        assert surfaces(session) == [("Anna", "PER"), ("Bén̂", "PER"), ("Times", "ORG"), ("wrote", "MISC")]


def test_a_new_mark_takes_the_place_of_those_it_overlaps(tmp_path, browser):
    with at_work(browser, marking(), tmp_path / "s") as (page, session):
        drag(page, "Annabel")
        press(page, "1")
        drag(page, "Oslo", which=1)
        press(page, "3")
        drag(page, "Annabel")
        press(page, "Shift+ArrowRight", "2")
        saved(page)
        assert surfaces(session) == [("Annabel Oslo", "ORG")]


def test_a_possessive_is_left_out_unless_it_is_selected(tmp_path, browser):
    document = Document("p", "Holt's boat, O'Neil’s hat and McDonald's.", "s")
    with at_work(browser, marking_desk("ann", [document], scheme=SCHEME), tmp_path / "s") as (page, session):
        box = page.locator(".line").bounding_box()
        page.mouse.dblclick(box["x"] + 15, box["y"] + box["height"] / 2)
        press(page, "1")
        press(page, "ArrowRight", "ArrowRight", "ArrowRight", "1")  # 's, boat, O'Neil
        drag(page, "McDonald's")
        press(page, "2")
        saved(page)
        found = session.state(0).content["spans"]
    assert [document.text[start:end] for start, end, _ in found] == ["Holt", "O'Neil", "McDonald's"]


def test_marking_by_touch(tmp_path, browser):
    how = {"size": PHONE, "has_touch": True, "is_mobile": True}
    with at_work(browser, marking(), tmp_path / "s", **how) as (page, session):
        for surface, wanted in (("Züric", "LOC"), ("Times", "ORG")):
            page.evaluate(
                """(surface) => {
                    const has = (one) => one.textContent.includes(surface);
                    const line = [...document.querySelectorAll(".line")].find(has);
                    const node = [...line.childNodes].find(has);
                    const at = node.data.indexOf(surface);
                    window.getSelection().setBaseAndExtent(node, at, node, at + surface.length);
                }""",
                surface,
            )
            page.wait_for_selector("[data-role=actions] button")
            bar(page, wanted).tap()
        page.locator("mark", has_text="Times").tap()
        bar(page, "Delete").tap()
        saved(page)
        assert surfaces(session) == [("Zürich", "LOC")]


def test_a_drag_may_end_beside_the_text(tmp_path, browser):
    with at_work(browser, marking(), tmp_path / "s") as (page, session):
        box = page.locator(".line").nth(0).bounding_box()
        word = (
            page.locator(".line")
            .nth(0)
            .evaluate(
                """(line) => {
                const range = document.createRange();
                range.setStart(line.firstChild, line.textContent.indexOf("Zürich"));
                range.setEnd(line.firstChild, line.textContent.indexOf("Zürich") + 6);
                const { left, top, bottom } = range.getBoundingClientRect();
                return [left, (top + bottom) / 2];
            }"""
            )
        )
        page.mouse.move(word[0] + 1, word[1])
        page.mouse.down()
        page.mouse.move(box["x"] + box["width"] + 60, word[1], steps=5)
        page.mouse.up()
        assert "Zürich" in page.locator("[data-role=says]").inner_text()
        press(page, "3")
        saved(page)
        assert surfaces(session)[0][0].startswith("Zürich")


def test_all_same_surfaces_are_marked_but_not_parts_of_words(tmp_path, browser):
    with at_work(browser, marking(), tmp_path / "s") as (page, session):
        drag(page, "Anna")
        press(page, "1")
        assert bar(page, "All same (1)").count() == 1
        press(page, "a")
        saved(page)
        assert session.state(0).content["spans"] == plain(DOCUMENTS[0], ("Anna", "PER"), ("Anna", "PER", 2))
        press(page, "u")
        saved(page)
        assert surfaces(session) == [("Anna", "PER")]


def test_suggestions_are_accepted_refused_relabelled_and_stay_so(tmp_path, browser):
    desk = marking(suggestions=SUGGESTED)
    with at_work(browser, desk, tmp_path / "s") as (page, session):
        assert page.locator(".suggested").all_inner_texts() == ["Bén̂", "Zürich", "Times"]
        press(page, "s", "1")  # Bén̂ is no ORG
        press(page, "s", "Enter")
        assert page.locator(".suggested.now").inner_text() == "Times"
        press(page, "x")
        saved(page)
        assert surfaces(session) == [("Bén̂", "PER"), ("Zürich", "LOC")]
        page.reload()
        page.wait_for_selector(".line mark")
        assert page.locator(".suggested").count() == 0
        press(page, "]")
        page.wait_for_selector(".suggested")
        page.get_by_role("button", name="Accept 2 suggestions").click()
        saved(page)
        assert surfaces(session, 1) == [("Acme", "ORG"), ("Oslo", "LOC")]


def test_through_the_queue_to_a_pass(tmp_path, browser):
    with at_work(browser, marking(), tmp_path / "s") as (page, session):
        assert page.locator("[data-role=progress-text]").inner_text() == "0 of 2 done"
        drag(page, "Oslo")
        press(page, "3", "Control+Enter")
        wait_for_document(page, 1)
        drag(page, "Acme")
        press(page, "2")
        page.get_by_role("button", name="Done, next").click()
        page.wait_for_selector("[data-role=finished]:visible")
        assert page.locator("[data-role=progress-text]").inner_text() == "2 of 2 done"
        passes = list(standoff.read(session.output))
    assert [[span.surface for span in item.spans] for item in passes] == [["Oslo"], ["Acme"]]


def test_a_second_tab_is_told_and_takes_what_is_saved(tmp_path, browser):
    with serving(marking(), tmp_path / "s") as (address, session), opened(browser, address) as page:
        page.wait_for_selector(".line")
        other = page.context.new_page()
        other.goto(address)
        other.wait_for_selector(".line")
        drag(other, "Zürich")
        press(other, "3")
        saved(other)
        drag(page, "Anna")
        press(page, "1")
        page.wait_for_selector("[data-role=stale][open]")
        assert surfaces(session) == [("Zürich", "LOC")]
        page.get_by_role("button", name="Take what is saved").click()
        page.wait_for_selector("mark")
        assert page.locator("mark").all_inner_texts() == ["Zürich"]
        drag(page, "Anna")
        press(page, "1")
        saved(page)
        assert surfaces(session) == [("Anna", "PER"), ("Zürich", "LOC")]
        page.expected.append("409")


def test_what_the_page_calls_saved_survives_kill_9(tmp_path, browser):
    place = write_queue(tmp_path)
    process, address = started(place, "--out", place / "s", "--annotator", "ann")
    with opened(browser, address) as page:
        page.expected.append("ERR_CONNECTION_REFUSED")
        page.wait_for_selector(".line")
        drag(page, "Oslo")
        press(page, "3", "a")
        page.get_by_label("done", exact=True).check()
        saved(page)
        os.kill(process.pid, signal.SIGKILL)
        process.wait(timeout=20)
        drag(page, "Times")
        press(page, "2")
        page.wait_for_selector("[data-role=saved]:has-text('Not saved')")
    process.stdout.close()
    (kept,) = standoff.read(place / "s" / "pass.jsonl")
    both = spans_of(DOCUMENTS[0], ("Oslo", "LOC"), ("Oslo", "LOC", 2))
    assert [span.start for span in kept.spans] == [span.start for span in both]


def test_differences_are_settled_one_by_one(tmp_path, browser):
    with at_work(browser, settling(), tmp_path / "s") as (page, session):
        says = page.locator("[data-role=says]")
        assert "1 of 3, label" in says.inner_text()
        press(page, "w")
        page.keyboard.type("a city")
        press(page, "Enter", "1")
        assert "2 of 3, boundary" in says.inner_text()
        drag(page, "Then the Times", within=".row .line:nth-child(2)")
        page.locator("[data-role=actions] button", has_text="MISC").click()
        assert "3 of 3, only ann" in says.inner_text()
        press(page, "0", "x", "2")
        saved(page)
        assert page.locator(".verdict").count() == 3
        assert page.locator(".row.settled").count() == 2
        press(page, "o")
        wait_for_document(page, 1)
        press(page, "4")
        page.wait_for_selector("[data-role=finished]:visible")
        press(page, "Control+z")
        saved(page)
        press(page, "Control+Shift+z")
        saved(page)
        found = [(item.surface, item.label, item.why) for item in jsonl.read(session.output, Decision)]
    assert found == [
        ("Zürich", "LOC", "a city"),
        ("Then the Times", "MISC", "as neither"),
        ("the Times", None, "as neither"),
        ("Times", None, "as neither"),
        ("Annabel Oslo", None, "as ben"),
        ("Acme", "ORG", "as ben"),
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [None, PHONE], ids=["desk", "phone"])
def test_an_accessibility_checker_finds_nothing_serious(tmp_path, browser, size, scheme):
    with at_work(browser, marking(suggestions=SUGGESTED), tmp_path / "a", size=size, scheme=scheme) as (page, _):
        press(page, "s", "Enter", "x", "n")
        saved(page)
        assert serious(page) == []
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        press(page, "?")
        assert serious(page) == []
    with at_work(browser, settling(), tmp_path / "b", size=size, scheme=scheme) as (page, _):
        press(page, "1")
        saved(page)
        assert serious(page) == []
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_markup_in_a_document_stays_text(tmp_path, browser):
    text = "</script><img src=x onerror=alert(1)> & &amp; <b>Ann</b>"
    document = Document("<i>", text, "<s>", url="javascript:alert(1)", title="<u>title</u>")
    desk = marking_desk("<b>ann</b>", [document], scheme=SCHEME)
    with at_work(browser, desk, tmp_path / "s") as (page, session):
        assert page.locator(".line").inner_text() == text
        assert page.locator(".facts a, main img, main b").count() == 0
        drag(page, "Ann")
        press(page, "1")
        saved(page)
        start = text.index("Ann")
        assert session.state(0).content["spans"] == [[start, start + 3, "PER"]]


def test_a_save_that_comes_late_does_not_undo_what_was_done_meanwhile(tmp_path, browser):
    with serving(marking(), tmp_path / "s") as (address, session), opened(browser, address) as page:
        page.wait_for_selector(".line")
        page.route("**/documents/0", lambda route: (time.sleep(0.3), route.continue_()))
        for surface, key in (("Zürich", "3"), ("Times", "2"), ("Oslo", "3")):
            drag(page, surface)
            press(page, key)
            page.wait_for_timeout(450)
        saved(page)
        assert surfaces(session) == [("Zürich", "LOC"), ("Times", "ORG"), ("Oslo", "LOC")]
