"""The encoder as a whole: gradients, what answers must not depend on, precisions, compilation, memory, bad input."""

import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from encoder_support import PAIRS, padded, renamed, shape_of, tokens

from gonerd.errors import GonerdError
from gonerd.models.config import (
    BigBirdAttention,
    EncoderConfig,
    FullAttention,
    LongformerAttention,
    LSGAttention,
    NystromformerAttention,
)
from gonerd.models.encoder import Encoder
from gonerd.models.packing import Layout, pack, unpack

SMALL = {"vocabulary": 100, "width": 32, "layers": 2, "heads": 4, "intermediate": 64, "positions": 1000}
ATTENTIONS = {
    "full": FullAttention(),
    "longformer": LongformerAttention(windows=(32, 64)),
    "longformer, global tokens": LongformerAttention(windows=(32, 64), global_tokens=2),
    "bigbird": BigBirdAttention(block=16, random_blocks=2),
    "bigbird, sparse": BigBirdAttention(block=16, random_blocks=2, short="sparse"),
    "bigbird, random": BigBirdAttention(block=16, random_blocks=2, randomness="random"),
    "lsg": LSGAttention(block=16, sparse_block=16, factor=4, global_tokens=2),
    "nystromformer": NystromformerAttention(convolution=5),
    "nystromformer, landmarks": NystromformerAttention(convolution=5, landmarks=16, approximate=True),
}
each_attention = pytest.mark.parametrize("attention", ATTENTIONS.values(), ids=ATTENTIONS)


def encoder_of(attention, **others):
    torch.manual_seed(0)
    encoder = Encoder(EncoderConfig(**SMALL, attention=attention, labels=("O", "B-A", "I-A"), **others)).eval()
    for weights in encoder.parameters():
        torch.nn.init.normal_(weights, std=0.2)
    return encoder


@pytest.mark.parametrize("name", ["roberta", "longformer, global tokens", "bigbird, narrow"])
def test_gradients_are_the_references(name):
    pair = PAIRS[name]()
    documents = tokens(300, 40, 17)
    row = pack(documents, 512, align=16)[0]
    hidden = unpack([row], [pair.encoder(row.input_ids, layout=row.layout).logits])
    sum(logits.square().sum() for logits in hidden).backward()
    sum(pair.alone(document)[1].square().sum() for document in documents).backward()
    own = dict(pair.encoder.named_parameters())
    largest = max(float(weights.grad.abs().max()) for weights in own.values() if weights.grad is not None)
    for reference_name, weights in pair.reference.named_parameters():
        expected = weights.grad
        if expected is None:  # of a pooler, which nothing here uses
            assert renamed(reference_name) not in own or own[renamed(reference_name)].grad is None
        else:
            found = own[renamed(reference_name)].grad
            # a key's bias has no gradient, of which rounding leaves a trace
            near = 1e-4 * float(expected.abs().max()) + 1e-6 * largest
            torch.testing.assert_close(found, expected, atol=near, rtol=0)


@torch.no_grad()
@each_attention
def test_a_documents_answer_is_its_own(attention):
    """Neither order, mates, padding nor alignment, nor what came before, changes an answer."""
    encoder = encoder_of(attention)
    long, short, other = tokens(300, 20, 170)
    alone = encoder(long[None]).logits[0]
    encoder(short[None])
    batches = [[short, long], [long, short], [other, short, long], [long, long]]
    for batch in batches:
        place = next(row for row, document in enumerate(batch) if document is long)
        for left, extra in ((False, 0), (True, 0), (False, 100), (True, 33)):
            ids, mask = padded(batch, left=left, extra=extra)
            answer = encoder(ids, mask).logits[place][mask[place].bool()]
            torch.testing.assert_close(answer, alone, atol=1e-5, rtol=0)
        for align in (1, 16, 128):
            rows = pack(batch, 600, align=align)
            answers = unpack(rows, [encoder(row.input_ids, layout=row.layout).logits for row in rows])
            torch.testing.assert_close(answers[place], alone, atol=1e-5, rtol=0)


@torch.no_grad()
@each_attention
@pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile")
def test_tiles_and_kernel_follow_the_rule(attention):
    """What the tiles leave out, and what the kernel's blocks leave out, the rule leaves out."""
    encoder = encoder_of(attention)
    row = pack(tokens(300, 20, 170, 64), 1000, align=8)[0]
    ways = [replace(row.layout, engine=engine) for engine in ("dense", "tiles", "flex")]
    dense, *others = (torch.cat(unpack([row], [encoder(row.input_ids, layout=way).logits])) for way in ways)
    for other in others:
        torch.testing.assert_close(other, dense, atol=1e-5, rtol=0)


@torch.no_grad()
def test_random_blocks_differ_by_seed_and_layer_and_nothing_else():
    def drawn(seed, layer):
        config = EncoderConfig(**SMALL, attention=BigBirdAttention(block=16, randomness="random", seed=seed))
        return Encoder(config).layers[layer].attention.pattern._random(30)

    assert torch.equal(drawn(0, 0), drawn(0, 0))
    assert not torch.equal(drawn(0, 0), drawn(1, 0))
    assert not torch.equal(drawn(0, 0), drawn(0, 1))
    middle = drawn(0, 0)[1:-1]
    here = torch.arange(1, 29)[:, None]
    assert ((middle - here).abs() > 1).all()
    assert ((middle > 0) & (middle < 29)).all()
    assert all(len(set(row)) == 3 for row in middle.tolist())


@torch.no_grad()
def test_each_document_can_have_its_own_global_tokens():
    encoder = encoder_of(ATTENTIONS["longformer"])
    documents = tokens(300, 200)
    (row,) = pack(documents[::-1], 500, global_tokens=(5, 0))
    second, first = unpack([row], [encoder(row.input_ids, layout=row.layout).logits])
    alone = [
        Layout(starts=(0,), lengths=(len(d),), slots=len(d), global_tokens=(n,))
        for d, n in zip(documents, (0, 5), strict=True)
    ]
    torch.testing.assert_close(first, encoder(documents[0], layout=alone[0]).logits, atol=1e-5, rtol=0)
    torch.testing.assert_close(second, encoder(documents[1], layout=alone[1]).logits, atol=1e-5, rtol=0)
    assert (second - encoder(documents[1][None]).logits[0]).abs().max() > 1e-3


@torch.no_grad()
@each_attention
@pytest.mark.parametrize(("dtype", "near"), [(torch.bfloat16, 0.15), (torch.float16, 0.02)], ids=str)
def test_lower_precisions(attention, dtype, near):
    encoder = encoder_of(attention)
    ids, mask = padded(tokens(300, 20))
    exact = encoder(ids, mask).logits
    rounded = encoder.to(dtype)(ids, mask).logits
    assert rounded.dtype == dtype
    assert (rounded.float() - exact).abs().max() < near * exact.abs().max()


@torch.no_grad()
@each_attention
def test_layers_that_are_rounded_once_answer_as_under_autocast(attention):
    encoder = encoder_of(attention)
    ids, mask = padded(tokens(300, 20))
    with torch.autocast("cpu", torch.bfloat16):
        expected = encoder(ids, mask).logits[mask.bool()]
        encoder.round_layers()
        assert encoder(ids, mask).logits[mask.bool()].equal(expected)
    assert encoder.layers[0].query.weight.dtype == torch.bfloat16
    assert encoder.layers[0].norm.weight.dtype == encoder.classifier.output.weight.dtype == torch.float32


@each_attention
def test_it_learns(attention):
    """With dropout and in bf16 autocast, as a training loop runs it."""
    torch.manual_seed(0)
    encoder = Encoder(EncoderConfig(**SMALL, attention=attention, labels=("even", "odd"))).train()
    optimizer = torch.optim.AdamW(encoder.parameters(), lr=3e-3)
    ids, mask = padded(tokens(200, 90))
    losses = []
    for _ in range(12):
        with torch.autocast("cpu", torch.bfloat16):
            logits = encoder(ids, mask).logits
        loss = torch.nn.functional.cross_entropy(logits[mask.bool()].float(), ids[mask.bool()] % 2)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.7 * losses[0]


@torch.no_grad()
@each_attention
@pytest.mark.parametrize("backend", ["eager", pytest.param("inductor", marks=pytest.mark.slow)])
def test_compiled_layers_break_no_graph_and_compile_once(backend, attention):
    torch._dynamo.reset()
    counters = torch._dynamo.utils.counters
    counters.clear()
    encoder, plain = (encoder_of(attention) for _ in range(2))
    encoder.compile_layers(backend)
    graphs = []
    for lengths in ((300, 20), (41,), (777, 3, 3), (128,)):
        ids, mask = padded(tokens(*lengths))
        torch.testing.assert_close(encoder(ids, mask).logits, plain(ids, mask).logits, atol=1e-5, rtol=0)
        graphs.append(counters["stats"]["unique_graphs"])
    assert graphs == [3] * len(graphs)  # before attention, after it, and the feed-forward network
    assert not counters["graph_break"]


MEMORY = """
import torch
from gonerd.models.config import *
from gonerd.models.encoder import Encoder
torch.set_num_threads(1)
attention = {attention}
config = EncoderConfig(vocabulary=100, width=64, layers=2, heads=4, intermediate=128, positions=20000,
                       attention=attention)
encoder = Encoder(config).eval()
def peak():
    # Not the resource module's figure: that one is never below what the process that started this one had.
    return next(int(line.split()[1]) for line in open('/proc/self/status') if line.startswith('VmHWM')) / 1024
with torch.inference_mode():
    encoder(torch.randint(5, 100, (1, 1024)))
    before = peak()
    encoder(torch.randint(5, 100, (1, 16384)))
print(peak() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="skipped: peak memory is read from /proc")
@pytest.mark.parametrize(
    "attention", ["LongformerAttention(windows=(512, 512))", "BigBirdAttention()"], ids=["longformer", "bigbird"]
)
def test_memory_at_16384_tokens(attention):
    """One length-by-length tensor of bytes would be 256 MiB."""
    done = subprocess.run(
        [sys.executable, "-c", MEMORY.format(attention=attention)], capture_output=True, text=True, check=True
    )
    assert float(done.stdout) < 200


@torch.no_grad()
def test_masked_language_model_scores_the_vocabulary():
    encoder = Encoder(EncoderConfig(**SMALL, masked_lm=True)).eval()
    ids, mask = padded(tokens(30, 20))
    output = encoder(ids, mask)
    assert output.logits.shape == (2, 30, 100)
    hidden = encoder.masked_lm.norm(torch.nn.functional.gelu(encoder.masked_lm.transform(output.last_hidden_state[0])))
    torch.testing.assert_close(output.logits[0], hidden @ encoder.embeddings.tokens.weight.T, atol=1e-5, rtol=0)


def test_a_row_of_padding_alone_answers():
    encoder = encoder_of(FullAttention())
    ids, mask = padded(tokens(5, 9))
    mask[0] = 0
    assert encoder(ids, mask).logits[1].isfinite().all()


@each_attention
@pytest.mark.parametrize("shape", [(2, 5), (0, 5), (2, 0)], ids=str)
def test_a_batch_without_any_token_answers(attention, shape):
    output = encoder_of(attention)(torch.ones(shape, dtype=torch.long), torch.zeros(shape))
    assert output.last_hidden_state.shape == (*shape, 32)
    assert output.logits.shape == (*shape, 3)


def test_a_row_and_its_layout_fit_each_other():
    encoder = encoder_of(FullAttention())
    with pytest.raises(GonerdError, match="for a layout of 6 slots"):
        encoder(torch.ones(1, dtype=torch.long), layout=Layout(starts=(0,), lengths=(6,), slots=6))
    with pytest.raises(GonerdError, match=r"input_ids of shape \(6,\)\. Give a batch, \(rows, length\), or a layout"):
        encoder(torch.ones(6, dtype=torch.long))


@pytest.mark.parametrize(
    ("ids", "mask", "says"),
    [
        (torch.ones(1, 1001, dtype=torch.long), None, "1001 tokens for 1000 positions"),
        (torch.ones(1, 4, dtype=torch.long), torch.tensor([[1, 0, 1, 1]]), "in the middle"),
        (torch.ones(1, 4, dtype=torch.long), torch.ones(1, 5), "shape"),
    ],
)
def test_bad_input_is_one_clear_error(ids, mask, says):
    with pytest.raises(GonerdError, match=says):
        encoder_of(FullAttention())(ids, mask)


def test_global_tokens_want_their_projections():
    encoder = encoder_of(LongformerAttention(windows=(32, 64), global_projections=False))
    (row,) = pack(tokens(40), 40, global_tokens=(1,))
    with pytest.raises(GonerdError, match="without the weights of their projections"):
        encoder(row.input_ids, layout=row.layout)


def test_impossible_shapes_are_refused():
    for wrong in (
        {"heads": 5},
        {"activation": "swish"},
        {"labels": ("O",), "masked_lm": True},
        {"attention": LongformerAttention(windows=(32,))},
    ):
        with pytest.raises(GonerdError):
            EncoderConfig(**{**SMALL, **wrong})
    with pytest.raises(GonerdError):
        LongformerAttention(windows=(31,))


def test_names_of_the_support_cover_every_weight():
    pair = PAIRS["longformer"]()
    config = shape_of(pair.reference.config, position_offset=2, attention=pair.encoder.config.attention)
    assert Encoder(config).state_dict().keys() == {renamed(name) for name in pair.reference.state_dict()}
