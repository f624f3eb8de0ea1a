"""What the options of training do to a model, through transformers and through the encoder."""

import json
import math

import pytest
import torch
from safetensors.torch import load_file
from tiny_models import SCHEME, tiny_checkpoint, tiny_examples

from gonerd.errors import GonerdError
from gonerd.models.checkpoints import load_checkpoint
from gonerd.models.encode import Reach
from gonerd.training.config import FinetuneConfig
from gonerd.training.depth import depth_of, freeze, parameter_groups
from gonerd.training.finetune import finetune, gold_loss
from gonerd.training.losses import class_weights, hard_loss
from gonerd.training.rows import TokenBatches, encode_examples
from gonerd.training.trainer import _arguments

TRAIN, VALIDATION = tiny_examples(16), tiny_examples(4, split="validation")
ARCHITECTURES = ("modernbert", "longformer")  # the first through transformers, the second through the encoder


@pytest.fixture(scope="module", params=ARCHITECTURES)
def start(request, tmp_path_factory):
    return tiny_checkpoint(tmp_path_factory.mktemp("start") / request.param, request.param)


def run(checkpoint, out, **changes):
    settings = {"max_steps": 4, "evaluations": 2, "learning_rate": 3e-3, "batch_tokens": 256, "device": "cpu"}
    finetune(checkpoint, out, train=TRAIN, validation=VALIDATION, config=FinetuneConfig(**settings | changes))
    return load_file(out / "model.safetensors")


def log(folder):
    return [json.loads(line) for line in (folder / "training_log.jsonl").read_text().splitlines()]


def moved(checkpoint, weights):
    """The names of the weights that training changed."""
    before = load_file(checkpoint / "model.safetensors")
    return {name for name in weights if not torch.equal(weights[name], before[name])}


def test_rare_classes_count_more_and_a_word_counts_one_on_average():
    counts = [900, 90, 9, 1, 0]
    for how, ratio in (("balanced", 10.0), ("inverse-sqrt", math.sqrt(10))):
        weights = class_weights(counts, how)
        assert weights[1] / weights[0] == pytest.approx(ratio)
        assert sum(n * w for n, w in zip(counts, weights, strict=True)) == pytest.approx(1000)
        assert math.isfinite(weights[4])
    assert class_weights(counts, "none") is None


def test_weights_count_in_the_loss_as_so_many_words_would():
    logits, labels = torch.randn(6, 3), torch.tensor([0, 0, 1, 2, -100, 1])
    weighted = hard_loss(logits, labels, weights=torch.tensor([1.0, 3.0, 1.0]))
    often = torch.tensor([0, 1, 2, 2, 2, 3, 4, 5, 5, 5])
    torch.testing.assert_close(weighted, hard_loss(logits[often], labels[often]))


def test_the_weights_of_the_classes_are_in_the_log_and_change_training(start, tmp_path):
    plain, weighted = (run(start, tmp_path / how, class_weights=how) for how in ("none", "balanced"))
    assert any(not torch.equal(plain[name], weighted[name]) for name in plain)
    assert log(tmp_path / "none")[0]["class_weights"] is None
    shown = log(tmp_path / "balanced")[0]["class_weights"]
    assert list(shown) == list(SCHEME.tags)
    assert shown["B-LOC"] > shown["O"]


def test_frozen_layers_keep_their_weights_and_the_others_learn(start, tmp_path):
    changed = moved(start, run(start, tmp_path / "model", freeze_layers=1))
    depths = {depth_of(name, 2) for name in changed}
    assert depths == {2, 3}
    entry = log(tmp_path / "model")[0]
    assert 0 < entry["trained_parameters"] < sum(w.numel() for w in load_file(start / "model.safetensors").values())


def test_frozen_embeddings_keep_their_weights(start, tmp_path):
    depths = {depth_of(name, 2) for name in moved(start, run(start, tmp_path / "model", freeze_embeddings=True))}
    assert depths == {1, 2, 3}


def test_more_layers_than_there_are_can_not_be_frozen(start, tmp_path):
    with pytest.raises(GonerdError, match="3 layers to freeze, of 2"):
        run(start, tmp_path / "model", freeze_layers=3)


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("GPT2", {"n_layer": 2, "n_embd": 32, "n_head": 2}),
        ("T5", {"d_model": 32, "d_kv": 16, "d_ff": 32, "num_layers": 2, "num_heads": 2}),
        ("Llama", {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}),
    ],
)
def test_layers_by_whatever_name_are_found(kind, changes):
    import transformers

    config = getattr(transformers, f"{kind}Config")(vocab_size=99, bos_token_id=0, eos_token_id=0, **changes)
    model = transformers.AutoModelForTokenClassification.from_config(config)
    freeze(model, FinetuneConfig(freeze_layers=1))
    learns = {depth_of(name, 2) for name, weight in model.named_parameters() if weight.requires_grad}
    assert learns == {2, 3}
    assert {depth_of(name, 2) for name, _ in model.named_parameters()} == {0, 1, 2, 3}


@pytest.mark.parametrize("changes", [{"freeze_layers": 1}, {"layer_decay": 0.9}])
def test_an_option_that_would_do_nothing_is_an_error(changes):
    """ALBERT's layers are one and the same."""
    from transformers import AlbertConfig, AlbertForTokenClassification

    sizes = {"hidden_size": 32, "embedding_size": 16, "intermediate_size": 32, "num_attention_heads": 2}
    model = AlbertForTokenClassification(AlbertConfig(vocab_size=99, num_hidden_layers=2, **sizes))
    with pytest.raises(GonerdError, match="do not tell its embeddings and layers apart"):
        freeze(model, FinetuneConfig(**changes))
    freeze(model, FinetuneConfig(freeze_embeddings=True))
    assert not model.albert.embeddings.word_embeddings.weight.requires_grad


def test_lower_layers_learn_slower(start, tmp_path):
    weights, before = run(start, tmp_path / "model", layer_decay=0.1), load_file(start / "model.safetensors")
    largest = {}
    for name, weight in weights.items():
        depth = depth_of(name, 2)
        largest[depth] = max(largest.get(depth, 0.0), float((weight - before[name]).abs().max()))
    assert 0 < largest[0] < largest[1] < largest[2] < largest[3]


def test_the_groups_hold_every_weight_once_at_the_rate_of_its_depth(start):
    model, _ = load_checkpoint(start, scheme=SCHEME)
    names = [name for name, _ in model.named_parameters()]
    config = FinetuneConfig(learning_rate=1.0, layer_decay=0.5, weight_decay=0.1)
    groups = parameter_groups(model, config, decayed=names[:3])
    assert sum(len(group["params"]) for group in groups) == len(names)
    assert {group["lr"] for group in groups} == {1.0, 0.5, 0.25, 0.125}
    assert groups[0]["lr"] == 1.0  # which the Trainer logs
    assert sum(len(group["params"]) for group in groups if group["weight_decay"] == 0.1) == 3


def test_a_step_of_accumulated_batches_has_the_mean_of_their_gradients(tmp_path):
    start = tiny_checkpoint(tmp_path / "start")  # without dropout
    model, tokenizer = load_checkpoint(start, scheme=SCHEME)
    rows = encode_examples(tokenizer, TRAIN, reach=Reach(64, 16), scheme=SCHEME)
    batches = TokenBatches(rows, outputs=range(9), max_tokens=256, pad_id=tokenizer.pad_token_id, seed=0)
    for number in range(len(batches)):
        (gold_loss(model.train(), batches[number]) / len(batches)).backward()
    expected = torch.nn.utils.clip_grad_norm_(model.parameters(), 1e9)
    run(start, tmp_path / "model", max_steps=1, evaluations=1, accumulate=len(batches))
    (entry,) = [entry for entry in log(tmp_path / "model") if "grad_norm" in entry]
    assert entry["grad_norm"] == pytest.approx(float(expected), rel=1e-4)


def test_an_epoch_of_accumulated_batches_has_fewer_steps(start, tmp_path):
    run(start, tmp_path / "model", max_steps=None, epochs=1, accumulate=4, evaluations=1)
    entry = log(tmp_path / "model")[0]
    assert entry["steps"] == math.ceil(entry["batches"] / 4)


def test_states_that_are_computed_again_give_the_same_weights(start, tmp_path):
    kept, again = (run(start, tmp_path / str(flag), gradient_checkpointing=flag) for flag in (False, True))
    for name, weight in kept.items():
        torch.testing.assert_close(again[name], weight, atol=1e-5, rtol=1e-4)


def test_what_is_usual_follows_the_width_and_a_choice_wins():
    rates = [FinetuneConfig().settled(width).learning_rate for width in (32, 384, 768, 1024, 4096)]
    assert rates == sorted(rates, reverse=True)
    assert len(set(rates)) == 4
    chosen = FinetuneConfig(learning_rate=0.5, epochs=2).settled(768)
    assert (chosen.learning_rate, chosen.epochs) == (0.5, 2)


def test_what_was_usual_is_in_the_manifest(start, tmp_path):
    run(start, tmp_path / "model", learning_rate=None)
    assert json.loads((tmp_path / "model" / "manifest.json").read_text())["config"]["learning_rate"] == 1e-3


def test_bf16_trains_and_fp16_needs_cuda(start, tmp_path):
    plain, half = (run(start, tmp_path / name, precision=name) for name in ("fp32", "bf16"))
    assert any(not torch.equal(plain[name], half[name]) for name in plain)
    assert all(torch.isfinite(weight).all() for weight in half.values())
    with pytest.raises(GonerdError, match="fp16 needs CUDA"):
        run(start, tmp_path / "fp16", precision="fp16")


@pytest.mark.parametrize(("launched", "precision"), [("bf16", "fp32"), ("fp16", "bf16")])
def test_a_precision_that_accelerate_was_launched_with_is_not_taken_silently(
    launched, precision, tmp_path, monkeypatch
):
    """The Trainer takes it from the environment, and manifest and card would say another."""
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", launched)
    with pytest.raises(GonerdError, match=f"launched for {launched}, and the precision is {precision}"):
        _arguments(tmp_path, FinetuneConfig(device="cpu", precision=precision, epochs=1), batches=4, metric="f1")


def test_of_several_gpus_one_computes(tmp_path, monkeypatch):
    """transformers would give each an item of its own, and an item is a batch."""
    from transformers import TrainingArguments

    def two_gpus(arguments):
        arguments._n_gpu = 2
        return torch.device("cpu")

    monkeypatch.setattr(TrainingArguments, "_setup_devices", property(two_gpus))
    arguments = _arguments(tmp_path, FinetuneConfig(device="cpu", epochs=1), batches=4, metric="f1")
    assert (arguments.n_gpu, arguments.train_batch_size) == (1, 1)


def test_a_loss_that_is_no_number_any_more_stops_with_one_line(start, tmp_path):
    with pytest.raises(GonerdError, match=r"the loss is (nan|inf) at step \d"):
        run(start, tmp_path / "model", max_steps=8, learning_rate=1e30, warmup_share=0.0)


def test_tensorboard_gets_losses_and_scores_and_changes_nothing(start, tmp_path):
    events = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    plain = run(start, tmp_path / "plain")
    watched = run(start, tmp_path / "watched", tensorboard=tmp_path / "events")
    assert all(torch.equal(plain[name], watched[name]) for name in plain)
    found = events.EventAccumulator(str(tmp_path / "events"))
    found.Reload()
    assert [event.step for event in found.Scalars("train/loss")] == [1, 2, 3, 4]
    assert [event.step for event in found.Scalars("eval/f1")] == [2, 4]
    manifests = [json.loads((tmp_path / name / "manifest.json").read_text()) for name in ("plain", "watched")]
    assert manifests[0]["key"] == manifests[1]["key"]


def test_gradients_that_overflow_are_no_figure_and_break_no_log(start, tmp_path, monkeypatch):
    """As in fp16, where such a step is left out: JSON has no word for infinity, and a checkpoint with it was lost."""
    from accelerate import Accelerator

    monkeypatch.setattr(Accelerator, "clip_grad_norm_", lambda *_, **__: torch.tensor(float("inf")))
    run(start, tmp_path / "model")
    entries = log(tmp_path / "model")[1:]
    assert [entry["step"] for entry in entries if "loss" in entry] == [1, 2, 3, 4]
    assert not any("grad_norm" in entry for entry in entries)


def test_whoever_watches_hears_of_every_step_and_validation(start, tmp_path):
    heard = []
    config = FinetuneConfig(max_steps=4, evaluations=2, learning_rate=3e-3, batch_tokens=256, device="cpu")
    finetune(start, tmp_path / "model", train=TRAIN, validation=VALIDATION, config=config, watch=heard.append)
    assert [(standing.step, standing.validated) for standing in heard] == [(1, False), (2, True), (3, False), (4, True)]
    assert heard[0].score is None
    assert heard[-1].score is not None
    assert heard[-1].best == max(entry["eval_f1"] for entry in log(tmp_path / "model") if "eval_f1" in entry)
    assert heard[-1].seconds_left == 0
    assert all(standing.tokens_per_second > 0 and standing.loss > 0 for standing in heard)


@pytest.mark.parametrize(
    "changes",
    [{"layer_decay": 0.0}, {"layer_decay": 1.5}, {"freeze_layers": -1}, {"accumulate": 0}, {"attention_dropout": 1.0}],
)
def test_senseless_options_are_an_error(changes):
    with pytest.raises(GonerdError):
        FinetuneConfig(**changes)
