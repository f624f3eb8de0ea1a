"""Where transformers' answers for a document change with its padding, its company or its past: ours are those for the
document alone. Nystromformer has a file of its own, `test_models_nystromformer_faults`.
"""

import pytest
import torch
from encoder_support import PAIRS, padded, tokens

CHANGES, SAME = 1e-2, 1e-5


def fresh(name):
    """Return a reference as it is after loading, and the same weights in an encoder."""
    pair = PAIRS[name]()
    return pair.reference, pair.encoder


def change(logits, alone):
    return float((logits - alone).abs().max())


@torch.no_grad()
def test_bigbird_stays_with_full_attention_after_one_short_document():
    reference, encoder = fresh("bigbird, narrow")
    long, short = tokens(400, 40)
    before = reference(long[None]).logits
    reference(short[None])
    assert change(reference(long[None]).logits, before) > CHANGES
    encoder(short[None])
    assert change(encoder(long[None]).logits, before) < SAME


@torch.no_grad()
@pytest.mark.parametrize(("length", "mate"), [(100, 400), (180, 400)], ids=["short", "long"])
def test_bigbirds_answer_depends_on_a_longer_mate(length, mate):
    """A short document gets sparse attention beside a long one; of any, the last block is where the longest ends."""
    reference, encoder = fresh("bigbird, narrow")
    document, other = tokens(length, mate)
    alone = reference(document[None]).logits[0]
    reference, _ = fresh("bigbird, narrow")
    ids, mask = padded([document, other])
    assert change(reference(ids, mask).logits[0, :length], alone) > CHANGES
    assert change(encoder(ids, mask).logits[0, :length], alone) < SAME


@torch.no_grad()
@pytest.mark.parametrize("name", ["bert", "bigbird, narrow"])
def test_positions_are_counted_from_the_padding_on_the_left(name):
    reference, encoder = fresh(name)
    (document,) = tokens(50)
    alone = reference(document[None]).logits[0]
    ids, mask = padded([document], left=True, extra=30)
    assert change(reference(ids, mask).logits[0, 30:], alone) > CHANGES
    assert change(encoder(ids, mask).logits[0, 30:], alone) < SAME


@torch.no_grad()
@pytest.mark.parametrize("name", ["roberta", "longformer, narrow"])
def test_a_padding_token_inside_a_text_is_not_counted(name):
    """All positions after it are one less, though the mask says that it is there. Ours is a token as any other."""
    reference, encoder = fresh(name)
    (document,) = tokens(50)
    document[20] = reference.config.pad_token_id
    theirs = reference(document[None], attention_mask=torch.ones(1, 50, dtype=torch.long)).logits[0]
    assert change(encoder(document[None]).logits[0], theirs) > CHANGES
    counted = (torch.arange(50) + 2)[None]
    beside = reference(document[None], position_ids=counted).logits[0]
    assert change(encoder(document[None]).logits[0], beside) < SAME


@torch.no_grad()
@pytest.mark.parametrize("name", ["roberta", "longformer, narrow"])
@pytest.mark.parametrize("left", [False, True], ids=["right", "left"])
def test_roberta_and_longformer_do_not_change(name, left):
    reference, _ = fresh(name)
    document, other = tokens(50, 90)
    alone = reference(document[None]).logits[0]
    ids, mask = padded([document, other], left=left, extra=30)
    assert change(reference(ids, mask).logits[0][mask[0].bool()], alone) < SAME
