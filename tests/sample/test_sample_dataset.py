from contextlib import nullcontext

import pytest

from gonerd.records import silent
from gonerd.resources import folder

pytest.importorskip("spacy")
pytest.importorskip("trafilatura")


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    from gonerd.sample.data_steps import build_sample
    from gonerd.sample.quickstart import QuickstartConfig, Workspace

    out = tmp_path_factory.mktemp("sample")
    workspace = Workspace(QuickstartConfig(out=out / "work"), lambda _: nullcontext(silent))
    build_sample(workspace, out / "dataset")
    return workspace, out / "dataset"


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_the_sample_in_the_package_is_what_its_site_and_annotations_give(built, split):
    from gonerd.dataset.examples import read_examples

    _, made = built
    shipped = folder("sample") / "dataset"
    assert list(read_examples(made, split)) == list(read_examples(shipped, split)), (
        "rebuild it: copy the folder that tests/sample/test_sample_dataset.py builds to gonerd/sample/dataset"
    )


def test_the_card_tells_how_its_documents_were_made():
    text = (folder("sample") / "dataset" / "README.md").read_text(encoding="utf-8")
    told = [line.split(" | ") for line in text.partition("| stage |")[2].partition("<details>")[0].splitlines()[2:-1]]
    assert [stage.strip("| `") for stage, *_ in told] == ["crawl", "extract", "dedup"]
    assert told[0][2:] == ["20", "18 |"]
    assert "`filters.min_words=120`" in text


def test_the_card_is_what_the_template_gives_now():
    from gonerd.dataset.card import render_card
    from gonerd.dataset.facts import read_facts

    shipped = folder("sample") / "dataset"
    assert (shipped / "README.md").read_text(encoding="utf-8") == render_card(read_facts(shipped)), (
        "write it again: write_card(read_facts(folder), folder / 'README.md')"
    )


def test_pages_end_as_the_site_says_they_should(built):
    import tomllib

    from gonerd import store
    from gonerd.formats import jsonl
    from gonerd.records import Document, Dropped

    workspace, _ = built
    pages = tomllib.loads((folder("sample") / "site.toml").read_text(encoding="utf-8"))["page"]
    kept = {document.url for document in store.read_records(workspace.folder("documents"), Document)}
    reasons = {}
    for stage in ("warc", "extracted", "documents"):
        for dropped in jsonl.read(workspace.folder(stage) / store.DROPPED, Dropped):
            reasons[dropped.id] = dropped.reason.value
    for page in pages:
        url = f"http://alderyledger.example{page['path']}"
        if page["kind"] == "article":
            assert url in kept
        elif url in reasons:
            assert reasons[url] == page["kind"], url
        else:
            assert page["kind"] in ("navigation", "near_duplicate"), url  # front pages are in no sitemap
    assert sorted(reasons.values()) == [
        "http_status",
        "language",
        "navigation",
        "near_duplicate",
        "robots",
        "too_short",
    ]


def test_both_passes_and_the_gold_lose_nothing_on_the_way_from_true_to_extracted_text(built):
    from gonerd import store
    from gonerd.formats.standoff import read
    from gonerd.records import Annotation

    workspace, _ = built
    for name in ("first", "second"):
        given = sum(len(entry.spans) for entry in read(folder("sample") / "annotations" / f"{name}.jsonl"))
        placed = sum(len(one.spans) for one in store.read_records(workspace.folder("annotations", name), Annotation))
        assert placed == given > 1000
    assert workspace.figures["annotation"]["settled_places"] == 25
    assert workspace.figures["documents"]["word_f1"] > 0.99
