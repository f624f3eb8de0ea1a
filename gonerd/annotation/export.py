"""Writes documents, with suggestions to correct, for the annotation tools that people use."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, get_args

from gonerd import store
from gonerd.annotation import doccano, label_studio
from gonerd.annotation.pipelines import portions
from gonerd.annotation.tools import suggested_spans
from gonerd.formats import jsonl
from gonerd.labels import LabelScheme
from gonerd.records import Annotation, Document, Dropped, Manifest, Shard

STAGE = "annotate export"
Tool = Literal["label-studio", "doccano"]
TOOLS: tuple[Tool, ...] = get_args(Tool)
FILE_TASKS = 500  # tasks in a file: what a browser uploads at once without trouble

Pairs = Iterable[tuple[Document, list[Annotation]]]


def write_export(
    documents: Iterable[Document],
    suggestions: Mapping[str, Mapping[str, Annotation]],
    out: Path,
    *,
    tool: Tool,
    scheme: LabelScheme,
    inputs: tuple[str, ...] = (),
) -> Manifest:
    """Write all that a tool needs to start a project over whole documents; return the manifest.

    For Label Studio `config.xml` and `tasks-….json`, for doccano `labels.json` and `documents.jsonl`.

    Args:
        documents: what to annotate.
        suggestions: passes to show, by annotator and document id; doccano takes one a document.
        out: folder.
        tool: whose formats.
        scheme: the labels.
        inputs: sha256 of what documents and suggestions were read from.

    Raises:
        GonerdError: a pass does not fit its document, or `out` holds something else.
    """
    run = store.Run(STAGE, {"tool": tool, "scheme": scheme.name}, inputs)
    with store.replacing(out, run) as work:
        count, names = _WRITERS[tool](suggested_spans(documents, suggestions), work, scheme)
        store.write_atomic(work / store.DROPPED, "")
        files = [Shard(name, store.sha256_file(work / name), rows) for name, rows in names]
        dropped: list[Dropped] = []
        store.write_json(work / store.MANIFEST, run.manifest(files, read=count, dropped=dropped))
    return store.read_manifest(out)


def _label_studio(pairs: Pairs, out: Path, scheme: LabelScheme) -> tuple[int, list[tuple[str, int]]]:
    store.write_atomic(out / "config.xml", label_studio.configuration(scheme))
    files = []
    for number, tasks in enumerate(portions(label_studio.tasks(pairs), FILE_TASKS)):
        files.append((f"tasks-{number:05d}.json", len(tasks)))
        store.write_atomic(out / files[-1][0], _json(tasks))
    return sum(rows for _, rows in files), files


def _doccano(pairs: Pairs, out: Path, scheme: LabelScheme) -> tuple[int, list[tuple[str, int]]]:
    store.write_atomic(out / "labels.json", _json(doccano.label_types(scheme)))
    count = jsonl.write(out / "documents.jsonl", doccano.lines(pairs))
    return count, [("documents.jsonl", count)]


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=1) + "\n"


_WRITERS: Mapping[Tool, Callable[[Pairs, Path, LabelScheme], tuple[int, list[tuple[str, int]]]]] = {
    "label-studio": _label_studio,
    "doccano": _doccano,
}
