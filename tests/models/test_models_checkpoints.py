import json
import pickle
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_models import SCHEME, tiny_checkpoint
from transformers import AutoConfig, AutoModelForTokenClassification, AutoTokenizer

from gonerd.errors import GonerdError
from gonerd.labels import Label, LabelScheme
from gonerd.models.checkpoints import checkpoint_revision, describe, label_map, load_checkpoint
from gonerd.models.origin import teacher_of
from gonerd.models.reach import POSITIONS_AFTER_PADDING, reach_tokens


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    return tiny_checkpoint(tmp_path_factory.mktemp("model") / "tiny")


@pytest.fixture
def checkpoint(original, tmp_path):
    return shutil.copytree(original, tmp_path / "copy")


def edit_config(folder, **changes):
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_a_new_checkpoint_loads_with_transformers_alone(tmp_path):
    folder = tiny_checkpoint(tmp_path / "tiny", "longformer")
    model = AutoModelForTokenClassification.from_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    assert model(**tokenizer("Ann left Oslo", return_tensors="pt")).logits.shape[-1] == 9
    assert [model.config.id2label[number] for number in range(9)] == list(SCHEME.tags)
    assert tokenizer.model_max_length == 64
    info = describe(folder, *load_checkpoint(folder, scheme=SCHEME))
    assert (info.layers, info.reach_tokens, info.attention, info.name) == (2, 64, "window 16", "tiny")
    long = torch.full((1, 64), 5)
    assert model(input_ids=long).logits.isfinite().all()  # the whole reach has positions


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(tmp_path):
    places = {"first": 0, "again": 0, "other": 1}
    folders = [tiny_checkpoint(tmp_path / place, "longformer", seed=seed) for place, seed in places.items()]
    first, again, other = map(checkpoint_revision, folders)
    assert first == again != other


def test_a_new_checkpoint_leaves_the_random_state_alone(tmp_path):
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    tiny_checkpoint(tmp_path / "tiny", "longformer")
    assert torch.rand(1) == expected


def test_names_that_recur_in_one_text_do_not_become_sub_tokens(tmp_path):
    from tiny_models import tiny_config

    from gonerd.models.small import new_checkpoint

    texts = ["the boat left " * 5, "the boat waited", "the boat left with Kettlewell " + "Kettlewell " * 500]
    new_checkpoint(texts, tmp_path / "tiny", config=tiny_config(vocabulary=270), scheme=SCHEME)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "tiny")
    assert len(tokenizer.tokenize(" Kettlewell")) > 1
    assert len(tokenizer.tokenize(" boat")) < 4


def test_labels_in_another_order_are_mapped(checkpoint):
    tags = [*SCHEME.tags[1:], "O"]
    edit_config(checkpoint, id2label=dict(enumerate(tags)), label2id={tag: n for n, tag in enumerate(tags)})
    model, _ = load_checkpoint(checkpoint, scheme=SCHEME)
    assert label_map(model.config, SCHEME) == (1, 2, 3, 4, 5, 6, 7, 8, 0)


def test_a_label_outside_the_scheme_is_an_error_naming_the_nearest(checkpoint):
    tags = ["O", "B-PERS", *SCHEME.tags[2:]]
    edit_config(checkpoint, id2label=dict(enumerate(tags)), label2id={tag: n for n, tag in enumerate(tags)})
    with pytest.raises(GonerdError, match=r"unknown label of the model 'B-PERS'\. Did you mean 'B-PER'"):
        load_checkpoint(checkpoint, scheme=SCHEME)


def test_training_gives_a_model_of_other_labels_a_new_head(original):
    scheme = LabelScheme("colours", (Label("RED", ""), Label("BLUE", "")))
    with pytest.raises(GonerdError, match="unknown label"):
        load_checkpoint(original, scheme=scheme)
    model, _ = load_checkpoint(original, scheme=scheme, new_head=True)
    assert label_map(model.config, scheme) == (0, 1, 2, 3, 4)
    assert model(input_ids=torch.tensor([[0, 5, 2]])).logits.shape[-1] == 5


class Bomb:
    def __reduce__(self):
        return (exec, ("raise SystemExit('the pickle was opened')",))


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "weights.pkl"])
def test_a_pickle_is_refused_unopened(checkpoint, name):
    (checkpoint / "model.safetensors").unlink()
    (checkpoint / name).write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(GonerdError, match="the weights are a pickle"):
        load_checkpoint(checkpoint, scheme=SCHEME)
    with pytest.raises(GonerdError, match="the weights are a pickle"):
        checkpoint_revision(checkpoint)


def test_a_pickle_called_safetensors_is_refused(checkpoint):
    (checkpoint / "model.safetensors").write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(GonerdError, match="not a usable checkpoint"):
        load_checkpoint(checkpoint, scheme=SCHEME)


def test_cut_off_weights_are_an_error(checkpoint):
    weights = checkpoint / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(GonerdError, match="not a usable checkpoint"):
        load_checkpoint(checkpoint, scheme=SCHEME)


def test_a_missing_weight_is_an_error_and_not_a_random_number(checkpoint):
    weights = load_file(checkpoint / "model.safetensors")
    del weights["classifier.weight"]
    save_file(weights, checkpoint / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(GonerdError, match=r"weights are missing or of another shape: classifier\.weight"):
        load_checkpoint(checkpoint, scheme=SCHEME)
    load_checkpoint(checkpoint, scheme=SCHEME, new_head=True)


def test_a_missing_encoder_weight_is_an_error_in_training_too(checkpoint):
    weights = load_file(checkpoint / "model.safetensors")
    del weights["model.layers.0.attn.Wqkv.weight"]
    save_file(weights, checkpoint / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(GonerdError, match="Wqkv"):
        load_checkpoint(checkpoint, scheme=SCHEME, new_head=True)


def test_code_in_a_checkpoint_is_never_run(checkpoint):
    (checkpoint / "evil.py").write_text("raise SystemExit('the code was run')")
    edit_config(
        checkpoint,
        model_type="evil",
        auto_map={"AutoConfig": "evil.Config", "AutoModelForTokenClassification": "evil.Model"},
    )
    with pytest.raises(GonerdError, match="not a usable checkpoint"):
        load_checkpoint(checkpoint, scheme=SCHEME)


@pytest.mark.parametrize("name", ["nowhere/at/all", "../up", "/absent", "a b", "nomodel"])
def test_a_path_that_is_not_there_is_never_looked_for_elsewhere(name):
    with pytest.raises(GonerdError, match=r"no such folder, and no name on the Hub \(organisation/name\)"):
        load_checkpoint(name, scheme=SCHEME)


def test_a_hub_that_can_not_be_reached_is_asked_once(monkeypatch, caplog):
    from huggingface_hub import HfApi

    asked = []

    def refuse(_api, name, **_options):
        asked.append(name)
        raise ConnectionError("no network")

    monkeypatch.setattr(HfApi, "model_info", refuse)
    with pytest.raises(GonerdError, match=r"^gonerd-absent/x: no such folder, and the Hub cannot be reached"):
        load_checkpoint("gonerd-absent/x", scheme=SCHEME)
    assert (asked, caplog.text) == (["gonerd-absent/x"], "")


def test_weights_may_be_read_by_whoever_may_read_the_rest(original):
    modes = {path.name: path.stat().st_mode for path in original.iterdir() if path.is_file()}
    assert modes["model.safetensors"] == modes["config.json"]


def test_a_folder_without_a_model_is_an_error(tmp_path):
    with pytest.raises(GonerdError, match="no model weights"):
        load_checkpoint(tmp_path, scheme=SCHEME)


def test_a_model_without_its_tokenizer_is_an_error(tmp_path):
    """transformers makes one of special tokens alone, to which every word of every document is nothing."""
    checkpoint = tiny_checkpoint(tmp_path / "tiny", "longformer")
    for path in checkpoint.glob("tokenizer*"):
        path.unlink()
    assert len(AutoTokenizer.from_pretrained(checkpoint)("Ann left Oslo")["input_ids"]) < 4
    with pytest.raises(GonerdError, match="the vocabulary of its tokenizer is not in this folder"):
        load_checkpoint(checkpoint, scheme=SCHEME)


@pytest.mark.parametrize("name", ["merges.txt", "special_tokens_map.json", "sentencepiece.bpe.model", "tokenizer.json"])
def test_whatever_moves_its_answers_is_in_its_revision(checkpoint, name):
    before = checkpoint_revision(checkpoint)
    (checkpoint / "notes.txt").write_text("nothing")
    assert checkpoint_revision(checkpoint) == before
    (checkpoint / name).write_text("another")
    assert checkpoint_revision(checkpoint) != before


@pytest.mark.parametrize(
    "content", ["[1]", "null", '{"config": null}', '{"config": [1]}', '{"config": {"teacher": {}}}']
)
def test_a_manifest_of_others_says_nothing(checkpoint, content):
    (checkpoint / "manifest.json").write_text(content)
    assert teacher_of(checkpoint) is None


@pytest.mark.parametrize("kind", sorted(POSITIONS_AFTER_PADDING))
def test_a_model_has_a_position_for_each_token_of_its_reach(kind, original):
    """Without a limit in its tokenizer; with one token more it fails."""
    own = {"luke": {"entity_vocab_size": 9, "entity_emb_size": 8}, "xmod": {"default_language": "en_XX"}}
    own |= {"esm": {"mask_token_id": 4, "position_embedding_type": "absolute"}, "longformer": {"attention_window": 4}}
    shape = {"vocab_size": 50, "hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    size = {"intermediate_size": 32, "max_position_embeddings": 20, "pad_token_id": 1}
    config = AutoConfig.for_model(kind, **shape, **size, **own.get(kind, {}))
    tokenizer = AutoTokenizer.from_pretrained(original)
    tokenizer.model_max_length = 10**30
    model = AutoModelForTokenClassification.from_config(config).eval()
    reach = reach_tokens(config, tokenizer)
    ids = torch.full((1, reach), 7)
    with torch.no_grad():
        assert model(input_ids=ids).logits.shape[1] == reach
        with pytest.raises((IndexError, RuntimeError)):
            model(input_ids=torch.full((1, reach + 1), 7))


def test_some_have_no_limit_and_some_can_not_count(original):
    tokenizer = AutoTokenizer.from_pretrained(original)
    tokenizer.model_max_length = 10**30
    assert reach_tokens(AutoConfig.for_model("xlnet"), tokenizer) is None
    with pytest.raises(GonerdError, match="without a padding token"):
        reach_tokens(AutoConfig.for_model("roberta", pad_token_id=None), tokenizer)
