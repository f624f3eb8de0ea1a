import gzip
import json
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gonerd.errors import GonerdError
from gonerd.formats import jsonl
from gonerd.records import (
    Annotation,
    Document,
    Dropped,
    Example,
    Fingerprint,
    Manifest,
    Page,
    Prediction,
    Reason,
    Shard,
    Span,
    normalize_text,
)

# Any text that UTF-8 can carry: with line and paragraph separators, emoji, control characters, both directions.
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
NAMES = st.sampled_from(["Ann Holt", "שלום", "👩‍👩‍👧", "naïve\u2028x", "\u2029", "\x85", "\x1c", "a\tb", '"\\', "\x00"])
WORDS = st.one_of(TEXT, NAMES)
COUNTS = st.integers(0, 10**6)
MAYBE = st.none() | WORDS


@st.composite
def flat(draw):
    cuts = sorted(draw(st.sets(st.integers(0, 200), max_size=8)))
    return tuple(Span(a, b, draw(st.sampled_from(["PER", "LOC"]))) for a, b in zip(cuts[::2], cuts[1::2], strict=False))


@st.composite
def example_rows(draw):
    tokens = draw(st.lists(WORDS.filter(bool), max_size=6))
    text, starts = "", []
    for token in tokens:
        starts.append(len(text))
        text += token + draw(st.sampled_from(["", " ", "\n"]))
    tags = draw(st.lists(st.sampled_from(["O", "B-PER"]), min_size=len(tokens), max_size=len(tokens)))
    return Example(
        id=draw(WORDS), text=text, tokens=tuple(tokens), token_starts=tuple(starts), ner_tags=tuple(tags),
        entities=(Span(0, len(text), "PER"),) if text else (),
        sentence_starts=draw(st.none() | st.just(()) | st.just(tuple(range(min(2, len(tokens)))))),
        source="s", url=draw(MAYBE), license=None, title=draw(MAYBE), published=None,
        annotators=tuple(draw(st.lists(WORDS, max_size=2))), text_sha256="0" * 64, split="train",
    )  # fmt: skip


DOCUMENTS = st.builds(
    Document,
    id=WORDS.filter(bool),
    text=WORDS.map(normalize_text).filter(bool),
    source=WORDS,
    url=MAYBE,
    title=MAYBE,
    language=st.none() | st.just("en"),
)
RECORDS = {
    Document: DOCUMENTS,
    Page: st.builds(Page, WORDS, WORDS, WORDS, WORDS, COUNTS, WORDS, WORDS, WORDS, COUNTS),
    Annotation: st.builds(Annotation, WORDS, WORDS, WORDS, WORDS, flat()),
    Dropped: st.builds(Dropped, WORDS, st.sampled_from(Reason), WORDS),
    Example: example_rows(),
    Prediction: st.builds(Prediction, WORDS, st.lists(WORDS).map(tuple))
    | st.builds(Prediction, WORDS, st.none(), flat()),
    Fingerprint: st.builds(Fingerprint, WORDS, MAYBE),
    Shard: st.builds(Shard, WORDS, WORDS, COUNTS),
    Manifest: st.builds(
        Manifest, WORDS, WORDS, WORDS,
        st.dictionaries(WORDS, st.none() | st.booleans() | COUNTS | WORDS | st.lists(COUNTS, max_size=2), max_size=3),
        st.lists(WORDS, max_size=2).map(tuple),
        st.lists(st.builds(Shard, WORDS, WORDS, COUNTS), max_size=2).map(tuple),
        COUNTS, COUNTS, st.dictionaries(WORDS, COUNTS, max_size=3),
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", RECORDS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_every_record_survives_the_round_trip(kind, suffix, tmp_path):
    path = tmp_path / f"records.jsonl{suffix}"

    @settings(max_examples=40)
    @given(st.lists(RECORDS[kind], max_size=4))
    def round_trip(records):
        assert jsonl.write(path, records) == len(records)
        assert list(jsonl.read(path, kind)) == records
        first = path.read_bytes()
        jsonl.write(path, list(records))
        assert path.read_bytes() == first

    round_trip()


def test_a_record_is_one_line_of_plain_json(tmp_path):
    path = tmp_path / "x.jsonl"
    text = "one\u2028two\u2029three\x85four\x0bfive\nsix"
    jsonl.write(path, [Document("a", text, "s"), Document("b", "x", "s")])
    content = path.read_bytes()
    assert content.count(b"\n") == 2
    assert json.loads(content.split(b"\n")[0])["text"] == text
    assert [number for number, _ in jsonl.read_objects(path)] == [1, 2]
    assert jsonl.dumps(Annotation("a", "h", "x", "gonerd", (Span(0, 2, "PER"),))).endswith('"spans":[[0,2,"PER"]]}')


def test_a_gzip_file_holds_no_name_and_no_time(tmp_path):
    for name in ("a", "b"):
        jsonl.write(tmp_path / f"{name}.jsonl.gz", [Dropped("x", Reason.EMPTY)])
    assert (tmp_path / "a.jsonl.gz").read_bytes() == (tmp_path / "b.jsonl.gz").read_bytes()


GOOD = {"id": "a", "text": "Text.", "source": "s"}
BAD_FIELDS = [
    (Document, GOOD | {"text": 1}, "field 'text' should be str, but is int"),
    (Document, {"id": "a", "source": "s"}, "field 'text' is missing"),
    (Document, GOOD | {"txt": "x"}, "unknown field 'txt'; Document has id, text"),
    (Document, GOOD | {"title": ["x"]}, "field 'title' should be str, but is list"),
    (Document, GOOD | {"text": ""}, "document 'a': id and text must not be empty"),
    (Document, GOOD | {"text": "e\u0301"}, "text must be NFC"),
    (Document, GOOD | {"text_sha256": "0"}, "text_sha256 does not match"),
    (Dropped, {"id": "a", "reason": "boredom"}, "field 'reason' is \"boredom\"; known: robots, http_status"),
    (Dropped, {"id": "a", "reason": ["x"]}, "field 'reason' is \\[\"x\"\\]; known: "),
    (
        Prediction,
        {"id": "a", "spans": [[0, 1]]},
        r"field 'spans': a span should be \[start, end, label\], but is \[0, 1\]",
    ),
    (Prediction, {"id": "a", "spans": [[True, 2, "PER"]]}, "field 'spans': a span should be"),
    (Prediction, {"id": "a", "spans": [[2, 1, "PER"]]}, r"field 'spans': span \[2, 1\) is empty or negative"),
    (Prediction, {"id": "a", "spans": "PER"}, "field 'spans' should be tuple, but is str"),
    (Prediction, {"id": "a", "ner_tags": ["O", 3]}, "field 'ner_tags' should be str, but is int"),
    (Prediction, {"id": "a"}, "must have either ner_tags or spans"),
    (Shard, {"name": "a", "sha256": "b", "records": True}, "field 'records' should be int, but is bool"),
    (Shard, {"name": "a", "sha256": "b", "records": 1.0}, "field 'records' should be int, but is float"),
]


@pytest.mark.parametrize(("kind", "value", "message"), BAD_FIELDS)
def test_an_error_names_file_line_and_field(kind, value, message, tmp_path):
    path = tmp_path / "bad.jsonl"
    good = jsonl.dumps({Document: Document("x", "y", "z"), Shard: Shard("a", "b", 1)}.get(kind) or good_line(kind))
    path.write_text(f"{good}\n\n{json.dumps(value)}\n")
    reader = jsonl.read(path, kind)
    next(reader)
    with pytest.raises(GonerdError, match=rf"bad\.jsonl, line 3: .*{message}"):
        next(reader)


def good_line(kind):
    return Dropped("a", Reason.EMPTY) if kind is Dropped else Prediction("a", ("O",))


def test_a_wrong_number_in_a_manifest_is_named():
    value = jsonl.to_json(Manifest("s", "k", "v", {}, (), (), 0, 0)) | {"dropped": {"empty": "many"}}
    with pytest.raises(ValueError, match="field 'dropped' should be int, but is str"):
        jsonl.from_json(Manifest, value)


BAD_LINES = {
    "cut": (b'{"id": "a"', "line 1: not JSON"),
    "list": (b"[1]", "line 1: expected a JSON object"),
    "nan": (b'{"x": NaN}', "line 1: not JSON .NaN is no number"),
    "infinity": (b'{"x": [-Infinity]}', "line 1: not JSON .-Infinity is no number"),
    "deep": (b'{"x":' + b"[" * 200_000, "line 1: .*nested too deep"),
    "number": (b'{"x": ' + b"9" * 5000 + b"}", "line 1: .*digits"),
    "surrogate": (b'{"x": "\\uD83D"}', "line 1: half of a surrogate pair"),
    "latin": (b'{"x": "caf\xe9"}', r"bad\.jsonl, line 1: not UTF-8"),
    "bom": (b'\xef\xbb\xbf{"x": 1}', "line 1: not JSON"),
}


@pytest.mark.parametrize("name", BAD_LINES)
def test_a_line_that_is_no_json_object_is_one_clear_error(name, tmp_path):
    content, message = BAD_LINES[name]
    (tmp_path / "bad.jsonl").write_bytes(content + b"\n")
    with pytest.raises(GonerdError, match=message) as caught:
        list(jsonl.read_objects(tmp_path / "bad.jsonl"))
    assert len(str(caught.value)) < 400


def test_whole_surrogate_pairs_and_backslashes_are_text(tmp_path):
    (tmp_path / "x.jsonl").write_bytes(b'{"x": "\\ud83d\\ude00"}\r\n{"x": "\\\\ud83d"}')
    assert [value["x"] for _, value in jsonl.read_objects(tmp_path / "x.jsonl")] == ["😀", "\\ud83d"]


def test_invalid_utf8_far_into_the_file_says_in_which_line(tmp_path):
    lines = [b'{"x": "%d"}\n' % number for number in range(50_000)]
    lines[40_000] = b'{"x": "\xff"}\n'
    (tmp_path / "bad.jsonl").write_bytes(b"".join(lines))
    reader = jsonl.read_objects(tmp_path / "bad.jsonl")
    with pytest.raises(GonerdError, match=r"bad\.jsonl, line 40001: not UTF-8"):
        list(reader)


@pytest.mark.parametrize("damage", ["cut", "flipped", "no gzip", "trailing"])
def test_damaged_gzip_is_one_clear_error(damage, tmp_path):
    path = tmp_path / "x.jsonl.gz"
    jsonl.write(path, [Dropped(f"{number * 7919}", Reason.EMPTY) for number in range(2000)])
    whole = path.read_bytes()
    middle = len(whole) // 2
    path.write_bytes(
        {
            "cut": whole[:middle],
            "flipped": whole[:middle] + b"\xff\xff\xff\xff" + whole[middle + 4 :],
            "no gzip": b'{"id": "a"}\n',
            "trailing": whole + b"rubbish",
        }[damage]
    )
    with pytest.raises(GonerdError, match=r"x\.jsonl\.gz(, line|: unreadable after line) \d+"):
        list(jsonl.read(path, Dropped))


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_a_line_without_end_is_refused_before_it_fills_the_memory(suffix, tmp_path, monkeypatch):
    monkeypatch.setattr(jsonl, "LINE_LIMIT", 1000)
    path = tmp_path / f"x.jsonl{suffix}"
    fits = b'{"x": "' + b"y" * 990 + b'"}\n'
    with gzip.open(path, "wb") if suffix else path.open("wb") as stream:
        stream.write(fits + b" " * 100_000)
    reader = jsonl.read_objects(path)
    assert len(next(reader)[1]["x"]) == 990
    with pytest.raises(GonerdError, match="line 2: the line is longer than 1000 bytes"):
        next(reader)


def test_a_line_that_was_cut_is_named_with_the_place_where_it_breaks(tmp_path):
    (tmp_path / "cut.jsonl").write_text('{"id": "a"}\n{"id": \n{"id": "c\n')
    with pytest.raises(GonerdError, match=r"cut\.jsonl, line 2: not JSON: Expecting value at column 8$"):
        list(jsonl.read_objects(tmp_path / "cut.jsonl"))
    (tmp_path / "cut.jsonl").write_text('{"id": "c\n')
    with pytest.raises(GonerdError, match=r"line 1: not JSON: Unterminated string starting at column 8$"):
        list(jsonl.read_objects(tmp_path / "cut.jsonl"))


def test_a_folder_and_nothing_at_all(tmp_path):
    with pytest.raises(GonerdError, match="this is a folder, not a file"):
        list(jsonl.read_objects(tmp_path))
    with pytest.raises(GonerdError, match=r"none\.jsonl: no such file"):
        list(jsonl.read_objects(tmp_path / "none.jsonl"))
    (tmp_path / "empty.jsonl").touch()
    assert list(jsonl.read_objects(tmp_path / "empty.jsonl")) == []


def test_what_json_cannot_say_is_not_written(tmp_path):
    with pytest.raises(ValueError, match="not JSON compliant"):
        jsonl.dumps({"x": float("nan")})
    with pytest.raises(UnicodeEncodeError):
        jsonl.write(tmp_path / "x.jsonl", [Dropped("\ud83d", Reason.EMPTY)])


@given(TEXT)
def test_normalized_text_stays_as_it_is(text):
    once = normalize_text(text)
    assert normalize_text(once) == once
    assert "\r" not in once
    assert unicodedata.is_normalized("NFC", once)
