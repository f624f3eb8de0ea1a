"""The ways to load, each in a process of its own: what matters is what is imported when, and from where."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from dataset_support import CONFIG, make_document, make_gold, make_stages

from gonerd.dataset.build import build
from gonerd.dataset.sources import content_hash, package_hash
from gonerd.errors import GonerdError


def run(code, *, cwd, home, python=sys.executable, **environment):
    """Run Python code; return what it prints as JSON."""
    variables = {**os.environ, "HF_HOME": str(home), "HF_DATASETS_DISABLE_PROGRESS_BARS": "1", **environment}
    variables.pop("PYTHONPATH", None)
    done = subprocess.run(
        [python, "-c", code], cwd=cwd, env=variables, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


START = """
import json, pickle, sys
import gonerd
assert not {"datasets", "pyarrow", "torch", "spacy", "numpy"} & sys.modules.keys()
from datasets import get_dataset_config_names, get_dataset_split_names, load_dataset, load_dataset_builder
folder = FOLDER
loaded = load_dataset("gonerd", data_dir=folder)
found = {"rows": {split: rows.num_rows for split, rows in loaded.items()}}
found["names"] = loaded["train"].features["ner_tags"].feature.names
found["ids"] = loaded["test"]["id"][:]
found["configs"] = get_dataset_config_names("gonerd")
found["load"] = gonerd.load(data_dir=folder, split="test")["id"][:]
"""
MORE = """
found["slice"] = load_dataset("gonerd", data_dir=folder, split="train[:50%]").num_rows
stream = load_dataset("gonerd", data_dir=folder, streaming=True)
found["stream"] = [row["id"] for row in stream["test"]]
found["stream_names"] = stream["train"].features["ner_tags"].feature.names
parallel = load_dataset("gonerd", data_dir=folder, num_proc=2, download_mode="force_redownload")
found["parallel"] = parallel["test"]["id"][:]
found["builder_names"] = load_dataset_builder("gonerd", data_dir=folder).info.features["ner_tags"].feature.names
found["splits"] = get_dataset_split_names("gonerd", data_dir=folder)
found["pickled"] = pickle.loads(pickle.dumps(loaded["test"])).num_rows
plain = load_dataset(folder, split="test")
found["plain"] = plain["id"][:]
found["plain_names"] = plain.features["ner_tags"].feature.names
"""
END = "print(json.dumps(found))"


@pytest.mark.parametrize("place", ["empty", "checkout", "shadow"])
def test_the_ways_to_load(built, tmp_path, checkout, place):
    """From an empty folder, from the root of the checkout, and beside a folder that is called gonerd."""
    (tmp_path / "shadow" / "gonerd").mkdir(parents=True)
    (tmp_path / "empty").mkdir()
    cwd = checkout if place == "checkout" else tmp_path / place
    code = START.replace("FOLDER", repr(str(built))) + (MORE if place == "empty" else "") + END
    # Python itself looks into the working folder first, and that folder would hide an editable install.
    safe = {"PYTHONSAFEPATH": "1"} if place == "shadow" else {}
    found = run(code, cwd=cwd, home=tmp_path / "home", HF_HUB_OFFLINE="1", **safe)
    names = ["O", "B-PER", "I-PER", "B-ORG", "I-ORG", "B-LOC", "I-LOC", "B-MISC", "I-MISC"]
    assert sum(found["rows"].values()) == 14
    assert found["configs"] == ["original", "sample"]
    assert all(found[key] == names for key in found if key.endswith("names"))
    assert all(found[key] == found["ids"] for key in ("load", "stream", "parallel", "plain") if key in found)
    if place == "empty":
        assert found["slice"] == round(found["rows"]["train"] / 2)
        assert found["splits"] == ["train", "validation", "test"]
        assert found["pickled"] == found["rows"]["test"]


def test_datasets_may_be_imported_first_and_other_names_still_work(built, tmp_path):
    code = f"""
import json, datasets
import gonerd, gonerd.dataset.register as register
register.register()
found = [datasets.load_dataset("gonerd", data_dir={str(built)!r}, split="test").num_rows]
found.append(datasets.load_dataset("json", data_files={str(built / "standoff.jsonl")!r}, split="train").num_rows)
try:
    datasets.load_dataset("gonerd")
except gonerd.errors.GonerdError as error:
    found.append(str(error))
print(json.dumps(found))
"""
    rows, others, message = run(code, cwd=tmp_path, home=tmp_path / "home", HF_HUB_OFFLINE="1")
    assert rows > 0
    assert others == 14
    assert "\n" not in message
    for part in ("giant-oak/GONERD", '"sample"', "data_dir="):
        assert part in message  # the original, offline: one line that names the ways out


LOADER = """
import json
import gonerd
from torch.utils.data import DataLoader

def rows(batch):
    return [row["id"] for row in batch]

if __name__ == "__main__":
    split = gonerd.load(data_dir=FOLDER, split="train")
    made = DataLoader(split, batch_size=3, num_workers=2, multiprocessing_context="spawn", collate_fn=rows)
    print(json.dumps([sum(made, []), split["id"][:]]))
"""


def test_workers_of_a_data_loader_read_the_rows(built, tmp_path):
    pytest.importorskip("torch")
    (tmp_path / "loader.py").write_text(LOADER.replace("FOLDER", repr(str(built))))
    code = f"import runpy; runpy.run_path({str(tmp_path / 'loader.py')!r}, run_name='__main__')"
    seen, expected = run(code, cwd=tmp_path, home=tmp_path / "home", HF_HUB_OFFLINE="1")
    assert seen == expected


@pytest.fixture
def copied(built, tmp_path):
    shutil.copytree(built, tmp_path / "dataset")
    return tmp_path / "dataset"


def quiet_load(*args, **kwargs):
    import gonerd

    return gonerd.load(*args, **kwargs)


def test_a_folder_that_is_built_again_gives_its_new_rows(tmp_path):
    import datasets

    documents = [make_document(number) for number in range(6)]
    for text in ("first", "second"):
        changed = [*documents[1:], replace(documents[0], title=text)]
        shutil.rmtree(tmp_path / "documents", ignore_errors=True)
        shutil.rmtree(tmp_path / "gold", ignore_errors=True)
        build(*make_stages(tmp_path, changed, map(make_gold, changed)), tmp_path / "out", config=CONFIG)
        for load in (quiet_load, lambda **kwargs: datasets.load_dataset("gonerd", **kwargs)):
            loaded = load(data_dir=str(tmp_path / "out"), cache_dir=str(tmp_path / "cache"))
            titles = {row["id"]: row["title"] for rows in loaded.values() for row in rows}
            assert titles["doc-000"] == text
            assert len(titles) == 6


def test_a_damaged_file_is_noticed(copied, tmp_path):
    path = copied / "data/test-00000-of-00001.parquet"
    shutil.copy(copied / "data/train-00000-of-00001.parquet", path)
    with pytest.raises(GonerdError, match="not the one that the manifest names"):
        quiet_load(data_dir=copied, cache_dir=str(tmp_path / "cache"))
    path.unlink()
    with pytest.raises(GonerdError, match="but it is missing"):
        quiet_load(data_dir=copied, cache_dir=str(tmp_path / "cache"))


def test_parquet_without_a_manifest_loads_too(copied, tmp_path):
    (copied / "manifest.json").unlink()
    assert quiet_load(copied.as_posix(), split="test", cache_dir=str(tmp_path / "cache")).num_rows > 0
    before = content_hash(copied)
    os.utime(copied / "data/test-00000-of-00001.parquet", (1, 1))
    assert content_hash(copied) != before


def test_a_manifest_cannot_name_files_elsewhere(copied):
    manifest = json.loads((copied / "manifest.json").read_text())
    manifest["outputs"][0]["name"] = "../../etc/train-0.parquet"
    (copied / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(GonerdError, match="lies outside the dataset"):
        quiet_load(data_dir=copied)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("smaple",), r"unknown dataset 'smaple'. Did you mean 'sample'"),
        ((".",), "holds no dataset"),
    ],
)
def test_what_cannot_be_loaded_is_one_clear_line(tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(GonerdError, match=message):
        quiet_load(*arguments)
    with pytest.raises(GonerdError, match="no such folder"):
        quiet_load(data_dir=tmp_path / "missing")
    with pytest.raises(GonerdError, match="exclude each other"):
        quiet_load("sample", data_dir=tmp_path)


def test_the_hash_of_the_package_covers_its_folders(built, tmp_path, monkeypatch):
    from gonerd.dataset import sources
    from gonerd.dataset.releases import Published, Releases

    row = Published(summary="", version="1.0.0", license="", verified="never", folder=str(tmp_path / "dataset"))
    monkeypatch.setattr(sources, "releases", lambda: Releases("sample", {"sample": row}))
    empty = package_hash()
    shutil.copytree(built, tmp_path / "dataset")
    assert package_hash() != empty
    assert Path(row.path) == tmp_path / "dataset"


def test_the_datasets_of_a_repository_are_not_mixed(monkeypatch):
    from types import SimpleNamespace

    import huggingface_hub

    from gonerd.dataset.sources import hub_files

    def repository(*names):
        found = SimpleNamespace(sha="abc", siblings=[SimpleNamespace(rfilename=name, lfs=None) for name in names])
        monkeypatch.setattr(huggingface_hub.HfApi, "dataset_info", lambda *_, **__: found)
        return hub_files("org/name", None).of

    assert len(repository("data/train-0.parquet", "data/train-1.parquet", "test.jsonl")["train"]) == 2
    with pytest.raises(GonerdError, match=r"org/name: train is in several folders \(news, web/a\).*CONFIGURATION"):
        repository("news/train.parquet", "web/a/train.parquet", "news/test.parquet")
