"""Each attention equals its reference in transformers, for each document as if it were alone."""

from dataclasses import replace

import pytest
import torch
from encoder_support import bert, padded, roberta, tokens

from gonerd.models.packing import pack, unpack

MAKERS = {"roberta": roberta, "bert": bert}
LENGTHS = (1, 2, 63, 64, 65, 511, 512, 513, 700, 705)
EXACT = 1e-5


@pytest.fixture(scope="module", params=MAKERS)
def pair(request):
    """A reference, its encoder, documents, and the reference's answers for each document alone."""
    reference, encoder = MAKERS[request.param]()
    documents = tokens(*LENGTHS)
    with torch.no_grad():
        answers = [alone(reference, document) for document in documents]
    return encoder, documents, answers


def alone(reference, document):
    """Return a reference's last hidden state and logits for one document."""
    answer = reference(document[None], output_hidden_states=True)
    return answer.hidden_states[-1][0], answer.logits[0]


def assert_same(answers, output, places):
    """Hold what an encoder answered in each document's place to the reference's answers."""
    for (hidden, logits), place in zip(answers, places, strict=True):
        torch.testing.assert_close(output.last_hidden_state[place], hidden, atol=EXACT, rtol=0)
        torch.testing.assert_close(output.logits[place], logits, atol=EXACT, rtol=0)


@torch.no_grad()
def test_alone(pair):
    encoder, documents, answers = pair
    for document, answer in zip(documents, answers, strict=True):
        assert_same([answer], encoder(document[None]), [0])


@torch.no_grad()
@pytest.mark.parametrize("extra", [0, 7])
@pytest.mark.parametrize("left", [False, True], ids=["right", "left"])
def test_padded(pair, left, extra):
    encoder, documents, answers = pair
    ids, mask = padded(documents, left=left, extra=extra)
    places = [(row, mask[row].bool()) for row in range(len(documents))]
    assert_same(answers, encoder(ids, mask), places)


@torch.no_grad()
@pytest.mark.parametrize("align", [1, 64])
def test_packed(pair, align):
    encoder, documents, answers = pair
    rows = pack(documents, 1400, align=align)
    outputs = [encoder(row.input_ids, layout=row.layout) for row in rows]
    hidden = unpack(rows, [output.last_hidden_state for output in outputs])
    logits = unpack(rows, [output.logits for output in outputs])
    for own, answer in zip(zip(hidden, logits, strict=True), answers, strict=True):
        torch.testing.assert_close(own, answer, atol=EXACT, rtol=0)


@torch.no_grad()
@pytest.mark.parametrize("engine", ["dense", "flex"])
@pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile")
def test_the_engines_agree(pair, engine):
    encoder, *_ = pair
    row = pack(tokens(1, 40, 200, 33), 512, align=16)[0]
    ways = [replace(row.layout, engine=name) for name in ("tiles", engine)]
    tiles, other = (
        torch.cat(unpack([row], [encoder(row.input_ids, layout=layout).last_hidden_state])) for layout in ways
    )
    torch.testing.assert_close(other, tiles, atol=EXACT, rtol=0)
