"""What a crawl leaves for others and for the next crawl: WARC files, their index, revisits; and a network that dies."""

import gzip
import json
from dataclasses import replace
from email.utils import formatdate

import pytest

from gonerd import store
from gonerd.corpus.cdxj import INDEX, surt
from gonerd.corpus.config import CrawlConfig
from gonerd.corpus.crawl import crawl
from gonerd.corpus.frontier import Frontier
from gonerd.corpus.run import extract
from gonerd.corpus.sources import Discovery, Source
from gonerd.errors import GonerdError
from gonerd.formats import jsonl
from gonerd.records import Dropped, Page
from gonerd.sample.server import Resource, serve
from gonerd.urls import canonical, with_parameter

HOST, OTHER = "press.example", "daily.example"
SITE = f"http://{HOST}"
CONFIG = CrawlConfig(delay_s=0.0, timeout_s=5.0, retries=0)


def source(*urls, hosts=(HOST,)):
    return Source("press", "CC0-1.0", "https://example.org/", "en", hosts, Discovery("urls", urls), crawl_delay=0.0)


def page(text, **headers):
    fields = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return Resource(f"<html><h1>{text}</h1><p>{text} stands here.</p></html>".encode(), headers=fields)


def crawled(out, site, wanted, *, previous=None, **config):
    with serve(site) as proxy:
        return crawl(wanted, out, config=replace(CONFIG, proxy=proxy, **config), previous=previous)


def pages(folder):
    return {one.url.removeprefix(SITE): one for one in store.read_records(folder, Page)}


def dropped(folder):
    return {one.id.removeprefix(SITE): one for one in jsonl.read(folder / store.DROPPED, Dropped)}


def records(folder):
    """Read all WARC files of a folder with warcio alone; return type, URL, headers and payload of each record."""
    from warcio.archiveiterator import ArchiveIterator

    found = []
    for path in sorted(folder.glob("*.warc.gz")):
        with path.open("rb") as stream:
            for record in ArchiveIterator(stream, check_digests="raise"):
                headers = dict(record.rec_headers.headers)
                found.append((record.rec_type, headers.get("WARC-Target-URI"), headers, record.content_stream().read()))
    return found


class Site:
    """A site that answers conditional requests, and remembers what it was asked."""

    def __init__(self):
        self.pages, self.conditional = {}, []

    def handler(self, url, headers):
        body, etag, changed = self.pages.get(url, (None, None, None))
        if body is None:
            return Resource(b"gone", status=404)
        asked = headers.get("If-None-Match"), headers.get("If-Modified-Since")
        self.conditional.append((url.removeprefix(SITE), *asked))
        known = (etag and asked[0] == etag) or (changed and asked[1] == changed)
        fields = tuple((name, value) for name, value in (("ETag", etag), ("Last-Modified", changed)) if value)
        return Resource(b"" if known else body, status=304 if known else 200, headers=fields)


@pytest.fixture
def site():
    return Site()


@pytest.fixture
def ask(site, monkeypatch):
    """Crawl the site; its server hands the request's headers on."""
    from gonerd.sample import server

    real = server._handler

    def handler(lookup, host):
        kind = real(lookup, host)
        answer = kind._answer

        def wrapped(self, *, with_body):
            site.headers = self.headers
            answer(self, with_body=with_body)

        kind._answer = wrapped
        return kind

    monkeypatch.setattr(server, "_handler", handler)
    urls = [f"{SITE}/{name}" for name in ("tagged", "dated", "plain", "changed", "lost")]
    return lambda out, **more: crawled(out, lambda url: site.handler(url, site.headers), source(*urls), **more)


def test_a_second_crawl_asks_whether_anything_changed_and_keeps_what_did_not(tmp_path, site, ask):
    day = formatdate(1_600_000_000, usegmt=True)
    site.pages = {
        f"{SITE}/tagged": (b"<p>Tagged</p>", '"v1"', None),
        f"{SITE}/dated": (b"<p>Dated</p>", None, day),
        f"{SITE}/plain": (b"<p>Plain</p>", None, None),
        f"{SITE}/changed": (b"<p>Before</p>", '"a"', None),
        f"{SITE}/lost": (b"<p>Lost</p>", None, None),
    }
    first, second = tmp_path / "first", tmp_path / "second"
    ask(first)
    site.pages[f"{SITE}/changed"] = (b"<p>After</p>", '"b"', None)
    del site.pages[f"{SITE}/lost"]
    site.conditional.clear()
    manifest = ask(second, previous=first)
    assert site.conditional == [
        ("/tagged", '"v1"', None),
        ("/dated", None, day),
        ("/plain", None, None),
        ("/changed", '"a"', None),
    ]
    before, after = pages(first), pages(second)
    for path in ("/tagged", "/dated", "/plain"):
        assert after[path] == before[path]
    assert after["/changed"].body_sha256 != before["/changed"].body_sha256
    assert dropped(second)["/lost"].detail == "404"
    assert manifest.written == 4
    revisits = {url.removeprefix(SITE): headers for kind, url, headers, _ in records(second) if kind == "revisit"}
    assert {path: headers["WARC-Profile"].rpartition("/")[2] for path, headers in revisits.items()} == {
        "/tagged": "server-not-modified",
        "/dated": "server-not-modified",
        "/plain": "identical-payload-digest",
    }
    originals = {url: headers for kind, url, headers, _ in records(first) if kind == "response"}
    for path, headers in revisits.items():
        original = originals[SITE + path]
        assert headers["WARC-Refers-To-Target-URI"] == SITE + path
        assert headers["WARC-Refers-To-Date"] == original["WARC-Date"]
        assert headers["WARC-Payload-Digest"] == original["WARC-Payload-Digest"]
    report = extract([second], tmp_path / "documents")
    assert report.read == 4  # every page's body is there, in this folder


def test_a_crawl_may_take_the_place_of_the_one_it_updates(tmp_path):
    site = {f"{SITE}/a": page("A", ETag='"1"')}
    out = tmp_path / "out"
    crawled(out, site, source(f"{SITE}/a"))
    before = pages(out)
    for _ in range(2):
        crawled(out, site, source(f"{SITE}/a"), previous=out)
        assert pages(out) == before
    assert len(list(out.glob("*.warc.gz"))) == 3
    assert [kind for kind, *_ in records(out)].count("revisit") == 2
    extract([out], tmp_path / "documents")
    with pytest.raises(GonerdError, match="not the folder of a crawl"):
        crawled(out, site, source(f"{SITE}/a"), previous=tmp_path / "documents")


def test_files_are_rotated_and_read_back_by_other_tools(tmp_path):
    site = {f"{SITE}/{n}": page(f"Page {n} " + "x" * 400) for n in range(12)}
    site[f"{SITE}/packed"] = Resource(gzip.compress(page("Packed").body), headers=(("Content-Encoding", "gzip"),))
    out = tmp_path / "out"
    crawled(out, site, source(*site), warc_bytes=3000)
    files = sorted(path.name for path in out.glob("*.warc.gz"))
    assert files == [f"crawl-{n:05d}.warc.gz" for n in range(len(files))]
    assert len(files) > 2
    found = records(out)
    assert [kind for kind, *_ in found].count("warcinfo") == len(files)
    assert [kind for kind, *_ in found].count("request") == [kind for kind, *_ in found].count("response") == 14
    assert {one.warc_file for one in pages(out).values()} == set(files)
    for one in store.read_records(out, Page):
        with (out / one.warc_file).open("rb") as stream:
            from warcio.archiveiterator import ArchiveIterator

            stream.seek(one.warc_offset)
            assert next(iter(ArchiveIterator(stream))).rec_headers.get_header("WARC-Target-URI") == one.final_url


def test_the_index_is_what_an_indexer_makes(tmp_path):
    indexer = pytest.importorskip("cdxj_indexer.main")
    site = {f"{SITE}/{path}": page(path) for path in ("b", "a/", "C?x=2&a=1", "a/b", "q?b", "d%C3%A9")}
    site["http://www.press.example/w"] = page("w")
    site[f"{SITE}/r"] = Resource(status=301, headers=(("Location", f"{SITE}/b"),))
    out = tmp_path / "out"
    wanted = source(*site, f"{SITE}/none", hosts=(HOST, "www.press.example"))
    crawled(out, site, wanted, warc_bytes=2000)
    crawled(out, site, wanted, previous=out)
    ours = (out / INDEX).read_text().splitlines()
    assert ours == sorted(ours)
    theirs = tmp_path / "theirs.cdxj"
    indexer.write_cdx_index(str(theirs), sorted(map(str, out.glob("*.warc.gz"))), {"sort": True})
    assert [_fields(line) for line in ours] == [_fields(line) for line in theirs.read_text().splitlines()]


def _fields(line):
    key, moment, rest = line.split(" ", 2)
    return key, moment, json.loads(rest)


def test_a_network_that_dies_makes_nothing_final(tmp_path):
    """Pages that could not be had are asked for again, until somebody answers; nothing is lost or invented."""
    urls = [f"{SITE}/{n}" for n in range(8)]
    site = {url: page(url) for url in urls}
    out, alive = tmp_path / "out", [True]
    met = []

    def dying(url):
        met.append(url)
        if len(met) > 4:
            alive[0] = False
        if not alive[0]:
            raise ConnectionError  # the server's thread ends without an answer
        return site.get(url)

    with pytest.raises(GonerdError, match=r"press\.example does not answer any more: 5 articles are left.*goes on"):
        crawled(out, dying, source(*urls))
    assert not out.exists()
    with pytest.raises(GonerdError, match="no host answered: 5 articles are left"):
        crawl(source(*urls), out, config=replace(CONFIG, proxy="http://127.0.0.1:9"))
    asked = []
    crawled(out, lambda url: asked.append(url) or site.get(url), source(*urls))
    assert list(pages(out)) == [f"/{n}" for n in range(8)]
    assert dropped(out) == {}
    assert [url for url in asked if not url.endswith("robots.txt")] == urls[3:]


def test_a_host_that_dies_while_others_answer_is_the_hosts_own_doing(tmp_path):
    urls = [f"{SITE}/{n}" for n in range(9)] + [f"http://{OTHER}/{n}" for n in range(3)]

    def lookup(url):
        if OTHER in url:
            raise ConnectionError
        return page(url)

    crawled(tmp_path / "out", lookup, source(*urls, hosts=(HOST, OTHER)))
    assert len(pages(tmp_path / "out")) == 9
    assert {one.reason for one in dropped(tmp_path / "out").values()} == {"fetch_error"}
    assert len(dropped(tmp_path / "out")) == 3


def test_hosts_and_pages_can_be_limited(tmp_path):
    urls = [f"{SITE}/1", f"http://{OTHER}/2", f"{SITE}/3", f"{SITE}/4"]
    site = {url: page(url) for url in urls}
    out = tmp_path / "out"
    crawled(out, site, source(*urls, hosts=(HOST, OTHER)), hosts=(HOST.upper(),), max_pages=2)
    assert list(pages(out)) == ["/1", "/3"]
    assert {one.reason for one in dropped(out).values()} == {"off_site", "page_limit"}


@pytest.mark.parametrize(
    ("name", "value"), [("since", "last week"), ("connections", 0), ("rate", -1), ("max_pages", -1)]
)
def test_settings_that_make_no_sense_are_refused(name, value):
    with pytest.raises(GonerdError, match=name):
        CrawlConfig(**{name: value})


def test_a_damaged_state_is_begun_anew(tmp_path):
    site = {f"{SITE}/a": page("A")}
    wanted, out = source(f"{SITE}/a"), tmp_path / "out"
    with pytest.raises(GonerdError):
        crawl(wanted, out, config=replace(CONFIG, proxy="http://127.0.0.1:9"))
    (work,) = tmp_path.glob(".out.*.partial")
    (work / "state.sqlite").write_bytes(b"this is no database" * 999)
    crawled(out, site, wanted)
    assert list(pages(out)) == ["/a"]


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("HTTP://Press.Example:80", "http://press.example/"),
        ("https://press.example:443/a/../b/./c//d", "https://press.example/b/c//d"),
        ("http://press.example:8080/a#part", "http://press.example:8080/a"),
        ("http://press.example/%7euser/%c3%a9?q=%2f", "http://press.example/~user/%C3%A9?q=%2F"),
        ("http://press.example/é?x=ü", "http://press.example/%C3%A9?x=%C3%BC"),
        ("http://press.example/100%", "http://press.example/100%25"),
        ("http://press.example/a?utm_source=x&b=1&fbclid=2&a=2", "http://press.example/a?b=1&a=2"),
        ("http://press.example/a;jsessionid=0F?PHPSESSID=1", "http://press.example/a"),
        ("http://münchen.example/", "http://xn--mnchen-3ya.example/"),
        ("http://press.example./a", "http://press.example/a"),
    ],
)
def test_one_form_for_every_url(given, wanted):
    assert canonical(given) == wanted
    assert canonical(wanted) == wanted


@pytest.mark.parametrize(
    "url", ["", "mailto:a@b.example", "javascript:alert(1)", "//", "http://", "http://[::1", "http://a:b/"]
)
def test_what_is_no_url_of_the_web(url):
    with pytest.raises(ValueError):  # noqa: PT011
        canonical(url)


def test_parameters_are_set_in_place():
    assert with_parameter("http://a.example/x?page=1&q=a%20b", "page", "2") == "http://a.example/x?q=a%20b&page=2"
    assert with_parameter("http://a.example/x", "c", "a|b&c") == "http://a.example/x?c=a%7Cb%26c"


def test_the_key_of_an_index_line():
    assert surt("http://www.Press.example:80/A/?b=2&a=1") == "example,press)/a?a=1&b=2"
    assert surt("http://127.0.0.1:8080/x") == "127.0.0.1:8080)/x"


def test_twins_are_settled_by_the_order_of_discovery_alone(tmp_path):
    """A page under its canonical URL stays, whichever of its names was found first, and something always stays."""
    from gonerd.corpus.discovery import Found
    from gonerd.corpus.frontier import Fetched

    def kept(*rows):
        with Frontier(tmp_path / f"{len(list(tmp_path.iterdir()))}.sqlite") as frontier:
            with frontier.step():
                for number, (url, link, body, final) in enumerate(rows, 1):
                    frontier.add_article(Found(url), "h", None)
                    frontier.finish(number, Fetched(Page(url, final, "s", "", 200, "text/html", body, "w", 0), link))
            frontier.settle_twins()
            stayed = [one.url for one in frontier.pages()]
            assert len(stayed) + len(list(frontier.dropped())) == len(rows)
            return stayed

    assert kept(("a", "b", "1", "a"), ("b", "b", "1", "b")) == ["b"]
    assert kept(("a", "b", "1", "a"), ("b", "a", "2", "b")) == ["a", "b"]
    assert kept(("a", "b", "1", "a"), ("b", "a", "1", "b")) == ["a"]
    assert kept(("a", "z", "1", "a"), ("b", "z", "2", "b")) == ["a", "b"]  # nobody has z
    assert kept(("a", "", "1", "c"), ("b", "", "2", "c"), ("c", "", "3", "c")) == ["a"]
    assert kept(("a", "b", "1", "a"), ("b", "", "2", "x"), ("c", "", "2", "x")) == ["b"]
