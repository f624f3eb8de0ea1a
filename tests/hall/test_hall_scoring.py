import random
import warnings

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from seqeval.metrics import sequence_labeling, v1
from seqeval.scheme import IOB2, Entities

from gonerd.errors import GonerdError
from gonerd.labels import Label, LabelScheme, load_scheme, tags_from_spans
from gonerd.records import Span
from gonerd.scoring import Counts, Scores, score_spans, score_tag_ids, score_tags

SCHEME = load_scheme()


def random_document(rng, length):
    """Tags of one of several kinds: noise, mostly O, one label's runs, or well formed."""
    kind = rng.randrange(4)
    if kind == 0:
        return rng.choices(SCHEME.tags, k=length)
    if kind == 1:
        return [rng.choice(SCHEME.tags) if rng.random() < 0.2 else "O" for _ in range(length)]
    if kind == 2:
        return rng.choices(["O", "B-PER", "I-PER"], k=length)
    spans, position = [], 0
    while position < length:
        end = min(length, position + rng.randint(1, 4))
        if rng.random() < 0.6:
            spans.append(Span(position, end, rng.choice(SCHEME.names)))
        position = end
    return tags_from_spans(length, spans)


def disturbed(rng, tags):
    """A prediction near the gold tags, or none at all like them."""
    if rng.random() < 0.2:
        return random_document(rng, len(tags))
    return [rng.choice(SCHEME.tags) if rng.random() < 0.15 else tag for tag in tags]


def random_case(rng):
    gold = [random_document(rng, rng.choice([0, 1, 2, 5, 9])) for _ in range(rng.randint(1, 3))]
    return gold, [disturbed(rng, tags) for tags in gold]


def seqeval_entities(documents, reading):
    """The entities of all documents as seqeval reads them."""
    if reading == "strict":
        return {
            (number, entity.start, entity.end, entity.tag)
            for number, entities in enumerate(Entities(documents, IOB2).entities)
            for entity in entities
        }
    return {
        (number, start, end, label)
        for number, tags in enumerate(documents)
        for label, start, end in sequence_labeling.get_entities(tags)
    }


def seqeval_counts(gold, predicted, reading):
    """Right, predicted and gold entities by type, by seqeval's reading of the tags."""
    wanted, found = (seqeval_entities(side, reading) for side in (gold, predicted))
    return {
        label: Counts(*(sum(row[3] == label for row in rows) for rows in (wanted & found, found, wanted)))
        for label in SCHEME.names
    }


def check_against_seqeval(gold, predicted):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for reading, measure, options in (
            ("strict", v1.precision_recall_fscore_support, {"scheme": IOB2}),
            ("lenient", sequence_labeling.precision_recall_fscore_support, {}),
        ):
            micro = score_tags(gold, predicted, scheme=SCHEME, reading=reading).micro
            precision, recall, f1, support = measure(gold, predicted, average="micro", **options)
            assert (micro.precision, micro.recall) == (precision, recall), (gold, predicted, reading)
            assert micro.f1 == pytest.approx(f1, abs=1e-12), (gold, predicted, reading)
            assert micro.gold == support


def check_by_type(gold, predicted):
    for reading in ("strict", "lenient"):
        ours = score_tags(gold, predicted, scheme=SCHEME, reading=reading).by_type
        assert ours == seqeval_counts(gold, predicted, reading), (gold, predicted, reading)


ADVERSARIAL = [
    ([["B-PER", "I-PER"]], [["I-PER", "I-PER"]]),
    ([["I-PER", "I-PER"]], [["B-PER", "I-PER"]]),
    ([["B-PER", "I-PER"]], [["B-PER", "B-PER"]]),
    ([["B-PER", "I-PER"]], [["B-PER", "I-LOC"]]),
    ([["B-PER", "I-LOC", "I-PER"]], [["B-PER", "I-LOC", "I-PER"]]),
    ([["B-PER"], ["I-PER"]], [["B-PER"], ["I-PER"]]),
    ([["B-PER"], [], ["B-PER"]], [["B-PER"], [], ["I-PER"]]),
    ([["O", "O"]], [["O", "O"]]),
    ([["O"]], [["B-PER"]]),
    ([["B-PER"]], [["O"]]),
    ([["B-ORG", "I-ORG", "O", "B-LOC"]], [["B-ORG", "I-ORG", "I-ORG", "B-LOC"]]),
    ([["I-PER", "B-PER", "I-PER", "I-LOC"]], [["B-PER", "B-PER", "I-PER", "B-LOC"]]),
]


@pytest.mark.parametrize(("gold", "predicted"), ADVERSARIAL)
def test_awkward_tags_score_as_in_seqeval(gold, predicted):
    check_against_seqeval(gold, predicted)
    check_by_type(gold, predicted)


def test_thousands_of_random_cases_score_as_in_seqeval():
    rng = random.Random(1)
    for _ in range(2000):
        check_by_type(*random_case(rng))
    for _ in range(300):
        check_against_seqeval(*random_case(rng))


@pytest.mark.slow
def test_a_hundred_thousand_random_cases_score_as_in_seqeval():
    rng = random.Random(2)
    for _ in range(100_000):
        check_by_type(*random_case(rng))
    for _ in range(10_000):
        check_against_seqeval(*random_case(rng))


pairs = st.lists(
    st.lists(st.tuples(st.sampled_from(SCHEME.tags), st.sampled_from(SCHEME.tags)), max_size=10), max_size=6
)


def sides(rows):
    return [[g for g, _ in row] for row in rows], [[p for _, p in row] for row in rows]


@given(pairs, st.randoms(use_true_random=False))
@example([], random.Random(0))
def test_the_score_does_not_depend_on_the_order_of_documents(rows, rng):
    shuffled = list(rows)
    rng.shuffle(shuffled)
    for reading in ("strict", "lenient"):
        first, second = (score_tags(*sides(r), scheme=SCHEME, reading=reading) for r in (rows, shuffled))
        assert first == second


@given(pairs)
def test_the_counts_of_documents_add_up(rows):
    for reading in ("strict", "lenient"):
        each = [score_tags(*sides([row]), scheme=SCHEME, reading=reading).micro for row in rows]
        assert sum(each, Counts()) == score_tags(*sides(rows), scheme=SCHEME, reading=reading).micro


@given(pairs)
def test_swapping_gold_and_prediction_swaps_precision_and_recall(rows):
    gold, predicted = sides(rows)
    there, back = (score_tags(*pair, scheme=SCHEME).micro for pair in ((gold, predicted), (predicted, gold)))
    assert (there.precision, there.recall, there.f1) == (back.recall, back.precision, back.f1)


@given(pairs)
def test_no_count_is_lower_in_the_lenient_reading(rows):
    strict, lenient = (score_tags(*sides(rows), scheme=SCHEME, reading=r).by_type for r in ("strict", "lenient"))
    for label in SCHEME.names:
        assert strict[label].correct <= lenient[label].correct
        assert strict[label].predicted <= lenient[label].predicted
        assert strict[label].gold <= lenient[label].gold


def test_f1_may_be_higher_in_either_reading():
    for predicted, higher in ((["I-PER", "O"], "lenient"), (["B-PER", "I-LOC"], "strict")):
        strict, lenient = (
            score_tags([["B-PER", "O"]], [predicted], scheme=SCHEME, reading=reading).micro.f1
            for reading in ("strict", "lenient")
        )
        assert (lenient > strict) if higher == "lenient" else (strict > lenient)


def test_nothing_against_nothing_is_zero_everywhere():
    scores = score_tags([], [], scheme=SCHEME)
    assert (scores.micro, scores.macro_f1, scores.micro.f1) == (Counts(), 0.0, 0.0)


def test_macro_f1_averages_over_the_types_that_occur():
    scores = Scores({"A": Counts(1, 1, 1), "B": Counts(0, 0, 1), "C": Counts(0, 1, 0), "D": Counts()})
    assert scores.macro_f1 == pytest.approx(1 / 3)


def test_sides_of_different_length_are_refused():
    for gold, predicted in (([["O"]], [["O", "O"]]), ([["O"]], []), ([["O"], []], [[], ["O"]])):
        with pytest.raises(ValueError, match="differ in documents or in tokens"):
            score_tags(gold, predicted, scheme=SCHEME)
    with pytest.raises(ValueError, match="2 gold tags but 1 predicted"):
        score_tag_ids(np.array([0, 0]), np.array([0]), np.array([0]), scheme=SCHEME)


def test_a_tag_outside_the_scheme_is_named_with_its_place():
    with pytest.raises(GonerdError, match="document 1, token 1: unknown tag 'B-DATE'"):
        score_tags([["O"], ["O", "O"]], [["O"], ["O", "B-DATE"]], scheme=SCHEME)


def test_a_scheme_of_a_hundred_labels():
    scheme = LabelScheme("wide", tuple(Label(f"L{number}", "") for number in range(100)))
    gold = [[f"B-L{number}" for number in range(100)]]
    assert score_tags(gold, gold, scheme=scheme).micro == Counts(100, 100, 100)


spans = st.lists(
    st.builds(lambda s, n, label: Span(s, s + n, label), st.integers(0, 9), st.integers(1, 3), st.sampled_from("AB")),
    max_size=5,
)


@given(st.dictionaries(st.sampled_from("xyz"), spans), st.dictionaries(st.sampled_from("xyz"), spans))
def test_score_spans_counts_exact_spans_as_sets(gold, predicted):
    wanted, found = ({(k, s) for k, v in side.items() for s in v} for side in (gold, predicted))
    scores = score_spans(gold, predicted, labels="AB")
    assert scores.micro == Counts(len(wanted & found), len(found), len(wanted))
    reverse = dict(reversed(predicted.items()))
    assert score_spans(gold, {k: v[::-1] for k, v in reverse.items()}, labels="AB") == scores


def test_score_spans_names_a_label_it_does_not_know():
    with pytest.raises(GonerdError, match=r"document 'x': unknown label 'PERS'. Did you mean 'PER'"):
        score_spans({}, {"x": [Span(0, 1, "PERS")]}, labels=SCHEME.names)


def test_ten_million_tags_are_scored():
    tokens = 10_000_000
    rng = np.random.default_rng(0)
    gold = np.zeros(tokens, dtype=np.int8)
    first = rng.integers(0, tokens - 1, 300_000)
    gold[first], gold[first + 1] = 1, 2
    predicted = gold.copy()
    predicted[rng.integers(0, tokens, 100_000)] = 3
    scores = score_tag_ids(gold, predicted, np.arange(0, tokens, 1000), scheme=SCHEME)
    assert 0.5 < scores.micro.f1 < 1.0
