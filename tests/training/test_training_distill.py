import json

import pytest
import torch
from safetensors.torch import load_file
from tiny_models import SCHEME, tiny_checkpoint, tiny_examples
from transformers import GPT2Config, GPT2ForTokenClassification

from gonerd.errors import GonerdError
from gonerd.models.checkpoints import describe, load_checkpoint
from gonerd.training.distill import DistillConfig, choose_layers, distill, distillation_loss, make_student
from gonerd.training.losses import IGNORED, cosine_loss, soft_loss


@pytest.fixture(scope="module", params=["modernbert", "longformer"])
def teacher(request, tmp_path_factory):
    return tiny_checkpoint(tmp_path_factory.mktemp("teacher") / "teacher", request.param, layers=4)


def test_half_the_layers_evenly_spread():
    assert choose_layers(12, None) == [0, 2, 4, 6, 8, 10]
    assert choose_layers(4, 2) == [0, 2]
    assert choose_layers(1, None) == [0]
    assert choose_layers(3, 3) == [0, 1, 2]
    with pytest.raises(GonerdError, match="has no student"):
        choose_layers(4, 5)


def test_the_student_starts_from_every_other_layer(teacher):
    model, _ = load_checkpoint(teacher, scheme=SCHEME)
    student = make_student(model)
    assert student.config.num_hidden_layers == 2
    ours, theirs = student.state_dict(), model.state_dict()
    for name, weight in ours.items():
        assert torch.equal(weight, theirs[name.replace(".1.", ".2.") if "layer" in name else name])
    assert student.state_dict()["classifier.weight"].data_ptr() != theirs["classifier.weight"].data_ptr()
    windows = getattr(student.config, "attention_window", None) or student.config.layer_types
    assert len(windows) == 2


def test_a_student_of_all_layers_is_the_teacher_and_loses_nothing(teacher):
    model, _ = load_checkpoint(teacher, scheme=SCHEME)
    with torch.no_grad():
        for name, weight in model.named_parameters():  # layers that do something, answers that differ
            if weight.ndim > 1 and ("layer" in name or "classifier" in name):
                weight.mul_(20)
    student = make_student(model, layers=4).eval()
    batch = {
        "input_ids": torch.tensor([[0, 7, 8, 9, 2], [0, 7, 2, 1, 1]]),
        "attention_mask": torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]]),
        "labels": torch.tensor([[IGNORED, 0, 1, 2, IGNORED], [IGNORED, 0, IGNORED, IGNORED, IGNORED]]),
    }
    loss = distillation_loss(model, DistillConfig(hard_weight=0.0))
    assert loss(student, batch).item() == pytest.approx(0.0, abs=1e-5)
    other = make_student(model, layers=1).eval()
    value = loss(other, batch)
    assert value.item() > 1e-3
    value.backward()
    assert all(parameter.grad is None for parameter in model.parameters())


def test_layers_that_can_not_be_told_apart_make_no_student():
    """The blocks of GPT-2 are called `h`: a student would start from the lowest ones, whatever was chosen."""
    config = GPT2Config(vocab_size=50, n_embd=32, n_layer=4, n_head=2, n_positions=64)
    with pytest.raises(GonerdError, match="can not be told from its name"):
        make_student(GPT2ForTokenClassification(config), layers=2)


def test_the_soft_loss_is_the_textbooks():
    student, teacher = torch.randn(5, 9), torch.randn(5, 9)
    p, q = (teacher / 2).softmax(-1), (student / 2).log_softmax(-1)
    expected = 4 * (p * (p.log() - q)).sum(-1).mean()
    assert soft_loss(student, teacher, temperature=2.0).item() == pytest.approx(expected.item(), rel=1e-5)
    hot, cold = (soft_loss(student, teacher, temperature=t) for t in (4.0, 1.0))
    assert hot.item() != pytest.approx(cold.item())


def test_the_cosine_loss_sees_direction_alone():
    states = torch.randn(6, 4)
    assert cosine_loss(states, 3 * states).item() == pytest.approx(0.0, abs=1e-6)
    assert cosine_loss(states, -states).item() == pytest.approx(2.0, abs=1e-6)


def test_a_distilled_student_loads_and_names_its_teacher(teacher, tmp_path):
    config = DistillConfig(max_steps=4, evaluations=2, learning_rate=1e-3, batch_tokens=256, device="cpu")
    data = {"train": tiny_examples(8), "validation": tiny_examples(2, split="validation")}
    before = load_file(teacher / "model.safetensors")
    distill(teacher, tmp_path / "student", **data, config=config)
    model, tokenizer = load_checkpoint(tmp_path / "student", scheme=SCHEME)
    info = describe(tmp_path / "student", model, tokenizer)
    assert (info.layers, info.teacher) == (2, "teacher")
    after = load_file(teacher / "model.safetensors")
    assert all(torch.equal(before[name], after[name]) for name in before)
    entries = (tmp_path / "student" / "training_log.jsonl").read_text().splitlines()
    assert sum("eval_f1" in json.loads(entry) for entry in entries) == 2
