import json
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_models import SCHEME, tiny_checkpoint, tiny_examples

from gonerd.errors import GonerdError
from gonerd.evaluation.backend_tokens import TRANSFORMERS
from gonerd.evaluation.predict import PredictConfig, predict_tags
from gonerd.models.batches import pad_batch
from gonerd.models.checkpoints import load_checkpoint, read_config
from gonerd.models.encode import Reach, encode_documents
from gonerd.models.reach import local_length

DOCUMENTS = [(example.id, example.tokens) for example in tiny_examples(16, split="test")]
SMALL = PredictConfig(max_tokens=1, device="cpu")


def load(folder, config=SMALL):
    return TRANSFORMERS.load(str(folder), "cpu", config).model


def sharpen(folder):
    """Give a random model strong opinions, so that its tags differ from word to word."""
    state = load_file(folder / "model.safetensors")
    for name in state:
        if name.startswith("classifier.weight"):
            state[name] *= 100
        elif state[name].ndim > 1 and "position" not in name:
            state[name] *= 10
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


@pytest.fixture(scope="module", params=["modernbert", "longformer"])
def folder(request, tmp_path_factory):
    return sharpen(tiny_checkpoint(tmp_path_factory.mktemp("model") / "tiny", request.param))


@pytest.fixture(scope="module")
def loaded(folder):
    return load(folder)


def tags_of(loaded, documents, config=SMALL):
    return predict_tags(loaded, documents, config=config, scheme=SCHEME)


def same(ours, theirs):
    return ours.keys() == theirs.keys() and all(np.array_equal(ours[name], theirs[name]) for name in theirs)


def test_every_gold_word_gets_a_tag_and_the_account_says_so(loaded):
    tags, coverage = tags_of(loaded, DOCUMENTS)
    assert {name: len(answer) for name, answer in tags.items()} == {name: len(words) for name, words in DOCUMENTS}
    assert len(np.unique(np.concatenate(list(tags.values())))) > 2
    words = sum(len(words) for _, words in DOCUMENTS)
    assert (coverage.gold_words, coverage.predicted_words, coverage.lost_words) == (words, words, 0)
    assert 0 < coverage.windowed_documents < len(DOCUMENTS)
    assert coverage.sub_tokens > words


@pytest.mark.parametrize("max_tokens", [64, 200, 10_000])
def test_tags_do_not_depend_on_batches_or_order(loaded, max_tokens):
    alone, _ = tags_of(loaded, DOCUMENTS)
    shuffled = DOCUMENTS[::-1][5:] + DOCUMENTS[::-1][:5]
    together, _ = tags_of(loaded, shuffled, PredictConfig(max_tokens=max_tokens, device="cpu"))
    assert same(together, alone)


def test_tags_do_not_depend_on_batch_mates(loaded):
    config = PredictConfig(max_tokens=10_000, device="cpu")
    alone, _ = tags_of(loaded, DOCUMENTS[1:2], config)
    mates, _ = tags_of(loaded, [DOCUMENTS[6], DOCUMENTS[1], DOCUMENTS[0]], config)
    assert np.array_equal(alone["test-1"], mates["test-1"])


def test_logits_do_not_depend_on_padding(folder):
    model, tokenizer = load_checkpoint(folder, scheme=SCHEME)
    for length in (1, 5, 13, 14, 15, 29, 30, 31, 61, 62):  # around multiples of the window
        (document,) = encode_documents(tokenizer, [["😀"] * 200], reach=Reach(min(64, length + 2), 0))
        piece = document.pieces[0]
        mate = next(iter(encode_documents(tokenizer, [["boat"] * 60], reach=Reach(64, 0)))).pieces[0]
        with torch.inference_mode():
            alone = model(**pad_batch([piece], pad_id=1)).logits[0]
            padded = model(**pad_batch([mate, piece, mate], pad_id=1)).logits[1, : len(alone)]
        assert torch.allclose(alone, padded, atol=1e-4 * float(alone.abs().max()))


def test_windows_that_share_more_than_the_layers_see_change_nothing(tmp_path):
    sharp = sharpen(tiny_checkpoint(tmp_path / "long", reach_tokens=1024))
    loaded = load(sharp)
    whole, coverage = tags_of(loaded, DOCUMENTS, PredictConfig(device="cpu", max_length=1024))
    assert coverage.windowed_documents == 0
    # Two layers see 8 sub-tokens each to either side; windows meet in the middle of what they share.
    cut, coverage = tags_of(loaded, DOCUMENTS, PredictConfig(device="cpu", max_length=60, stride=36))
    assert coverage.windowed_documents > 5
    assert same(cut, whole)
    blind, _ = tags_of(loaded, DOCUMENTS, PredictConfig(device="cpu", max_length=60, stride=0))
    assert not same(blind, whole)


def test_a_local_model_is_windowed_by_default_with_the_tags_of_the_full_length(tmp_path):
    sharp = sharpen(tiny_checkpoint(tmp_path / "long", layers=4, window=32, reach_tokens=4096))
    loaded = load(sharp)
    assert loaded.local_length == 512  # an eighth is just what four layers see to one side
    documents = [(f"long-{turn}", [word for _, words in DOCUMENTS[turn:] for word in words]) for turn in range(2)]
    whole, coverage = tags_of(loaded, documents, PredictConfig(device="cpu", max_length=4096))
    assert coverage.windowed_documents == 0
    cut, coverage = tags_of(loaded, documents, PredictConfig(device="cpu"))
    assert coverage.windowed_documents == len(documents)
    assert same(cut, whole)
    assert len(np.unique(whole["long-0"])) > 2


def test_only_local_attention_with_relative_positions_is_windowed_by_default(folder):
    config = read_config(folder)
    if config.model_type == "longformer":
        assert local_length(config) is None
        return
    config.local_attention, config.num_hidden_layers, config.layer_types = 128, 22, ["sliding_attention"] * 22
    assert local_length(config) == 16_384
    config.layer_types = ["full_attention"] + ["sliding_attention"] * 21
    assert local_length(config) is None


def test_labels_in_another_order_give_the_same_tags(folder, loaded, tmp_path):
    other = shutil.copytree(folder, tmp_path / "other")
    order = [3, 0, 8, 1, 2, 7, 6, 5, 4]
    state = load_file(other / "model.safetensors")
    for name in ("classifier.weight", "classifier.bias"):
        state[name] = state[name][order].contiguous()
    save_file(state, other / "model.safetensors", metadata={"format": "pt"})
    config = json.loads((other / "config.json").read_text())
    tags = [SCHEME.tags[number] for number in order]
    config |= {"id2label": dict(enumerate(tags)), "label2id": {tag: number for number, tag in enumerate(tags)}}
    (other / "config.json").write_text(json.dumps(config))
    assert same(tags_of(load(other), DOCUMENTS)[0], tags_of(loaded, DOCUMENTS)[0])


def test_odd_documents_are_answered(loaded):
    odd = [("empty", []), ("blank", ["", ""]), ("odd", ["\u200b", "😀", "", "x" * 2000, "ﷺ"]), ("one", ["Ann"])]
    tags, coverage = tags_of(loaded, odd)
    assert {name: len(answer) for name, answer in tags.items()} == {"empty": 0, "blank": 2, "odd": 5, "one": 1}
    assert (coverage.gold_words, coverage.predicted_words, coverage.lost_words) == (8, 8, 3)
    assert tags["blank"].tolist() == [0, 0]


def test_nothing_to_predict_is_no_error(loaded):
    assert tags_of(loaded, [])[0] == {}


def test_nan_answers_are_an_error(folder, tmp_path):
    broken = shutil.copytree(folder, tmp_path / "broken")
    state = load_file(broken / "model.safetensors")
    state["classifier.bias"][3] = float("nan")
    save_file(state, broken / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(GonerdError, match="NaN"):
        tags_of(load(broken), DOCUMENTS)


def test_two_documents_of_one_id_are_an_error(loaded):
    with pytest.raises(GonerdError, match="the same id"):
        tags_of(loaded, [DOCUMENTS[0], DOCUMENTS[0]])


def test_progress_ends_at_the_total(loaded):
    seen = []
    predict_tags(
        loaded, DOCUMENTS, config=SMALL, scheme=SCHEME, progress=lambda done, total: seen.append((done, total))
    )
    assert seen[-1][0] == seen[-1][1] == len(seen)
