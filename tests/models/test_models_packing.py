"""Packing: every document once, whole, in its place."""

import pytest
import torch
from encoder_support import padded
from hypothesis import given, settings
from hypothesis import strategies as st

from gonerd.errors import GonerdError
from gonerd.models.packing import Layout, Padding, first_fit, pack, unpack

lengths = st.lists(st.integers(1, 60), min_size=1, max_size=12)


@given(lengths, st.integers(1, 100), st.sampled_from([1, 8, 64]))
@settings(deadline=None, max_examples=60)
def test_packing_and_unpacking_give_the_documents_back(lengths, limit, align):
    documents = [torch.arange(length) + 100 * number for number, length in enumerate(lengths)]
    rows = pack(documents, limit, align=align, pad_id=-5)
    assert sorted(number for row in rows for number in row.documents) == list(range(len(documents)))
    for row in rows:
        assert len(row.input_ids) == row.layout.slots
        assert row.layout.slots <= limit or len(row.documents) == 1
        assert all(start % align == 0 for start in row.layout.starts)
        outside = row.layout.document < 0
        assert (row.input_ids[outside] == -5).all()
        assert (row.input_ids[~outside] % 100 == row.layout.position[~outside]).all()
    for document, back in zip(documents, unpack(rows, [row.input_ids for row in rows]), strict=True):
        assert torch.equal(document, back)


@given(lengths, st.integers(1, 100))
@settings(deadline=None, max_examples=60)
def test_each_size_goes_into_the_first_row_that_has_room_for_it(sizes, limit):
    rows = first_fit(sizes, limit, order=range(len(sizes)))
    assert sorted(number for row in rows for number in row) == list(range(len(sizes)))
    for place, row in enumerate(rows):
        for number in row:
            fuller = [sum(sizes[other] for other in before if other < number) for before in rows[:place]]
            assert all(full + sizes[number] > limit for full in fuller)
        assert len(row) == 1 or sum(sizes[number] for number in row) <= limit


@given(lengths, st.booleans(), st.integers(0, 5))
@settings(deadline=None, max_examples=60)
def test_padding_comes_off_and_on_again(lengths, left, extra):
    documents = [torch.arange(1, length + 1) for length in lengths]
    ids, mask = padded(documents, left=left, extra=extra)
    padding = Padding.of(ids, mask)
    row = padding.remove(ids)
    assert padding.layout.lengths == tuple(lengths)
    assert torch.equal(row, torch.cat(documents))
    assert torch.equal(padding.restore(row[:, None], ids.shape)[..., 0], ids * mask)


def test_global_tokens_go_with_their_documents():
    documents = [torch.arange(length) for length in (3, 9, 5)]
    rows = pack(documents, 10, global_tokens=(1, 0, 2))
    counts = {
        number: count for row in rows for number, count in zip(row.documents, row.layout.global_tokens, strict=True)
    }
    assert counts == {0: 1, 1: 0, 2: 2}
    with pytest.raises(GonerdError, match="2 numbers of global tokens for 3 documents"):
        pack(documents, 10, global_tokens=(1, 0))
    for wrong in ((1, -1, 0), (1,)):
        with pytest.raises(GonerdError, match="global tokens"):
            Layout(starts=(0, 3, 6), lengths=(3, 3, 3), slots=9, global_tokens=wrong)


def test_layouts_that_cannot_be_are_refused():
    for starts, sizes, slots in (((0, 3), (4, 2), 9), ((0,), (4,), 3), ((0,), (0,), 3)):
        with pytest.raises(GonerdError, match="overlap"):
            Layout(starts=starts, lengths=sizes, slots=slots)
    with pytest.raises(GonerdError, match="empty"):
        pack([torch.arange(0)], 5)
