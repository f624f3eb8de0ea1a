"""A pass is imported onto the documents of a corpus; one that belongs to another corpus is an error."""

import pytest

from gonerd import store
from gonerd.cli.main import main
from gonerd.formats import standoff
from gonerd.records import Annotation, Document, Span

TEXT = "Mr. Holt of Acme met Ben in Oslo."
ONE, TWO = Document("one", TEXT, "s"), Document("two", TEXT, "s")


def imported(folder, annotated):
    """Import passes over `annotated` onto document `one` alone; return the exit status."""
    store.write_stage([ONE], folder / "documents", stage="test", config={})
    passes = [Annotation(one.id, one.text_sha256, "ann", "gonerd", (Span(4, 8, "PER"),)) for one in annotated]
    standoff.write(folder / "ann.jsonl", passes, {one.id: one for one in annotated})
    arguments = [str(folder / "ann.jsonl"), "--documents", str(folder / "documents"), "--out", str(folder / "ann")]
    with pytest.raises(SystemExit) as caught:
        main(["annotate", "import", *arguments])
    return caught.value.code


@pytest.mark.parametrize(("annotated", "what"), [([TWO], "no document of this pass is in"), ([], "holds no pass")])
def test_a_pass_in_which_nothing_matches_is_an_error_and_writes_nothing(tmp_path, capsys, annotated, what):
    assert imported(tmp_path, annotated) == 2
    error = capsys.readouterr().err
    assert "ann.jsonl: " in error
    assert what in error
    assert not (tmp_path / "ann").exists()


def test_what_does_not_match_is_said_and_the_rest_is_imported(tmp_path, capsys):
    assert imported(tmp_path, [ONE, TWO]) == 0
    out = capsys.readouterr().out
    assert "1 annotated documents" in out
    assert "dropped: 1 unknown_document" in out
    assert [annotation.document_id for annotation in store.read_records(tmp_path / "ann", Annotation)] == ["one"]
