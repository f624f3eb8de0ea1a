"""Fine-tuning through the encoder: packed rows of whole documents, under the same Trainer."""

import json
import shutil
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file
from tiny_models import SCHEME, assert_transformers_agrees, tiny_checkpoint, tiny_example, tiny_examples

from gonerd.errors import GonerdError
from gonerd.models import load_encoder
from gonerd.models.checkpoints import load_checkpoint
from gonerd.models.config import ConvertConfig, LSGAttention
from gonerd.models.convert import convert_checkpoint
from gonerd.models.encode import Reach
from gonerd.models.trainable import load_trainable
from gonerd.training.config import FinetuneConfig
from gonerd.training.finetune import finetune, gold_loss
from gonerd.training.losses import IGNORED
from gonerd.training.rows import TokenBatches, encode_examples
from gonerd.training.trainer import LOG

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


@pytest.fixture(scope="module")
def longformer(tmp_path_factory):
    return tiny_checkpoint(tmp_path_factory.mktemp("longformer") / "tiny", "longformer")


def batches_of(checkpoint, *, packed, max_tokens=256):
    _, tokenizer = load_checkpoint(checkpoint, scheme=SCHEME)
    rows = encode_examples(tokenizer, tiny_examples(24), reach=Reach(64, 16), scheme=SCHEME)
    pad_id = None if packed else tokenizer.pad_token_id
    found = TokenBatches(rows, outputs=range(9), max_tokens=max_tokens, pad_id=pad_id, seed=0)
    return [found[number] for number in range(len(found))]


@pytest.mark.parametrize("backend", ["encoder", "transformers"])
def test_pieces_that_answer_for_no_word_are_not_learned_from(backend, longformer, tmp_path):
    """Inside of a word that is longer than a window, and of a document without a word, there is nothing to learn."""
    one = replace(tiny_example(3), tokens=("q" * 900,), text="q" * 900, token_starts=(0,), ner_tags=("O",))
    none = replace(one, id="none", tokens=(), token_starts=(), ner_tags=())
    config = FinetuneConfig(**SCHEDULE | {"batch_tokens": 64, "max_steps": 4, "backend": backend})
    validation = tiny_examples(1, split="validation")
    finetune(longformer, tmp_path / "trained", train=(one, none), validation=validation, config=config)
    log = [json.loads(line) for line in (tmp_path / "trained" / LOG).read_text().splitlines()]
    assert log[0]["batches"] == 1
    with pytest.raises(GonerdError, match="have no words"):
        finetune(longformer, tmp_path / "empty", train=(none,), validation=validation, config=config)


def test_packed_rows_label_every_word_exactly_once_and_pad_nothing(longformer):
    seen = batches_of(longformer, packed=True)
    for batch in seen:
        assert batch["lengths"].sum() == len(batch["input_ids"]) == len(batch["labels"]) <= 256
    tags = torch.cat([batch["labels"][batch["labels"] != IGNORED] for batch in seen])
    gold = [tag for example in tiny_examples(24) for tag in SCHEME.tag_ids(example.ner_tags)]
    assert tags.bincount(minlength=9).tolist() == [gold.count(number) for number in range(9)]


def test_a_document_beyond_the_batch_is_a_row_of_its_own(longformer):
    seen = batches_of(longformer, packed=True, max_tokens=40)
    assert {len(batch["lengths"]) for batch in seen if len(batch["labels"]) > 40} == {1}
    assert max(len(batch["labels"]) for batch in seen) == 64


def test_gradients_are_those_of_transformers_on_the_same_documents(longformer):
    """Over all documents: how they are put into batches is all that differs."""
    ours, _ = load_trainable(longformer, scheme=SCHEME, attention_dropout=0.0)
    theirs, _ = load_checkpoint(longformer, scheme=SCHEME)
    for model, packed in ((ours, True), (theirs, False)):
        batches = batches_of(longformer, packed=packed)
        words = sum(int((batch["labels"] != IGNORED).sum()) for batch in batches)
        for batch in batches:
            (gold_loss(model, batch) * (batch["labels"] != IGNORED).sum() / words).backward()
    for mine, reference in (
        (ours.encoder.classifier.output.weight, theirs.classifier.weight),
        (ours.encoder.layers[0].query.weight, theirs.longformer.encoder.layer[0].attention.self.query.weight),
        (ours.encoder.embeddings.tokens.weight, theirs.longformer.embeddings.word_embeddings.weight),
    ):
        torch.testing.assert_close(mine.grad, reference.grad, atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize("to", ["full", "bigbird", "nystromformer"])
def test_every_attention_is_trained_and_loads_with_transformers(to, longformer, tmp_path):
    config = ConvertConfig(to=to, max_length=256, block=8, random_blocks=1)
    convert_checkpoint(longformer, tmp_path / "long", config=config)
    after = load_encoder(run(tmp_path / "long", tmp_path / "trained", max_steps=3))
    before = load_encoder(tmp_path / "long", labels=SCHEME.tags)
    assert not torch.equal(after.layers[0].query.weight, before.layers[0].query.weight)
    assert after.config.attention == before.config.attention
    assert after.config.hidden_dropout == before.config.hidden_dropout
    assert_transformers_agrees(tmp_path / "trained")


def test_either_backend_can_be_asked_for(longformer, tmp_path):
    for backend in ("encoder", "transformers"):
        run(longformer, tmp_path / backend, max_steps=2, backend=backend)
    assert {path.name for path in (tmp_path / "encoder").iterdir()} == {
        path.name for path in (tmp_path / "transformers").iterdir()
    }
    assert load_encoder(tmp_path / "encoder").config == load_encoder(tmp_path / "transformers").config


def test_a_classifier_is_kept_where_the_configuration_names_no_class(longformer, tmp_path):
    """As that of Longformer's authors: its weights say what head it has."""
    folder = shutil.copytree(longformer, tmp_path / "unnamed")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"architectures": None}))
    model, _ = load_trainable(folder, scheme=SCHEME, attention_dropout=0.0, new_head=False)
    kept = load_file(longformer / "model.safetensors")["classifier.weight"]
    torch.testing.assert_close(model.encoder.classifier.output.weight, kept, atol=0, rtol=0)
