import json
import logging

import pytest
from dataset_support import CONFIG, make_document, make_gold, make_stages

from gonerd.dataset.build import BuildConfig, build
from gonerd.dataset.columns import COLUMNS
from gonerd.dataset.croissant import croissant
from gonerd.dataset.examples import read_examples
from gonerd.dataset.facts import read_facts
from gonerd.dataset.files import data_files
from gonerd.dataset.hidden import hide_labels
from gonerd.errors import GonerdError
from gonerd.formats.parquet import read_rows
from gonerd.store import sha256_file


@pytest.fixture(scope="module")
def mlcroissant():
    return pytest.importorskip("mlcroissant")


def text_of(value):
    """A record as mlcroissant gives it, with text in place of bytes and our names in place of its addresses."""
    if isinstance(value, bytes):
        return value.decode("utf-8")
    if isinstance(value, list):
        return [text_of(item) for item in value]
    if isinstance(value, dict):
        return {name.rpartition("/")[2]: text_of(item) for name, item in value.items()}
    return None if value != value else value  # pandas' nothing is not a number  # noqa: PLR0124


def records(mlcroissant, folder, split, caplog):
    with caplog.at_level(logging.WARNING):
        dataset = mlcroissant.Dataset(jsonld=str(folder / "croissant.json"))
    issues = dataset.metadata.ctx.issues
    assert (set(issues.errors), set(issues.warnings)) == (set(), set())
    assert not [record for record in caplog.records if "WARN" in record.getMessage()]
    return [text_of(record) for record in dataset.records(split)]


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_mlcroissant_finds_no_fault_and_reads_the_records_back_equal(built, mlcroissant, caplog, split):
    rows = [row for path in data_files(built)[split] for row in read_rows(path)]
    assert records(mlcroissant, built, split, caplog) == rows
    assert list(rows[0]) == [name for name, _, _ in COLUMNS]


def test_what_is_null_reads_back_as_null(tmp_path, mlcroissant, caplog):
    """Hidden labels, and documents of which little is known, beside others of which more is."""
    known = {"url": "http://a.example/é", "published": "2020-01-01"}
    documents = [make_document(n, **(known if n % 2 else {"title": None})) for n in range(12)]
    build(*make_stages(tmp_path, documents, map(make_gold, documents)), tmp_path / "out", config=CONFIG)
    hide_labels(tmp_path / "out", "test", out=tmp_path / "hidden", gold=tmp_path / "gold")
    for split, hidden in (("train", set()), ("test", {"ner_tags", "entities"})):
        rows = [row for path in data_files(tmp_path / "hidden")[split] for row in read_rows(path)]
        described = [{name: value for name, value in row.items() if name not in hidden} for row in rows]
        assert records(mlcroissant, tmp_path / "hidden", split, caplog) == described
    assert {row[name] for row in rows for name in hidden} == {None}


def test_it_names_the_files_with_their_checksums(built):
    found = json.loads((built / "croissant.json").read_text(encoding="utf-8"))
    assert found["conformsTo"] == ["http://mlcommons.org/croissant/1.0", "http://mlcommons.org/croissant/RAI/1.0"]
    assert [entry["contentUrl"] for entry in found["distribution"]] == [
        f"data/{split}-00000-of-00001.parquet" for split in ("train", "validation", "test")
    ]
    for entry in found["distribution"]:
        assert entry["sha256"] == sha256_file(built / entry["contentUrl"])
        assert entry["contentSize"] == f"{(built / entry['contentUrl']).stat().st_size} B"
    assert "two test programs" in found["rai:machineAnnotationTools"]
    assert found["license"] == ["CC0-1.0"]


def test_the_same_documents_give_the_same_bytes_whatever_the_day(tmp_path):
    documents = [make_document(number) for number in range(6)]
    stages = make_stages(tmp_path, documents, map(make_gold, documents))
    for name in ("one", "two"):
        build(*stages, tmp_path / name, config=BuildConfig(released="2020-02-29"))
    one, two = ((tmp_path / name / "croissant.json").read_bytes() for name in ("one", "two"))
    assert one == two
    assert json.loads(one)["datePublished"] == "2020-02-29"
    with pytest.raises(GonerdError, match="which is no date"):
        BuildConfig(released="2021-02-29")


def test_what_is_read_back_from_a_folder_is_what_it_was_written_from(built):
    facts = read_facts(built)
    assert croissant(facts) == json.loads((built / "croissant.json").read_text(encoding="utf-8"))
    shortest = min(
        (e for split in data_files(built) for e in read_examples(built, split)), key=lambda e: (len(e.text), e.id)
    )
    assert facts.sample == shortest
