"""The README's way with a dataset, from an installed wheel in an empty folder: build, align, export, publish, load."""

import json
import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest
from dataset_support import make_document, make_gold, make_stages
from hub_stub import hub_environment, hub_stub
from test_dataset_load import run

pytestmark = pytest.mark.slow
COUNT = 14
BIN = "Scripts" if os.name == "nt" else "bin"

ALIGN = """
import json
import gonerd
from transformers import AutoTokenizer
tokenizer = AutoTokenizer.from_pretrained("tokenizer")
split = gonerd.load("sample", split="test")
aligner = gonerd.align_labels(tokenizer, max_length=512, stride=128)
rows = split.map(aligner, batched=True, remove_columns=split.column_names)
labelled = [label for row in rows["labels"] for label in row if label != -100]
print(json.dumps({
    "where": gonerd.__file__,
    "words": sum(map(len, split["tokens"])),
    "labelled": len(labelled),
    "windows": rows.num_rows,
    "documents": split.num_rows,
    "longest": max(map(len, rows["input_ids"])),
}))
"""

EXPORT = """
import json
from pathlib import Path
import gonerd
from gonerd.dataset.examples import read_examples
from gonerd.dataset.export import export, import_conll, import_jsonl, import_spacy, import_standoff
from gonerd.records import Document
from gonerd.store import read_records
examples = list(read_examples("dataset", "train"))
for form in ("jsonl", "spacy", "standoff"):
    assert export(examples, Path("train." + form), form=form) == len(examples)
documents = {document.id: document for document in read_records(Path("documents"), Document)}
words = lambda rows: [(row.id, row.tokens, row.ner_tags, row.sentence_starts) for row in rows]
print(json.dumps({
    "where": gonerd.__file__,
    "jsonl": list(import_jsonl(Path("train.jsonl"), split="train")) == examples,
    "spacy": list(import_spacy(Path("train.spacy"), split="train")) == examples,
    "standoff": list(import_standoff(Path("train.standoff"), documents=documents)) == examples,
    "conll": words(import_conll(Path("train.conll"), split="train")) == words(examples),
}))
"""

LOAD = """
import json
import gonerd
from datasets import load_dataset
ours, plain = load_dataset("gonerd", repo="org/my-news"), load_dataset("org/my-news")
print(json.dumps({
    "where": gonerd.__file__,
    "ours": {split: rows["id"][:] for split, rows in ours.items()},
    "plain": {split: rows["id"][:] for split, rows in plain.items()},
}))
"""


@pytest.fixture(scope="module")
def place(wheel, tmp_path_factory):
    """An environment with gonerd from the wheel, all else from this one, and an empty folder to work in."""
    folder = tmp_path_factory.mktemp("installed")
    venv.create(folder / "environment", with_pip=True)
    install = [folder / "environment" / BIN / "python", "-m", "pip", "install", "-q", "--no-deps", "--no-index", wheel]
    subprocess.run(install, check=True, cwd=folder)
    here = sysconfig.get_path("purelib", vars={"base": str(folder / "environment")})
    # The folders alone: what makes this environment's gonerd an editable install lies in their .pth files.
    others = [path for path in sys.path if path.endswith("site-packages")]
    Path(here, "others.pth").write_text("\n".join(others) + "\n")
    (folder / "work").mkdir()
    documents = [make_document(number) for number in range(COUNT)]
    make_stages(folder / "work", documents, map(make_gold, documents))
    return folder


def gonerd(place, *arguments, **environment):
    """Run the installed command in the folder; return what it prints."""
    command = [place / "environment" / BIN / "gonerd", *map(str, arguments)]
    variables = {**os.environ, "HF_HOME": str(place / "home"), "COLUMNS": "200", **environment}
    variables.pop("PYTHONPATH", None)
    done = subprocess.run(command, cwd=place / "work", env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def python(place, code, **environment):
    """Run code with the installed package in the folder; return what it prints as JSON."""
    executable = str(place / "environment" / BIN / "python")
    found = run(code, cwd=place / "work", home=place / "home", python=executable, **environment)
    assert Path(found.pop("where")).is_relative_to(place / "environment")
    return found


@pytest.fixture(scope="module")
def dataset(place):
    """A dataset that the installed command has built."""
    told = ("--name", "my-news", "--contact", "me@example.org", "--annotators", "two test programs")
    shown = gonerd(place, "dataset", "build", "--documents", "documents", "--gold", "gold", "--out", "dataset", *told)
    assert f"{COUNT} documents in dataset" in shown
    return place / "work" / "dataset"


def test_a_tokenizer_is_aligned_from_the_wheel(place):
    pytest.importorskip("transformers")
    from test_dataset_views import word_piece

    word_piece().save_pretrained(place / "work" / "tokenizer")
    found = python(place, ALIGN, HF_HUB_OFFLINE="1")
    assert found["labelled"] == found["words"] > 0
    assert found["windows"] > found["documents"] > 0
    assert found["longest"] <= 512


def test_a_split_is_exported_and_read_again_from_the_wheel(place, dataset):
    shown = gonerd(place, "dataset", "export", dataset.name, "train.conll", "--split", "train", "--to", "conll")
    assert "documents in train.conll (text, offsets" in shown
    assert python(place, EXPORT) == {"jsonl": True, "spacy": True, "standoff": True, "conll": True}


def test_a_dataset_is_published_and_loaded_from_the_wheel(place, dataset):
    with hub_stub() as (hub, address):
        talk = hub_environment(address, place / "hub")
        assert "added: 12" in gonerd(place, "dataset", "publish", dataset.name, "org/my-news", "--dry-run", **talk)
        assert hub.repositories == {}
        gonerd(place, "dataset", "publish", dataset.name, "org/my-news", **talk)
        assert list(hub.repositories["org/my-news"].tags) == ["v1.0.0"]
        executable = [place / "environment" / BIN / "python", "-c", LOAD]
        done = subprocess.run(executable, cwd=place / "work", env=talk, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert Path(found["where"]).is_relative_to(place / "environment")
    assert found["ours"] == found["plain"]
    assert sum(map(len, found["ours"].values())) == COUNT
