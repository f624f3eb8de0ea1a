"""Probabilities of tags by a light model that has not seen the document: multinomial logistic regression, in folds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from gonerd.annotation.features import Tokens, candidates, memory_features, remembered, static_features
from gonerd.labels import LabelScheme
from gonerd.records import Progress, silent

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_COLUMNS = 1 << 18  # of hashed features: collisions are rare and memory is bounded
_ITERATIONS = 30


def cross_validated(
    documents: Sequence[Tokens], *, scheme: LabelScheme, folds: int = 5, progress: Progress = silent
) -> list[NDArray[np.float32]]:
    """Return for each document the probability of each of the scheme's tags at each of its tokens: (tokens, tags).

    A document's fold is learned from the others alone. The same documents in the same order give the same answer.

    Args:
        documents: every so many of them, by their order, are a fold.
        scheme: of the tags.
        folds: how many; no more than there are documents.
        progress: told the folds done.
    """
    import numpy as np
    from sklearn.feature_extraction import FeatureHasher

    hasher = FeatureHasher(_COLUMNS, input_type="string", dtype=np.float32)
    tags = {tag: number for number, tag in enumerate(scheme.tags)}
    places = [candidates(document) for document in documents]
    answers = [_outside(document.end, len(tags)) for document in documents]
    told = [number for number, place in enumerate(places) if place]  # the others have nothing to be judged
    known = {number: hasher.transform(static_features(documents[number], places[number])) for number in told}
    folds = min(folds, len(told))
    for fold in range(folds):
        held = told[fold::folds]
        rest = sorted(set(told) - set(held))
        memory = remembered(documents[number] for number in rest)

        def rows(number: int, *, own: bool, memory: Any = memory) -> Any:
            shares = memory_features(documents[number], places[number], memory, own=own)
            return known[number] + hasher.transform(shares)

        wanted = [tags[documents[number].tags[place]] for number in rest for place in places[number]]
        if len(set(wanted)) > 1:
            model, columns = _fit([rows(number, own=True) for number in rest], wanted)
            for number in held:
                found = np.zeros((len(places[number]), len(tags)), dtype=np.float32)
                found[:, model.classes_] = model.predict_proba(rows(number, own=False)[:, columns])
                answers[number][places[number]] = found
        progress(fold + 1, folds)
    return answers


def _outside(tokens: int, tags: int) -> NDArray[np.float32]:
    """Return the certainty that every token is outside."""
    import numpy as np

    answer = np.zeros((tokens, tags), dtype=np.float32)
    answer[:, 0] = 1.0
    return answer


def _fit(rows: list[Any], wanted: list[int]) -> tuple[Any, NDArray[np.int64]]:
    """Return a model, and the columns that it looks at: those of features that it has seen twice."""
    import warnings

    import numpy as np
    from scipy.sparse import vstack
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    table = vstack(rows).tocsr()
    columns = np.flatnonzero(np.bincount(table.indices, minlength=_COLUMNS) > 1)
    model = LogisticRegression(C=1.0, max_iter=_ITERATIONS, tol=1e-3, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # it is stopped early on purpose
        return model.fit(table[:, columns], wanted), columns
