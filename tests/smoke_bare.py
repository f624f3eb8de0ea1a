"""Run by .ci/run with the bare install, from an empty folder and from the checkout: load and score need no extra."""

import json
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

assert find_spec("torch") is None
assert find_spec("spacy") is None

import datasets  # noqa: E402

import gonerd  # noqa: E402

loaded = datasets.load_dataset("gonerd", "sample")
assert set(loaded) == {"train", "validation", "test"}, loaded
assert loaded["test"].features["ner_tags"].feature.names[0] == "O"
assert gonerd.load("sample")["test"]["tokens"] == loaded["test"]["tokens"]

names = loaded["test"].features["ner_tags"].feature.names
rows = [{**row, "ner_tags": [names[tag] for tag in row["ner_tags"]]} for row in loaded["test"]]
work = Path(tempfile.mkdtemp())
gold, predictions = work / "gold.jsonl", work / "predictions.jsonl"
gold.write_text("".join(json.dumps({k: row[k] for k in ("id", "tokens", "ner_tags")}) + "\n" for row in rows))
predictions.write_text("".join(json.dumps({k: row[k] for k in ("id", "ner_tags")}) + "\n" for row in rows))
command = [Path(sys.executable).with_name("gonerd"), "score", "--gold", gold, "--predictions", predictions, "--json"]
scores = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
assert scores["strict"]["micro"]["f1"] == 1.0, scores
print("the bare install loads the sample and scores predictions")
