"""What is on disk so that memory does not grow: the same figures as if all were in memory."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from dataset_support import CONFIG, make_document, make_gold, make_stages
from hypothesis import given, settings
from hypothesis import strategies as st

from gonerd.dataset import leaks, names
from gonerd.dataset.build import build
from gonerd.dataset.leaks import Sketch
from gonerd.dataset.lookup import Lookup
from gonerd.errors import GonerdError
from gonerd.formats import jsonl
from gonerd.formats.parquet import read_rows
from gonerd.records import Document, sha256_of
from gonerd.store import read_json


def test_statistics_do_not_depend_on_what_fits_in_memory(tmp_path, monkeypatch):
    documents = [
        make_document(n, title=f"Title {n % 3}", text=f"Anna Lund met Oslo{n % 4} again {n}.") for n in range(9)
    ]
    spans = [((0, 9, ("PER", "ORG")[n % 4 == 0]), (14, 19, "LOC")) for n in range(9)]
    gold = [make_gold(document, *found) for document, found in zip(documents, spans, strict=True)]
    folders = make_stages(tmp_path, documents, gold)
    config = replace(CONFIG, group_threshold=1.0)
    build(*folders, tmp_path / "whole", config=config)
    monkeypatch.setattr(names, "_IN_MEMORY", 1)
    build(*folders, tmp_path / "little", config=replace(config, summary="another"))
    found = read_json(tmp_path / "little/statistics.json")
    assert found == read_json(tmp_path / "whole/statistics.json")
    assert found["ambiguity"]["surfaces"] == 5
    assert found["ambiguity"]["examples"] == [{"surface": "Anna Lund", "labels": {"PER": 6, "ORG": 3}}]
    assert found["leaks"]["shared_titles"]
    assert 0 < found["leaks"]["seen_surfaces"] <= 1


@given(st.lists(st.integers(0, 300), max_size=400), st.integers(2, 60), st.integers(1, 50))
@settings(max_examples=60, deadline=None)
def test_a_sketch_keeps_the_hashes_that_end_in_enough_zeros(values, limit, step):
    sketch = Sketch(limit=limit)
    hashes = np.array(values, dtype=np.uint64)
    for start in range(0, len(values), step):
        sketch.add(hashes[start : start + step])
    kept = sketch.values(sketch.bits).tolist()
    assert kept == sorted({value for value in values if value % (1 << sketch.bits) == 0})
    assert len(kept) <= limit


def test_a_share_of_thinned_shingles_is_near_the_whole_share(tmp_path, monkeypatch):
    texts = [
        f"{' '.join(f'w{n}x{i}' for i in range(400))} {' '.join(f'same{i}' for i in range(400))}" for n in range(8)
    ]
    documents = [make_document(n, text=text) for n, text in enumerate(texts)]
    folders = make_stages(tmp_path, documents, [make_gold(document, (0, 4, "PER")) for document in documents])
    config = replace(CONFIG, group_threshold=1.0)
    build(*folders, tmp_path / "whole", config=config)
    monkeypatch.setattr(leaks.Sketch.__init__, "__kwdefaults__", {"limit": 700})
    build(*folders, tmp_path / "little", config=replace(config, summary="another"))
    whole, little = (read_json(tmp_path / name / "statistics.json")["leaks"] for name in ("whole", "little"))
    assert little["shared_shingles"] == pytest.approx(whole["shared_shingles"], abs=0.1)
    assert little["shared_shingles"] != whole["shared_shingles"]


def test_a_lookup_reads_records_wherever_they_lie(tmp_path):
    documents = [make_document(n, text=f"Zoë 👩‍👩‍👧 {n} \u2028 {'x' * n}") for n in range(30)]
    jsonl.write(tmp_path / "a.jsonl", documents[:10])
    jsonl.write(tmp_path / "b.jsonl", documents[10:])
    lookup = Lookup([tmp_path / "a.jsonl", tmp_path / "b.jsonl"], Document, key="id")
    assert list(lookup.fill()) == documents
    assert (len(lookup), "doc-003" in lookup, "doc-030" in lookup) == (30, True, False)
    assert all(lookup[document.id] == document for document in reversed(documents))
    assert lookup.text_sha256("doc-012") == documents[12].text_sha256
    assert lookup.text_sha256("elsewhere") is None
    assert list(lookup.names()) == sorted(document.id for document in documents)
    assert list(lookup.shuffled()) == sorted((document.id for document in documents), key=sha256_of)
    with pytest.raises(KeyError):
        lookup["elsewhere"]
    twice = Lookup([tmp_path / "a.jsonl"] * 2, Document, key="id")
    with pytest.raises(GonerdError, match="'doc-000' is there twice"):
        Counter(document.id for document in twice.fill())


def test_reading_a_parquet_file_holds_no_more_for_many_row_groups(tmp_path):
    """A reader of a whole file holds something of every row group: 150 MiB for a million documents."""
    table = pa.table(
        {"id": [f"{n:06d}" for n in range(64)], "words": [[f"{n}w{k}" for k in range(500)] for n in range(64)]}
    )

    def most_held(groups: int) -> int:
        path = tmp_path / f"{groups}.parquet"
        with pq.ParquetWriter(path, table.schema) as writer:
            for _ in range(groups):
                writer.write_table(table)
        before, held = pa.total_allocated_bytes(), []
        for number, row in enumerate(read_rows(path, columns=("words", "not there"), batch=16)):
            assert row == {"words": [f"{number % 64}w{k}" for k in range(500)]}
            held.append(pa.total_allocated_bytes() - before)
        assert len(held) == 64 * groups
        return max(held)

    assert most_held(40) < 2 * most_held(4)
