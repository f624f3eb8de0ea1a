"""Words and sentences of whole documents: spaCy's rules for English, with every separator a token of its own.

A tokenizer that keeps "Franco-British" or "Ryan/Reuters" whole forces entities off the token boundaries; one that
looks at the annotations gives away the answer. Here the text alone decides.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

# Hyphens and dashes, slashes, apostrophes and quotes, and what is left of markup; each is a token wherever it stands.
SEPARATORS = "-‐‑‒–—―/\\|'‘’ʼ`´\"“”«»<>*_~^#=[]{}()@\u00ad\u200b\u2060\ufeff"
# Commas and the like split words too, but not numbers and times.
PUNCTUATION = r"(?<!\d)[,;:!?…]|[,;:!?…](?!\d)"
_LANGUAGE = "en"
# spaCy remembers every word it has met; after so many characters it is started afresh, so that memory stays bounded.
_FORGET_AFTER = 20_000_000
_ENDING = 48  # characters: more than any ending of spaCy's rules, and what they look back to, but for dots


@dataclass(frozen=True, slots=True)
class TokenizedText:
    """The words of a text."""

    tokens: tuple[str, ...]
    token_starts: tuple[int, ...]  # code points of the text
    sentence_starts: tuple[int, ...]  # token indexes


def tokenizer_settings() -> dict[str, str]:
    """Return everything that decides where tokens and sentences start, for manifests."""
    from importlib.metadata import version

    return {
        "tokenizer": f"spacy.blank({_LANGUAGE!r})",
        "spacy": version("spacy"),
        "separators": SEPARATORS,
        "punctuation": PUNCTUATION,
        "sentences": "spacy sentencizer; a blank line also ends a sentence",
    }


class Tokenizer:
    """Splits texts of any length; holds no state that could make one text's tokens depend on another."""

    def __init__(self) -> None:
        self._start()

    def _start(self) -> None:
        import spacy
        from spacy.attrs import IDX, IS_SPACE, LENGTH, SENT_START
        from spacy.pipeline import Sentencizer
        from spacy.util import compile_infix_regex, compile_prefix_regex, compile_suffix_regex

        self._characters = 0
        self._columns = [IDX, LENGTH, IS_SPACE, SENT_START]
        self._language = spacy.blank(_LANGUAGE)
        self._sentencizer = Sentencizer()
        tokenizer: Any = self._language.tokenizer
        rules: Any = self._language.Defaults
        # First, because the first alternative that matches wins.
        separator = "[" + "".join(f"\\{character}" for character in SEPARATORS) + "]"
        # Rules for beginnings are anchored: to match finds what a search does, and stops where there is none.
        tokenizer.prefix_search = compile_prefix_regex([separator, *rules.prefixes]).match
        tokenizer.suffix_search = partial(_suffix, compile_suffix_regex([separator, *rules.suffixes]).search)
        tokenizer.infix_finditer = compile_infix_regex([separator, PUNCTUATION, *rules.infixes]).finditer

    def __call__(self, text: str) -> TokenizedText:
        """Return the tokens of `text`, without white space, with their starts in code points."""
        import numpy as np

        self._characters += len(text)
        if self._characters > _FORGET_AFTER:
            self._start()
        # In columns: an object for each token takes as long as finding it.
        document = self._sentencizer(self._language.tokenizer(text))
        starts, lengths, spaces, sentences = document.to_array(self._columns).astype(np.int64).T
        begins = sentences == 1
        for place in np.flatnonzero(spaces).tolist():
            begins[place] |= text.count("\n", starts[place], starts[place] + lengths[place]) > 1
        words = np.flatnonzero(spaces == 0)
        # A word begins a sentence if anything does since the word before it; the first one always does.
        first = np.flatnonzero(np.diff(np.cumsum(begins)[words], prepend=-1))
        starts, ends = starts[words].tolist(), (starts + lengths)[words].tolist()
        tokens = tuple(text[start:end] for start, end in zip(starts, ends, strict=True))
        return TokenizedText(tokens, tuple(starts), tuple(first.tolist()))


def _suffix(search: Callable[[str, int], Any], string: str) -> Any:
    """Return the match of a rule for endings, looked for at the end alone.

    spaCy takes one sign after another off a run of them and looks each time, so that a look at all of the run takes
    minutes where there are 30,000. Of its endings only dots are longer than a few characters.
    """
    return search(string, max(0, len(string.rstrip(".")) - _ENDING) if len(string) > _ENDING else 0)


@cache
def tokenizer() -> Tokenizer:
    """Return this process's tokenizer: making one takes longer than many a document."""
    return Tokenizer()
