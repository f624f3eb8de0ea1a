import json
from collections import Counter

import pytest
from dataset_support import CONFIG, make_document, make_gold, make_stages

from gonerd.cli.dataset import app
from gonerd.dataset.build import Given, build
from gonerd.dataset.names import mention_distances
from gonerd.dataset.statistics import longer_shares, quantiles, read_statistics
from gonerd.errors import GonerdError
from gonerd.records import Example, Span
from gonerd.store import read_json, write_json

TEXT = "Åre and Ann saw  Åre . Ann Åre"
TOKENS = tuple(TEXT.split())


def make_example(text, spans):
    tokens, starts, at = text.split(), [], 0
    for token in tokens:
        at = text.index(token, at)
        starts.append(at)
        at += len(token)
    return Example(
        id="a", text=text, tokens=tuple(tokens), token_starts=tuple(starts), ner_tags=("O",) * len(tokens),
        entities=tuple(spans), sentence_starts=None, source="s", url=None, license=None, title=None, published=None,
        annotators=(), text_sha256="", split="train",
    )  # fmt: skip


def test_distances_run_from_the_first_mention_to_the_last():
    spans = [Span(0, 3, "LOC"), Span(8, 11, "PER"), Span(17, 20, "LOC"), Span(23, 26, "PER"), Span(27, 30, "LOC")]
    example = make_example(TEXT, spans)
    assert sorted(mention_distances(example)) == [4, 7]
    assert mention_distances(make_example(TEXT, spans[:2])) == []
    relabelled = [Span(0, 3, "LOC"), Span(17, 20, "ORG")]
    assert mention_distances(make_example(TEXT, relabelled)) == []


def test_quantiles_are_of_the_numbers_themselves():
    assert quantiles({}) == {}
    assert set(quantiles({7: 1}).values()) == {7}
    assert quantiles(Counter(range(101)))["p90"] == 90
    assert quantiles({9: 1, 1: 98, 5: 2}) == {
        "minimum": 1, "p10": 1, "p25": 1, "median": 1, "p75": 1, "p90": 1, "p99": 5, "maximum": 9,
    }  # fmt: skip
    assert longer_shares({512: 1, 513: 2, 5000: 1}) == {"512": 0.75, "1024": 0.25, "2048": 0.25, "4096": 0.25}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    folder = tmp_path_factory.mktemp("statistics")
    documents = [make_document(number, source=("paper", "blog")[number % 2]) for number in range(6)]
    golds = [make_gold(documents[0], (0, 9, "ORG"), (13, 16, "MISC")), *map(make_gold, documents[1:])]
    splits = {document.id: ("train", "test")[number > 3] for number, document in enumerate(documents)}
    build(*make_stages(folder, documents, golds), folder / "dataset", config=CONFIG, given=Given(splits=splits))
    return folder / "dataset"


def test_names_labels_and_sources_are_counted(dataset):
    statistics = read_statistics(dataset)
    assert statistics.total.mentions["maximum"] == 3
    assert statistics.total.balance == {"PER": 0.294118, "ORG": 0.352941, "LOC": 0.294118, "MISC": 0.058824}
    assert statistics.ambiguity.ambiguous == 1
    (name,) = statistics.ambiguity.examples
    assert (name.surface, name.labels) == ("Anna Lund", {"PER": 5, "ORG": 1})
    assert statistics.ambiguity.mentions == round(6 / 17, 6)
    assert statistics.sources["blog"].labels == {"PER": 3, "ORG": 3, "LOC": 3, "MISC": 0}
    assert statistics.sources["paper"].mentions["minimum"] == 2
    assert (statistics.total.distance, statistics.total.repeated_names) == ({}, 0)


def test_statistics_of_an_older_release_are_read(dataset, tmp_path):
    content = read_json(dataset / "statistics.json")
    del content["ambiguity"]
    for part in (content["total"], *content["splits"].values()):
        for name in ("balance", "mentions", "distance", "repeated_names"):
            del part[name]
    write_json(tmp_path / "statistics.json", content)
    assert read_statistics(tmp_path).total.mentions == {}
    app(["stats", str(tmp_path)], result_action="return_value")


def test_lengths_in_the_sub_tokens_of_a_model(dataset, tmp_path, capsys):
    pytest.importorskip("transformers")
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    made = Tokenizer(models.WordLevel({"[UNK]": 0, "[CLS]": 1, "[SEP]": 2}, unk_token="[UNK]"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    made.post_processor = processors.BertProcessing(("[SEP]", 2), ("[CLS]", 1))
    PreTrainedTokenizerFast(tokenizer_object=made, unk_token="[UNK]").save_pretrained(tmp_path / "model")
    app(["stats", str(dataset), "--tokenizer", str(tmp_path / "model"), "--json"], result_action="return_value")
    found = json.loads(capsys.readouterr().out)["splits"]
    total = read_statistics(dataset).total
    assert found["all"]["documents"] == 6
    assert found["all"]["sub_tokens"] == total.tokens + 2 * 6  # every word is one sub-token here
    assert found["all"]["longer"] == {"512": 0.0, "1024": 0.0, "2048": 0.0, "4096": 0.0}
    assert list(found) == ["train", "test", "all"]
    app(["stats", str(dataset), "--tokenizer", str(tmp_path / "model")], result_action="return_value")
    assert "> 4,096" in capsys.readouterr().out
    with pytest.raises(GonerdError, match="no tokenizer can be loaded"):
        app(["stats", str(dataset), "--tokenizer", str(tmp_path / "none")], result_action="return_value")
