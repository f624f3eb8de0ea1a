"""Publishing for real, against a Hub on loopback; what is loaded from there is loaded in processes of their own."""

import hashlib
import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from dataset_support import make_document, make_gold, make_stages
from hub_stub import Hub, hub_environment, hub_stub, use_in_this_process

from gonerd.cli.main import main
from gonerd.dataset.build import BuildConfig, build

NAME = "org/my-news"


def made(folder, *, count=14, **config):
    """A dataset that may be published."""
    documents = [make_document(number) for number in range(count)]
    told = {"annotators": "two test programs", "contact": "mail@a.example", "summary": "Test news.", **config}
    build(*make_stages(folder, documents, map(make_gold, documents)), folder / "dataset", config=BuildConfig(**told))
    return folder / "dataset"


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    return made(tmp_path_factory.mktemp("first"))


@pytest.fixture(scope="module")
def second(tmp_path_factory):
    return made(tmp_path_factory.mktemp("second"), count=17, version="1.1.0")


@dataclass
class Stub:
    """A Hub and the processes that talk to it."""

    hub: Hub
    address: str
    home: Path
    capsys: pytest.CaptureFixture[str]

    def python(self, code, *arguments, check=True, **environment):
        variables = hub_environment(self.address, self.home) | environment
        done = subprocess.run(
            [sys.executable, "-c", code, *map(str, arguments)],
            env=variables, cwd=self.home, capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip
        assert not check or done.returncode == 0, done.stderr
        return done

    def publish(self, folder, *flags, name=NAME, check=True):
        """Call the command, as a user does, but for the process."""
        with pytest.raises(SystemExit) as left:
            main(["dataset", "publish", str(folder), name, *map(str, flags)])
        shown = self.capsys.readouterr()
        assert not check or left.value.code == 0, shown.err
        return subprocess.CompletedProcess([], left.value.code, shown.out, shown.err)

    def refusal(self, folder, *flags):
        """The one line that says why not; the Hub saw no write."""
        before = self.hub.writes()
        done = self.publish(folder, *flags, check=False)
        assert (done.returncode, len(done.stderr.strip().splitlines())) == (2, 1), done.stderr
        assert [line for line in self.hub.writes() if line not in before] == []
        return done.stderr

    @property
    def repository(self):
        return self.hub.repositories[NAME]

    @property
    def files(self):
        return self.repository.files()[1]


@pytest.fixture
def stub(tmp_path, monkeypatch, capsys):
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("COLUMNS", "1000")
    with hub_stub() as (hub, address):
        use_in_this_process(monkeypatch, address, tmp_path / "home" / "cache")
        yield Stub(hub, address, tmp_path / "home", capsys)


def test_a_folder_goes_up_in_one_commit_with_a_tag_and_checksums(stub, first):
    shown = stub.publish(first).stdout
    assert len(stub.repository.commits) == 2  # the Hub's own, and ours
    assert stub.repository.tags == {"v1.0.0": stub.repository.head}
    assert stub.repository.head in shown
    local = {path.relative_to(first).as_posix(): path.read_bytes() for path in first.rglob("*") if path.is_file()}
    local["README.md"] = local["README.md"].replace(
        b'load_dataset("PATH")  # this folder, or the repository that it was published to',
        b'load_dataset("org/my-news")',
    )
    assert b'dataset = load_dataset("org/my-news")\n' in local["README.md"]
    assert {name: stub.files[name] for name in local} == local
    assert set(stub.files) - set(local) == {".gitattributes", "SHA256SUMS"}
    sums = dict(line.split("  ")[::-1] for line in stub.files["SHA256SUMS"].decode().splitlines())
    assert sums == {name: hashlib.sha256(content).hexdigest() for name, content in local.items()}
    assert {"release.json", "standoff.jsonl", "croissant.json", "README.md"} <= set(sums)


def test_the_same_again_makes_no_new_commit(stub, first, tmp_path):
    stub.publish(first)
    before = stub.repository.commits[:]
    assert "already" in stub.publish(first, "--dry-run").stdout
    stub.publish(first)
    rebuilt = made(tmp_path)  # the same dataset, built at another time
    manifest = json.loads((rebuilt / "manifest.json").read_text())
    (rebuilt / "manifest.json").write_text(json.dumps({**manifest, "finished_at": "2020-01-01T00:00:00+00:00"}))
    stub.publish(rebuilt)
    assert stub.repository.commits == before


def test_a_dry_run_shows_what_would_change_and_changes_nothing(stub, first, second):
    assert "added: 12" in stub.publish(first, "--dry-run").stdout
    assert stub.hub.repositories == {}
    stub.publish(first)
    stub.repository.commit({**stub.files, "eval.yaml": b"theirs", "data/extra-00000-of-00001.parquet": b"old"})
    before = stub.repository.commits[:]
    lines = stub.publish(second, "--dry-run").stdout.splitlines()
    assert lines[0] == "added: 0"
    assert lines[1].startswith("changed: ")
    assert "data/train-00000-of-00001.parquet" in lines[1]
    assert lines[2] == "removed: 1 (data/extra-00000-of-00001.parquet)"
    assert stub.repository.commits == before
    stub.publish(second)
    assert "data/extra-00000-of-00001.parquet" not in stub.files
    assert stub.files["eval.yaml"] == b"theirs"  # belongs to no dataset of ours: left alone


def test_a_second_version_is_a_second_commit_and_tag(stub, first, second, tmp_path):
    stub.publish(first)
    stub.publish(second)
    assert list(stub.repository.tags) == ["v1.0.0", "v1.1.0"]
    assert len(set(stub.repository.tags.values())) == 2
    assert stub.repository.tags["v1.1.0"] == stub.repository.head
    stub.publish(first)  # an old version again: it is there
    assert stub.repository.tags["v1.1.0"] == stub.repository.head
    other = made(tmp_path, count=9)
    assert "v1.0.0 is published already with another content" in stub.refusal(other)
    assert "--version" in stub.refusal(other)


@pytest.mark.parametrize(
    ("part", "left"),
    [
        ("repos/create", 0),
        ("preupload", 0),
        ("objects/batch", 0),
        ("blobs", 0),
        ("blobs", 2),
        ("commit", 0),
        ("/tag", 0),
    ],
)
def test_an_interrupted_push_leaves_no_half_version_and_the_next_one_finishes(stub, first, second, part, left):
    if part != "repos/create":
        stub.publish(first)
    stub.hub.fail_on = (part, left)
    done = stub.publish(second, check=False)
    assert (done.returncode, len(done.stderr.strip().splitlines())) == (2, 1), done.stderr
    assert "v1.1.0" not in (stub.repository.tags if stub.hub.repositories else {})
    if part not in ("/tag", "repos/create"):
        assert len(stub.repository.commits) == 2  # what is visible is still the first version, whole
    stub.hub.fail_on = None
    stub.publish(second)
    assert stub.repository.tags["v1.1.0"] == stub.repository.head
    assert len(stub.repository.commits) == (2 if part == "repos/create" else 3)
    train = "data/train-00000-of-00001.parquet"
    assert stub.files[train] == (second / train).read_bytes()


def test_a_private_repository_stays_private(stub, first):
    stub.publish(first, "--private")
    assert stub.repository.private
    assert "added: 0" in stub.publish(first, "--private").stdout
    stub.repository.private = False
    assert "is public" in stub.refusal(first, "--private")


@pytest.fixture
def spoilt(first, tmp_path):
    shutil.copytree(first, tmp_path / "dataset")
    return tmp_path / "dataset"


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("README.md", lambda text: text.replace("license: cc0-1.0\n", ""), "README.md does not give license"),
        ("README.md", lambda text: text + "{{ left }}", "README.md has unfilled fields"),
        ("README.md", lambda text: text.replace("num_examples: 8", "num_examples: 9"), "counts other documents"),
        ("README.md", lambda _: "no front matter", "README.md does not give license"),
        ("README.md", lambda _: "---\na: [\n---\n", "no readable front matter"),
        ("standoff.jsonl", lambda text: text.replace("Anna", "Hanna"), "not the file that release.json names"),
        ("manifest.json", lambda text: text.replace('"contact": "mail@a.example"', '"contact": ""'), "--contact"),
        ("croissant.json", None, "croissant.json is missing"),
        ("data/test-00000-of-00001.parquet", None, "test-00000-of-00001.parquet is missing"),
        ("data/test-00000-of-00001.parquet", lambda _: "x", "is not the file that manifest.json names"),
    ],
)
def test_an_incomplete_folder_is_refused(spoilt, name, change, message):
    from gonerd.dataset.publishable import check_publishable
    from gonerd.errors import GonerdError

    check_publishable(spoilt)
    path = spoilt / name
    if change is None:
        path.unlink()
    elif name.endswith(".parquet"):
        shutil.copyfile(spoilt / "data/train-00000-of-00001.parquet", path)
    else:
        path.write_text(change(path.read_text(encoding="utf-8")), encoding="utf-8")
    with pytest.raises(GonerdError, match=message):
        check_publishable(spoilt)


def test_what_the_readme_builds_may_be_published(tmp_path, monkeypatch):
    import re
    import shlex

    from gonerd.dataset.publishable import check_publishable

    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    readme = readme.replace("\\\n", " ")
    (command,) = re.findall(r"(?m)^gonerd (dataset build --documents documents --gold .*)", readme)
    documents = [make_document(number) for number in range(14)]
    make_stages(tmp_path, documents, map(make_gold, documents))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as left:
        main(shlex.split(command))
    assert left.value.code == 0
    check_publishable(tmp_path / "dataset")


def test_a_folder_that_is_refused_is_not_sent(stub, spoilt):
    (spoilt / "croissant.json").unlink()
    assert "croissant.json is missing" in stub.refusal(spoilt)
    assert stub.hub.requests == []


def test_documents_without_a_licence_are_refused(tmp_path):
    from gonerd.dataset.publishable import check_publishable
    from gonerd.errors import GonerdError

    documents = [make_document(n, license=None if n == 3 else "CC0-1.0") for n in range(6)]
    stages = make_stages(tmp_path, documents, map(make_gold, documents))
    told = BuildConfig(annotators="a", contact="b", any_license=True)
    build(*stages, tmp_path / "out", config=told)
    with pytest.raises(GonerdError, match=r"1 documents have no licence \(doc-003\)"):
        check_publishable(tmp_path / "out")


def test_a_licence_that_forbids_to_pass_text_on_stays_at_home(tmp_path):
    from dataclasses import replace

    from gonerd.dataset.publishable import check_publishable
    from gonerd.errors import GonerdError

    documents = [make_document(n, license="All rights reserved" if n == 3 else "CC0-1.0") for n in range(6)]
    stages = make_stages(tmp_path, documents, map(make_gold, documents))
    told = BuildConfig(annotators="a", contact="b", any_license=True)
    build(*stages, tmp_path / "out", config=told)
    with pytest.raises(GonerdError, match="the licence 'All rights reserved': not a licence known to allow"):
        check_publishable(tmp_path / "out")
    build(*stages, tmp_path / "bare", config=replace(told, any_license=False, standoff_only=True))
    check_publishable(tmp_path / "bare")


def test_files_that_no_dataset_has_are_not_published_and_named(stub, spoilt):
    (spoilt / "notes.txt").write_text("mine")
    assert "notes.txt" in stub.publish(spoilt).stdout
    assert "notes.txt" not in stub.files


def build_without(folder, name):
    """A later version that has not the document, and knows nothing of the request."""
    documents = [document for document in map(make_document, range(14)) if document.id != name]
    stages = make_stages(folder, documents, map(make_gold, documents))
    build(*stages, folder / "dataset", config=BuildConfig(annotators="a", contact="b", version="1.0.2"))
    return folder / "dataset"


def test_what_was_to_be_removed_is_not_published(stub, first, second, tmp_path):
    from gonerd.dataset.build import Given

    (tmp_path / "removed.toml").write_text('[[removed]]\nid = "doc-002"\ndate = 2026-01-01\n')
    refused = stub.refusal(first, "--removed", tmp_path / "removed.toml")
    assert "1 documents are in it that were to be removed (doc-002)" in refused
    assert "--version" in refused
    stub.publish(first)
    documents = [make_document(number) for number in range(14)]
    stages = make_stages(tmp_path / "stages", documents, map(make_gold, documents))
    told = BuildConfig(annotators="a", contact="b", version="1.0.1")
    build(*stages, tmp_path / "less", config=told, given=Given(removed=tmp_path / "removed.toml"))
    shown = stub.publish(tmp_path / "less", "--removed", tmp_path / "removed.toml").stdout
    assert "removed.toml: 1 requests" in shown
    assert b"doc-002" in stub.files["removed.toml"]
    assert b"doc-002" not in stub.files["standoff.jsonl"]
    assert "removed.toml of org/my-news" in stub.refusal(second)  # a later version that brings it back
    forgetful = build_without(tmp_path / "forgetful", "doc-002")
    assert "without 1 of the requests for removal that removed.toml of org/my-news has" in stub.refusal(forgetful)


def test_statistics_and_differences_of_what_is_published(stub, first, second, capsys):
    from gonerd.cli.dataset import app
    from gonerd.errors import GonerdError

    def gonerd(*arguments):
        return app([str(argument) for argument in arguments], result_action="return_value")

    stub.publish(first)
    stub.publish(second)
    capsys.readouterr()
    gonerd("stats", NAME, "--json")
    assert json.loads(capsys.readouterr().out)["total"]["documents"] == 17
    gonerd("stats", "sample")
    assert gonerd("diff", f"{NAME}@v1.0.0", NAME) == 1
    assert "added: 3" in capsys.readouterr().out
    assert gonerd("diff", first, f"{NAME}@v1.0.0") == 0
    for name, message in (("smaple", "Did you mean 'sample'"), ("org/none", "no such repository")):
        with pytest.raises(GonerdError, match=message):
            gonerd("stats", name)
    with pytest.raises(GonerdError, match="own folder"):
        gonerd("stats", "sample", "--plots")


LOAD = """
import json, sys
from datasets import load_dataset
found = {}
plain = load_dataset("org/my-news")
assert "gonerd" not in sys.modules
found["plain"] = {split: rows["id"][:] for split, rows in plain.items()}
found["names"] = plain["train"].features["ner_tags"].feature.names
found["streamed"] = [row["id"] for row in load_dataset("org/my-news", split="test", streaming=True)]
found["tag"] = load_dataset("org/my-news", revision="v1.0.0", split="train").num_rows
import gonerd
ours = gonerd.load(repo="org/my-news")
found["ours"] = {split: rows["id"][:] for split, rows in ours.items()}
found["said"] = ours["train"].info.description
found["sums"] = ours["train"].info.download_checksums
found["our_stream"] = [row["id"] for row in gonerd.load(repo="org/my-news", split="test", streaming=True)]
found["our_tag"] = gonerd.load(repo="org/my-news", revision="v1.0.0", split="train").num_rows
print(json.dumps(found))
"""


def test_what_was_published_loads_with_and_without_gonerd(stub, first, second):
    stub.publish(first)
    stub.publish(second)
    found = json.loads(stub.python(LOAD).stdout.splitlines()[-1])
    assert sum(map(len, found["plain"].values())) == 17
    assert found["ours"] == found["plain"]
    assert found["streamed"] == found["our_stream"] == found["plain"]["test"]
    assert found["names"][:3] == ["O", "B-PER", "I-PER"]
    assert found["tag"] == found["our_tag"] < len(found["plain"]["train"])
    assert f"{NAME}@{stub.repository.head}" in found["said"]
    sums = {name.rpartition("/")[2]: entry["checksum"] for name, entry in found["sums"].items()}
    train = "train-00000-of-00001.parquet"
    assert sums[train] == hashlib.sha256((second / "data" / train).read_bytes()).hexdigest()


ASKED = """
import json, sys
import gonerd
from datasets import load_dataset
for line in sys.stdin:
    try:
        loaded = gonerd.load(repo="org/my-news", **json.loads(line))
        same = load_dataset("gonerd", repo="org/my-news", **json.loads(line))
        assert same.cache_files == loaded.cache_files
        print(sum(split.num_rows for split in loaded.values()), flush=True)
    except gonerd.errors.GonerdError as error:
        print(error, flush=True)
"""


def test_a_new_version_is_not_passed_over_and_the_last_is_there_without_the_hub(stub, first, second, tmp_path):
    command, cwd, environment = [sys.executable, "-c", ASKED], stub.home, hub_environment(stub.address, stub.home)
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, cwd=cwd, env=environment, text=True, **pipes) as process:

        def rows(**given):
            process.stdin.write(json.dumps({"cache_dir": str(tmp_path / "cache"), **given}) + "\n")
            process.stdin.flush()
            return process.stdout.readline().strip()

        stub.publish(first)
        assert rows() == "14"
        stub.publish(second)
        assert rows(revision="v1.0.0") == "14"
        assert rows() == "17"
        stub.hub.fail_on = ("/api/datasets", 0)
        assert rows() == "17"
        assert rows(revision="v1.0.0") == "14"
        assert "cannot be had from the Hub" in rows(cache_dir=str(tmp_path / "another"))


HIDDEN = """
import json
from datasets import load_dataset
import gonerd
found = {}
for name, loaded in (("plain", load_dataset("org/my-news")), ("ours", gonerd.load(repo="org/my-news"))):
    rows = loaded["test"]
    found[name] = [rows["id"][:], rows["tokens"][:], rows["ner_tags"][:], rows["entities"][:]]
    assert all(tags for tags in loaded["train"]["ner_tags"]), "only the test split is hidden"
    assert rows.features["ner_tags"].feature.names[0] == "O"
print(json.dumps(found))
"""


def test_hidden_labels_are_nowhere_in_the_repository_and_whole_in_their_folder(stub, first, second, tmp_path):
    from gonerd.dataset.build import Given
    from gonerd.dataset.examples import read_examples
    from gonerd.dataset.release import read_standoff

    gold = list(read_examples(first, "test"))
    kept = tmp_path / "kept"
    assert str(kept) in stub.publish(first, "--hide-labels", "test", "--gold", kept).stdout
    assert list(read_examples(kept / "test.jsonl", "test")) == gold
    found = json.loads(stub.python(HIDDEN).stdout.splitlines()[-1])
    for ids, tokens, tags, entities in found.values():
        assert ids == [example.id for example in gold]
        assert tokens == [list(example.tokens) for example in gold]
        assert {*map(str, tags), *map(str, entities)} == {"None"}
    lines = [json.loads(line) for line in stub.files["standoff.jsonl"].decode().splitlines()]
    assert {line["split"]: bool(line["spans"]) for line in lines} == {"train": True, "validation": True, "test": False}
    assert "The labels of `test` are not published" in stub.files["README.md"].decode()
    before = json.loads((first / "manifest.json").read_text())["config"]["fingerprints"]["test"]
    for name in ("manifest.json", "release.json", "README.md", "croissant.json"):
        assert before["gold"] not in stub.files[name].decode()
    assert before["inputs"] in stub.files["manifest.json"].decode()
    assert json.loads((kept / "gold.json").read_text())["fingerprint"] == before
    stub.publish(first, "--hide-labels", "test", "--gold", kept)
    assert len(stub.repository.commits) == 2
    assert "would reveal them" in stub.refusal(second)  # a later version without the option
    documents = [make_document(number) for number in range(17)]
    stages = make_stages(tmp_path, documents, map(make_gold, documents))
    told = BuildConfig(annotators="a", contact="b", version="1.2.0")
    splits = {entry.id: entry.split for entry in read_standoff(first)}
    build(*stages, tmp_path / "moved", config=told, given=Given(splits={**splits, gold[0].id: "train"}))
    refused = stub.refusal(tmp_path / "moved", "--hide-labels", "test", "--gold", tmp_path / "other")
    assert f"1 documents are in splits with labels ({gold[0].id}), but the repository hides theirs" in refused
    assert "--previous" in refused
    build(*stages, tmp_path / "later", config=told, given=Given(previous=first))
    shown = stub.publish(tmp_path / "later", "--hide-labels", "test", "--gold", tmp_path / "no", "--dry-run").stdout
    assert "changed: " in shown
    assert not (tmp_path / "no").exists()


def test_no_hidden_label_is_told_by_the_list_of_widened_spans(tmp_path):
    from gonerd.dataset.hidden import hide_labels

    documents = [make_document(number) for number in range(12)]
    gold = [make_gold(document, (1, 9, "PER")) for document in documents]  # begins inside a word
    build(*make_stages(tmp_path, documents, gold), tmp_path / "dataset", config=BuildConfig())
    widened = (tmp_path / "dataset" / "widened.jsonl").read_text().splitlines()
    hide_labels(tmp_path / "dataset", "test", out=tmp_path / "out", gold=tmp_path / "gold")
    left = (tmp_path / "out" / "widened.jsonl").read_text().splitlines()
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    hidden = next(shard["records"] for shard in manifest["outputs"] if "test" in shard["name"])
    assert len(widened) == 12
    assert len(left) == 12 - hidden
    statistics = json.loads((tmp_path / "dataset" / "statistics.json").read_text())
    assert statistics["total"] == json.loads((tmp_path / "out" / "statistics.json").read_text())["total"]


def test_no_hidden_label_is_told_by_the_statistics(tmp_path):
    """A name of the test split with two labels would be an example of an ambiguous one."""
    from gonerd.dataset.hidden import hide_labels

    documents = [make_document(number) for number in range(12)]
    gold = [make_gold(document, (0, 9, "PER" if n % 2 else "ORG")) for n, document in enumerate(documents)]
    build(*make_stages(tmp_path, documents, gold), tmp_path / "dataset", config=BuildConfig())
    hide_labels(tmp_path / "dataset", "test", out=tmp_path / "out", gold=tmp_path / "gold")
    assert "Anna Lund" in (tmp_path / "dataset" / "statistics.json").read_text()
    assert "Anna Lund" not in (tmp_path / "out" / "statistics.json").read_text()


def test_a_dataset_without_its_text_is_published_too(stub, tmp_path):
    folder = made(tmp_path, standoff_only=True)
    stub.publish(folder)
    assert {"standoff.jsonl", "release.json", "README.md"} <= set(stub.files)
    assert not [name for name in stub.files if name.endswith(".parquet")]
    stub.publish(folder)
    assert len(stub.repository.commits) == 2


@pytest.mark.parametrize(
    ("split", "gold", "message"),
    [("tset", "gold", "unknown split 'tset'. Did you mean 'test'"), ("test", "dataset/x", "cannot lie inside")],
)
def test_labels_cannot_be_hidden_so(first, tmp_path, split, gold, message):
    from gonerd.dataset.hidden import hide_labels
    from gonerd.errors import GonerdError

    shutil.copytree(first, tmp_path / "dataset")
    with pytest.raises(GonerdError, match=message):
        hide_labels(tmp_path / "dataset", split, out=tmp_path / "out", gold=tmp_path / gold)
    assert not (tmp_path / "dataset" / "x").exists()
