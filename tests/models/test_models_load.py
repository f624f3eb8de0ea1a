"""Every type of checkpoint: saved by transformers, loaded by ours, saved back, loaded by transformers."""

import json

import pytest
import torch
import transformers
from encoder_support import tokens
from hub_stub import hub_stub, use_in_this_process
from safetensors.torch import load_file, save_file

from gonerd.errors import GonerdError
from gonerd.models import load_encoder, save_encoder
from gonerd.models.config import FullAttention, LongformerAttention
from gonerd.models.masked import load_masked

EXACT = 1e-5
SHAPE = {
    "vocab_size": 100,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "max_position_embeddings": 300,
    "pad_token_id": 1,
    "num_labels": 5,
    "initializer_range": 0.1,
}
DISTILBERT = {
    "hidden_size": "dim",
    "num_hidden_layers": "n_layers",
    "num_attention_heads": "n_heads",
    "intermediate_size": "hidden_dim",
}
TYPES = {
    "Bert": {},
    "DistilBert": {},
    "Roberta": {"hidden_act": "gelu", "layer_norm_eps": 1e-5, "type_vocab_size": 1},
    "XLMRoberta": {"classifier_dropout": 0.3},
    "Camembert": {},
    "Longformer": {"attention_window": [8, 16]},
    "BigBird": {"block_size": 4, "num_random_blocks": 1, "sep_token_id": 2},
    "BigBird full": {
        "attention_type": "original_full",
        "use_bias": False,
        "rescale_embeddings": True,
        "sep_token_id": 2,
    },
    "Nystromformer": {"segment_means_seq_len": 8, "num_landmarks": 8, "conv_kernel_size": 5},
}
HEADS = ("ForTokenClassification", "ForMaskedLM", "Model")


def class_of(kind, ending):
    return getattr(transformers, kind.split()[0] + ending)


def reference(kind, head, **changes):
    """Return a small model of transformers, no weight of which is the one it starts with."""
    names = DISTILBERT if kind == "DistilBert" else {}
    settings = {names.get(key, key): value for key, value in (SHAPE | TYPES[kind] | changes).items()}
    torch.manual_seed(0)
    model = class_of(kind, head)(class_of(kind, "Config")(**settings)).eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(torch.randn_like(weight), alpha=0.1)
    return model


@torch.no_grad()
def answer(model, document):
    """Return a model's logits, or its last hidden states where it has no head."""
    if getattr(model.config, "model_type", None) == "big_bird":  # a short document changed it for ever
        model.base_model.set_attention_type(model.config.attention_type)
    output = model(document[None])
    logits = getattr(output, "logits", None)
    return output.last_hidden_state if logits is None else logits


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("kind", TYPES)
def test_there_and_back(tmp_path, kind, head):
    first = reference(kind, head)
    first.save_pretrained(tmp_path / "first")
    encoder = load_encoder(tmp_path / "first")
    save_encoder(encoder, tmp_path / "second")
    second, report = class_of(kind, head).from_pretrained(tmp_path / "second", output_loading_info=True)
    assert not any(report.values()), report
    assert second.config.architectures == [kind.split()[0] + head]
    differing = {key for key, value in first.config.to_dict().items() if second.config.to_dict()[key] != value}
    assert differing <= {"_name_or_path", "architectures", "dtype"}
    for document in tokens(1, 70, 290):
        wanted = answer(first, document)
        torch.testing.assert_close(answer(encoder, document), wanted, atol=EXACT, rtol=0)
        torch.testing.assert_close(answer(second.eval(), document), wanted, atol=EXACT, rtol=0)


@pytest.fixture
def checkpoint(tmp_path):
    reference("Roberta", "ForTokenClassification").save_pretrained(tmp_path / "model")
    return tmp_path / "model"


def edit_config(folder, **changes):
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def edit_weights(folder, change):
    weights = load_file(folder / "model.safetensors")
    change(weights)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


@pytest.mark.parametrize("name", ["roberta.encoder.layer.1.output.dense.bias", "classifier.weight"])
def test_a_missing_weight_is_named(checkpoint, name):
    edit_weights(checkpoint, lambda weights: weights.pop(name))
    with pytest.raises(GonerdError, match=rf"model: weights are missing: {name}$"):
        load_encoder(checkpoint)


@pytest.mark.parametrize("name", ["roberta.encoder.layer.2.output.dense.bias", "qa_outputs.weight", "roberta.extra"])
def test_a_surplus_weight_is_named(checkpoint, name):
    edit_weights(checkpoint, lambda weights: weights.update({name: torch.ones(3)}))
    with pytest.raises(GonerdError, match=rf"model: surplus weights: {name}$"):
        load_encoder(checkpoint)


def test_several_are_counted(checkpoint):
    edit_config(checkpoint, num_hidden_layers=3)
    with pytest.raises(GonerdError, match=r"weights are missing: roberta\.encoder\.layer\.2\.\S+ and 15 more"):
        load_encoder(checkpoint)


@pytest.mark.parametrize("key", ["vocab_size", "max_position_embeddings", "intermediate_size"])
def test_a_misshapen_weight_is_named(checkpoint, key):
    edit_config(checkpoint, **{key: 10**9})  # and no memory is taken for it
    with pytest.raises(
        GonerdError, match=r"model: the weight roberta\.\S+ is \(\d+.*\), but \(.*1000000\d+.*\) by the con"
    ):
        load_encoder(checkpoint)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_number_that_is_none_is_found(checkpoint, value):
    edit_weights(checkpoint, lambda weights: weights["roberta.encoder.layer.1.output.dense.bias"].fill_(value))
    with pytest.raises(GonerdError, match=r"roberta\.encoder\.layer\.1\.output\.dense\.bias has numbers that are NaN"):
        load_encoder(checkpoint)


def test_integers_are_no_weights(checkpoint):
    name = "roberta.encoder.layer.1.output.dense.bias"
    edit_weights(checkpoint, lambda weights: weights.update({name: torch.ones(32, dtype=torch.int8)}))
    with pytest.raises(GonerdError, match=r"output\.dense\.bias is torch\.int8"):
        load_encoder(checkpoint)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model_type": "electra"}, "unknown type of encoder 'electra'"),
        ({"is_decoder": True}, "is_decoder is True; the encoder knows False alone"),
        ({"position_embedding_type": "relative_key"}, "position_embedding_type is 'relative_key'"),
        ({"hidden_act": "tanh"}, "unknown activation 'tanh'"),
        ({"num_hidden_layers": 2000}, "2000 layers"),
        ({"num_hidden_layers": 10**9}, "num_hidden_layers is 1000000000. Up to 20,000"),
        ({"num_labels": 10**9, "id2label": None}, "num_labels is 1000000000"),
        ({"architectures": ["RobertaForQuestionAnswering"]}, "the head of another task"),
        ({"num_attention_heads": 5}, "."),
        ({"hidden_size": -1}, "."),
        ({"vocab_size": "many"}, "."),
        ({"id2label": {"0": "O", "5": "B-PER"}}, "the labels are not numbered from 0 on"),
        ({"layer_norm_eps": None}, "."),
        ({"layer_norm_eps": float("nan")}, "layer_norm_eps is nan"),
        ({"layer_norm_eps": -1e-5}, "layer_norm_eps is -1e-05"),
        ({"hidden_dropout_prob": float("nan")}, "hidden_dropout_prob is nan"),
        ({"type_vocab_size": 10**30}, "type_vocab_size is 1000"),
        ({"type_vocab_size": -1}, "types is -1"),
        ({"architectures": 5}, "architectures is 5. It must be a list of names"),
        ({"architectures": "RobertaForMaskedLM"}, "architectures is 'RobertaForMaskedLM'"),
    ],
)
def test_a_configuration_of_something_else_is_one_line(checkpoint, changes, message):
    edit_config(checkpoint, **changes)
    with pytest.raises(GonerdError, match=message) as found:
        load_encoder(checkpoint)
    assert str(found.value).startswith(str(checkpoint))


@pytest.mark.parametrize(
    ("kind", "changes", "message"),
    [
        ("Longformer", {"attention_window": 10**12}, "attention_window is 1000000000000"),
        ("Longformer", {"attention_window": [8, -8]}, "windows of"),
        ("Longformer", {"attention_window": [8, "8"]}, "."),
        ("Longformer", {"attention_window": [8]}, "1 windows for 2 layers"),
        ("BigBird", {"block_size": 0}, "blocks of 0 tokens"),
        ("BigBird", {"num_random_blocks": 1.5}, "."),
        ("BigBird", {"attention_type": "flash"}, "unknown attention_type 'flash'"),
        ("Nystromformer", {"num_landmarks": 0}, "0 landmarks"),
        ("Nystromformer", {"conv_kernel_size": 4}, "a convolution 4 wide"),
        ("DistilBert", {"n_heads": 0}, "."),
    ],
)
def test_settings_of_attention_that_can_not_be_are_one_line(tmp_path, kind, changes, message):
    reference(kind, "Model").save_pretrained(tmp_path)
    edit_config(tmp_path, **changes)
    with pytest.raises(GonerdError, match=message):
        load_encoder(tmp_path)


@pytest.mark.parametrize("text", ["", "[]", "{", '{"model_type": 3}', "[" * 100_000, '"text"'])
def test_a_configuration_that_is_none_is_one_line(checkpoint, text):
    (checkpoint / "config.json").write_text(text)
    with pytest.raises(GonerdError):
        load_encoder(checkpoint)


def test_code_in_a_checkpoint_is_never_run(checkpoint):
    (checkpoint / "modeling_evil.py").write_text("raise SystemExit('the code was run')")
    maps = {"AutoConfig": "modeling_evil.Config", "AutoModelForTokenClassification": "modeling_evil.Model"}
    edit_config(checkpoint, auto_map=maps)
    load_encoder(checkpoint)


def test_old_names_and_copies_are_understood(tmp_path):
    model = reference("Bert", "ForMaskedLM")
    model.save_pretrained(tmp_path)
    (document,) = tokens(50)

    def as_in_2019(weights):
        words = weights["bert.embeddings.word_embeddings.weight"]
        for name in [name for name in weights if "LayerNorm" in name]:
            new = name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta")
            weights[new] = weights.pop(name)
        weights["cls.predictions.decoder.weight"] = words.clone()
        weights["cls.predictions.decoder.bias"] = weights.pop("cls.predictions.bias")
        weights["cls.seq_relationship.weight"] = torch.ones(2, 32)
        weights["bert.embeddings.position_ids"] = torch.arange(300)[None]

    edit_weights(tmp_path, as_in_2019)
    edit_config(tmp_path, architectures=["BertForPreTraining"])
    torch.testing.assert_close(answer(load_encoder(tmp_path), document), answer(model, document), atol=EXACT, rtol=0)
    edit_weights(tmp_path, lambda weights: weights["cls.predictions.decoder.weight"].mul_(2))
    with pytest.raises(GonerdError, match=r"cls\.predictions\.decoder\.weight is not equal to bert\.embeddings\.word"):
        load_encoder(tmp_path)


def test_a_bin_file_gives_the_same(checkpoint):
    (document,) = tokens(50)
    wanted = answer(load_encoder(checkpoint), document)
    torch.save(load_file(checkpoint / "model.safetensors"), checkpoint / "pytorch_model.bin")
    (checkpoint / "model.safetensors").unlink()
    assert torch.equal(answer(load_encoder(checkpoint), document), wanted)


@pytest.mark.parametrize("head", HEADS)
def test_a_new_head_in_place_of_any(tmp_path, head):
    reference("Roberta", head).save_pretrained(tmp_path)
    torch.manual_seed(5)
    encoder = load_encoder(tmp_path, labels=("O", "B-X", "I-X"))
    assert encoder.config.labels == ("O", "B-X", "I-X")
    weight, bias = encoder.classifier.output.weight, encoder.classifier.output.bias
    assert 0.01 < weight.std() < 0.03
    assert not bias.any()
    assert all(not weight.is_meta and weight.requires_grad for weight in encoder.parameters())
    (document,) = tokens(20)
    plain = load_encoder(tmp_path)
    assert torch.equal(encoder(document[None]).last_hidden_state, plain(document[None]).last_hidden_state)


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("kind", ["Longformer", "DistilBert", "BigBird"])
def test_a_head_is_known_by_its_weights_where_the_configuration_names_no_class(tmp_path, kind, head):
    """As of allenai/longformer-base-4096, which has a masked-LM head."""
    model = reference(kind, head)
    model.save_pretrained(tmp_path)
    edit_config(tmp_path, architectures=None)
    (document,) = tokens(20)
    encoder = load_encoder(tmp_path)
    assert (encoder.masked_lm is not None, encoder.classifier is not None) == (head == HEADS[1], head == HEADS[0])
    torch.testing.assert_close(answer(encoder, document), answer(model, document), atol=EXACT, rtol=0)


def test_a_classifier_of_texts_is_not_taken_for_one_of_tokens(tmp_path):
    reference("Bert", "ForSequenceClassification").save_pretrained(tmp_path)
    edit_config(tmp_path, architectures=None)
    with pytest.raises(GonerdError, match=r"surplus weights: classifier\.bias and 1 more"):
        load_encoder(tmp_path)


def test_a_masked_lm_whose_matrices_are_apart_is_refused_and_a_classifier_is_not(tmp_path):
    for head in HEADS[:2]:
        reference("Roberta", head, tie_word_embeddings=False).save_pretrained(tmp_path / head)
    (document,) = tokens(20)
    native = reference("Roberta", HEADS[0])
    torch.testing.assert_close(answer(load_encoder(tmp_path / HEADS[0]), document), answer(native, document))
    with pytest.raises(GonerdError, match="tie_word_embeddings is False"):
        load_encoder(tmp_path / HEADS[1])
    model = load_masked(tmp_path / HEADS[0], attention_dropout=0.0)
    save_encoder(model.encoder, tmp_path / "new")
    assert load_encoder(tmp_path / "new").masked_lm is not None


@pytest.mark.parametrize("labels", [{"0": 0, "1": 1, "2": 2, "3": 3, "4": 4}, {str(n): "A" for n in range(5)}, None])
def test_labels_are_named_as_the_configuration_names_them(checkpoint, labels):
    path = checkpoint / "config.json"
    settings = {
        key: value for key, value in json.loads(path.read_text()).items() if key not in ("id2label", "label2id")
    }
    path.write_text(json.dumps(settings | ({"num_labels": 5} if labels is None else {"id2label": labels})))
    wanted = [f"LABEL_{n}" for n in range(5)] if labels is None else [str(label) for label in labels.values()]
    assert list(load_encoder(checkpoint).config.labels) == wanted


def test_weights_that_transformers_cuts_into_several_files(tmp_path):
    model = reference("Roberta", "ForTokenClassification")
    model.save_pretrained(tmp_path / "cut", max_shard_size="20KB")
    assert len(list((tmp_path / "cut").glob("*.safetensors"))) > 2
    (document,) = tokens(50)
    torch.testing.assert_close(
        answer(load_encoder(tmp_path / "cut"), document), answer(model, document), atol=1e-5, rtol=0
    )


def test_another_attention_for_the_same_weights(checkpoint):
    encoder = load_encoder(checkpoint)
    windows = LongformerAttention(windows=(16, 16), global_projections=False)
    local = load_encoder(checkpoint, attention=windows)
    near, far = tokens(9, 200)
    torch.testing.assert_close(answer(local, near), answer(encoder, near), atol=EXACT, rtol=0)
    assert not torch.allclose(answer(local, far), answer(encoder, far), atol=1e-2)
    assert load_encoder(checkpoint, attention=FullAttention()).config == encoder.config


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_in_fewer_bits(checkpoint, tmp_path, dtype):
    encoder = load_encoder(checkpoint, dtype=dtype)
    assert {weight.dtype for weight in encoder.parameters()} == {dtype}
    save_encoder(encoder, tmp_path / "half")
    assert {weight.dtype for weight in load_file(tmp_path / "half" / "model.safetensors").values()} == {dtype}
    assert json.loads((tmp_path / "half" / "config.json").read_text())["dtype"] == str(dtype).removeprefix("torch.")


def test_no_weight_shares_memory_with_another(checkpoint):
    """A hostile `.bin` may name one tensor twice; training one would then change the other."""
    weights = load_file(checkpoint / "model.safetensors")
    query, key = (f"roberta.encoder.layer.0.attention.self.{part}.weight" for part in ("query", "key"))
    weights[key] = weights[query].t()
    torch.save(weights, checkpoint / "pytorch_model.bin")
    (checkpoint / "model.safetensors").unlink()
    layer = load_encoder(checkpoint).layers[0]
    assert layer.query.weight.untyped_storage().data_ptr() != layer.key.weight.untyped_storage().data_ptr()
    assert layer.key.weight.is_contiguous()
    assert torch.equal(layer.key.weight, layer.query.weight.t())


def test_from_the_hub_at_a_commit(checkpoint, tmp_path, monkeypatch):
    files = {path.name: path.read_bytes() for path in checkpoint.iterdir()}
    (document,) = tokens(20)
    with hub_stub() as (hub, address):
        use_in_this_process(monkeypatch, address, tmp_path / "cache")
        commit = hub.add("org/roberta", files)
        edit_config(checkpoint, architectures=["RobertaForQuestionAnswering"])
        hub.add("org/roberta", {"config.json": (checkpoint / "config.json").read_bytes()})
        encoder = load_encoder("org/roberta", revision=commit)
        edit_config(checkpoint, architectures=["RobertaForTokenClassification"])
        assert torch.equal(answer(encoder, document), answer(load_encoder(checkpoint), document))
        with pytest.raises(GonerdError, match=r"^org/roberta: the head of another task"):
            load_encoder("org/roberta")


def test_what_transformers_has_no_type_for_is_not_saved(checkpoint, tmp_path):
    windows = LongformerAttention(windows=(16, 16), global_projections=False)
    with pytest.raises(GonerdError, match="no type of transformers has LongformerAttention"):
        save_encoder(load_encoder(checkpoint, attention=windows), tmp_path / "new")
