import pytest

from gonerd import resources, store
from gonerd.cli.main import main
from gonerd.corpus.sources import load_source, source_names
from gonerd.records import Document
from gonerd.sample.server import folder_site, serve

SAMPLE = resources.folder("sample")
HOST = "alderyledger.example"


def gonerd(*arguments):
    with pytest.raises(SystemExit) as caught:
        main(["corpus", *map(str, arguments)])
    return caught.value.code


def test_sources_lists_them_and_breaks_no_address(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    assert gonerd("sources") == 0
    lines = capsys.readouterr().out.splitlines()
    assert any("govuk" in line and "OGL-UK-3.0" in line for line in lines)
    for name in source_names():
        source = load_source(name)
        assert any(line.startswith(name) and line.endswith(f" {source.license_url}") for line in lines)


def test_without_a_network_run_fails_and_says_why(tmp_path, capsys):
    arguments = ("--out", tmp_path / "out", "--max-pages", 1, "--proxy", "http://127.0.0.1:9", "--retries", 0)
    for _ in range(2):  # nothing is recorded as done
        assert gonerd("run", "govuk", *arguments) == 2
        error = capsys.readouterr().err
        assert "govuk: no host of the source answered" in error
        assert "run the command again" in error
        assert len(error.strip().splitlines()) == 1


@pytest.mark.skipif(not (SAMPLE / "site" / "sitemap.xml").is_file(), reason="the sample site is not there")
def test_run_and_its_stages_one_by_one_give_the_same(tmp_path, capsys):
    source = SAMPLE / "source.toml"
    with serve(folder_site(SAMPLE / "site", HOST)) as proxy:
        assert gonerd("run", source, "--out", tmp_path / "all", "--delay-s", 0, "--proxy", proxy) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines] == ["crawl", "extract", "dedup"]
    assert "1 robots" in lines[0]
    assert "1 http_status" in lines[0]
    assert "1 language, 1 navigation, 1 too_short" in lines[1]
    assert "1 near_duplicate" in lines[2]
    assert lines[2].endswith(str(tmp_path / "all" / "documents"))
    assert gonerd("extract", tmp_path / "all" / "warc", "--out", tmp_path / "one", "--source", source) == 0
    assert gonerd("dedup", tmp_path / "one", "--out", tmp_path / "two") == 0
    kept = list(store.read_records(tmp_path / "two", Document))
    assert kept == list(store.read_records(tmp_path / "all" / "documents", Document))
    assert {document.license for document in kept} == {"CC0-1.0"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("crawl", "govuc"), "Did you mean 'govuk'"),
        (("extract", "nowhere.warc.gz"), "no such file or folder"),
        (("dedup", "nowhere"), "no such folder"),
    ],
)
def test_an_error_is_one_line(tmp_path, capsys, arguments, message):
    assert gonerd(*arguments, "--out", tmp_path / "out") == 2
    error = capsys.readouterr().err
    assert message in error
    assert len(error.strip().splitlines()) == 1


def test_flags_reach_the_settings(tmp_path, capsys):
    page = tmp_path / "page.html"
    text = "".join(f"<p>Le conseil du bourg numéro {n} a voté mardi pour garder la bibliothèque.</p>" for n in range(6))
    page.write_text(f"<html><body><h1>Le vote</h1>{text}</body></html>")
    assert gonerd("extract", page, "--out", tmp_path / "a", "--min-words", 5) == 0
    assert "1 language" in capsys.readouterr().out
    assert gonerd("extract", page, "--out", tmp_path / "b", "--min-words", 5, "--language", "fr") == 0
    assert "1 read, 1 kept, 0 dropped" in capsys.readouterr().out
