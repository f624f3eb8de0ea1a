import gzip
import json
import os
import random
import shutil
import time
import tracemalloc
from pathlib import Path

import pytest

from gonerd.formats.gold import Gold, GoldDocument
from gonerd.formats.predictions import Limits
from gonerd.leaderboard.submission import COST, FILES
from gonerd.leaderboard.verify import CHECKS, Verification, verify, write_report


def failed(verification: Verification) -> set[str]:
    return {check.name for check in verification.failures}


def change_result(folder: Path, **at: object) -> None:
    """Set values in result.json by dotted path (`__` for the dot)."""
    path = folder / "result.json"
    content = json.loads(path.read_text())
    for dotted, value in at.items():
        *parents, last = dotted.split("__")
        place = content
        for parent in parents:
            place = place[parent]
        place[last] = value
    path.write_text(json.dumps(content))


def change_predictions(folder: Path, change) -> None:
    path = folder / "predictions.jsonl.gz"
    rows = [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()]
    path.write_bytes(gzip.compress("".join(json.dumps(row) + "\n" for row in change(rows)).encode()))


def test_an_honest_submission_passes_every_check(make, gold) -> None:
    verification = verify(make(), gold)
    assert verification.failures == ()
    assert verification.verified
    assert [check.name for check in verification.checks] == list(CHECKS)
    assert verification.strict is not None
    assert verification.strict.micro.f1 == pytest.approx(2 * 3 / (3 + 5))


def test_the_order_of_documents_has_no_part(make, gold) -> None:
    folder = make()
    change_predictions(folder, lambda rows: rows[::-1])
    backwards = Gold.of(gold.documents[::-1], scheme=gold.scheme, name=gold.name, split=gold.split)
    assert verify(folder, backwards).verified


@pytest.mark.parametrize(
    ("check", "changes"),
    [
        ("strict", {"strict__micro__f1": 0.99}),
        ("strict", {"strict__micro__f1": 0.75 + 2e-9}),
        ("strict", {"strict__by_type__PER__precision": 0.5}),
        ("strict", {"strict__by_type__PER__gold": 10**400}),
        ("strict", {"strict__by_type": {}}),
        ("strict", {"strict__macro_f1": 1.0}),
        ("lenient", {"lenient__micro__correct": 4}),
        (
            "lenient",
            {"lenient__by_type__NEW": dict.fromkeys(("precision", "recall", "f1", "correct", "predicted", "gold"), 0)},
        ),
        ("sources", {"by_source__s1__f1": 1.0}),
        ("sources", {"by_source__s2": dict.fromkeys(("precision", "recall", "f1", "correct", "predicted", "gold"), 0)}),
        ("coverage", {"coverage__predicted_words": 14}),
        ("coverage", {"coverage__gold_words": 14}),
        ("coverage", {"coverage__windowed_documents": 5}),
        ("data", {"data__gold": "0" * 64}),
        ("data", {"data__inputs": "0" * 64}),
        ("data", {"data__split": "train"}),
        ("data", {"data__scheme": "other"}),
        ("data", {"data__documents": 3}),
        ("data", {"data__words": 3}),
        ("texts", {"model__name": "evil\u202egnp"}),
        ("texts", {"settings": {"x": "y" * 500}}),
        ("texts", {"settings": {"\u2066": 1}}),
        ("texts", {"created_at": "yesterday"}),
        ("speed", {"speed__words_per_second": 1e300}),
        ("speed", {"speed__peak_memory_mib": 1e300}),
        ("agreement", {"model__parameters": 5}),
        ("result", {"strict__micro__f1": "1.0"}),
        ("result", {"strict__micro__f1": 1.5}),
        ("result", {"surprise": 1}),
        ("result", {"data__gold": "not a hash"}),
        ("result", {"schema_version": 2}),
    ],
)
def test_a_changed_result_fails_the_check_it_should(make, gold, check: str, changes: dict[str, object]) -> None:
    folder = make(parameters=4)
    assert verify(folder, gold).verified
    change_result(folder, **changes)
    verification = verify(folder, gold)
    assert not verification.verified
    assert check in failed(verification)


def test_sources_that_this_gold_names_otherwise_are_one_line(make, gold) -> None:
    folder = make()
    score = dict.fromkeys(("precision", "recall", "f1", "correct", "predicted", "gold"), 0)
    change_result(folder, by_source={"news": score, "law": score})
    (check,) = verify(folder, gold).failures
    assert (check.name, check.detail) == ("sources", "named otherwise in this gold ('s0', 's1')")


def test_a_difference_of_rounding_passes(make, gold) -> None:
    folder = make()
    change_result(folder, strict__micro__f1=0.75 + 5e-10)
    assert verify(folder, gold).verified


@pytest.mark.parametrize("word", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_nan_and_infinity_fail(make, gold, word: str) -> None:
    folder = make()
    path = folder / "result.json"
    text = path.read_text()
    assert '"words_per_second":10.0' in text
    path.write_text(text.replace('"words_per_second":10.0', f'"words_per_second":{word}'))
    assert "result" in failed(verify(folder, gold))


def test_better_predictions_than_claimed_fail_too(make, gold, right) -> None:
    folder = make()
    change_predictions(folder, lambda _: [{"id": name, "ner_tags": tags} for name, tags in right.items()])
    assert {"strict", "lenient"} <= failed(verify(folder, gold))


@pytest.mark.parametrize(
    ("check", "change"),
    [
        ("complete", lambda rows: rows[1:]),
        ("complete", lambda _: []),
        ("complete", lambda rows: [*rows, {"id": "five", "ner_tags": ["O"]}]),
        ("complete", lambda rows: [*rows, rows[0]]),
        ("complete", lambda rows: [{**rows[0], "ner_tags": rows[0]["ner_tags"][:-1]}, *rows[1:]]),
        ("complete", lambda rows: [{**rows[0], "ner_tags": [*rows[0]["ner_tags"], "O"]}, *rows[1:]]),
        ("complete", lambda rows: [{"id": "one", "spans": [[0, 3, "PER"]]}, *rows[1:]]),  # this gold has no offsets
        ("tags", lambda rows: [{**rows[0], "ner_tags": ["B-XXX"] * 5}, *rows[1:]]),
        ("tags", lambda rows: [{**rows[0], "ner_tags": ["B-" + "A" * 10_000] * 5}, *rows[1:]]),
        ("predictions", lambda rows: [{**rows[0], "ner_tags": [1, 2, 3, 4, 5]}, *rows[1:]]),
        ("predictions", lambda rows: [{**rows[0], "extra": 1}, *rows[1:]]),
        ("predictions", lambda rows: [{"id": "one"}, *rows[1:]]),
        ("predictions", lambda rows: [{"id": "", "ner_tags": []}, *rows[1:]]),
        ("predictions", lambda rows: [{"id": "\ud800", "ner_tags": []}, *rows[1:]]),
        ("predictions", lambda rows: [{"id": "one", "ner_tags": ["O"] * 5, "spans": []}, *rows[1:]]),
        ("predictions", lambda rows: [{"id": "one", "spans": [[5, 1, "PER"]]}, *rows[1:]]),
        ("predictions", lambda rows: [{"id": "one", "spans": [[0, float("nan"), "PER"]]}, *rows[1:]]),
    ],
)
def test_changed_predictions_fail_the_check_they_should(make, gold, check: str, change) -> None:
    folder = make()
    change_predictions(folder, change)
    assert check in failed(verify(folder, gold))


def test_another_gold_is_not_the_one_named(make, gold) -> None:
    folder = make()
    changed = GoldDocument("four", ("Nothing", "here"), ("B-LOC", "O"), source="s0")
    other = Gold.of([*gold.documents[:3], changed], scheme=gold.scheme, name="tiny", split="test")
    verification = verify(folder, other)
    assert failed(verification) >= {"data", "strict"}
    assert [check.detail for check in verification.failures if check.made] == [
        "made on these documents with other labels (the fingerprints of the gold differ)"
    ]
    assert verification.strict is None


def test_other_data_is_one_line_and_nothing_is_scored_on_it(make, gold) -> None:
    fewer = Gold.of(gold.documents[:3], scheme=gold.scheme, name="tiny", split="test")
    verification = verify(make(), fewer)
    made = [(check.name, check.detail) for check in verification.failures if check.made]
    assert made == [("data", "made on other data (4 documents; this gold has 3)")]
    assert failed(verification) == {
        "data",
        "predictions",
        "complete",
        "tags",
        "strict",
        "lenient",
        "sources",
        "coverage",
        "analysis",
        "plausible",
        "unseen",
        "original",
    }


def test_a_surplus_file_a_missing_file_and_a_link_fail(make, gold, tmp_path: Path) -> None:
    surplus, missing, link, nested = make("surplus"), make("missing"), make("link"), make("nested")
    (surplus / "run.py").write_text("")
    (missing / "result.json").unlink()
    (tmp_path / "elsewhere.json").write_bytes((link / "result.json").read_bytes())
    (link / "result.json").unlink()
    (link / "result.json").symlink_to(tmp_path / "elsewhere.json")
    shutil.rmtree(nested)
    (nested / "result.json").mkdir(parents=True)
    (tmp_path / "alias").symlink_to(make("target"), target_is_directory=True)
    for folder in (
        surplus,
        missing,
        link,
        nested,
        tmp_path / "alias",
        tmp_path / "nowhere",
        tmp_path / "elsewhere.json",
    ):
        assert "files" in failed(verify(folder, gold)), folder


def test_a_pipe_in_place_of_a_file_does_not_hang(make, gold) -> None:
    folder = make()
    (folder / "predictions.jsonl.gz").unlink()
    os.mkfifo(folder / "predictions.jsonl.gz")
    assert "files" in failed(verify(folder, gold))


def bomb(path: Path, *, line: bytes, lines: int) -> None:
    """Write a small gzip that unpacks to `lines` times `line`."""
    with gzip.open(path, "wb", compresslevel=9) as stream:
        for _ in range(lines):
            stream.write(line)


@pytest.mark.parametrize(
    ("line", "lines"),
    [(b" " * 1_000_000, 64), (b'{"id":"x","ner_tags":[]}\n' * 10_000, 30), (b"\n" * 1_000_000, 40)],
    ids=["one endless line", "many lines", "blank lines"],
)
def test_a_decompression_bomb_is_refused_in_little_memory(make, gold, line: bytes, lines: int) -> None:
    folder = make()
    bomb(folder / "predictions.jsonl.gz", line=line, lines=lines)
    assert (folder / "predictions.jsonl.gz").stat().st_size < 400_000
    limits = Limits(unpacked_bytes=4_000_000, line_bytes=1_000_000, lines=2_000)
    tracemalloc.start()
    names = failed(verify(folder, gold, limits=limits))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert "predictions" in names
    assert peak < 40_000_000


@pytest.mark.slow
@pytest.mark.parametrize(
    "line", [b'{"id":"one","ner_tags":["O","O","O","O","O"]}\n', b'{"id":"' + b"x" * 400 + b'","ner_tags":[]}\n', b"\n"]
)
def test_a_gigabyte_is_refused_in_bounded_memory_and_time(make, gold, line: bytes) -> None:
    folder = make()
    part = line * (1_000_000 // len(line))
    bomb(folder / "predictions.jsonl.gz", line=part, lines=1_000_000_000 // len(part))
    started = time.monotonic()
    tracemalloc.start()
    verification = verify(folder, gold)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert not verification.verified
    assert peak < 100_000_000
    assert time.monotonic() - started < 300  # a bound, not a measure: seconds are expected


def test_a_file_over_the_limit_is_refused_unread(make, gold) -> None:
    folder = make()
    with (folder / "predictions.jsonl.gz").open("wb") as stream:
        stream.truncate(1_000_000_000)  # sparse: 1 GB by its size
    assert "files" in failed(verify(folder, gold))


def test_the_report_is_plain_json_whatever_the_submission_holds(make, gold, tmp_path: Path) -> None:
    folder = make("bad\u202ename")
    change_predictions(folder, lambda rows: [{"id": "\u202e" * 500, "ner_tags": []}, *rows])
    change_result(folder, data__split="\u2066" * 100_000)
    write_report([verify(folder, gold), verify(make("good"), gold)], tmp_path / "verification.json")
    text = (tmp_path / "verification.json").read_text(encoding="utf-8")
    report = json.loads(text)
    assert (report["verified"], report["rejected"]) == (1, 1)
    assert "\u202e" not in text
    assert "\u2066" not in text
    assert len(text) < 10_000
    assert not list(folder.glob("verification*"))


def mutate(data: bytes, chance: random.Random) -> bytes:
    """Return bytes with one thing changed: flipped, cut, doubled, inserted or replaced."""
    place = chance.randrange(len(data) + 1)
    other = chance.randrange(len(data) + 1)
    start, end = min(place, other), max(place, other)
    kind = chance.randrange(6)
    tokens = [
        b"null",
        b"NaN",
        b"-1",
        b'"',
        b"{",
        b"[",
        b"\\ud800",
        b"1e400",
        b"\xff",
        b"9" * 50,
        b"0",
        b"true",
        b"\x00",
    ]
    if kind == 0 and data:
        at = min(place, len(data) - 1)
        return data[:at] + bytes([data[at] ^ (1 << chance.randrange(8))]) + data[at + 1 :]
    if kind == 1:
        return data[:start]
    if kind == 2:
        return data[:start] + data[end:]
    if kind == 3:
        return data[:end] + data[start:]
    if kind == 4:
        return data[:place] + chance.choice(tokens) + data[place:]
    digits = [index for index, byte in enumerate(data) if chr(byte).isdigit()]
    at = chance.choice(digits) if digits else 0
    return data[:at] + chance.choice(b"0123456789").to_bytes() + data[at + 1 :]


def check_mutations(folder: Path, gold: Gold, *, rounds: int) -> None:
    """Hold that no mutation crashes the verifier, and that what passes claims and predicts what the original did."""
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert set(files) == {*FILES, COST}
    plain = gzip.decompress(files["predictions.jsonl.gz"])
    original = verify(folder, gold)
    assert original.verified
    passed = 0
    for seed in range(rounds):
        chance = random.Random(seed)
        name = chance.choice(sorted(files))
        if name.endswith(".gz") and chance.random() < 0.7:
            changed = gzip.compress(mutate(plain, chance))
        else:
            changed = mutate(files[name], chance)
        (folder / name).write_bytes(changed)
        verification = verify(folder, gold)
        json.dumps(verification.report()).encode()
        if verification.verified:
            passed += 1
            assert verification.result is not None, seed
            claimed = verification.result.strict.micro.f1
            assert verification.strict is not None, seed
            assert abs(claimed - verification.strict.micro.f1) <= 1e-9, seed
            assert verification.strict.by_type == original.strict.by_type, seed
            assert shown_costs(verification) == shown_costs(original), seed
        (folder / name).write_bytes(files[name])
    assert passed < rounds / 2


def shown_costs(verification: Verification) -> tuple[object, ...]:
    """What a board shows of a cost file and what can be held against the rest of it."""
    row = verification.cost.latency_at(4096)
    return row.length, row.utilisation, verification.cost.machine.precision, verification.cost.model.revision


MUTATED = {"parameters": 1_000_000, "organisation": "Someone", "reference": "https://example.org"}


def test_mutated_submissions_neither_crash_nor_deceive_the_verifier(make, gold, cost_like) -> None:
    check_mutations(make(cost=cost_like(), **MUTATED), gold, rounds=1_000)


@pytest.mark.slow
def test_ten_thousand_mutated_submissions(make, gold, cost_like) -> None:
    check_mutations(make(cost=cost_like(), **MUTATED), gold, rounds=10_000)


def with_analysis(folder: Path, gold: Gold) -> dict:
    """Add the honest analysis to a submission's result; return it."""
    from gonerd.evaluation.analysis import analyse
    from gonerd.formats.predictions import match, read_predictions

    found = analyse(match(gold, read_predictions(folder / "predictions.jsonl.gz"))).model_dump(mode="json")
    change_result(folder, analysis=found)
    return found


def test_an_honest_analysis_passes_in_whatever_order_gold_comes(make, gold) -> None:
    folder = make()
    with_analysis(folder, gold)
    backwards = Gold.of(gold.documents[::-1], scheme=gold.scheme, name=gold.name, split=gold.split)
    assert verify(folder, gold).verified
    assert verify(folder, backwards).verified


@pytest.mark.parametrize(
    "change",
    [
        lambda found: found["classes"]["partial"].update(f1=0.999),
        lambda found: found["errors"].update(missed=0),
        lambda found: found["consistency"].update(gold_repeated=7),
        lambda found: found["views"].pop("distance to the previous mention"),
    ],
)
def test_a_changed_analysis_fails(make, gold, change) -> None:
    folder = make()
    found = with_analysis(folder, gold)
    change(found)
    change_result(folder, analysis=found)
    assert failed(verify(folder, gold)) == {"analysis"}
