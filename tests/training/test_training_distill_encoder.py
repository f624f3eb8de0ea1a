"""Distilling through the encoder, for every attention it knows."""

import pytest
import torch
from tiny_models import SCHEME, assert_transformers_agrees, tiny_checkpoint, tiny_examples

from gonerd.errors import GonerdError
from gonerd.models import load_encoder
from gonerd.models.checkpoints import load_checkpoint
from gonerd.models.config import ConvertConfig
from gonerd.models.convert import convert_checkpoint
from gonerd.models.encode import Reach
from gonerd.models.trainable import load_trainable
from gonerd.training.config import DistillConfig
from gonerd.training.distill import distill, distillation_loss, make_student
from gonerd.training.rows import TokenBatches, encode_examples

ATTENTIONS = ("longformer", "full", "bigbird", "lsg", "nystromformer")
SCHEDULE = {"max_steps": 3, "evaluations": 1, "batch_tokens": 256, "learning_rate": 1e-3, "device": "cpu"}


@pytest.fixture(scope="module")
def longformer(tmp_path_factory):
    return tiny_checkpoint(tmp_path_factory.mktemp("longformer") / "tiny", "longformer", layers=4)


@pytest.fixture(scope="module", params=ATTENTIONS)
def teacher(request, longformer, tmp_path_factory):
    """A teacher with each attention, whose layers do something and whose answers differ."""
    folder = tmp_path_factory.mktemp("teacher") / request.param
    if request.param == "longformer":
        return longformer
    config = ConvertConfig(to=request.param, max_length=256, block=8, sparse_block=8, random_blocks=1, kernel=5)
    convert_checkpoint(longformer, folder, config=config)
    return folder


def trainable(folder):
    """Return a teacher whose layers do something and whose answers differ."""
    model, tokenizer = load_trainable(folder, scheme=SCHEME, attention_dropout=0.0, new_head=False)
    sharpen(model)
    return model, tokenizer


def sharpen(model):
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.ndim > 1 and ("layer" in name or "classifier" in name):
                weight.mul_(20)


def batches_of(tokenizer, *, packed):
    """Return the documents in one batch, so that means over words and sub-tokens are the same in both forms."""
    rows = encode_examples(tokenizer, tiny_examples(6), reach=Reach(64, 16), scheme=SCHEME)
    pad_id = None if packed else tokenizer.pad_token_id
    found = TokenBatches(rows, outputs=range(9), max_tokens=100_000, pad_id=pad_id, seed=0)
    assert len(found) == 1
    return found[0]


def test_a_student_of_all_layers_is_the_teacher_and_loses_nothing(teacher):
    model, tokenizer = trainable(teacher)
    batch = batches_of(tokenizer, packed=True)
    loss = distillation_loss(model, DistillConfig(hard_weight=0.0))
    assert loss(make_student(model, layers=4), batch).item() == pytest.approx(0.0, abs=1e-5)
    fewer = make_student(model)
    assert fewer.config.num_hidden_layers == fewer.encoder.config.layers == 2
    assert loss(fewer, batch).item() > 1e-3


def test_the_student_has_every_other_layer_and_copies(teacher):
    model, _ = trainable(teacher)
    student = make_student(model)
    theirs = model.state_dict()
    for name, weight in student.state_dict().items():
        source = theirs[name.replace("layers.1.", "layers.2.")]
        assert torch.equal(weight, source)
        assert weight.data_ptr() != source.data_ptr()


def test_gradients_are_those_of_transformers(longformer):
    """Of the whole loss, packed here and padded there."""
    gradients = []
    for packed in (True, False):
        load = trainable if packed else lambda folder: load_checkpoint(folder, scheme=SCHEME)
        model, tokenizer = load(longformer)
        if not packed:
            sharpen(model)
        student = make_student(model)
        distillation_loss(model, DistillConfig())(student, batches_of(tokenizer, packed=packed)).backward()
        classifier = student.encoder.classifier.output if packed else student.classifier
        layer = student.encoder.layers[1] if packed else student.longformer.encoder.layer[1].attention.self
        gradients.append((classifier.weight.grad, layer.query.weight.grad))
        assert all(parameter.grad is None for parameter in model.parameters())
    for ours, theirs in zip(*gradients, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-5 * float(theirs.abs().max()), rtol=1e-3)


def test_a_distilled_student_is_of_its_teachers_kind(teacher, tmp_path):
    data = {"train": tiny_examples(8), "validation": tiny_examples(2, split="validation")}
    distill(teacher, tmp_path / "student", **data, config=DistillConfig(**SCHEDULE))
    student, source = load_encoder(tmp_path / "student"), load_encoder(teacher)
    assert student.config.layers == 2
    assert type(student.config.attention) is type(source.config.attention)
    assert student.config.labels == source.config.labels
    if not (tmp_path / "student" / "LSG.md").is_file():  # which transformers would take for full attention
        assert_transformers_agrees(tmp_path / "student")


def test_a_teacher_without_a_classifier_is_one_clear_error(longformer, tmp_path):
    from gonerd.models.save import save_encoder

    encoder = load_encoder(longformer, labels=("yes", "no"))
    _, tokenizer = load_checkpoint(longformer, scheme=SCHEME)
    save_encoder(encoder, tmp_path / "other", tokenizer=tokenizer)
    data = {"train": tiny_examples(2), "validation": tiny_examples(2, split="validation")}
    with pytest.raises(GonerdError, match="not a classifier of the tags"):
        distill(tmp_path / "other", tmp_path / "student", **data, config=DistillConfig(**SCHEDULE))
