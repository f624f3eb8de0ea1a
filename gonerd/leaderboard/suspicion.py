"""What a right submission may still be suspected of: figures no machine has, gold that was seen, another's predictions.

None of this proves anything. A suspected submission is held back until the host has looked at it and says so
(`policy.Decision`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gonerd.evaluation.cost_report import Cost
from gonerd.evaluation.result import Outcome
from gonerd.formats.predictions import Matching, shown
from gonerd.labels import entity_table
from gonerd.scoring import Scores

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

ENOUGH_ENTITIES = 20  # below that, a perfect score or equal predictions say little
ENOUGH_DOCUMENTS = 3  # mislabelled ones that a system must repeat before it is suspected
NEAR = 0.995  # agreement from which on two systems are taken for one; two seeds of one recipe agree at about 0.9
# More operations a second than a rack of today's accelerators does at 4 bits; the figure only has to be beyond doubt.
FASTEST_FLOPS = 1e18
FASTEST_DEVICE = 1e17  # of one device, likewise
RATE_BEYOND = 10.0  # times the matrix rate of the same run, which beside much other work is a part of the true one
LEAST_MULTIPLIED = 0.1  # of the parameters; the rest may be embeddings, which are looked up


@dataclass(frozen=True, slots=True)
class Answers:
    """The entities that one submission found in one gold."""

    folder: str
    entities: NDArray[np.int64]  # (entities, 3): first token, token after the last, label; over all documents

    @classmethod
    def of(cls, folder: str, matching: Matching) -> Answers:
        """Return the entities of predictions, laid end to end in the order of the documents' ids."""
        import numpy as np

        rows = zip(matching.gold.documents, matching.predicted, strict=True)
        ordered = [answer for _, answer in sorted(rows, key=lambda row: row[0].id)]
        lengths = [len(answer) for answer in ordered]
        tags = np.concatenate([np.frombuffer(answer, dtype=np.int16) for answer in ordered] or [np.zeros(0, np.int16)])
        starts = np.cumsum([0, *lengths])[:-1]
        return cls(folder, entity_table(tags, starts, reading="strict"))


def agreement(one: Answers, other: Answers) -> float:
    """Return the strict F1 of two systems' entities against each other; 0.0 where neither found any."""
    small, large = sorted((len(one.entities), len(other.entities)))
    if not large or 2 * small / (small + large) < NEAR:  # then no more than that can agree
        return 2 * small / (small + large) if large else 0.0
    theirs = {tuple(row) for row in other.entities.tolist()}
    return 2 * sum(tuple(row) in theirs for row in one.entities.tolist()) / (small + large)


def repetitions(answers: Answers, others: Iterable[Answers]) -> Iterator[str]:
    """Yield the other submissions whose predictions these repeat."""
    if len(answers.entities) < ENOUGH_ENTITIES:
        return
    for other in others:
        same = agreement(answers, other)
        if same >= NEAR:
            exactly = "the same entities as" if same == 1.0 else f"{100 * same:.2f} % the same entities as"
            yield f"{exactly} {shown(other.folder)}"


def perfect(scores: Scores) -> Iterator[str]:
    """Yield that a score is too good to be true."""
    if scores.micro.f1 == 1.0 and scores.micro.gold >= ENOUGH_ENTITIES:
        yield f"a perfect score on {scores.micro.gold} entities"


def too_fast(result: Outcome) -> Iterator[str]:
    """Yield that a result claims more work a second than any machine does."""
    parameters, speed = result.model.parameters, result.speed.tokens_per_second
    if parameters and speed:
        # A forward pass multiplies and adds once a weight and sub-token.
        flops = 2 * LEAST_MULTIPLIED * parameters * speed
        if flops > FASTEST_FLOPS:
            yield f"{speed:g} sub-tokens a second with {parameters:,} parameters are over {FASTEST_FLOPS:g} FLOP/s"


def below_floor(cost: Cost) -> Iterator[str]:
    """Yield which figures of a cost file no machine reaches: faster than its operations, smaller than its weights."""
    rate = cost.machine.matrix_tflops * 1e12
    if rate > FASTEST_DEVICE:
        yield f"a matrix rate of {rate:g} FLOP/s, over {FASTEST_DEVICE:g}"
    most = min(FASTEST_DEVICE, RATE_BEYOND * rate)
    for row in cost.latency:
        flops = row.length * _operations(cost, row.length) / (row.p50_ms / 1e3)
        if flops > most:
            yield f"{row.length} sub-tokens in {row.p50_ms:g} ms are {flops:g} FLOP/s, over {most:g}"
    least = min(_operations(cost, length) for length in [row.length for row in cost.latency] or [0])
    for batch in cost.throughput:
        flops = batch.tokens_per_second * least
        if flops > most:
            yield f"{batch.tokens_per_second:g} sub-tokens a second are {flops:g} FLOP/s, over {most:g}"
        if (batch.words_per_second or 0.0) > batch.tokens_per_second:
            yield f"{batch.words_per_second:g} words a second in {batch.tokens_per_second:g} sub-tokens"
    if cost.weights_mib * 2**20 < (cost.model.parameters or 0):
        yield f"{cost.model.parameters:,} parameters in {cost.weights_mib:g} MiB"


def _operations(cost: Cost, length: int) -> float:
    """Return the operations a sub-token that nothing gets by with: the formula's, or what the parameters need."""
    formula = cost.flops_per_token.get(str(length), 0.0)
    return max(formula, 2 * LEAST_MULTIPLIED * (cost.model.parameters or 0))


def repeats_errors(matching: Matching, mislabelled: frozenset[str]) -> Iterator[str]:
    """Yield how many documents of wrong gold are answered just as wrongly, where that is most of several."""
    known = equal = 0
    tags = matching.gold.scheme.tags
    for document, answer in zip(matching.gold.documents, matching.predicted, strict=True):
        if document.id in mislabelled and any(tag != "O" for tag in document.tags):
            known += 1
            equal += [tags[number] for number in answer] == list(document.tags)
    if equal >= ENOUGH_DOCUMENTS and 2 * equal > known:
        yield f"equal to gold on {equal} of {known} documents whose gold is known to be wrong"
