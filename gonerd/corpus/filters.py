"""Which texts are worth keeping: prose, long enough, in the wanted language."""

from __future__ import annotations

from dataclasses import dataclass

from gonerd.corpus.extract import PageText
from gonerd.records import Reason

_LANGUAGE_WINDOW = 4_000  # characters: enough to be sure, and a bound on the time it takes


@dataclass(frozen=True, slots=True, kw_only=True)
class FilterConfig:
    """What a text must be like to be kept."""

    language: str | None = "en"
    """Wanted language, ISO 639-1; none: any."""
    min_words: int = 120
    """Fewest words."""
    max_words: int | None = None
    """Most words; none: no limit."""
    max_link_share: float = 0.5
    """A page with a greater share of its words in links is navigation."""


def judge(page: PageText, config: FilterConfig, *, language: str | None) -> tuple[Reason, str] | None:
    """Return why a page is dropped, with the figure that decided it, or None if it is kept.

    Navigation is decided first, so that a page of links is reported as such and not as empty or short; language last,
    since little text has no certain language.
    """
    words = len(page.text.split())
    if page.link_share > config.max_link_share:
        return Reason.NAVIGATION, f"{page.link_share:.0%} of its words are links"
    if not words:
        return Reason.EMPTY, "no main text"
    if words < config.min_words:
        return Reason.TOO_SHORT, f"{words} words"
    if config.max_words is not None and words > config.max_words:
        return Reason.TOO_LONG, f"{words} words"
    if config.language is not None and language != config.language:
        return Reason.LANGUAGE, language or "unknown"
    return None


def detect_language(text: str) -> str:
    """Return the ISO 639-1 code of the language of a text, by its first characters (langid; Lui and Baldwin 2012)."""
    import py3langid

    return str(py3langid.classify(text[:_LANGUAGE_WINDOW])[0])
