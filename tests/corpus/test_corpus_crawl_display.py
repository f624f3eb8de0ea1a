"""What a crawl shows: on a terminal every line fits, elsewhere nothing is drawn."""

from collections import Counter

import pytest
from rich.console import Console

from gonerd.cli import crawl_display
from gonerd.cli.crawl_display import CrawlDisplay, clock, picture, stage_picture
from gonerd.corpus.rounds import Status


def shown(drawn, width):
    console = Console(width=width, force_terminal=True, color_system=None, highlight=False)
    with console.capture() as capture:
        console.print(drawn)
    return capture.get().splitlines()


def status(**values):
    one = Status()
    for name, value in values.items():
        setattr(one, name, value)
    return one


def test_a_crawl_under_way():
    now = status(
        listings=1, found=1_200, done=300, pages=250, requests=340, done_before=100,
        dropped=Counter(http_status=30, media_type=20), failures=Counter({"503": 4, "it took too long": 1}),
    )  # fmt: skip
    first, *lines = shown(picture(now, 50.0), 80)
    assert first.startswith("crawl ")
    assert first.endswith(" 300 of 1,200 articles")
    assert lines == [
        "250 pages, 1 listing, 340 requests",
        "4.0 articles/s, 50 s so far, about 3 min 45 s left",
        "dropped: 30 × http_status, 20 × media_type",
        "failed, to be tried again: 4 × HTTP 503, 1 × it took too long",
    ]


def test_before_anything_is_found():
    first, *lines = shown(picture(status(), 0.0), 80)
    assert first.rstrip().endswith("0 articles")
    assert lines == ["0 pages, 0 listings, 0 requests", "0.0 articles/s, 0 s so far, time left not known yet"]


@pytest.mark.parametrize("width", [40, 80, 120])
def test_no_line_is_wider_than_the_terminal(width):
    kinds = Counter({f"a kind of failure, number {n}": n for n in range(1, 12)})
    now = status(found=10**7, done=10**6, pages=9 * 10**5, requests=10**7, dropped=kinds, failures=kinds)
    lines = shown(picture(now, 10_000.0), width)
    assert max(map(len, lines)) <= width
    assert "15 others" in " ".join(lines)
    assert max(map(len, shown(stage_picture("extract and deduplicate", 1_000, 10_000), width))) <= width


@pytest.mark.parametrize(("seconds", "text"), [(0, "0 s"), (59.9, "59 s"), (61, "1 min 01 s"), (7_322, "2 h 02 min")])
def test_lengths_of_time(seconds, text):
    assert clock(seconds) == text


@pytest.mark.parametrize("terminal", [False, True])
def test_it_draws_on_a_terminal_only_and_leaves_nothing(monkeypatch, terminal):
    place = Console(width=80, force_terminal=terminal, force_interactive=terminal, color_system=None)
    monkeypatch.setattr(crawl_display, "console", lambda **_: place)
    with place.capture() as capture, CrawlDisplay("extract") as display:
        display.watch(status(found=5, done=2))
        display.progress(1, 3)  # too soon to draw again
    drawn = capture.get()
    assert ("2 of 5 articles" in drawn) is terminal
    assert "extract" not in drawn
    assert drawn.strip() == "" or terminal
