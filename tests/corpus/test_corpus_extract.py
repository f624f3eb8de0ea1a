import codecs
import gzip
import json
import os
import random
import tomllib
from dataclasses import replace
from hashlib import sha256

import pytest

from gonerd import resources, store
from gonerd.corpus.archive import RawPage
from gonerd.corpus.cluster import ClusterConfig
from gonerd.corpus.extract import ExtractConfig, PageText, extract_page, to_document
from gonerd.corpus.filters import FilterConfig, detect_language, judge
from gonerd.corpus.html import decode, media_type, not_html
from gonerd.corpus.prose import clean
from gonerd.corpus.run import ExtractSettings, documents, extract
from gonerd.corpus.sources import Discovery, Source, load_source
from gonerd.errors import GonerdError
from gonerd.formats import jsonl
from gonerd.records import Document, Dropped, Reason

PROSE = "<p>The harbour board of Saint Osk met on Tuesday and heard Mrs Ada Lovel, who spoke for the ferrymen.</p>\n"


def prose(lines=12):
    """Return paragraphs of plain English, no two of them the same."""
    return "".join(PROSE.replace("Tuesday", f"day {n}") for n in range(lines))


def page(body, *, head="", content_type="text/html; charset=utf-8", url="http://town.example/a"):
    text = f"<html><head>{head}</head><body><article>{body}{PROSE}</article></body></html>"
    return RawPage(url, text.encode(), content_type)


def paragraphs(body, **options):
    return list(extract_page(page(body, **options), source=None, config=ExtractConfig()).paragraphs)


@pytest.mark.parametrize(
    ("body", "content_type", "text"),
    [
        ("Zoë “quoted”".encode("cp1252"), "text/html; charset=windows-1252", "Zoë “quoted”"),
        ("Zoë “quoted”".encode("cp1252"), "text/html; charset=ISO-8859-1", "Zoë “quoted”"),
        ('<meta charset="latin1">Zoë “q”'.encode("cp1252"), "text/html", '<meta charset="latin1">Zoë “q”'),
        ("Zoë “quoted”".encode("cp1252"), None, "Zoë “quoted”"),
        ("Zoë “quoted”".encode("cp1252"), "text/html; charset=utf-8", "Zoë “quoted”"),
        ("Zoë “quoted”".encode(), "text/html; charset=iso-8859-1", "Zoë “quoted”"),
        ("Zoë “quoted”".encode(), 'text/html; charset="utf8"', "Zoë “quoted”"),
        (codecs.BOM_UTF8 + "Zoë".encode(), "text/html; charset=windows-1252", "Zoë"),
        (codecs.BOM_UTF16_LE + "Zoë".encode("utf-16-le"), None, "Zoë"),
        ("東京".encode("shift_jis"), "text/html; charset=Shift_JIS", "東京"),
        ("北京".encode("gb18030"), "text/html; charset=gb2312", "北京"),
        (b"plain", "text/html; charset=nonsense", "plain"),
        (b"plain", "text/html; charset=rot13", "plain"),
        (b"plain +AGE-", "text/html; charset=utf-7", "plain +AGE-"),
        ('<meta charset="utf-16">Zoë'.encode(), None, '<meta charset="utf-16">Zoë'),
        (b"a\x81b", "text/html; charset=windows-1252", "a\ufffdb"),
        (b"", None, ""),
    ],
)
def test_decoding(body, content_type, text):
    assert decode(body, content_type) == text


def test_media_types():
    assert media_type("Text/HTML; Charset=UTF-8") == ("text/html", "utf-8")
    assert media_type(None) == media_type("") == ("", None)
    assert not_html("text/html", b"\n<p>") is None
    assert not_html(None, b"<p>") is None
    assert not_html("application/pdf", b"<p>") == "application/pdf"
    assert "not HTML" in not_html("text/html", b"%PDF-1.7")
    assert "not HTML" in not_html(None, b"\x00\x01")


def test_blocks_are_paragraphs_and_no_words_are_glued():
    found = paragraphs(
        "<h1>Ferry Returns</h1><h2>The vote</h2><p>One<br>two <b>th</b>ree.</p><ul><li>Ann Lee</li><li>Bo Day</li></ul>"
        "<table><tr><th>Name</th><th>Town</th></tr><tr><td>Ann</td><td>Port Ellery</td></tr></table>"
        "<blockquote>We shall <i>see</i>.</blockquote>"
    )
    assert found[:9] == [
        "Ferry Returns",
        "The vote",
        "One two three.",
        "Ann Lee",
        "Bo Day",
        "Name | Town",
        "Ann | Port Ellery",
        "We shall see.",
        "The harbour board of Saint Osk met on Tuesday and heard Mrs Ada Lovel, who spoke for the ferrymen.",
    ]


def test_adjacent_repeats_go_and_later_ones_stay():
    repeat = "<p>A line that stands here several times over.</p>"
    found = paragraphs(repeat + repeat + "<p>Another line between the two of them.</p>" + repeat)
    assert [line[:7] for line in found] == ["A line ", "Another", "A line ", "The har"]


def test_clean():
    assert clean("Har\u00adrow\u200bgate \u00a0 City\ufeff\r\n won") == "Harrowgate City won"
    assert clean("cafe\u0301") == "café"
    assert clean("x\u200dy") == "xy"
    family = "\U0001f469\u200d\U0001f467"
    assert clean(family) == family  # a joiner between emoji is no clutter


def test_headline_is_first_and_once():
    head = "<title>Ferry Returns to Port Ellery | The Ledger</title>"
    assert paragraphs("<h1>Ferry Returns to Port Ellery</h1>", head=head)[0] == "Ferry Returns to Port Ellery"
    without = extract_page(page("", head=head), source=None, config=ExtractConfig())
    assert without.title == "Ferry Returns to Port Ellery | The Ledger"
    assert without.paragraphs[0].startswith("The harbour board")  # a title is no headline


def test_a_headline_outside_the_text_is_put_first():
    html = (
        "<html><head><title>Ferry Returns to Port Ellery | The Ledger</title></head><body>"
        "<h1>The Ledger</h1><div class='banner'><h1>Ferry Returns to Port Ellery</h1></div>"
        f"<article>{PROSE}<p>The boat sailed at noon with forty people and a goat, said Tom Heath.</p></article>"
    )
    found = extract_page(RawPage("u", html.encode(), None), source=None, config=ExtractConfig())
    assert found.title == found.paragraphs[0] == "Ferry Returns to Port Ellery"
    assert found.paragraphs.count("Ferry Returns to Port Ellery") == 1
    without = extract_page(RawPage("u", html.encode(), None), source=None, config=ExtractConfig(headline=False))
    assert without.title == "Ferry Returns to Port Ellery"


@pytest.mark.parametrize(
    ("head", "date"),
    [
        ('<meta property="article:published_time" content="2025-03-11T09:00:00+00:00">', "2025-03-11"),
        ('<meta name="DC.Date.Issued" content="2025-03-11">', "2025-03-11"),
        ('<script type="application/ld+json">{"datePublished": "2025-03-11T00:00Z"}</script>', "2025-03-11"),
        ('<meta name="date" content="2025-02-30">', None),
        ('<meta name="date" content="11 March 2025">', None),
        ("", None),
    ],
)
def test_published_is_what_the_page_states(head, date):
    assert extract_page(page("", head=head), source=None, config=ExtractConfig()).published == date


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\x00\x00",
        b"<",
        b"<html>",
        b"not html at all",
        b"<!DOCTYPE x [<!ENTITY a 'b'>]>&a;",
        b"<div>" * 5000,
        b"\xff" * 99,
    ],
)
def test_hostile_pages_are_dropped_as_empty_or_short(body):
    [outcome] = documents([RawPage("u", body, None)], settings=ExtractSettings())
    assert isinstance(outcome, Dropped)
    assert outcome.reason in (Reason.EMPTY, Reason.TOO_SHORT, Reason.NAVIGATION)


def test_the_id_depends_on_source_and_url_alone():
    one = extract_page(page("<h1>A</h1>"), source=None, config=ExtractConfig())
    two = extract_page(page("<h1>B</h1>"), source=None, config=ExtractConfig())
    first = to_document(page(""), one, source=None, language="en")
    second = to_document(page(""), two, source=None, language="en")
    assert first.id == second.id == "web-" + sha256(b"http://town.example/a").hexdigest()[:12]
    assert first.extractor.startswith("trafilatura ")


def test_order_and_company_change_nothing():
    rng = random.Random(0)
    pages = [page(f"<h1>Story {n}</h1>" + prose(), url=f"http://town.example/{n}") for n in range(6)]
    alone = {p.url: list(documents([p], settings=ExtractSettings())) for p in pages}
    rng.shuffle(pages)
    together = list(documents(pages, settings=ExtractSettings()))
    assert [[outcome] for outcome in together] == [alone[p.url] for p in pages]


API = Source("api", "CC0-1.0", "", "en", ("api.example",), Discovery("urls", ("http://api.example/1",)))
API = replace(API, body="json:item.parts", title="item.name", published="item.dates.0")


def answer(value, content_type="application/json; charset=utf-8"):
    return RawPage("http://api.example/1", json.dumps(value).encode(), content_type)


def test_the_body_of_a_json_answer():
    item = {"name": "Ferry & Co", "parts": [prose(9), "<p>It sailed.</p>", 7], "dates": ["2025-03-11T09:00:00Z"]}
    [document] = documents([answer({"item": item})], settings=ExtractSettings(source=API))
    assert (document.title, document.published) == ("Ferry & Co", "2025-03-11")
    lines = document.text.split("\n\n")
    assert (lines[0], lines[-1]) == ("Ferry & Co", "It sailed.")
    [page_of_it] = documents([page(prose(9))], settings=ExtractSettings(source=API))
    [without] = documents([answer({"item": item})], settings=ExtractSettings())
    assert (page_of_it.reason, without.reason) == (Reason.MEDIA_TYPE, Reason.MEDIA_TYPE)


@pytest.mark.parametrize("value", [[], {}, {"item": 1}, {"item": {"parts": None}}, {"item": []}, "x"])
def test_a_json_answer_without_the_body_is_empty(value):
    [outcome] = documents([answer(value)], settings=ExtractSettings(source=API))
    assert outcome.reason is Reason.EMPTY


def test_json_that_is_none():
    for body in (b"{", b"[" * 100_000):
        raw = RawPage("u", body, "application/json")
        [outcome] = documents([raw], settings=ExtractSettings(source=API))
        assert outcome.reason is Reason.EMPTY


def _text(words, *, share=0.0):
    return PageText((" ".join(["word"] * words),) if words else (), None, None, share)


@pytest.mark.parametrize(
    ("text", "language", "reason"),
    [
        (_text(200), "en", None),
        (_text(119), "en", Reason.TOO_SHORT),
        (_text(120), "en", None),
        (_text(301), "en", Reason.TOO_LONG),
        (_text(200), "fr", Reason.LANGUAGE),
        (_text(20), "fr", Reason.TOO_SHORT),
        (_text(20, share=0.9), "en", Reason.NAVIGATION),
        (_text(0, share=1.0), None, Reason.NAVIGATION),
        (_text(0), None, Reason.EMPTY),
        (replace(_text(200), boilerplate_share=0.6), "en", Reason.BOILERPLATE),
        (PageText(("A short line of names",) * 60, None, None, 0.0), "en", Reason.LIST),
        (PageText(("A short line that is a sentence.",) * 40, None, None, 0.0), "en", None),
    ],
)
def test_filters(text, language, reason):
    verdict = judge(text, FilterConfig(max_words=300), language=language)
    assert (verdict and verdict[0]) == reason


def test_licence_and_removal_come_before_extraction(tmp_path):
    (tmp_path / "removed.toml").write_text('[[removed]]\nurl = "https://town.example/a"\ndate = 2026-01-01\n')
    pages = [page(prose(9)), page(prose(9), url="http://town.example/b")]

    def reasons(**filters):
        settings = ExtractSettings(source=replace(API, body="page"), filters=FilterConfig(**filters))
        return [one.reason if isinstance(one, Dropped) else None for one in documents(pages, settings=settings)]

    assert reasons() == [None, None]
    assert reasons(removed=tmp_path / "removed.toml") == [Reason.REMOVED, None]
    pages[1] = replace(pages[1], final_url="https://town.example/a/")  # the address that a reader sees
    assert reasons(removed=tmp_path / "removed.toml") == [Reason.REMOVED, Reason.REMOVED]
    assert reasons(licenses=("CC-BY-4.0",)) == [Reason.LICENSE, Reason.LICENSE]
    assert reasons(licenses=("CC0-1.0",)) == [None, None]


def test_language():
    assert detect_language("The council voted on Tuesday to keep the old library open.") == "en"
    assert detect_language("Le conseil a décidé mardi de garder la vieille bibliothèque ouverte.") == "fr"
    text = "The council voted on Tuesday to keep the old library open. " * 100
    assert detect_language(text + "Le conseil a décidé. " * 10_000) == "en"  # a bounded prefix decides


@pytest.mark.parametrize("gz", [False, True])
def test_folders_of_html(tmp_path, gz):
    root = tmp_path / "pages"
    (root / "b").mkdir(parents=True)
    for name in ("b/x.html", "a.htm", "note.txt"):
        data = page(f"<h1>Story in {name}</h1>" + prose(9)).body
        path = root / (name + ".gz" if gz and name != "note.txt" else name)
        path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    one = extract([root], tmp_path / "one")
    assert one.dropped == {"media_type": 1}  # the note
    urls = [document.url for document in store.read_records(tmp_path / "one", Document)]
    assert urls == (["a.htm.gz", "b/x.html.gz"] if gz else ["a.htm", "b/x.html"])
    root.rename(tmp_path / "elsewhere")
    two = extract([tmp_path / "elsewhere"], tmp_path / "two", cluster=ClusterConfig(workers=2))
    assert two.key == one.key
    assert (tmp_path / "one" / "00000.jsonl").read_bytes() == (tmp_path / "two" / "00000.jsonl").read_bytes()
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize(("name", "content"), [("x.warc.gz", b"no"), ("x.html.gz", b"no"), ("x.pdf", b"%PDF")])
def test_unreadable_inputs_are_one_clear_line(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(GonerdError, match=name):
        extract([tmp_path / name], tmp_path / "out")


def test_missing_and_empty_inputs(tmp_path):
    with pytest.raises(GonerdError, match="no such file or folder"):
        extract([tmp_path / "none"], tmp_path / "out")
    (tmp_path / "empty").mkdir()
    with pytest.raises(GonerdError, match="no WARC and no HTML"):
        extract([tmp_path / "empty"], tmp_path / "out")


def test_no_file_of_a_folder_is_lost_without_a_reason(tmp_path):
    root = tmp_path / "pages"
    (root / "sub").mkdir(parents=True)
    html = page("<h1>Story</h1>" + prose(9)).body
    for name in ("A.HTM", "b.Html.GZ", "c.shtml", "sub/d.XHTML"):
        (root / name).write_bytes(gzip.compress(html) if name.endswith("GZ") else html)
    for name in ("old.asp", "manifest.json", ".hidden.txt", "records.jsonl"):
        (root / name).write_bytes(html)
    (root / "lost.html").symlink_to(tmp_path / "nowhere.html")
    (root / "round").symlink_to(root)
    (root / "sub" / "stage.jsonl").write_text("")
    (root / "sub" / "manifest.json").write_text("{}")  # beside it, stage.jsonl is a stage's own
    (root / "manifest.json").unlink()
    manifest = extract([root], tmp_path / "out")
    documents = [document.url for document in store.read_records(tmp_path / "out", Document)]
    assert documents == ["A.HTM", "b.Html.GZ", "c.shtml", "sub/d.XHTML"]
    dropped = [(d.id, d.detail) for d in jsonl.read(tmp_path / "out" / store.DROPPED, Dropped)]
    assert dropped == [
        ("lost.html", "a link to nothing"),
        ("old.asp", "neither a WARC file nor an HTML file by its name"),
        ("records.jsonl", "neither a WARC file nor an HTML file by its name"),
        ("round", "a link to a folder, which is not followed"),
    ]
    assert manifest.dropped == {"media_type": 4}


def test_a_file_whose_name_is_no_text_is_dropped_and_named(tmp_path):
    html = page("<h1>Story</h1>" + prose(9)).body
    (tmp_path / "a.html").write_bytes(html)
    try:
        (tmp_path / os.fsdecode(b"b\xff.html")).write_bytes(html)
    except OSError:
        pytest.skip("skipped: this file system has names in UTF-8 alone")
    extract([tmp_path], tmp_path.with_name("out"))
    assert [one.url for one in store.read_records(tmp_path.with_name("out"), Document)] == ["a.html"]
    (dropped,) = jsonl.read(tmp_path.with_name("out") / store.DROPPED, Dropped)
    assert (dropped.id, dropped.detail) == ("b\ufffd.html", "its name is not UTF-8: rename it")


def test_a_folder_that_cannot_be_read_is_an_error(tmp_path, monkeypatch):
    (tmp_path / "pages" / "locked").mkdir(parents=True)
    (tmp_path / "pages" / "a.html").write_bytes(page(prose(9)).body)
    scan = os.scandir

    def refuse(folder):
        if str(folder).endswith("locked"):
            raise PermissionError(13, "Permission denied", str(folder))
        return scan(folder)

    monkeypatch.setattr("os.scandir", refuse)
    with pytest.raises(GonerdError, match=r"locked.*cannot be read \(Permission denied\)"):
        extract([tmp_path / "pages"], tmp_path / "out")


SAMPLE = resources.folder("sample")


@pytest.mark.skipif(not (SAMPLE / "site.toml").is_file(), reason="the sample site is not there")
def test_the_sample_comes_out_as_it_should():
    source = load_source(SAMPLE / "source.toml")
    settings = ExtractSettings(source=source)
    wanted = {"http_status", "robots", "near_duplicate"}  # decided elsewhere
    for entry in tomllib.loads((SAMPLE / "site.toml").read_text("utf-8"))["page"]:
        if entry["kind"] in wanted:
            continue
        body = (SAMPLE / "site" / entry["path"].lstrip("/")).read_bytes()
        [outcome] = documents([RawPage(entry["path"], body, "text/html")], settings=settings)
        if entry["kind"] == "article":
            truth = (SAMPLE / "text" / f"{entry['slug']}.txt").read_text("utf-8").rstrip("\n")
            assert outcome.text == truth
            assert (outcome.published, outcome.language) == (entry["published"], "en")
        else:
            assert (entry["slug"], outcome.reason.value) == (entry["slug"], entry["kind"])
