"""The schema of a result, the list of results, and comparing two."""

import json
import re
import shutil
from dataclasses import replace
from importlib.resources import files

import pytest
from tiny_models import SCHEME, tiny_gold

from gonerd.cli.main import main
from gonerd.errors import GonerdError
from gonerd.evaluation.collection import ResultsConfig, find_results, find_unscored, render, rows_of, scores_of
from gonerd.evaluation.compare import compare_results
from gonerd.evaluation.cost_report import Cost, costs_in, write_cost
from gonerd.evaluation.evaluate import About, RunConfig, documents_path, evaluate
from gonerd.evaluation.predict import PredictConfig
from gonerd.evaluation.result import read_result, result_schema
from gonerd.formats import jsonl
from gonerd.formats.gold import Gold
from gonerd.records import Prediction

GOLD = tiny_gold()


def evaluated(out, name, *, wrong=0, **run):
    """Evaluate predictions in which the first so many documents are empty."""
    path = out / f"{name.replace('/', '-')}-{wrong}.jsonl"
    rows = [
        Prediction(item.id, ner_tags=("O",) * len(item.tokens) if place < wrong else item.ner_tags)
        for place, item in enumerate(GOLD.documents)
    ]
    jsonl.write(path, rows)
    about = About(RunConfig(name=name, **run))
    return evaluate(path, GOLD, out / "results", config=PredictConfig(), about=about)


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    folder = tmp_path_factory.mktemp("out")
    for wrong in (1, 2, 3):
        evaluated(folder, "org/mine", wrong=wrong, run_group="mine", seed=wrong)
    evaluated(folder, "org/perfect")
    return folder


def test_the_published_schema_is_the_one_that_is_checked():
    published = json.loads((files("gonerd.evaluation") / "result.schema.json").read_text(encoding="utf-8"))
    assert published == result_schema()


def test_a_result_says_what_lies_behind_the_headline(out):
    (place,) = (out / "results" / "org__perfect").glob("*/*.json")
    result = read_result(place)
    analysis = result.analysis
    assert {name: scores.f1 for name, scores in analysis.classes.items()} == {"exact": 1, "partial": 1, "type": 1}
    assert set(analysis.errors.values()) == {0}
    assert (analysis.intervals["strict_f1"].low, analysis.intervals["strict_f1"].high) == (1.0, 1.0)
    lengths = analysis.views["document length"]
    assert sum(bucket.documents for bucket in lengths.values()) == len(GOLD.documents)
    assert result.run.commit is None or len(result.run.commit) >= 40
    assert result.scorer.equals_seqeval == "1.2.2"


def test_runs_of_a_group_are_one_row_with_mean_and_spread(out):
    found = find_results(out / "results", ResultsConfig())
    assert [row.first.model.name for row in rows_of(found)] == ["org/perfect", "org/mine"]
    group = rows_of(found)[1]
    assert len(group.results) == 3
    assert group.spread(lambda result: result.strict.micro.f1) > 0
    assert len(rows_of(found, each=True)) == 4
    assert find_results(out / "results", ResultsConfig(model="PERF"))[0].model.name == "org/perfect"
    assert find_results(out / "results", ResultsConfig(split="train")) == []


def test_tables_take_any_name(out):
    (place,) = (out / "results" / "org__perfect").glob("*/*.json")
    odd = read_result(place)
    odd = odd.model_copy(update={"model": odd.model.model_copy(update={"name": "=a|b_c & <i>,\\x"})})
    rows = rows_of([odd])
    assert r"=a\|b_c & &lt;i>,\\x" in render(rows, "markdown")
    assert '"\'=a|b_c & <i>,\\x"' in render(rows, "csv")
    assert r"=a|b\_c \& <i>,\textbackslash{}x" in render(rows, "latex")


def test_comparing(out, tmp_path):
    worse, better = evaluated(out, "org/mine", wrong=3), evaluated(out, "org/perfect")
    found = compare_results(better, worse)
    assert found.difference > 0
    assert found.documents == len(GOLD.documents)
    assert compare_results(better, better).p == 1.0
    alone = shutil.copy(better, tmp_path / better.name)
    with pytest.raises(GonerdError, match="not beside the result"):
        compare_results(alone, worse)
    shutil.copy(documents_path(worse), documents_path(tmp_path / better.name))
    with pytest.raises(GonerdError, match="does not add up"):
        compare_results(alone, worse)


def test_results_on_other_gold_can_not_be_compared(out, tmp_path):
    other = tiny_gold(7)
    jsonl.write(tmp_path / "p.jsonl", [Prediction(item.id, ner_tags=item.ner_tags) for item in other.documents])
    elsewhere = evaluate(tmp_path / "p.jsonl", other, tmp_path, config=PredictConfig())
    with pytest.raises(GonerdError, match="different gold"):
        compare_results(evaluated(out, "org/perfect"), elsewhere)


def test_the_command_line_lists_and_compares(out, monkeypatch, capsys):
    monkeypatch.chdir(out)
    places = [str(evaluated(out, "org/perfect")), str(evaluated(out, "org/mine", wrong=3))]
    for arguments, code, said in (
        (["results"], 0, "±"),
        (["results", "--form", "markdown"], 0, "| org/perfect |"),
        (["results", "--form", "latex"], 0, r"\begin{tabular}"),
        (["results", "--form", "csv", "--model", "nobody"], 1, "model,data"),
        (["results", "--model", "nobody"], 1, "no result in results that fits"),
        (["compare", *places], 0, "p = "),
        (["compare", *places, "--json"], 0, '"significant"'),
    ):
        with pytest.raises(SystemExit) as done:
            main(arguments)
        assert done.value.code == code, arguments
        assert said in capsys.readouterr().out
    with pytest.raises(SystemExit) as done:
        main(["results", "nowhere"])
    assert done.value.code == 2
    assert "no such folder" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("columns", "last"), [(80, "95 % of draws"), (120, "precision"), (200, "revision"), (None, "revision")]
)
def test_no_number_is_folded_however_narrow_the_terminal(columns, last, out, monkeypatch, capsys):
    """None: a pipe, which has room for all."""
    monkeypatch.delenv("COLUMNS", raising=False)
    if columns is not None:
        monkeypatch.setenv("COLUMNS", str(columns))
    with pytest.raises(SystemExit):
        main(["results", str(out / "results")])
    lines = capsys.readouterr().out.splitlines()
    titles = [title.strip() for title in lines[1].strip("┃").split("┃")]
    assert titles[-1] == last
    assert columns is None or max(map(len, lines[:-1])) <= columns
    group = next(line for line in lines if " mine " in line)
    assert re.search(r"│ +3 │ +\d+\.\d\d ± \d+\.\d\d │", group)
    left_out = [line for line in lines if line.startswith("no room for ")]
    assert len(left_out) == (last != "revision")
    assert all("revision: --form markdown or csv has all" in line for line in left_out)


def test_a_file_that_is_no_result_is_named(tmp_path):
    place = tmp_path / "a" / "b" / "c.json"
    place.parent.mkdir(parents=True)
    place.write_text("{}")
    with pytest.raises(GonerdError, match=r"c\.json"):
        find_results(tmp_path, ResultsConfig())
    assert SCHEME.name == "gonerd"


def cost_like(result, **changes):
    """Return a cost of a result's model, as if it had been measured."""
    ratio = {"median": 0.5, "lowest": 0.4, "highest": 0.6}
    row = {"length": 4096, "windows": 1, "p50_ms": 1234.0, "p90_ms": 1300.0, "repeats": 3, "ratio": ratio}
    data = {"what": "d", "documents": 0, "tokens_per_second": 900.0, "documents_per_second": 1.0, "ratio": ratio}
    machine = {
        "hardware": "a fast one",
        "device": "cpu",
        "precision": "fp32",
        "driver": None,
        "libraries": {"torch": "2"},
    }
    content = {
        "gonerd_version": "0",
        "created_at": "2026-01-01T00:00:00+00:00",
        "model": result.model,
        "embedding_parameters": 1,
        "disk_bytes": None,
        "weights_mib": 10.0,
        "flops_per_token": {},
        "counted_flops_per_token": {},
        "reference": "the teacher",
        "machine": {**machine, "matrix_tflops": 1.0},
        "latency": [{**row, "utilisation": None, "peak_mib": 90.0}],
        "throughput": [{**data, "words_per_second": 654.0}],
    }
    return Cost.model_validate({**content, **changes})


def test_what_a_model_costs_is_joined_to_its_results(out, tmp_path, monkeypatch, capsys):
    folder = shutil.copytree(out / "results", tmp_path / "results")
    (place,) = (folder / "org__perfect").glob("*/*.json")
    result = read_result(place)
    renamed = result.model_copy(update={"model": result.model.model_copy(update={"name": "another name"})})
    write_cost(cost_like(renamed, created_at="2025-01-01T00:00:00+00:00", weights_mib=1.0), folder)
    newest = cost_like(renamed, reference="another")
    write_cost(newest, folder)
    stranger = result.model.model_copy(update={"revision": "f" * 64})
    write_cost(cost_like(result.model_copy(update={"model": stranger})), folder)
    found = find_results(folder, ResultsConfig())
    assert len(found) == 4
    rows = rows_of(found, costs=costs_in(folder))
    assert [row.cost for row in rows] == [newest, None]
    line = render(rows, "markdown").splitlines()[2]
    assert line.endswith("| 1,234 | 0.500 | another | 654 | 100 | a fast one, fp32 |")
    assert "ms at" not in render(rows_of(found), "markdown")
    monkeypatch.chdir(tmp_path)
    for form, said in (("table", "Cost, as gonerd cost measured it"), ("json", '"weights_mib": 10.0')):
        with pytest.raises(SystemExit) as done:
            main(["results", "--form", form])
        assert done.value.code == 0
        assert said in capsys.readouterr().out


def test_scores_beside_costs_are_of_the_very_model_on_one_data(out):
    """A model may have scores on other data, and another state of it may have had the same name."""
    found = find_results(out / "results", ResultsConfig())
    perfect = next(result for result in found if result.model.name == "org/perfect")
    worse = next(result for result in found if result.model.name != "org/perfect")
    costs = [cost_like(perfect), cost_like(worse)]
    stranger = perfect.model.model_copy(update={"revision": "f" * 64})
    later = perfect.data.model_copy(update={"name": "another", "gold": "0" * 64})
    others = [perfect.model_copy(update={"model": stranger}), perfect.model_copy(update={"data": later})]
    lowered = [one.model_copy(update={"strict": worse.strict}) for one in others]
    data, f1 = scores_of(costs, [*lowered, perfect, worse])
    assert data == f"{perfect.data.name} {perfect.data.split}"
    assert f1 == [perfect.strict.micro.f1, worse.strict.micro.f1]
    assert scores_of(costs, []) == ("", [None, None])


def test_what_was_predicted_without_labels_is_listed_apart(tmp_path, monkeypatch, capsys):
    hidden = Gold.of([replace(item, ner_tags=None) for item in GOLD.documents], scheme=SCHEME, name="tiny")
    path = tmp_path / "mine.jsonl"
    jsonl.write(path, [Prediction(item.id, ner_tags=item.ner_tags) for item in GOLD.documents])
    for gold in (hidden, GOLD):
        evaluate(path, gold, tmp_path / "results", config=PredictConfig())
    assert len(find_results(tmp_path / "results", ResultsConfig())) == 1
    (left,) = find_unscored(tmp_path / "results", ResultsConfig())
    assert left.data.inputs == GOLD.fingerprint.inputs
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit):
        main(["results"])
    assert "not scored: mine on tiny test: the labels are hidden" in capsys.readouterr().out
