"""SemEval's classes and kinds of error: against nervaluate where it does not depend on order, and by hand."""

import random

import numpy as np
import pytest

from gonerd.labels import Label, LabelScheme, entity_table, load_scheme
from gonerd.semeval import ErrorKind, pair_entities

SCHEME = load_scheme("gonerd")


def table(tags, scheme=SCHEME):
    return entity_table(np.array(scheme.tag_ids(tags)), np.array([0]), reading="strict")


def paired(gold, predicted, scheme=SCHEME):
    return pair_entities(table(gold.split(), scheme), table(predicted.split(), scheme))


CASES = {
    ErrorKind.MISSED: ("B-PER I-PER", "O O"),
    ErrorKind.SPURIOUS: ("O O", "B-PER I-PER"),
    ErrorKind.WRONG_TYPE: ("B-PER I-PER", "B-ORG I-ORG"),
    ErrorKind.WRONG_BOUNDARY: ("B-PER I-PER", "B-PER O"),
    ErrorKind.BOTH: ("B-PER I-PER", "O B-ORG"),
}


@pytest.mark.parametrize("kind", CASES)
def test_each_kind_of_error(kind):
    pairing = paired(*CASES[kind])
    assert {name: count for name, count in pairing.error_counts().items() if count} == {kind: 1}
    ((found, gold, predicted),) = pairing.errors()
    assert found is kind
    assert (gold is None, predicted is None) == (kind is ErrorKind.SPURIOUS, kind is ErrorKind.MISSED)


def test_classes_by_hand():
    gold = "B-PER I-PER O B-ORG O B-LOC O B-MISC I-MISC"
    predicted = "B-PER I-PER O B-LOC O O O O B-MISC"
    classes = paired(gold, predicted).classes(SCHEME)
    assert {name: scores.micro.gold_points for name, scores in classes.items()} == {
        "exact": 2,
        "partial": 2.5,
        "type": 2,
    }
    assert classes["exact"].micro.precision == 2 / 3
    assert classes["exact"].micro.recall == 2 / 4
    org = classes["exact"].by_type["ORG"]  # found, under another name: recall without precision
    assert (org.recall, org.precision, org.f1) == (1.0, 0.0, 0.0)
    assert paired("O", "O").classes(SCHEME)["exact"].macro_f1 == 0.0


def test_the_better_partner_is_taken_whatever_the_order():
    # One long gold entity, two predicted inside it: the one of its type, though shorter and later.
    pairing = paired("B-PER I-PER I-PER I-PER", "B-ORG I-ORG O B-PER")
    assert pairing.pairs.tolist() == [[0, 1]]
    assert pairing.error_counts()[ErrorKind.SPURIOUS] == 1
    # The same boundaries before a longer overlap.
    pairing = paired("B-PER B-PER I-PER O", "B-ORG B-PER I-PER I-PER")
    assert pairing.pairs.tolist() == [[0, 0], [1, 1]]


def random_tags(draw, length, types):
    tags = []
    while len(tags) < length:
        if draw.random() < 0.5:
            tags.append("O")
            continue
        label, width = draw.choice(types), min(draw.choice((1, 1, 2, 3)), length - len(tags))
        tags += [f"B-{label}", *[f"I-{label}"] * (width - 1)]
    return tags


def perturbed(draw, tags, types):
    """Return other tags near the given ones."""
    found = list(tags)
    for place, tag in enumerate(tags):
        if draw.random() < 0.15:
            found[place] = draw.choice(["O", f"B-{draw.choice(types)}"])
        elif tag[0] == "I" and found[place - 1][2:] != tag[2:]:
            found[place] = f"B-{tag[2:]}"
    return [tag if tag[0] != "I" or (place and found[place - 1][2:] == tag[2:]) else f"B-{tag[2:]}"
            for place, tag in enumerate(found)]  # fmt: skip


def test_every_entity_is_right_or_in_one_error():
    draw = random.Random(5)
    for _ in range(300):
        gold = random_tags(draw, draw.randrange(0, 30), ("PER", "ORG"))
        predicted = perturbed(draw, gold, ("PER", "ORG"))
        left, right = table(gold), table(predicted)
        pairing = pair_entities(left, right)
        errors = list(pairing.errors())
        correct = len({tuple(row) for row in left.tolist()} & {tuple(row) for row in right.tolist()})
        golds, predictions = [e[1] for e in errors if e[1] is not None], [e[2] for e in errors if e[2] is not None]
        assert len(set(golds)) == len(golds) == len(left) - correct
        assert len(set(predictions)) == len(predictions) == len(right) - correct
        assert pairing.error_counts() == {kind: sum(e[0] is kind for e in errors) for kind in ErrorKind}
        flipped = pair_entities(right, left)
        assert len(flipped.pairs) == len(pairing.pairs)


def order_matters(left, right):
    """Tell whether an entity overlaps two of the other side, where nervaluate counts by the order of lists."""
    overlaps = [(i, j) for i, a in enumerate(left) for j, b in enumerate(right) if a[0] < b[1] and b[0] < a[1]]
    return len({i for i, _ in overlaps}) < len(overlaps) or len({j for _, j in overlaps}) < len(overlaps)


@pytest.mark.parametrize("cases", [150, pytest.param(20_000, marks=pytest.mark.slow)])
def test_equal_to_nervaluate_where_it_does_not_depend_on_order(cases):
    nervaluate = pytest.importorskip("nervaluate")
    scheme = LabelScheme("two", (Label("PER", "people"), Label("ORG", "bodies")))
    draw, compared = random.Random(9), 0
    while compared < cases:
        gold = random_tags(draw, draw.randrange(1, 25), ("PER", "ORG"))
        predicted = perturbed(draw, gold, ("PER", "ORG"))
        left, right = table(gold, scheme), table(predicted, scheme)
        if order_matters(left.tolist(), right.tolist()):
            continue
        compared += 1
        evaluator = nervaluate.Evaluator([gold], [predicted], tags=["PER", "ORG"], loader="list")
        theirs = evaluator.evaluate()["overall"]
        ours = pair_entities(left, right).classes(scheme)
        for mine, name in (("exact", "exact"), ("partial", "partial"), ("type", "ent_type")):
            figures = theirs[name]
            points = figures.correct + 0.5 * (figures.partial if mine == "partial" else 0)
            assert ours[mine].micro.gold_points == points, (gold, predicted, name)
            assert (ours[mine].micro.gold, ours[mine].micro.predicted) == (figures.possible, figures.actual)
