"""What other models' labels mean in a scheme."""

import numpy as np
import pytest

from gonerd.errors import GonerdError
from gonerd.label_maps import map_labels, map_types, parse_overrides
from gonerd.labels import Label, LabelScheme, load_scheme

SCHEME = load_scheme("gonerd")


def tags_of(outputs, **options):
    found = map_labels(outputs, SCHEME, **options)
    return [SCHEME.tags[number] for number in found.tags], found.tagging


def test_the_schemes_own_tags_in_any_order_change_nothing():
    outputs = ("I-PER", "O", *(tag for tag in SCHEME.tags if tag not in ("I-PER", "O")))
    assert tags_of(outputs) == (list(outputs), "IOB2")
    assert map_labels(outputs, SCHEME).changed == {}


@pytest.mark.parametrize(
    ("outputs", "tags", "tagging"),
    [
        (("O", "B-PERSON", "I-PERSON", "B-GPE", "I-GPE"), ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"], "IOB2"),
        (("O", "B-geo", "I-geo", "B-tim", "I-tim"), ["O", "B-LOC", "I-LOC", "O", "O"], "IOB2"),
        (("O", "B-NORP", "I-NORP", "B-WORK_OF_ART", "I-WORK_OF_ART", "B-CARDINAL"),
         ["O", "B-MISC", "I-MISC", "B-MISC", "I-MISC", "O"], "IOB2"),
        (("O", "S-ORG", "B-ORG", "I-ORG", "E-ORG"), ["O", "B-ORG", "B-ORG", "I-ORG", "I-ORG"], "BIOES"),
        (("O", "U-ORG", "B-ORG", "I-ORG", "L-ORG"), ["O", "B-ORG", "B-ORG", "I-ORG", "I-ORG"], "BIOES"),
        (("O", "PER", "LOC"), ["O", "I-PER", "I-LOC"], "IO"),
        (("O", "I-PER", "I-LOC"), ["O", "I-PER", "I-LOC"], "IO"),
        (("O", "B-LOC", "I-LOC", "I-PER"), ["O", "B-LOC", "I-LOC", "I-PER"], "IOB1"),
        (tuple(f"LABEL_{n}" for n in range(9)), list(SCHEME.tags), "IOB2"),
    ],
)  # fmt: skip
def test_known_families(outputs, tags, tagging):
    assert tags_of(outputs) == (tags, tagging)


def test_what_means_nothing_is_an_error_that_names_all_of_it():
    with pytest.raises(GonerdError, match=r"NOUN, VERB.*--labels NOUN=PER, or NOUN=O"):
        tags_of(("O", "NOUN", "VERB"))
    with pytest.raises(GonerdError, match="2 labels without names"):
        tags_of(("LABEL_0", "LABEL_1"))
    with pytest.raises(GonerdError, match="none of the model's labels"):
        tags_of(("O", "B-DATE", "I-DATE"))
    with pytest.raises(GonerdError, match="not numbered from 0"):
        tags_of(tuple(f"LABEL_{n}" for n in range(1, 10)))


def test_overrides_settle_types_and_single_tags():
    tags, _ = tags_of(("O", "B-DISEASE", "I-DISEASE", "B-GPE", "I-GPE"), overrides={"DISEASE": "MISC", "GPE": "O"})
    assert tags == ["O", "B-MISC", "I-MISC", "O", "O"]
    tags, _ = tags_of(
        ("LABEL_0", "LABEL_1", "LABEL_2"), overrides={"LABEL_0": "O", "LABEL_1": "B-PER", "LABEL_2": "I-PER"}
    )
    assert tags == ["O", "B-PER", "I-PER"]
    tags, _ = tags_of(("O", "B-X", "I-X"), overrides={"B-X": "B-ORG", "I-X": "I-ORG"})
    assert tags == ["O", "B-ORG", "I-ORG"]
    with pytest.raises(GonerdError, match="mean nothing"):
        tags_of(("O", "B-X", "I-X"), overrides={"B-X": "B-ORG"})
    with pytest.raises(GonerdError, match="unknown label of the model 'CITY'"):
        tags_of(("O", "B-PER", "I-PER"), overrides={"CITY": "LOC"})
    with pytest.raises(GonerdError, match="unknown label 'CITY'"):
        tags_of(("O", "B-PER", "I-PER"), overrides={"PER": "CITY"})


def test_pairs_on_the_command_line():
    assert parse_overrides(["A=PER", "B=C=O"]) == {"A": "PER", "B=C": "O"}
    for wrong in (["A"], ["=PER"], ["A="], ["A=PER", "A=O"]):
        with pytest.raises(GonerdError, match="--labels"):
            parse_overrides(wrong)


def test_where_b_need_not_begin_an_entity_it_is_put_there():
    labels = map_labels(("O", "PER", "LOC"), SCHEME)
    tags = np.array([2, 2, 0, 2, 6, 6, 0], dtype=np.int8)
    assert [SCHEME.tags[tag] for tag in labels.whole(tags)] == ["B-PER", "I-PER", "O", "B-PER", "B-LOC", "I-LOC", "O"]
    iob1 = map_labels(SCHEME.tags, SCHEME, tagging="IOB1")
    assert iob1.whole(np.array([2, 1, 2], dtype=np.int8)).tolist() == [1, 1, 2]  # a neighbour keeps its B-
    assert map_labels(SCHEME.tags, SCHEME).whole(tags) is tags
    assert iob1.whole(np.array([], dtype=np.int8)).tolist() == []


def test_a_scheme_that_says_nothing_of_others_has_its_own_labels_alone():
    scheme = LabelScheme("mine", (Label("GENE", "genes"),))
    assert map_types(["gene"], scheme) == {"gene": "GENE"}
    with pytest.raises(GonerdError, match="GPE"):
        map_types(["GPE"], scheme)
