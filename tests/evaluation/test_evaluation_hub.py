"""`--data organisation/name`: gold from a Hub on loopback; each command has a process, as `datasets` needs."""

import io
import json
import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hub_stub import hub_environment, hub_stub

from gonerd.dataset.examples import read_examples
from gonerd.dataset.releases import releases
from gonerd.evaluation.result import read_result
from gonerd.formats import jsonl
from gonerd.records import Prediction

NAME = "org/my-news"
SAMPLE = releases().rows["sample"].path
TEST = "data/test-00000-of-00001.parquet"


def parquet(table):
    stream = io.BytesIO()
    pq.write_table(table, stream)
    return stream.getvalue()


def without_the_first_test_document(files):
    return {**files, TEST: parquet(pq.read_table(io.BytesIO(files[TEST])).slice(1))}


def of_other_make(examples):
    """Return a file as most datasets for this task have it: words, and the integers of tags in another order."""
    names = ["O", *sorted({tag for row in examples for tag in row.ner_tags} - {"O"})]
    columns = {
        "doc_id": [row.id for row in examples],
        "words": [row.tokens for row in examples],
        "tags": [[names.index(tag) for tag in row.ner_tags] for row in examples],
    }
    text, tag = {"dtype": "string", "_type": "Value"}, {"names": names, "_type": "ClassLabel"}
    lists = {"words": {"feature": text, "_type": "List"}, "tags": {"feature": tag, "_type": "List"}}
    told = json.dumps({"info": {"features": {"doc_id": text, **lists}}})
    return parquet(pa.table(columns).replace_schema_metadata({"huggingface": told}))


@pytest.fixture(scope="module")
def stub(tmp_path_factory):
    """Serve the sample as a first version with a tag, and as a second with a document less; give a caller."""
    home = tmp_path_factory.mktemp("home")
    files = {path.relative_to(SAMPLE).as_posix(): path.read_bytes() for path in SAMPLE.rglob("*") if path.is_file()}
    examples = list(read_examples(SAMPLE, "test"))
    for name, rows in (("first", examples), ("second", examples[1:])):
        jsonl.write(home / f"{name}.jsonl", [Prediction(row.id, ner_tags=row.ner_tags) for row in rows])

    def gonerd(*arguments):
        return subprocess.run(
            [sys.executable, "-m", "gonerd", "evaluate", *arguments], env=hub_environment(address, home),
            cwd=home, capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip

    with hub_stub() as (hub, address):
        hub.add(NAME, files)
        repository = hub.repositories[NAME]
        repository.tags["v1.0.0"] = repository.head
        hub.add(NAME, without_the_first_test_document(files))
        hub.add("org/other", {TEST: of_other_make(examples)})
        hub.add("org/odd", {TEST: parquet(pa.table({"text": ["a"], "stars": [5]}))})
        yield gonerd, repository, home


def result_of(done, home):
    assert done.returncode == 0, done.stderr
    return read_result(home / done.stdout.splitlines()[-1])


def test_a_dataset_on_the_hub_is_read_at_the_commit_that_the_result_names(stub):
    gonerd, repository, home = stub
    newest = result_of(gonerd("second.jsonl", "--data", NAME), home)
    tagged = result_of(gonerd("first.jsonl", "--data", f"{NAME}@v1.0.0"), home)
    assert newest.data.revision == repository.head
    assert tagged.data.revision == repository.tags["v1.0.0"]
    assert newest.data.name == tagged.data.name == NAME
    assert newest.data.inputs != tagged.data.inputs
    assert newest.strict.micro.f1 == tagged.strict.micro.f1 == 1.0
    assert newest.path.name.startswith("org__my-news-test-")


def test_a_dataset_of_other_make_is_read_by_its_own_names(stub):
    gonerd, _, home = stub
    result = result_of(gonerd("first.jsonl", "--data", "org/other"), home)
    assert result.strict.micro.f1 == 1.0
    assert result.strict.micro.gold > 100


def test_what_the_hub_does_not_have_is_one_line(stub):
    gonerd, _, _ = stub
    for data, more, said in (
        (NAME, ("--split", "dev"), "validation"),
        (f"{NAME}@v9", (), "no revision 'v9'"),
        ("org/none", (), "no such repository"),
        ("org/odd", (), "the row has: stars, text"),
    ):
        done = gonerd("first.jsonl", "--data", data, *more)
        assert done.returncode == 2
        assert said in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1, done.stderr


def test_a_dataset_that_moved_on_is_not_read_from_a_stale_cache(stub):
    gonerd, repository, home = stub
    before = result_of(gonerd("second.jsonl", "--data", NAME), home)
    repository.commit(repository.files(repository.tags["v1.0.0"])[1])
    after = result_of(gonerd("first.jsonl", "--data", NAME), home)
    assert after.data.documents == before.data.documents + 1
