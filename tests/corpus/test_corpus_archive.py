import gzip
import tempfile
from pathlib import Path

import pytest

from gonerd import store
from gonerd.cli.main import main
from gonerd.corpus.archive import RawPage, read_archive
from gonerd.corpus.dedup import dedup
from gonerd.corpus.run import extract
from gonerd.corpus.warc import ArchiveWriter, Exchange
from gonerd.errors import GonerdError
from gonerd.formats import jsonl
from gonerd.records import Document, Dropped, Reason

PAGES = 3


def archive():
    """Return a small WARC file and where its records begin, in bytes: packed and plain."""
    with tempfile.TemporaryDirectory() as folder:
        writer = ArchiveWriter(Path(folder), {}, first=0, max_bytes=1 << 30)
        for number in range(PAGES):
            body = "".join(f"<p>Mrs Lovel told the harbour board {n} times of ferry {number}.</p>" for n in range(30))
            writer.write(exchange(f"http://a.example/{number}", body))
        writer.close()
        packed = Path(folder, "crawl-00000.warc.gz").read_bytes()
    return packed, gzip.decompress(packed)


def exchange(url, body, **more):
    head = [("Content-Type", "text/html")]
    return Exchange(url, "2026-01-31T10:00:00Z", "GET / HTTP/1.1", [], "200 OK", head, body.encode(), **more)


def boundaries(packed, plain, data):
    """Return where a cut loses no byte of a record, in `data`."""
    if data is plain:
        starts = [n for n in range(len(plain)) if plain.startswith(b"WARC/1.", n)]
        return {end - blank for end in (*starts, len(plain)) for blank in range(5)}
    starts = [n for n in range(len(packed)) if packed.startswith(b"\x1f\x8b\x08", n)]
    return {*starts, len(packed)}


@pytest.mark.parametrize("name", ["cut.warc.gz", "cut.warc"])
def test_wherever_a_file_is_cut_it_is_said_and_no_cut_page_is_kept(tmp_path, name):
    packed, plain = archive()
    data = packed if name.endswith("gz") else plain
    whole = boundaries(packed, plain, data)
    (tmp_path / name).write_bytes(data)
    pages = list(read_archive(tmp_path / name, max_bytes=100_000))
    assert [type(page) for page in pages] == [RawPage] * PAGES
    step = 3 if data is packed else 11
    for size in sorted({*range(1, len(data), step), *(n for n in whole if 0 < n < len(data))}):
        (tmp_path / name).write_bytes(data[:size])
        found = list(read_archive(tmp_path / name, max_bytes=100_000))
        kept = [item for item in found if isinstance(item, RawPage)]
        assert kept == pages[: len(kept)], size
        dropped = [item for item in found if isinstance(item, Dropped)]
        assert {item.reason for item in dropped} <= {Reason.TRUNCATED}, size
        if size not in whole:
            assert [item.id for item in dropped][-1:] == [name], size
        assert len(dropped) <= 2, size


def test_a_cut_file_gives_no_document_of_the_cut_page_and_names_it(tmp_path, capsys):
    _, plain = archive()
    cut = plain.rindex(b"20 times of ferry 2")
    (tmp_path / "cut.warc").write_bytes(plain[:cut])
    with pytest.raises(SystemExit) as caught:
        main(["corpus", "extract", str(tmp_path / "cut.warc"), "--out", str(tmp_path / "out")])
    assert caught.value.code == 0
    assert "2 kept, 2 dropped (2 truncated)" in capsys.readouterr().out
    urls = [document.url for document in store.read_records(tmp_path / "out", Document)]
    assert urls == ["http://a.example/0", "http://a.example/1"]
    page, file = jsonl.read(tmp_path / "out" / store.DROPPED, Dropped)
    assert page.id == "http://a.example/2"
    start = plain.rindex(b"WARC/1.", 0, cut)
    assert (file.id, file.detail) == ("cut.warc", f"the file ends inside the record at byte {start}")


def test_a_page_cut_in_the_middle_of_an_archive_does_not_hide_the_others(tmp_path):
    packed, _ = archive()
    start = [n for n in range(len(packed)) if packed.startswith(b"\x1f\x8b\x08", n)]
    short = gzip.compress(gzip.decompress(packed[start[1] : start[2]])[:-400])  # its member is whole, its page is not
    (tmp_path / "x.warc.gz").write_bytes(packed[: start[1]] + short + packed[start[2] :])
    found = list(read_archive(tmp_path / "x.warc.gz", max_bytes=100_000))
    assert [item.url if isinstance(item, RawPage) else item.reason for item in found] == [
        Reason.TRUNCATED,
        "http://a.example/1",
        "http://a.example/2",
    ]


@pytest.mark.parametrize(
    ("name", "data"), [("e.warc", b""), ("e.warc.gz", b""), ("f.warc.gz", gzip.compress(b"", mtime=0))]
)
def test_an_empty_file_is_an_error(tmp_path, name, data):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(GonerdError, match=f"{name}: an empty WARC file"):
        extract([tmp_path / name], tmp_path / "out")


def test_a_trailing_empty_member_and_garbage_are_no_cut(tmp_path):
    packed, _ = archive()
    (tmp_path / "x.warc.gz").write_bytes(packed + gzip.compress(b"", mtime=0))
    assert len(list(read_archive(tmp_path / "x.warc.gz", max_bytes=100_000))) == PAGES
    (tmp_path / "x.warc.gz").write_bytes(packed + b"garbage")
    with pytest.raises(GonerdError, match="not a WARC file, or a broken one"):
        list(read_archive(tmp_path / "x.warc.gz", max_bytes=100_000))


def test_the_same_archive_twice_gives_each_document_once(tmp_path):
    packed, _ = archive()
    for name in ("one.warc.gz", "two.warc.gz"):
        (tmp_path / name).write_bytes(packed)
    extract([tmp_path / "one.warc.gz", tmp_path / "two.warc.gz"], tmp_path / "extracted")
    manifest = dedup(tmp_path / "extracted", tmp_path / "documents")
    ids = [document.id for document in store.read_records(tmp_path / "documents", Document)]
    assert len(ids) == len(set(ids)) > 0
    assert manifest.dropped["duplicate_body"] == PAGES


def test_a_record_that_its_writer_cut_is_no_page(tmp_path):
    writer = ArchiveWriter(tmp_path, {}, first=0, max_bytes=1 << 30)
    writer.write(exchange("http://a.example/whole", "<p>whole</p>"))
    writer.write(exchange("http://a.example/cut", "<p>half of it", truncated="length"))
    writer.close()
    whole, cut = read_archive(tmp_path / "crawl-00000.warc.gz", max_bytes=1000)
    assert whole.url == "http://a.example/whole"
    assert cut == Dropped("http://a.example/cut", Reason.TRUNCATED, "its writer cut it (length)")
