import gzip
import json
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gonerd.errors import GonerdError
from gonerd.formats import predictions as predictions_module
from gonerd.formats.gold import Gold, GoldDocument, read_gold
from gonerd.formats.predictions import (
    Limits,
    ProblemKind,
    json_schema,
    match,
    read_predictions,
    shorten,
    shown,
    strict_json,
    write_predictions,
)
from gonerd.labels import load_scheme
from gonerd.records import Prediction, Span, fingerprint

SCHEME = load_scheme()
TEXT = "Zoë 🙂 met Ann-Marie in São Paulo."
TOKENS = ("Zoë", "🙂", "met", "Ann-Marie", "in", "São", "Paulo", ".")
STARTS = (0, 4, 6, 10, 20, 23, 27, 32)
TAGS = ("B-PER", "O", "O", "B-PER", "O", "B-LOC", "I-LOC", "O")


def gold(*, starts: bool = True) -> Gold:
    documents = [
        GoldDocument("a", TOKENS, TAGS, STARTS if starts else None),
        GoldDocument("b", ("Oslo",), ("B-LOC",), (0,) if starts else None),
        GoldDocument("empty", (), (), () if starts else None),
    ]
    return Gold.of(documents, scheme=SCHEME)


def kinds(matching) -> list[tuple[str, str]]:
    return [(problem.kind.value, problem.id) for problem in matching.problems]


ALL = [Prediction("empty", ner_tags=()), Prediction("b", ner_tags=("B-LOC",)), Prediction("a", ner_tags=TAGS)]


def test_the_offsets_of_this_file_are_right() -> None:
    assert all(TEXT[start : start + len(token)] == token for token, start in zip(TOKENS, STARTS, strict=True))


def test_tags_are_matched_by_id_in_any_order() -> None:
    matching = match(gold(), ALL)
    assert matching.problems == ()
    assert matching.scores().micro.f1 == 1.0


def test_spans_are_code_points_and_become_the_same_tags() -> None:
    spans = (Span(23, 32, "LOC"), Span(0, 3, "PER"), Span(10, 19, "PER"))  # in no order
    matching = match(gold(), [Prediction("a", spans=spans), *ALL[:2]])
    assert matching.problems == ()
    assert matching.scores().micro.f1 == 1.0


@pytest.mark.parametrize(
    ("spans", "kind"),
    [
        ((Span(0, 3, "PER"), Span(2, 5, "LOC")), ProblemKind.UNPLACED),
        ((Span(0, 3, "PER"), Span(0, 3, "PER")), ProblemKind.UNPLACED),
        ((Span(10, 13, "PER"), Span(14, 19, "PER")), ProblemKind.UNPLACED),  # two in one token
        ((Span(3, 4, "PER"),), ProblemKind.UNPLACED),  # a space
        ((Span(0, 10**9, "PER"),), ProblemKind.UNPLACED),
        ((Span(0, 3, "PERSON"),), ProblemKind.ILLEGAL_TAG),
    ],
)
def test_a_span_that_fits_no_tokens_of_its_own_is_named(spans: tuple[Span, ...], kind: ProblemKind) -> None:
    matching = match(gold(), [Prediction("a", spans=spans), *ALL[:2]])
    assert [(problem.kind, problem.id) for problem in matching.problems] == [(kind, "a")]
    assert matching.scores().micro.gold == 4
    assert matching.scores().micro.predicted == 1


def test_spans_need_offsets_in_gold() -> None:
    assert kinds(match(gold(starts=False), [Prediction("a", spans=()), *ALL[:2]])) == [("misaligned", "a")]


def test_what_does_not_match_is_named_and_counts_as_nothing_found() -> None:
    matching = match(
        gold(),
        [
            Prediction("b", ner_tags=("B-LOC", "O")),
            Prediction("x\u202e", ner_tags=()),
            Prediction("b", ner_tags=("B-LOC",)),
            Prediction("a", ner_tags=("B-XXX", *TAGS[1:])),
        ],
    )
    assert kinds(matching) == [
        ("missing", "empty"),
        ("misaligned", "b"),
        ("surplus", "x\\u202e"),
        ("duplicated", "b"),
        ("illegal_tag", "a"),
    ]
    assert (matching.scores().micro.gold, matching.scores().micro.predicted) == (4, 0)


def test_the_first_of_two_answers_counts() -> None:
    matching = match(gold(), [*ALL, Prediction("b", ner_tags=("O",))])
    assert kinds(matching) == [("duplicated", "b")]
    assert matching.scores().micro.f1 == 1.0


def test_gold_with_an_id_twice_or_a_foreign_tag_is_an_error() -> None:
    row = GoldDocument("a", ("x",), ("O",))
    with pytest.raises(GonerdError, match="twice"):
        Gold.of([row, row], scheme=SCHEME)
    with pytest.raises(GonerdError, match="B-XXX"):
        Gold.of([GoldDocument("a", ("x",), ("B-XXX",))], scheme=SCHEME)


tag_lists = st.lists(st.lists(st.sampled_from(SCHEME.tags), max_size=12), min_size=1, max_size=6)


@settings(deadline=None)
@given(tag_lists, st.randoms(use_true_random=False), st.sampled_from(["strict", "lenient"]))
def test_scoring_with_and_without_numpy_is_the_same(rows, chance: random.Random, reading) -> None:
    documents = [GoldDocument(str(place), ("x",) * len(tags), tuple(tags)) for place, tags in enumerate(rows)]
    answers = [Prediction(item.id, tuple(chance.choice(SCHEME.tags) for _ in item.tokens)) for item in documents]
    matching = match(Gold.of(documents, scheme=SCHEME), answers)
    small = matching.scores(reading=reading)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(predictions_module, "SMALL_WORDS", 1)
        assert matching.scores(reading=reading) == small


def test_scores_by_source_take_only_that_source(monkeypatch: pytest.MonkeyPatch) -> None:
    documents = [GoldDocument(str(n), ("x",), ("B-PER",), source="even" if n % 2 == 0 else "odd") for n in range(5)]
    answers = [Prediction(str(n), ("B-PER" if n % 2 == 0 else "O",)) for n in range(5)]
    matching = match(Gold.of(documents, scheme=SCHEME), answers)
    for limit in (10**9, 1):
        monkeypatch.setattr(predictions_module, "SMALL_WORDS", limit)
        assert (matching.scores(source="even").micro.f1, matching.scores(source="odd").micro.f1) == (1.0, 0.0)
        assert matching.scores(source="even").micro.gold == 3
        assert matching.scores(source="none").micro.gold == 0


@pytest.mark.parametrize("name", ["p.jsonl", "p.jsonl.gz"])
def test_what_is_written_is_read_again(tmp_path: Path, name: str) -> None:
    given_predictions = [*ALL, Prediction("é🙂", spans=(Span(0, 3, "PER"),)), Prediction("none", spans=())]
    assert write_predictions(tmp_path / name, given_predictions) == 5
    assert list(read_predictions(tmp_path / name)) == given_predictions
    first = (tmp_path / name).read_bytes()
    write_predictions(tmp_path / name, given_predictions)
    assert (tmp_path / name).read_bytes() == first


@pytest.mark.parametrize(
    "line",
    [
        "[]",
        "{",
        '{"id": "a"}',
        '{"id": 1, "ner_tags": []}',
        '{"id": "a", "ner_tags": ["O", 1]}',
        '{"id": "a", "ner_tags": "O"}',
        '{"id": "a", "ner_tags": [], "spans": []}',
        '{"id": "a", "ner_tags": null}',
        '{"id": "a", "id": "b", "ner_tags": []}',
        '{"id": "a", "ner_tags": [], "score": 1}',
        '{"id": "a", "spans": [[0, 1]]}',
        '{"id": "a", "spans": [[0, true, "PER"]]}',
        '{"id": "a", "spans": [[1, 1, "PER"]]}',
        '{"id": "a", "spans": [[-1, 1, "PER"]]}',
        '{"id": "a", "spans": [[0, NaN, "PER"]]}',
        '{"id": "a", "spans": [[0, ' + "9" * 5000 + ', "PER"]]}',
        '{"id": "\\ud800", "ner_tags": []}',
        '{"id": "", "ner_tags": []}',
        '{"id": "' + "x" * 600 + '", "ner_tags": []}',
        '{"id": "a", "ner_tags": ' + "[" * 50_000,
        '{"' + "k" * 100_000 + '": 1}',
    ],
)
def test_a_line_that_is_no_prediction_is_one_short_error_naming_the_line(tmp_path: Path, line: str) -> None:
    path = tmp_path / "p.jsonl"
    path.write_text(f'{{"id": "fine", "ner_tags": []}}\n\n{line}\n')
    with pytest.raises(GonerdError, match=r"p\.jsonl, line 3: not a prediction") as caught:
        list(read_predictions(path))
    assert len(str(caught.value)) < 600 + len(str(tmp_path))


def test_damaged_files_are_one_error(tmp_path: Path) -> None:
    whole = gzip.compress(b'{"id": "a", "ner_tags": []}\n' * 50)
    for content in (whole[:-10], b"not gzip", whole[:20] + b"\xff\xff" + whole[22:], whole + b"rubbish"):
        (tmp_path / "p.jsonl.gz").write_bytes(content)
        with pytest.raises(GonerdError, match=r"gzip|prediction"):
            list(read_predictions(tmp_path / "p.jsonl.gz"))
    (tmp_path / "p.jsonl").write_bytes(b'{"id": "\xff", "ner_tags": []}\n')
    with pytest.raises(GonerdError, match="line 1"):
        list(read_predictions(tmp_path / "p.jsonl"))
    with pytest.raises(GonerdError, match="no such file"):
        list(read_predictions(tmp_path / "nothing.jsonl"))
    with pytest.raises(GonerdError, match="this is a folder, not a file"):
        list(read_predictions(tmp_path))


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        (Limits(file_bytes=100), "larger than 100 bytes"),
        (Limits(unpacked_bytes=100), "more than 100 bytes once unpacked"),
        (Limits(line_bytes=10), "a line of more than 10 bytes"),
        (Limits(lines=5), "more than 5 lines"),
    ],
)
def test_every_limit_is_held(tmp_path: Path, limits: Limits, message: str) -> None:
    path = tmp_path / "p.jsonl"
    write_predictions(path, [Prediction(str(number), ("O",)) for number in range(10)])
    with pytest.raises(GonerdError, match=message):
        list(read_predictions(path, limits=limits))


def test_the_schema_says_what_the_reader_takes() -> None:
    schema = json.loads(json.dumps(json_schema()))
    assert set(schema["properties"]) == {"id", "ner_tags", "spans"}
    assert schema["additionalProperties"] is False


def test_messages_repeat_little_of_foreign_text_and_nothing_that_reorders_it() -> None:
    for message in (shown("\u202e" + "x" * 10_000), shorten("\u202e\n" + "x" * 10_000), shown("\ud800")):
        assert len(message) < 400
        message.encode()
        assert message.isprintable()


def test_strict_json_takes_ordinary_values() -> None:
    assert strict_json('{"a": [1, -2.5e3, null, true, "é"]}'.encode()) == {"a": [1, -2500.0, None, True, "é"]}


def rows() -> list[dict[str, object]]:
    return [
        {"id": "a", "tokens": list(TOKENS), "ner_tags": list(TAGS), "token_starts": list(STARTS), "text": TEXT},
        {"id": "b", "tokens": ["Oslo"], "ner_tags": ["B-LOC"], "token_starts": [0], "text": "Oslo"},
    ]


def with_integers() -> list[dict[str, object]]:
    return [{**row, "ner_tags": SCHEME.tag_ids(row["ner_tags"])} for row in rows()]  # type: ignore[arg-type]


def write_rows(path: Path, content: list[dict[str, object]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in content), encoding="utf-8")
    return path


def test_json_lines_and_parquet_with_tags_or_integers_give_the_same_gold(tmp_path: Path) -> None:
    import pyarrow
    from pyarrow import parquet

    paths = [write_rows(tmp_path / "s.jsonl", rows()), write_rows(tmp_path / "i.jsonl", with_integers())]
    for name, content in (("s", rows()), ("i", with_integers())):
        parquet.write_table(pyarrow.Table.from_pylist(content), tmp_path / f"{name}.parquet", row_group_size=1)
        paths.append(tmp_path / f"{name}.parquet")
    expected = [
        GoldDocument("a", TOKENS, TAGS, STARTS, text=TEXT),
        GoldDocument("b", ("Oslo",), ("B-LOC",), (0,), text="Oslo"),
    ]
    for path in paths:
        assert list(read_gold(path, scheme=SCHEME)) == expected, path


def test_conll_gives_documents_with_ids_or_numbers(tmp_path: Path) -> None:
    path = tmp_path / "gold.conll"
    path.write_text(
        "-DOCSTART- -X- -X- O\n\nOslo NNP B-NP B-LOC\n. . O O\n\nAnn NNP B-NP B-PER\n\n"
        "-DOCSTART- named\n\nx O\n\n-DOCSTART- O\n\nünï\tB-ORG\n\n\n",
        encoding="utf-8",
    )
    assert list(read_gold(path, scheme=SCHEME)) == [
        GoldDocument("1", ("Oslo", ".", "Ann"), ("B-LOC", "O", "B-PER")),
        GoldDocument("named", ("x",), ("O",)),
        GoldDocument("3", ("ünï",), ("B-ORG",)),
    ]
    path.write_text("Oslo B-LOC\n\nx O\n")
    assert [item.id for item in read_gold(path, scheme=SCHEME)] == ["1"]
    path.write_text("Oslo\n")
    with pytest.raises(GonerdError, match="line 1: expected a token and a tag"):
        list(read_gold(path, scheme=SCHEME))


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"id": "a", "tokens": ["x"]}, "'ner_tags'"),
        ({"id": "a", "tokens": ["x"], "ner_tags": []}, "differ in length"),
        ({"id": "a", "tokens": ["x"], "ner_tags": [99]}, "a tag above 8"),
        ({"id": "a", "tokens": ["x"], "ner_tags": [-1]}, "not a gold row"),
        ({"id": "a", "tokens": ["x"], "ner_tags": 5}, "not a gold row"),
        ({"id": "a", "tokens": "x", "ner_tags": ["O"]}, "not a gold row"),
        ({"id": 3, "tokens": ["x"], "ner_tags": ["O"]}, "not a gold row"),
        ({"id": "a", "tokens": ["x"], "ner_tags": ["O"], "token_starts": []}, "differ in length"),
    ],
)
def test_a_row_that_is_no_gold_is_one_error(tmp_path: Path, row: dict[str, object], message: str) -> None:
    with pytest.raises(GonerdError, match=f"row 1.*{message}"):
        list(read_gold(write_rows(tmp_path / "gold.jsonl", [row]), scheme=SCHEME))


def test_a_file_that_is_no_parquet_is_one_error(tmp_path: Path) -> None:
    (tmp_path / "gold.parquet").write_bytes(b"PAR1 not")
    with pytest.raises(GonerdError, match="Parquet"):
        list(read_gold(tmp_path / "gold.parquet", scheme=SCHEME))


def test_the_fingerprint_of_gold_is_that_of_its_rows() -> None:
    expected = fingerprint((item.id, item.tokens, item.ner_tags) for item in gold().documents[::-1])
    assert gold().fingerprint == expected
