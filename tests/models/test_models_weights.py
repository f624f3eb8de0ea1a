import json
import os
import pickle
import struct
import zipfile

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from gonerd.errors import GonerdError
from gonerd.models.weights import read_weights

TENSORS = {"a": torch.arange(6.0).reshape(2, 3), "b.c": torch.ones(4, dtype=torch.float16)}


def same(first, second):
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("legacy", [False, True])
def test_a_bin_file_is_read_in_both_of_torchs_forms(tmp_path, legacy):
    torch.save(TENSORS, tmp_path / "pytorch_model.bin", _use_new_zipfile_serialization=not legacy)
    assert same(read_weights(tmp_path), TENSORS)


def test_safetensors_come_first(tmp_path):
    save_file(TENSORS, tmp_path / "model.safetensors")
    (tmp_path / "pytorch_model.bin").write_bytes(b"never opened")
    assert same(read_weights(tmp_path), TENSORS)


@pytest.mark.parametrize(("name", "ending"), [("model.safetensors", "safetensors"), ("pytorch_model.bin", "bin")])
def test_weights_in_several_files(tmp_path, name, ending):
    save = save_file if ending == "safetensors" else torch.save
    for number, key in enumerate(TENSORS):
        save({key: TENSORS[key]}, tmp_path / f"part-{number}.{ending}")
    table = {key: f"part-{number}.{ending}" for number, key in enumerate(TENSORS)}
    (tmp_path / f"{name}.index.json").write_text(json.dumps({"weight_map": table}))
    assert same(read_weights(tmp_path), TENSORS)
    save({"a": TENSORS["a"], "b.c": TENSORS["b.c"]}, tmp_path / f"part-1.{ending}")
    with pytest.raises(GonerdError, match="the weight a is in two files"):
        read_weights(tmp_path)


@pytest.mark.parametrize(
    "name",
    [
        "../out.safetensors",
        "/etc/passwd",
        "sub/part.safetensors",
        "..\\out.safetensors",
        "x.bin",
        "absent.safetensors",
        "",
    ],
)
def test_an_index_names_files_beside_it_alone(tmp_path, name):
    folder = tmp_path / "model"
    (folder / "sub").mkdir(parents=True)
    for path in (tmp_path / "out.safetensors", folder / "sub" / "part.safetensors"):
        save_file(TENSORS, path)
    (folder / "x.bin").write_bytes(b"")
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": name}}))
    with pytest.raises(GonerdError, match=r"no \.safetensors file beside it|which is not there"):
        read_weights(folder)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"weight_map": []}', '{"weight_map": {}}', "[" * 100_000])
def test_an_index_that_is_none_is_an_error(tmp_path, text):
    (tmp_path / "model.safetensors.index.json").write_text(text)
    with pytest.raises(GonerdError, match=r"model\.safetensors\.index\.json"):
        read_weights(tmp_path)


def test_an_endless_index_is_not_read(tmp_path):
    with (tmp_path / "model.safetensors.index.json").open("wb") as file:
        os.truncate(file.fileno(), 1 << 33)
    with pytest.raises(GonerdError, match="an index of more than"):
        read_weights(tmp_path)


class Evil:
    def __reduce__(self):
        return os.system, ("touch was-run",)


@pytest.mark.parametrize("kind", ["plain pickle", "torch", "torch legacy", "numpy"])
def test_a_pickle_of_anything_else_is_not_opened(tmp_path, monkeypatch, kind):
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "pytorch_model.bin"
    value = {"a": np.ones(3) if kind == "numpy" else Evil()}
    if kind == "plain pickle":
        file.write_bytes(pickle.dumps(value))
    else:
        torch.save(value, file, _use_new_zipfile_serialization=kind != "torch legacy")
    with pytest.raises(GonerdError, match=r"pytorch_model\.bin: (it holds something other|a is no plain|damaged)"):
        read_weights(tmp_path)
    assert not (tmp_path / "was-run").exists()


@pytest.mark.parametrize(
    "value",
    [
        [TENSORS["a"]],
        {"a": 3},
        {3: TENSORS["a"]},
        {"a": {"b": TENSORS["a"]}},
        {"a": torch.zeros(1).expand(1 << 20, 1 << 20)},  # one number that claims to be a terabyte's
        {"a": torch.eye(3).to_sparse()},
        {"a": torch.empty(1 << 40, device="meta")},
    ],
    ids=["list", "number", "integer name", "nested", "expanded", "sparse", "meta"],
)
def test_a_bin_file_of_something_else_is_an_error(tmp_path, value):
    torch.save(value, tmp_path / "pytorch_model.bin")
    with pytest.raises(GonerdError, match=r"pytorch_model\.bin: .*(no plain tensor|not named weights|damaged)"):
        read_weights(tmp_path)


def test_an_archive_that_unpacks_to_more_than_itself_is_not_opened(tmp_path):
    plain, bomb = tmp_path / "plain.bin", tmp_path / "pytorch_model.bin"
    torch.save({"a": torch.zeros(1 << 20)}, plain)
    with zipfile.ZipFile(plain) as before, zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as after:
        for member in before.infolist():
            after.writestr(member.filename, before.read(member))
    assert bomb.stat().st_size < plain.stat().st_size / 100
    with pytest.raises(GonerdError, match="unpacks to more than its own size"):
        read_weights(tmp_path)


@pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin"])
def test_a_file_cut_anywhere_or_changed_in_its_head_is_an_error(tmp_path, name):
    (save_file if name.endswith("safetensors") else torch.save)(TENSORS, tmp_path / name)
    whole = (tmp_path / name).read_bytes()
    for kept in (0, 1, 7, 8, 9, len(whole) // 2, len(whole) - 1):
        (tmp_path / name).write_bytes(whole[:kept])
        with pytest.raises(GonerdError, match=rf"{name}: .+"):
            read_weights(tmp_path)


@pytest.mark.parametrize("size", [1 << 62, (1 << 64) - 1, 1 << 27], ids=["huge", "largest", "as long as the file"])
def test_a_head_that_claims_to_be_huge_is_not_read(tmp_path, size):
    with (tmp_path / "model.safetensors").open("wb") as file:
        file.write(struct.pack("<Q", size) + b"{")
        os.truncate(file.fileno(), (1 << 27) + 8)
    with pytest.raises(GonerdError, match="damaged weights"):
        read_weights(tmp_path)


def test_a_head_whose_tensors_overlap_or_leave_the_file_is_an_error(tmp_path):
    for offsets in ([0, 8], [4, 8], [0, 1 << 40]):
        head = {name: {"dtype": "F32", "shape": [1], "data_offsets": offsets} for name in "ab"}
        text = json.dumps(head).encode()
        (tmp_path / "model.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + bytes(8))
        with pytest.raises(GonerdError, match="damaged weights"):
            read_weights(tmp_path)
