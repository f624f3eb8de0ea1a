"""The formula of operations against what torch counts, and against what a pattern really lets a query see."""

import pytest

from gonerd.errors import GonerdError
from gonerd.models.flops import EncoderShape, full, shape_of, up_to, within


def seen(length: int, left: int, right: int) -> float:
    """Keys a query sees in a window, counted one by one."""
    return sum(min(left, place) + 1 + min(right, length - 1 - place) for place in range(length)) / length


@pytest.mark.parametrize(
    ("length", "left", "right"), [(1, 4, 4), (5, 4, 4), (9, 4, 4), (100, 4, 4), (50, 3, 0), (7, 9, 2)]
)
def test_a_window_is_counted_to_the_key(length: int, left: int, right: int) -> None:
    assert within(left, right)(length) == pytest.approx(seen(length, left, right))


def test_other_patterns() -> None:
    assert full(77) == 77
    assert (up_to(64)(10), up_to(64)(1000)) == (10, 64)


def configurations():
    from transformers import BertConfig, DistilBertConfig, ModernBertConfig, RobertaConfig

    size = {
        "hidden_size": 32,
        "num_attention_heads": 4,
        "num_hidden_layers": 3,
        "intermediate_size": 64,
        "vocab_size": 99,
    }
    yield BertConfig(**size)
    yield RobertaConfig(**size, max_position_embeddings=600)
    yield DistilBertConfig(dim=32, n_heads=4, n_layers=3, hidden_dim=64, vocab_size=99)
    yield ModernBertConfig(**size, layer_types=["full_attention"] * 3, pad_token_id=0, cls_token_id=1, sep_token_id=2)


@pytest.mark.parametrize("config", list(configurations()), ids=lambda config: config.model_type)
def test_the_formula_is_what_torch_counts_for_full_attention(config) -> None:
    import torch
    from transformers import AutoModelForTokenClassification

    from gonerd.evaluation.machine import counted_flops

    model = AutoModelForTokenClassification.from_config(config).eval()
    ids = torch.randint(5, 90, (1, 300))
    with torch.inference_mode():
        counted = counted_flops(lambda: model(input_ids=ids)) / 300
    expected = shape_of(config).flops_per_token(300)
    if config.model_type == "modernbert":  # its head has one more square matrix
        expected += 2 * 32 * 32
    assert counted == pytest.approx(expected, rel=1e-3)


def test_sparse_patterns_are_linear_in_length() -> None:
    from transformers import BigBirdConfig, LongformerConfig

    for config in (LongformerConfig(attention_window=512), BigBirdConfig()):
        shape = shape_of(config)
        assert shape.flops_per_token(16_384) == pytest.approx(shape.flops_per_token(8_192), rel=0.05)
        assert shape.flops_per_token(4_096) < EncoderShape(768, 3072, (full,) * 12).flops_per_token(4_096)


def test_published_nystromformers_see_everything() -> None:
    from transformers import NystromformerConfig

    published = NystromformerConfig(segment_means_seq_len=64, num_landmarks=64)
    true = NystromformerConfig(segment_means_seq_len=4096, num_landmarks=64)
    assert shape_of(published).keys[0](4_096) == 4_096
    assert shape_of(true).keys[0](4_096) == 128


def test_the_keys_of_bigbird_are_those_that_its_pattern_shows() -> None:
    import torch
    from transformers import BigBirdConfig

    from gonerd.models.attention.bigbird import Blocks
    from gonerd.models.packing import Layout

    length, place = 16 * 4, torch.arange(16 * 4)
    layout = Layout.of_lengths([length], torch.device("cpu"))
    query, key = (side.flatten() for side in torch.meshgrid(place, place, indexing="ij"))
    shown = Blocks(4, 3, longest_full=11 * 4, draw=(0, 0)).sees(layout, query, key).sum() / length
    assert shape_of(BigBirdConfig(block_size=4)).keys[0](length) == pytest.approx(float(shown))


def test_an_unknown_architecture_is_one_error() -> None:
    from transformers import T5Config

    with pytest.raises(GonerdError, match="no formula for the architecture 't5'"):
        shape_of(T5Config())
