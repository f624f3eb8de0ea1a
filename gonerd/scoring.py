"""Entity-level scores with numpy alone: they serve agreement, early stopping, evaluation, audit and verification.

An entity is right when its first token, last token and type are. `strict` reads tags as IOB2 (an `I-` that continues
nothing is no entity) and is the benchmark's headline; `lenient` reads them as conlleval does. They equal seqeval with
`mode="strict", scheme=IOB2` and seqeval's default; seqeval silently falls back to the lenient reading when only one of
the two arguments is given.

Every entity of the strict reading is one of the lenient reading too, so all counts, and recall against well-formed
gold, are at least as high in the lenient one. Precision and F1 may go either way: a stray `I-` may be right or wrong.
On well-formed tags the readings agree.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gonerd.errors import unknown_name
from gonerd.labels import LabelScheme, Reading, entity_table
from gonerd.records import Span

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SCORER = "1"  # changes with any figure
SEQEVAL = "1.2.2"  # the version whose figures these equal


@dataclass(frozen=True, slots=True)
class Counts:
    """Right, predicted and gold entities; they add up."""

    correct: int = 0
    predicted: int = 0
    gold: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(self.correct + other.correct, self.predicted + other.predicted, self.gold + other.gold)

    @property
    def precision(self) -> float:
        """Share of the predicted entities that are right; 0.0 when none is predicted."""
        return self.correct / self.predicted if self.predicted else 0.0

    @property
    def recall(self) -> float:
        """Share of the gold entities that were found; 0.0 when there are none."""
        return self.correct / self.gold if self.gold else 0.0

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall; 0.0 when there are no entities at all."""
        return 2 * self.correct / (self.predicted + self.gold) if self.predicted + self.gold else 0.0


@dataclass(frozen=True, slots=True)
class Scores:
    """Counts by type; `micro` adds them up and `macro_f1` averages over the types that occur."""

    by_type: dict[str, Counts]

    @property
    def micro(self) -> Counts:
        """The counts of all types together."""
        return sum(self.by_type.values(), Counts())

    @property
    def macro_f1(self) -> float:
        """Mean F1 over the types that occur in gold or predictions; 0.0 when none does."""
        present = [counts.f1 for counts in self.by_type.values() if counts.gold or counts.predicted]
        return sum(present) / len(present) if present else 0.0


def score_tag_ids(
    gold: NDArray[np.integer],
    predicted: NDArray[np.integer],
    document_starts: NDArray[np.integer],
    *,
    scheme: LabelScheme,
    reading: Reading = "strict",
) -> Scores:
    """Score integer tags of many documents laid end to end.

    Args:
        gold: (tokens,) integers of the scheme's tags.
        predicted: (tokens,) likewise.
        document_starts: (documents,) index of each document's first token.
        scheme: the label scheme of both.
        reading: how malformed tags are read, in both.

    Raises:
        ValueError: `gold` and `predicted` differ in length.
    """
    if len(gold) != len(predicted):
        raise ValueError(f"{len(gold)} gold tags but {len(predicted)} predicted")
    gold_table = entity_table(gold, document_starts, reading=reading)
    predicted_table = entity_table(predicted, document_starts, reading=reading)
    return score_tables(gold_table, predicted_table, scheme=scheme)


def score_tables(gold: NDArray[np.int64], predicted: NDArray[np.int64], *, scheme: LabelScheme) -> Scores:
    """Score two tables of entities as `labels.entity_table` makes them: by first token, which no two rows share."""
    import numpy as np

    right = np.zeros(len(predicted), dtype=np.bool_)
    if len(gold):
        # The place of a first token after gold's last is the last row, which it then differs from.
        places = np.searchsorted(np.ascontiguousarray(gold[:-1, 0]), predicted[:, 0])
        right[:] = True
        for column in range(3):
            right &= gold[places, column] == predicted[:, column]
    sides = (predicted[right, 2], predicted[:, 2], gold[:, 2])
    correct, found, wanted = (np.bincount(side, minlength=len(scheme.labels)).tolist() for side in sides)
    return Scores({name: Counts(correct[i], found[i], wanted[i]) for i, name in enumerate(scheme.names)})


def score_tags(
    gold: Sequence[Sequence[str]],
    predicted: Sequence[Sequence[str]],
    *,
    scheme: LabelScheme,
    reading: Reading = "strict",
) -> Scores:
    """Score IOB2 tags, one sequence a document, in the same order in both.

    Raises:
        ValueError: the number of documents, or of tags in one document, differs.
        GonerdError: a tag is outside the scheme.
    """
    import numpy as np

    lengths = [len(tags) for tags in gold]
    if lengths != [len(tags) for tags in predicted]:
        raise ValueError("gold and predicted tags differ in documents or in tokens of a document")
    starts = np.cumsum([0, *lengths])[:-1]
    size = np.min_scalar_type(-len(scheme.tags))
    flat = [
        np.array(
            [tag for n, tags in enumerate(side) for tag in scheme.tag_ids(tags, where=f"document {n}")], dtype=size
        )
        for side in (gold, predicted)
    ]
    return score_tag_ids(flat[0], flat[1], starts, scheme=scheme, reading=reading)


def score_spans(
    gold: Mapping[str, Iterable[Span]], predicted: Mapping[str, Iterable[Span]], *, labels: Iterable[str]
) -> Scores:
    """Score exact character spans by document id; a document that one side lacks counts as empty there.

    A span given twice counts once.

    Raises:
        GonerdError: a span's label is not among `labels`.
    """
    by_type: dict[str, list[int]] = {label: [0, 0, 0] for label in labels}
    for document_id in gold.keys() | predicted.keys():
        gold_spans, predicted_spans = set(gold.get(document_id, ())), set(predicted.get(document_id, ()))
        for place, spans in enumerate((gold_spans & predicted_spans, predicted_spans, gold_spans)):
            for span in spans:
                if span.label not in by_type:
                    raise unknown_name("label", span.label, by_type, where=f"document {document_id!r}")
                by_type[span.label][place] += 1
    return Scores({label: Counts(*counts) for label, counts in by_type.items()})
