"""`croissant.json`: the dataset described for machines, in Croissant 1.0 with the responsible-AI vocabulary.

The format is MLCommons': https://docs.mlcommons.org/croissant/docs/croissant-spec.html and, for the fields that begin
with `rai:`, https://docs.mlcommons.org/croissant/docs/croissant-rai-spec.html. A split is a record set, named as it is.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gonerd.dataset.card import Facts
from gonerd.dataset.columns import COLUMNS, SPAN_FIELDS
from gonerd.dataset.files import DataFile
from gonerd.store import write_json

CROISSANT = "croissant.json"
LABEL_COLUMNS = ("ner_tags", "entities")  # what hiding labels takes away
CITATION = (
    "Brown, N., Williamson, A., Anderson, T. and Lawrence, L.: Efficient Transformer Knowledge Distillation: A "
    "Performance Review. Proceedings of the 2023 Conference on Empirical Methods in Natural Language Processing: "
    "Industry Track, pages 54-65. https://arxiv.org/abs/2311.13657"
)
_TYPES = {"string": "sc:Text", "int32": "sc:Integer", "tag": "sc:Integer"}
_TERMS = (
    "citeAs", "column", "equivalentProperty", "extract", "field", "fileProperty", "fileObject", "fileSet", "format",
    "includes", "isLiveDataset", "jsonPath", "key", "md5", "parentField", "path", "recordSet", "references", "regex",
    "repeated", "replace", "samplingRate", "separator", "source", "subField", "transform",
)  # fmt: skip
_USES = "To train and to evaluate named entity recognition over whole documents, long ones among them."


def write_croissant(facts: Facts, folder: Path) -> None:
    """Write `croissant.json` into a dataset's folder."""
    write_json(folder / CROISSANT, croissant(facts))


def croissant(facts: Facts) -> dict[str, Any]:
    """Return the description: paths are relative to it; the same facts give the same description.

    `ner_tags` are integers, whose names are in the field's description; `entities` are records of start, end and label.
    """
    config = facts.config
    return {
        "@context": _context(),
        "@type": "sc:Dataset",
        "name": " ".join(config.name.split()),
        "description": config.summary,
        "conformsTo": ["http://mlcommons.org/croissant/1.0", "http://mlcommons.org/croissant/RAI/1.0"],
        "license": [name or "not given" for name in facts.statistics.licenses],
        "version": config.version,
        "datePublished": config.released or facts.manifest.finished_at[:10],
        "citeAs": CITATION,
        "inLanguage": "en",
        "keywords": ["named entity recognition", "long documents", "token classification"],
        **_responsible(facts),
        "distribution": [_file(file) for file in facts.files],
        "recordSet": [_record_set(file, facts) for file in facts.files],
    }


def _context() -> dict[str, Any]:
    """Return the JSON-LD context that the specification prescribes."""
    special = {
        "@language": "en",
        "@vocab": "https://schema.org/",
        "conformsTo": "dct:conformsTo",
        "cr": "http://mlcommons.org/croissant/",
        "data": {"@id": "cr:data", "@type": "@json"},
        "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
        "dct": "http://purl.org/dc/terms/",
        "examples": {"@id": "cr:examples", "@type": "@json"},
        "rai": "http://mlcommons.org/croissant/RAI/",
        "sc": "https://schema.org/",
    }
    return {**special, **{term: f"cr:{term}" for term in _TERMS}}


def _responsible(facts: Facts) -> dict[str, Any]:
    """Return the responsible-AI fields, from what build and data say; where they say nothing, that is said."""
    config, statistics = facts.config, facts.statistics
    sources = ", ".join(f"{name} ({part.documents})" for name, part in statistics.sources.items())
    tokenizer: Any = facts.manifest.config["tokenizer"]
    settings = "; ".join(f"{name}: {value}" for name, value in tokenizer.items())
    labels = " ".join(f"{label.name}: {label.definition}" for label in facts.scheme.labels)
    machine = {"rai:machineAnnotationTools": config.annotators} if _by_machine(facts) else {}
    return {
        "rai:dataCollection": f"Whole documents by source, with their number: {sources}.",
        "rai:dataCollectionType": "Others",
        "rai:dataAnnotationProtocol": f"{config.annotators or 'Not described.'} Labels: {labels}",
        **machine,
        "rai:dataPreprocessingProtocol": (
            f"Text is Unicode NFC with line feeds. Tokens never depend on annotations; {settings}. "
            f"Of {facts.documents_read} documents read, {facts.manifest.written} are in the dataset."
        ),
        "rai:dataUseCases": _USES,
        "rai:dataLimitations": "One language, English. A name can be in train and in test; the card gives the shares.",
        "rai:dataBiases": "What the sources cover, and in what proportion, is what a model trained here knows.",
        "rai:personalSensitiveInformation": "Names of people occur in the texts, as they do in the sources.",
        "rai:dataReleaseMaintenancePlan": (
            f"A version never changes once it is tagged; a correction or removal is a new version. For removals: "
            f"{config.contact or 'no contact is named'}."
        ),
    }


def _by_machine(facts: Facts) -> bool:
    return bool(facts.config.annotators) and facts.config.annotations_creators == "machine-generated"


def _file(file: DataFile) -> dict[str, Any]:
    return {
        "@type": "cr:FileObject",
        "@id": f"{file.split}.parquet",
        "name": f"{file.split}.parquet",
        "description": f"The documents of the split {file.split}.",
        "contentUrl": file.shard.name,
        "contentSize": f"{file.file_bytes} B",
        "encodingFormat": "application/x-parquet",
        "sha256": file.shard.sha256,
    }


def _record_set(file: DataFile, facts: Facts) -> dict[str, Any]:
    """Return the records of a split; columns that are null in all of it, as hidden labels are, are not among them."""
    hidden: Any = facts.manifest.config.get("hidden_labels", [])
    left_out = LABEL_COLUMNS if file.split in hidden else ()
    note = "; the labels are not published" if left_out else ""
    return {
        "@type": "cr:RecordSet",
        "@id": file.split,
        "name": file.split,
        "description": f"The {file.shard.records} documents of the split {file.split}, one record each{note}.",
        "key": {"@id": f"{file.split}/id"},
        "field": [_field(file.split, column, facts.scheme.tags) for column in COLUMNS if column[0] not in left_out],
    }


def _field(split: str, column: tuple[str, str, str], tags: tuple[str, ...]) -> dict[str, Any]:
    name, kind, meaning = column
    _, is_list, item = kind.rpartition(":")
    numbers = f"; {', '.join(f'{number} {tag}' for number, tag in enumerate(tags))}" if item == "tag" else ""
    found: dict[str, Any] = {
        "@type": "cr:Field",
        "@id": f"{split}/{name}",
        "name": f"{split}/{name}",
        "description": f"{meaning}{numbers}".replace("`", ""),
    }
    if is_list:
        found["repeated"] = True
    if item == "span":
        return {**found, "subField": [_part(split, name, part, dtype) for part, dtype in SPAN_FIELDS]}
    return {**found, "dataType": _TYPES[item], "source": _source(split, name)}


def _part(split: str, name: str, part: str, kind: str) -> dict[str, Any]:
    return {
        "@type": "cr:Field",
        "@id": f"{split}/{name}/{part}",
        "name": f"{split}/{name}/{part}",
        "description": f"{part} of a span",
        "dataType": _TYPES[kind],
        "source": {**_source(split, name), "transform": {"jsonPath": part}},
    }


def _source(split: str, column: str) -> dict[str, Any]:
    return {"fileObject": {"@id": f"{split}.parquet"}, "extract": {"column": column}}
