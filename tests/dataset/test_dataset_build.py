import json
import unicodedata
from dataclasses import replace

import pyarrow.parquet as pq
import pytest
from dataset_support import CONFIG, make_document, make_gold, make_stages, make_text

from gonerd.dataset.build import BuildConfig, Given, build, write_dataset
from gonerd.dataset.examples import read_examples
from gonerd.dataset.release import StandoffDocument
from gonerd.dataset.statistics import read_statistics
from gonerd.dataset.write import read_fingerprints
from gonerd.errors import GonerdError
from gonerd.formats import jsonl
from gonerd.records import Dropped, Reason, fingerprint
from gonerd.store import read_manifest, write_stage

SPLITS = ("train", "validation", "test")
AWKWARD = "👩‍👩‍👧 Zoë Müller 📍 café in תל־אביב (مدينة)\n\nEnd of Åre–Östersund."


def parquet_bytes(folder):
    return {path.name: path.read_bytes() for path in sorted((folder / "data").iterdir())}


def everything(folder):
    found = {}
    for split in read_statistics(folder).splits:
        found.update({example.id: example for example in read_examples(folder, split)})
    return found


def test_a_dataset_folder_holds_whole_documents(built):
    examples = everything(built)
    assert sorted(examples) == [f"doc-{number:03d}" for number in range(14)]
    assert {example.split for example in examples.values()} == set(SPLITS)
    example = examples["doc-003"]
    assert example.text == make_text(3)
    assert example.tokens[:9] == ("Anna", "Lund", "met", "the", "Lake", "-", "side", "Trust", "in")
    assert example.ner_tags[:10] == ("B-PER", "I-PER", "O", "O", "B-ORG", "I-ORG", "I-ORG", "I-ORG", "O", "B-LOC")
    assert [(span.start, span.end) for span in example.entities] == [(0, 9), (18, 33), (37, 41)]
    assert example.tokens[9] == "Oslo3"
    assert (example.license, example.title, example.annotators) == ("CC0-1.0", "Title 3", ("gold",))


def test_what_lies_beside_the_data_agrees_with_it(built):
    examples = everything(built)
    statistics = read_statistics(built)
    assert statistics.total.documents == 14
    assert statistics.total.tokens == sum(len(example.tokens) for example in examples.values())
    assert statistics.total.entities == {"PER": 14, "ORG": 14, "LOC": 14, "MISC": 0}
    assert statistics.spans_widened == 14
    widened = list(jsonl.read_objects(built / "widened.jsonl"))
    assert {(row["surface"], row["tagged_surface"][:4]) for _, row in widened} == {("Oslo", "Oslo")}
    for split in SPLITS:
        part = [example for example in examples.values() if example.split == split]
        assert statistics.splits[split].documents == len(part)
        expected = fingerprint((example.id, example.tokens, example.ner_tags) for example in part)
        assert read_fingerprints(built)[split] == expected
    standoff = list(jsonl.read(built / "standoff.jsonl", StandoffDocument))
    assert sorted(entry.id for entry in standoff) == sorted(examples)
    for entry in standoff:
        text = examples[entry.id].text
        assert entry.extractor == "reader 1"
        assert [text[span.start - len(span.before) : span.end + len(span.after)] for span in entry.spans] == [
            span.before + span.surface + span.after for span in entry.spans
        ]
    release = json.loads((built / "release.json").read_text())
    assert release["splits"] == {split: statistics.splits[split].documents for split in SPLITS}
    assert release["tokenizer"]["spacy"]


def test_tokens_never_depend_on_annotations(built, tmp_path):
    documents = [make_document(number) for number in range(14)]
    empty = [replace(make_gold(document), spans=()) for document in documents]
    build(*make_stages(tmp_path, documents, empty), tmp_path / "out", config=CONFIG)
    with_gold, without = everything(built), everything(tmp_path / "out")
    for name, example in with_gold.items():
        assert example.tokens == without[name].tokens
        assert example.token_starts == without[name].token_starts
        assert example.split == without[name].split
        assert set(without[name].ner_tags) == {"O"}


def test_the_same_input_gives_the_same_bytes_in_any_order(built, tmp_path):
    documents = [make_document(number) for number in reversed(range(14))]
    first, second = tmp_path / "first", tmp_path / "second"
    write_stage(documents[:5], first / "documents", stage="documents", config={})
    write_stage(documents[5:], second / "documents", stage="documents", config={})
    write_stage(map(make_gold, documents), first / "gold", stage="gold", config={})
    build([second / "documents", first / "documents"], [first / "gold"], tmp_path / "out", config=CONFIG)
    assert parquet_bytes(tmp_path / "out") == parquet_bytes(built)
    for name in ("README.md", "statistics.json", "release.json", "standoff.jsonl", "widened.jsonl"):
        assert (tmp_path / "out" / name).read_bytes() == (built / name).read_bytes()


def test_offsets_are_code_points_in_any_script(tmp_path):
    text = unicodedata.normalize("NFC", AWKWARD)
    document = make_document(0, text=text)
    surfaces = [("Zoë Müller", "PER"), ("תל־אביב", "LOC"), ("مدينة", "LOC"), ("Åre", "LOC"), ("Östersund", "LOC")]
    spans = [(text.index(surface), text.index(surface) + len(surface), label) for surface, label in surfaces]
    build(*make_stages(tmp_path, [document], [make_gold(document, *spans)]), tmp_path / "out")
    (example,) = read_examples(tmp_path / "out", "train")
    assert [text[span.start : span.end] for span in example.entities] == [surface for surface, _ in surfaces]
    assert sum(tag.startswith("B-") for tag in example.ner_tags) == 5
    row = pq.read_table(tmp_path / "out/data/train-00000-of-00001.parquet").to_pylist()[0]
    assert row["text"] == text


def test_nothing_vanishes_without_a_reason(tmp_path):
    documents = [make_document(number) for number in range(5)]
    blank = make_document(7, text="\u2003\n")
    gold = [make_gold(document) for document in documents[:3]]
    gold.append(replace(make_gold(documents[3]), text_sha256="0" * 64))
    gold += [replace(make_gold(blank), spans=()), replace(gold[0], document_id="elsewhere")]
    manifest = build(*make_stages(tmp_path, [*documents, blank], gold), tmp_path / "out")
    dropped = {record.id: record.reason for record in jsonl.read(tmp_path / "out/dropped.jsonl", Dropped)}
    assert dropped == {
        "doc-003": Reason.TEXT_CHANGED,
        "doc-004": Reason.NO_ANNOTATION,
        "doc-007": Reason.EMPTY,
        "elsewhere": Reason.UNKNOWN_DOCUMENT,
    }
    assert (manifest.read, manifest.written) == (7, 3)
    assert sum(manifest.dropped.values()) == 4
    card = (tmp_path / "out/README.md").read_text()
    assert "Documents read: 6; " in card
    assert "; labels without their document: 1. " in card


def test_near_duplicates_share_a_split_and_clusters_are_heeded(tmp_path):
    documents = [make_document(number) for number in range(20)]
    words = make_text(5).split()
    alike = [make_document(30 + n, text=" ".join([*words[:-3], f"new{n}", "end", "words."])) for n in range(3)]
    everyone = [*documents, *alike]
    folders = make_stages(tmp_path, everyone, map(make_gold, everyone))
    lines = [{"ids": ["doc-001", "doc-002", "doc-003", "gone"], "representative": "gone"}]
    (tmp_path / "documents/clusters.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    build(*folders, tmp_path / "out")
    splits = {name: example.split for name, example in everything(tmp_path / "out").items()}
    assert len({splits[name] for name in ("doc-005", "doc-030", "doc-031", "doc-032")}) == 1
    assert len({splits[name] for name in ("doc-001", "doc-002", "doc-003")}) == 1
    leaks = read_statistics(tmp_path / "out").leaks
    assert leaks.shared_shingles < 0.01  # the first words of all texts


def test_given_splits_are_kept_and_their_leaks_reported(tmp_path):
    documents = [make_document(0), make_document(1), make_document(2, text=make_text(0) + " More.")]
    splits = {"doc-000": "train", "doc-001": "validation", "doc-002": "test"}
    given = Given(splits={**splits, "elsewhere": "test"})
    build(*make_stages(tmp_path, documents, map(make_gold, documents)), tmp_path / "out", given=given)
    assert {name: example.split for name, example in everything(tmp_path / "out").items()} == splits
    statistics = read_statistics(tmp_path / "out")
    assert [(leak.ids, leak.splits) for leak in statistics.torn_groups] == [(("doc-000", "doc-002"), ("test", "train"))]
    assert statistics.leaks.shared_shingles > 0.9
    assert statistics.leaks.seen_surfaces == 1.0
    card = (tmp_path / "out/README.md").read_text()
    assert "The splits of 3 documents were given. Groups of near-duplicates that lie in several splits: 1." in card


def test_ready_examples_keep_tokens_order_and_splits(built, tmp_path):
    examples = [replace(example, split="test") for example in everything(built).values()]
    words = {"tokens": ("Anna Lund",), "token_starts": (0,), "ner_tags": ("B-PER",), "sentence_starts": (0,)}
    odd = replace(examples[0], id="odd", **words)
    given = [odd, *examples[:3], Dropped("lost", Reason.LICENSE)]
    manifest = write_dataset(given, tmp_path / "out", config=BuildConfig(name="own"), inputs=["0" * 64])
    assert list(read_examples(tmp_path / "out", "test")) == given[:4]
    assert (manifest.read, manifest.written, manifest.dropped) == (5, 4, {"license": 1})
    assert read_statistics(tmp_path / "out").leaks is None
    again = write_dataset(iter(()), tmp_path / "out", config=BuildConfig(name="own"), inputs=["0" * 64])
    assert again == manifest


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda e: [e, e], "two examples have this id"),
        (lambda e: [replace(e, ner_tags=("B-DOG",) * len(e.tokens))], "unknown tag 'B-DOG'"),
        (lambda e: [replace(e, split="../x")], "cannot name a file"),
        (lambda _: [Dropped("x", Reason.EMPTY)], "no example to write: 1 of 1"),
    ],
)
def test_examples_that_cannot_be_written_leave_nothing(built, tmp_path, change, message):
    example = next(read_examples(built, "train"))
    with pytest.raises(GonerdError, match=message):
        write_dataset(change(example), tmp_path / "out", config=CONFIG, inputs=["1" * 64])
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("spans", "message"), [(((0, 4, "DOG"),), "unknown label 'DOG'"), (((0, 9_999, "PER"),), "ends after the text")]
)
def test_gold_that_does_not_fit_is_an_error(tmp_path, spans, message):
    document = make_document(0)
    folders = make_stages(tmp_path, [document], [make_gold(document, *spans)])
    with pytest.raises(GonerdError, match=message):
        build(*folders, tmp_path / "out")


def test_two_golds_for_one_document_are_an_error(tmp_path):
    document = make_document(0)
    folders = make_stages(tmp_path, [document], [make_gold(document)])
    with pytest.raises(GonerdError, match="'doc-000' is there twice"):
        build(folders[0], folders[1] * 2, tmp_path / "out")


def test_a_run_that_failed_leaves_nothing_and_one_that_was_killed_nothing_in_the_next(tmp_path, monkeypatch):
    documents = [make_document(number) for number in range(4)]
    folders = make_stages(tmp_path, documents, map(make_gold, documents))
    import gonerd.dataset.write as module

    with monkeypatch.context() as broken:
        broken.setattr(module, "write_card", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            build(*folders, tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["documents", "gold"]
    left = tmp_path / f".out.{build(*folders, tmp_path / 'other').key[:12]}.partial"
    (left / "data").mkdir(parents=True)
    (left / "data/stray.parquet").write_text("x")
    build(*folders, tmp_path / "out")
    assert "stray.parquet" not in parquet_bytes(tmp_path / "out")
    key = read_manifest(tmp_path / "out").key
    assert build(*folders, tmp_path / "out").key == key
    assert build(*folders, tmp_path / "out", config=BuildConfig(salt="other")).key != key
