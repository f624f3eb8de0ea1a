import json

import pytest

from gonerd.dataset.licenses import objection, objections


@pytest.mark.parametrize(
    "stated",
    [
        "CC0-1.0",
        "cc-by-4.0",
        "CC BY-SA 3.0",
        "CC-BY-3.0-US",
        "cc-by-nc-sa-4.0",
        "OGL-UK-3.0",
        "Public Domain",
        "text CC-BY-4.0; annotations CC-BY-4.0",
        "CC-BY-4.0 (annotated corpus); text Wikipedia, CC-BY-SA-3.0",
    ],
)
def test_open_licences_pass(stated):
    assert objection(stated) is None


@pytest.mark.parametrize(
    "stated",
    [
        None,
        "",
        "  ",
        "unknown",
        "all rights reserved",
        "not CC-BY-4.0",
        "CC-BY-4.0 forbidden",
        "CC-BY-ND-4.0",
        "CC-BY-NC-ND-4.0",
        "text CC-BY-ND-4.0; annotations CC-BY-4.0",
        "text all rights reserved; annotations CC-BY-4.0",
        "CC-BY-4.0;",
        "(CC-BY-4.0)",
        "annotations",
        "see website",
    ],
)
def test_all_else_is_refused(stated):
    assert objection(stated)


def test_objections_name_each_licence_once():
    found = objections(["CC0-1.0", "CC-BY-ND-4.0", None, "CC-BY-ND-4.0", "unknown"])
    assert len(found) == 3
    assert any("derivatives" in line for line in found)


def test_the_real_gold_may_be_redistributed(shared):
    licenses = {
        json.loads(line)["license"]
        for path in sorted((shared / "gold").glob("*.jsonl"))
        for line in path.open(encoding="utf-8")
    }
    assert len(licenses) > 5
    assert objections(licenses) == []
