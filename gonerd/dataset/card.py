"""The dataset card: `hub_card/dataset.md` filled from manifest and statistics alone.

Titles and names of sources come from the open web. In the YAML they go through a YAML library; in the body everything
that is not markup of the template is escaped, so that no text can become a heading, a link or HTML.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gonerd.dataset.columns import COLUMNS, type_name, yaml_features
from gonerd.dataset.config import BuildConfig
from gonerd.dataset.files import DataFile
from gonerd.dataset.previous import Continuity, entry_of
from gonerd.dataset.release import STANDOFF
from gonerd.dataset.statistics import Statistics
from gonerd.labels import LabelScheme
from gonerd.records import Example, Manifest, Reason
from gonerd.resources import folder
from gonerd.store import write_atomic

# The Hub's names of the licences that documents of open corpora have.
HUB_LICENSES = (
    "apache-2.0", "cc0-1.0", "cc-by-2.0", "cc-by-2.5", "cc-by-3.0", "cc-by-4.0", "cc-by-nc-4.0", "cc-by-nc-sa-4.0",
    "cc-by-nd-4.0", "cc-by-sa-3.0", "cc-by-sa-4.0", "mit", "odc-by", "pddl",
)  # fmt: skip
_SIZES = ("n<1K", "1K<n<10K", "10K<n<100K", "100K<n<1M", "1M<n<10M", "10M<n<100M")
_SPECIAL = re.compile(r"([\\`*_\[\]|~$])")
_BLOCK = re.compile(r"^(?=[#+=-])|^(\d+)(?=[.)])")  # what would start a heading, a rule or a list
_PLACE = 'load_dataset("PATH")  # this folder, or the repository that it was published to'
_EXAMPLE_TOKENS = 12
_EXAMPLE_CHARACTERS = 100


@dataclass(frozen=True, slots=True)
class Facts:
    """All that a card is filled from."""

    config: BuildConfig
    scheme: LabelScheme
    manifest: Manifest
    statistics: Statistics
    files: tuple[DataFile, ...]
    sample: Example
    continuity: Continuity | None = None  # what it keeps of the release before

    @property
    def documents_read(self) -> int:
        """How many documents were read: gold, or a line of a release, without its document is none."""
        return self.manifest.read - self.manifest.dropped.get(Reason.UNKNOWN_DOCUMENT, 0)


class Markdown(str):
    """Text that is Markdown already, and not escaped again."""

    __slots__ = ()


def write_card(facts: Facts, path: Path) -> None:
    """Write the card of a dataset."""
    write_atomic(path, render_card(facts))


def render_card(facts: Facts) -> str:
    """Return the card: YAML front matter and Markdown; the same facts give the same card."""
    from huggingface_hub import DatasetCardData
    from jinja2 import Environment, StrictUndefined

    environment = Environment(  # noqa: S701 - the output is Markdown: `finalize` escapes it
        undefined=StrictUndefined, finalize=_finalize, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    environment.filters["percent"] = lambda share: Markdown("none" if share is None else f"{100 * share:.1f} %")
    environment.filters.update(code=code, cell=cell)
    template = environment.from_string((folder("hub_card") / "dataset.md").read_text(encoding="utf-8"))
    front = DatasetCardData(**front_matter(facts)).to_yaml()
    body = template.render(
        config=facts.config,
        labels=facts.scheme.labels,
        statistics=facts.statistics,
        dropped=facts.manifest.dropped,
        read=facts.documents_read,
        tokenizer=facts.manifest.config["tokenizer"],
        fingerprints=facts.manifest.config["fingerprints"],
        splits=facts.manifest.config.get("splits", ""),
        steps=facts.manifest.config.get("steps", []),
        hidden_labels=facts.manifest.config.get("hidden_labels", []),
        columns=[(name, type_name(kind), Markdown(meaning)) for name, kind, meaning in COLUMNS],
        sample=Markdown(_shown(facts.sample)),
        removal_requests=facts.manifest.config.get("removal_requests", 0),
        continuity=facts.continuity,
        changelog=[entry_of(facts.manifest), *(facts.continuity.history if facts.continuity else ())],
        gonerd_version=facts.manifest.version,
    )
    return f"---\n{front}\n---\n\n{body}"


def placed_card(card: str, repository: str) -> str:
    """Return a card that says how to load the dataset from the repository in which it is published."""
    return card.replace(_PLACE, f'load_dataset("{repository}")')


def front_matter(facts: Facts) -> dict[str, Any]:
    """Return the card's YAML: what the Hub and `datasets` read."""
    return {
        "pretty_name": " ".join(facts.config.name.split()),
        "language": ["en"],
        **_license(facts.statistics),
        "annotations_creators": [facts.config.annotations_creators],
        "language_creators": [facts.config.language_creators],
        "multilinguality": ["monolingual"],
        "size_categories": [_SIZES[bisect_right([10**n for n in range(3, 8)], facts.statistics.total.documents)]],
        "source_datasets": ["original"],
        "task_categories": ["token-classification"],
        "task_ids": ["named-entity-recognition"],
        "tags": ["long-context", "gonerd"],
        **_loading(facts),
    }


def _loading(facts: Facts) -> dict[str, Any]:
    """Return which files are rows, and of what kind: the data, or without text the stand-off documents."""
    if not facts.files:
        return {"configs": [{"config_name": "standoff", "data_files": STANDOFF}]}
    return {
        "configs": [{"config_name": "default", "data_files": [_pattern(file) for file in facts.files]}],
        "dataset_info": {
            "features": yaml_features(facts.scheme.tags),
            "splits": [
                {"name": file.split, "num_bytes": file.arrow_bytes, "num_examples": file.shard.records}
                for file in facts.files
            ],
            "download_size": sum(file.file_bytes for file in facts.files),
            "dataset_size": sum(file.arrow_bytes for file in facts.files),
        },
    }


def _pattern(file: DataFile) -> dict[str, str]:
    return {"split": file.split, "path": f"data/{file.split}-*"}


def _license(statistics: Statistics) -> dict[str, str]:
    """Return the Hub's licence fields: one licence by its name, or `other` with a link to the table in the card."""
    licenses = [name.casefold() for name in statistics.licenses]
    if len(licenses) == 1 and licenses[0] in HUB_LICENSES:
        return {"license": licenses[0]}
    return {"license": "other", "license_name": "per-document", "license_link": "#sources-and-licences"}


def _finalize(value: Any) -> str:
    """Return what an expression of the template becomes."""
    if isinstance(value, Markdown):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    if isinstance(value, str):
        return escape(value)
    raise TypeError(f"a card shows text and whole numbers, not {str(value)!r}")  # str() of an unknown name raises


def escape(text: str) -> str:
    """Return text that shows as it is wherever it stands in Markdown, on one line."""
    line = " ".join("".join(character if character.isprintable() else " " for character in text).split())
    plain = line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _BLOCK.sub(r"\1\\", _SPECIAL.sub(r"\\\1", plain))


def code(text: str) -> Markdown:
    """Return text as a code span, with a fence longer than any run of backticks in it."""
    line = " ".join(text.split())
    fence = "`" * (1 + max(map(len, re.findall("`+", line)), default=0))
    pad = " " if "`" in line else ""
    return Markdown(f"{fence}{pad}{line}{pad}{fence}")


def cell(text: str) -> Markdown:
    """Return text as a code span in a table, where a bar would end the cell; elsewhere its backslash would show."""
    return Markdown(code(text).replace("|", "\\|"))


def _shown(example: Example) -> str:
    """Return a real row, its long columns cut short, as JSON."""
    row = {name: getattr(example, name) for name, _, _ in COLUMNS}
    row["entities"] = [{"start": span.start, "end": span.end, "label": span.label} for span in example.entities]
    lines = []
    for name, value in row.items():
        lines.append(f"  {json.dumps(name)}: {json.dumps(_cut(value), ensure_ascii=False)}")
    return "{\n" + ",\n".join(lines) + "\n}"


def _cut(value: Any) -> Any:
    if isinstance(value, str):
        return f"{value[:_EXAMPLE_CHARACTERS]}…" if len(value) > _EXAMPLE_CHARACTERS else value
    if isinstance(value, list | tuple):
        return [*value[:_EXAMPLE_TOKENS], *(["…"] if len(value) > _EXAMPLE_TOKENS else [])]
    return value
