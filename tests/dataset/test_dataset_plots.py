import shutil
import struct

import pytest
from huggingface_hub import DatasetCard

from gonerd.cli.main import main
from gonerd.dataset.hidden import hide_labels
from gonerd.dataset.plots import link_plots, write_plots

NAMES = ["labels.png", "length.png", "mentions.png"]


@pytest.fixture
def copied(built, tmp_path):
    shutil.copytree(built, tmp_path / "dataset")
    return tmp_path / "dataset"


def size(content):
    """Width and height of a PNG."""
    assert content.startswith(b"\x89PNG\r\n\x1a\n")
    return struct.unpack(">II", content[16:24])


def test_the_command_draws_them_and_the_card_shows_them(copied):
    before = (copied / "README.md").read_text(encoding="utf-8")
    with pytest.raises(SystemExit) as left:
        main(["dataset", "stats", str(copied), "--plots"])
    assert left.value.code == 0
    assert sorted(path.name for path in (copied / "plots").iterdir()) == NAMES
    text = (copied / "README.md").read_text(encoding="utf-8")
    assert [text.count(f"](plots/{name})") for name in NAMES] == [1, 1, 1]
    assert text.index("## Splits") < text.index("## Plots") < text.index("## Sources and licences")
    assert DatasetCard(text).data.to_dict() == DatasetCard(before).data.to_dict()
    assert text.replace(text[text.index("## Plots") : text.index("## Sources")], "") == before


def test_the_same_data_gives_the_same_pictures_and_the_same_card(copied):
    first = [path.read_bytes() for path in write_plots(copied)]
    card = (copied / "README.md").read_bytes()
    assert [path.read_bytes() for path in write_plots(copied)] == first
    assert (copied / "README.md").read_bytes() == card
    assert {size(content) for content in first} == {(960, 504)}


def test_they_tell_splits_and_labels_apart_without_colour(copied):
    from matplotlib.image import imread

    for path in write_plots(copied):
        picture = imread(path)[..., :3]
        assert abs(picture - picture.mean(axis=2, keepdims=True)).max() < 0.01, f"{path.name} has colours"
        assert len({round(float(value), 1) for value in picture[..., 0].flat}) > 3


def test_a_plot_that_is_gone_is_no_longer_shown(copied):
    write_plots(copied)
    shutil.rmtree(copied / "plots")
    link_plots(copied)
    assert "## Plots" not in (copied / "README.md").read_text(encoding="utf-8")


def test_hidden_labels_can_be_published_with_plots_and_drawn_again(copied, tmp_path):
    write_plots(copied)
    hide_labels(copied, "test", out=tmp_path / "out", gold=tmp_path / "gold")
    assert "](plots/labels.png)" in (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    assert len(write_plots(tmp_path / "out")) == 3
