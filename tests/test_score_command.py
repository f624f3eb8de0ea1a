import json
import subprocess
import sys
from pathlib import Path

import pytest

from gonerd.cli.main import main

GOLD = [
    {"id": "a", "tokens": ["Ann", "in", "Oslo"], "ner_tags": ["B-PER", "O", "B-LOC"], "token_starts": [0, 4, 7]},
    {"id": "b", "tokens": ["Acme", "Ltd"], "ner_tags": ["B-ORG", "I-ORG"], "token_starts": [0, 5]},
]


def lines(path: Path, rows: list[dict[str, object]]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as exit_:
        main(["score", *arguments])
    out, error = capsys.readouterr()
    return int(exit_.value.code or 0), out, error


def test_strict_and_lenient_stand_side_by_side(tmp_path: Path, capsys) -> None:
    gold = lines(tmp_path / "gold.jsonl", GOLD)
    answers = [
        {"id": "b", "ner_tags": ["I-ORG", "I-ORG"]},  # lenient alone reads an entity here
        {"id": "a", "spans": [[0, 3, "PER"], [7, 11, "LOC"]]},
    ]
    predictions = lines(tmp_path / "p.jsonl", answers)
    code, out, _ = run(capsys, "--gold", gold, "--predictions", predictions)
    assert code == 0
    assert "micro" in out
    assert "80.00" in out  # strict: P 1, R 2/3
    assert "100.00" in out
    code, out, _ = run(capsys, "--gold", gold, "--predictions", predictions, "--json")
    answer = json.loads(out)
    assert code == 0
    assert answer["strict"]["micro"]["f1"] == pytest.approx(0.8)
    assert answer["strict"]["macro_f1"] == pytest.approx(2 / 3)
    assert answer["lenient"]["micro"]["f1"] == 1.0
    assert answer["strict"]["by_type"]["ORG"] == {
        "precision": 0.0,
        "recall": 0.0,
        "f1": 0.0,
        "correct": 0,
        "predicted": 0,
        "gold": 1,
    }
    assert answer["problems"] == []


def test_documents_that_do_not_match_are_named_and_the_exit_code_is_one(tmp_path: Path, capsys) -> None:
    gold = lines(tmp_path / "gold.jsonl", GOLD)
    predictions = lines(tmp_path / "p.jsonl", [{"id": "a", "ner_tags": ["O"]}, {"id": "stranger", "ner_tags": []}])
    code, out, _ = run(capsys, "--gold", gold, "--predictions", predictions)
    assert code == 1
    assert "missing: b" in out
    assert "surplus: stranger" in out
    assert "misaligned: a (1 tags for 3 tokens)" in out


def test_many_problems_are_counted_not_listed(tmp_path: Path, capsys) -> None:
    gold = lines(tmp_path / "gold.jsonl", GOLD)
    predictions = lines(tmp_path / "p.jsonl", [{"id": f"s{number}", "ner_tags": []} for number in range(100)])
    _, out, _ = run(capsys, "--gold", gold, "--predictions", predictions)
    assert out.count("surplus: s") == 10
    assert "surplus: 90 more" in out


def test_markup_in_an_id_is_text(tmp_path: Path, capsys) -> None:
    gold = lines(tmp_path / "gold.jsonl", GOLD)
    predictions = lines(tmp_path / "p.jsonl", [{"id": "[bold]x[/bold]\x1b[31m", "ner_tags": []}])
    _, out, _ = run(capsys, "--gold", gold, "--predictions", predictions)
    assert "surplus: [bold]x[/bold]\\x1b[31m" in out


@pytest.mark.parametrize(
    ("gold", "predictions"),
    [("nothing.jsonl", "p.jsonl"), ("gold.jsonl", "nothing.jsonl"), ("gold.jsonl", "gold.jsonl")],
)
def test_bad_input_is_one_line_and_exit_code_two(tmp_path: Path, capsys, gold: str, predictions: str) -> None:
    lines(tmp_path / "gold.jsonl", GOLD)
    lines(tmp_path / "p.jsonl", [])
    code, out, error = run(capsys, "--gold", str(tmp_path / gold), "--predictions", str(tmp_path / predictions))
    assert (code, out) == (2, "")
    assert error.startswith("gonerd: ")
    assert error.count("\n") == 1


def test_gold_without_documents_or_that_is_no_file_is_an_error(tmp_path: Path, capsys) -> None:
    empty = lines(tmp_path / "empty.jsonl", [])
    code, out, error = run(capsys, "--gold", empty, "--predictions", empty)
    assert (code, out, error) == (2, "", f"gonerd: {empty}: no documents in the gold\n")
    code, _, error = run(capsys, "--gold", str(tmp_path), "--predictions", empty)
    assert (code, error) == (2, f"gonerd: {tmp_path}: this is a folder, not a file\n")
    (tmp_path / "x.conll").write_bytes(b"Ann B-PER\nJos\xe9 I-PER\n")
    code, _, error = run(capsys, "--gold", str(tmp_path / "x.conll"), "--predictions", empty)
    assert (code, "x.conll, line 2: not UTF-8." in error) == (2, True)


def test_a_small_file_is_scored_without_any_heavy_import(tmp_path: Path) -> None:
    gold = lines(tmp_path / "gold.jsonl", GOLD)
    predictions = lines(tmp_path / "p.jsonl", [{"id": row["id"], "ner_tags": row["ner_tags"]} for row in GOLD])
    heavy = "{'torch', 'transformers', 'spacy', 'datasets', 'pyarrow', 'numpy', 'pydantic', 'jinja2'}"
    code = (
        "import sys; from gonerd.cli.main import main\n"
        f"try: main(['score', '--gold', {gold!r}, '--predictions', {predictions!r}])\n"
        f"except SystemExit as end: print('code', end.code, 'heavy', {heavy} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "code 0 heavy set()" in done.stdout


def test_examples_of_each_kind_of_error(tmp_path, capsys):
    import json

    from gonerd.cli.main import main

    tokens = ["Ann", "Lee", "saw", "Oslo", "and", "Bo", "in", "Rome"]
    gold = ["B-PER", "I-PER", "O", "B-LOC", "O", "B-PER", "O", "O"]
    predicted = ["B-PER", "O", "O", "B-ORG", "O", "O", "O", "B-LOC"]
    (tmp_path / "g.jsonl").write_text(json.dumps({"id": "a", "tokens": tokens, "ner_tags": gold}) + "\n")
    (tmp_path / "p.jsonl").write_text(json.dumps({"id": "a", "ner_tags": predicted}) + "\n")
    files = ["--gold", str(tmp_path / "g.jsonl"), "--predictions", str(tmp_path / "p.jsonl")]
    with pytest.raises(SystemExit):
        main(["score", *files, "--examples", "1"])
    printed = capsys.readouterr().out
    assert "wrong boundary: 1" in printed
    assert "a, token 0: gold 'PER Ann Lee'; predicted 'PER Ann'" in printed
    with pytest.raises(SystemExit):
        main(["score", *files, "--examples", "0", "--json"])
    found = json.loads(capsys.readouterr().out)
    kinds = ("missed", "spurious", "wrong type", "wrong boundary", "wrong boundary and type")
    assert [found["errors"][kind] for kind in kinds] == [1, 1, 1, 1, 0]
    assert not any(found["examples"].values())
    assert found["classes"]["partial"]["recall"] == 0.5
