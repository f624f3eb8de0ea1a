import random
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gonerd import similarity
from gonerd.similarity import Signatures, SimilarityConfig, clusters, shingle_hashes, signature

CONFIG = SimilarityConfig()
WORDS = [f"word{number}" for number in range(4000)]


def text_of(seed, length=400):
    return " ".join(random.Random(seed).choices(WORDS, k=length))


def changed(text, share, seed=0):
    """The text with a share of its words replaced."""
    rng = random.Random(seed)
    return " ".join(rng.choice(WORDS) if rng.random() < share else word for word in text.split())


def groups(texts, config=CONFIG):
    return clusters({name: signature(text, config) for name, text in texts.items()}, config)


def test_near_duplicates_are_found_and_others_are_not():
    base = text_of(1)
    texts = {"a": base, "b": changed(base, 0.02), "c": text_of(2), "d": base.upper() + "!", "e": text_of(3)}
    assert groups(texts) == [["a", "b", "d"]]


@given(st.permutations(range(8)))
@settings(max_examples=30, deadline=None)
def test_clusters_do_not_depend_on_the_order(order):
    assert groups_of_eight(order) == [["t0", "t1", "t2"], ["t4", "t5"]]


def groups_of_eight(order, cache={}):  # noqa: B006 - the signatures are made once
    if not cache:
        first, second = text_of(5), text_of(6)
        texts = [first, changed(first, 0.02, 1), changed(first, 0.03, 2), text_of(7), second, second, text_of(8), ""]
        cache.update({f"t{number}": signature(text, CONFIG) for number, text in enumerate(texts)})
    return clusters({f"t{number}": cache[f"t{number}"] for number in order}, CONFIG)


def test_a_chain_of_near_duplicates_is_one_cluster():
    chain = [text_of(9)]
    for step in range(6):
        chain.append(changed(chain[-1], 0.03, step))
    assert groups({f"c{number}": text for number, text in enumerate(chain)}) == [[f"c{n}" for n in range(7)]]
    assert groups({"c0": chain[0], "c6": chain[6]}) == []


def test_the_threshold_is_what_decides():
    base = text_of(10)
    pair = {"a": base, "b": changed(base, 0.03)}
    agreement = (signature(pair["a"], CONFIG) == signature(pair["b"], CONFIG)).mean()
    assert 0.5 < agreement < 1.0
    for threshold, expected in ((agreement, [["a", "b"]]), (agreement + 0.001, []), (0.0, [["a", "b"]]), (1.0, [])):
        assert groups(pair, SimilarityConfig(threshold=threshold)) == expected


def test_the_signature_estimates_the_jaccard_similarity():
    config = SimilarityConfig(bands=128)
    for share in (0.0, 0.02, 0.1):
        first = text_of(11)
        second = changed(first, share)
        one, two = (set(shingle_hashes(text, words=5).tolist()) for text in (first, second))
        estimate = (signature(first, config) == signature(second, config)).mean()
        assert estimate == pytest.approx(len(one & two) / len(one | two), abs=0.08)


def test_identical_texts_are_one_cluster_even_at_the_highest_threshold():
    assert groups(dict.fromkeys("cab", text_of(12)), SimilarityConfig(threshold=1.0)) == [["a", "b", "c"]]


def test_texts_without_words_are_like_nothing():
    assert groups({"a": "", "b": "", "c": "…!?", "d": " \n"}) == []
    assert shingle_hashes("", words=5).size == 0


def test_texts_shorter_than_a_shingle_count_as_one():
    assert shingle_hashes("Ann ran", words=5).size == 1
    assert groups({"a": "Ann ran", "b": "ANN, ran.", "c": "Ann"}) == [["a", "b"]]


def test_shingles_know_the_order_of_their_words():
    assert shingle_hashes("a b c", words=3) != shingle_hashes("c b a", words=3)
    assert np.array_equal(shingle_hashes("x a b x a b", words=2), np.unique(shingle_hashes("x a b x a b", words=2)))


def test_thousands_of_copies_of_one_page_do_not_meet_in_all_pairs():
    made = signature(text_of(13), CONFIG)
    with Signatures(CONFIG) as copies:
        for _ in range(5000):
            copies.add(made)
        assert list(copies.clusters()) == [list(range(5000))]
        assert copies.compared < 10_000  # all pairs would be 12.5 million, in each of 32 bands


def test_thousands_of_near_copies_do_not_meet_in_all_pairs():
    base = text_of(14)
    with Signatures(CONFIG) as near:
        for number in range(1000):
            near.add(signature(f"{base} Comment {number} by reader{number}.", CONFIG))
        assert list(near.clusters()) == [list(range(1000))]
        assert near.compared < 100_000  # of 16 million


def all_pairs(signatures, config):
    """What clusters must be: every pair that agrees in a band, compared."""
    found = {number: {number} for number, values in enumerate(signatures)}
    for second, values in enumerate(signatures):
        for first in range(second):
            equal = signatures[first] == values
            bands = equal.reshape(config.bands, config.rows).all(axis=1)
            if values.any() and bands.any() and equal.mean() >= config.threshold:
                merged = found[first] | found[second]
                found.update(dict.fromkeys(merged, merged))
    groups = {tuple(sorted(group)) for group in found.values() if len(group) > 1}
    return sorted(map(list, groups))


@pytest.mark.parametrize("window", [2, 7, 50, 16_384])
@pytest.mark.parametrize("threshold", [0.2, 0.5])
def test_clusters_are_those_of_all_pairs_however_little_memory_there_is(monkeypatch, window, threshold):
    for name in ("_WINDOW", "_BLOCK", "_PAIRS", "_PART"):
        monkeypatch.setattr(similarity, name, window)
    config = SimilarityConfig(bands=16, rows=1, threshold=threshold)
    rng = np.random.default_rng(3)
    families = rng.integers(1, 2**40, size=(12, 16), dtype=np.uint64)
    rows = families[rng.integers(0, 12, size=140)]
    rows = np.where(rng.random(rows.shape) < 0.45, rng.integers(1, 30, size=rows.shape, dtype=np.uint64), rows)
    rows[10] = rows[20] = 0
    with Signatures(config) as made:
        for row in rows:
            made.add(row)
        found = list(made.clusters())
    assert found == all_pairs(rows.astype("u4"), config)
    assert 1 < len(found) < 100


def test_more_rows_in_a_bucket_than_fit_in_memory(monkeypatch):
    monkeypatch.setattr(similarity, "_WINDOW", 8)
    config = SimilarityConfig(bands=2, rows=1, threshold=0.9)
    with Signatures(config) as made:
        for number in range(50):
            made.add(np.array([7, 100 + number % 25], dtype=np.uint64))
        assert list(made.clusters()) == [[number, number + 25] for number in range(25)]


def test_the_signature_is_the_same_in_every_process():
    code = (
        "from gonerd.similarity import *; import hashlib; "
        "print(hashlib.sha256(signature('naïve Ann ran far away', SimilarityConfig()).tobytes()).hexdigest())"
    )
    outputs = {subprocess.check_output([sys.executable, "-c", code], env={"PYTHONHASHSEED": s}) for s in "12"}
    assert len(outputs) == 1
