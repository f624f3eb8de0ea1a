"""The authors' repository, in every shape that its JSON Lines may have, read from a Hub on loopback.

All loads of one shape happen in one process; what they find is printed as JSON.
"""

import hashlib
import json
import subprocess
import sys

import pytest
from hub_stub import hub_environment, hub_stub

REPOSITORY = "giant-oak/GONERD"
WORDS = ["Ann", "met", "the", "Oslo", "Trust", "."]
STRINGS = ["B-PER", "O", "O", "B-ORG", "I-ORG", "O"]
TEXT = "Ann met the Oslo Trust."
SPANS = [{"start": 0, "end": 3, "label": "PERSON"}, {"start": 12, "end": 22, "label": "ORG"}]
SHAPES = {
    "strings": ({"tokens": WORDS, "ner_tags": STRINGS}, {}),
    "integers": (
        {"words": WORDS, "tags": [1, 0, 0, 3, 4, 0]},
        {"labels": {"0": "O", "1": "B-PER", "3": "B-ORG", "4": "I-ORG"}},
    ),
    "spans": ({"text": TEXT, "spans": SPANS}, {"labels": {"PERSON": "PER"}}),
    "unknown": ({"sentence": TEXT, "y": [1]}, {}),
}
LOAD = """
import json, sys
import gonerd
from datasets import load_dataset
from gonerd.errors import GonerdError
options = json.loads(sys.argv[1])
try:
    loaded = gonerd.load("original", **options)
    found = {"rows": {split: rows.num_rows for split, rows in loaded.items()}, "row": loaded["test"][1]}
    found["said"], found["sums"] = loaded["test"].info.description, loaded["test"].info.download_checksums
    found["stream"] = [row["id"] for row in gonerd.load("original", split="test", streaming=True, **options)]
    found["named"] = load_dataset("gonerd", **options).num_rows
except GonerdError as error:
    found = {"error": str(error)}
print(json.dumps(found))
"""


def load(address, home, options, **environment):
    variables = hub_environment(address, home) | environment
    command = [sys.executable, "-c", LOAD, json.dumps(options)]
    done = subprocess.run(command, env=variables, cwd=home, capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def lines(row, count):
    return "".join(json.dumps({"id": f"d{number}", **row}) + "\n" for number in range(count)).encode()


@pytest.mark.parametrize("shape", SHAPES)
def test_the_original_is_read_in_its_shape_or_refused_with_the_keys_found(tmp_path, shape):
    row, options = SHAPES[shape]
    files = {f"{name}.jsonl": lines(row, count) for name, count in (("train", 4), ("val", 2), ("test", 3))}
    with hub_stub() as (hub, address):
        commit = hub.add(REPOSITORY, files)
        found = load(address, tmp_path, options)
        if shape == "unknown":
            assert "the row has: id, sentence, y" in found["error"]
            assert "columns=" in found["error"]
            assert "\n" not in found["error"]
            return
        if shape == "integers":
            assert "tag '1' is not one of O, B-PER" in load(address, tmp_path, {})["error"]  # never guessed
    assert found["rows"] == found["named"] == {"train": 4, "validation": 2, "test": 3}
    assert found["stream"] == ["d0", "d1", "d2"]
    assert found["row"]["tokens"] == WORDS
    assert found["row"]["ner_tags"] == [1, 0, 0, 3, 4, 0]
    assert [span["label"] for span in found["row"]["entities"]] == ["PER", "ORG"]
    assert ("rebuilt" in found["row"]["source"]) == (shape != "spans")
    assert f"{REPOSITORY}@{commit}" in found["said"]
    sums = {name.rpartition("/")[2]: entry["checksum"] for name, entry in found["sums"].items()}
    assert sums == {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}


def test_offline_without_a_cache_is_one_line_that_names_the_ways_out(tmp_path):
    found = load("http://127.0.0.1:9", tmp_path, {}, HF_HUB_OFFLINE="1")["error"]
    for part in (REPOSITORY, '"sample"', "data_dir="):
        assert part in found
    assert "\n" not in found
