"""Label Studio and doccano by their formats, both ways."""

import io
import json
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gonerd import store
from gonerd.annotation import doccano, label_studio
from gonerd.annotation.export import TOOLS, write_export
from gonerd.annotation.tools import ToolExport, ToolPass, ToolSpan
from gonerd.cli.annotate import app
from gonerd.errors import GonerdError
from gonerd.labels import load_scheme
from gonerd.records import Annotation, Document, Dropped, Span

SCHEME = load_scheme()
TEXT = "😀 Ann Holt met\nBen in Oslo."
DOCUMENTS = [Document("a", TEXT, "s"), Document("b", "Nobody <b>&amp;</b> nothing.", "s", url="http://b.example/")]
HOLT, BEN, OSLO = Span(2, 10, "PER"), Span(15, 18, "PER"), Span(22, 26, "LOC")


def call(*arguments: object) -> None:
    app([str(argument) for argument in arguments], exit_on_error=False, result_action="return_value")


def annotation(document: Document, *spans: Span, by: str = "rules") -> Annotation:
    return Annotation(document.id, document.text_sha256, by, "gonerd", spans)


def region(start: int, end: int, label: str = "PER", *, text: str | None = None) -> dict:
    value = {"start": start, "end": end, "labels": [label]} | ({"text": text} if text is not None else {})
    return {"id": f"r{start}", "from_name": "label", "to_name": "text", "type": "labels", "value": value}


def work(number: int, by: object, *regions: dict, **fields: object) -> dict:
    return {"id": number, "completed_by": by, "result": list(regions), "was_cancelled": False, **fields}


def exported(path, *annotations: dict, document: Document = DOCUMENTS[0], **data: object):
    """Write what Label Studio exports of one task."""
    given = {"text": document.text, "document_id": document.id, "url": document.url} | data
    path.write_text(json.dumps([{"id": 1, "data": given, "annotations": list(annotations)}]))
    return path


@pytest.fixture
def place(tmp_path):
    store.write_stage(DOCUMENTS, tmp_path / "documents", stage="test", config={})
    store.write_stage([annotation(DOCUMENTS[0], HOLT, OSLO)], tmp_path / "rules", stage="test", config={})
    return tmp_path


def test_the_configuration_names_every_label_with_its_own_colour_and_key():
    from xml.etree import ElementTree

    root = ElementTree.fromstring(label_studio.configuration(SCHEME))
    shown = [(one.get("value"), one.get("background"), one.get("hotkey")) for one in root.iter("Label")]
    assert [name for name, _, _ in shown] == list(SCHEME.names)
    assert len({colour for _, colour, _ in shown}) == len({key for _, _, key in shown}) == len(SCHEME.names)
    assert [(one["text"], one["background_color"], one["suffix_key"]) for one in doccano.label_types(SCHEME)] == shown


def test_our_own_pages_use_the_same_colours():
    from gonerd.annotation.palette import COLOURS
    from gonerd.resources import folder

    style = (folder("annotation") / "templates" / "text.css").read_text(encoding="utf-8")
    for number, colour in enumerate(COLOURS):
        assert f"--k{number}: {colour}" in style


def test_export_to_label_studio_is_one_task_a_whole_document_with_predictions(place):
    call("export", place / "documents", "--to", "label-studio", "--suggestions", place / "rules", "--out", place / "ls")
    (first, second) = json.loads((place / "ls" / "tasks-00000.json").read_text(encoding="utf-8"))
    assert first["data"]["text"] == TEXT
    assert first["data"]["document_id"] == "a"
    (prediction,) = first["predictions"]
    assert prediction["model_version"] == "rules"
    assert [item["value"] for item in prediction["result"]] == [
        {"start": 2, "end": 10, "text": "Ann Holt", "labels": ["PER"]},
        {"start": 22, "end": 26, "text": "Oslo", "labels": ["LOC"]},
    ]
    assert second["data"]["url"] == "http://b.example/"
    assert second["predictions"] == []
    assert store.read_manifest(place / "ls").written == 2


@pytest.mark.parametrize("tool", TOOLS)
def test_what_goes_out_comes_back(place, tool):
    """An annotator who accepts every suggestion gives the suggestions."""
    call("export", place / "documents", "--to", tool, "--suggestions", place / "rules", "--out", place / "out")
    if tool == "doccano":
        file = place / "eve.jsonl"
        file.write_bytes((place / "out" / "documents.jsonl").read_bytes())
    else:
        tasks = json.loads((place / "out" / "tasks-00000.json").read_text(encoding="utf-8"))
        for number, task in enumerate(tasks):
            accepted = task.pop("predictions")
            regions = accepted[0]["result"] if accepted else []
            task["annotations"] = [work(number, {"email": "eve"}, *regions)]
        file = place / "export.json"
        file.write_text(json.dumps(tasks))
    call("import", file, "--format", tool, "--documents", place / "documents", "--out", place / "back")
    found = list(store.read_records(place / "back", Annotation))
    assert found == [annotation(DOCUMENTS[0], HOLT, OSLO, by="eve"), annotation(DOCUMENTS[1], by="eve")]


def test_a_folder_with_something_else_in_it_is_not_written_over(place):
    (place / "mine").mkdir()
    (place / "mine" / "notes.txt").write_text("keep")
    with pytest.raises(GonerdError, match="in the way"):
        call("export", place / "documents", "--to", "doccano", "--out", place / "mine")


def test_suggestions_over_another_text_or_unknown_documents_are_errors(tmp_path):
    other = Annotation("a", "0" * 64, "rules", "gonerd", ())
    stray = Annotation("z", "0" * 64, "rules", "gonerd", ())
    for wrong, message in ((other, "another text"), (stray, "not there")):
        given = {"rules": {wrong.document_id: wrong}}
        with pytest.raises(GonerdError, match=message):
            write_export(DOCUMENTS, given, tmp_path / "out", tool="label-studio", scheme=SCHEME)
    two = {name: {"a": annotation(DOCUMENTS[0], by=name)} for name in ("x", "y")}
    with pytest.raises(GonerdError, match="doccano takes one"):
        write_export(DOCUMENTS, two, tmp_path / "out", tool="doccano", scheme=SCHEME)


def imported(path, **options):
    from gonerd.annotation.passes import mover
    from gonerd.annotation.tools import import_export
    from gonerd.corpus.realign import realign

    export = label_studio.read_export(path, scheme=SCHEME, **options)
    records = list(import_export(export, DOCUMENTS, move=mover(realign, export.texts.values())))
    passes = {one.annotator: one.spans for one in records if isinstance(one, Annotation)}
    return passes, [(one.reason.value, one.detail) for one in records if isinstance(one, Dropped)]


def test_every_annotator_empty_cancelled_repeated_and_odd_things_are_accounted_for(tmp_path):
    choice = {"type": "choices", "value": {"choices": ["good"]}}
    path = exported(
        tmp_path / "x.json",
        work(1, 3, region(2, 10, text="Ann Holt"), updated_at="2026-01-01T00:00:00Z"),
        work(2, {"id": 4, "email": "eve@x.example"}, region(15, 18, text="Ben"), choice),
        work(3, 5),
        work(4, 6, was_cancelled=True),
        work(5, 3, region(22, 26, "LOC", text="Oslo"), updated_at="2026-01-02T00:00:00Z"),
    )
    passes, dropped = imported(path)
    assert passes == {"user-3": (OSLO,), "eve@x.example": (BEN,), "user-5": ()}
    assert sorted(dropped) == [
        ("not_a_span", "eve@x.example: a region of type 'choices'"),
        ("superseded", "user-3 annotated the task again"),
        ("unfinished", "user-6 skipped the task"),
    ]


def test_ground_truth_alone(tmp_path):
    path = exported(tmp_path / "x.json", work(1, 3, region(2, 10), ground_truth=True), work(2, 4, region(15, 18)))
    passes, dropped = imported(path, ground_truth=True)
    assert passes == {"ground-truth": (HOLT,)}
    assert dropped == [("superseded", "user-4: not marked as ground truth")]


def test_a_task_nobody_annotated_and_a_document_nobody_has(tmp_path):
    assert imported(exported(tmp_path / "x.json")) == ({}, [("no_annotation", "nobody has annotated the task")])
    passes, dropped = imported(exported(tmp_path / "y.json", work(1, 3), document_id="zz"))
    assert (passes, dropped[0][0]) == ({}, "unknown_document")


def test_offsets_in_utf_16_are_found_out_by_the_surfaces(tmp_path):
    path = exported(tmp_path / "x.json", work(1, 3, region(3, 11, text="Ann Holt"), region(16, 19, text="Ben")))
    assert imported(path)[0] == {"user-3": (HOLT, BEN)}
    assert imported(path, unit="utf-16")[0] == {"user-3": (HOLT, BEN)}
    with pytest.raises(GonerdError, match="expected 'Ann Holt', found 'nn Holt '"):
        imported(path, unit="code-points")


def test_a_surface_that_is_nowhere_near_names_document_span_expected_and_found(tmp_path):
    path = exported(tmp_path / "x.json", work(1, 3, region(2, 10, text="Bob Hope")))
    with pytest.raises(GonerdError) as error:
        imported(path)
    for part in ("document 'a'", "[2, 10)", "'Bob Hope'", "'Ann Holt'"):
        assert part in str(error.value)
    with pytest.raises(GonerdError, match="outside the text"):
        imported(exported(tmp_path / "x.json", work(1, 3, region(20, 99))))


def test_white_space_is_trimmed_and_line_ends_in_surfaces_may_be_escaped(tmp_path):
    path = exported(tmp_path / "x.json", work(1, 3, region(1, 11, text=" Ann Holt "), region(11, 18, text=r"met\nBen")))
    assert imported(path)[0] == {"user-3": (HOLT, Span(11, 18, "PER"))}
    path = exported(tmp_path / "x.json", work(1, 3, region(14, 15, text="\n")))
    assert imported(path) == ({"user-3": ()}, [("not_a_span", "user-3: [14, 15) PER: white space")])


def test_the_outermost_of_nested_spans_is_kept_and_crossing_ones_are_an_error(tmp_path):
    path = exported(tmp_path / "x.json", work(1, 3, region(2, 5), region(2, 10), region(6, 10, "LOC"), region(2, 10)))
    passes, dropped = imported(path)
    assert passes == {"user-3": (HOLT,)}
    assert [reason for reason, _ in dropped] == ["overlap"] * 3
    for crossing in (region(6, 14), region(2, 10, "ORG")):
        with pytest.raises(GonerdError, match="cross, or mark the same stretch twice"):
            imported(exported(tmp_path / "x.json", work(1, 3, region(2, 10), crossing)))


def test_a_changed_document_gets_the_spans_moved_by_the_text_that_the_tool_kept(place):
    store.write_stage([Document("a", f"Updated.\n\n{TEXT}", "s")], place / "changed", stage="test", config={})
    path = exported(place / "x.json", work(1, 3, region(2, 10, text="Ann Holt")))
    call("import", path, "--format", "label-studio", "--documents", place / "changed", "--out", place / "moved")
    (moved,) = store.read_records(place / "moved", Annotation)
    assert moved.spans == (Span(12, 20, "PER"),)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[1]", "a list of tasks"),
        ("{}", "a list of tasks"),
        ("[", "not a JSON file"),
        ('[{"data": {}}]', "no text"),
        ('[{"data": {"text": "x"}}]', "no list of annotations"),
        ('[{"data": {"text": "x\\r\\ny"}, "annotations": [{"result": []}]}]', "changed the text"),
        ('[{"data": {"text": "x"}, "annotations": [{"result": [{"type": "labels", "value": {}}]}]}]', "one label"),
        (
            '[{"data": {"text": "x"}, "annotations": [{"result": [{"type": "labels", "value": '
            '{"start": 0, "end": 1, "labels": ["A", "B"]}}]}]}]',
            "one label",
        ),
        ('[{"data": {"text": "x"}, "annotations": [1]}]', "no list of annotations"),
        ('[{"data": {"text": "x"}, "annotations": [{"id": "one", "result": [3]}]}]', "a list of regions"),
        (
            '[{"data": {"text": "x"}, "annotations": [{"result": [{"type": "labels", "value": '
            '{"start": 0, "end": 1e400, "labels": ["PER"], "text": 5}}]}]}]',
            "one label",
        ),
    ],
)
def test_what_is_no_export_is_one_clear_error(tmp_path, content, message):
    (tmp_path / "x.json").write_text(content)
    with pytest.raises(GonerdError, match=message):
        imported(tmp_path / "x.json")


def zipped(path, **files: list) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name, rows in files.items():
            archive.writestr(f"{name}.jsonl", "".join(f"{json.dumps(row)}\n" for row in rows))


def test_a_damaged_archive_is_one_clear_error(tmp_path):
    zipped(tmp_path / "whole.zip", ann=[{"text": "Ann went", "label": []}] * 20)
    content = (tmp_path / "whole.zip").read_bytes()
    (tmp_path / "damaged.zip").write_bytes(content.replace(b"went", b"WENT", 1))
    for name, text in (("no_text.zip", b"\xff\n"), ("none.zip", None)):
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            archive.writestr("ann.jsonl" if text else "notes.txt", text or b"")
    for name, message in (("damaged", "Bad CRC-32"), ("no_text", "can't decode"), ("none", "no .jsonl file")):
        with pytest.raises(GonerdError, match=message):
            doccano.read_export(tmp_path / f"{name}.zip", scheme=SCHEME)


def test_doccano_zip_holds_a_file_an_annotator(place):
    row = {"id": 7, "text": TEXT, "document_id": "a", "label": [[2, 10, "PER"]], "Comments": []}
    relation = {"start_offset": 15, "end_offset": 18, "label": "PER", "id": 1}
    other = {"id": 7, "text": TEXT, "document_id": "a", "entities": [relation]}
    zipped(place / "all.zip", ann=[row], **{"../../etc/eve": [other]})
    call("import", place / "all.zip", "--format", "doccano", "--documents", place / "documents", "--out", place / "in")
    found = {one.annotator: one.spans for one in store.read_records(place / "in", Annotation)}
    assert found == {"ann": (HOLT,), "eve": (BEN,)}
    (place / "one.jsonl").write_text(json.dumps(row))
    command = ["import", place / "one.jsonl", "--format", "doccano", "--documents", place / "documents"]
    call(*command, "--out", place / "one", "--annotator", "Eve L.")
    assert next(store.read_records(place / "one", Annotation)).annotator == "Eve L."


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"text": "x"}', "'text' and 'label'"),
        ('{"text": "x", "label": [[0, 1]]}', "start, end, label"),
        ('{"text": "x", "label": [[0, 1e400, "PER"]]}', "start, end, label"),
        ('{"text": "x", "label": [[0, 5, "PER"]]}', "outside the text"),
        ("[]", "object"),
        ("{", "not JSON"),
    ],
)
def test_what_is_no_doccano_export_is_one_clear_error(tmp_path, line, message):
    (tmp_path / "x.jsonl").write_text(line)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("ann.jsonl", line)
    (tmp_path / "x.zip").write_bytes(buffer.getvalue())
    for name in ("x.jsonl", "x.zip"):
        with pytest.raises(GonerdError, match=message):
            doccano.read_export(tmp_path / name, scheme=SCHEME)


@settings(max_examples=60, deadline=None)
@given(st.text(alphabet="aé😀 \n𐍈", min_size=1, max_size=40), st.data())
def test_any_span_survives_either_unit(text, data):
    """Surfaces tell which unit a tool counts in, or both agree."""
    start = data.draw(st.integers(0, len(text) - 1))
    end = data.draw(st.integers(start + 1, len(text)))
    surface = text[start:end]
    utf16 = [len(text[:place].encode("utf-16-le")) // 2 for place in (start, end)]
    for given_start, given_end, unit in ((start, end, "code-points"), (*utf16, "utf-16")):
        export = ToolExport()
        span = ToolSpan(given_start, given_end, "PER", surface)
        export.add(ToolPass("d", None, text, "x", (span,), "here"), scheme="gonerd", unit=unit)
        (entry,) = export.passes
        assert [one.surface for one in entry.spans] == ([surface.strip()] if surface.strip() else [])


def test_annotators_get_names(place):
    path = exported(place / "x.json", work(1, 3, region(2, 10)), work(2, 4, region(15, 18)))
    command = ["import", path, "--format", "label-studio", "--documents", place / "documents", "--out", place / "in"]
    call(*command, "--rename", "user-3=ann", "--rename", "user-4=ben")
    found = {one.annotator: one.spans for one in store.read_records(place / "in", Annotation)}
    assert found == {"ann": (HOLT,), "ben": (BEN,)}
    for wrong in (["user-3"], ["user-3=ann", "--rename", "user-4=ann"], ["=ann"]):
        with pytest.raises(GonerdError, match="not one new name"):
            call(*command, "--rename", *wrong)
