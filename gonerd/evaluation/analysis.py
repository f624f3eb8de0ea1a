"""From gold and predicted tags to everything a result says beyond its headline."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gonerd.bootstrap import (
    DRAWS,
    SEED,
    draw_sums,
    f1_of,
    interval_of,
    macro_f1_of,
    precision_of,
    recall_of,
)
from gonerd.evaluation.result import (
    AnalysisPart,
    BucketPart,
    ClassScore,
    ConsistencyPart,
    IntervalPart,
    TypeScore,
)
from gonerd.evaluation.views import SUB_TOKENS_A_WORD, Bucket, Surface, Tagged, consistency, views
from gonerd.formats.predictions import Matching
from gonerd.labels import Reading, entity_table
from gonerd.semeval import Pairing, pair_entities

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Training:
    """What a model may have seen."""

    surfaces: Collection[Surface]
    inputs: str  # fingerprint of the documents


@dataclass(frozen=True, slots=True)
class EndToEnd:
    """All documents of a matching laid end to end, as integers."""

    gold: NDArray[np.int16]
    predicted: NDArray[np.int16]
    starts: NDArray[np.int64]

    @classmethod
    def of(cls, matching: Matching) -> EndToEnd:
        """Return the tags of a matching."""
        import numpy as np

        scheme, documents = matching.gold.scheme, matching.gold.documents
        starts = np.cumsum([0, *(len(document.tokens) for document in documents)])[:-1]
        gold = [np.array(scheme.tag_ids(document.tags), dtype=np.int16) for document in documents]
        predicted = [np.frombuffer(answer, dtype=np.int16) for answer in matching.predicted]
        return cls(np.concatenate(gold), np.concatenate(predicted), starts)

    def pairing(self, *, reading: Reading = "strict") -> Pairing:
        """Return the entities of both sides, paired."""
        tables = (entity_table(tags, self.starts, reading=reading) for tags in (self.gold, self.predicted))
        return pair_entities(*tables)

    def counts(self, types: int, *, reading: Reading) -> NDArray[np.int64]:
        """Return (documents, types, 3): correct, predicted and gold entities."""
        import numpy as np

        gold, predicted = (entity_table(tags, self.starts, reading=reading) for tags in (self.gold, self.predicted))
        right = predicted[_rows_in(predicted, gold)]
        found = np.zeros((len(self.starts), types, 3), dtype=np.int64)
        # An empty document starts where the next one does: the last of those that start there has the token.
        for column, table in enumerate((right, predicted, gold)):
            documents = np.searchsorted(self.starts, table[:, 0], side="right") - 1
            cells = documents * types + table[:, 2]
            found[:, :, column] = np.bincount(cells, minlength=len(self.starts) * types).reshape(-1, types)
        return found


def _rows_in(rows: NDArray[np.int64], others: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Tell which rows are among others; both are in the order of their first token, which no two share."""
    import numpy as np

    if not len(others):
        return np.zeros(len(rows), dtype=np.bool_)
    places = np.minimum(np.searchsorted(others[:, 0], rows[:, 0]), len(others) - 1)
    same: NDArray[np.bool_] = (others[places] == rows).all(axis=1)
    return same


def analyse(
    matching: Matching, *, sub_tokens: Mapping[str, int] | None = None, training: Training | None = None
) -> AnalysisPart:
    """Return classes, errors, intervals, views and consistency.

    Args:
        matching: gold and predictions.
        sub_tokens: how long each document is to the model by its id; from its words where that is not known.
        training: what the model may have seen, for the view `seen in training`.
    """
    scheme = matching.gold.scheme
    laid = EndToEnd.of(matching)
    pairing = laid.pairing()
    documents = _tagged(matching, sub_tokens)
    gold, predicted = (
        consistency([(document.tokens, getattr(document, side)) for document in documents])
        for side in ("gold", "predicted")
    )
    found = views(documents, training=None if training is None else training.surfaces)
    return AnalysisPart(
        classes={name: ClassScore.of(scores) for name, scores in pairing.classes(scheme).items()},
        errors={str(kind): count for kind, count in pairing.error_counts().items()},
        intervals=_intervals(matching, laid),
        draws=DRAWS,
        draws_seed=SEED,
        views={name: {bucket.name: _bucket(bucket) for bucket in buckets} for name, buckets in found.items()},
        length_unit="sub-tokens of the model" if sub_tokens else "words times 4/3",
        consistency=ConsistencyPart(
            gold_repeated=gold.repeated,
            gold_consistent=gold.consistent,
            predicted_repeated=predicted.repeated,
            predicted_consistent=predicted.consistent,
        ),
        training_inputs=None if training is None else training.inputs,
    )


def _bucket(bucket: Bucket) -> BucketPart:
    return BucketPart(
        documents=bucket.documents, score=None if bucket.counts is None else TypeScore.of(bucket.counts)
    )  # fmt: skip


def _tagged(matching: Matching, sub_tokens: Mapping[str, int] | None) -> list[Tagged]:
    names = matching.gold.scheme.tags
    return [
        Tagged(
            document.tokens,
            document.tags,
            [names[tag] for tag in answer],
            sub_tokens[document.id] if sub_tokens else SUB_TOKENS_A_WORD * len(document.tokens),
        )
        for document, answer in zip(matching.gold.documents, matching.predicted, strict=True)
    ]


def _intervals(matching: Matching, laid: EndToEnd) -> dict[str, IntervalPart]:
    """Return the bootstrap intervals of the scores; documents are drawn in the order of their ids."""
    import numpy as np

    labels = matching.gold.scheme.names
    order = np.argsort([document.id for document in matching.gold.documents], kind="stable")
    strict = draw_sums(laid.counts(len(labels), reading="strict")[order])
    lenient = draw_sums(laid.counts(len(labels), reading="lenient")[order])
    micro = strict.sum(axis=1)
    drawn = {
        "strict_f1": f1_of(micro),
        "strict_precision": precision_of(micro),
        "strict_recall": recall_of(micro),
        "strict_macro_f1": macro_f1_of(strict),
        "lenient_f1": f1_of(lenient.sum(axis=1)),
        **{f"f1:{label}": f1_of(strict[:, place]) for place, label in enumerate(labels)},
    }
    found = {name: interval_of(values) for name, values in drawn.items()}
    return {name: IntervalPart(low=interval.low, high=interval.high) for name, interval in found.items()}


def document_counts(matching: Matching) -> dict[str, tuple[int, int, int]]:
    """Return the correct, predicted and gold entities of each document by its id, strict."""
    counts = EndToEnd.of(matching).counts(len(matching.gold.scheme.labels), reading="strict").sum(axis=1)
    ids = (document.id for document in matching.gold.documents)
    return {name: (row[0], row[1], row[2]) for name, row in zip(ids, counts.tolist(), strict=True)}
