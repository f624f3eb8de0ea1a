"""`gonerd annotate view` and `serve`: annotated documents as a page, and the embedded annotation tool."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from gonerd import store
from gonerd.annotation.serve import LOOPBACK, ServeConfig
from gonerd.cli.console import say
from gonerd.errors import GonerdError
from gonerd.records import Annotation, Document

if TYPE_CHECKING:
    from gonerd.annotation.session import Desk, Session
    from gonerd.annotation.view import Sheet
    from gonerd.labels import LabelScheme


@dataclass(frozen=True, kw_only=True)
class Work:
    """What is worked on."""

    suggestions: Path | None = None
    """Stage folder of suggestions, to accept or refuse."""
    adjudicate: Annotated[list[Path] | None, Parameter(negative="")] = None
    """A stage folder of one annotator's pass; given twice, the differences between the two are settled."""
    scheme: str = "gonerd"
    """The label scheme."""


def view(
    inputs: Annotated[list[Path] | None, Parameter(negative="")] = None,
    /,
    *,
    out: Path,
    documents: Path | None = None,
    data: str | None = None,
    split: str = "test",
    scheme: str = "gonerd",
) -> None:
    """Write annotated documents as one HTML page that needs nothing else: spans in colour, differences marked.

    Two passes, or predictions and gold, stand side by side; n and p go from difference to difference.

    Example: gonerd annotate view annotations/ann annotations/ben --documents documents --out compare.html

    Example: gonerd annotate view results/…/sample-test-….json --data sample --split test --out errors.html

    Parameters
    ----------
    inputs
        With --documents, one or two stage folders of annotations; with --data, a result or a file of predictions, or
        nothing.
    out
        The HTML file.
    documents
        Stage folder of the documents that were annotated.
    data
        A dataset's folder or name, or a JSON Lines file of its rows, in place of --documents: its gold is shown.
    split
        Which split of the data.
    scheme
        The label scheme of the data; passes name their own.
    """
    from gonerd.annotation.view import write_view
    from gonerd.labels import load_scheme

    given = inputs or []
    if (documents is None) == (data is None):
        raise GonerdError("give either --documents or --data", where="annotate view")
    if out.suffix.lower() not in (".html", ".htm"):
        raise GonerdError("the page must be called .html", where=out, remedy="A browser goes by the name")
    if documents is not None:
        sheets, labels = _of_passes(given, documents)
        title = " and ".join(dict.fromkeys(item.annotator for sheet in sheets for item in sheet.passes))
    else:
        labels = load_scheme(scheme)
        sheets = _of_data(given, str(data), split, labels)
        title = " against ".join(item.annotator for item in sheets[0].passes) if sheets else ""
        title = f"{title}: {data}, {split} split"
    shown = write_view(sheets, out, scheme=labels, title=title)
    compared = len(sheets[0].passes) == 2
    say(f"{out}: {len(sheets)} documents" + (f", {shown} differences" if compared else ""))


def _of_passes(folders: list[Path], documents: Path) -> tuple[list[Sheet], LabelScheme]:
    """Return a sheet for each document that all the passes cover, and their scheme."""
    from gonerd.annotation.sheets import sheets_of_passes
    from gonerd.labels import load_scheme

    if len(folders) not in (1, 2):
        raise GonerdError(f"one or two passes can be shown, not {len(folders)}", where="annotate view")
    passes = [list(store.read_records(folder, Annotation)) for folder in folders]
    schemes = sorted({annotation.scheme for annotations in passes for annotation in annotations})
    if len(schemes) != 1:
        raise GonerdError(f"the passes are in {len(schemes)} label schemes ({', '.join(schemes) or 'no annotation'})")
    sheets = list(sheets_of_passes(store.read_records(documents, Document), passes))
    left = len({annotation.document_id for annotations in passes for annotation in annotations}) - len(sheets)
    if left:
        say(f"not shown: {left} documents that not all passes cover, or that are not in {documents}")
    return sheets, load_scheme(schemes[0])


def _of_data(files: list[Path], data: str, split: str, scheme: LabelScheme) -> list[Sheet]:
    """Return a sheet for each document of a split: gold, or gold against the predictions in a file."""
    from gonerd.annotation.sheets import sheets_of_gold, sheets_of_predictions
    from gonerd.cli.score import problem_lines
    from gonerd.dataset.examples import read_examples
    from gonerd.formats.predictions import read_predictions

    if len(files) > 1:
        raise GonerdError(f"one file of predictions can be shown, not {len(files)}", where="annotate view")
    examples = read_examples(data, split)
    if not files:
        return list(sheets_of_gold(examples, scheme=scheme))
    path, name = _predictions_of(files[0])
    sheets, matching = sheets_of_predictions(examples, read_predictions(path), scheme=scheme, name=name)
    for line in problem_lines(matching.problems):
        say(line)
    return sheets


def _predictions_of(path: Path) -> tuple[Path, str]:
    """Return a file of predictions and who made them: what is given, or what lies beside a result that is given."""
    from gonerd.evaluation.evaluate import predictions_path
    from gonerd.evaluation.result import read_outcome

    if path.suffix == ".json":
        return predictions_path(path), read_outcome(path).model.name
    return path, path.name.partition(".")[0]


def serve(
    documents: Path,
    /,
    *,
    out: Path,
    annotator: str,
    work: Annotated[Work, Parameter(name="*")] = Work(),
    config: Annotated[ServeConfig, Parameter(name="*")] = ServeConfig(),  # noqa: B008 - frozen
) -> int:
    """Annotate in a browser: mark, relabel and delete spans in whole documents, or settle what two passes differ in.

    Open the address that is printed. Work is saved a moment after each change, and goes on where it stopped when the
    command is run again. Ctrl-C ends it.

    Example: gonerd annotate serve documents --out sessions/ann --annotator ann --suggestions annotations/rules

    Example: gonerd annotate serve documents --out sessions/eve --annotator eve --adjudicate annotations/ann
    --adjudicate annotations/ben

    Parameters
    ----------
    documents
        Stage folder of documents: the queue.
    out
        Folder of the session; nothing is written anywhere else.
    annotator
        Who annotates.
    """
    from gonerd.annotation.serve import served
    from gonerd.annotation.session import opened

    with opened(_desk(documents, annotator, work), out) as session, served(session, config=config) as (address, server):
        say(f"{session.done} of {len(session.desk.documents)} documents done. Open in a browser:\n{address}")
        if config.host not in LOOPBACK:
            say("Others can reach this address, and the connection is not encrypted. Ctrl-C ends it.")
        with contextlib.suppress(KeyboardInterrupt):
            server.serve_forever()
        _say_what_next(session, documents)
    return 0


def _desk(documents: Path, annotator: str, work: Work) -> Desk:
    from gonerd.annotation.desks import marking_desk, settling_desk
    from gonerd.labels import load_scheme

    if not annotator.strip() or not annotator.isprintable():
        raise GonerdError("the name must not be empty", where="--annotator")
    queue, scheme = store.read_records(documents, Document), load_scheme(work.scheme)
    if work.adjudicate is None:
        suggestions = store.read_records(work.suggestions, Annotation) if work.suggestions else ()
        return marking_desk(annotator, queue, scheme=scheme, suggestions=suggestions)
    if work.suggestions or len(work.adjudicate) != 2:
        raise GonerdError("two passes are adjudicated, without suggestions", where="--adjudicate")
    passes = [list(store.read_records(folder, Annotation)) for folder in work.adjudicate]
    return settling_desk(annotator, queue, scheme=scheme, passes=passes)


def _say_what_next(session: Session, documents: Path) -> None:
    """Say how far the work is, and which command takes it from here."""
    say(f"{session.done} of {len(session.desk.documents)} documents done, in {session.output}")
    over = f"--documents {documents}"
    if session.desk.kind == "annotate":
        say(f"Next: gonerd annotate import {session.output} {over} --out annotations/NAME")
    else:
        say(f"Next: gonerd annotate adjudicate PASS PASS {over} --decisions {session.output} --out gold")
