"""Other views of the rows, made on the fly: sentences, and the sub-tokens of a model with their labels.

Tags are integers here, as in the rows: 0 is `O`, odd ones begin an entity, the even one above continues it.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from gonerd.encoding import Specials, space_before_words, special_tokens, split_windows, sub_tokens
from gonerd.errors import GonerdError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

IGNORED = -100  # what torch's cross-entropy leaves out
_SENTENCES_AT_A_TIME = 100  # documents
_NO_WORD = -1


def sentences(dataset: Any) -> Any:
    """Return a dataset's sentences as rows: `document_id, sentence_id, tokens, ner_tags`.

    A document whose sentences are not known is one row. The boundaries come from the text alone, so that data with
    hidden labels has the same rows, with null for their tags; where one cuts an entity, the sentence after it begins
    with a `B-` tag.

    Args:
        dataset: a split (`datasets.Dataset`, or `IterableDataset` when streaming), or a dictionary of splits.

    Returns:
        The same kind of object; sentences of a streamed split are made as they are asked for.
    """
    if isinstance(dataset, Mapping):
        kind: Any = type(dataset)
        return kind({name: sentences(split) for name, split in dataset.items()})
    if not dataset.features or "sentence_starts" not in dataset.features:
        raise GonerdError(
            "these rows are no documents: `sentence_starts` is missing", remedy="Load them with gonerd.load"
        )
    return dataset.map(
        _sentence_rows,
        batched=True,
        batch_size=_SENTENCES_AT_A_TIME,
        remove_columns=list(dataset.features),
        features=_sentence_features(dataset.features),
    )


def _sentence_features(features: Mapping[str, Any]) -> Any:
    from datasets import Features, Value

    kept = {name: features[name] for name in ("tokens", "ner_tags") if name in features}
    return Features({"document_id": Value("string"), "sentence_id": Value("int32"), **kept})


def _sentence_rows(batch: Mapping[str, list[Any]]) -> dict[str, list[Any]]:
    tagged = "ner_tags" in batch
    rows: dict[str, list[Any]] = {name: [] for name in ("document_id", "sentence_id", "tokens")}
    if tagged:
        rows["ner_tags"] = []
    for place, tokens in enumerate(batch["tokens"]):
        starts = batch["sentence_starts"][place] or [0]
        for number, (start, end) in enumerate(zip(starts, [*starts[1:], len(tokens)], strict=True)):
            rows["document_id"].append(batch["id"][place])
            rows["sentence_id"].append(number)
            rows["tokens"].append(tokens[start:end])
            if tagged:
                tags = batch["ner_tags"][place]
                rows["ner_tags"].append(None if tags is None else _beginning(tags[start:end]))
    return rows


def _beginning(tags: list[int]) -> list[int]:
    """Return tags whose first, if it continues an entity, begins one."""
    return [tags[0] - 1, *tags[1:]] if tags and tags[0] > 0 and tags[0] % 2 == 0 else tags


@dataclass(frozen=True, slots=True)
class _Reading:
    """How words are given to a tokenizer, and how its sub-tokens are cut and labelled."""

    tokenizer: Any
    before: str  # what a word needs before it
    specials: Specials
    max_length: int | None
    stride: int
    all_sub_tokens: bool


def align_labels(
    tokenizer: Any,
    batch: Mapping[str, list[Any]] | None = None,
    *,
    max_length: int | None = None,
    stride: int = 0,
    all_sub_tokens: bool = False,
) -> Any:
    """Return a model's inputs for documents or sentences, with the word tags on their sub-tokens.

    Every word is tokenized as it is in running text, with a space before it where the tokenizer knows spaces. Over the
    windows of a document every word is labelled exactly once: in the window in which it is farthest from a cut. A word
    that the tokenizer leaves nothing of (an invisible character) becomes its unknown token.

        encoded = split.map(
            gonerd.align_labels(tokenizer, max_length=512, stride=128), batched=True, remove_columns=split.column_names
        )

    Args:
        tokenizer: a fast tokenizer of transformers.
        batch: columns `tokens`, `ner_tags` (integers; null or left out where they are hidden: there are no `labels`
            then) and `id` or `document_id`; without it, a function of a batch is returned, for `map(…, batched=True)`.
        max_length: sub-tokens that a model sees at once, special tokens included; None: documents stay whole.
        stride: sub-tokens that neighbouring windows share at least.
        all_sub_tokens: label every sub-token of a word, those after the first of a `B-` with its `I-`; else the first
            alone.

    Returns:
        Columns, a row a window: `document_id`, `window` (from 0), `input_ids`, `attention_mask`, `word_ids` (index of
        the word; -1 for special tokens) and `labels` (-100 where a sub-token has none, or another window's).

    Raises:
        GonerdError: the tokenizer is not a fast one, a window holds nothing, or the columns are not as described.
    """
    reading = _reading(tokenizer, max_length, stride, all_sub_tokens=all_sub_tokens)
    return partial(_align, reading) if batch is None else _align(reading, batch)


def _align(reading: _Reading, batch: Mapping[str, list[Any]]) -> dict[str, list[Any]]:
    documents = batch["tokens"]
    if documents and isinstance(documents[0], str):
        raise GonerdError("labels are aligned a batch at a time", remedy="Use map(..., batched=True)")
    names = batch.get("document_id") or batch.get("id") or list(map(str, range(len(documents))))
    every_tags = batch.get("ner_tags")
    if every_tags is not None and 0 < sum(tags is None for tags in every_tags) < len(every_tags):
        raise GonerdError("some documents have labels and some have none", remedy="Align each split by itself")
    rows: dict[str, list[Any]] = {"document_id": [], "window": []}
    given = [[f"{reading.before}{word}" for word in words] for words in documents]
    for place, encoded in enumerate(sub_tokens(reading.tokenizer, given)):
        tags = every_tags[place] if every_tags is not None else None
        ids, word_ids = _filled(encoded, len(documents[place]), reading)
        for number, window in enumerate(_windows(ids, word_ids, tags, reading)):
            rows["document_id"].append(names[place])
            rows["window"].append(number)
            for column, values in window.items():
                rows.setdefault(column, []).append(values)
    return rows


def _filled(
    encoded: tuple[list[int], list[int]], words: int, reading: _Reading
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return sub-tokens and their words, with the unknown token for each word that has none."""
    import numpy as np

    ids, word_ids = (np.array(side, dtype=np.int64) for side in encoded)
    lost = np.setdiff1d(np.arange(words), word_ids)
    if lost.size:
        unknown = reading.tokenizer.unk_token_id
        if unknown is None:
            raise GonerdError(f"the tokenizer leaves nothing of word {lost[0]}, and has no unknown token")
        places = np.searchsorted(word_ids, lost)
        ids, word_ids = np.insert(ids, places, unknown), np.insert(word_ids, places, lost)
    return ids, word_ids


def _windows(
    ids: NDArray[np.int64], word_ids: NDArray[np.int64], tags: Sequence[int] | None, reading: _Reading
) -> Iterator[dict[str, list[int]]]:
    """Yield the columns of each window of a document."""
    before, after = reading.specials.before, reading.specials.after
    special = len(before) + len(after)
    size = len(ids) or 1
    if reading.max_length is not None:
        size = reading.max_length - special
    labels = None if tags is None else _labels(word_ids, tags, all_sub_tokens=reading.all_sub_tokens)
    overlap = reading.stride if reading.max_length else 0
    for window in split_windows(len(ids), size=size, overlap=overlap, special=special):
        seen, kept = slice(window.start, window.end), slice(window.keep_start, window.keep_end)
        inside = [*before, *ids[seen].tolist(), *after]
        row = {"input_ids": inside, "attention_mask": [1] * len(inside)}
        row["word_ids"] = [*[_NO_WORD] * len(before), *word_ids[seen].tolist(), *[_NO_WORD] * len(after)]
        if labels is not None:
            head = len(before) + window.keep_start - window.start
            tail = len(after) + window.end - window.keep_end
            row["labels"] = [*[IGNORED] * head, *labels[kept].tolist(), *[IGNORED] * tail]
        yield row


def _labels(word_ids: NDArray[np.int64], tags: Sequence[int], *, all_sub_tokens: bool) -> NDArray[np.int64]:
    """Return the label of each sub-token of a whole document."""
    import numpy as np

    labels = np.array(tags, dtype=np.int64)[word_ids] if len(word_ids) else np.empty(0, dtype=np.int64)
    later = np.zeros(len(labels), dtype=np.bool_)
    later[1:] = word_ids[1:] == word_ids[:-1]
    if not all_sub_tokens:
        labels[later] = IGNORED
    else:
        labels[later & (labels % 2 == 1)] += 1
    return labels


def _reading(tokenizer: Any, max_length: int | None, stride: int, *, all_sub_tokens: bool) -> _Reading:
    if not getattr(tokenizer, "is_fast", False):
        raise GonerdError(
            "labels need a fast tokenizer, which knows the words of its sub-tokens",
            remedy="Load it with AutoTokenizer.from_pretrained(..., use_fast=True)",
        )
    own = copy.deepcopy(tokenizer)  # the caller's stays as it is
    if getattr(own, "add_prefix_space", None) is False:
        own.add_prefix_space = True  # some classes refuse words otherwise; the space is given with the word
    return _Reading(own, space_before_words(own), special_tokens(own), max_length, stride, all_sub_tokens)
