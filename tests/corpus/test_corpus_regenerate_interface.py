"""A release whose texts came from a JSON interface: asked again where the page's address tells how, else the pages."""

import json
import random
from dataclasses import replace

import pytest

from gonerd import store
from gonerd.corpus.config import CrawlConfig
from gonerd.corpus.crawl import crawl
from gonerd.corpus.regenerate import Outcome, RegenerateConfig, RegenerateSettings, Status, regenerate
from gonerd.corpus.run import CorpusConfig, FilterConfig, run
from gonerd.corpus.sources import Discovery, Source
from gonerd.files import sha256_file
from gonerd.formats import jsonl
from gonerd.formats.release import RELEASE, STANDOFF, StandoffDocument
from gonerd.formats.standoff import standoff_span
from gonerd.records import Document, Dropped, Reason, Span
from gonerd.sample.server import Resource, serve

SITE = "http://council.example"
ARCHIVE = "http://archive.example/{timestamp}/{url}"
BY_PATH = Source(
    "council", "CC0-1.0", "https://example.org/", "en", ("council.example",),
    Discovery(
        "json_pages", (f"{SITE}/search?q=",), items="found", url="{link}", parameter="page",
        request=SITE + "/api/{path}",
    ),
    body="json:body", title="title", crawl_delay=0.0,
)  # fmt: skip
BY_NUMBER = replace(BY_PATH, discovery=replace(BY_PATH.discovery, request=SITE + "/item/{number}"))
NAMES = [f"/news/{n}" for n in range(3)]


def body(name):
    """Return paragraphs that no other article has."""
    things = ["bridges", "ferries", "the harbour", "schools", "markets", "taxes", "gardens", "roads", "mills", "wells"]
    words = random.Random(name[-1]).choices(things, k=60)
    lines = (" ".join(words[at : at + 6]) for at in range(0, 60, 6))
    return "".join(f"<p>On day {day} Ada Lovel spoke of {line}.</p>" for day, line in enumerate(lines))


def site(url):
    """Answer as an interface, and with the pages, on which there is more than the interface gives."""
    path = url.removeprefix(SITE)
    if path.startswith("/search"):
        found = [{"link": name, "number": int(name[-1])} for name in NAMES] if "page=1" in path else []
        return as_json({"found": found})
    if path.startswith(("/api/news/", "/item/")):
        return as_json({"title": f"Council {path[-1]}", "body": body(path)})
    if path in NAMES:
        menu = "<nav><a href='/'>Home</a></nav>"
        text = f"<h1>Council {path[-1]}</h1><p>The council's clerk writes down what is said here.</p>{body(path)}"
        return Resource(f"<html><title>Council {path[-1]}</title>{menu}<article>{text}</article></html>".encode())
    return None


def as_json(value):
    return Resource(json.dumps(value).encode(), "application/json")


def crawl_config(address):
    return CrawlConfig(delay_s=0.0, proxy=address, retries=0)


def released(source, folder):
    """Crawl the source and write a release of what comes of it; return the crawl's folder."""
    config = CorpusConfig(filters=FilterConfig(language=None, min_words=1))
    with serve(site) as address:
        run(source, folder / "corpus", config=replace(config, crawl=crawl_config(address)))
    entries = []
    for document in store.read_records(folder / "corpus" / "documents", Document):
        at = document.text.index("Ada Lovel", 90)
        span = standoff_span(document.text, Span(at, at + 9, "PER"))
        about = (document.id, document.url, document.license, document.source, document.title, document.published)
        hashes = (document.text_sha256, document.extractor)
        entries.append(StandoffDocument(*about, *hashes, split="test", annotators=("a",), spans=(span,)))
    assert len(entries) == 3
    (folder / "release").mkdir()
    jsonl.write(folder / "release" / STANDOFF, entries)
    about = {
        "name": "council", "version": "1.0.0", "gonerd_version": "0", "scheme": "gonerd", "tags": ["O"],
        "tokenizer": {}, "splits": {"test": 3}, "fingerprints": {},
        "standoff_sha256": sha256_file(folder / "release" / STANDOFF),
    }  # fmt: skip
    (folder / "release" / RELEASE).write_text(json.dumps(about))
    return folder / "corpus" / "warc"


def settings(source, address, *, archives=(), **options):
    config = RegenerateConfig(archives=archives)
    return RegenerateSettings(config=config, crawl=crawl_config(address), sources=(source,), **options)


def statuses(out):
    return [one.status for one in jsonl.read(out / "outcomes.jsonl", Outcome)]


def test_the_interface_is_asked_again_where_the_address_of_a_page_tells_how(tmp_path):
    released(BY_PATH, tmp_path)
    asked = []

    def lookup(url):
        asked.append(url)
        return site(url)

    with serve(lookup) as address:
        regenerate(tmp_path / "release", tmp_path / "again", settings=settings(BY_PATH, address))
    assert statuses(tmp_path / "again") == [Status.EXACT] * 3
    assert sorted(asked) == [f"{SITE}/api{name}" for name in NAMES] + [f"{SITE}/robots.txt"]


def test_its_answers_in_warc_files_are_known(tmp_path):
    warc = released(BY_PATH, tmp_path)
    files = tuple(warc.glob("*.warc.gz"))
    for number, given in enumerate(((warc,), files)):
        out = tmp_path / str(number)
        regenerate(tmp_path / "release", out, settings=settings(BY_PATH, None, given=given))
        assert statuses(out) == [Status.EXACT] * 3


def test_a_page_takes_the_place_of_an_answer_that_is_gone(tmp_path):
    released(BY_PATH, tmp_path)

    def lookup(url):
        prefix = ARCHIVE.partition("{")[0]
        return site("http" + url.rpartition("/http")[2]) if url.startswith(prefix) else None

    with serve(lookup) as address:
        regenerate(tmp_path / "release", tmp_path / "again", settings=settings(BY_PATH, address, archives=(ARCHIVE,)))
    assert statuses(tmp_path / "again") == [Status.REALIGNED] * 3


@pytest.mark.parametrize("way", ["live", "warc"])
def test_where_the_address_does_not_tell_the_pages_themselves_are_read(tmp_path, way):
    warc = released(BY_NUMBER, tmp_path)
    if way == "warc":  # a crawl's own folder knows which answer belongs to which page
        regenerate(tmp_path / "release", tmp_path / "again", settings=settings(BY_NUMBER, None, given=(warc,)))
        assert statuses(tmp_path / "again") == [Status.EXACT] * 3
        return
    with serve(site) as address:
        report = regenerate(tmp_path / "release", tmp_path / "again", settings=settings(BY_NUMBER, address))
    assert statuses(tmp_path / "again") == [Status.REALIGNED] * 3
    assert report.total.spans_kept == report.total.spans == 3


def test_json_where_pages_were_is_said(tmp_path):
    plain = replace(BY_PATH, body="page", discovery=Discovery("urls", tuple(SITE + name for name in NAMES)))
    released(plain, tmp_path)
    given = tmp_path / "given"
    with serve(lambda url: as_json({"body": url}) if "/news/" in url else None) as address:
        crawl(replace(plain, body="json:body"), given, config=crawl_config(address))
    regenerate(tmp_path / "release", tmp_path / "again", settings=settings(plain, None, given=(given,)))
    assert statuses(tmp_path / "again") == [Status.LOST] * 3
    dropped = jsonl.read(tmp_path / "again" / "anchored" / store.DROPPED, Dropped)
    assert [one.reason for one in dropped] == [Reason.MEDIA_TYPE] * 3
