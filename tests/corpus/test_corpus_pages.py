"""Whole pages of several makings come out as they should, and no page, however it is built, has its words glued."""

import random
import re
from pathlib import Path

import pytest

from gonerd.corpus.archive import RawPage
from gonerd.corpus.extract import ExtractConfig, extract_page

PAGES = Path(__file__).parent / "pages"
BLOCKS = ("p", "div", "section", "blockquote", "ul", "ol", "dl", "table", "h2", "h3", "figure", "pre", "details", "br")
INLINE = ("b", "i", "a", "span", "code", "sup", "q", "time", "abbr", "font", "small", "label", "button", "img", "br")


@pytest.mark.parametrize("name", sorted(path.stem for path in PAGES.glob("*.html")))
def test_a_page_comes_out_as_it_should(name):
    """The pages were made up for these tests: a newspaper, a press release, a weblog, an old site of tables, …"""
    body = (PAGES / f"{name}.html").read_bytes()
    page = extract_page(RawPage(f"http://pages.example/{name}", body, "text/html"), source=None, config=ExtractConfig())
    assert page.text == (PAGES / f"{name}.txt").read_text("utf-8").rstrip("\n")


class Maker:
    """Makes random pages in which every word stands once."""

    def __init__(self, seed):
        self.rng, self.count = random.Random(seed), 0

    def words(self, count):
        self.count += count
        return " ".join(f"w{number}x" for number in range(self.count - count, self.count))

    def inline(self, depth=0):
        return " ".join(self.piece(depth) for _ in range(self.rng.randint(1, 4)))

    def piece(self, depth):
        words = self.words(self.rng.randint(2, 6))
        if depth > 2 or self.rng.random() < 0.5:
            return words
        tag = self.rng.choice(INLINE)
        alone = {"br": f"{words}<br>{self.words(3)}", "img": f"{words}<img src=x>", "a": f"<a href='/x'>{words}</a>"}
        return alone[tag] if tag in alone else f"<{tag}>{self.inline(depth + 1)}</{tag}>"

    def flow(self, depth):
        """Return text and blocks side by side, without a space where only a block parts them."""
        if depth > 2 or self.rng.random() < 0.5:
            return self.inline()
        parts = (self.rng.random() < 0.5 for _ in range(self.rng.randint(1, 3)))
        pieces = [(is_text, self.inline() if is_text else self.block(depth + 1)) for is_text in parts]
        joined, before = "", False
        for is_text, piece in pieces:
            joined += (" " if is_text and before else "") + piece
            before = is_text
        return joined

    def block(self, depth=0):
        tag = self.rng.choice(BLOCKS)

        def flow():
            return self.flow(depth)

        if tag == "br":
            return "<br>"
        inside = {
            "ul": lambda: "".join(f"<li>{flow()}</li>" for _ in range(3)),
            "ol": lambda: f"<li>{flow()}</li>",
            "dl": lambda: f"<dt>{self.inline()}</dt><dd>{flow()}</dd>",
            "table": lambda: "".join(f"<tr><td>{flow()}</td><th>{flow()}</th></tr>" for _ in range(2)),
            "figure": lambda: f"<img src=x><figcaption>{flow()}</figcaption>",
            "details": lambda: f"<summary>{self.inline()}</summary>{flow()}",
            "div": flow,
            "section": flow,
            "blockquote": flow,
        }.get(tag, self.inline)
        return f"<{tag}>{inside()}</{tag}>"

    def page(self):
        body = "".join(f"<p>{self.words(25)}.</p>{self.block()}" for _ in range(8))
        return f"<html><head><title>T</title></head><body><article>{body}</article></body></html>"


def check_words(seed):
    html = Maker(seed).page()
    page = extract_page(RawPage("http://pages.example/", html.encode(), None), source=None, config=ExtractConfig())
    words = page.text.split()
    assert len(words) > 100
    assert [word for word in words if len(re.findall(r"w\d", word)) > 1] == [], seed


def test_no_words_of_random_pages_are_glued():
    for seed in range(40):
        check_words(seed)


@pytest.mark.slow
def test_no_words_of_many_random_pages_are_glued():
    for seed in range(100, 2_000):
        check_words(seed)
