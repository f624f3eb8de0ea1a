"""Scores by what is long about long documents: their length, where a name stands, how far back it was seen last."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from itertools import pairwise

from gonerd.labels import spans_from_tags
from gonerd.records import Span
from gonerd.scoring import Counts

Surface = tuple[str, ...]
LENGTHS = (512, 1024, 2048, 4096)  # sub-tokens
DISTANCES = (128, 512, 2048)  # words
FEWEST_DOCUMENTS = 5  # a bucket with fewer shows how many, and no score
SUB_TOKENS_A_WORD = 4 / 3  # where a system has no sub-tokens of its own


@dataclass(frozen=True, slots=True)
class Tagged:
    """A document with gold and predicted tags."""

    tokens: Sequence[str]
    gold: Sequence[str]
    predicted: Sequence[str]
    sub_tokens: float  # how long it is


@dataclass(frozen=True, slots=True)
class Bucket:
    """Part of the documents or mentions; no counts where it has too few documents."""

    name: str
    documents: int
    counts: Counts | None


@dataclass(frozen=True, slots=True)
class Consistency:
    """How many surfaces that are marked more than once in a document always have the same label there."""

    repeated: int
    consistent: int

    @property
    def share(self) -> float | None:
        """The share of them; None where no surface is repeated."""
        return self.consistent / self.repeated if self.repeated else None


LENGTH_NAMES = (
    f"up to {LENGTHS[0]:,}",
    *(f"{low + 1:,} to {high:,}" for low, high in pairwise(LENGTHS)),
    f"over {LENGTHS[-1]:,}",
)
DISTANCE_VIEW = "distance to the previous mention"
DISTANCE_NAMES = (
    "first mention",
    f"up to {DISTANCES[0]:,} words",
    *(f"{low + 1:,} to {high:,} words" for low, high in pairwise(DISTANCES)),
    f"over {DISTANCES[-1]:,} words",
)


def views(documents: Sequence[Tagged], *, training: Collection[Surface] | None = None) -> dict[str, list[Bucket]]:
    """Return strict counts by view: each entity, gold or predicted, is in one bucket of each.

    Args:
        documents: all of them.
        training: the surfaces of the names in the training data, for the view `seen in training`.
    """
    tallies = {
        "document length": Tally(LENGTH_NAMES),
        "position in the document": Tally(LENGTH_NAMES),
        DISTANCE_VIEW: Tally(DISTANCE_NAMES),
    }
    if training is not None:
        tallies["seen in training"] = Tally(["seen", "not seen"])
    for number, document in enumerate(documents):
        _place(number, document, tallies, training)
    return {name: tally.buckets() for name, tally in tallies.items()}


def _place(number: int, document: Tagged, tallies: dict[str, Tally], training: Collection[Surface] | None) -> None:
    """Put the entities of a document into their buckets."""
    gold, predicted = spans_from_tags(document.gold), spans_from_tags(document.predicted)
    whole = LENGTH_NAMES[_rank(document.sub_tokens, LENGTHS)]
    a_word = document.sub_tokens / max(1, len(document.tokens))
    distances = _distances(document.tokens, gold)

    def position(span: Span) -> str:
        return LENGTH_NAMES[_rank((span.start + 1) * a_word, LENGTHS)]

    def seen(span: Span) -> str:
        known = training is not None and tuple(document.tokens[span.start : span.end]) in training
        return "seen" if known else "not seen"

    tallies["document length"].documents[whole].add(number)  # also one without a name
    tallies["document length"].add(number, gold, predicted, lambda _: whole)
    tallies["position in the document"].add(number, gold, predicted, position)
    tallies[DISTANCE_VIEW].add(number, gold, predicted, distances)
    if training is not None:
        tallies["seen in training"].add(number, gold, predicted, seen)


def _rank(value: float, limits: Sequence[int]) -> int:
    return sum(value > limit for limit in limits)


def _distances(tokens: Sequence[str], gold: Sequence[Span]) -> Callable[[Span], str]:
    """Return the function from a span to its bucket: how far back gold has a mention of the same words."""
    mentions: defaultdict[Surface, list[int]] = defaultdict(list)
    for span in gold:
        mentions[tuple(tokens[span.start : span.end])].append(span.start)

    def bucket(span: Span) -> str:
        starts = mentions.get(tuple(tokens[span.start : span.end]), [])
        before = bisect_left(starts, span.start)
        return DISTANCE_NAMES[1 + _rank(span.start - starts[before - 1], DISTANCES)] if before else DISTANCE_NAMES[0]

    return bucket


class Tally:
    """The buckets of one view while they are filled."""

    def __init__(self, names: Sequence[str]) -> None:
        self.counts = {name: [0, 0, 0] for name in names}
        self.documents: dict[str, set[int]] = {name: set() for name in names}

    def add(self, number: int, gold: Sequence[Span], predicted: Sequence[Span], bucket: Callable[[Span], str]) -> None:
        """Count a document's entities in their buckets."""
        right = set(gold) & set(predicted)
        for place, spans in enumerate((right, predicted, gold)):
            for span in spans:
                name = bucket(span)
                self.counts[name][place] += 1
                self.documents[name].add(number)

    def buckets(self) -> list[Bucket]:
        """Return the buckets, those with too few documents without counts."""
        sizes = {name: len(numbers) for name, numbers in self.documents.items()}
        return [
            Bucket(name, sizes[name], Counts(*counts) if sizes[name] >= FEWEST_DOCUMENTS else None)
            for name, counts in self.counts.items()
        ]


def consistency(documents: Sequence[tuple[Sequence[str], Sequence[str]]]) -> Consistency:
    """Return how consistently surfaces that are marked more than once in a document are labelled (tokens and tags)."""
    repeated = consistent = 0
    for tokens, tags in documents:
        labels: defaultdict[Surface, list[str]] = defaultdict(list)
        for span in spans_from_tags(tags):
            labels[tuple(tokens[span.start : span.end])].append(span.label)
        several = [found for found in labels.values() if len(found) > 1]
        repeated += len(several)
        consistent += sum(len(set(found)) == 1 for found in several)
    return Consistency(repeated, consistent)


def surfaces(rows: Sequence[tuple[Sequence[str], Sequence[str]]]) -> frozenset[Surface]:
    """Return the surfaces of all names in some documents (tokens and tags)."""
    return frozenset(tuple(tokens[span.start : span.end]) for tokens, tags in rows for span in spans_from_tags(tags))
