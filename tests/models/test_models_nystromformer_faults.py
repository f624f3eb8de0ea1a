"""Where transformers' Nystromformer is wrong, each fault shown: gonerd's own is not compared with it there."""

import pytest
import torch
from transformers import NystromformerConfig, NystromformerModel

LENGTH, LANDMARKS = 128, 16
FULL = {"segment_means_seq_len": 16, "num_landmarks": 16}  # equal, as in every published checkpoint
NYSTROM = {"segment_means_seq_len": LENGTH, "num_landmarks": LANDMARKS}


@pytest.fixture(scope="module")
def models():
    return {"full": reference(FULL), "nystrom": reference(NYSTROM)}


@pytest.fixture
def document():
    return torch.randint(4, 50, (1, LENGTH), generator=torch.Generator().manual_seed(1))


@pytest.fixture
def other():
    return torch.randint(4, 50, (1, LENGTH), generator=torch.Generator().manual_seed(2))


def reference(settings, **more):
    torch.manual_seed(0)
    shape = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48}
    positions = {"vocab_size": 50, "max_position_embeddings": 4 * LENGTH, "conv_kernel_size": 9}
    return NystromformerModel(
        NystromformerConfig(**shape, **positions, initializer_range=0.3, **settings, **more)
    ).eval()


@torch.no_grad()
def states(model, ids, mask=None):
    return model(ids, attention_mask=mask).last_hidden_state


def largest_change(first, second):
    return (first - second).abs().max().item()


def test_the_published_settings_are_full_attention_not_nystroms(models):
    """Its cost is quadratic: with as many landmarks as segment tokens the whole matrix of scores is computed."""
    attention = models["full"].encoder.layer[0].attention.self
    hidden = torch.randn(1, LENGTH, 32)
    with torch.no_grad():
        _, scores = attention(hidden, output_attentions=True)
    assert scores.shape == (1, 4, LENGTH, LENGTH)


def test_its_convolution_reads_padding(models, document):
    padded = torch.cat([document, torch.ones_like(document)], dim=1)
    mask = torch.cat([torch.ones_like(document), torch.zeros_like(document)], dim=1)
    alone, beside = states(models["full"], document), states(models["full"], padded, mask)
    assert largest_change(beside[:, :LENGTH], alone) > 0.01


def test_its_landmarks_mix_the_rows_of_a_batch(models, document, other):
    half = LENGTH // 2
    mixed = states(models["nystrom"], torch.cat([document[:, :half], other[:, :half]]))
    same = states(models["nystrom"], torch.cat([document[:, :half], document[:, :half]]))
    assert largest_change(mixed[:1], same[:1]) > 0.01


def test_it_takes_one_length_only(models, document):
    with pytest.raises(RuntimeError, match="invalid for input of size"):
        states(models["nystrom"], document[:, :100])


def test_it_takes_no_mask_with_padding(models, document):
    mask = torch.ones_like(document)
    mask[:, 100:] = 0
    with pytest.raises(RuntimeError, match="must match the size"):
        states(models["nystrom"], document, mask)


def test_its_landmarks_read_padding(models, document):
    mask = torch.ones(1, 1, 1, LENGTH)
    mask[..., 100:] = 0
    additive = (1 - mask) * torch.finfo(torch.float32).min  # the one form that it takes
    changed = document.clone()
    changed[:, 100:] = 7
    first, second = (states(models["nystrom"], ids, additive)[:, :100] for ids in (document, changed))
    assert largest_change(first, second) > 0.01


def test_its_pseudo_inverse_starts_from_the_largest_sum_of_the_whole_batch(models, document, other):
    alone = states(models["nystrom"], document)
    beside = states(models["nystrom"], torch.cat([document, other]))
    assert largest_change(beside[:1], alone) > 1e-4


def test_it_fails_in_bf16(document):
    with pytest.raises(RuntimeError, match="BFloat16"):
        states(reference(NYSTROM).to(torch.bfloat16), document)


def test_its_option_of_the_exact_start_fails():
    with pytest.raises(TypeError, match="not subscriptable"):
        reference(NYSTROM, inv_coeff_init_option=True)
