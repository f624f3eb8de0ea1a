import json
from dataclasses import replace

import pytest
from dataset_support import CONFIG, make_document, make_gold, make_stages
from huggingface_hub import DatasetCard

from gonerd.cli.dataset import app
from gonerd.dataset.build import Given, build
from gonerd.dataset.examples import read_examples
from gonerd.dataset.previous import read_continuity
from gonerd.dataset.rebuild import rebuild
from gonerd.dataset.statistics import read_statistics
from gonerd.dataset.write import OWN_TOKENS
from gonerd.errors import GonerdError
from gonerd.formats import jsonl
from gonerd.formats.release import read_release, read_standoff
from gonerd.records import Dropped, sha256_of
from gonerd.resources import folder
from gonerd.store import read_manifest, write_stage

DOCUMENTS = [make_document(number, url=f"https://paper.example/{number}/") for number in range(14)]


def parquet_bytes(dataset):
    return {path.name: path.read_bytes() for path in sorted((dataset / "data").iterdir())}


def reasons(dataset):
    return {record.id: record.reason.value for record in jsonl.read(dataset / "dropped.jsonl", Dropped)}


def split_by_id(dataset):
    return {document.id: document.split for document in read_standoff(dataset)}


@pytest.fixture(scope="module")
def stages(tmp_path_factory):
    return make_stages(tmp_path_factory.mktemp("stages"), DOCUMENTS, map(make_gold, DOCUMENTS))


@pytest.fixture(scope="module")
def first(stages, tmp_path_factory):
    out = tmp_path_factory.mktemp("first") / "dataset"
    build(*stages, out, config=CONFIG)
    return out


def test_removed_documents_are_in_no_file(stages, first, tmp_path):
    (tmp_path / "removed.toml").write_text(
        '[[removed]]\nid = "doc-002"\ndate = 2026-01-01\n'
        '[[removed]]\nurl = "http://PAPER.example/5"\ndate = 2026-01-02\n'
    )
    given = Given(removed=tmp_path / "removed.toml")
    manifest = build(*stages, tmp_path / "out", config=CONFIG, given=given)
    assert manifest.dropped == {"removed": 2}
    assert reasons(tmp_path / "out") == {"doc-002": "removed", "doc-005": "removed"}
    assert not {"doc-002", "doc-005"} & split_by_id(tmp_path / "out").keys()
    assert manifest.key != read_manifest(first).key
    assert (tmp_path / "out/removed.toml").read_bytes() == (tmp_path / "removed.toml").read_bytes()
    card = (tmp_path / "out/README.md").read_text()
    assert "Requests that this version honours (`removed.toml`): 2. Documents that were left out for them: 2." in card
    again = rebuild(first, stages[0], tmp_path / "again", config=CONFIG, removed=tmp_path / "removed.toml")
    assert again.dropped == {"removed": 2}
    with pytest.raises(GonerdError, match="no such file"):
        build(*stages, tmp_path / "other", given=Given(removed=tmp_path / "missing.toml"))


def test_licences_are_judged_before_the_text_is_taken_up(tmp_path):
    documents = [make_document(0), make_document(1, license="CC-BY-ND-4.0"), make_document(2, license=None)]
    stages = make_stages(tmp_path, documents, map(make_gold, documents))
    assert build(*stages, tmp_path / "open", config=CONFIG).dropped == {"license": 2}
    every = build(*stages, tmp_path / "private", config=replace(CONFIG, any_license=True))
    assert (every.written, every.dropped) == (3, {})
    with pytest.raises(GonerdError, match="exclude each other"):
        replace(CONFIG, any_license=True, standoff_only=True)


def test_a_stand_off_build_holds_no_text_and_can_be_rebuilt(first, tmp_path):
    closed = [replace(document, license="all rights reserved") for document in DOCUMENTS]
    hidden = make_stages(tmp_path, closed, map(make_gold, closed))
    manifest = build(*hidden, tmp_path / "out", config=replace(CONFIG, standoff_only=True))
    assert (manifest.written, manifest.dropped) == (14, {})
    assert not list((tmp_path / "out").rglob("*.parquet"))
    assert read_release(tmp_path / "out").fingerprints == read_release(first).fingerprints
    for path in (tmp_path / "out").rglob("*"):
        if path.is_file():
            content = path.read_text(encoding="utf-8")
            assert not any(document.text[60:160] in content for document in DOCUMENTS), path.name
    front = DatasetCard.load(tmp_path / "out/README.md").data.to_dict()
    assert front["configs"] == [{"config_name": "standoff", "data_files": "standoff.jsonl"}]
    assert "dataset_info" not in front
    card = (tmp_path / "out/README.md").read_text()
    assert "gonerd corpus regenerate . --out again\n" in card  # which writes again/documents
    assert "gonerd dataset build --release . --documents again/documents" in card
    assert "load_dataset(" not in card
    with pytest.raises(GonerdError, match="without its text"):
        read_examples(tmp_path / "out", "train").__next__()
    again = rebuild(tmp_path / "out", hidden[0], tmp_path / "again", config=replace(CONFIG, any_license=True))
    assert again.written == 14
    with pytest.raises(GonerdError, match="14 of 14 documents were dropped"):
        rebuild(tmp_path / "out", hidden[0], tmp_path / "refused", config=CONFIG)


def test_a_release_is_rebuilt_byte_for_byte(first, tmp_path):
    write_stage(reversed(DOCUMENTS), tmp_path / "regenerated", stage="documents", config={})
    manifest = rebuild(first, [tmp_path / "regenerated"], tmp_path / "out")
    assert manifest.dropped == {}
    assert parquet_bytes(tmp_path / "out") == parquet_bytes(first)
    for name in ("standoff.jsonl", "release.json", "widened.jsonl", "statistics.json"):
        assert (tmp_path / "out" / name).read_bytes() == (first / name).read_bytes(), name


def test_the_sample_is_rebuilt_byte_for_byte(tmp_path):
    shipped = folder("sample") / "dataset"
    from gonerd.records import Document

    documents = [
        Document(id=row.id, text=row.text, source="regenerated")
        for split in ("train", "validation", "test")
        for row in read_examples(shipped, split)
    ]
    write_stage(documents, tmp_path / "documents", stage="documents", config={})
    rebuild(shipped, [tmp_path / "documents"], tmp_path / "out")
    assert parquet_bytes(tmp_path / "out") == parquet_bytes(shipped)


def test_labels_that_a_release_keeps_back_are_no_labels_of_nothing(first, stages, tmp_path):
    from gonerd.dataset.compare import compare
    from gonerd.dataset.hidden import hide_labels

    hide_labels(first, "test", out=tmp_path / "hidden", gold=tmp_path / "kept")
    manifest = rebuild(tmp_path / "hidden", stages[0], tmp_path / "out")
    tests = {name for name, split in split_by_id(first).items() if split == "test"}
    assert manifest.dropped == {"no_annotation": len(tests)}
    assert reasons(tmp_path / "out").keys() == tests
    assert "keeps back the labels of test" in (tmp_path / "out/dropped.jsonl").read_text()
    assert parquet_bytes(tmp_path / "out") == {
        name: content for name, content in parquet_bytes(first).items() if not name.startswith("test")
    }
    assert compare(first, tmp_path / "hidden").same  # nobody can tell that they differ


def test_what_has_changed_is_named(first, tmp_path):
    changed = [DOCUMENTS[0], make_document(1, text=DOCUMENTS[1].text + " More."), make_document(99)]
    write_stage(changed, tmp_path / "documents", stage="documents", config={})
    rebuild(first, [tmp_path / "documents"], tmp_path / "out")
    found = reasons(tmp_path / "out")
    assert found.pop("doc-001") == "text_changed"
    assert found.pop("doc-099") == "no_annotation"
    assert set(found.values()) == {"unknown_document"}
    assert split_by_id(tmp_path / "out") == {"doc-000": split_by_id(first)["doc-000"]}


def test_a_broken_release_is_one_line(first, stages, tmp_path):
    release = tmp_path / "release"
    release.mkdir()
    with pytest.raises(GonerdError, match=r"no release\.json here"):
        rebuild(release, stages[0], tmp_path / "out")
    content = json.loads((first / "release.json").read_text())
    lines = (first / "standoff.jsonl").read_text(encoding="utf-8")
    (release / "standoff.jsonl").write_text(lines + "\n", encoding="utf-8")
    (release / "release.json").write_text(json.dumps(content))
    with pytest.raises(GonerdError, match="changed since it was released"):
        rebuild(release, stages[0], tmp_path / "out")
    for key, message in (("spacy", "spacy==2.0"), ("separators", r"another way \(separators\)")):
        (release / "standoff.jsonl").write_text(lines, encoding="utf-8")
        other = {**content, "tokenizer": {**content["tokenizer"], key: "2.0"}}
        (release / "release.json").write_text(json.dumps(other))
        with pytest.raises(GonerdError, match=message):
            rebuild(release, stages[0], tmp_path / "out")
    (release / "release.json").write_text(json.dumps({**content, "tokenizer": OWN_TOKENS}))
    with pytest.raises(GonerdError, match="those of its source"):
        rebuild(release, stages[0], tmp_path / "out")
    moved = lines.replace('"surface":"Anna Lund"', '"surface":"Anna Bund"')
    (release / "standoff.jsonl").write_text(moved, encoding="utf-8")
    (release / "release.json").write_text(json.dumps({**content, "standoff_sha256": sha256_of(moved)}))
    with pytest.raises(GonerdError, match=r"expected 'Anna Bund', found 'Anna Lund'"):
        rebuild(release, stages[0], tmp_path / "out")


def test_old_documents_stay_where_they_were(first, tmp_path):
    old = split_by_id(first)
    train = min(name for name in old if old[name] == "train")
    test, other = sorted(name for name in old if old[name] == "test")[:2]
    texts = {document.id: document.text for document in DOCUMENTS}
    gone = max(old)
    renamed = min(name for name in old if name != gone and old[name] == "validation")
    kept = [document for document in DOCUMENTS if document.id not in (gone, renamed)]
    new = [
        make_document(50, text=texts[test] + " A new ending."),
        make_document(51, text=texts[train] + " " + texts[other]),
        make_document(52, text=texts[renamed]),
        *(make_document(number) for number in range(60, 80)),
    ]
    documents = [*new, *kept]
    stages = make_stages(tmp_path, documents, map(make_gold, documents))
    config = replace(CONFIG, version="1.1.0", salt="another", changes="More of *them*.", released="2026-02-03")
    build(*stages, tmp_path / "out", config=config, given=Given(previous=first))
    now = split_by_id(tmp_path / "out")
    assert {name: now[name] for name in old if name not in (gone, renamed)} == {
        name: split for name, split in old.items() if name not in (gone, renamed)
    }
    assert now["doc-050"] == "test"
    assert now["doc-052"] == "validation"
    assert reasons(tmp_path / "out") == {"doc-051": "split_conflict"}
    found = read_continuity(tmp_path / "out")
    assert (found.name, found.version, found.kept, found.added) == ("gonerd", "1.0.0", 13, 21)
    assert found.vanished == (gone,)
    assert read_statistics(tmp_path / "out").torn_groups
    assert {now[f"doc-{number:03d}"] for number in range(60, 80)} == {"train", "validation", "test"}
    build(*stages, tmp_path / "third", config=replace(config, version="1.2.0"), given=Given(previous=tmp_path / "out"))
    assert [entry.version for entry in read_continuity(tmp_path / "third").history] == ["1.1.0", "1.0.0"]
    card = (tmp_path / "third/README.md").read_text().partition("## Changelog")[2].partition("## Citation")[0]
    assert "- `1.2.0` (2026-02-03): More of \\*them\\*.\n  Since `1.1.0`: 34 documents kept, 0 new, 0 gone." in card
    assert card.index("`1.2.0`") < card.index("- `1.1.0`") < card.index("- `1.0.0`")


def test_suggestions_are_no_gold_unless_that_is_said(tmp_path):
    from gonerd.annotation.suggest import STAGE
    from gonerd.dataset.build import SUGGESTED

    assert SUGGESTED == STAGE
    documents = DOCUMENTS[:4]
    write_stage(documents, tmp_path / "documents", stage="documents", config={})
    write_stage(map(make_gold, documents), tmp_path / "suggested", stage=STAGE, config={})
    folders = [tmp_path / "documents"], [tmp_path / "suggested"]
    with pytest.raises(GonerdError, match=r"suggestions, which nobody has checked.*--suggestions"):
        build(*folders, tmp_path / "out", config=CONFIG)
    assert not (tmp_path / "out").exists()
    build(*folders, tmp_path / "out", config=replace(CONFIG, suggestions=True))
    card = (tmp_path / "out/README.md").read_text()
    assert "**The labels are a program's suggestions: nobody has checked them.**" in card


def test_a_split_that_differs_from_the_release_before_is_an_error(first, stages, tmp_path):
    old = split_by_id(first)
    other = "train" if old["doc-003"] != "train" else "test"
    with pytest.raises(GonerdError, match=f"'doc-003'.* is given as '{other}'"):
        build(*stages, tmp_path / "out", config=CONFIG, given=Given(previous=first, splits={"doc-003": other}))


def test_the_commands(first, stages, tmp_path, capsys):
    def gonerd(*arguments):
        return app([str(argument) for argument in arguments], result_action="return_value")

    documents, gold = ("--documents", stages[0][0]), ("--gold", stages[1][0])
    gonerd("build", *documents, "--release", first, "--out", tmp_path / "again")
    assert parquet_bytes(tmp_path / "again") == parquet_bytes(first)
    gonerd("build", *documents, *gold, "--previous", first, "--out", tmp_path / "next", "--version", "1.1.0")
    assert "Since gonerd 1.0.0: 14 kept, 0 new, 0 gone" in capsys.readouterr().out
    gonerd("build", *documents, *gold, "--out", tmp_path / "closed", "--standoff-only")
    assert "The text is left out" in capsys.readouterr().out
    with pytest.raises(GonerdError, match="either gold or a release"):
        gonerd("build", *documents, "--out", tmp_path / "none")
    with pytest.raises(GonerdError, match="a release has its splits"):
        gonerd("build", *documents, "--release", first, "--previous", first, "--out", tmp_path / "none")
