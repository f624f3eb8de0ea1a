"""What a model costs, as part of its submission: taken along, held against itself and the machine, shown."""

import json
from pathlib import Path

import pytest

from gonerd.cli.main import main
from gonerd.evaluation.cost_report import write_cost
from gonerd.evaluation.result import read_result, write_result
from gonerd.formats.predictions import read_predictions, write_predictions
from gonerd.leaderboard.board import entry_of
from gonerd.leaderboard.submission import read_submission
from gonerd.leaderboard.verify import check_form, verify

NAMED = ("--name", "By command", "--contact", "me@example.org")


def run(capsys, *arguments: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as exit_:
        main([str(argument) for argument in arguments])
    out, error = capsys.readouterr()
    return int(exit_.value.code or 0), " ".join(out.split()), " ".join(error.split())


def changed(folder: Path, **at: object) -> Path:
    """Set values in cost.json by path (`__` between the steps)."""
    content = json.loads((folder / "cost.json").read_text())
    for dotted, value in at.items():
        *parents, last = dotted.split("__")
        place = content
        for parent in parents:
            place = place[int(parent) if isinstance(place, list) else parent]
        place[last] = value
    (folder / "cost.json").write_text(json.dumps(content))
    return folder


def failures(folder: Path, gold) -> dict[str, str]:
    return {check.name: check.detail for check in verify(folder, gold).failures}


def test_the_board_shows_what_was_measured_and_where(make, gold, cost_like) -> None:
    folder = make(cost=cost_like())
    stated = read_submission(folder / "submission.toml")
    assert (stated.latency_4096_ms, stated.hardware) == (120.0, "one fast processor, fp32")
    verification = verify(folder, gold)
    assert verification.verified
    assert set(verification.files) == {"predictions.jsonl.gz", "result.json", "submission.toml", "cost.json"}
    entry = entry_of(verification)
    assert (entry.measured, entry.hardware, entry.latency_4096_ms) == (True, "one fast processor, fp32", 120.0)
    assert entry.words_per_second == 21000.0
    assert entry.peak_memory_mib == pytest.approx(4.0 + 409.6)


def test_without_a_cost_the_evaluation_s_own_figures_are_shown_as_such(make, gold) -> None:
    entry = entry_of(verify(make(), gold))
    assert (entry.measured, entry.words_per_second, entry.latency_4096_ms) == (False, 10.0, None)


@pytest.mark.parametrize(("hardware", "words", "memory"), [("one processor", 10.0, 100.0), ("another", None, None)])
def test_what_a_cost_lacks_comes_from_the_evaluation_only_on_the_same_machine(
    make, gold, cost_like, hardware: str, words: float | None, memory: float | None
) -> None:
    honest = cost_like()
    rows = [row.model_copy(update={"peak_mib": None}) for row in honest.latency]
    machine = honest.machine.model_copy(update={"hardware": hardware})
    folder = make(cost=cost_like(latency=rows, throughput=(), machine=machine))
    entry = entry_of(verify(folder, gold))
    assert (entry.words_per_second, entry.peak_memory_mib) == (words, memory)


@pytest.mark.parametrize(
    ("check", "said", "changes"),
    [
        ("cost", "not a cost: field 'surprise'", {"surprise": 1}),
        ("cost", "field 'latency.0.p50_ms'", {"latency__0__p50_ms": -1.0}),
        ("cost", "field 'embedding_parameters'", {"embedding_parameters": 10**400}),
        ("cost", "of other weights", {"model__revision": "def456"}),
        ("cost", "run in another way", {"model__backend": "spacy"}),
        ("cost", "too long, or not plain text", {"machine__hardware": "evil\u202egnp"}),
        ("cost", "too long, or not plain text", {"doubts": ["x" * 400]}),
        ("cost", "no ISO 8601 time", {"created_at": "now"}),
        ("cost", "a length is there twice", {"latency__0__length": 4096}),
        ("cost", "144 ms in the middle, 12 ms at the end", {"latency__1__p50_ms": 144.0, "latency__1__p90_ms": 12.0}),
        ("cost", "does not follow from time", {"latency__1__p50_ms": 60.0}),
        ("cost", "does not follow from time", {"latency__1__utilisation": None}),
        ("cost", "does not follow from time", {"machine__matrix_tflops": 0.3}),
        ("cost", "2048 sub-tokens", {"throughput__0__what": "2048 sub-tokens"}),
        ("cost", "sub-tokens a document", {"throughput__0__what": "9" * 400 + " sub-tokens"}),
        ("cost", "do not use 999,990 weights", {"flops_per_token__512": 900.0, "embedding_parameters": 10}),
        ("agreement", "layers", {"model__layers": 5}),
        ("plausible", "sub-tokens a second are", {"throughput__1__tokens_per_second": 1e9}),
        ("plausible", "words a second in", {"throughput__1__words_per_second": 1e5}),
        ("plausible", "1,000,000 parameters in 0.5 MiB", {"weights_mib": 0.5}),
    ],
)
def test_a_changed_cost_fails_the_check_it_should(make, gold, cost_like, check: str, said: str, changes) -> None:
    folder = changed(make(cost=cost_like(), layers=4), **changes)
    found = failures(folder, gold)
    assert list(found) == [check]
    assert said in found[check]
    assert check in {item.name for item in check_form(folder) if not item.passed}


def test_less_time_than_the_operations_need_on_this_machine_is_implausible(make, gold, cost_like) -> None:
    """The share of the rate follows, so that only the floor can say it."""
    flops, rate = 2.4e6 * 4096, 0.2e12
    folder = make(cost=cost_like())
    for milliseconds, verified in ((6.0, True), (3.0, False)):
        share = flops / (milliseconds / 1e3) / rate
        changed(folder, latency__1__p50_ms=milliseconds, latency__1__utilisation=share)
        text = (folder / "submission.toml").read_text().splitlines()
        lines = [line for line in text if not line.startswith("latency_4096_ms")]
        (folder / "submission.toml").write_text("\n".join([*lines, f"latency_4096_ms = {milliseconds}"]))
        found = failures(folder, gold)
        assert (not found) is verified, found
    assert "4096 sub-tokens in 3 ms are 3.2768e+12 FLOP/s, over 2e+12" in found["plausible"]


def test_a_matrix_rate_that_no_device_has_lifts_no_floor(make, gold, cost_like) -> None:
    honest = cost_like()
    machine = honest.machine.model_copy(update={"matrix_tflops": 1e9})
    rows = [row.model_copy(update={"utilisation": row.utilisation * 0.2 / 1e9}) for row in honest.latency]
    assert (
        "a matrix rate of 1e+21 FLOP/s"
        in failures(make(cost=cost_like(machine=machine, latency=rows)), gold)["plausible"]
    )


def test_a_formula_made_small_does_not_lower_the_floor(make, gold, cost_like) -> None:
    honest = cost_like()
    rows = [row.model_copy(update={"utilisation": None}) for row in honest.latency]
    rows[1] = rows[1].model_copy(update={"p50_ms": 0.3})
    folder = make(cost=cost_like(flops_per_token={}, latency=rows))
    assert "4096 sub-tokens in 0.3 ms" in failures(folder, gold)["plausible"]


def test_a_latency_stated_otherwise_than_measured_disagrees(make, gold, cost_like) -> None:
    folder = make(cost=cost_like(), latency_4096_ms=5.0)
    assert list(failures(folder, gold)) == ["agreement"]


@pytest.mark.parametrize("data", [b"", b"[]", b"{", b"\xff", b"[" * 100_000, b" " * 300_000, b'{"a":1,"a":2}'])
def test_a_cost_file_of_any_bytes_is_one_failed_check(make, gold, cost_like, data: bytes) -> None:
    folder = make(cost=cost_like())
    (folder / "cost.json").write_bytes(data)
    assert list(failures(folder, gold)) == ["cost"]


def test_submit_finds_the_cost_of_the_same_weights_and_says_which(make, gold_file, cost_like, tmp_path, capsys):
    made = make()
    result = read_result(made / "result.json")
    result = result.model_copy(update={"model": result.model.model_copy(update={"backend": "gonerd"})})
    place = write_result(result, tmp_path / "results")
    write_predictions(place.with_suffix(".predictions.jsonl.gz"), read_predictions(made / "predictions.jsonl.gz"))
    code, text, _ = run(capsys, "submit", place, *NAMED, "--out", tmp_path / "none")
    assert (code, "no cost beside it: gonerd cost" in text, (tmp_path / "none" / "cost.json").exists()) == (
        0,
        True,
        False,
    )
    fitting = cost_like(
        model={"name": "elsewhere/m", "revision": "abc123", "backend": "gonerd"}, flops_per_token={}, latency=()
    )
    other = fitting.model_copy(update={"model": fitting.model.model_copy(update={"revision": "def456"})})
    path, _ = write_cost(fitting, tmp_path / "results"), write_cost(other, tmp_path / "results")
    code, text, error = run(capsys, "submit", place, *NAMED, "--out", tmp_path / "new", "--data", gold_file)
    assert (code, "new: verified" in text) == (0, True), error
    assert str(path) in text.replace(" ", "")
    assert (tmp_path / "new" / "cost.json").read_bytes() == path.read_bytes()
    named = write_cost(other, tmp_path / "elsewhere")
    code, text, _ = run(capsys, "submit", place, *NAMED, "--out", tmp_path / "new", "--cost", named)
    assert (code, "cost: of other weights" in text) == (1, True)
