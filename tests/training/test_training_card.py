import json
import re

import pytest
from huggingface_hub import ModelCard
from tiny_models import tiny_checkpoint, tiny_examples
from transformers import AutoModelForTokenClassification

from gonerd.training import card as module
from gonerd.training.config import FinetuneConfig
from gonerd.training.distill import DistillConfig, distill
from gonerd.training.finetune import finetune
from gonerd.training.rows import fingerprint_of

TRAIN, VALIDATION = tiny_examples(8), tiny_examples(4, split="validation")
SHORT = {"max_steps": 2, "evaluations": 2, "batch_tokens": 256, "device": "cpu"}


@pytest.fixture(scope="module")
def tuned(tmp_path_factory):
    folder = tmp_path_factory.mktemp("card")
    start = tiny_checkpoint(folder / "tiny")
    finetune(start, folder / "model", train=TRAIN, validation=VALIDATION, config=FinetuneConfig(**SHORT))
    return folder / "model"


def test_every_figure_of_the_card_is_that_of_the_run(tuned):
    card = ModelCard.load(tuned / "README.md")
    log = [json.loads(line) for line in (tuned / "training_log.jsonl").read_text().splitlines()]
    best = max((entry for entry in log if "eval_f1" in entry), key=lambda entry: entry["eval_f1"])
    scores = [f"{best[f'eval_{name}']:.4f}" for name in ("f1", "precision", "recall")]
    assert f"| {best['step']} (kept) | {' | '.join(scores)} |" in card.text
    assert card.text.count("(kept)") == 1
    assert "2 of 2 steps" in card.text
    assert f"{log[0]['batches']} batches an epoch" in card.text
    assert "In the loss all tags counted the same." in card.text
    model = AutoModelForTokenClassification.from_pretrained(tuned)
    assert f"| parameters | {sum(p.numel() for p in model.parameters()):,} |" in card.text
    assert f"| layers | {model.config.num_hidden_layers} |" in card.text
    assert f"`{fingerprint_of(TRAIN)}`" in card.text
    assert f"| validation | {len(VALIDATION)} | `{fingerprint_of(VALIDATION)}` |" in card.text
    assert "| sub-tokens read at once in training | 64 |" in card.text
    assert f"| training documents | {len(TRAIN)} |" in card.text
    assert "| started from |" in card.text
    shown = json.loads(re.search(r"```json\n(.*?)\n```", card.text, flags=re.DOTALL).group(1))
    assert shown == json.loads((tuned / "manifest.json").read_text())["config"]


def test_its_front_matter_is_what_the_hub_reads_and_nothing_is_unfilled(tuned):
    card = ModelCard.load(tuned / "README.md")
    assert (card.data.library_name, card.data.pipeline_tag) == ("transformers", "token-classification")
    assert card.data.language is None  # nobody has said which it is
    assert card.data.base_model is None  # a folder is no repository
    for trace in ("{{", "{%", "Undefined", "None"):
        assert trace not in card.text


def test_the_manifest_lists_the_card_and_a_student_names_its_teacher(tuned, tmp_path):
    distill(tuned, tmp_path / "student", train=TRAIN, validation=VALIDATION, config=DistillConfig(**SHORT))
    text = (tmp_path / "student" / "README.md").read_text(encoding="utf-8")
    assert "| distilled from |" in text
    assert "gonerd model distill" in text
    outputs = json.loads((tmp_path / "student" / "manifest.json").read_text())["outputs"]
    assert "README.md" in {entry["name"] for entry in outputs}


def test_a_field_without_a_value_is_refused(monkeypatch, tmp_path):
    (tmp_path / "model.md").write_text("{{ nothing_of_this_name }}")
    monkeypatch.setattr(module, "folder", lambda _: tmp_path)
    with pytest.raises(Exception, match="nothing_of_this_name"):
        module._fill("model.md", {})


def test_a_hub_name_becomes_the_base_model_and_markup_stays_text():
    assert "base_model: org/name" in module._front("org/name", "fill-mask")
    assert "base_model" not in module._front("/a/b/c", "fill-mask")
    assert module._plain("a`b|c\n# d<e>") == "a b c # d e"


def test_the_weights_of_the_classes_are_told(tmp_path):
    config = FinetuneConfig(**SHORT, class_weights="balanced")
    start = tiny_checkpoint(tmp_path / "tiny")
    finetune(start, tmp_path / "model", train=TRAIN, validation=VALIDATION, config=config)
    first = json.loads((tmp_path / "model" / "training_log.jsonl").read_text().splitlines()[0])
    text = (tmp_path / "model" / "README.md").read_text(encoding="utf-8")
    assert f"`B-PER` {first['class_weights']['B-PER']:.2f}, " in text


def test_a_card_of_an_lsg_model_does_not_send_to_transformers():
    values = {name: name for name in re.findall(r"{{ (\w+) }}", (module.folder("hub_card") / "model.md").read_text())}
    for is_lsg, phrase in ((True, "load_encoder"), (False, "AutoModelForTokenClassification")):
        text = module._fill("model.md", {**values, "is_lsg": is_lsg})
        assert phrase in text
        assert ("AutoModelForTokenClassification" in text) is not is_lsg
