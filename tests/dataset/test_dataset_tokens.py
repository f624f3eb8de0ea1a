import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gonerd.dataset import tokens as module
from gonerd.dataset.tokens import Tokenizer, tokenizer_settings

TOKENIZER = module.tokenizer()
AWKWARD = "👩‍👩‍👧 José e\u0301t\u0308 שלום,עולם مرحبا\u200fx a\u00a0b\u2028c\u200bd <b>Bob</b>  \t\n\n 's -- AT&T’s"


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=80))
@example(AWKWARD)
@example("\n\n  ")
def test_tokens_are_the_text_without_white_space(text):
    found = TOKENIZER(text)
    end = 0
    for token, start in zip(found.tokens, found.token_starts, strict=True):
        assert text[start : start + len(token)] == token
        assert start >= end
        assert token
        assert not any(character.isspace() for character in token)
        assert not text[end:start].strip()
        end = start + len(token)
    assert not text[end:].strip()


def test_separators_stand_alone():
    found = TOKENIZER("Franco-British Ryan/Reuters O'Brien's -led led- don’t <b>Bob</b> 3.5% 9:25 3,000 AT&T U.S.-led")
    assert " ".join(found.tokens) == (
        "Franco - British Ryan / Reuters O ' Brien 's - led led - do n’t < b > Bob < / b > "
        "3.5 % 9:25 3,000 AT&T U.S. - led"
    )


@pytest.fixture(scope="module")
def searching():
    """The same rules, looked for in the whole of a word as spaCy does it."""
    from spacy.util import compile_prefix_regex, compile_suffix_regex

    made = Tokenizer()
    rules, separator = made._language.Defaults, "[" + "".join(f"\\{one}" for one in module.SEPARATORS) + "]"
    made._language.tokenizer.prefix_search = compile_prefix_regex([separator, *rules.prefixes]).search
    made._language.tokenizer.suffix_search = compile_suffix_regex([separator, *rules.suffixes]).search
    return made


RUNS = st.lists(
    st.sampled_from(["-", "'s", "...", ".", ",", "?!", "$", "5km", "US$", "😀", "(", "e.g.", "x", "A.B"]), min_size=20
)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(RUNS, st.sampled_from(["", " ", "\n"])), max_size=3))
@example([(["."] * 200 + ["x"] + ["."] * 90, ""), (["5km"] + ["."] * 60 + [","], "")])
def test_endings_are_those_of_the_whole_word(searching, runs):
    text = "".join("".join(signs) + after for signs, after in runs)
    assert TOKENIZER(text) == searching(text)


@pytest.mark.parametrize("sign", ["-", "(", "?!", "'s", "$"])
def test_a_run_of_signs_takes_no_minutes(sign):
    begun = time.process_time()
    assert "".join(TOKENIZER(sign * 10_000).tokens) == sign * 10_000
    assert time.process_time() - begun < 5  # 10 to 60 where each look goes over all that is left


def test_sentences_start_at_tokens_and_at_blank_lines():
    found = TOKENIZER("  A headline\n\nIt rained. It\nstopped!   \n\n\n")
    assert [found.tokens[start] for start in found.sentence_starts] == ["A", "It", "It"]
    assert TOKENIZER("").sentence_starts == TOKENIZER(" \n\n ").sentence_starts == ()


def test_tokens_depend_on_the_text_alone(monkeypatch):
    texts = [f"Mr. Lake-{n} said it’s {n}% of A{n}/B in the U.S." for n in range(20)]
    alone = [TOKENIZER(text) for text in texts[:3]]
    assert [TOKENIZER(text) for text in reversed(texts)][::-1][:3] == alone
    monkeypatch.setattr(module, "_FORGET_AFTER", 300)
    fresh = Tokenizer()
    assert [fresh(text) for text in texts][:3] == alone


def test_texts_over_the_limit_of_spacy_are_whole():
    found = TOKENIZER("A word. " * 130_000)  # spaCy's own pipelines refuse above a million characters
    assert len(found.tokens) == 390_000
    assert len(found.sentence_starts) == 130_000


def test_settings_name_version_and_rules():
    settings = tokenizer_settings()
    assert settings["spacy"][0].isdigit()
    assert settings["separators"] == module.SEPARATORS
