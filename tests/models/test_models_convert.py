"""A converted model answers as its source wherever its pattern shows a token all of its document."""

import json
import shutil
from functools import partial

import pytest
import torch
import transformers
from encoder_support import SHAPE, tokens
from safetensors.torch import load_file
from test_models_load import answer, reference
from transformers import PreTrainedTokenizerFast

from gonerd.cli.main import main
from gonerd.errors import GonerdError
from gonerd.models import load_encoder
from gonerd.models.config import (
    BigBirdAttention,
    ConvertConfig,
    EncoderConfig,
    LongformerAttention,
    LSGAttention,
    NystromformerAttention,
)
from gonerd.models.convert import SpecialTokens, convert_checkpoint, convert_encoder, global_rows, tiled
from gonerd.models.encoder import Encoder
from gonerd.models.save import save_encoder

EXACT = 1e-5
COVERED = {"longformer": 9, "bigbird": 44, "nystromformer": 128, "full": 128}  # tokens that see all of each other
SMALL = {"max_length": 600, "window": 16, "block": 4, "sparse_block": 4, "kernel": 5}
CONVOLUTION = dict.fromkeys(["longformer", "bigbird", "full"], "convolution.weight has no place in")
UNBIASED = dict.fromkeys(["longformer", "nystromformer"], "projections without a bias, scaled embeddings")
REFUSED = {"Nystromformer": CONVOLUTION, "BigBird full": UNBIASED}
SOURCES = {
    "bert": (transformers.BertForTokenClassification, {"max_position_embeddings": 128, "pad_token_id": 0}),
    "roberta": (
        transformers.RobertaForMaskedLM,
        {"max_position_embeddings": 130, "pad_token_id": 1, "type_vocab_size": 1},
    ),
    "distilbert": (transformers.DistilBertModel, {}),
}


def write_tokenizer(folder):
    """Write a word tokenizer whose special tokens are BERT's, and which cuts and pads as sentence encoders' do."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    words = ["[PAD]", "[CLS]", "[SEP]", "[MASK]", "[UNK]", *(f"w{number}" for number in range(95))]
    built = Tokenizer(models.WordLevel({word: number for number, word in enumerate(words)}, unk_token="[UNK]"))
    built.pre_tokenizer = pre_tokenizers.Whitespace()
    built.enable_truncation(64)
    built.enable_padding(length=64)
    names = {"cls_token": "[CLS]", "mask_token": "[MASK]", "pad_token": "[PAD]", "unk_token": "[UNK]"}
    PreTrainedTokenizerFast(tokenizer_object=built, model_max_length=128, **names).save_pretrained(folder)


@pytest.fixture(scope="module", params=SOURCES)
def source(request, tmp_path_factory):
    """A checkpoint of a model of short reach, with its tokenizer."""
    kind, settings = SOURCES[request.param]
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "distilbert":
        names = {"dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 64, "vocab_size": 100, "initializer_range": 0.2}
        config = transformers.DistilBertConfig(**names, max_position_embeddings=128)
    else:
        config = kind.config_class(**SHAPE, **settings)
    torch.manual_seed(0)
    kind(config).save_pretrained(folder)
    write_tokenizer(folder)
    return folder


@pytest.mark.parametrize("target", COVERED)
def test_it_agrees_with_its_source_where_the_pattern_covers_the_document(source, tmp_path, target):
    manifest = convert_checkpoint(source, tmp_path / "new", config=ConvertConfig(to=target, **SMALL))
    assert manifest.stage == "convert"
    old, new = load_encoder(source), load_encoder(tmp_path / "new")
    assert (new.config.reach, new.config.labels, new.config.masked_lm) == (600, old.config.labels, old.config.masked_lm)
    for document in tokens(1, 5, COVERED[target]):
        torch.testing.assert_close(answer(new, document), answer(old, document), atol=EXACT, rtol=0)
    if target in ("longformer", "bigbird"):
        (longer,) = tokens(128)
        assert not torch.allclose(answer(new, longer), answer(old, longer), atol=1e-2)
    assert answer(new, tokens(600)[0]).isfinite().all()


@pytest.mark.parametrize("target", COVERED)
def test_transformers_loads_it_and_answers_alike(source, tmp_path, target):
    convert_checkpoint(source, tmp_path / "new", config=ConvertConfig(to=target, **SMALL))
    architecture = json.loads((tmp_path / "new" / "config.json").read_text())["architectures"][0]
    native, report = getattr(transformers, architecture).from_pretrained(tmp_path / "new", output_loading_info=True)
    assert {name.rpartition("pooler.")[0] for name in report["missing_keys"]} <= {""}  # of a bare BERT-like model
    assert not report["unexpected_keys"]
    encoder = load_encoder(tmp_path / "new")
    for document in tokens(3, 100, 600):
        torch.testing.assert_close(answer(native.eval(), document), answer(encoder, document), atol=EXACT, rtol=0)


@pytest.mark.parametrize("target", COVERED)
@pytest.mark.parametrize("kind", ["XLMRoberta", "Camembert", "Longformer", "BigBird", "BigBird full", "Nystromformer"])
def test_every_type_becomes_every_other_or_says_why_not(tmp_path, kind, target):
    head = "ForTokenClassification"
    reference(kind, head).save_pretrained(tmp_path / "old")
    write_tokenizer(tmp_path / "old")
    convert = partial(convert_checkpoint, tmp_path / "old", tmp_path / "new")
    if refused := REFUSED.get(kind, {}).get(target):
        with pytest.raises(GonerdError, match=refused):
            convert(config=ConvertConfig(to=target, **SMALL))
        assert not (tmp_path / "new").exists()
        return
    convert(config=ConvertConfig(to=target, **SMALL))
    old, new = load_encoder(tmp_path / "old"), load_encoder(tmp_path / "new")
    assert new.config.reach == 600
    for document in tokens(1, 5):  # less than half of the narrowest window of the old ones
        torch.testing.assert_close(answer(new, document), answer(old, document), atol=EXACT, rtol=0)


def test_a_masked_lm_head_of_another_activation_is_why_not():
    encoder = small_encoder(masked_lm=True, activation="gelu_tanh")
    with pytest.raises(GonerdError, match=r"Longformer.* a masked-LM head with gelu_tanh"):
        convert_encoder(encoder, ConvertConfig(to="longformer"))


def test_a_longer_lsg_model_keeps_what_no_option_says():
    attention = LSGAttention(block=4, sparse_block=4, mask_first_token=True, pool_with_global=False, global_rows=300)
    new = convert_encoder(
        small_encoder(attention=attention, position_offset=1),
        ConvertConfig(to="lsg", max_length=700, block=4, sparse_block=4),
    )
    assert new.config.attention == attention


def test_a_convolution_keeps_its_width():
    old = convert_encoder(small_encoder(), ConvertConfig(to="nystromformer", kernel=5))
    with pytest.raises(GonerdError, match=r"a convolution 5 wide can not become one 65 wide\. Give kernel 5"):
        convert_encoder(old, ConvertConfig(to="nystromformer"))


def test_lsg_comes_near_its_source(source, tmp_path):
    """Its global row is one more key, and stands in for the first token: the same is not promised."""
    convert_checkpoint(source, tmp_path / "new", config=ConvertConfig(to="lsg", **SMALL))
    old, new = load_encoder(source), load_encoder(tmp_path / "new")
    (document,) = tokens(8)
    with torch.no_grad():
        states = [encoder(document[None]).last_hidden_state[0] for encoder in (old, new)]
    assert torch.nn.functional.cosine_similarity(*states, dim=-1).mean() > 0.7
    assert new.config.types >= 1
    assert (tmp_path / "new" / "LSG.md").is_file()
    again = convert_checkpoint(
        tmp_path / "new", tmp_path / "longer", config=ConvertConfig(to="lsg", **SMALL | {"max_length": 900})
    )
    longer = load_encoder(tmp_path / "longer")
    assert (again.config["source"], longer.config.reach) == ("new", 900)
    torch.testing.assert_close(answer(longer, document), answer(new, document), atol=EXACT, rtol=0)


def test_its_tokenizer_reaches_as_far_and_cuts_nothing(source, tmp_path):
    convert_checkpoint(source, tmp_path / "new", config=ConvertConfig(to="longformer", **SMALL))
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path / "new")
    assert tokenizer.model_max_length == 600
    assert len(tokenizer(" ".join(["w1"] * 500))["input_ids"]) == 500
    assert len(tokenizer("w1 w2")["input_ids"]) == 2


def test_the_same_again_is_looked_up_and_another_replaces_it(source, tmp_path):
    first = convert_checkpoint(source, tmp_path / "new", config=ConvertConfig(to="full", max_length=200))
    assert convert_checkpoint(source, tmp_path / "new", config=ConvertConfig(to="full", max_length=200)) == first
    convert_checkpoint(source, tmp_path / "new", config=ConvertConfig(to="full", max_length=300))
    assert load_encoder(tmp_path / "new").config.reach == 300
    other = shutil.copytree(source, tmp_path / "copy" / source.name)
    (other / "vocab.txt").write_text("another\n")
    again = convert_checkpoint(other, tmp_path / "new", config=ConvertConfig(to="full", max_length=300))
    assert again.inputs != first.inputs


def test_positions_are_tiled_with_the_offset_kept():
    table = torch.arange(8.0)[:, None]  # two unused rows, six positions
    assert tiled(table, (2, 2), 14).flatten().tolist() == [0, 1, *[2, 3, 4, 5, 6, 7] * 2, 2, 3]
    assert tiled(table, (2, 0), 7).flatten().tolist() == [2, 3, 4, 5, 6, 7, 2]
    assert tiled(table, (0, 1), 3).flatten().tolist() == [0, 0, 1, 2]
    assert tiled(table, (2, 2), 3).flatten().tolist() == [0, 1, 2, 3, 4]


def small_encoder(**changes):
    shape = {"vocabulary": 50, "width": 32, "layers": 2, "heads": 4, "intermediate": 48, "types": 1}
    return Encoder(EncoderConfig(**shape | changes)).eval()


def test_lsg_rows_are_those_of_its_authors():
    """The begin token at position 0, then the mask token at 64, 128, … 448, 1, 65, …, as `lsg-converter` makes them."""
    encoder = small_encoder(positions=514, position_offset=2)
    encoder.embeddings.positions = torch.nn.Embedding.from_pretrained(
        torch.arange(514.0)[:, None].expand(-1, 32).clone()
    )
    rows = global_rows(encoder, torch.zeros(512, 32), SpecialTokens(begin=0, mask=4))
    words = encoder.embeddings.tokens.weight
    assert torch.equal(rows[0], words[0] + 2)
    places = (rows - torch.cat([words[:1], words[4:5].expand(511, -1)])).mean(1).round().int() - 2
    assert places[:10].tolist() == [0, 64, 128, 192, 256, 320, 384, 448, 1, 65]
    assert sorted(places.tolist()) == list(range(512))


@pytest.mark.parametrize("reach", [40, 1536, 5120])
def test_lsg_rows_lie_apart_whatever_the_reach(reach):
    encoder = small_encoder(positions=reach)
    encoder.embeddings.positions = torch.nn.Embedding.from_pretrained(
        torch.arange(float(reach))[:, None].expand(-1, 32).clone()
    )
    rows = global_rows(encoder, torch.zeros(512, 32), SpecialTokens(begin=0, mask=4))
    places = (rows - encoder.embeddings.tokens.weight[4]).mean(1).round().int().tolist()[1:]
    step = max(1, reach // 512)
    wanted = [row % reach if reach < 512 else step * row for row in range(512)]
    assert sorted(places) == sorted(wanted[1:])
    assert places[:2] == ([64 % reach, 128 % reach] if reach < 512 else [64 // step * step, 2 * (64 // step) * step])


@pytest.mark.parametrize(
    "attention",
    [
        LongformerAttention(windows=(8, 8), global_tokens=2),
        BigBirdAttention(block=8, short="sparse"),
        BigBirdAttention(block=8, randomness="random"),
        NystromformerAttention(convolution=None),
    ],
)
def test_what_a_checkpoint_can_not_say_is_not_saved_as_something_else(attention, tmp_path):
    with pytest.raises(GonerdError, match=r"no type of transformers has \w+ with"):
        save_encoder(small_encoder(attention=attention), tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_global_projections_start_as_copies():
    encoder = small_encoder()
    new = convert_encoder(encoder, ConvertConfig(to="longformer", window=8), special=SpecialTokens(0, 1))
    for layer in new.layers:
        assert torch.equal(layer.attention.query_global.weight, layer.query.weight)
        assert torch.equal(layer.attention.value_global.bias, layer.value.bias)


@pytest.mark.parametrize("target", ["longformer", "bigbird", "full"])
@pytest.mark.parametrize("made_into", ["lsg", "nystromformer"])
def test_what_its_answers_depend_on_is_not_left_out(made_into, target):
    new = convert_encoder(small_encoder(), ConvertConfig(to=made_into), special=SpecialTokens(0, 1))
    with pytest.raises(GonerdError, match="has no place in"):
        convert_encoder(new, ConvertConfig(to=target), special=SpecialTokens(0, 1))


@pytest.mark.parametrize(
    "settings",
    [
        {"max_length": 0},
        {"window": 7},
        {"to": "lsg", "block": 99},
        {"to": "lsg", "block": 0},
        {"to": "bigbird", "block": -1},
        {"to": "bigbird", "block": 0},
        {"to": "nystromformer", "kernel": 4},
        {"to": "nystromformer", "kernel": -1},
        {"to": "nystromformer", "landmarks": 0},
    ],
)
def test_impossible_settings_are_refused(settings):
    with pytest.raises(GonerdError):
        convert_encoder(small_encoder(), ConvertConfig(**{"to": "longformer"} | settings), special=SpecialTokens(0, 1))


def test_a_tokenizer_without_a_mask_is_an_error_for_lsg_alone(source, tmp_path):
    folder = shutil.copytree(source, tmp_path / "copy")
    table = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps({k: v for k, v in table.items() if k != "mask_token"}))
    with pytest.raises(GonerdError, match="without begin-of-text or mask token"):
        convert_checkpoint(folder, tmp_path / "new", config=ConvertConfig(to="lsg"))
    convert_checkpoint(folder, tmp_path / "new", config=ConvertConfig(to="longformer"))


def test_the_commands(source, tmp_path, capsys):
    out = tmp_path / "long"
    with pytest.raises(SystemExit, match="0"):
        main(
            [
                "model",
                "convert",
                str(source),
                "--to",
                "longformer",
                "--max-length",
                "700",
                "--window",
                "16",
                "--out",
                str(out),
            ]
        )
    assert "longformer attention, reach 700 sub-tokens" in capsys.readouterr().out
    with pytest.raises(SystemExit, match="0"):
        main(["model", "info", str(out)])
    shown = capsys.readouterr().out
    for text in ("Longformer", "windows 16", "700 sub-tokens", "not stated", "model.safetensors"):
        assert text in shown
    parameters = sum(weight.numel() for weight in load_file(out / "model.safetensors").values())
    assert f"{parameters:,}" in shown
