"""Nystromformer equals transformers' where that is right; where it is not, see `test_models_nystromformer_faults`."""

from dataclasses import replace

import pytest
import torch
from encoder_support import SHAPE, padded, tokens
from transformers import NystromformerConfig, NystromformerForMaskedLM

from gonerd.models import load_encoder, save_encoder
from gonerd.models.attention.nystromformer import nystrom, pseudo_inverse, segment_means
from gonerd.models.config import EncoderConfig, NystromformerAttention
from gonerd.models.encoder import Encoder
from gonerd.models.packing import pack, unpack

EXACT = 1e-5
LENGTHS = (1, 2, 63, 64, 65, 511, 512, 513, 700, 705)
POSITIONS, KERNEL = 5000, 65


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("nystromformer")


def pair_of(folder, *, segments, landmarks):
    """Return a reference with seeded weights, saved by transformers, and the encoder that loads it."""
    torch.manual_seed(0)
    settings = {"segment_means_seq_len": segments, "num_landmarks": landmarks, "conv_kernel_size": KERNEL}
    config = NystromformerConfig(**SHAPE | {"initializer_range": 0.1}, **settings, max_position_embeddings=POSITIONS)
    reference = NystromformerForMaskedLM(config).eval()
    reference.save_pretrained(folder)
    return reference, load_encoder(folder)


def assert_same(output, answer, place=0):
    torch.testing.assert_close(output.last_hidden_state[place], answer.hidden_states[-1][0], atol=EXACT, rtol=0)
    torch.testing.assert_close(output.logits[place], answer.logits[0], atol=EXACT, rtol=0)


@pytest.fixture(scope="module")
def full(folder):
    """A published shape, documents, and the reference's answers for each document alone."""
    reference, encoder = pair_of(folder, segments=64, landmarks=64)
    documents = tokens(*LENGTHS)
    with torch.no_grad():
        return encoder, documents, [reference(document[None], output_hidden_states=True) for document in documents]


@torch.no_grad()
def test_published_settings_alone(full):
    encoder, documents, answers = full
    assert encoder.config.attention == NystromformerAttention(landmarks=64, convolution=KERNEL, approximate=False)
    for document, answer in zip(documents, answers, strict=True):
        assert_same(encoder(document[None]), answer)


@torch.no_grad()
@pytest.mark.parametrize("left", [False, True], ids=["right", "left"])
def test_published_settings_padded(full, left):
    encoder, documents, answers = full
    ids, mask = padded(documents, left=left, extra=70)  # more than the convolution reads
    output = encoder(ids, mask)
    for row, answer in enumerate(answers):
        assert_same(output, answer, (row, mask[row].bool()))


@torch.no_grad()
@pytest.mark.parametrize("align", [1, 64])
def test_published_settings_packed(full, align):
    encoder, documents, answers = full
    rows = pack(documents, 1400, align=align)
    logits = unpack(rows, [encoder(row.input_ids, layout=row.layout).logits for row in rows])
    for own, answer in zip(logits, answers, strict=True):
        torch.testing.assert_close(own, answer.logits[0], atol=EXACT, rtol=0)


@torch.no_grad()
@pytest.mark.parametrize("lengths", [(1024, 1500), pytest.param((4096,), marks=pytest.mark.slow)], ids=str)
def test_published_settings_on_long_documents(folder, lengths):
    """Padded on the left beside each other, and the last alone."""
    reference, encoder = pair_of(folder, segments=64, landmarks=64)
    documents = tokens(*lengths)
    ids, mask = padded(documents, left=True, extra=5)
    output = encoder(ids, mask)
    for row, document in enumerate(documents):
        answer = reference(document[None], output_hidden_states=True)
        assert_same(output, answer, (row, mask[row].bool()))
    assert_same(encoder(document[None]), answer)


def test_gradients_with_published_settings(folder):
    reference, encoder = pair_of(folder, segments=64, landmarks=64)
    documents = tokens(300, 17)
    (row,) = pack(documents, 400)
    encoder(row.input_ids, layout=row.layout).logits.square().sum().backward()
    for document in documents:
        reference(document[None]).logits.square().sum().backward()
    theirs = reference.nystromformer.encoder.layer[0].attention.self
    layer = encoder.layers[0]
    for own, other in ((layer.query, theirs.query), (layer.attention.convolution, theirs.conv)):
        torch.testing.assert_close(own.weight.grad, other.weight.grad, atol=1e-3, rtol=1e-4)


def test_an_approximation_within_few_positions_is_saved_as_one(tmp_path):
    attention = NystromformerAttention(landmarks=16, convolution=5, approximate=True)
    shape = {"vocabulary": 50, "width": 32, "heads": 4, "layers": 1, "intermediate": 32, "types": 2}
    for reach in (10, 20, 40):
        encoder = Encoder(EncoderConfig(**shape, positions=reach + 2, position_offset=2, attention=attention))
        save_encoder(encoder, tmp_path)
        assert load_encoder(tmp_path).config == encoder.config


@pytest.mark.parametrize(("length", "landmarks"), [(64, 16), (512, 64), (705, 47)])
def test_the_approximation_at_the_length_that_the_reference_takes(folder, length, landmarks):
    reference, encoder = pair_of(folder, segments=length, landmarks=landmarks)
    assert encoder.config.attention.approximate
    (document,) = tokens(length)
    answer, output = reference(document[None], output_hidden_states=True), encoder(document[None])
    assert_same(output, answer)
    answer.logits.square().sum().backward()
    output.logits.square().sum().backward()
    theirs = reference.nystromformer.encoder.layer[0].attention.self
    layer = encoder.layers[0]
    for own, other in ((layer.query, theirs.query), (layer.attention.convolution, theirs.conv)):
        torch.testing.assert_close(own.weight.grad, other.weight.grad, atol=1e-3, rtol=1e-4)


@torch.no_grad()
def test_the_approximation_of_a_document_is_its_own(folder):
    """At any length, in whatever company, padded or not: what the reference gets wrong."""
    encoder = pair_of(folder, segments=512, landmarks=16)[1]
    documents = tokens(*LENGTHS)
    alone = [encoder(document[None]).logits[0] for document in documents]
    ids, mask = padded(documents, left=True, extra=9)
    beside = encoder(ids, mask).logits
    rows = pack(documents[::-1], 1400)
    packed = unpack(rows, [encoder(row.input_ids, layout=row.layout).logits for row in rows])[::-1]
    for row, (own, other) in enumerate(zip(alone, packed, strict=True)):
        torch.testing.assert_close(beside[row, mask[row].bool()], own, atol=EXACT, rtol=0)
        torch.testing.assert_close(other, own, atol=EXACT, rtol=0)


@torch.no_grad()
def test_a_document_with_fewer_tokens_than_landmarks_gets_the_softmax_itself(folder):
    approximate = pair_of(folder, segments=512, landmarks=64)[1]
    whole = load_encoder(folder, attention=replace(approximate.config.attention, approximate=False))
    for document in tokens(1, 30, 64):
        assert torch.equal(approximate(document[None]).logits, whole(document[None]).logits)
    (longer,) = tokens(65)
    assert not torch.allclose(approximate(longer[None]).logits, whole(longer[None]).logits, atol=1e-3)


@torch.no_grad()
@pytest.mark.parametrize("approximate", [False, True])
def test_bf16(folder, approximate):
    encoder = pair_of(folder, segments=512 if approximate else 64, landmarks=64)[1]
    (document,) = tokens(512)
    exact = encoder(document[None]).logits
    assert (
        torch.nn.functional.cosine_similarity(encoder.bfloat16()(document[None]).logits.float(), exact, -1).min() > 0.99
    )
    with torch.autocast("cpu", torch.bfloat16):
        mixed = encoder.float()(document[None]).logits
    assert torch.nn.functional.cosine_similarity(mixed.float(), exact, -1).min() > 0.99


def test_the_approximation_gets_near_the_softmax():
    """On keys that cluster, as those of text do, few landmarks come near the whole softmax."""
    draw = torch.Generator().manual_seed(3)
    centres = torch.randn(16, 8, generator=draw).repeat_interleave(16, 0)
    query, key = (0.5 * (centres + 0.05 * torch.randn(256, 8, generator=draw))[None, None] for _ in range(2))
    value = torch.randn(1, 1, 256, 8, generator=draw)
    exact = torch.nn.functional.scaled_dot_product_attention(query, key, value)
    errors = [(nystrom(query, key, value, landmarks=count) - exact).abs().mean() for count in (4, 16, 256)]
    assert errors[0] > errors[1] > errors[2] == 0
    assert errors[1] < 0.1 * exact.abs().mean()


def test_segments_differ_by_one_at_most():
    values = torch.arange(10.0)[:, None]
    assert segment_means(values, 4).flatten().tolist() == [1, 3.5, 6, 8.5]  # 3, 2, 3 and 2 tokens
    assert segment_means(values, 10).equal(values)


def test_the_pseudo_inverse_of_an_invertible_matrix_is_its_inverse():
    matrix = (torch.eye(6) * 3 + torch.rand(2, 2, 6, 6)).softmax(-1)
    torch.testing.assert_close(pseudo_inverse(matrix) @ matrix, torch.eye(6).expand_as(matrix), atol=1e-2, rtol=0)
