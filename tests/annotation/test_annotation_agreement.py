import json
import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gonerd.annotation.agreement import Interval, agreement
from gonerd.annotation.token_agreement import cohen_kappa, krippendorff_alpha, token_labels, units_of
from gonerd.errors import GonerdError
from gonerd.formats import jsonl
from gonerd.records import Annotation, Document, Span

TEXT = "Ann Holt of Acme met Ben in Oslo"
DOCUMENTS = [Document(f"d{number}", TEXT + " ." * number, "s") for number in range(4)]
ANN, HOLT, BOTH, ACME, BEN, OSLO = (0, 3), (4, 8), (0, 8), (12, 16), (21, 24), (28, 32)


def spans(*places: tuple[tuple[int, int], str]) -> tuple[Span, ...]:
    return tuple(Span(*bounds, label) for bounds, label in places)


def passes(**by_name: list[tuple[Span, ...]]) -> dict[str, list[Annotation]]:
    return {
        name: [
            Annotation(document.id, document.text_sha256, name, "gonerd", marked)
            for document, marked in zip(DOCUMENTS, side, strict=False)
        ]
        for name, side in by_name.items()
    }


FULL = spans((BOTH, "PER"), (ACME, "ORG"), (OSLO, "LOC"))


def test_identical_passes_agree_fully():
    result = agreement(passes(ann=[FULL] * 4, ben=[FULL] * 4), DOCUMENTS)
    (pair,) = result.pairs
    assert (pair.exact.f1, pair.type_only.f1, pair.boundary_only.f1, pair.kappa) == (1, 1, 1, 1)
    assert pair.exact_interval == Interval(1, 1)
    assert all(document.differences == 0 for document in result.ranking)


def test_disjoint_passes_agree_on_nothing():
    (pair,) = agreement(passes(ann=[FULL], ben=[spans((BEN, "PER"))]), DOCUMENTS).pairs
    assert (pair.exact.f1, pair.type_only.f1, pair.boundary_only.f1) == (0, 0, 0)
    assert pair.kappa <= 0
    assert pair.exact_interval == Interval(0, 0)


def test_empty_passes_agree():
    (pair,) = agreement(passes(ann=[()], ben=[()]), DOCUMENTS).pairs
    assert pair.exact.f1 == 1
    assert pair.kappa == 1
    (pair,) = agreement(passes(ann=[FULL], ben=[()]), DOCUMENTS).pairs
    assert pair.exact.f1 == 0
    assert pair.kappa == 0


def test_each_kind_of_f1_by_hand():
    ann = spans((BOTH, "PER"), (ACME, "ORG"), (BEN, "PER"), (OSLO, "LOC"))
    ben = spans((HOLT, "PER"), (ACME, "LOC"), (OSLO, "LOC"))
    (pair,) = agreement(passes(ann=[ann], ben=[ben]), DOCUMENTS).pairs
    assert pair.exact.shared == 1
    assert pair.exact.f1 == pytest.approx(2 / 7)
    assert pair.type_only.f1 == pytest.approx(4 / 7)  # Ann Holt with Holt, Oslo
    assert pair.boundary_only.f1 == pytest.approx(4 / 7)  # Acme, Oslo
    assert pair.by_label["LOC"].exact.f1 == pytest.approx(2 / 3)
    assert pair.confusion["ORG"] == {"LOC": 1, "ORG": 0, "PER": 0, "-": 0}
    assert pair.confusion["LOC"]["LOC"] == 1


def test_one_long_span_counts_once_against_two_short_ones():
    (pair,) = agreement(passes(ann=[spans((BOTH, "PER"))], ben=[spans((ANN, "PER"), (HOLT, "PER"))]), DOCUMENTS).pairs
    assert pair.type_only.shared == 1
    assert pair.type_only.f1 == pytest.approx(2 / 3)


def test_kappa_by_hand():
    # 8 tokens. ann: PER PER O ORG O O O LOC; ben: PER O O ORG O PER O LOC. Agreed 6 of 8.
    ann, ben = FULL, spans((ANN, "PER"), (ACME, "ORG"), (BEN, "PER"), (OSLO, "LOC"))
    (pair,) = agreement(passes(ann=[ann], ben=[ben]), DOCUMENTS).pairs
    chance = (2 * 2 + 4 * 4 + 1 + 1) / 64
    assert pair.tokens == 8
    assert pair.kappa == pytest.approx((6 / 8 - chance) / (1 - chance))


def test_kappa_of_cohens_own_kind_of_table():
    table = {("a", "a"): 20, ("a", "b"): 5, ("b", "a"): 10, ("b", "b"): 15}
    assert cohen_kappa(table) == pytest.approx(0.4)  # observed .7, by chance .5
    assert cohen_kappa({}) == 1


def test_tokens_take_the_label_of_the_span_they_meet():
    text = "😀Ána, (O’Neill) תל אביב"
    marked = [Span(1, 4, "PER"), Span(7, 14, "PER"), Span(16, 23, "LOC")]
    assert [text[span.start : span.end] for span in marked] == ["Ána", "O’Neill", "תל אביב"]
    assert token_labels(text, marked) == ["O", "PER", "O", "O", "PER", "PER", "PER", "O", "LOC", "LOC"]


def test_nothing_depends_on_order_or_on_who_comes_first():
    generator = random.Random(3)
    places = [BOTH, ACME, BEN, OSLO]

    def side() -> list[tuple[Span, ...]]:
        return [
            spans(*((place, generator.choice(["PER", "LOC"])) for place in places if generator.random() < 0.7))
            for _ in DOCUMENTS
        ]

    first, second = side(), side()
    base = agreement(passes(ann=first, ben=second), DOCUMENTS)
    turned = {name: given[::-1] for name, given in reversed(passes(ann=first, ben=second).items())}
    assert agreement(turned, DOCUMENTS[::-1]) == base
    (here,), (there,) = base.pairs, agreement(passes(ann=second, ben=first), DOCUMENTS).pairs
    assert (here.exact.f1, here.exact_interval) == (there.exact.f1, there.exact_interval)
    assert (here.type_only.f1, here.boundary_only.f1, here.kappa) == (
        there.type_only.f1,
        there.boundary_only.f1,
        there.kappa,
    )
    labels = here.confusion.keys()
    assert all(here.confusion[x][y] == there.confusion[y][x] for x in labels for y in labels)


@given(st.data())
def test_overlaps_are_paired_as_often_as_can_be(data):
    def side() -> tuple[Span, ...]:
        cuts = sorted(data.draw(st.sets(st.integers(0, 24), max_size=10)))
        return tuple(Span(start, end, "PER") for start, end in zip(cuts[::2], cuts[1::2], strict=False))

    first, second = side(), side()
    (pair,) = agreement(passes(ann=[first], ben=[second]), DOCUMENTS).pairs
    assert pair.type_only.shared == best_matching(list(first), list(second))


def best_matching(first: list[Span], second: list[Span]) -> int:
    if not first:
        return 0
    head, rest = first[0], first[1:]
    meeting = [other for other in second if head.start < other.end and other.start < head.end]
    tries = [best_matching(rest, second)]
    tries += [1 + best_matching(rest, [span for span in second if span != other]) for other in meeting]
    return max(tries)


def test_three_annotators_give_three_pairs_and_a_ranking():
    rough = spans((BEN, "ORG"))
    result = agreement(passes(cy=[FULL, rough], ann=[FULL, FULL, FULL], ben=[FULL, FULL]), DOCUMENTS)
    assert [(pair.first, pair.second, pair.documents) for pair in result.pairs] == [
        ("ann", "ben", 2),
        ("ann", "cy", 2),
        ("ben", "cy", 2),
    ]
    assert result.annotators == {"ann": 3, "ben": 2, "cy": 2}
    assert result.documents == 2
    assert [(item.document_id, item.differences) for item in result.ranking] == [("d1", 8), ("d0", 0)]


def test_result_is_json():
    result = agreement(passes(ann=[FULL], ben=[FULL]), DOCUMENTS)
    assert json.loads(jsonl.dumps(result))["pairs"][0]["by_label"]["PER"]["exact"]["f1"] == 1


def test_unfit_passes_are_errors():
    both = passes(ann=[FULL], ben=[FULL])
    with pytest.raises(GonerdError, match="two annotators or more"):
        agreement({"ann": both["ann"]}, DOCUMENTS)
    with pytest.raises(GonerdError, match="two passes by 'ann'"):
        agreement({**both, "ann": both["ann"] * 2}, DOCUMENTS)
    with pytest.raises(GonerdError, match="missing"):
        agreement(both, DOCUMENTS[1:])
    with pytest.raises(GonerdError, match="another text"):
        agreement(both, [Document("d0", "Something else", "s")])
    with pytest.raises(GonerdError, match="no document has the passes"):
        agreement({"ann": both["ann"], "ben": passes(ben=[FULL, FULL])["ben"][1:]}, DOCUMENTS)
    other = [Annotation("d0", DOCUMENTS[0].text_sha256, "ben", "other", ())]
    with pytest.raises(GonerdError, match="different label schemes"):
        agreement({**both, "ben": other}, DOCUMENTS)
    beyond = [Annotation("d0", DOCUMENTS[0].text_sha256, "ben", "gonerd", (Span(30, 99, "PER"),))]
    with pytest.raises(GonerdError, match="ends after the text"):
        agreement({**both, "ben": beyond}, DOCUMENTS)


@given(st.lists(st.lists(st.sampled_from(["PER", "ORG", "O", None]), min_size=3, max_size=3), min_size=1, max_size=30))
def test_alpha_is_that_of_the_library_for_it(rows):
    krippendorff = pytest.importorskip("krippendorff")
    values = ["PER", "ORG", "O"]
    counts = [[row.count(value) for value in values] for row in rows]
    paired = [row for row in counts if sum(row) > 1]
    units = Counter(tuple((value, times) for value, times in zip(values, row, strict=True) if times) for row in counts)
    if not paired or len({value for row in paired for value, n in zip(values, row, strict=True) if n}) < 2:
        assert krippendorff_alpha(units) == 1.0  # the library refuses to say
        return
    expected = krippendorff.alpha(value_counts=counts, level_of_measurement="nominal")
    assert krippendorff_alpha(units) == pytest.approx(expected)


def test_alpha_counts_the_tokens_of_all_annotators():
    text, spans = "Ann Holt left Oslo", (Span(0, 8, "PER"),)
    units = units_of(text, [spans, spans, ()])
    assert units == Counter({(("O", 1), ("PER", 2)): 2, (("O", 3),): 2})


def test_each_source_has_its_own_figures():
    texts = ["Ann Holt met Ben in Oslo."] * 4
    documents = [Document(str(n), text + " " * n, "news" if n < 3 else "court") for n, text in enumerate(texts)]
    given = {
        name: [Annotation(one.id, one.text_sha256, name, "gonerd", spans) for one in documents]
        for name, spans in {"ann": (Span(0, 8, "PER"),), "ben": (Span(0, 8, "PER"),), "eve": ()}.items()
    }
    given["ben"][3] = Annotation("3", documents[3].text_sha256, "ben", "gonerd", (Span(0, 8, "ORG"),))
    result = agreement(given, documents)
    pair = result.pairs[0]
    assert (pair.by_source["news"].exact.f1, pair.by_source["court"].exact.f1) == (1, 0)
    assert pair.by_source["court"].boundary_only.f1 == 1
    assert pair.by_source["news"].documents == 3
    assert list(result.alpha_by_source) == ["court", "news"]
    assert result.alpha_by_source["court"] < result.alpha_by_source["news"] < 1
    assert pair.confusion["PER"] == {"ORG": 1, "PER": 3, "-": 0}
    assert result.pairs[1].confusion["PER"]["-"] == 4
