"""`check` says what to mend; `capture` writes golden pages, and each golden page gives its document for ever."""

import shutil
from pathlib import Path

import pytest

from gonerd import resources
from gonerd.cli.main import main
from gonerd.corpus import golden
from gonerd.corpus.sources import load_source, source_names
from gonerd.sample.server import Resource, folder_site, serve

GOLDEN = Path(__file__).with_name("golden")
SAMPLE = resources.folder("sample")
HOST = "town.example"
TOWN = f"""
name = "town"
license = "CC0-1.0"
license_url = "https://example.org/"
language = "en"
hosts = ["{HOST}"]
crawl_delay = 0
[discovery]
kind = "sitemap"
start = ["http://{HOST}/sitemap.xml"]
"""


def gonerd(*arguments):
    with pytest.raises(SystemExit) as caught:
        main(["corpus", *map(str, arguments)])
    return caught.value.code


def prose(number, sentences=30):
    return "".join(
        f"<p>On day {n * 7 + number} the harbour board of Port {number} heard Mrs Lovel, who wanted {n} boats.</p>"
        for n in range(sentences)
    )


def town(pages):
    found = {f"http://{HOST}/{name}": Resource(body.encode()) for name, body in pages.items()}
    entries = "".join(f"<url><loc>{url}</loc></url>" for url in found)
    found[f"http://{HOST}/sitemap.xml"] = Resource(f"<urlset>{entries}</urlset>".encode(), "text/xml")
    return found


def whole(title, body, date="2022-03-01"):
    head = f'<title>{title}</title><meta property="article:published_time" content="{date}">' if date else ""
    return f"<html><head>{head}</head><body><article class='story'><h1>{title}</h1>{body}</article></body></html>"


@pytest.fixture
def check(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")

    def run(pages, text=TOWN):
        (tmp_path / "town.toml").write_text(text)
        with serve(town(pages)) as proxy:
            code = gonerd("check", tmp_path / "town.toml", "--proxy", proxy, "--delay-s", 0, "--retries", 0)
        return code, capsys.readouterr().out

    return run


def test_a_source_that_fits_has_nothing_to_mend(check):
    code, out = check({f"{n}": whole(f"The boats of Port {n}", prose(n)) for n in range(7)})
    assert code == 0
    assert "town: 5 pages, nothing to mend" in out
    assert "article.story p" in out
    assert "begins: The boats of Port 0" in out


def test_what_is_wrong_is_said_with_its_remedy(check):
    notice = "<p>Subscribe to the harbour letter and never miss what the board of your own town decides next week.</p>"
    pages = {
        "short": whole("A short one", "<p>Too little to be an article.</p>"),
        "one": whole("The boats of Port 1", prose(1) + notice),
        "two": whole("The boats of Port 2", prose(2) + notice),
        "twice": whole(
            "The boats of Port 3", prose(3) + "<p>It said so twice, in the very same words, on one page.</p>" * 2
        ),
        "glued": whole(
            "The boats of Port 4", prose(4) + "<p>The harbourBoard met.Then it closed for the day again.</p>", None
        ),
    }
    code, out = check(pages)
    assert code == 1
    rows = [line for line in out.splitlines() if "│" in line]
    for what in ("empty", "boilerplate", "glued words", "no date"):
        assert any(line.split("│")[1].strip().startswith(what) for line in rows), (what, out)
    assert "Subscribe to the harbour letter" in out
    assert "in remove" in out


def test_no_page_is_something_to_mend_too(check):
    code, out = check({"a": whole("A", prose(1))}, TOWN.replace("crawl_delay", 'article = "/news/"\ncrawl_delay'))
    assert code == 1
    assert "1 not_article" in out


@pytest.mark.parametrize("path", list(golden.golden_pages(GOLDEN)), ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_golden_page_gives_its_document(path):
    kept, page = golden.read(path)
    source = load_source(kept.source) if kept.source in source_names() else load_source(SAMPLE / "source.toml")
    assert source.name == kept.source
    assert golden.make(source, page) == kept


def test_capture_writes_what_the_golden_test_reads(tmp_path, capsys):
    url = "http://alderyledger.example/court/eleven-days-in-court-four.html"
    with serve(folder_site(SAMPLE / "site", "alderyledger.example")) as proxy:
        arguments = ("--folder", tmp_path, "--proxy", proxy, "--delay-s", 0, "--retries", 0)
        assert gonerd("capture", SAMPLE / "source.toml", url, *arguments) == 0
        assert "words. Read it through" in capsys.readouterr().out
        assert gonerd("capture", SAMPLE / "source.toml", url + "x", *arguments) == 2
        assert "could not be had (http_status: 404)" in capsys.readouterr().err
    (path,) = golden.golden_pages(tmp_path)
    kept, page = golden.read(path)
    assert kept.document.url == page.url == url
    assert golden.make(load_source(SAMPLE / "source.toml"), page) == kept
    body = golden.body_path(path).read_bytes()
    assert body == golden.body_path(GOLDEN / path.relative_to(tmp_path)).read_bytes()  # the same bytes on every run


def test_pages_whose_addresses_end_alike_do_not_replace_each_other(tmp_path):
    urls = [f"http://alderyledger.example/{year}{'/a-very-long-name' * 5}" for year in (2025, 2026)]
    page = Resource(b"<html><body><p>Too short.</p></body></html>", "text/html")
    with serve(dict.fromkeys(urls, page).get) as proxy:
        arguments = ("--folder", tmp_path, "--proxy", proxy, "--delay-s", 0, "--retries", 0)
        for url in (*urls, urls[-1]):
            assert gonerd("capture", SAMPLE / "source.toml", url, *arguments) == 0
    kept = [golden.read(path)[0].url for path in golden.golden_pages(tmp_path)]
    assert sorted(kept) == urls


def test_a_golden_page_that_changed_would_be_noticed(tmp_path):
    (first, *_) = golden.golden_pages(GOLDEN)
    shutil.copytree(first.parent, tmp_path / "sample")
    path = tmp_path / "sample" / first.name
    kept, _ = golden.read(path)
    import gzip

    body = gzip.decompress(golden.body_path(path).read_bytes()).replace(b"the", b"teh", 50)
    golden.body_path(path).write_bytes(gzip.compress(body))
    _, page = golden.read(path)
    assert golden.make(load_source(SAMPLE / "source.toml"), page) != kept
