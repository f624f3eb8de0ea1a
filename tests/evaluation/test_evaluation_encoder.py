"""What the encoder knows is evaluated by it, packed, with the tags that transformers gives."""

import json
import shutil

import pytest
from safetensors.torch import load_file, save_file
from tiny_models import SCHEME, tiny_checkpoint, tiny_gold

from gonerd.errors import GonerdError
from gonerd.evaluation.backend import InputDocument, Setup
from gonerd.evaluation.backends import open_backend
from gonerd.evaluation.predict import PredictConfig
from gonerd.models.config import ConvertConfig
from gonerd.models.convert import convert_checkpoint

DOCUMENTS = [InputDocument.of(document) for document in tiny_gold(12).documents]


@pytest.fixture(scope="module")
def longformer(tmp_path_factory):
    return tiny_checkpoint(tmp_path_factory.mktemp("model") / "tiny", "longformer")


def answers(model, **options):
    backend = open_backend(str(model), Setup(SCHEME, PredictConfig(device="cpu", **options)))
    return backend.model.backend, backend.predict(DOCUMENTS, progress=lambda *_: None)


@pytest.mark.parametrize("options", [{}, {"max_tokens": 64}, {"word": "average", "decoder": "viterbi"}], ids=str)
def test_the_tags_are_those_of_transformers(longformer, options):
    (ours, packed), (theirs, padded) = answers(longformer, **options), answers(f"transformers:{longformer}", **options)
    assert (ours, theirs) == ("gonerd", "transformers")
    assert packed.predictions == padded.predictions
    assert packed.coverage == padded.coverage
    assert packed.coverage.windowed_documents > 0
    assert packed.sub_tokens == padded.sub_tokens
    assert packed.facts == padded.facts


@pytest.mark.parametrize("attention", ["full", "bigbird", "nystromformer"])
def test_the_tags_of_each_attention_are_those_of_transformers(longformer, tmp_path, attention):
    """Documents are as short as BigBird's reference reads in full: beyond that its answers depend on the batch."""
    folder = tmp_path / attention
    convert_checkpoint(longformer, folder, config=ConvertConfig(to=attention, max_length=64))
    (ours, packed), (theirs, padded) = answers(folder), answers(f"transformers:{folder}")
    assert (ours, theirs) == ("gonerd", "transformers")
    assert packed.predictions == padded.predictions
    assert packed.coverage == padded.coverage
    assert len({tag for document in packed.predictions for tag in document.ner_tags}) > 1


def test_an_encoder_without_a_classifier_is_one_line(longformer, tmp_path):
    """Whose configuration names labels, but no class."""
    folder = shutil.copytree(longformer, tmp_path / "bare")
    weights = load_file(folder / "model.safetensors")
    kept = {name: weight for name, weight in weights.items() if not name.startswith("classifier.")}
    save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"architectures": None}))
    with pytest.raises(GonerdError, match="no token classifier"):
        answers(folder)


def test_other_architectures_are_left_to_transformers(tmp_path):
    assert answers(tiny_checkpoint(tmp_path / "tiny"))[0] == "transformers"
