"""Each kind of discovery against a loopback server that speaks it."""

import json
from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import pytest

from gonerd import store
from gonerd.corpus import discovery
from gonerd.corpus.config import CrawlConfig
from gonerd.corpus.crawl import crawl
from gonerd.corpus.discovery import Answer, read_listing
from gonerd.corpus.feeds import read_feed
from gonerd.corpus.sources import Discovery, Source
from gonerd.formats import jsonl
from gonerd.records import Dropped, Page
from gonerd.sample.server import Resource, serve

HOST = "press.example"
SITE = f"http://{HOST}"
API = f"{SITE}/api"
CONFIG = CrawlConfig(delay_s=0.0, timeout_s=5.0, retries=0)
NUMBERS = range(7)


def source(kind, *start, **options):
    more = {name: options.pop(name) for name in ("body", "article") if name in options}
    found = Discovery(kind, start, **options)
    return Source("press", "CC0-1.0", "https://example.org/", "en", (HOST,), found, crawl_delay=0.0, **more)


def page(number):
    return Resource(f"<html><h1>Article {number}</h1><p>What {number} says.</p></html>".encode())


def as_json(value):
    return Resource(json.dumps(value).encode(), "application/json")


def crawled(out, site, wanted, **config):
    """Crawl a site given as a function of path and query; return the pages, what was dropped, and what was asked."""
    asked = []

    def lookup(url):
        asked.append(url.removeprefix(SITE))
        parts = urlsplit(url)
        return site(parts.path, {name: values[-1] for name, values in parse_qs(parts.query).items()})

    with serve(lookup) as proxy:
        crawl(wanted, out, config=replace(CONFIG, proxy=proxy, **config))
    pages = [one.url.removeprefix(SITE) for one in store.read_records(out, Page)]
    dropped = {record.id.removeprefix(SITE): record for record in jsonl.read(out / store.DROPPED, Dropped)}
    return pages, dropped, asked


def articles(path, _=None):
    return page(path.rpartition("/")[2]) if path.startswith("/news/") else None


ALL = [f"/news/{number}" for number in NUMBERS]


def test_rss_atom_and_the_next_page_of_a_feed(tmp_path):
    items = "".join(
        f"<item><link>{SITE}/news/{n}</link><pubDate>Tue, 0{n + 1} Mar 2022 10:00:00 GMT</pubDate></item>"
        for n in range(3)
    )
    rss = (
        f'<rss version="2.0"><channel><link>{SITE}/</link><image><url>{SITE}/i.png</url></image>{items}</channel></rss>'
    )
    entries = "".join(
        f'<entry><link rel="self" href="/x"/><link href="/news/{n}"/><updated>2022-03-0{n}T00:00:00Z</updated></entry>'
        for n in (3, 4, 5)
    )
    atom = '<feed xmlns="http://www.w3.org/2005/Atom"><link rel="next" href="?page=2"/><link href="/"/>{}</feed>'
    second = '<a:feed xmlns:a="http://www.w3.org/2005/Atom"><a:entry><a:link href="news/6"/></a:entry></a:feed>'

    def site(path, query):
        if path == "/rss":
            return Resource(rss.encode(), "application/rss+xml")
        if path == "/atom":
            return Resource((second if query else atom.format(entries)).encode(), "application/atom+xml")
        return articles(path)

    pages, dropped, _ = crawled(tmp_path / "out", site, source("feed", f"{SITE}/rss", f"{SITE}/atom"))
    assert sorted(pages) == ALL
    assert dropped == {}
    pages, dropped, asked = crawled(tmp_path / "new", site, source("feed", f"{SITE}/rss"), since="2022-03-02")
    assert pages == ["/news/1", "/news/2"]
    assert {path: record.reason for path, record in dropped.items()} == {"/news/0": "too_old"}
    assert "/news/0" not in asked


def test_a_paged_listing(tmp_path):
    def site(path, query):
        if path != "/list":
            return articles(path)
        number = int(query.get("page", 0))
        links = "".join(
            f'<li class="story"><a href="news/{n}">x</a></li>' for n in NUMBERS[number * 3 : number * 3 + 3]
        )
        onward = f'<a rel="next" href="?page={number + 1}">more</a>' if number < 2 else ""
        return Resource(f'<html><nav><a href="/about">About</a></nav><ul>{links}</ul>{onward}</html>'.encode())

    wanted = source("listing", f"{SITE}/list", link=".story a", next="a[rel=next]")
    pages, dropped, asked = crawled(tmp_path / "out", site, wanted)
    assert (pages, dropped) == (ALL, {})
    assert [path for path in asked if path.startswith("/list")] == ["/list", "/list?page=1", "/list?page=2"]


def test_a_listing_without_end_is_left(tmp_path):
    def calendar(path, query):
        month = int(query.get("month", 0))
        links = '<a class="story" href="/news/1">x</a>' * (month == 3)
        answer = Resource(f'{links}<a rel="next" href="?month={month + 1}">next month</a>'.encode())
        return articles(path) if path.startswith("/news/") else answer if path == "/calendar" else None

    wanted = source("listing", f"{SITE}/calendar", link=".story", next="a[rel=next]")
    pages, dropped, asked = crawled(tmp_path / "out", calendar, wanted)
    assert pages == ["/news/1"]
    assert list(dropped) == ["/calendar?month=24"]
    assert "held no new article" in dropped["/calendar?month=24"].detail
    assert len(asked) == 26


def test_a_json_interface_with_page_numbers(tmp_path):
    def site(path, query):
        if path != "/api/search":
            return articles(path)
        start = int(query["start"])
        found = [{"link": f"/news/{n}", "when": f"2022-03-0{n + 1}"} for n in NUMBERS[start : start + 3]]
        return as_json({"answer": {"results": found}, "total": 7})

    settings = {"items": "answer.results", "url": "{link}", "date": "when", "parameter": "start", "first": 0, "step": 3}
    wanted = source("json_pages", f"{API}/search?q=x", **settings)
    pages, dropped, asked = crawled(tmp_path / "out", site, wanted)
    assert (pages, dropped) == (ALL, {})
    assert [url for url in asked if "search" in url] == [f"/api/search?q=x&start={n}" for n in (0, 3, 6, 9)]
    pages, dropped, asked = crawled(tmp_path / "few", site, wanted, max_pages=2)
    assert pages == ALL[:2]  # and no more listings than it takes
    assert {path: record.reason for path, record in dropped.items()} == {
        "/news/2": "page_limit",
        "/api/search?q=x&start=3": "page_limit",
    }
    assert sum("search" in url for url in asked) == 1


@pytest.mark.parametrize("as_url", [False, True])
def test_a_json_interface_with_a_cursor_and_bodies_of_its_own(tmp_path, as_url):
    def site(path, query):
        if path == "/api/list":
            start = int(query.get("after", "c0")[1:])
            found = [{"id": n, "url": f"{SITE}/news/{n}"} for n in NUMBERS[start : start + 3]]
            cursor = f"c{start + 3}" if start + 3 < 7 else None
            return as_json({"items": found, "next": cursor and f"/api/list?after={cursor}" if as_url else cursor})
        if path.startswith("/api/item/"):
            return as_json({"body": f"<p>Article {path[-1]}</p>"})
        return None

    settings = {"items": "items", "url": "{url}", "cursor": "next", "request": API + "/item/{id}"}
    settings |= {} if as_url else {"parameter": "after"}
    wanted = source("json_cursor", f"{API}/list", body="json:body", **settings)
    pages, dropped, asked = crawled(tmp_path / "out", site, wanted)
    assert (pages, dropped) == (ALL, {})
    assert sum("/api/item/" in url for url in asked) == 7
    assert not any("/news/" in url for url in asked)
    first = next(store.read_records(tmp_path / "out", Page))
    assert (first.url, first.final_url, first.media_type) == (f"{SITE}/news/0", f"{API}/item/0", "application/json")


def test_mediawiki(tmp_path):
    def site(path, query):
        if path != "/w/api.php":
            return articles(path)
        assert query["action"] == "query"
        start = int(query.get("gcmcontinue", "p|0").split("|")[1])
        pages = [{"title": f"N {n}", "fullurl": f"{SITE}/news/{n}"} for n in NUMBERS[start : start + 4]]
        onward = {"continue": {"gcmcontinue": f"p|{start + 4}", "continue": "gcmcontinue||"}} if start == 0 else {}
        return as_json({"query": {"pages": pages}} | onward)

    query = "action=query&generator=categorymembers&gcmtitle=Category:Published&prop=info&inprop=url&format=json"
    pages, dropped, asked = crawled(tmp_path / "out", site, source("mediawiki", f"{SITE}/w/api.php?{query}"))
    assert (pages, dropped) == (ALL, {})
    assert sum("/w/api.php" in url for url in asked) == 2


def test_urls_are_the_articles_themselves(tmp_path):
    wanted = source("urls", f"{SITE}/news/1", f"{SITE}/news/2#x", f"{SITE}/gone")
    pages, dropped, asked = crawled(tmp_path / "out", articles, wanted)
    assert pages == ["/news/1", "/news/2"]
    assert dropped["/gone"].reason == "http_status"
    assert asked == ["/robots.txt", "/news/1", "/news/2", "/gone"]
    start = store.read_manifest(tmp_path / "out").config["source"]["discovery"]["start"]
    assert len(start) == 1
    assert start[0].startswith("3 URLs, sha256 ")


JSON_PAGES = Discovery("json_pages", (API,), items="results", url="{link}", parameter="page")


@pytest.mark.parametrize(
    ("found", "body", "fault"),
    [
        (JSON_PAGES, b"<html>", "not JSON"),
        (JSON_PAGES, b'{"results": 3}', "no list under 'results'"),
        (JSON_PAGES, b'{"results": [{"link": ""}, {"link": "/a"}]}', "an item without 'link'"),
        (JSON_PAGES, b'{"results": [7, null, {"link": ["x"]}]}', "an item without 'link'"),
        (JSON_PAGES, b'{"results": [{"link": "javascript:x"}]}', "not an http URL"),
        (JSON_PAGES, b"[" * 100_000, "not"),
        (Discovery("mediawiki", (API,)), b'{"error": {"code": "x", "info": "Unknown"}}', "the wiki says: Unknown"),
        (Discovery("feed", (API,)), b"<rss><item>", "not a feed"),
        (Discovery("feed", (API,)), b'<!DOCTYPE x [<!ENTITY a "b">]><rss/>', "declares entities"),
        (Discovery("feed", (API,)), b"<a>" * 1000, "nested too deep"),
        (Discovery("sitemap", (API,)), b"\x1f\x8bnothing", "not a gzip file"),
    ],
)
def test_what_is_wrong_with_a_listing_is_said(found, body, fault):
    listing = read_listing(found, Answer(API, body))
    assert fault in listing.fault
    assert all(article.url == f"{SITE}/a" for article in listing.articles)


def test_a_long_text_in_a_feed_is_not_held():
    links, _, fault = read_feed(
        b"<rss><item><description>" + b"x" * 10**6 + b"</description><link>/a</link></item></rss>"
    )
    assert (links, fault) == ([("/a", "")], "")


def test_every_kind_has_a_reader_or_needs_none():
    from gonerd.corpus.sources import DISCOVERY_KINDS

    assert set(DISCOVERY_KINDS) - {"urls"} == set(discovery.READERS)
