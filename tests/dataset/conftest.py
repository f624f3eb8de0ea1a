"""What the tests of the dataset share."""

from pathlib import Path

import pytest
from dataset_support import CONFIG, make_document, make_gold, make_stages

from gonerd.dataset.build import build


@pytest.fixture(scope="session")
def built(tmp_path_factory) -> Path:
    """A dataset of 14 documents of one source."""
    folder = tmp_path_factory.mktemp("built")
    documents = [make_document(number) for number in range(14)]
    build(*make_stages(folder, documents, map(make_gold, documents)), folder / "dataset", config=CONFIG)
    return folder / "dataset"
