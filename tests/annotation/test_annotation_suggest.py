import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gonerd.annotation import rules
from gonerd.annotation.gazetteer import NAMED, names
from gonerd.annotation.suggest import SUGGESTERS, SuggestConfig, suggest
from gonerd.errors import GonerdError
from gonerd.labels import Label, LabelScheme, load_scheme, spans_from_tags, tags_from_spans, token_spans
from gonerd.records import Annotation, Document, check_flat, normalize_text
from gonerd.resources import folder
from gonerd.scoring import score_tags

pytest.importorskip("spacy")


def found(text: str) -> list[tuple[str, str]]:
    document = Document("d", text, "s")
    (annotation,) = suggest([document], config=SuggestConfig(), scheme=load_scheme())
    return [(text[span.start : span.end], span.label) for span in annotation.spans]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Yesterday Mr. Ostrander left for France.", [("Ostrander", "PER"), ("France", "LOC")]),
        ("They met Lt. Col. Anna Grelle there.", [("Anna Grelle", "PER")]),
        ("We heard that Margaret Quillane sang.", [("Margaret Quillane", "PER")]),
        ("He taught at the University of Tarnby.", [("University of Tarnby", "ORG")]),
        ("She works for Brellick Marine Ltd.", [("Brellick Marine Ltd", "ORG")]),
        ("They crossed the Corrow Bridge on foot.", [("Corrow Bridge", "LOC")]),
        ("A Norwegian and two Catholics came.", [("Norwegian", "MISC"), ("Catholics", "MISC")]),
        ("New York and Trinidad and Tobago.", [("New York", "LOC"), ("Trinidad and Tobago", "LOC")]),
        ("In April the sun came out on Monday.", []),
        ("It was Margaret Quillane's boat.", [("Margaret Quillane", "PER")]),
        ("It was Margaret Quillane’s boat.", [("Margaret Quillane", "PER")]),
        ("😀 We saw Dr. Élodie Prévôt-Marsh in Łódź.", [("Élodie Prévôt-Marsh", "PER"), ("Łódź", "LOC")]),
    ],
)
def test_rules_one_by_one(text, expected):
    assert [(surface.rstrip("."), label) for surface, label in found(text)] == expected


def test_surname_alone_is_found_again_also_where_a_capital_says_nothing():
    text = "Later Margaret Quillane spoke.\n\nQuillane was brief.\n\nQUILLANE SPEAKS AT LAST\n\nAnd Quillane left."
    assert [label for surface, label in found(text) if surface.lower() == "quillane"] == ["PER"] * 3


def test_acronym_in_brackets_follows_its_organisation():
    text = "We asked the Tarn Valley Water Authority (TVWA). Later the TVWA agreed."
    assert found(text).count(("TVWA", "ORG")) == 2


def test_words_that_the_document_writes_small_are_no_names():
    assert found("The borrower pays. Then the Borrower pays again.") == []
    assert ("Issuer", "ORG") not in found('Acme Ltd (the "Issuer") sold bonds. All bonds of the Issuer count.')


WORDS = [
    "Ann",
    "Holt",
    "of",
    "the",
    "(",
    ")",
    "'s",
    "Mr.",
    "University",
    "😀",
    "-",
    "é",
    "“",
    "תל",
    "New",
    "York",
    "and",
    "Trinidad",
    "Tobago",
    "al-Qaeda",
    "&",
    "The",
    "Hague",
    "de",
]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from([*WORDS, "\n"]), min_size=1, max_size=25))
def test_any_words_give_flat_spans_without_white_space_at_the_edges(words):
    text = normalize_text(" ".join(words))
    document = Document("d", text, "s")
    (annotation,) = suggest([document], config=SuggestConfig(), scheme=load_scheme())
    check_flat(annotation.spans, owner="test")
    surfaces = [text[span.start : span.end] for span in annotation.spans]
    assert all(surface == surface.strip() and surface for surface in surfaces)
    assert not any("\n" in surface for surface in surfaces)


def test_a_document_alone_and_among_others_is_the_same_and_text_order_is_kept():
    texts = ["Mr. Holt came.", "Holt is a word for wood. A holt.", "Nothing here."]
    documents = [Document(str(number), text, "s") for number, text in enumerate(texts)]
    together = list(suggest(documents, config=SuggestConfig(), scheme=load_scheme()))
    alone = [next(suggest([one], config=SuggestConfig(), scheme=load_scheme())) for one in reversed(documents)]
    assert together == alone[::-1]
    assert [item.annotator for item in together] == ["rules"] * 3


def test_progress_counts_documents():
    seen = []
    documents = [Document("a", "One.", "s"), Document("b", "Two.", "s")]
    list(suggest(documents, config=SuggestConfig(), scheme=load_scheme(), progress=lambda *at: seen.append(at)))
    assert seen == [(1, None), (2, None)]


def test_unknown_suggester_and_unfit_scheme_are_errors():
    with pytest.raises(GonerdError, match="Did you mean 'rules'"):
        next(suggest([], config=SuggestConfig(with_="rule"), scheme=load_scheme()))
    with pytest.raises(GonerdError, match="no argument"):
        next(suggest([], config=SuggestConfig(with_="rules:x"), scheme=load_scheme()))
    with pytest.raises(GonerdError, match="has no ORG"):
        SUGGESTERS["rules"]("", LabelScheme("small", (Label("PER", "people"),)))


def test_gazetteers_are_sorted_clean_and_without_repeats():
    for path in sorted((folder("annotation") / "gazetteers").glob("*.txt")):
        head, *lines = path.read_text(encoding="utf-8").splitlines()
        assert head.startswith("# ")
        assert lines == sorted(set(lines), key=lambda line: (line.casefold(), line)), path.name
        assert all(line == line.strip() == normalize_text(line) for line in lines), path.name
    for name in NAMED:
        assert names(name)


def test_long_documents_go_whole():
    text = "They saw Mr. Ostrander in the end. " * 3000
    (annotation,) = suggest([Document("d", text, "s")], config=SuggestConfig(), scheme=load_scheme())
    assert len(annotation.spans) == 3000


@pytest.mark.parametrize("word", ["Paris", "Mr.", "Ann", "Zzyx", "University of", "de", "“"])
def test_endless_runs_end(word):
    text = f"We saw {' '.join([word] * 5000)} there."
    (annotation,) = suggest([Document("d", text, "s")], config=SuggestConfig(), scheme=load_scheme())
    assert all(span.end - span.start < 400 for span in annotation.spans)


def test_floor_on_human_gold(shared):
    """The strict span F1 on 20 of the test documents, each from another place; the whole test split gives .66."""
    lines = (shared / "gold" / "test.jsonl").read_text(encoding="utf-8").splitlines()[::4][:20]
    gold, predicted = [], []
    for row in map(json.loads, lines):
        spans = rules.find(rules.pipeline()(row["text"]))
        on_tokens = token_spans(row["token_starts"], row["tokens"], spans)
        gold.append(row["ner_tags"])
        predicted.append(tags_from_spans(len(row["tokens"]), on_tokens))
        assert len(spans_from_tags(predicted[-1])) == len(on_tokens)
    assert score_tags(gold, predicted, scheme=load_scheme()).micro.f1 > 0.55


def test_annotations_carry_the_texts_hash():
    document = Document("d", "Mr. Holt.", "s")
    (annotation,) = suggest([document], config=SuggestConfig(), scheme=load_scheme())
    assert isinstance(annotation, Annotation)
    assert annotation.text_sha256 == document.text_sha256


def test_a_longer_name_is_not_laid_over_a_part_that_has_its_own_label():
    headline = "Home Depot sales miss, shares plunge"
    text = f"{headline}\n\nThe shop HOME DEPOT said that Home Depot and Depot fell.\n\nOne Depot."
    (annotation,) = suggest([Document("d", text, "s")], config=SuggestConfig(), scheme=load_scheme())
    check_flat(annotation.spans, owner="d")
    assert "Home Depot" in [text[span.start : span.end] for span in annotation.spans]
