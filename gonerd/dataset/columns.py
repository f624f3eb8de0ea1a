"""The columns of the dataset, once; Arrow schema, `datasets` features and card YAML follow from the one table."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from gonerd.records import Example

if TYPE_CHECKING:
    import pyarrow as pa

# Name, type, what it holds. `list:` is a list of, `tag` a ClassLabel of the scheme's tags, `span` a struct.
COLUMNS: tuple[tuple[str, str, str], ...] = (
    ("id", "string", "the document's name, unique in the dataset"),
    ("text", "string", "the whole text: Unicode NFC, lines end in `\\n`"),
    ("tokens", "list:string", "the words, without white space"),
    ("token_starts", "list:int32", "where each token starts in `text`, in Unicode code points"),
    ("ner_tags", "list:tag", "one IOB2 tag a token"),
    (
        "entities",
        "list:span",
        "the exact spans: `start`, `end` (half-open, code points of `text`), `label`",
    ),
    ("sentence_starts", "list:int32", "indexes of the tokens that start a sentence; null where not known"),
    ("source", "string", "where the document comes from"),
    ("url", "string", "its address; null where it has none"),
    ("license", "string", "the licence of the text; null where not known"),
    ("title", "string", "its title; null where it has none"),
    ("published", "string", "date of publication, ISO 8601; null where not known"),
    ("annotators", "list:string", "who annotated it"),
    ("text_sha256", "string", "SHA-256 of `text` in UTF-8"),
)
SPAN_FIELDS = (("start", "int32"), ("end", "int32"), ("label", "string"))


def arrow_schema(tags: Sequence[str]) -> pa.Schema:
    """Return the Arrow schema; its metadata tells `datasets` the names of the tags, even without a card."""
    import pyarrow as pa

    plain = {"string": pa.string(), "int32": pa.int32(), "tag": pa.int64()}
    plain["span"] = pa.struct([(name, plain[kind]) for name, kind in SPAN_FIELDS])
    fields = []
    for name, kind, _ in COLUMNS:
        _, is_list, item = kind.rpartition(":")
        fields.append((name, pa.list_(plain[item]) if is_list else plain[item]))
    information = {"info": {"features": features(tags)}}
    return pa.schema(fields, metadata={"huggingface": json.dumps(information)})


def features(tags: Sequence[str]) -> dict[str, Any]:
    """Return the columns as `datasets.Features.from_dict` takes them."""
    items: dict[str, Any] = {kind: {"dtype": kind, "_type": "Value"} for kind in ("string", "int32")}
    items["tag"] = {"names": list(tags), "_type": "ClassLabel"}
    items["span"] = {name: items[kind] for name, kind in SPAN_FIELDS}
    found = {}
    for name, kind, _ in COLUMNS:
        _, is_list, item = kind.rpartition(":")
        found[name] = {"feature": items[item], "_type": "List"} if is_list else items[item]
    return found


def yaml_features(tags: Sequence[str]) -> list[dict[str, Any]]:
    """Return the columns as the YAML of a card lists them under `dataset_info.features`."""
    names = {str(number): tag for number, tag in enumerate(tags)}
    items: dict[str, Any] = {
        "string": "string",
        "int32": "int32",
        "tag": {"class_label": {"names": names}},
        "span": [{"name": name, "dtype": kind} for name, kind in SPAN_FIELDS],
    }
    found = []
    for name, kind, _ in COLUMNS:
        _, is_list, item = kind.rpartition(":")
        found.append({"name": name, "list" if is_list else "dtype": items[item]})
    return found


def type_name(kind: str) -> str:
    """Return the type of a column for readers, by the names that `datasets` has."""
    kinds = {"tag": "ClassLabel", "span": f"{{{', '.join(f'{name}: {item}' for name, item in SPAN_FIELDS)}}}"}
    _, is_list, item = kind.rpartition(":")
    name = kinds.get(item, item)
    return f"list of {name}" if is_list else name


def to_row(example: Example, tag_ids: Sequence[int]) -> dict[str, Any]:
    """Return an example as a row of the table."""
    row = {name: getattr(example, name) for name, _, _ in COLUMNS}
    row["ner_tags"] = tag_ids
    row["entities"] = [{"start": span.start, "end": span.end, "label": span.label} for span in example.entities]
    return row
