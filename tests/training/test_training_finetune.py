import json

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_models import SCHEME, tiny_checkpoint, tiny_examples
from transformers import AutoModelForTokenClassification, AutoTokenizer

from gonerd.errors import GonerdError
from gonerd.models.checkpoints import load_checkpoint
from gonerd.models.encode import Reach
from gonerd.training.config import FinetuneConfig
from gonerd.training.distill import DistillConfig
from gonerd.training.finetune import finetune
from gonerd.training.losses import IGNORED
from gonerd.training.rows import TokenBatches, encode_examples

TRAIN, VALIDATION = tiny_examples(24), tiny_examples(6, split="validation")
CONFIG = FinetuneConfig(max_steps=8, evaluations=4, learning_rate=3e-3, batch_tokens=256, device="cpu")


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    return tiny_checkpoint(tmp_path_factory.mktemp("start") / "tiny")


def run(start, out, config=CONFIG, **changes):
    settings = {"train": TRAIN, "validation": VALIDATION, "config": config} | changes
    return finetune(start, out, **settings)


def weights(folder):
    return load_file(folder / "model.safetensors")


def log(folder):
    return [json.loads(line) for line in (folder / "training_log.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def undisturbed(start, tmp_path_factory):
    out = tmp_path_factory.mktemp("out") / "model"
    run(start, out)
    return out


def test_the_folder_loads_with_transformers_alone_and_learned_something(undisturbed):
    model = AutoModelForTokenClassification.from_pretrained(undisturbed)
    tokenizer = AutoTokenizer.from_pretrained(undisturbed)
    assert model(**tokenizer("Ann left Oslo", return_tensors="pt")).logits.shape[-1] == 9
    losses = [entry["loss"] for entry in log(undisturbed) if "loss" in entry]
    assert losses[-1] < losses[0]
    manifest = json.loads((undisturbed / "manifest.json").read_text())
    assert manifest["read"] == 24
    assert {file["name"] for file in manifest["outputs"]} >= {"model.safetensors", "config.json", "training_log.jsonl"}
    assert not [path for path in undisturbed.parent.iterdir() if path != undisturbed]  # no checkpoints left


class StopHereError(Exception):
    pass


def interrupt(*_):
    raise StopHereError


def interrupt_at(step):
    def watch(standing):
        if standing.step == step:
            raise StopHereError

    return watch


@pytest.mark.parametrize("step", [1, 5, 8])
def test_an_interrupted_run_ends_in_the_same_weights_as_an_undisturbed_one(start, undisturbed, tmp_path, step):
    with pytest.raises(StopHereError):
        run(start, tmp_path / "model", watch=interrupt_at(step))
    assert not (tmp_path / "model").exists()
    steps = []
    run(start, tmp_path / "model", watch=lambda standing: steps.append(standing.step))
    assert steps[0] > (step - 1) // 2 * 2  # it went on from the last checkpoint, two steps apart
    ours, theirs = weights(tmp_path / "model"), weights(undisturbed)
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    losses = [
        [entry["loss"] for entry in log(folder) if "loss" in entry] for folder in (tmp_path / "model", undisturbed)
    ]
    assert losses[0] == losses[1]


def test_a_run_that_stopped_while_writing_the_model_ends_in_the_same_weights(start, undisturbed, tmp_path, monkeypatch):
    def stop(_folder):
        raise StopHereError

    with monkeypatch.context() as patch:
        patch.setattr("gonerd.training.fit.model_files", stop)
        with pytest.raises(StopHereError):
            run(start, tmp_path / "model")
    steps = []
    run(start, tmp_path / "model", watch=lambda standing: steps.append(standing.step))
    assert not steps  # nothing is trained again
    assert not (tmp_path / "model" / "checkpoints").exists()
    ours, theirs = weights(tmp_path / "model"), weights(undisturbed)
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_a_run_that_was_moved_after_its_last_step_still_finds_its_best_state(start, undisturbed, tmp_path, monkeypatch):
    """Its checkpoints name the best one by its path, and the Trainer says nothing where that leads nowhere."""
    with monkeypatch.context() as patch:
        patch.setattr("gonerd.training.fit.save_checkpoint", interrupt)
        with pytest.raises(StopHereError):
            run(start, tmp_path / "before" / "model")
    (tmp_path / "before").rename(tmp_path / "after")
    run(start, tmp_path / "after" / "model")
    ours, theirs = weights(tmp_path / "after" / "model"), weights(undisturbed)
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


@pytest.mark.parametrize("content", [None, '{"best_metric": 0.'])
def test_a_checkpoint_that_was_cut_off_is_passed_over(start, undisturbed, tmp_path, content):
    with pytest.raises(StopHereError):
        run(start, tmp_path / "model", watch=interrupt_at(5))
    (last,) = tmp_path.glob(".model.*.partial/checkpoints/checkpoint-4")
    (last / "trainer_state.json").unlink() if content is None else (last / "trainer_state.json").write_text(content)
    run(start, tmp_path / "model")
    ours, theirs = weights(tmp_path / "model"), weights(undisturbed)
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_a_finished_run_is_looked_up_and_another_setting_is_another_run(start, undisturbed, monkeypatch):
    before = (undisturbed / "manifest.json").read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr("gonerd.training.fit._fit", lambda *_, **__: pytest.fail("trained again"))
        assert run(start, undisturbed).read == 24
        with pytest.raises(pytest.fail.Exception):
            run(start, undisturbed, FinetuneConfig(max_steps=8, learning_rate=1e-3, device="cpu"))
    assert (undisturbed / "manifest.json").read_bytes() == before


def test_the_best_state_is_kept(start, tmp_path):
    config = FinetuneConfig(max_steps=60, evaluations=6, learning_rate=1e-2, batch_tokens=256, device="cpu")
    run(start, tmp_path / "model", config)
    scores = [entry["eval_f1"] for entry in log(tmp_path / "model") if "eval_f1" in entry]
    assert len(scores) == 6
    assert max(scores) > 0.5
    same = FinetuneConfig(max_steps=1, evaluations=1, learning_rate=1e-12, batch_tokens=256, device="cpu")
    run(tmp_path / "model", tmp_path / "again", same)
    assert log(tmp_path / "again")[-1].get("eval_f1", log(tmp_path / "again")[-2].get("eval_f1")) == max(scores)


def test_training_ends_when_validations_get_no_better_and_a_rerun_trains_no_further(start, tmp_path, monkeypatch):
    config = FinetuneConfig(max_steps=8, evaluations=8, learning_rate=1e-12, patience=2, batch_tokens=256, device="cpu")
    with monkeypatch.context() as patch:
        patch.setattr("gonerd.training.fit.save_checkpoint", interrupt)
        with pytest.raises(StopHereError):
            run(start, tmp_path / "model", config)
    run(start, tmp_path / "model", config, watch=lambda _: pytest.fail("trained further"))
    assert [entry["step"] for entry in log(tmp_path / "model") if "eval_f1" in entry] == [1, 2, 3]
    assert "| 1 (kept) |" in (tmp_path / "model" / "README.md").read_text()


def test_a_loss_that_is_no_number_stops_with_one_line(tmp_path):
    broken = tiny_checkpoint(tmp_path / "broken")
    state = weights(broken)
    state["classifier.bias"][0] = float("nan")
    save_file(state, broken / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(GonerdError, match="the loss is nan at step 1"):
        run(broken, tmp_path / "model")


def test_an_empty_split_is_an_error(start, tmp_path):
    with pytest.raises(GonerdError, match="no documents"):
        run(start, tmp_path / "model", validation=())


def test_training_labels_every_word_exactly_once(start):
    _, tokenizer = load_checkpoint(start, scheme=SCHEME)
    rows = encode_examples(tokenizer, TRAIN, reach=Reach(64, 16), scheme=SCHEME)
    batches = TokenBatches(rows, outputs=range(9), max_tokens=256, pad_id=tokenizer.pad_token_id, seed=0)
    seen = [batches[number] for number in range(len(batches))]
    assert sum(int((batch["labels"] != IGNORED).sum()) for batch in seen) == sum(len(row.tokens) for row in TRAIN)
    assert all(batch["input_ids"].numel() <= 256 for batch in seen)
    tags = torch.cat([batch["labels"][batch["labels"] != IGNORED] for batch in seen])
    gold = [tag for example in TRAIN for tag in SCHEME.tag_ids(example.ner_tags)]
    assert tags.bincount(minlength=9).tolist() == [gold.count(number) for number in range(9)]


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        (FinetuneConfig, {"learning_rate": 0.0}),
        (FinetuneConfig, {"learning_rate": float("nan")}),
        (FinetuneConfig, {"weight_decay": float("inf")}),
        (DistillConfig, {"hard_weight": float("nan")}),
        (FinetuneConfig, {"max_steps": 0}),
        (FinetuneConfig, {"warmup_share": 1.0}),
        (FinetuneConfig, {"max_length": 0}),
        (FinetuneConfig, {"patience": 0}),
        (FinetuneConfig, {"patience": 3, "evaluations": 4}),
        (FinetuneConfig, {"weight_decay": -0.1}),
        (FinetuneConfig, {"seed": -1}),
        (FinetuneConfig, {"stride": -1}),
        (DistillConfig, {"temperature": 0.0}),
        (DistillConfig, {"soft_weight": -1.0}),
        (DistillConfig, {"epochs": 0.0}),
    ],
)
def test_senseless_settings_are_an_error(kind, changes):
    with pytest.raises(GonerdError):
        kind(**changes)
