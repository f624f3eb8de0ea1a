"""The board in a headless Chromium: hostile names, a thousand entries, an accessibility checker."""

import random

import pytest
from browsing import PHONE, opened, serious
from test_leaderboard_site import HOSTILE, board, entry, hostile_board

from gonerd.leaderboard.site import write_site

pytestmark = pytest.mark.tools
KINDS = ("full", "longformer", "bigbird", "lsg")


def thousand():
    chance = random.Random(5)
    entries = []
    for number in range(1000):
        f1 = chance.random()
        fields = {"attention": chance.choice(KINDS), "organisation": chance.choice(["Åland", "Zoo & Co", None])}
        fields |= {"f1_low": f1 - 0.01, "f1_high": f1 + 0.01, "layers": chance.choice([6, 12, None])}
        fields |= {"latency_4096_ms": 10 ** chance.uniform(0, 4), "teacher": chance.choice(["model 7", None])}
        entries.append(entry(f"model {number}", f1, folder=f"f{number:04d}", **fields))
    return board(*entries)


def shown(page, column):
    return page.locator(f"tbody .c-{column}").all_inner_texts()


def test_hostile_names_stay_text(tmp_path, browser):
    with opened(browser, write_site([hostile_board()], tmp_path / "site").as_uri()) as page:
        assert page.locator("[data-role=count]").inner_text() == f"{len(HOSTILE)} entries"
        assert page.locator("tbody tr").count() == len(HOSTILE)
        for header in page.locator("thead button").all():
            header.click()
        page.get_by_label("Search").fill("<script>")
        assert "<script>" in shown(page, "model")[0]
        assert page.locator("img, iframe, main script").count() == 0
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_a_thousand_entries_are_sorted_filtered_searched_and_shown_step_by_step(tmp_path, browser):
    made = thousand()
    with opened(browser, write_site([made], tmp_path / "site").as_uri()) as page:
        names = [item.name for item in made.entries]
        header = page.locator("thead button")
        assert [text.partition("\n")[0] for text in shown(page, "model")] == names[:50]
        header.filter(has_text="Latency").click()
        fastest = sorted(made.entries, key=lambda item: item.latency_4096_ms)
        assert [text.partition("\n")[0] for text in shown(page, "model")] == [item.name for item in fastest[:50]]
        assert page.locator("[aria-sort]").get_attribute("aria-sort") == "ascending"
        header.filter(has_text="Latency").click()
        assert shown(page, "model")[0].startswith(fastest[-1].name)
        header.filter(has_text="Organisation").click()
        assert set(shown(page, "organisation")) == {"Åland"}
        header.filter(has_text="Organisation").click()
        assert set(shown(page, "organisation")) == {"Zoo & Co"}
        header.filter(has_text="Layers").click()
        header.filter(has_text="Layers").click()
        assert set(shown(page, "layers")) == {"12"}
        page.locator("[data-filter=attention]").select_option("lsg")
        page.locator("[data-filter=distilled]").select_option("students")
        fits = [item for item in made.entries if item.attention == "lsg" and item.teacher]
        assert page.locator("[data-role=count]").inner_text() == f"{len(fits)} of 1000 entries"
        assert set(shown(page, "attention")) == {"lsg"}
        further = page.get_by_role("button", name="more of")
        while further.is_visible():
            further.click()
        assert page.locator("tbody tr").count() == len(fits)
        assert sum(text == "–" for text in shown(page, "layers")[-3:]) == 3  # what is not stated stands last
        page.get_by_label("Search").fill("model 99")
        found = [item for item in fits if "99" in item.name]
        assert page.locator("tbody tr").count() == len(found)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [None, PHONE], ids=["desk", "phone"])
def test_an_accessibility_checker_finds_nothing_serious(tmp_path, browser, size, scheme):
    entries = thousand().entries[::20]
    mixed = board(*entries, entry("a", 0.5, words_per_second=9.0, hardware="one", link="https://example.org/a"))
    with opened(browser, write_site([mixed], tmp_path / "site").as_uri(), size=size, scheme=scheme) as page:
        assert serious(page) == []
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_without_a_script_the_board_can_be_read(tmp_path, browser):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(write_site([thousand()], tmp_path / "site").as_uri())
    assert page.locator("tbody tr").count() == 50
    assert "all are in the downloads" in page.locator("body").inner_text()
    context.close()
