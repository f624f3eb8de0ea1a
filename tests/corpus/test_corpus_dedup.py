import random

import pytest

from gonerd import store
from gonerd.corpus.dedup import CLUSTERS, Choice, Cluster, dedup
from gonerd.errors import GonerdError
from gonerd.formats import jsonl
from gonerd.records import Document, Dropped
from gonerd.similarity import SimilarityConfig


def text(seed, *, words=300, changed=0):
    rng = random.Random(seed)
    made = [f"w{rng.randrange(5000)}" for _ in range(words)]
    for n in range(changed):
        made[n * 37 % words] = "changed"
    return " ".join(made)


def corpus():
    return [
        Document("late", text(1), "s", published="2025-02-02"),
        Document("early", text(1, changed=2), "s", published="2025-02-01"),
        Document("undated", text(1) + " and more", "s"),
        Document("short", text(2), "s"),
        Document("long", text(2) + " with a tail of words", "s"),
        Document("b", text(3), "s"),
        Document("a", text(3), "s"),
        Document("alone", text(4), "s"),
        Document("twice", text(5), "s"),
        Document("twice", text(6), "s"),
        Document("same", text(7), "s"),
        Document("same", text(7), "s"),
    ]


def deduplicated(tmp_path, documents, *, shards=1):
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir(parents=True)
    run = store.Run("extract", {}, ())
    made = []
    for number in range(shards):
        part = documents[number::shards]
        name = f"{number:05d}.jsonl"
        jsonl.write(folder / name, part)
        made.append(store.Shard(name, store.sha256_file(folder / name), len(part)))
    store.write_json(folder / store.MANIFEST, run.manifest(made, read=len(documents), dropped=[]))
    manifest = dedup(folder, out)
    return manifest, list(store.read_records(out, Document)), out


def test_the_representative_is_earliest_then_longest_then_first_by_id(tmp_path):
    manifest, kept, out = deduplicated(tmp_path, corpus())
    assert {document.id for document in kept} == {"early", "long", "a", "alone", "twice", "same"}
    assert len(kept) == 6
    details = {(d.id, d.detail) for d in jsonl.read(out / store.DROPPED, Dropped)}
    assert {("late", "early"), ("undated", "early"), ("short", "long"), ("b", "a")} <= details
    assert {("same", "the same document came twice"), ("twice", "another text of the same document is kept")} <= details
    assert manifest.dropped == {"duplicate_body": 2, "near_duplicate": 4}
    assert list(jsonl.read(out / CLUSTERS, Cluster)) == [
        Cluster(("a", "b"), "a"),
        Cluster(("early", "late", "undated"), "early"),
        Cluster(("long", "short"), "long"),
    ]


@pytest.mark.parametrize("seed", range(5))
def test_order_and_shards_change_nothing(tmp_path, seed):
    rng = random.Random(seed)
    documents = corpus()
    _, calm, out = deduplicated(tmp_path / "calm", documents)
    rng.shuffle(documents)
    _, kept, shuffled = deduplicated(tmp_path / "shuffled", documents, shards=seed % 3 + 1)
    assert sorted((d.id, d.text_sha256) for d in kept) == sorted((d.id, d.text_sha256) for d in calm)
    assert (out / CLUSTERS).read_bytes() == (shuffled / CLUSTERS).read_bytes()


def test_a_looked_up_run_and_a_changed_one(tmp_path):
    manifest, _, out = deduplicated(tmp_path, corpus())
    assert dedup(tmp_path / "in", out) == manifest
    changed = dedup(tmp_path / "in", out, config=SimilarityConfig(threshold=1.0))
    assert changed.written > manifest.written
    with pytest.raises(GonerdError, match="no such folder"):
        dedup(tmp_path / "none", out)


def test_nothing_to_do():
    choice = Choice(list, SimilarityConfig())
    assert (list(choice.kept([])), list(choice.clusters()), list(choice.refused())) == ([], [], [])


def test_ids_are_unique_and_a_text_that_gives_way_takes_no_other_with_it(tmp_path):
    documents = [
        Document("page", text(8, words=400), "s"),
        Document("page", text(9), "s"),  # gives way to the longer text of its id
        Document("other", text(9, changed=2), "s"),  # near the text that gave way: nothing like it is kept
        Document("page", text(8, words=400), "s"),
    ]
    manifest, kept, out = deduplicated(tmp_path, documents, shards=2)
    assert sorted(document.id for document in kept) == ["other", "page"]
    assert {document.text for document in kept} == {documents[0].text, documents[2].text}
    assert manifest.dropped == {"duplicate_body": 2}
    assert list(jsonl.read(out / CLUSTERS, Cluster)) == []
