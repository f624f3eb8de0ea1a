"""Each attention equals its reference in transformers, for each document as if it were alone."""

from dataclasses import replace

import pytest
import torch
from encoder_support import PAIRS, padded, tokens

from gonerd.models.packing import Layout, pack, unpack

LONG = ["roberta", "bert", "longformer", "longformer, global tokens", "bigbird"]
EXACT = 1e-5


@pytest.fixture(scope="module", params=PAIRS)
def case(request):
    """An encoder, documents, and the reference's answers for each document alone."""
    pair = PAIRS[request.param]()
    documents = tokens(*pair.lengths)
    with torch.no_grad():
        answers = [pair.alone(document) for document in documents]
    return pair.encoder, documents, answers


def assert_same(answers, output, places):
    """Hold what an encoder answered in each document's place to the reference's answers."""
    for (hidden, logits), place in zip(answers, places, strict=True):
        torch.testing.assert_close(output.last_hidden_state[place], hidden, atol=EXACT, rtol=0)
        torch.testing.assert_close(output.logits[place], logits, atol=EXACT, rtol=0)


@torch.no_grad()
def test_alone(case):
    encoder, documents, answers = case
    for document, answer in zip(documents, answers, strict=True):
        assert_same([answer], encoder(document[None]), [0])


@torch.no_grad()
@pytest.mark.parametrize(("left", "extra"), [(False, 0), (True, 7)], ids=["right", "left"])
def test_padded(case, left, extra):
    encoder, documents, answers = case
    ids, mask = padded(documents, left=left, extra=extra)
    places = [(row, mask[row].bool()) for row in range(len(documents))]
    assert_same(answers, encoder(ids, mask), places)


@torch.no_grad()
@pytest.mark.parametrize("align", [1, 64])
def test_packed(case, align):
    encoder, documents, answers = case
    rows = pack(documents, 1400, align=align)
    outputs = [encoder(row.input_ids, layout=row.layout) for row in rows]
    hidden = unpack(rows, [output.last_hidden_state for output in outputs])
    logits = unpack(rows, [output.logits for output in outputs])
    for own, answer in zip(zip(hidden, logits, strict=True), answers, strict=True):
        torch.testing.assert_close(own, answer, atol=EXACT, rtol=0)


@torch.no_grad()
@pytest.mark.parametrize("lengths", [(1024, 1500), pytest.param((4096,), marks=pytest.mark.slow)], ids=str)
@pytest.mark.parametrize("name", LONG)
def test_long_documents(name, lengths):
    """Packed after a short one, alone, and padded on the left beside each other."""
    pair = PAIRS[name]()
    short, *documents = tokens(30, *lengths)
    answers = [pair.alone(document) for document in documents]
    layout = Layout.of_lengths([30, *lengths], torch.device("cpu"))
    output = pair.encoder(torch.cat([short, *documents]), layout=layout)
    assert_same(answers, output, [slice(s, s + n) for s, n in zip(layout.starts[1:], lengths, strict=True)])
    ids, mask = padded(documents, left=True, extra=5)
    assert_same(answers, pair.encoder(ids, mask), [(row, mask[row].bool()) for row in range(len(documents))])
    assert_same(answers[-1:], pair.encoder(documents[-1][None]), [0])


@torch.no_grad()
@pytest.mark.parametrize("engine", ["dense", "flex"])
@pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile")
def test_the_engines_agree(case, engine):
    encoder, *_ = case
    row = pack(tokens(1, 40, 200, 33), 512, align=16)[0]
    ways = [replace(row.layout, engine=name) for name in ("tiles", engine)]
    tiles, other = (
        torch.cat(unpack([row], [encoder(row.input_ids, layout=layout).last_hidden_state])) for layout in ways
    )
    torch.testing.assert_close(other, tiles, atol=EXACT, rtol=0)
