"""Backends: what a MODEL on the command line means, and what is wrong with one."""

import json
import shutil

import pytest
from tiny_models import SCHEME, tiny_checkpoint, tiny_gold

from gonerd.errors import GonerdError
from gonerd.evaluation.backend import Setup
from gonerd.evaluation.backends import open_backend
from gonerd.evaluation.evaluate import evaluate
from gonerd.evaluation.predict import PredictConfig
from gonerd.evaluation.result import read_result
from gonerd.formats import jsonl
from gonerd.formats.gold import Gold, GoldDocument
from gonerd.records import Prediction

GOLD = tiny_gold()
CODE = """
from gonerd.records import Annotation, Prediction, Span

def spans(documents):
    for document in documents:
        places = zip(document.tokens, document.token_starts)
        found = tuple(Span(start, start + len(token), "GPE") for token, start in places
                      if token in ("Oslo", "Ghent", "Porto", "Turku"))
        yield Annotation(document.id, document.text_sha256, "mine", "ontonotes", found)

def tags(documents):
    return [Prediction(document.id, ner_tags=("O",) * len(document.tokens)) for document in documents]

def twice(documents):
    return tags(documents) * 2

def odd(documents):
    return ["what"]

def nothing(documents):
    pass

def elsewhere(documents):
    return [Annotation(document.id, "0" * 64, "mine", "gonerd", ()) for document in documents]
"""


def result_of(model, out, gold=GOLD, **options):
    return read_result(evaluate(model, gold, out, config=PredictConfig(device="cpu", **options)))


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return tiny_checkpoint(tmp_path_factory.mktemp("model") / "tiny")


@pytest.fixture
def code(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(CODE)
    return path


def test_a_function_answers_with_spans_or_tags(code, tmp_path):
    result = result_of(f"python:{code}:spans", tmp_path)
    assert result.model.backend == "python"
    assert result.strict.by_type["LOC"].f1 == 1.0
    assert result.strict.by_type["PER"].recall == 0.0
    assert result_of(f"python:{code}:tags", tmp_path).strict.micro.f1 == 0.0


def test_a_function_needs_no_text_and_skips_empty_documents(code, tmp_path):
    documents = [GoldDocument("a", ("in", "Oslo"), ("O", "B-LOC")), GoldDocument("b", (), ())]
    assert result_of(f"python:{code}:spans", tmp_path, Gold.of(documents, scheme=SCHEME)).strict.micro.f1 == 1.0


@pytest.mark.parametrize(
    ("function", "said"),
    [
        ("twice", "answered twice"),
        ("odd", "not an Annotation"),
        ("none", "no function 'none'"),
        ("nothing", "returns a NoneType, not annotations"),
        ("elsewhere", "another text"),
    ],
)
def test_functions_that_do_not_do(code, tmp_path, function, said):
    with pytest.raises(GonerdError, match=said):
        result_of(f"python:{code}:{function}", tmp_path)


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("python:no_such_module:f", "no module 'no_such_module'"),
        ("python:nowhere.py:f", "no such file"),
        ("python:mine", "not MODULE:FUNCTION"),
        ("spacy:no_such_pipeline", "not a usable spaCy pipeline"),
        ("no/such/folder", "no such folder"),
    ],
)
def test_models_that_are_not_there(model, said):
    with pytest.raises(GonerdError, match=said):
        open_backend(model, Setup(SCHEME, PredictConfig()))


def test_a_spacy_pipeline_with_its_labels_mapped(tmp_path):
    spacy = pytest.importorskip("spacy")
    nlp = spacy.blank("en")
    ruler = nlp.add_pipe("entity_ruler")
    ruler.add_patterns([{"label": "GPE", "pattern": place} for place in ("Oslo", "Ghent", "Porto", "Turku")])
    nlp.to_disk(tmp_path / "pipe")
    result = result_of(tmp_path / "pipe", tmp_path)
    assert (result.model.backend, result.model.labels) == ("spacy", {"GPE": "LOC"})
    assert result.strict.by_type["LOC"].f1 == 1.0
    assert result_of(tmp_path / "pipe", tmp_path, labels=("GPE=O",)).strict.micro.predicted == 0
    spacy.blank("en").to_disk(tmp_path / "empty")
    with pytest.raises(GonerdError, match="finds no entities"):
        result_of(tmp_path / "empty", tmp_path)


def relabelled(checkpoint, folder, labels):
    shutil.copytree(checkpoint, folder)
    config = json.loads((folder / "config.json").read_text())
    config |= {"id2label": dict(enumerate(labels)), "label2id": {label: n for n, label in enumerate(labels)}}
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def test_labels_of_another_scheme_give_the_same_tags(checkpoint, tmp_path):
    plain = result_of(checkpoint, tmp_path / "out")
    names = {"PER": "PERSON", "ORG": "ORG", "LOC": "GPE", "MISC": "NORP"}
    others = [tag if tag == "O" else f"{tag[:2]}{names[tag[2:]]}" for tag in SCHEME.tags]
    result = result_of(relabelled(checkpoint, tmp_path / "other", others), tmp_path / "out")
    assert result.strict == plain.strict
    assert result.model.labels["B-GPE"] == "B-LOC"
    numbered = relabelled(checkpoint, tmp_path / "numbered", [f"LABEL_{n}" for n in range(9)])
    assert result_of(numbered, tmp_path / "out").strict == plain.strict


def test_an_unmappable_label_is_an_error_before_weights_are_read(checkpoint, tmp_path):
    folder = relabelled(checkpoint, tmp_path / "other", ["O", *(f"{p}-GENE{n}" for n in range(4) for p in "BI")])
    (folder / "model.safetensors").write_bytes(b"never read")
    with pytest.raises(GonerdError, match=r"GENE0.*--labels"):
        result_of(folder, tmp_path)


def test_a_model_of_another_task_is_refused(checkpoint, tmp_path):
    folder = shutil.copytree(checkpoint, tmp_path / "other")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"architectures": ["ModernBertForSequenceClassification"]}))
    with pytest.raises(GonerdError, match="no token classifier but a ModernBertForSequenceClassification"):
        result_of(folder, tmp_path)


def test_bf16_states_its_difference_to_fp32(checkpoint, tmp_path):
    result = result_of(checkpoint, tmp_path, precision="bf16")
    assert result.settings["precision"] == "bf16"
    full = [read_result(path) for path in tmp_path.glob("*/*/*-test-????????????.json")]
    (fp32,) = [other for other in full if other.settings["precision"] == "fp32"]
    assert result.f1_above_fp32 == result.strict.micro.f1 - fp32.strict.micro.f1
    alone = result_of(checkpoint, tmp_path / "alone", precision="bf16", compare_fp32=False)
    assert (alone.f1_above_fp32, alone.strict) == (None, result.strict)
    assert len(list((tmp_path / "alone").glob("*/*/*-test-????????????.json"))) == 1


def test_edges_are_trimmed_as_the_scheme_has_them(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(
        "from gonerd.records import Prediction\n"
        "def f(documents):\n"
        "    for d in documents:\n"
        "        yield Prediction(d.id, ner_tags=('B-ORG', 'I-ORG', 'I-ORG', 'B-LOC'))\n"
    )
    gold = Gold.of([GoldDocument("a", ("The", "Bank", "'s", "the"), ("O", "B-ORG", "O", "O"))], scheme=SCHEME)
    assert result_of(f"python:{path}:f", tmp_path, gold).strict.micro.f1 == 0.0
    assert result_of(f"python:{path}:f", tmp_path, gold, trim=True).strict.micro.f1 == 1.0


@pytest.mark.parametrize(("options", "flag"), [({"trim": True}, "--trim"), ({"labels": ("GPE=LOC",)}, "--labels")])
def test_what_can_not_be_done_to_a_file_is_not_left_undone_in_silence(tmp_path, options, flag):
    path = tmp_path / "mine.jsonl"
    jsonl.write(path, [Prediction(document.id, ner_tags=document.tags) for document in GOLD.documents])
    with pytest.raises(GonerdError, match=f"{flag} does nothing"):
        result_of(path, tmp_path, **options)


def test_the_seed_is_known_whatever_runs_the_model(checkpoint, tmp_path):
    folder = shutil.copytree(checkpoint, tmp_path / "copy")
    (folder / "manifest.json").write_text(json.dumps({"config": {"seed": 7}}))
    assert result_of(f"transformers:{folder}", tmp_path).run.seed == 7


def test_a_hundred_thousand_tokens_are_one_document(tmp_path):
    checkpoint = tiny_checkpoint(tmp_path / "tiny", layers=1, reach_tokens=1024)
    gold = Gold.of([GoldDocument("long", ("Oslo", "is") * 50_000, ("B-LOC", "O") * 50_000)], scheme=SCHEME)
    result = result_of(checkpoint, tmp_path, gold)
    assert result.coverage.predicted_words == 100_000
    assert result.coverage.windowed_documents == 1


@pytest.mark.parametrize(
    "options", [{"max_tokens": 0}, {"max_length": 0}, {"stride": -1}, {"labels": ("PERSON",)}]
)  # fmt: skip
def test_settings_that_make_no_sense_are_refused(options):
    with pytest.raises(GonerdError):
        PredictConfig(**options)
