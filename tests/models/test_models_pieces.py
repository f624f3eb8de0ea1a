"""Pieces of a row: what they are, and that their gradients are those of plain indexing."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gonerd.models.attention.engine import attend_tiles
from gonerd.models.attention.pattern import Runs, Tile
from gonerd.models.attention.pieces import pieces

SLOTS, HEADS, WIDTH = 24, 2, 3
runs = st.builds(Runs, st.integers(0, 4), st.integers(1, 8), st.integers(1, 4), st.integers(1, 4))
listed = st.lists(st.lists(st.integers(0, SLOTS - 1), min_size=2, max_size=2), min_size=1, max_size=4)
cuts = st.lists(runs | listed.map(torch.tensor), min_size=1, max_size=5)


@given(cuts)
@settings(deadline=None, max_examples=100)
def test_pieces_and_their_gradients_are_those_of_plain_indexing(cuts):
    row = torch.randn(SLOTS, HEADS, WIDTH, requires_grad=True)
    slots = [cut.slots() if isinstance(cut, Runs) else cut for cut in cuts]
    expected = [row[chosen].transpose(1, 2) for chosen in slots]
    weights = [torch.randn_like(piece) for piece in expected]

    def gradient(cut):
        total = sum((piece * weight).sum() for piece, weight in zip(cut, weights, strict=True))
        return torch.autograd.grad(total, row)[0]

    found = list(pieces(row, cuts))
    assert all(torch.equal(*pair) for pair in zip(found, expected, strict=True))
    torch.testing.assert_close(gradient(found), gradient(expected))
    with torch.no_grad():
        assert all(torch.equal(*pair) for pair in zip(pieces(row, cuts), expected, strict=True))


def test_gradients_in_double_precision_stay_so():
    row = torch.randn(SLOTS, HEADS, WIDTH, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda row: tuple(pieces(row, [Runs(0, 6, 3, 4), Runs(2, 5)])), row)


def test_a_piece_that_nothing_uses_has_no_part_in_the_gradient():
    row = torch.ones(SLOTS, HEADS, WIDTH, requires_grad=True)
    first, _ = pieces(row, [Runs(0, 2), Runs(1, 3)])
    first.sum().backward()
    assert row.grad.sum() == first.numel()
    assert not row.grad[2:].any()


def test_training_in_bf16_computes_attention_in_fp32_on_a_cpu(monkeypatch):
    """Its backward pass takes three times as long in bf16 there."""
    seen = []
    plain = torch.nn.functional.scaled_dot_product_attention

    def watched(query, *arguments, **options):
        seen.append(query.dtype)
        return plain(query, *arguments, **options)

    monkeypatch.setattr("gonerd.models.attention.engine.scaled_dot_product_attention", watched)
    tiles = [(Tile(Runs(0, 8), Runs(0, 12), "open"), None), (Tile(Runs(8, 4), Runs(4, 8), "open"), None)]
    rows = [torch.randn(12, HEADS, WIDTH).bfloat16() for _ in range(3)]
    with torch.autocast("cpu", torch.bfloat16):
        without = attend_tiles(*rows, tiles)
        trained = attend_tiles(*(row.requires_grad_() for row in rows), tiles)
    assert trained.dtype == without.dtype == torch.bfloat16
    assert seen == [torch.bfloat16] * 2 + [torch.float32] * 2
    torch.testing.assert_close(trained, without, atol=0.03, rtol=0)
