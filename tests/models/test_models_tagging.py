"""From logits to tags: aggregation, legal sequences, memory that runs out, several processes."""

import itertools
import random

import numpy as np
import pytest
import torch

from gonerd.encoding import EncodedDocument, Piece
from gonerd.errors import GonerdError
from gonerd.label_maps import map_labels
from gonerd.labels import load_scheme
from gonerd.models.batches import Batches
from gonerd.models.share import Share
from gonerd.models.tagging import Decoding, tag_documents
from gonerd.models.viterbi import best_legal_tags
from gonerd.records import silent

SCHEME = load_scheme()
LABELS = map_labels(SCHEME.tags, SCHEME)


def piece(number, widths, *, words=None):
    """Return a piece whose words have so many sub-tokens each."""
    ends = np.cumsum(widths).astype(np.int32)
    first = np.concatenate([[0], ends[:-1]]).astype(np.int32)
    answered = np.arange(len(widths), dtype=np.int32) if words is None else np.array(words, dtype=np.int32)
    return Piece(number, np.arange(int(ends[-1]), dtype=np.int32), first, ends, answered)


def document(number, widths):
    return EncodedDocument((piece(number, widths),), len(widths), 0, sum(widths))


def forward_of(table):
    """Return a model whose logits for sub-token i are row i of a table, with rows of padding after them."""

    def forward(pieces):
        longest = max(len(one.input_ids) for one in pieces)
        rows = torch.full((len(pieces), longest + 3, len(SCHEME.tags)), 99.0)
        for place, one in enumerate(pieces):
            rows[place, : len(one.input_ids)] = torch.tensor(table)[: len(one.input_ids)]
        return list(rows)

    return forward


def logits(*rows):
    """Return logits in which some tags have some score."""
    table = np.zeros((len(rows), len(SCHEME.tags)), dtype=np.float32)
    for place, row in enumerate(rows):
        for tag, score in row.items():
            table[place, SCHEME.tags.index(tag)] = score
    return table


def tags(table, widths, **options):
    (found,) = tag_documents(
        forward_of(table), [document(0, widths)], decoding=Decoding(LABELS, **options), max_tokens=99
    )
    return [SCHEME.tags[tag] for tag in found]


def test_what_answers_for_a_word():
    table = logits({"B-PER": 2.0}, {"B-ORG": 2.2}, {"B-ORG": 1.5}, {"B-LOC": 5.0})
    assert tags(table, [3, 1], word="first") == ["B-PER", "B-LOC"]
    assert tags(table, [3, 1], word="average") == ["B-ORG", "B-LOC"]
    assert tags(table, [3, 1], word="max") == ["B-ORG", "B-LOC"]
    table = logits({"B-PER": 4.0}, {"B-ORG": 2.2}, {"B-ORG": 2.2}, {"B-ORG": 2.2}, {"B-ORG": 2.2})
    assert tags(table, [5], word="max") == ["B-PER"]
    assert tags(table, [5], word="average") == ["B-ORG"]


def test_probabilities_that_vanish_are_no_infinity():
    table = logits({"B-PER": 500.0}, {"B-ORG": -500.0})
    for word, decoder in itertools.product(("first", "average", "max"), ("argmax", "viterbi")):
        assert tags(table, [1, 1], word=word, decoder=decoder)[0] == "B-PER"


def legal(path):
    return all(
        tag == 0 or tag % 2 or (place and path[place - 1] in (tag, tag - 1)) for place, tag in enumerate(path)
    )  # fmt: skip


def test_viterbi_finds_what_trying_every_sequence_finds():
    draw = np.random.default_rng(3)
    for length in (1, 2, 3, 4):
        scores = draw.normal(size=(length, 5)).astype(np.float32) * 2
        paths = [path for path in itertools.product(range(5), repeat=length) if legal(path)]
        best = max(paths, key=lambda path: sum(float(scores[place, tag]) for place, tag in enumerate(path)))
        (found,) = best_legal_tags([scores])
        assert tuple(found.tolist()) == best


def test_viterbi_gives_legal_tags_for_documents_of_any_length_together_and_alone():
    draw = np.random.default_rng(4)
    scores = [draw.normal(size=(length, 9)).astype(np.float32) for length in (0, 1, 7, 300, 2, 40)]
    together = best_legal_tags(scores)
    for one, found in zip(scores, together, strict=True):
        assert legal(found.tolist())
        assert np.array_equal(best_legal_tags([one])[0], found)
    free = best_legal_tags(scores, free=True)
    assert all(np.array_equal(row.argmax(1), found) for row, found in zip(scores, free, strict=True) if len(row))


def test_viterbi_mends_what_argmax_leaves_broken():
    table = logits({"O": 3.0}, {"I-PER": 3.0, "B-PER": 2.9}, {"I-PER": 3.0})
    assert tags(table, [1, 1, 1]) == ["O", "I-PER", "I-PER"]
    assert tags(table, [1, 1, 1], decoder="viterbi") == ["O", "B-PER", "I-PER"]


@pytest.mark.parametrize("decoder", ["argmax", "viterbi"])
def test_a_word_that_the_tokenizer_lost_is_outside(decoder):
    lost = EncodedDocument((piece(0, [1, 1], words=[0, 2]),), 3, 1, 2)
    (found,) = tag_documents(
        forward_of(logits({"B-PER": 5.0}, {"I-PER": 5.0})), [lost], decoding=Decoding(LABELS, decoder=decoder),
        max_tokens=9,
    )  # fmt: skip
    assert found[0] == 1
    assert found[1] == 0


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_what_is_no_number_is_an_error(bad):
    table = logits({"O": 1.0}, {"B-PER": 1.0})
    table[1, 4] = bad
    for word in ("first", "average", "max"):
        with pytest.raises(GonerdError, match="NaN"):
            tags(table, [1, 1], word=word)


def test_batches_that_do_not_fit_are_halved_and_so_are_those_after_them():
    pieces = [piece(number, [1] * 10) for number in range(40)]
    batches = Batches(pieces, max_tokens=100)
    tried = []

    def answer(batch):
        tried.append(len(batch))
        if len(batch) > 3:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return [10 * place for place in batch]

    found = batches.run(batches.part(0, 1), answer, progress=silent)
    assert found == {place: 10 * place for place in range(40)}
    assert sum(size > 3 for size in tried) == 2  # 10, then 5; never again


def test_one_piece_that_does_not_fit_is_an_error_and_others_are_not_hidden():
    batches = Batches([piece(0, [1] * 10)], max_tokens=100)

    def full(_):
        raise RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory")

    with pytest.raises(GonerdError, match="10 sub-tokens at once"):
        batches.run([[0]], full, progress=silent)

    def broken(_):
        raise RuntimeError("shapes")

    with pytest.raises(RuntimeError, match="shapes"):
        batches.run([[0]], broken, progress=silent)


def test_the_parts_of_all_processes_are_all_batches():
    draw = random.Random(1)
    batches = Batches([piece(n, [1] * draw.randrange(1, 50)) for n in range(60)], max_tokens=64)
    whole = sorted(map(tuple, batches.part(0, 1)))
    assert sorted(tuple(batch) for rank in range(3) for batch in batches.part(rank, 3)) == whole
    assert Share().gather(lambda: {1: 2}) == {1: 2}
