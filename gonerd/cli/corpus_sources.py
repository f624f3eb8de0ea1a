"""`gonerd corpus check` and `capture`: does a source's file fit its site, and what must never change again."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from gonerd.cli.console import say, table
from gonerd.cli.crawl_display import CrawlDisplay
from gonerd.corpus.config import CheckConfig, CrawlConfig

if TYPE_CHECKING:
    from gonerd.corpus.check import PageCheck, SourceCheck

Crawl = Annotated[CrawlConfig, Parameter(name="*")]
Check = Annotated[CheckConfig, Parameter(name="*")]
_CHECK, _CRAWL = CheckConfig(), CrawlConfig()
_SNIPPET = 160  # characters of a paragraph that are shown
_ROWS = 12  # kinds of block of a page that are shown


def check(source: str, *, out: Path | None = None, config: Check = _CHECK) -> int:
    """Fetch a handful of pages of a source and say in one table what to mend in its file.

    For each page: the kinds of block on it, with the share of their words that was extracted, and how the extracted
    text begins and ends. Exits with 1 if there is something to mend; else today may be set as `verified` in the file.

    Example: gonerd corpus check govuk --contact you@example.org

    Parameters
    ----------
    source:
        Name of a source (gonerd corpus sources), or path of a source file (.toml).
    out:
        Folder for what is fetched; without it, it is thrown away.
    config:
        Limits and manners.
    """
    from gonerd.corpus.check import check as run_check
    from gonerd.corpus.sources import load_source

    loaded = load_source(source)
    with tempfile.TemporaryDirectory() as scratch:
        folder = out or Path(scratch, "crawl")
        with CrawlDisplay("check") as display:
            result = run_check(loaded, folder, config=config, watch=display.watch)
    for page in result.pages:
        _show_page(page)
    _show_result(loaded.name, result)
    return 1 if result.problems else 0


def _show_page(page: PageCheck) -> None:
    rows = [
        [kind.path, str(kind.blocks), str(kind.words), f"{kind.kept / kind.words:.0%}"]
        for kind in page.structure[:_ROWS]
    ]
    table(["on the page", "blocks", "words", "extracted"], rows, title=page.url)
    paragraphs = page.text.paragraphs
    say(f"title: {page.text.title or '-'}   date: {page.text.published or '-'}   {page.words} words extracted")
    for name, paragraph in (("begins", paragraphs[:1]), ("ends", paragraphs[1:][-1:])):
        for text in paragraph:
            say(f"{name}: {text[:_SNIPPET]}{'…' if len(text) > _SNIPPET else ''}")
    say("")


def _show_result(name: str, result: SourceCheck) -> None:
    rows = [[one.what, str(one.pages), one.example[:_SNIPPET], one.remedy] for one in result.problems]
    if rows:
        table(["to mend", "pages", "for example", "how"], rows, title=f"{name}: {len(result.pages)} pages")
    else:
        say(f"{name}: {len(result.pages)} pages, nothing to mend. Set verified to today's date in its file")


def capture(source: str, url: str, *, folder: Path = Path("tests/corpus/golden"), config: Crawl = _CRAWL) -> None:
    """Fetch one page of a source and write it, with the document that comes out of it, as a golden page for the tests.

    Example: gonerd corpus capture govuk https://www.gov.uk/government/news/a-headline --contact you@example.org

    Parameters
    ----------
    source:
        Name of a source (gonerd corpus sources), or path of a source file (.toml).
    url:
        The article.
    folder:
        Where golden pages lie; the page goes into a folder of its source's name.
    config:
        Limits and manners.
    """
    from gonerd.corpus.golden import capture as run_capture
    from gonerd.corpus.sources import load_source

    path, golden = run_capture(load_source(source), url, folder, config=config)
    outcome = f"{len(golden.document.text.split())} words" if golden.document else f"dropped: {golden.dropped}"
    say(f"{path}: {outcome}. Read it through before you commit it: from now on it is what must come out")
