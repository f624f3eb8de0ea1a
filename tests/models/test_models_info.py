import json

import lsg_golden
import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_models import SCHEME, tiny_checkpoint

from gonerd.errors import GonerdError
from gonerd.models.checkpoints import load_checkpoint
from gonerd.models.config import (
    BigBirdAttention,
    EncoderConfig,
    FullAttention,
    LongformerAttention,
    LSGAttention,
    NystromformerAttention,
)
from gonerd.models.info import model_info, working_bytes
from gonerd.models.memory import PeakCounter


@pytest.fixture
def folder(tmp_path):
    return tiny_checkpoint(tmp_path / "tiny", "longformer")


def test_a_checkpoint_of_ours(folder):
    (folder / "README.md").write_text("---\nlanguage: en\nlicense: apache-2.0\n---\n\nlicense: none\n")
    facts = model_info(folder)
    assert (facts.layers, facts.reach_tokens) == (2, 64)
    assert facts.architecture == "longformer LongformerForTokenClassification"
    assert facts.attention.startswith("Longformer: windows 16,")
    assert facts.parameters == sum(weight.numel() for weight in load_file(folder / "model.safetensors").values())
    assert (facts.license, facts.is_safe, facts.code_files) == ("apache-2.0", True, ())
    assert facts.labels == SCHEME.tags
    assert facts.working_bytes > 0


def test_what_is_not_safe_is_said(folder):
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    (folder / "modeling_evil.py").write_text("raise SystemExit('the code was run')")
    facts = model_info(folder)
    assert (facts.weight_files, facts.is_safe, facts.code_files) == (
        ("pytorch_model.bin",),
        False,
        ("modeling_evil.py",),
    )
    assert (facts.license, facts.revision) == (None, None)


def test_a_type_that_the_encoder_does_not_know(tmp_path):
    facts = model_info(tiny_checkpoint(tmp_path / "tiny", "modernbert"))
    assert facts.attention == "as transformers has it"
    assert (facts.layers, facts.reach_tokens, facts.working_bytes) == (2, 64, None)


def test_a_damaged_one_is_an_error(folder):
    (folder / "model.safetensors").write_bytes(b"\0" * 100)
    with pytest.raises(GonerdError, match="damaged weights"):
        model_info(folder)


def test_transformers_does_not_run_lsg_as_roberta(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(lsg_golden.config_of("published")))
    weights = {name: torch.from_numpy(values) for name, values in lsg_golden.weights().items()}
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(GonerdError, match="an LSG model, whose attention transformers does not know"):
        load_checkpoint(tmp_path, scheme=None)


def test_memory_is_that_of_what_is_alive_at_the_same_time():
    kept = torch.ones(100)
    with PeakCounter(apart_from=[kept]) as counter:
        view = kept[:50]  # nothing new
        first = view + 1  # 200 bytes
        second = torch.cat([first, first])  # 400 more
        del first
        third = second * 2  # 400 more than the second
    assert counter.peak == 800
    assert len(third) == 100


def test_memory_grows_with_the_square_of_nothing():
    """Neither attention holds a length-by-length tensor on the CPU."""
    shape = {"vocabulary": 50, "width": 64, "heads": 4, "intermediate": 128, "positions": 5000}
    for attention in (FullAttention(), LongformerAttention(windows=(64,) * 12)):
        config = EncoderConfig(**shape, layers=12, attention=attention)
        short, long = working_bytes(config, 512), working_bytes(config, 4096)
        assert 4 * short < long < 10 * short


@pytest.mark.parametrize("attention", [LSGAttention(), NystromformerAttention(approximate=True)])
def test_memory_is_linear_up_to_16384(attention):
    """A length-by-length tensor of one head alone would take 1,024 MiB there."""
    shape = {"vocabulary": 50, "width": 32, "heads": 2, "intermediate": 64, "positions": 16384, "layers": 2}
    config = EncoderConfig(**shape, attention=attention)
    short, long = working_bytes(config, 4096), working_bytes(config, 16384)
    assert long < 4.5 * short
    assert long < 300 * 2**20


@pytest.mark.parametrize("attention", [LongformerAttention(windows=(512,)), BigBirdAttention(), LSGAttention()])
def test_a_sparse_pattern_takes_little_more_than_the_states_themselves(attention):
    """State, queries, keys, values and what they collect are five times the state; LSG once took thirteen."""
    shape = {"vocabulary": 50, "width": 768, "heads": 12, "intermediate": 64, "positions": 4096, "layers": 1}
    state = 4 * 768 * 4096
    assert working_bytes(EncoderConfig(**shape, attention=attention), 4096) < 8 * state
