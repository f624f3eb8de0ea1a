import json
import re
from functools import partial
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from dataset_support import make_document, make_gold, make_stages
from huggingface_hub import DatasetCard

from gonerd import __version__
from gonerd.dataset.build import BuildConfig, build
from gonerd.dataset.card import cell, code, escape, render_card
from gonerd.dataset.columns import COLUMNS
from gonerd.dataset.facts import read_facts
from gonerd.formats import jsonl
from gonerd.records import Document
from gonerd.resources import folder
from gonerd.store import Stage, run_stage, shards, write_stage

HOSTILE = (
    'x"\n---\nlicense: mit\n# Big <script>alert(1)</script> | [a](http://b) `c` ``` {{ config.name }} : \u2028\x00'
)


def card(path):
    return (path / "README.md").read_text(encoding="utf-8")


def test_the_yaml_matches_the_files(built):
    data = DatasetCard.load(built / "README.md").data.to_dict()
    rows = {split["name"]: split["num_examples"] for split in data["dataset_info"]["splits"]}
    files = {path.name.partition("-")[0]: path for path in (built / "data").iterdir()}
    assert list(rows) == ["train", "validation", "test"]
    assert rows == {split: pq.read_metadata(path).num_rows for split, path in files.items()}
    assert data["dataset_info"]["download_size"] == sum(path.stat().st_size for path in files.values())
    assert [column["name"] for column in data["dataset_info"]["features"]] == [name for name, _, _ in COLUMNS]
    assert data["configs"][0]["data_files"][0] == {"split": "train", "path": "data/train-*"}
    assert (data["license"], data["size_categories"]) == ("cc0-1.0", ["n<1K"])
    assert data["annotations_creators"] == ["machine-generated"]


def test_the_card_that_is_written_again_is_the_same(built):
    assert render_card(read_facts(built)) == card(built)


def numbers(value):
    """All numbers in statistics or manifest, as a card may write them."""
    if isinstance(value, dict):
        return set().union(*map(numbers, [*value.values(), *value]))
    if isinstance(value, list):
        return set().union({str(len(value))}, *map(numbers, value))
    if isinstance(value, float):
        return {f"{100 * value:.1f}"}
    return set(re.findall(r"\d[\d,.]*", f"{value:,}" if isinstance(value, int) else str(value)))


def test_every_number_is_the_template_s_or_the_data_s(built):
    template = (folder("hub_card") / "dataset.md").read_text(encoding="utf-8")
    known = numbers(json.loads((built / "statistics.json").read_text()))
    known |= numbers(json.loads((built / "manifest.json").read_text())) | numbers(template)
    known |= numbers([meaning for _, kind, meaning in COLUMNS]) | {"32", "2"}  # int32, IOB2
    body = re.sub(r"```json.*?```", "", card(built).split("\n---\n", 1)[1], flags=re.DOTALL)
    strange = {number.rstrip(".,") for number in numbers(body)} - {number.rstrip(".,") for number in known}
    assert strange == set()


def test_every_count_of_the_statistics_table_is_right(built):
    statistics = json.loads((built / "statistics.json").read_text())
    rows = {
        cells[0].strip("`"): cells[1:]
        for cells in (
            [cell.strip() for cell in line.strip("|").split("|")]
            for line in card(built).partition("## Splits")[2].partition("Tokens are words")[0].splitlines()
            if line.startswith("|")
        )
    }
    for name, part in {**statistics["splits"], "all": statistics["total"]}.items():
        counts = [part["documents"], part["tokens"], *part["entities"].values()]
        assert rows[name][:6] == [f"{count:,}" for count in counts]
        assert rows[name][-1] == f"{100 * part['longer']['4096']:.1f} %"


def test_no_field_is_left_unfilled(built):
    text = card(built)
    for trace in ("{{", "{%", "Undefined", "None"):
        assert trace not in text
    assert "two test programs" in text
    assert "Agreement between annotators: not stated" in text
    assert "How their differences were settled: not stated" in text
    assert "Requests that this version honours (`removed.toml`): 0." in text
    assert "## Changelog\n\n- `1.0.0` (" in text
    assert "text[token_starts[i] : token_starts[i] + len(tokens[i])] == tokens[i]" in text


def test_the_stages_before_are_told_with_their_settings(tmp_path):
    documents = [make_document(number) for number in range(6)]
    asked = {"source": {"name": "paper", "keep": ["a|b", "`c`"]}, "crawl": {"contact": "me@a.example", "since": ""}}
    write_stage(documents, tmp_path / "pages", stage="crawl", config=asked)
    write_stage(documents[:2], tmp_path / "other", stage="unrelated", config={"x": 1})
    (tmp_path / "no stage").mkdir()
    read, work = partial(jsonl.read, kind=Document), lambda records: (record for record in records)
    filters = {**asked, "filters": {"min_words": 3, "removed": "/home/me/removed.toml"}}
    run_stage(Stage("extract", filters, read, work), shards(tmp_path / "pages"), tmp_path / "documents")
    write_stage(map(make_gold, documents), tmp_path / "gold", stage="gold", config={})
    config = BuildConfig(guidelines="The card.")
    build([tmp_path / "documents"], [tmp_path / "gold"], tmp_path / "out", config=config)
    text = card(tmp_path / "out")
    assert f"| `crawl` | `{__version__}` | 6 | 6 |\n| `extract` | `{__version__}` | 6 | 6 |\n\n<details>\n" in text
    assert [line for line in text.splitlines() if line.startswith(("- `crawl`", "- `extract`"))] == [
        '- `crawl`: ``` source.keep=["a|b", "`c`"] ```'.replace("```", "``") + ", `source.name=paper`",
        "- `extract`: `filters.min_words=3`",
    ]
    assert "- Guidelines: The card." in text
    assert "share a split; such groups were drawn by a hash" in text
    for path in (path for path in (tmp_path / "out").rglob("*") if path.is_file()):
        assert b"me@a.example" not in path.read_bytes()
        assert b"/home/me" not in path.read_bytes()


def test_hostile_text_breaks_neither_yaml_nor_markdown(tmp_path):
    documents = [make_document(n, source=HOSTILE, title=HOSTILE, license=HOSTILE) for n in range(5)]
    config = BuildConfig(
        name=HOSTILE, summary=HOSTILE, annotators=HOSTILE, agreement=HOSTILE, adjudication=HOSTILE, changes=HOSTILE,
        contact=HOSTILE, any_license=True,
    )  # fmt: skip
    build(*make_stages(tmp_path, documents, map(make_gold, documents)), tmp_path / "out", config=config)
    text = card(tmp_path / "out")
    data = DatasetCard(text).data.to_dict()
    assert data["license"] == "other"
    assert data["license_name"] == "per-document"
    assert len(data["dataset_info"]["features"]) == len(COLUMNS)
    outside = re.sub(r"(?m)^```.*?^```", "", text.split("\n---\n", 1)[1], flags=re.DOTALL)
    assert "<script>" not in outside
    assert "[a](" not in outside
    assert not re.search(r"(?m)^# Big|^license:", outside)
    fence = re.search(r"```json\n(.*?)\n```\n", text, flags=re.DOTALL)
    assert json.loads(fence.group(1))["title"].startswith('x"\n---')
    tables = re.findall(r"(?m)(?:^\|.*\n)+", outside)
    assert len(tables) == 6
    for table in tables:  # no cell has become two
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}) == 1


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("# a", "\\# a"),
        ("1. a", "1\\. a"),
        ("- a\n- b", "\\- a - b"),
        ("a-b: c", "a-b: c"),
        ("<b>|&", "&lt;b&gt;\\|&amp;"),
        ("*a* _b_ `c` [d](e)", "\\*a\\* \\_b\\_ \\`c\\` \\[d\\](e)"),
    ],
)
def test_escape(text, shown):
    assert escape(text) == shown


def test_code_spans_hold_any_text():
    assert code("plain") == "`plain`"
    assert code("a`b``c|") == "``` a`b``c| ```"
    assert cell("a`b|c") == "`` a`b\\|c ``"  # in a table alone: elsewhere the backslash would show


def test_a_card_with_an_unknown_field_is_refused(tmp_path, monkeypatch):
    from gonerd.dataset import card as module

    (tmp_path / "dataset.md").write_text("{{ statistics.nothing }}")
    monkeypatch.setattr(module, "folder", lambda _: Path(tmp_path))
    documents = [make_document(0)]
    with pytest.raises(Exception, match="nothing"):
        build(*make_stages(tmp_path, documents, map(make_gold, documents)), tmp_path / "out")
    assert not (tmp_path / "out").exists()
