"""`--data organisation/name`: gold from a Hub on loopback; each command has a process, as `datasets` needs."""

import io
import subprocess
import sys

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


def without_the_first_test_document(files):
    table, stream = pq.read_table(io.BytesIO(files[TEST])), io.BytesIO()
    pq.write_table(table.slice(1), stream)
    return {**files, TEST: stream.getvalue()}


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


def test_what_the_hub_does_not_have_is_one_line(stub):
    gonerd, _, _ = stub
    for data, more, said in (
        (NAME, ("--split", "dev"), "validation"),
        (f"{NAME}@v9", (), "no revision 'v9'"),
        ("org/none", (), "no such repository"),
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
