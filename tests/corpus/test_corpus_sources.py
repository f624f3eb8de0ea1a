import pytest

from gonerd import resources
from gonerd.corpus.sources import load_source, source_names
from gonerd.errors import GonerdError

GOOD = """
name = "town"
license = "CC0-1.0"
license_url = "https://example.org/"
language = "en"
hosts = ["town.example"]
crawl_delay = 2
verified = 2026-01-31
[discovery]
kind = "sitemap"
start = ["http://town.example/sitemap.xml"]
"""


@pytest.fixture
def load(tmp_path):
    def load(text):
        (tmp_path / "town.toml").write_text(text)
        return load_source(str(tmp_path / "town.toml"))

    return load


def test_all_packaged_sources_load_and_are_named_like_their_files():
    assert source_names()
    for name in source_names():
        source = load_source(name)
        assert source.name == name
        assert source.license_url.startswith("https://")
        assert source.documentation.startswith("https://")
    assert load_source(resources.folder("sample") / "source.toml").name == "sample"


def test_types_are_those_of_the_record(load):
    source = load(GOOD)
    assert (source.crawl_delay, source.verified, source.hosts) == (2.0, "2026-01-31", ("town.example",))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("language =", "lanugage =", "unknown key 'lanugage'.*Did you mean 'language'"),
        ('kind = "sitemap"', 'kind = "sitmap"', "unknown discovery kind 'sitmap'.*Did you mean 'sitemap'"),
        ("start =", "begin =", "unknown key 'begin'"),
        ('license = "CC0-1.0"\n', "", "field 'license' is missing"),
        ('hosts = ["town.example"]', 'hosts = "town.example"', "field 'hosts' should be"),
        ('hosts = ["town.example"]', "hosts = []", "at least one host"),
        ('name = "town"', 'name = "../town"', "must be lower-case"),
        ('language = "en"', 'language = "en"\narticle = "("', "not a regular expression"),
        ('language = "en"', 'language = "en"\nkeep = ["p["]', "not a CSS selector"),
        ("crawl_delay = 2", "crawl_delay = -1", "must not be negative"),
        ("crawl_delay = 2", "crawl_delay = ", "not a TOML file"),
        ("crawl_delay = 2", 'body = "json:"', 'body must be "page" or "json:" and a path'),
    ],
)
def test_what_is_wrong_is_said(load, old, new, message):
    assert old in GOOD
    with pytest.raises(GonerdError, match=message) as caught:
        load(GOOD.replace(old, new))
    assert "town.toml" in str(caught.value)


def test_unknown_names(tmp_path):
    with pytest.raises(GonerdError, match="Did you mean 'govuk'"):
        load_source("gov_uk")
    with pytest.raises(GonerdError, match="no such file"):
        load_source(tmp_path / "none.toml")
