"""The same checks with other releases of `datasets`, each in an environment of its own that holds the wheel alone."""

import json
import os
import re
import subprocess
import venv
from pathlib import Path

import pytest
from test_dataset_load import END, MORE, START, run

VERSIONS = ["4.0.*", "4.8.*", "5.*"]
SHIPPED = """
found["datasets"], found["pyarrow"] = __import__("datasets").__version__, __import__("pyarrow").__version__
found["where"] = gonerd.__file__
found["sample"] = {split: rows.num_rows for split, rows in load_dataset("gonerd", "sample").items()}
found["sample_stream"] = sum(1 for _ in load_dataset("gonerd", "sample", split="test", streaming=True))
found["sentences"] = gonerd.sentences(load_dataset("gonerd", "sample", split="test")).num_rows
found["streamed_sentences"] = sum(1 for _ in gonerd.sentences(gonerd.load("sample", split="test", streaming=True)))
"""


@pytest.mark.slow
@pytest.mark.tools
@pytest.mark.parametrize("version", VERSIONS)
def test_a_release_of_datasets_loads_all_that_the_pinned_one_does(wheel, built, tmp_path, version):
    venv.create(tmp_path / "environment", with_pip=True)
    python = tmp_path / "environment" / ("Scripts" if os.name == "nt" else "bin") / "python"
    install = [python, "-m", "pip", "install", "-q", "--disable-pip-version-check", wheel, f"datasets=={version}"]
    subprocess.run(install, check=True, cwd=tmp_path)
    (tmp_path / "empty").mkdir()
    code = START.replace("FOLDER", repr(str(built))) + MORE + SHIPPED + END
    home = tmp_path / "home"
    found = run(code, cwd=tmp_path / "empty", home=home, python=str(python), HF_HUB_OFFLINE="1")
    print(json.dumps({key: found[key] for key in ("datasets", "pyarrow", "rows", "sample")}))
    assert re.fullmatch(version.replace(".", "[.]").replace("*", ".*"), found["datasets"])
    assert sum(found["rows"].values()) == 14
    assert found["configs"] == ["original", "sample"]
    names = ["O", "B-PER", "I-PER", "B-ORG", "I-ORG", "B-LOC", "I-LOC", "B-MISC", "I-MISC"]
    assert all(found[key] == names for key in found if key.endswith("names"))
    assert all(found[key] == found["ids"] for key in ("load", "stream", "parallel", "plain"))
    assert found["slice"] == round(found["rows"]["train"] / 2)
    assert found["splits"] == ["train", "validation", "test"]
    assert found["pickled"] == found["rows"]["test"]
    assert found["sample_stream"] == found["sample"]["test"] > 0
    assert found["streamed_sentences"] == found["sentences"] > found["sample"]["test"]
    assert Path(found["where"]).is_relative_to(tmp_path / "environment")
