"""`gonerd cost`: on tiny checkpoints, so that what is measured is small but everything is measured."""

import json
from xml.etree import ElementTree

import pytest
import torch
from pydantic import ValidationError
from tiny_models import tiny_checkpoint

from gonerd.cli.main import main
from gonerd.errors import GonerdError
from gonerd.evaluation.cost import CostConfig, measure_costs
from gonerd.evaluation.cost_memory import measure_peak
from gonerd.evaluation.cost_models import CostModel, document_of, load_for_cost
from gonerd.evaluation.cost_plot import plot_costs
from gonerd.evaluation.cost_report import Cost, costs_in, read_cost, write_cost
from gonerd.evaluation.machine import joules
from gonerd.formats import jsonl
from gonerd.formats.gold import GoldDocument
from gonerd.models.config import ConvertConfig
from gonerd.models.convert import convert_checkpoint

WORDS = ("Ann", "Leesen", "left", "Oslo", "and", "nobody", "waited")
QUICK = {"repeats": 3, "seconds": 0.0, "device": "cpu"}


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Two models, the second with half the layers."""
    folder = tmp_path_factory.mktemp("models")
    for name, layers in (("large", 2), ("small", 1)):
        tiny_checkpoint(folder / name, layers=layers)
    return [str(folder / "large"), str(folder / "small")]


@pytest.fixture(scope="module")
def costs(models):
    config = CostConfig(lengths=(16, 100), memory=False, price_per_hour=3.6, **QUICK)
    return measure_costs(models, config=config, documents=[WORDS * 10, WORDS], data="two documents")


def test_everything_is_measured_of_every_model_against_the_first(costs):
    large, small = costs
    assert [cost.model.name for cost in costs] == ["large", "small"]
    assert large.reference == small.reference == "large"
    for cost in costs:
        assert [row.length for row in cost.latency] == [16, 100]
        assert all(0 < row.p50_ms <= row.p90_ms and row.repeats == 3 for row in cost.latency)
        assert [row.what for row in cost.throughput] == ["16 sub-tokens", "100 sub-tokens", "two documents"]
        assert cost.machine.matrix_tflops > 0
        assert cost.model.parameters > cost.embedding_parameters > 0
        assert cost.disk_bytes > 4 * cost.model.parameters
    assert all(row.ratio.lowest == row.ratio.median == row.ratio.highest == 1.0 for row in large.latency)


def test_a_document_beyond_the_reach_is_measured_whole_in_windows(models, costs):
    assert [row.windows for row in costs[0].latency] == [1, 2]
    model = load_for_cost(models[0], device="cpu", precision="fp32")
    pieces = document_of(model, 100)
    assert sum(len(piece.words) for piece in pieces) == 98  # and two special tokens
    assert all(len(piece.input_ids) <= 64 for piece in pieces)
    assert [len(piece.input_ids) for piece in document_of(model, 64)] == [64]


def test_the_formula_agrees_with_the_counter_where_nothing_is_sparse_or_padded(costs):
    """ModernBERT as transformers runs it computes all scores and masks: the counter finds more than is needed."""
    for cost in costs:
        assert set(cost.flops_per_token) == {"16", "100"}
        counted = cost.counted_flops_per_token["16"]
        assert 1.0 <= counted / cost.flops_per_token["16"] < 1.5


def test_what_lsg_puts_in_front_of_a_document_is_counted_too(tmp_path):
    """Its global rows are weights that go through a module by themselves, which torch's counter stumbled over."""
    tiny_checkpoint(tmp_path / "longformer", "longformer")
    config = ConvertConfig(to="lsg", max_length=64, block=8, sparse_block=8)
    convert_checkpoint(tmp_path / "longformer", tmp_path / "lsg", config=config)
    (cost,) = measure_costs([str(tmp_path / "lsg")], config=CostConfig(lengths=(16,), memory=False, **QUICK))
    assert cost.counted_flops_per_token["16"] > 0
    assert cost.model.attention == "LSG, blocks of 8"


def test_the_price_follows_from_the_throughput_on_the_data(costs):
    for cost in costs:
        speed = cost.throughput[-1].documents_per_second
        assert cost.price_per_million_documents == pytest.approx(3.6 / 3600 * 1e6 / speed)


def test_the_file_lies_beside_the_results_and_is_keyed_by_the_machine(costs, tmp_path):
    paths = [write_cost(cost, tmp_path) for cost in costs]
    assert [path.relative_to(tmp_path).parts[0] for path in paths] == ["large", "small"]
    assert paths == [write_cost(cost, tmp_path) for cost in costs]
    assert costs_in(tmp_path) == costs
    elsewhere = costs[0].model_copy(update={"machine": costs[0].machine.model_copy(update={"hardware": "another"})})
    assert write_cost(elsewhere, tmp_path) != paths[0]


def test_a_file_that_is_no_cost_is_one_error(costs, tmp_path):
    path = write_cost(costs[0], tmp_path)
    content = json.loads(path.read_text())
    content["machine"].pop("hardware")
    path.write_text(json.dumps(content))
    with pytest.raises(GonerdError, match=r"no cost: field 'machine\.hardware'"):
        read_cost(path)


@pytest.mark.parametrize(
    ("part", "changes"),
    [("machine", {"hardware": ""}), ("machine", {"libraries": {}}), (None, {"reference": ""})],
)
def test_a_figure_without_what_it_was_measured_on_and_against_is_none(costs, part, changes):
    content = costs[0].model_dump()
    content.update({part: content[part] | changes} if part else changes)
    with pytest.raises(ValidationError):
        Cost.model_validate(content)


def test_a_reach_beyond_the_usual_lengths_is_measured_too(models, monkeypatch):
    monkeypatch.setattr("gonerd.evaluation.cost.LENGTHS", (16, 32))
    (cost,) = measure_costs(models[:1], config=CostConfig(memory=False, batches=False, **QUICK))
    assert [row.length for row in cost.latency] == [16, 32, 64]
    assert set(cost.flops_per_token) == {"16", "32", "64"}


def test_a_model_measured_alone_and_a_machine_that_changes_are_doubtful(models, monkeypatch):
    rates = iter([2.0, 1.0])
    monkeypatch.setattr("gonerd.evaluation.cost.matrix_tflops", lambda *_: next(rates))
    (cost,) = measure_costs(models[:1], config=CostConfig(lengths=(16,), memory=False, batches=False, **QUICK))
    assert "the matrix rate went from 2.00 to 1.00 TFLOP/s in the course of the measurement" in cost.doubts
    assert any(doubt.startswith("measured alone") for doubt in cost.doubts)


def test_memory_is_measured_in_a_process_of_its_own(models):
    weights, short = measure_peak(models[0], 16, device="cpu", precision="fp32")
    _, long = measure_peak(models[0], 60, device="cpu", precision="fp32")
    assert 0 < weights < 1
    assert 0 <= short < 300
    assert 0 <= long < 300
    with pytest.raises(GonerdError, match="measuring its memory"):
        measure_peak("no/such", 16, device="cpu", precision="fp32")


def run_out_of_memory(monkeypatch, name, *, beyond):
    """Have a model find no memory for more sub-tokens than so many at once."""
    compute = CostModel.run

    def run(model, pieces, **options):
        if model.part.name == name and sum(len(piece.input_ids) for piece in pieces) > beyond:
            raise torch.OutOfMemoryError("CUDA out of memory")
        compute(model, pieces, **options)

    monkeypatch.setattr(CostModel, "run", run)


def test_what_does_not_fit_into_memory_is_said_and_the_rest_is_measured(models, monkeypatch):
    run_out_of_memory(monkeypatch, "small", beyond=40)
    config = CostConfig(lengths=(60, 16, 60), memory=False, **QUICK)
    large, small = measure_costs(models, config=config, documents=[WORDS * 20], data="a long one")
    assert [row.length for row in large.latency] == [16, 60]
    assert [row.what for row in large.throughput] == ["16 sub-tokens", "60 sub-tokens", "a long one"]
    assert [row.length for row in small.latency] == [16]
    assert [row.what for row in small.throughput] == ["16 sub-tokens"]
    assert small.throughput[0].documents <= 2
    assert "one document of 60: not measured, the memory does not suffice" in small.doubts
    assert "a long one: not measured, the memory does not suffice" in small.doubts
    assert not any("suffice" in doubt for doubt in large.doubts)


def test_there_is_no_ratio_to_a_reference_that_does_not_fit(models, monkeypatch):
    run_out_of_memory(monkeypatch, "large", beyond=40)
    config = CostConfig(lengths=(16, 60), memory=False, batches=False, **QUICK)
    large, small = measure_costs(models, config=config)
    assert [row.length for row in large.latency] == [row.length for row in small.latency] == [16]
    assert "one document of 60: not measured, for the memory does not suffice for large" in small.doubts


def test_a_measurement_of_memory_that_dies_takes_nothing_else_along(models, monkeypatch):
    monkeypatch.setattr("gonerd.evaluation.cost_memory.SECONDS", 0.01)
    config = CostConfig(lengths=(16,), batches=False, **QUICK)
    (cost,) = measure_costs(models[:1], config=config)
    assert cost.latency[0].peak_mib is None
    assert any("measuring its memory at 16 sub-tokens failed" in doubt for doubt in cost.doubts)


def test_the_energy_is_that_of_all_sockets(tmp_path, monkeypatch):
    monkeypatch.setattr("gonerd.evaluation.machine.METERS", tmp_path)
    assert joules("cpu") is None
    for zone, name, used in (
        ("0", "package-0", 2e6),
        ("1", "package-1", 3e6),
        ("2", "psys", 9e6),
        ("0:0", "core", 1e6),
    ):
        folder = tmp_path / f"intel-rapl:{zone}"
        folder.mkdir()
        (folder / "name").write_text(f"{name}\n")
        (folder / "energy_uj").write_text(f"{used:.0f}\n")
    assert joules("cpu") == 5.0


def test_doubts_are_said(costs):
    noisy = costs[0].model_copy(update={"doubts": ("spread: …",)})
    assert Cost.model_validate_json(noisy.model_dump_json()).doubts == ("spread: …",)


def test_a_model_that_outruns_the_machines_matrix_rate_is_doubtful(models, monkeypatch):
    monkeypatch.setattr("gonerd.evaluation.cost.matrix_tflops", lambda *_: 1e-9)
    config = CostConfig(lengths=(16,), memory=False, batches=False, **QUICK)
    (cost,) = measure_costs(models[:1], config=config)
    assert cost.latency[0].utilisation > 1
    assert "one document of 16: faster than the matrix rate, measured too low" in cost.doubts


def test_pictures_in_both_forms(costs, tmp_path):
    paths = plot_costs(costs, tmp_path / "cost.png", f1=[0.9, None], data="tiny test")
    assert [path.name for path in paths] == ["cost.png", "cost.svg"]
    assert paths[0].read_bytes()[:4] == b"\x89PNG"
    text = paths[1].read_text()
    assert text.startswith("<?xml")
    assert "strict F1 on tiny test, %" in text
    with pytest.raises(GonerdError, match="no costs"):
        plot_costs([], tmp_path / "none.png")


def test_a_picture_says_all_of_what_it_was_measured_on(costs, tmp_path):
    machine = costs[0].machine.model_copy(update={"hardware": "A Processor (R) of Many Words @ 2.70GHz, 16 threads"})
    picture = plot_costs([costs[0].model_copy(update={"machine": machine})], tmp_path / "cost.svg")[1].read_text()
    assert f"{machine.hardware}, fp32" in picture


@pytest.mark.parametrize(
    "name", ["$x^ <script> " * 9, "_hidden", "a\x00\x1b[2Jb\nc", "$\\frac{1}{0}$", "&<>\ufffe", "e\u202etxt"]
)
def test_a_picture_shows_every_name_and_stays_well_formed(costs, tmp_path, name):
    hostile = costs[0].model_copy(update={"model": costs[0].model.model_copy(update={"name": name})})
    picture = plot_costs([hostile], tmp_path / "hostile.svg", f1=[0.5])[1].read_text(encoding="utf-8")
    ElementTree.fromstring(picture)
    assert "<script>" not in picture
    assert picture.count("(transformers)") == 2  # in the legend of either panel, as a comment beside the drawn letters


def test_the_command(models, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    jsonl.write(tmp_path / "gold.jsonl", [GoldDocument("one", WORDS, ("O",) * len(WORDS))])
    arguments = ["cost", *models, "--data", "gold.jsonl", "--lengths", "16", "--repeats", "3", "--no-memory"]
    with pytest.raises(SystemExit) as done:
        main([*arguments, "--device", "cpu", "--seconds", "0", "--plot", "cost.png"])
    printed = capsys.readouterr().out
    assert done.value.code == 0, printed
    assert "One document" in printed
    assert len(costs_in(tmp_path / "results")) == 2
    assert (tmp_path / "cost.svg").is_file()


@pytest.mark.parametrize(
    ("arguments", "wrong"),
    [
        (["no/such/model"], "no such folder"),
        (["--lengths", "1"], "--lengths"),
        (["--repeats", "0"], "--repeats"),
        (["--price-per-hour=-1", "--data", "sample"], "--price-per-hour: it is -1.0"),
        (["--price-per-hour", "nan", "--data", "sample"], "--price-per-hour: it is nan"),
        (["--price-per-hour", "2"], "no documents to price"),
        (["--plot", "."], "this is a folder. Name a file"),
        (["--out", __file__], "File exists"),
    ],
)
def test_bad_input_is_one_line_before_anything_is_measured(models, arguments, wrong, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("gonerd.evaluation.cost.matrix_tflops", lambda *_: pytest.fail("measured"))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as done:
        main(["cost", *(models if arguments[0].startswith("-") else []), *arguments, "--device", "cpu"])
    assert done.value.code == 2
    assert wrong in capsys.readouterr().err


def test_what_is_no_checkpoint_has_no_cost(tmp_path):
    path = tmp_path / "predictions.jsonl"
    path.write_text("")
    with pytest.raises(GonerdError, match="cost is measured of checkpoints"):
        measure_costs([str(path)], config=CostConfig(**QUICK))
