"""The generator: the same everywhere, exact, and nothing shared between train and test."""

import itertools
import re
import subprocess
import sys
from collections import Counter
from functools import cache

import pytest

from gonerd.errors import GonerdError
from gonerd.labels import load_scheme
from gonerd.sample.generator import GeneratorConfig, generate
from gonerd.sample.generator_patterns import GENRES, compile_pattern, load_genre, read_table
from gonerd.sample.generator_text import sounds_open

SPLITS = ("train", "validation", "test")


@cache
def documents(split, count=80):
    return list(generate(count, split=split))


def surfaces(split):
    return {
        (document.text[span.start : span.end], span.label)
        for document, annotation in documents(split)
        for span in annotation.spans
    }


def test_records():
    document, annotation = next(iter(generate(1, seed=3, split="test")))
    assert (document.id, document.source, document.license) == ("generated-test-3-000000", "generated", "CC0-1.0")
    assert document.url is None
    assert document.text.startswith(document.title)
    assert (annotation.annotator, annotation.scheme) == ("generator", "gonerd")
    assert annotation.text_sha256 == document.text_sha256
    assert {span.label for _, a in documents("test") for span in a.spans} == set(load_scheme().names)


def test_a_document_depends_on_seed_split_and_number_alone():
    whole = list(generate(7, seed=5))
    parts = [*generate(2, seed=5, start=5), *generate(5, seed=5)]
    assert whole == [*parts[2:], *parts[:2]]
    assert list(generate(2, seed=5, start=3)) == whole[3:5]
    texts = {d.text for d, _ in [*whole, *generate(7, seed=6), *generate(7, seed=5, split="validation")]}
    assert len(texts) == 21


def test_the_same_in_another_process():
    code = (
        "from gonerd.sample.generator import generate;"
        "print([(d.text_sha256, [(s.start, s.end, s.label) for s in a.spans]) for d, a in generate(3, seed=9)])"
    )
    printed = {
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        ).stdout.strip()
        for seed in ("1", "2")
    }
    here = [(d.text_sha256, [(s.start, s.end, s.label) for s in a.spans]) for d, a in generate(3, seed=9)]
    assert printed == {str(here)}


def test_the_state_of_random_is_left_alone():
    import random

    random.seed(1)
    before = random.getstate()
    list(generate(1))
    assert random.getstate() == before


@pytest.mark.parametrize("split", SPLITS)
def test_spans_hold_names_and_nothing_else(split):
    for surface, label in surfaces(split):
        assert surface == surface.strip()
        assert "\n" not in surface
        first = surface.split()[0]
        assert first.lower() not in {"the", "a", "an", "mr", "ms", "dr", "sir", "dame", "professor", "judge", "mayor"}
        assert not re.search(r"['’]s?$", surface)
        assert not surface.startswith(tuple("\"'“”‘’([- "))
        assert surface[-1].isalnum() or surface.endswith((".", "’", "'")), surface
        assert not surface.endswith(".") or surface.endswith(("Inc.", "Jr.", "Sr.", "INC.", "JR.", "SR."))
        assert surface[0].isupper() or (
            label == "PER" and surface.split()[0] in read_table("shapes")["heads"]["particle"]
        )


@pytest.mark.parametrize("split", SPLITS)
def test_spans_end_at_word_ends(split):
    for document, annotation in documents(split):
        for span in annotation.spans:
            around = document.text[span.start - 1 : span.start] + document.text[span.end : span.end + 1]
            assert not any(character.isalnum() for character in around), document.text[span.start - 9 : span.end + 9]


@pytest.mark.parametrize("split", SPLITS)
def test_every_mention_of_a_full_name_is_marked(split):
    """A name of several words is never left unmarked, nor marked in part."""
    for document, annotation in documents(split)[:12]:
        marked = {(span.start, span.end) for span in annotation.spans}
        names = {document.text[start:end] for start, end in marked}
        for name in names:
            if name.count(" ") and len(name) > 8:
                for found in re.finditer(rf"(?<!\w){re.escape(name)}(?!\w)", document.text):
                    assert any(start <= found.start() and found.end() <= end for start, end in marked), name


@pytest.mark.parametrize("split", SPLITS)
def test_the_english_has_no_slips(split):
    for document, _ in documents(split):
        text = document.text
        assert not re.search(r"\b(the the|a the|an the|and and|of of|Mr Dr|Ms Dr|Mr Sir|Dr Dr)\b", text, re.IGNORECASE)
        assert not re.search(r"[{}\[\]]|[ ]{2}|,,|\.\.|,\.| [,.;]|\)['’]s|\bNone\b(?! of)", text)
        assert not re.search(r"(?m)^[a-z]|[.?!] [a-z]", re.sub(r"\b(Jr|Sr|Inc|[A-Z]|v)\. ", r"\1 ", text))
        assert text == text.strip()
        for article, word in re.findall(r"\b([Aa]n?) ([A-Za-z]\w+)", text):
            assert (article.lower() == "an") == sounds_open(word), f"{article} {word}"


@pytest.mark.parametrize(
    ("word", "an"),
    [("engineer", True), ("university", False), ("81-year-old", True), ("18", True), ("Uruguayan", True)],
)
def test_a_and_an(word, an):
    assert sounds_open(word) is an


def parts(split, ending):
    """The parts of a split's names whose kind ends in so; a country's row is three names."""
    kinds = {kind: found for kind, found in read_table("names")[split].items() if kind.endswith(ending)}
    return {(kind, form) for kind, found in kinds.items() for part in found for form in part.split("|")}


def whole_names(split):
    """Every word that the parts of a split can make."""
    names = read_table("names")[split]
    made = {
        (first + last).upper()
        for kind in ("surname", "place", "river", "brand")
        for first in names[f"{kind}_stems"]
        for last in names[f"{kind}_ends"]
    }
    return made | {form.upper() for kind, form in parts(split, "") if not kind.endswith(("_stems", "_ends"))}


def test_no_name_of_one_split_is_made_of_anothers_parts():
    for one, other in itertools.combinations(SPLITS, 2):
        assert not parts(one, "") & parts(other, "")
        assert not whole_names(one) & whole_names(other)
        for ending in ("e_stems", "r_stems", "d_stems", "_ends"):
            mine, theirs = ({form for _, form in parts(split, ending)} for split in (one, other))
            assert not mine & theirs, ending
    assert len(whole_names("train")) > 1500
    assert len(whole_names("test")) > 700


def test_no_name_of_test_is_one_of_train_or_validation():
    for one, other in itertools.combinations(SPLITS, 2):
        mine, theirs = ({surface.upper() for surface, _ in surfaces(split)} for split in (one, other))
        assert not mine & theirs


def pattern_texts(genre, split):
    kinds = load_genre(genre, split=split, typographic=False).patterns
    return {pattern.text for patterns in kinds.values() for pattern in patterns}


def test_patterns_of_test_are_its_own_and_validation_has_those_of_train():
    for genre in (*GENRES, "common"):
        train, validation, test = (pattern_texts(genre, split) for split in SPLITS)
        assert train == validation
        assert not train & test
        assert len(train | test) >= 25


def test_names_come_in_thousands_and_are_ambiguous():
    train = surfaces("train")
    assert len({surface for surface, _ in train}) > 2000
    labels = Counter(surface for surface, _ in train)
    assert sum(count > 1 for count in labels.values()) > 40


def test_a_document_comes_back_to_its_names():
    """Most long documents name somebody in full and later in short, far apart."""
    spread = 0
    long = list(generate(12, config=GeneratorConfig(minimum_words=1500, maximum_words=4000)))
    for document, annotation in long:
        people = [
            (span.start, document.text[span.start : span.end]) for span in annotation.spans if span.label == "PER"
        ]
        full = {name.split()[-1]: start for start, name in reversed(people) if " " in name}
        distances = [start - full[name] for start, name in people if name in full]
        spread += max(distances, default=0) > len(document.text) / 2
        assert len(distances) > 5
    assert spread >= 9


def test_lengths_are_those_of_the_web():
    words = sorted(len(document.text.split()) for document, _ in documents("train", 300))
    assert 700 < words[150] < 1150
    assert 0.04 < sum(count > 3000 for count in words) / 300 < 0.17
    assert words[0] >= 115
    assert words[-1] < 6120


def test_long_documents_can_be_asked_for_and_do_not_repeat_themselves():
    config = GeneratorConfig(minimum_words=4097, maximum_words=6000)
    for document, annotation in generate(3, config=config):
        assert len(document.text.split()) > 4090
        sentences = [
            s
            for s in re.split(r"(?<=[.!?])\s+", document.text)
            if len(s.split()) > 9 and any(c.isupper() for c in s[1:])
        ]
        assert Counter(sentences).most_common(1)[0][1] <= 2
        assert len({document.text[s.start : s.end] for s in annotation.spans if s.label == "PER"}) > 60


def test_one_genre_alone():
    for document, _ in generate(3, config=GeneratorConfig(genres=("obituary",))):
        assert re.search(
            r"\b(died|death|remember|has died|farewell|Obituary|dies|\d{4}–\d{4})", document.text, re.IGNORECASE
        )


@pytest.mark.parametrize(
    "settings",
    [{"minimum_words": 0}, {"minimum_words": 50, "maximum_words": 50}, {"genres": ()}, {"genres": ("sports",)}],
)
def test_impossible_settings(settings):
    with pytest.raises(GonerdError):
        GeneratorConfig(**settings)


def test_bad_arguments():
    with pytest.raises(GonerdError, match="Did you mean 'train'"):
        generate(1, split="trian")
    with pytest.raises(GonerdError):
        generate(-1)
    with pytest.raises(GonerdError, match="left over"):
        compile_pattern("{town was flooded")


@pytest.mark.slow
def test_two_thousand_documents_are_exact():
    for document, annotation in generate(2000, seed=1):
        assert annotation.spans[-1].end <= len(document.text)
