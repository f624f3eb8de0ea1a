"""Fine-tuning what transformers lacks: the encoder itself is trained, under the same Trainer."""

import pytest
import torch
from tiny_models import SCHEME, tiny_checkpoint, tiny_examples

from gonerd.models import load_encoder
from gonerd.models.config import ConvertConfig, LSGAttention
from gonerd.models.convert import convert_checkpoint
from gonerd.training.config import FinetuneConfig
from gonerd.training.finetune import finetune

SCHEDULE = {"max_steps": 12, "evaluations": 2, "batch_tokens": 512, "learning_rate": 5e-3, "device": "cpu"}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A converted model and what fine-tuning made of it."""
    folder = tmp_path_factory.mktemp("lsg")
    tiny_checkpoint(folder / "tiny", "longformer")
    config = ConvertConfig(to="lsg", max_length=256, block=8, sparse_block=8)
    convert_checkpoint(folder / "tiny", folder / "long", config=config)
    return folder / "long", run(folder / "long", folder / "trained")


def run(checkpoint, out, **changes):
    train, validation = tiny_examples(8), tiny_examples(3, split="validation")
    finetune(checkpoint, out, train=train, validation=validation, config=FinetuneConfig(**SCHEDULE | changes))
    return out


def test_it_learns_and_stays_lsg(trained):
    before, after = (load_encoder(folder) for folder in trained)
    assert isinstance(after.config.attention, LSGAttention)
    assert after.config == before.config
    assert set(after.config.labels) == set(SCHEME.tags)
    changed = {
        name for name, weight in after.state_dict().items() if not torch.equal(weight, before.state_dict()[name])
    }
    assert {"global_rows.table.weight", "layers.0.query.weight", "classifier.output.weight"} <= changed
    assert (trained[1] / "LSG.md").is_file()


def test_the_same_run_gives_the_same_weights(trained, tmp_path):
    again = load_encoder(run(trained[0], tmp_path / "again")).state_dict()
    first = load_encoder(trained[1]).state_dict()
    assert all(torch.equal(first[name], again[name]) for name in first)


def test_its_head_is_kept_when_it_is_trained_on(trained, tmp_path):
    further = load_encoder(run(trained[1], tmp_path / "further", max_steps=1, learning_rate=1e-9))
    torch.testing.assert_close(
        further.classifier.output.weight, load_encoder(trained[1]).classifier.output.weight, atol=1e-6, rtol=0
    )
