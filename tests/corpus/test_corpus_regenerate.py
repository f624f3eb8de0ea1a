"""The whole circle: a release of the sample, its site served, regenerated, built: the same bytes."""

import json
import re
from dataclasses import replace

import pytest

from gonerd import store
from gonerd.cli.main import main
from gonerd.corpus.cluster import ClusterConfig
from gonerd.corpus.config import CrawlConfig
from gonerd.corpus.regenerate import Outcome, RegenerateConfig, RegenerateSettings, Status, regenerate
from gonerd.corpus.sources import load_source
from gonerd.dataset.config import BuildConfig
from gonerd.dataset.rebuild import rebuild
from gonerd.errors import GonerdError
from gonerd.formats import jsonl
from gonerd.formats.release import RELEASE, STANDOFF, read_standoff
from gonerd.records import Annotation, Document
from gonerd.resources import folder
from gonerd.sample.data import sample, site_host
from gonerd.sample.server import Resource, folder_site, serve

DATASET = folder("sample") / "dataset"
HOST = site_host()


@pytest.fixture
def release(tmp_path):
    """The sample's release alone: no text."""
    out = tmp_path / "release"
    out.mkdir()
    for name in (RELEASE, STANDOFF):
        (out / name).write_bytes((DATASET / name).read_bytes())
    return out


SITE = folder_site(sample("site"), HOST)


def changed(change):
    """Return the sample's site with its articles changed."""

    def lookup(url):
        resource = SITE(url)
        if resource is None or not url.endswith(".html"):
            return resource
        body = change(url, resource.body)
        return None if body is None else replace(resource, body=body)

    return lookup


def settings(address, **options):
    crawl = CrawlConfig(delay_s=0.0, proxy=address, retries=0)
    sources = (load_source(sample("source.toml")),)
    config = options.pop("config", RegenerateConfig(archives=()))
    return RegenerateSettings(config=config, crawl=crawl, sources=sources, **options)


def outcomes(out):
    return {one.url: one for one in jsonl.read(out / "outcomes.jsonl", Outcome)}


def test_the_whole_circle_gives_the_same_bytes(release, tmp_path):
    out = tmp_path / "again"
    with serve(SITE) as address:
        report = regenerate(release, out, settings=settings(address))
    assert (report.total.documents, report.total.exact, report.total.lost) == (14, 14, 0)
    assert report.total.spans == report.total.spans_kept > 1_000
    rebuild(release, [out / "documents"], tmp_path / "dataset", config=BuildConfig())
    for path in sorted((DATASET / "data").iterdir()):
        assert (tmp_path / "dataset" / "data" / path.name).read_bytes() == path.read_bytes()
    # Once fetched, the pages can be read again without the site; and the answer is the same.
    given = sorted((out / "warc").rglob("*.warc.gz"))
    second = regenerate(
        release, tmp_path / "offline", settings=settings(None, given=tuple(given)), cluster=ClusterConfig(workers=2)
    )
    assert second.total == report.total
    assert (tmp_path / "offline" / "gold" / "00000.jsonl").read_bytes() == (out / "gold" / "00000.jsonl").read_bytes()


def test_labels_that_a_release_keeps_back_come_back_as_no_gold(release, tmp_path):
    about, entries = json.loads((release / RELEASE).read_text()), list(jsonl.read_objects(release / STANDOFF))
    kept = [{**entry, "spans": [] if entry["split"] == "test" else entry["spans"]} for _, entry in entries]
    jsonl.write(release / STANDOFF, kept)
    about["fingerprints"]["test"]["gold"] = None
    (release / RELEASE).write_text(json.dumps({**about, "standoff_sha256": store.sha256_file(release / STANDOFF)}))
    with serve(SITE) as address:
        report = regenerate(release, tmp_path / "again", settings=settings(address))
    assert report.total.exact == 14
    gold = {one.document_id for one in store.read_records(tmp_path / "again" / "gold", Annotation)}
    assert gold == {entry["id"] for entry in kept if entry["split"] != "test"}


def test_changed_pages_are_realigned_and_gone_ones_lost(release, tmp_path):
    urls = [entry.url for entry in read_standoff(release)]

    def change(url, body):
        if url == urls[0]:
            return None
        if url == urls[1]:
            return b"<html><body><h1>Moved</h1><p>Nothing of it is left here.</p></body></html>"
        return re.sub(rb"<p>", b"<p>Updated: this story has news.</p><p>", body, count=1)

    with serve(changed(change)) as address:
        report = regenerate(release, tmp_path / "again", settings=settings(address))
    found = outcomes(tmp_path / "again")
    assert (found[urls[0]].status, found[urls[0]].reason, found[urls[0]].detail) == (Status.LOST, "http_status", "404")
    assert (found[urls[1]].status, found[urls[1]].reason) == (Status.LOST, "text_changed")
    assert report.reasons == {"http_status": 1, "text_changed": 1}
    assert report.total.realigned >= 5  # the others have no paragraph of that form
    assert report.total.spans_kept_of_realigned > 0.99 * report.total.spans_of_realigned
    documents = {one.id: one for one in store.read_records(tmp_path / "again" / "documents", Document)}
    released = {entry.id: entry for entry in read_standoff(release)}
    for gold in store.read_records(tmp_path / "again" / "gold", Annotation):
        text = documents[gold.document_id].text
        surfaces = [span.surface for span in released[gold.document_id].spans]
        assert gold.text_sha256 == documents[gold.document_id].text_sha256
        assert all(text[span.start : span.end] in surfaces for span in gold.spans)
    splits = [json.loads(line) for line in (tmp_path / "again" / "splits.jsonl").read_text().splitlines()]
    assert {row["id"] for row in splits} == documents.keys()


def test_a_page_that_is_gone_comes_from_an_archive(release, tmp_path):
    entries = list(read_standoff(release))
    gone = entries[3]
    when = gone.published.replace("-", "") + "000000"
    copy = f"http://archive.example/web/{when}id_/{gone.url}"
    nearest = f"http://archive.example/web/20991231235959id_/{gone.url}"

    def lookup(url):
        if url == copy:  # an archive sends on to the copy that is nearest in time
            return Resource(status=302, headers=(("Location", nearest),))
        if url == nearest:
            return SITE(gone.url)
        return None if url == gone.url else SITE(url)

    config = RegenerateConfig(archives=("http://archive.example/web/{timestamp}id_/{url}",))
    with serve(lookup) as address:
        report = regenerate(release, tmp_path / "again", settings=settings(address, config=config))
    assert (report.total.exact, report.total.lost) == (14, 0)
    assert len(list(jsonl.read_objects(tmp_path / "again" / "archived" / "00" / "00000.jsonl"))) == 1


def test_removed_documents_are_not_even_fetched(release, tmp_path):
    entries = list(read_standoff(release))
    (tmp_path / "removed.toml").write_text(
        f'[[removed]]\nid = "{entries[0].id}"\ndate = 2026-01-01\n'
        f'[[removed]]\nurl = "{entries[1].url}"\ndate = 2026-01-02\n'
    )
    asked = []

    def lookup(url):
        asked.append(url)
        return SITE(url)

    with serve(lookup) as address:
        report = regenerate(release, tmp_path / "again", settings=settings(address, removed=tmp_path / "removed.toml"))
    assert (report.total.exact, report.reasons) == (12, {"removed": 2})
    assert not {entries[0].url, entries[1].url} & set(asked)


def test_a_release_with_hostile_addresses(release, tmp_path):
    lines = (release / STANDOFF).read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    rows[0]["url"], rows[1]["url"], rows[2]["url"] = "file:///etc/passwd", None, "http://[bad"
    rows[3]["source"] = "../../elsewhere"
    (release / STANDOFF).write_text("".join(json.dumps(row) + "\n" for row in rows))
    about = json.loads((release / RELEASE).read_text())
    about["standoff_sha256"] = store.sha256_file(release / STANDOFF)
    (release / RELEASE).write_text(json.dumps(about))
    with serve(SITE) as address:
        report = regenerate(release, tmp_path / "again", settings=settings(address))
    assert report.reasons["unknown_document"] == 3
    assert not (tmp_path / "elsewhere").exists()
    assert {path.name for path in (tmp_path / "again" / "warc").iterdir() if path.is_dir()} <= {"sample", "source-0"}


@pytest.mark.parametrize(
    ("options", "message"),
    [({"archives": ("ftp://x/{url}",)}, "not a pattern"), ({"timestamp": "yesterday"}, "not a timestamp")],
)
def test_settings_are_checked(options, message):
    with pytest.raises(GonerdError, match=message):
        RegenerateConfig(**options)


def test_a_source_that_is_not_known_is_named(release, tmp_path, capsys):
    with serve(SITE) as address, pytest.raises(SystemExit) as end:
        main(
            [
                "corpus",
                "regenerate",
                str(release),
                "--out",
                str(tmp_path / "again"),
                "--proxy",
                address,
                "--delay-s",
                "0",
            ]
        )
    assert end.value.code == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "No source file is known for sample" in shown
    assert "--source FILE" in shown


def test_the_command(release, tmp_path, capsys):
    out = tmp_path / "again"
    with serve(SITE) as address, pytest.raises(SystemExit) as end:
        main(
            ["corpus", "regenerate", str(release), "--out", str(out), "--source", str(sample("source.toml")),
             "--proxy", address, "--delay-s", "0"]
        )  # fmt: skip
    assert end.value.code == 0
    shown = capsys.readouterr().out
    assert "100.0%" in shown
    assert "No source file" not in shown
    assert "gonerd dataset build --release" in shown
    report = json.loads((out / "report.json").read_text())
    assert report["total"]["exact"] == 14
