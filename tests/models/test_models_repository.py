import pytest
from hub_stub import hub_stub, use_in_this_process
from tiny_models import SCHEME, tiny_checkpoint

from gonerd.errors import GonerdError
from gonerd.models.checkpoints import checkpoint_revision, load_checkpoint
from gonerd.models.repository import find_checkpoint, wanted_files


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tiny_checkpoint(tmp_path_factory.mktemp("model") / "tiny")
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def hub(monkeypatch, tmp_path):
    with hub_stub() as (hub, address):
        use_in_this_process(monkeypatch, address, tmp_path / "cache")
        yield hub


def test_only_the_checkpoint_is_wanted():
    there = ["config.json", "model.safetensors", "pytorch_model.bin", "modeling_lsg_roberta.py", "vocab.json"]
    there += [
        "onnx/model.safetensors",
        "merges.txt",
        "tokenizer.json",
        "README.md",
        "training_args.pt",
        "optimizer.pkl",
    ]
    chosen = ["README.md", "config.json", "merges.txt", "model.safetensors", "tokenizer.json", "vocab.json"]
    assert wanted_files(there) == chosen
    assert "pytorch_model.bin" in wanted_files([name for name in there if not name.endswith(".safetensors")])


def test_a_name_on_the_hub_becomes_a_folder_at_one_commit(hub, files):
    first = hub.add("org/tiny", files | {"code.py": b"raise SystemExit", "pytorch_model.bin": b"evil"})
    found = find_checkpoint("org/tiny")
    assert (found.name, found.commit) == ("org/tiny", first)
    assert {path.name for path in found.folder.iterdir()} == set(wanted_files(files))
    hub.add("org/tiny", files | {"README.md": b"second"})
    assert find_checkpoint("org/tiny").commit != first
    assert find_checkpoint("org/tiny", revision=first).folder == found.folder


def test_both_ways_of_loading_take_the_same_files(hub, files):
    commit = hub.add("org/tiny", files)
    model, tokenizer = load_checkpoint("org/tiny", scheme=SCHEME)
    assert (model.config.num_hidden_layers, tokenizer.model_max_length) == (2, 64)
    assert checkpoint_revision("org/tiny") == commit


def test_without_a_network_what_was_fetched_is_used(hub, files, monkeypatch):
    commit = hub.add("org/tiny", files)
    folder = find_checkpoint("org/tiny").folder
    monkeypatch.setattr("huggingface_hub.HfApi.model_info", lambda *_, **__: (_ for _ in ()).throw(OSError("down")))
    assert find_checkpoint("org/tiny") == find_checkpoint("org/tiny", revision=commit)
    assert find_checkpoint("org/tiny").folder == folder
    with pytest.raises(GonerdError, match="the Hub cannot be reached"):
        find_checkpoint("org/other")


def test_what_the_hub_does_not_have_is_an_error(hub, files):
    hub.add("org/tiny", files)
    hub.add("org/data", {"data.csv": b"a,b"})
    with pytest.raises(GonerdError, match=r"^org/absent: not on the Hub"):
        find_checkpoint("org/absent")
    with pytest.raises(GonerdError, match=r"^org/tiny: not on the Hub"):
        find_checkpoint("org/tiny", revision="f" * 40)
    with pytest.raises(GonerdError, match=r"^org/data: this repository has no config\.json"):
        find_checkpoint("org/data")


def test_an_interrupted_fetch_is_an_error_and_goes_on(hub, files):
    hub.add("org/tiny", files)
    hub.fail_on = ("model.safetensors", 0)
    with pytest.raises(GonerdError, match=r"^org/tiny: its files can not be fetched"):
        find_checkpoint("org/tiny")
    hub.fail_on = None
    assert (find_checkpoint("org/tiny").folder / "model.safetensors").is_file()
