"""Scores by length, position, distance and what was seen; consistency of repeated names."""

from gonerd.evaluation.views import Tagged, consistency, surfaces, views
from gonerd.scoring import Counts


def document(words, names, predicted=None, sub_tokens=None):
    """Return a document of `words` words in which "Ann" stands at some places and is found at others."""
    gold, found = ["O"] * words, ["O"] * words
    tokens = ["x"] * words
    for place in names:
        tokens[place], gold[place] = "Ann", "B-PER"
    for place in names if predicted is None else predicted:
        found[place] = "B-PER"
    return Tagged(tokens, gold, found, words if sub_tokens is None else sub_tokens)


def named(buckets):
    return {bucket.name: bucket for bucket in buckets}


def test_documents_fall_into_their_lengths_and_small_buckets_have_no_score():
    found = views([document(10, [1], sub_tokens=512)] * 5 + [document(10, [1], [], sub_tokens=513)] * 4)
    lengths = named(found["document length"])
    assert (lengths["up to 512"].documents, lengths["up to 512"].counts) == (5, Counts(5, 5, 5))
    assert (lengths["513 to 1,024"].documents, lengths["513 to 1,024"].counts) == (4, None)
    assert (lengths["over 4,096"].documents, lengths["over 4,096"].counts) == (0, None)


def test_mentions_fall_where_they_stand():
    found = named(views([document(1200, [0, 511, 512, 1100], [0, 512])] * 5)["position in the document"])
    assert found["up to 512"].counts == Counts(5, 5, 10)
    assert found["513 to 1,024"].counts == Counts(5, 5, 5)
    assert found["1,025 to 2,048"].counts == Counts(0, 0, 5)


def test_mentions_fall_by_how_far_back_the_name_was_last():
    found = named(views([document(5000, [0, 100, 400, 1000, 4000])] * 5)["distance to the previous mention"])
    right = {name: bucket.counts.correct for name, bucket in found.items() if bucket.counts}
    assert right == {
        "first mention": 5,
        "up to 128 words": 5,
        "129 to 512 words": 5,
        "513 to 2,048 words": 5,
        "over 2,048 words": 5,
    }


def test_seen_is_told_by_the_surface():
    assert surfaces([(["Ann", "Holt", "x"], ["B-PER", "I-PER", "O"])]) == {("Ann", "Holt")}
    found = named(views([document(9, [1])] * 5, training={("Ann",)})["seen in training"])
    assert (found["seen"].counts, found["not seen"].documents) == (Counts(5, 5, 5), 0)
    assert "seen in training" not in views([document(9, [1])] * 5)


def test_every_entity_is_in_one_bucket_of_each_view():
    documents = [document(900 * n, range(0, 900 * n, 7), range(0, 900 * n, 5)) for n in range(1, 7)] * 5
    total = Counts()
    for item in documents:
        gold, found = item.gold.count("B-PER"), item.predicted.count("B-PER")
        both = sum(a == b == "B-PER" for a, b in zip(item.gold, item.predicted, strict=True))
        total += Counts(both, found, gold)
    for buckets in views(documents, training={("Ann",)}).values():
        assert sum((bucket.counts for bucket in buckets if bucket.counts), Counts()) == total


def test_consistency_counts_repeated_surfaces():
    tokens = ["Ann", "met", "Ann", "in", "Ann", "Oslo", "Oslo"]
    same = consistency([(tokens, ["B-PER", "O", "B-PER", "O", "O", "B-LOC", "B-LOC"])])
    assert (same.repeated, same.consistent, same.share) == (2, 2, 1.0)
    mixed = consistency([(tokens, ["B-PER", "O", "B-ORG", "O", "O", "B-LOC", "O"])])
    assert (mixed.repeated, mixed.consistent, mixed.share) == (1, 0, 0.0)
    assert consistency([(["a"], ["O"])]).share is None
