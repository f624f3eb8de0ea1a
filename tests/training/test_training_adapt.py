"""Adapting an encoder to texts: what is masked, what it learns, what comes out of it."""

import json

import pytest
import torch
from safetensors.torch import load_file
from tiny_models import SCHEME, tiny_checkpoint, tiny_examples

from gonerd.cli.main import main
from gonerd.errors import GonerdError
from gonerd.models import load_encoder
from gonerd.models.config import ConvertConfig
from gonerd.models.convert import convert_checkpoint
from gonerd.models.masked import load_masked
from gonerd.training.adapt import Masking, TextBatches, _encoded, adapt
from gonerd.training.config import AdaptConfig, FinetuneConfig
from gonerd.training.finetune import finetune

TEXTS = [example.text for example in tiny_examples(24)]
CONFIG = AdaptConfig(max_steps=30, evaluations=3, learning_rate=5e-3, batch_tokens=512, held_out_tokens=300,
                     device="cpu")  # fmt: skip


@pytest.fixture(scope="module", params=["longformer", "lsg"])
def start(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("start")
    tiny_checkpoint(folder / "longformer", "longformer")
    if request.param == "lsg":
        config = ConvertConfig(to="lsg", max_length=64, block=8, sparse_block=8)
        convert_checkpoint(folder / "longformer", folder / "lsg", config=config)
    return folder / request.param


@pytest.fixture(scope="module")
def adapted(start):
    adapt(start, start.with_name("adapted"), texts=TEXTS, config=CONFIG)
    return start.with_name("adapted")


def log(folder):
    return [json.loads(line) for line in (folder / "training_log.jsonl").read_text().splitlines()]


def test_it_guesses_better_and_a_classifier_can_be_trained_from_it(start, adapted, tmp_path):
    scores = [entry["eval_log_likelihood"] for entry in log(adapted) if "eval_log_likelihood" in entry]
    assert scores[-1] > scores[0] + 0.3
    before, after = load_encoder(start), load_encoder(adapted)
    assert after.masked_lm is not None
    assert after.config.attention == before.config.attention
    assert not torch.equal(after.layers[0].query.weight, before.layers[0].query.weight)
    schedule = FinetuneConfig(max_steps=1, evaluations=1, learning_rate=1e-9, batch_tokens=512, device="cpu")
    examples = {"train": tiny_examples(4), "validation": tiny_examples(2, split="validation")}
    finetune(adapted, tmp_path / "tuned", **examples, config=schedule)
    tuned = load_encoder(tmp_path / "tuned")
    assert set(tuned.config.labels) == set(SCHEME.tags)
    torch.testing.assert_close(tuned.layers[0].query.weight, after.layers[0].query.weight, atol=1e-6, rtol=0)


def test_its_head_is_kept_when_it_is_adapted_further(adapted):
    model = load_masked(adapted, attention_dropout=0.0)
    torch.testing.assert_close(model.encoder.masked_lm.bias, load_encoder(adapted).masked_lm.bias)


class StopHereError(Exception):
    pass


def test_an_interrupted_run_ends_in_the_same_log_and_weights(start, adapted, tmp_path):
    def stop(standing):
        if standing.step == 17:
            raise StopHereError

    with pytest.raises(StopHereError):
        adapt(start, tmp_path / "model", texts=TEXTS, config=CONFIG, watch=stop)
    steps = []
    adapt(start, tmp_path / "model", texts=TEXTS, config=CONFIG, watch=lambda standing: steps.append(standing.step))
    assert steps[0] == 11
    assert log(tmp_path / "model") == log(adapted)
    ours, theirs = (load_file(folder / "model.safetensors") for folder in (tmp_path / "model", adapted))
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_every_sub_token_is_in_one_piece_and_held_out_documents_in_none(start):
    from gonerd.models.checkpoints import load_tokenizer
    from gonerd.models.repository import find_checkpoint

    tokenizer = load_tokenizer(find_checkpoint(start))
    model = load_masked(start, attention_dropout=0.0)
    training, held = _encoded(tokenizer, model, TEXTS, CONFIG)
    assert held
    assert not {piece.document for piece in training} & {piece.document for piece in held}
    sizes = {}
    for piece in (*training, *held):
        sizes[piece.document] = sizes.get(piece.document, 0) + len(piece.input_ids) - 2
    expected = {number: len(tokenizer(text.split(), is_split_into_words=True, add_special_tokens=False).input_ids)
                for number, text in enumerate(TEXTS)}  # fmt: skip
    assert sizes == expected
    batches = TextBatches(training, max_tokens=512, seed=0)
    rows = [batches[number] for number in range(len(batches))]
    assert sum(int(row["lengths"].sum()) for row in rows) == sum(len(piece.input_ids) for piece in training)
    assert all(len(row["input_ids"]) == int(row["lengths"].sum()) <= 512 for row in rows)


def test_masking_hides_its_share_and_never_a_special_token():
    masking = Masking(share=0.15, mask=4, vocabulary=1000, special=(0, 1, 2))
    row = torch.arange(100_000) % 1000
    hidden, chosen = masking(row, torch.Generator().manual_seed(0))
    assert torch.equal(hidden[~chosen], row[~chosen])
    assert not chosen[row < 3].any()
    share = chosen.sum() / (row >= 3).sum()
    assert float(share) == pytest.approx(0.15, abs=0.005)
    kinds = [(hidden[chosen] == 4).float().mean(), (hidden[chosen] == row[chosen]).float().mean()]
    assert [float(kind) for kind in kinds] == pytest.approx([0.8, 0.1], abs=0.02)


def test_too_few_documents_and_senseless_settings_are_errors(start, tmp_path):
    with pytest.raises(GonerdError, match="1 documents with any words"):
        adapt(start, tmp_path / "model", texts=["one text", " "], config=CONFIG)
    with pytest.raises(GonerdError, match="masked_share"):
        AdaptConfig(masked_share=1.0)


def test_the_command_line_adapts_and_the_card_says_so(start, tmp_path, capsys):
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "one.txt").write_text(TEXTS[3])
    rows = [json.dumps({"text": text}) for text in TEXTS[:6]]
    (tmp_path / "texts" / "more.jsonl").write_text("\n".join(rows))
    out = tmp_path / "adapted"
    command = ["model", "adapt", str(start), "--text", str(tmp_path / "texts"), "--out", str(out)]
    with pytest.raises(SystemExit) as done:
        main([*command, "--max-steps", "2", "--evaluations", "1", "--batch-tokens", "256", "--device", "cpu"])
    assert done.value.code == 0
    shown = capsys.readouterr()
    perplexity = shown.out.split("held out: ")[1].strip()
    assert "Adapting adapted: step 2 of 2, loss" in shown.err
    card = (out / "README.md").read_text()
    assert f"| perplexity of masked sub-tokens, held out | {perplexity} |" in card
    assert "| documents | 7, read whole" in card
    assert ("LSG" in card) == (start.name == "lsg")


def test_weights_that_the_last_step_broke_stop_with_one_line(tmp_path):
    """Its loss was a number still: there would be no validation to keep a state by."""
    start = tiny_checkpoint(tmp_path / "start", "longformer")
    config = AdaptConfig(max_steps=1, evaluations=1, learning_rate=1e30, warmup_share=0.0, device="cpu")
    with pytest.raises(GonerdError, match=r"validation's log_likelihood is (nan|-inf) at step 1"):
        adapt(start, tmp_path / "out", texts=TEXTS, config=config)
