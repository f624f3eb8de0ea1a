"""Which texts are worth keeping: prose, long enough, in the wanted language."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

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
    max_boilerplate_share: float = 0.5
    """Greatest share of the found words that may be the page's own: calls to subscribe, pointers, repeats."""
    max_list_share: float = 0.7
    """Greatest share of the words that may stand in short lines that are no sentences."""
    licenses: tuple[str, ...] = ()
    """Licences that a source may have, as its file names them; none: any."""
    removed: Path | None = None
    """A removed.toml: pages that are taken out on request, by URL or id of the document."""


def judge(page: PageText, config: FilterConfig, *, language: str | None) -> tuple[Reason, str] | None:
    """Return why a page is dropped, with the figure that decided it, or None if it is kept.

    Navigation is decided first, so that a page of links is reported as such and not as empty or short; language last,
    since little text has no certain language.
    """
    words = len(page.text.split())
    most = config.max_words
    refusals = (
        (page.link_share > config.max_link_share, Reason.NAVIGATION, f"{page.link_share:.0%} of its words are links"),
        (not words, Reason.EMPTY, "no main text"),
        (words < config.min_words, Reason.TOO_SHORT, f"{words} words"),
        (most is not None and words > most, Reason.TOO_LONG, f"{words} words"),
        (
            page.boilerplate_share > config.max_boilerplate_share,
            Reason.BOILERPLATE,
            f"{page.boilerplate_share:.0%} of the words found are the page's own",
        ),
        (
            page.list_share > config.max_list_share,
            Reason.LIST,
            f"{page.list_share:.0%} of its words are in lines",
        ),
        (config.language is not None and language != config.language, Reason.LANGUAGE, language or "unknown"),
    )
    return next(((reason, detail) for holds, reason, detail in refusals if holds), None)


def detect_language(text: str) -> str:
    """Return the ISO 639-1 code of the language of a text, by its first characters (langid; Lui and Baldwin 2012)."""
    import py3langid

    return str(py3langid.classify(text[:_LANGUAGE_WINDOW])[0])
