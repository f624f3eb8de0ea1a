"""LSG equals the outputs of the reference code that `lsg_golden.py` keeps, for each document as if it were alone."""

import json
from dataclasses import replace

import lsg_golden as golden
import pytest
import torch
from encoder_support import padded
from safetensors.torch import load_file, save_file

from gonerd.errors import GonerdError
from gonerd.models import load_encoder, save_encoder
from gonerd.models.config import LSGAttention
from gonerd.models.packing import pack, unpack

EXACT = 1e-5  # the claim is 1e-4
WEIGHTS = {name: torch.from_numpy(values) for name, values in golden.weights().items()}


@pytest.fixture(scope="module")
def answers():
    return load_file(golden.GOLDEN)


@pytest.fixture(scope="module", params=golden.CASES)
def case(request, tmp_path_factory):
    """The name of a case and its encoder, loaded as a checkpoint."""
    folder = written(tmp_path_factory.mktemp("lsg"), golden.config_of(request.param))
    return request.param, load_encoder(folder)


def written(folder, config):
    """Write a checkpoint as the reference code does."""
    (folder / "config.json").write_text(json.dumps(config))
    save_file(WEIGHTS, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def documents_of(name, most=10_000):
    return {n: torch.from_numpy(golden.inputs(n)) for n in golden.lengths_of(name) if n <= most}


def assert_same(answers, name, length, *, hidden, logits):
    """Hold a document's last hidden states and logits to the reference's, in the rows that are kept."""
    rows = golden.rows_of(name, length)
    torch.testing.assert_close(hidden[rows], answers[f"{name}.{length}.hidden"], atol=EXACT, rtol=0)
    torch.testing.assert_close(logits[rows], answers[f"{name}.{length}.logits"], atol=EXACT, rtol=0)


@torch.no_grad()
def test_alone(case, answers):
    name, encoder = case
    for length, document in documents_of(name).items():
        output = encoder(document[None])
        assert_same(answers, name, length, hidden=output.last_hidden_state[0], logits=output.logits[0])


@torch.no_grad()
@pytest.mark.parametrize("left", [False, True], ids=["right", "left"])
def test_padded(case, answers, left):
    name, encoder = case
    documents = documents_of(name, most=1024)
    ids, mask = padded(list(documents.values()), left=left, extra=7)
    output = encoder(ids, mask)
    for row, length in enumerate(documents):
        kept = mask[row].bool()
        hidden, logits = output.last_hidden_state[row, kept], output.logits[row, kept]
        assert_same(answers, name, length, hidden=hidden, logits=logits)


@torch.no_grad()
@pytest.mark.parametrize(("engine", "align"), [("tiles", 1), ("tiles", 64), ("dense", 1), ("flex", 1)])
@pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile")
def test_packed(case, answers, align, engine):
    name, encoder = case
    documents = documents_of(name, most=1024)
    if engine == "flex":  # which takes the square of the row where it is not compiled
        documents = {length: documents[length] for length in (1, 65, 513 if name == "published" else 300)}
    rows = pack(list(documents.values()), 1400, align=align)
    outputs = [encoder(row.input_ids, layout=replace(row.layout, engine=engine)) for row in rows]
    hidden = unpack(rows, [output.last_hidden_state for output in outputs])
    logits = unpack(rows, [output.logits for output in outputs])
    for length, *own in zip(documents, hidden, logits, strict=True):
        assert_same(answers, name, length, hidden=own[0], logits=own[1])


def test_gradients(answers, tmp_path):
    encoder = load_encoder(written(tmp_path, golden.config_of("published")))
    document = torch.from_numpy(golden.inputs(golden.GRADIENT_LENGTH))
    hidden = encoder(document[None]).last_hidden_state[0]
    (hidden * torch.from_numpy(golden.direction(golden.GRADIENT_LENGTH))).sum().backward()
    ours = (encoder.global_rows.table.weight, encoder.layers[0].key.weight)
    for name, weight in zip(golden.GRADIENTS, ours, strict=True):
        torch.testing.assert_close(weight.grad[: golden.WIDTH], answers[f"gradient.{name}"], atol=1e-4, rtol=1e-4)


def test_a_checkpoint_is_saved_as_it_was(tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    config = golden.config_of("narrow_sparse")
    save_encoder(load_encoder(written(first, config)), second)
    weights = load_file(second / "model.safetensors")
    assert weights.keys() == WEIGHTS.keys()
    assert all(torch.equal(weights[name], WEIGHTS[name]) for name in WEIGHTS)
    saved = json.loads((second / "config.json").read_text())
    assert {key: saved.get(key) for key in config} == config
    assert "RoBERTa with full attention" in (second / "LSG.md").read_text()


@pytest.mark.parametrize("kind", ["pooling", "lsh", "stride", "block_stride", "bos_pooling", "none", None, "other"])
def test_any_other_sparsity_is_one_clear_error(tmp_path, kind):
    written(tmp_path, golden.config_of("published") | {"sparsity_type": kind})
    with pytest.raises(GonerdError, match=f"sparsity_type is {kind!r}; the encoder knows 'norm' alone"):
        load_encoder(tmp_path)


def test_what_a_configuration_leaves_out_is_what_the_reference_fills_in(tmp_path):
    config = golden.config_of("published")
    usual = ("adaptive", "block_size", "mask_first_token", "num_global_tokens", "pool_with_global", "sparse_block_size")
    written(tmp_path, {key: value for key, value in config.items() if key not in (*usual, "sparsity_factor")})
    assert load_encoder(tmp_path).config.attention == LSGAttention()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"adaptive": False}, "adaptive is False; the encoder knows True alone"),
        ({"block_size": "128"}, "block_size is '128'. It must be of kind int"),
        ({"block_size": None}, "block_size is None"),
        ({"sparse_block_size": float("inf")}, "sparse_block_size is inf"),
        ({"sparsity_factor": 10**30}, "sparsity_factor is 1000"),
        ({"num_global_tokens": True}, "num_global_tokens is True"),
        ({"mask_first_token": "no"}, "mask_first_token is 'no'. It must be of kind bool"),
    ],
)
def test_settings_of_another_kind_are_one_line(tmp_path, changes, message):
    written(tmp_path, golden.config_of("published") | changes)
    with pytest.raises(GonerdError, match=message):
        load_encoder(tmp_path)


@pytest.mark.parametrize("model_type", ["bert", "distilbert", "bart"])
def test_another_lsg_model_is_an_error(tmp_path, model_type):
    written(tmp_path, golden.config_of("published") | {"model_type": model_type})
    with pytest.raises(GonerdError, match=f"LSG attention in a {model_type}"):
        load_encoder(tmp_path)


@pytest.mark.parametrize(
    "settings",
    [
        {"block": 128, "sparse_block": 128, "factor": 3},
        {"block": 8, "sparse_block": 8, "factor": 8},  # the reference's windows are shifted there
        {"block": 128, "sparse_block": 32, "factor": 2},  # the reference's windows are empty there
        {"block": 100, "sparse_block": 64, "factor": 2},
        {"block": 0},
        {"global_tokens": 0},
        {"global_tokens": 513},
    ],
)
def test_settings_that_the_reference_does_not_compute_are_refused(settings):
    with pytest.raises(GonerdError):
        LSGAttention(**settings)


@torch.no_grad()
@pytest.mark.slow
def test_packed_at_every_length(tmp_path, answers):
    encoder = load_encoder(written(tmp_path, golden.config_of("published")))
    documents = documents_of("published")
    rows = pack(list(documents.values()), 5000)
    outputs = [encoder(row.input_ids, layout=row.layout) for row in rows]
    hidden = unpack(rows, [output.last_hidden_state for output in outputs])
    logits = unpack(rows, [output.logits for output in outputs])
    for length, *own in zip(documents, hidden, logits, strict=True):
        assert_same(answers, "published", length, hidden=own[0], logits=own[1])


@torch.no_grad()
def test_in_bf16_and_in_mixed_precision(tmp_path):
    encoder = load_encoder(written(tmp_path, golden.config_of("published")))
    document = torch.from_numpy(golden.inputs(700))[None]
    exact = encoder(document).last_hidden_state
    with torch.autocast("cpu", torch.bfloat16):
        mixed = encoder(document).last_hidden_state
    half = encoder.bfloat16()(document).last_hidden_state
    for found in (mixed, half):  # where norms are near each other, another sparse key may be chosen
        assert torch.nn.functional.cosine_similarity(found.float(), exact, dim=-1).mean() > 0.98
