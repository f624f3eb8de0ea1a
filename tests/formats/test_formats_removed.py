import pytest

from gonerd.errors import GonerdError
from gonerd.formats.removed import read_removed, same_page

LIST = """
[[removed]]
id = "paper-1"
date = 2026-03-01

[[removed]]
url = "https://Paper.example:443/a/b/#top"
date = "2026-03-02"
"""


def test_ids_and_urls_are_found_whatever_their_spelling(tmp_path):
    (tmp_path / "removed.toml").write_text(LIST)
    removed = read_removed(tmp_path / "removed.toml")
    assert len(removed) == 2
    assert removed.find("paper-1", None).detail == "asked for on 2026-03-01"
    for url in ("http://paper.example/a/b", "https://paper.example./a/b/", "HTTPS://PAPER.example/a/b#x"):
        assert removed.find("paper-2", url).reason.value == "removed", url
    for url in ("http://paper.example/a/B", "http://paper.example/a/b?page=2", "http://paper.example:8080/a/b", None):
        assert removed.find("paper-2", url) is None, url
    assert not read_removed(None).find("paper-1", "http://paper.example/a/b")
    assert same_page("http://[broken") == "http://[broken"


@pytest.mark.parametrize(
    ("asked", "held"),
    [
        (
            "https://paper.example/caf\u00e9",
            "https://paper.example/caf%C3%A9",
        ),  # as browsers show it, and as they send it
        ("https://paper.example/%7eann", "https://paper.example/~ann"),
        ("https://b\u00fccher.example/a", "https://xn--bcher-kva.example/a"),
        ("https://paper.example/a?utm_source=mail&page=2", "https://paper.example/a?page=2"),
        ("paper.example/a", "https://paper.example/a"),
        ("pages/a.html", "pages/a.html"),
    ],
)
def test_an_address_is_the_same_as_people_copy_it_and_as_it_was_crawled(asked, held):
    assert same_page(asked) == same_page(held)
    assert same_page("Pages/a.html") != same_page("pages/a.html")  # files of a folder


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[[removed]]\nid = "a"\ndate = 2026-01-01\nname = "Anna Lund"', "entry 1: not an entry"),
        ('[[removed]]\nid = "a"', "entry 1: not an entry"),
        ('[[removed]]\nid = "a"\nurl = "b"\ndate = 2026-01-01', "not an entry"),
        ('[[removed]]\nid = " "\ndate = 2026-01-01', "id must be text"),
        ('[[removed]]\nid = "a"\ndate = "lately"', "date must be a day"),
        ('[removed]\nid = "a"', "entries alone"),
        ('[[remove]]\nid = "a"\ndate = 2026-01-01', "entries alone"),
        ("[[removed", "not a TOML file"),
    ],
)
def test_a_list_that_would_remove_nothing_is_an_error(tmp_path, text, message):
    (tmp_path / "removed.toml").write_text(text)
    with pytest.raises(GonerdError, match=message):
        read_removed(tmp_path / "removed.toml")


def test_no_list_is_an_error(tmp_path):
    with pytest.raises(GonerdError, match="no such file"):
        read_removed(tmp_path / "removed.toml")
