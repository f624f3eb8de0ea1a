import gzip
import json
import os
import random
import signal
import subprocess
import sys
import threading
from dataclasses import asdict, replace

import pytest

from gonerd import __version__, store
from gonerd.corpus.answers import unpack
from gonerd.corpus.archive import RawPage, read_archive
from gonerd.corpus.config import CrawlConfig
from gonerd.corpus.crawl import STATE, crawl
from gonerd.corpus.failures import Refused
from gonerd.corpus.run import CorpusConfig, ExtractConfig, ExtractSettings, extract, run
from gonerd.corpus.sources import Discovery, Source
from gonerd.corpus.warc import ArchiveWriter
from gonerd.errors import GonerdError
from gonerd.records import Document, Dropped, Page
from gonerd.sample.server import Resource, serve

WARC = "crawl-00000.warc.gz"
HOST = "press.example"
SITE = f"http://{HOST}"
SOURCE = Source(
    name="press",
    license="CC0-1.0",
    license_url="https://example.org/",
    language="en",
    hosts=(HOST,),
    discovery=Discovery("sitemap", (f"{SITE}/sitemap.xml",)),
    crawl_delay=0.0,
)
CONFIG = CrawlConfig(delay_s=0.0, timeout_s=5.0, retries=0, max_bytes=20_000, contact="crawl@example.org")


def html(text, **options):
    return Resource(f"<html><body><h1>{text}</h1><p>{text} stands here.</p></body></html>".encode(), **options)


def sitemap(*paths, tag="url"):
    entries = "".join(f"<{tag}><loc>{path if '://' in path else SITE + path}</loc></{tag}>" for path in paths)
    root = "urlset" if tag == "url" else "sitemapindex"
    space = "http://www.sitemaps.org/schemas/sitemap/0.9"
    return Resource(f'<?xml version="1.0"?><{root} xmlns="{space}">{entries}</{root}>'.encode(), "application/xml")


def redirect(to):
    return Resource(status=302, headers=(("Location", to),))


def site(pages, **more):
    """Return a whole site with the given pages in its sitemap."""
    found = {f"{SITE}{path}": resource for path, resource in pages.items() if resource is not None}
    found[f"{SITE}/sitemap.xml"] = sitemap(*pages)
    found.update({f"{SITE}{path}": resource for path, resource in more.items()})
    return found


def crawled(out, resources, *, source=SOURCE, config=CONFIG):
    with serve(resources) as proxy:
        manifest = crawl(source, out, config=replace(config, proxy=proxy))
    pages = [page.url.removeprefix(SITE) for page in store.read_records(out, Page)]
    dropped = {d["id"].removeprefix(SITE): (d["reason"], d["detail"]) for d in _lines(out / store.DROPPED)}
    return manifest, pages, dropped


def _lines(path):
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def test_every_url_ends_as_a_page_or_with_its_reason(tmp_path):
    bomb = gzip.compress(b"<p>" + b"a" * 1_000_000)
    pages = {
        "/good": html("Good"),
        "/packed": Resource(gzip.compress(html("Packed").body), headers=(("Content-Encoding", "gzip"),)),
        "/private/x": html("Private"),
        "/missing": None,
        "/gone": Resource(b"gone", status=410),
        "/loop-a": redirect("/loop-b"),
        "/moved": redirect("/target"),
        "/away": redirect("http://elsewhere.example/"),
        "/inside": redirect("http://127.0.0.1:9/"),
        "/file": redirect("file:///etc/passwd"),
        "/to-private": redirect("/private/x"),
        "/large": Resource(b"<p>" + b"x" * 30_000),
        "/bomb": Resource(bomb, headers=(("Content-Encoding", "gzip"),)),
        "/broken": Resource(b"<p>no gzip</p>", headers=(("Content-Encoding", "gzip"),)),
        "/brotli": Resource(b"\x0b\x02\x80", headers=(("Content-Encoding", "br"),)),
        "/report.pdf": Resource(b"%PDF-1.7", "application/pdf"),
        "/pdf-as-html": Resource(b"%PDF-1.7 and more"),
        "/copy": html("Good"),
        "/good#again": None,
        "http://other.example/x": None,
    }
    extra = {
        "/loop-b": redirect("/loop-a"),
        "/target": html("Target"),
        "/robots.txt": Resource(b"User-agent: gonerd\nDisallow: /private/\n", "text/plain"),
    }
    manifest, kept, dropped = crawled(tmp_path / "out", site(pages, **extra))
    assert kept == ["/good", "/packed", "/moved"]
    assert {path: reason for path, (reason, _) in dropped.items()} == {
        "/private/x": "robots",
        "/missing": "http_status",
        "/gone": "http_status",
        "/loop-a": "fetch_error",
        "/away": "off_site",
        "/inside": "off_site",
        "/file": "off_site",
        "/to-private": "robots",
        "/large": "too_large",
        "/bomb": "too_large",
        "/broken": "fetch_error",
        "/brotli": "fetch_error",
        "/report.pdf": "media_type",
        "/pdf-as-html": "media_type",
        "/copy": "duplicate_body",
        "http://other.example/x": "off_site",
    }
    assert dropped["/missing"][1] == "404"
    assert "redirect loop" in dropped["/loop-a"][1]
    assert manifest.read == len(kept) + len(dropped) == 19


def test_the_archive_keeps_requests_and_raw_bodies_and_pages_point_into_it(tmp_path):
    packed = gzip.compress(html("Packed").body)
    pages = {"/a": html("A"), "/b": Resource(packed, headers=(("Content-Encoding", "gzip"),)), "/c": redirect("/d")}
    out = tmp_path / "out"
    crawled(out, site(pages, **{"/d": html("D")}))
    from warcio.archiveiterator import ArchiveIterator

    with (out / WARC).open("rb") as stream:
        records = [
            (r.rec_type, r.rec_headers.get_header("WARC-Target-URI"), r.raw_stream.read())
            for r in ArchiveIterator(stream)
        ]
    assert [kind for kind, *_ in records] == ["warcinfo"] + ["response", "request"] * 6
    assert (f"{SITE}/b", packed) in [(url, body) for kind, url, body in records if kind == "response"]
    with (out / WARC).open("rb") as stream:
        agents = {r.http_headers.get_header("User-Agent") for r in ArchiveIterator(stream) if r.rec_type == "request"}
    assert agents == {f"gonerd/{__version__} (+crawl@example.org)"}
    for page in store.read_records(out, Page):
        with (out / WARC).open("rb") as stream:
            stream.seek(page.warc_offset)
            assert next(iter(ArchiveIterator(stream))).rec_headers.get_header("WARC-Target-URI") == page.final_url
    bodies = [item for item in read_archive(out / WARC, max_bytes=10_000) if isinstance(item, RawPage)]
    assert [page.url for page in bodies] == [f"{SITE}/a", f"{SITE}/b", f"{SITE}/d"]
    assert bodies[1].body == html("Packed").body


@pytest.mark.parametrize(
    ("answer", "fetched"),
    [
        (Resource(b"", status=404), True),
        (Resource(b"", status=403), True),
        (Resource(b"User-agent: *\nDisallow: /", "text/plain"), False),
        (Resource(b"User-agent: others\nDisallow: /", "text/plain"), True),
        (Resource(b"\xff\xfe\x00 nonsense", "text/plain"), True),
    ],
)
def test_robots_txt(tmp_path, answer, fetched):
    _, kept, dropped = crawled(tmp_path / "out", site({"/a": html("A")}, **{"/robots.txt": answer}))
    assert kept == (["/a"] if fetched else [])
    # where the sitemap is disallowed too, it is the sitemap that is reported
    assert {reason for reason, _ in dropped.values()} == (set() if fetched else {"robots"})


@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        (Resource(b"", status=503), "the answer was 503"),
        (Resource(b"", status=429), "the answer was 429"),
        (redirect("/robots.txt"), "redirect loop"),
    ],
)
def test_a_robots_txt_that_could_not_be_had_forbids_all_and_is_asked_for_again(tmp_path, answer, cause):
    out = tmp_path / "out"
    with pytest.raises(GonerdError, match=rf"no listing .*robots\.txt could not be had: {cause}"):
        crawled(out, site({"/a": html("A")}, **{"/robots.txt": answer}))
    assert not out.exists()
    assert crawled(out, site({"/a": html("A")}))[1] == ["/a"]


def test_one_host_without_robots_txt_is_a_reason_of_its_own(tmp_path):
    source = replace(SOURCE, hosts=(HOST, "silent.example"))
    silent = "http://silent.example"
    pages = {"/a": html("A"), f"{silent}/b": None, "/c": redirect(f"{silent}/b")}
    resources = site(pages) | {f"{silent}/robots.txt": Resource(b"", status=500), f"{silent}/b": html("B")}
    _, kept, dropped = crawled(tmp_path / "out", resources, source=source)
    assert kept == ["/a"]
    expected = ("fetch_error", "robots.txt could not be had: the answer was 500")
    assert dropped == {f"{silent}/b": expected, "/c": expected}


class Clock:
    """A clock that moves only when somebody sleeps."""

    def __init__(self):
        self.now, self.slept = 1000.0, []

    def monotonic(self):
        return self.now

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.now += seconds


def test_crawl_delay_is_honoured_and_the_longest_wins(tmp_path, monkeypatch):
    clock = Clock()
    for module in ("manners", "rounds"):
        monkeypatch.setattr(f"gonerd.corpus.{module}.time", clock)
    robots = Resource(b"User-agent: *\nCrawl-delay: 7", "text/plain")
    crawled(tmp_path / "out", site({"/a": html("A"), "/b": html("B")}, **{"/robots.txt": robots}))
    assert clock.slept == [7.0, 7.0]  # before the first page and before the second


def test_page_limit_and_patterns(tmp_path):
    pages = {f"/news/{n}": html(f"Page {n}") for n in range(4)} | {
        "/about": html("About"),
        "/news/archive": html("Old"),
    }
    source = replace(SOURCE, article="/news/", exclude=("/archive$",))
    manifest, kept, dropped = crawled(tmp_path / "out", site(pages), source=source, config=replace(CONFIG, max_pages=2))
    assert kept == ["/news/0", "/news/1"]
    assert manifest.dropped == {"not_article": 2, "page_limit": 2}
    assert dropped["/about"][0] == "not_article"


def test_sitemaps_nest_repeat_fail_and_come_packed(tmp_path):
    packed = sitemap("/a", "/a", "/b")
    resources = {
        f"{SITE}/sitemap.xml": sitemap(
            "/one.xml.gz", "/two.xml", "/sitemap.xml", "/lost.xml", "/bad.xml", tag="sitemap"
        ),
        f"{SITE}/one.xml.gz": Resource(gzip.compress(packed.body), "application/gzip"),
        f"{SITE}/two.xml": sitemap("/b", "/c"),
        f"{SITE}/bad.xml": Resource(b"<urlset><url><loc>/d</loc></url><url>", "text/xml"),
    } | {f"{SITE}/{name}": html(name) for name in "abcd"}
    _, kept, dropped = crawled(tmp_path / "out", resources)
    assert kept == ["/a", "/b", "/c", "/d"]
    assert {path: reason for path, (reason, _) in dropped.items()} == {
        "/lost.xml": "http_status",
        "/bad.xml": "fetch_error",
    }


def test_an_entity_bomb_is_refused(tmp_path):
    bomb = b'<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><urlset><url><loc>http://press.example/&b;</loc></url></urlset>'
    _, kept, dropped = crawled(tmp_path / "out", {f"{SITE}/sitemap.xml": Resource(bomb, "text/xml")})
    assert kept == []
    assert dropped["/sitemap.xml"] == ("fetch_error", "not a sitemap (it declares entities)")


def test_no_answer_at_all_leaves_the_crawl_unfinished(tmp_path):
    out = tmp_path / "out"
    for _ in range(2):
        with pytest.raises(GonerdError, match=r"no host of the source answered .*robots\.txt could not be had"):
            crawl(SOURCE, out, config=replace(CONFIG, proxy="http://127.0.0.1:9"))
        assert not out.exists()
    _, kept, dropped = crawled(out, site({"/a": html("A")}))
    assert (kept, dropped) == (["/a"], {})


def test_the_proxy_is_no_setting(tmp_path):
    out = tmp_path / "out"
    manifest, _, _ = crawled(out, site({"/a": html("A")}))
    assert crawl(SOURCE, out, config=replace(CONFIG, proxy="http://127.0.0.1:9")) == manifest
    assert "127.0.0.1" not in (out / store.MANIFEST).read_text("utf-8")


def test_the_environment_decides_nothing(tmp_path, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    _, kept, _ = crawled(tmp_path / "out", site({"/a": html("A")}))
    assert kept == ["/a"]


def test_a_foreign_folder_is_never_replaced(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "letter.txt").write_text("mine")
    with pytest.raises(GonerdError, match="in the way"):
        crawl(SOURCE, tmp_path / "out", config=CONFIG)


def test_unpacking():
    import zlib

    raw = zlib.compressobj(wbits=-15)
    assert unpack(raw.compress(b"abc") + raw.flush(), "deflate", max_bytes=9) == b"abc"
    assert unpack(zlib.compress(b"abc"), "deflate", max_bytes=9) == b"abc"
    assert unpack(b"abc", "identity", max_bytes=1) == b"abc"
    with pytest.raises(Refused, match="unpacked"):
        unpack(gzip.compress(b"a" * 100), "gzip", max_bytes=99)


CHILD = """
import json, sys
from pathlib import Path
from gonerd.corpus.crawl import crawl
from gonerd.corpus.answers import unpack
from gonerd.corpus.config import CrawlConfig
from gonerd.corpus.sources import load_source
settings = json.loads(sys.argv[1])
crawl(load_source(Path(sys.argv[2])), Path(sys.argv[3]), config=CrawlConfig(**settings))
"""
SOURCE_FILE = f"""
name = "press"
license = "CC0-1.0"
license_url = "https://example.org/"
language = "en"
hosts = ["{HOST}"]
crawl_delay = 0.0
[discovery]
kind = "sitemap"
start = ["{SITE}/sitemap.xml"]
"""


def kill_and_resume(tmp_path, *, kills, seed):
    """Crawl in child processes of which the first are killed at random requests; return the site and what was asked."""
    rng = random.Random(seed)
    pages = {f"/{n}": html(f"Page {n}") for n in range(30)} | {"/x": None, "/y": html("Page 3"), "/z": redirect("/0")}
    resources = site(pages)
    (tmp_path / "source.toml").write_text(SOURCE_FILE)
    state = {"left": 0, "child": None, "asked": []}

    def lookup(url):
        state["asked"].append(url)
        state["left"] -= 1
        if state["left"] == 0:
            os.kill(state["child"].pid, signal.SIGKILL)
        return resources.get(url)

    with serve(lookup) as proxy:
        settings = json.dumps(asdict(replace(CONFIG, proxy=proxy)))
        command = [sys.executable, "-c", CHILD, settings, str(tmp_path / "source.toml"), str(tmp_path / "out")]
        for number in range(kills + 1):
            state["left"] = rng.randint(1, 8) if number < kills else 0
            state["child"] = subprocess.Popen(command)
            code = state["child"].wait(timeout=60)
            if code == 0:
                break
            assert code == -signal.SIGKILL
            _damage_tail(tmp_path, rng)
    assert code == 0
    return resources, state["asked"]


def _damage_tail(tmp_path, rng):
    """Leave what a kill in the middle of a write leaves: half a line, half a record."""
    for work in tmp_path.glob(".out.*.partial"):
        for name in (f"{STATE}-wal", WARC):
            if rng.random() < 0.5 and (work / name).is_file():
                with (work / name).open("ab") as stream:
                    stream.write(rng.choice([b"half a line", b"\x1f\x8b\x08\x00\x00", bytes(4096)]))


def check_kills(tmp_path, *, kills, seed):
    resources, asked = kill_and_resume(tmp_path, kills=kills, seed=seed)
    crawled(tmp_path / "calm", resources)
    calm, out = tmp_path / "calm", tmp_path / "out"

    def facts(folder):
        return [(p.url, p.final_url, p.body_sha256) for p in store.read_records(folder, Page)]

    assert facts(out) == facts(calm)
    assert (out / store.DROPPED).read_bytes() == (calm / store.DROPPED).read_bytes()
    archived = [item.url for item in read_archive(out / WARC, max_bytes=10_000) if isinstance(item, RawPage)]
    assert archived == [item.url for item in read_archive(calm / WARC, max_bytes=10_000) if isinstance(item, RawPage)]
    assert [path.name for path in tmp_path.glob(".out.*")] == []
    assert len(asked) <= 36 + kills * 2  # what was done is not asked for again


def test_kills_lose_and_double_nothing(tmp_path):
    check_kills(tmp_path, kills=5, seed=1)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
def test_many_kills_lose_and_double_nothing(tmp_path, seed):
    check_kills(tmp_path, kills=5, seed=seed)


def test_a_host_is_asked_on_while_the_disk_is_waited_for(tmp_path, monkeypatch):
    asked = [threading.Event() for _ in range(4)]
    sync, waited = ArchiveWriter.sync, []

    def lookup(url):
        if url.endswith("robots.txt"):
            return None
        asked[int(url[-1])].set()
        return html(f"Page {url[-1]}")

    def slow(archive):
        waited.append(asked[min(len(waited) + 1, 3)].wait(20))  # until the next page was asked for
        sync(archive)

    monkeypatch.setattr(ArchiveWriter, "sync", slow)
    source = replace(SOURCE, discovery=Discovery("urls", tuple(f"{SITE}/{n}" for n in range(4))))
    _, kept, _ = crawled(tmp_path / "out", lookup, source=source)
    assert kept == [f"/{n}" for n in range(4)]
    assert len(waited) == 4
    assert all(waited)


def test_own_archive_and_crawl_folder_give_the_same_documents(tmp_path):
    words = " ".join(f"Then the council of town number {n} voted to keep the old library open." for n in range(20))
    crawled(tmp_path / "warc", site({"/a": html(f"The council met. {words}"), "/b": None}))
    settings = ExtractSettings(source=SOURCE, extract=ExtractConfig())
    by_pages = extract([tmp_path / "warc"], tmp_path / "one", settings=settings)
    by_file = extract([tmp_path / "warc" / WARC], tmp_path / "two", settings=settings)
    assert list(store.read_records(tmp_path / "one", Document)) == list(store.read_records(tmp_path / "two", Document))
    assert (by_pages.read, by_pages.written) == (1, 1)
    assert by_file.dropped == {"http_status": 2, "media_type": 1}


def test_a_record_that_is_not_the_page_is_an_error(tmp_path):
    crawled(tmp_path / "warc", site({"/a": html("A"), "/b": html("B")}))
    shard = tmp_path / "warc" / "00000.jsonl"
    first, second = _lines(shard)
    shard.write_text(json.dumps({**first, "warc_offset": second["warc_offset"]}) + "\n")
    with pytest.raises(GonerdError, match=r"is not http://press\.example/a"):
        extract([tmp_path / "warc"], tmp_path / "out")
    shard.write_text(json.dumps({**first, "warc_file": "../../secret.warc.gz"}) + "\n")
    with pytest.raises(GonerdError, match="no such WARC file"):
        extract([tmp_path / "warc"], tmp_path / "out")


def test_run_does_all_stages_and_then_looks_them_up(tmp_path):
    body = " ".join(f"The harbour master of Port {n} spoke to the {n * 7 % 50} people of the town." for n in range(40))
    pages = {"/a": html(f"First. {body}"), "/b": html(f"First! {body} Really."), "/c": html("Short")}
    with serve(site(pages)) as proxy:
        config = CorpusConfig(crawl=replace(CONFIG, proxy=proxy))
        manifests = run(SOURCE, tmp_path / "out", config=config)
    assert [(m.read, m.written) for m in manifests.values()] == [(3, 3), (3, 2), (2, 1)]
    assert manifests["extracted"].dropped == {"too_short": 1}
    assert run(SOURCE, tmp_path / "out", config=config) == manifests
    assert next(store.read_records(tmp_path / "out" / "documents", Document)).id.startswith("press-")
    assert not list((tmp_path / "out").glob(".*"))


def test_dropped_records_are_records(tmp_path):
    from gonerd.formats import jsonl

    crawled(tmp_path / "out", site({"/a": None}))
    assert [d.detail for d in jsonl.read(tmp_path / "out" / store.DROPPED, Dropped)] == ["404"]
