"""All that a system needs to take part which knows nothing of gonerd: documents, a template, the format, an example."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from gonerd.errors import GonerdError
from gonerd.formats import jsonl
from gonerd.formats.gold import GoldDocument
from gonerd.formats.predictions import json_schema
from gonerd.store import write_json

DOCUMENTS, TEMPLATE, SCHEMA, EXAMPLE = "documents.jsonl", "predictions.jsonl", "predictions.schema.json", "predict.py"
KIT = (DOCUMENTS, TEMPLATE, SCHEMA, EXAMPLE)
_EXAMPLE = Path(__file__).with_name("templates") / f"{EXAMPLE}.txt"


def write_kit(documents: Iterable[GoldDocument], out: Path) -> int:
    """Write a kit to the folder `out`; return the number of documents.

    `documents.jsonl` has id, text, tokens and token_starts, and no labels; `predictions.jsonl` tags every token O and
    is to be replaced; `predictions.schema.json` is the JSON Schema of its lines; `predict.py` is a whole system in
    plain Python, to start from.

    Raises:
        GonerdError: there are no documents, or `out` holds something else.
    """
    if out.exists() and (not out.is_dir() or {path.name for path in out.iterdir()} - set(KIT)):
        raise GonerdError("holds something that is no kit", where=out, remedy="Choose another folder")
    rows = list(documents)
    if not rows:
        raise GonerdError("no documents", remedy="Does the dataset have that split?")
    out.mkdir(parents=True, exist_ok=True)
    jsonl.write(out / DOCUMENTS, _documents(rows))
    jsonl.write(out / TEMPLATE, ({"id": row.id, "ner_tags": ["O"] * len(row.tokens)} for row in rows))
    write_json(out / SCHEMA, json_schema())
    shutil.copyfile(_EXAMPLE, out / EXAMPLE)
    return len(rows)


def _documents(rows: list[GoldDocument]) -> Iterator[dict[str, Any]]:
    for row in rows:
        yield {"id": row.id, "text": row.text, "tokens": row.tokens, "token_starts": row.token_starts}
