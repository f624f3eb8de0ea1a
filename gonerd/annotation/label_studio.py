"""Label Studio, both ways: a project's configuration and tasks, and the passes in its JSON export.

One task is one whole document; suggestions are its predictions. The export is the full one (`JSON`, not `JSON-MIN`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from gonerd.annotation.palette import colours, hotkeys
from gonerd.annotation.tools import ToolExport, ToolPass, ToolSpan, Unit
from gonerd.errors import GonerdError
from gonerd.formats import jsonl
from gonerd.labels import LabelScheme
from gonerd.records import Annotation, Document, Dropped, Reason

LABELS, TEXT = "label", "text"
"""The names of the two controls in the configuration."""
GROUND_TRUTH = "ground-truth"
"""The annotator of the annotations that are marked so, when these alone are taken."""
_EXPORT = "Export the project in the format JSON, with all the annotations"


def configuration(scheme: LabelScheme) -> str:
    """Return a project's labelling interface: the labels with their definitions, colours and keys, and the text."""
    view = ElementTree.Element("View")
    labels = ElementTree.SubElement(view, "Labels", name=LABELS, toName=TEXT, showInline="true")
    keys = hotkeys(scheme)
    for label in scheme.labels:
        shown = {"value": label.name, "background": colours(scheme)[label.name], "hint": label.definition}
        key = {"hotkey": keys[label.name]} if label.name in keys else {}
        ElementTree.SubElement(labels, "Label", {**shown, **key})
    ElementTree.SubElement(view, "Text", name=TEXT, value="$text", granularity="symbol")
    ElementTree.indent(view)
    return ElementTree.tostring(view, encoding="unicode") + "\n"


def tasks(pairs: Iterable[tuple[Document, list[Annotation]]]) -> Iterator[dict[str, Any]]:
    """Yield the task of each document, with a prediction for each pass over it."""
    for document, passes in pairs:
        data = {
            "text": document.text,
            "document_id": document.id,
            "text_sha256": document.text_sha256,
            "source": document.source,
            "url": document.url,
            "title": document.title,
        }
        predictions = [_prediction(document, annotation) for annotation in passes]
        yield {"data": {key: value for key, value in data.items() if value is not None}, "predictions": predictions}


def _prediction(document: Document, annotation: Annotation) -> dict[str, Any]:
    return {"model_version": annotation.annotator, "result": results(document.text, annotation)}


def results(text: str, annotation: Annotation) -> list[dict[str, Any]]:
    """Return the spans of a pass as Label Studio's regions."""
    return [
        {
            "id": f"{span.start}-{span.end}",
            "from_name": LABELS,
            "to_name": TEXT,
            "type": "labels",
            "value": {
                "start": span.start,
                "end": span.end,
                "text": text[span.start : span.end],
                "labels": [span.label],
            },
        }
        for span in annotation.spans
    ]


def read_export(path: Path, *, scheme: LabelScheme, unit: Unit = "auto", ground_truth: bool = False) -> ToolExport:
    """Return all that a project's JSON export holds.

    An annotator's later annotation of a task takes the place of an earlier one; a cancelled one is no pass; one without
    any span is a pass that found nothing.

    Args:
        path: the exported file.
        scheme: of the labels.
        unit: what offsets count.
        ground_truth: take the annotations marked as ground truth alone, as one pass.

    Raises:
        GonerdError: not such an export, or a span does not fit its text.
    """
    export = ToolExport()
    for number, task in enumerate(_tasks(path), start=1):
        where = f"{path}, task {task.get('id', number)}"
        for entry in _passes(task, export.dropped, where=where, ground_truth=ground_truth):
            export.add(entry, scheme=scheme.name, unit=unit)
    return export


def _tasks(path: Path) -> list[dict[str, Any]]:
    try:
        content = jsonl.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise GonerdError(f"not a JSON file ({error})", where=path, remedy=_EXPORT) from error
    if not isinstance(content, list) or not all(isinstance(task, dict) and "data" in task for task in content):
        raise GonerdError("not an export of Label Studio: a list of tasks is expected", where=path, remedy=_EXPORT)
    return content


def _passes(task: dict[str, Any], dropped: list[Dropped], *, where: str, ground_truth: bool) -> Iterator[ToolPass]:
    """Yield the passes of a task, one an annotator; what is no pass goes to `dropped`."""
    data = task["data"]
    text = data.get("text") if isinstance(data, dict) else None
    if not isinstance(text, str):
        raise GonerdError("the task holds no text", where=where, remedy=_EXPORT)
    name = str(data.get("document_id", f"task {task.get('id')}"))
    if not _are_objects(task.get("annotations")):
        raise GonerdError("the task has no list of annotations", where=where, remedy=_EXPORT)
    url = data.get("url") if isinstance(data.get("url"), str) else None
    taken: dict[str, dict[str, Any]] = {}
    for annotation in sorted(task["annotations"], key=_last_changed):
        annotator = GROUND_TRUTH if ground_truth else _annotator(annotation)
        if annotation.get("was_cancelled"):
            dropped.append(Dropped(name, Reason.UNFINISHED, f"{_annotator(annotation)} skipped the task"))
        elif ground_truth and not annotation.get("ground_truth"):
            dropped.append(Dropped(name, Reason.SUPERSEDED, f"{_annotator(annotation)}: not marked as ground truth"))
        else:
            if annotator in taken:
                dropped.append(Dropped(name, Reason.SUPERSEDED, f"{annotator} annotated the task again"))
            taken[annotator] = annotation
    if not task["annotations"]:
        dropped.append(Dropped(name, Reason.NO_ANNOTATION, "nobody has annotated the task"))
    for annotator, annotation in sorted(taken.items()):
        spans = tuple(_spans(annotation, dropped, name=name, where=where))
        yield ToolPass(name, url, text, annotator, spans, where)


def _are_objects(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, dict) for item in value)


def _last_changed(annotation: dict[str, Any]) -> tuple[str, int]:
    number = annotation.get("id")
    when = str(annotation.get("updated_at") or annotation.get("created_at") or "")
    return when, number if isinstance(number, int) else 0


def _annotator(annotation: dict[str, Any]) -> str:
    """Return an annotator's address if the export has it, or else the number of the user."""
    by = annotation.get("completed_by")
    if isinstance(by, dict):
        by = by.get("email") or by.get("username") or by.get("id")
    return f"user-{by}" if isinstance(by, int) else str(by or "unknown")


def _spans(annotation: dict[str, Any], dropped: list[Dropped], *, name: str, where: str) -> Iterator[ToolSpan]:
    regions = annotation.get("result") or []
    if not _are_objects(regions):
        raise GonerdError("the result of an annotation should be a list of regions", where=where, remedy=_EXPORT)
    for region in regions:
        kind, value = region.get("type"), region.get("value") or {}
        if kind != "labels":
            dropped.append(Dropped(name, Reason.NOT_A_SPAN, f"{_annotator(annotation)}: a region of type {kind!r}"))
            continue
        try:
            start, end, (label,) = value["start"], value["end"], value["labels"]
            surface = value.get("text")
            yield ToolSpan(int(start), int(end), str(label), None if surface is None else str(surface))
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            shown = json.dumps(value, ensure_ascii=False)[:120]
            raise GonerdError(f"a region should have start, end and one label, but is {shown}", where=where) from error
