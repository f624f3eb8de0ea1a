"""`gonerd corpus regenerate`: a release's documents and gold from the pages they were made of."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from gonerd.cli.console import say, table
from gonerd.cli.crawl_display import CrawlDisplay
from gonerd.corpus.cluster import ClusterConfig
from gonerd.corpus.config import CrawlConfig
from gonerd.corpus.regenerate import RegenerateConfig

if TYPE_CHECKING:
    from gonerd.corpus.regenerate import Report, Tally
    from gonerd.corpus.sources import Source

Regenerate = Annotated[RegenerateConfig, Parameter(name="*")]
Crawl = Annotated[CrawlConfig, Parameter(name="*")]
Cluster = Annotated[ClusterConfig, Parameter(name="*")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """What a release is brought back with."""

    warc: Annotated[tuple[Path, ...], Parameter(negative=())] = ()
    """WARC file, or folder of a crawl or of HTML files, to read in place of the web; may be given several times."""
    source: Annotated[tuple[str, ...], Parameter(negative=())] = ()
    """Name or file of a source: its selectors and its delay hold for the release's documents of that name. Those that
    come with the package are known already; may be given several times."""
    removed: Path | None = None
    """A removed.toml: documents that are taken out on request, by id or URL, and not fetched."""


_REGENERATE, _CRAWL, _INPUTS, _CLUSTER = RegenerateConfig(), CrawlConfig(), Inputs(), ClusterConfig()


def regenerate(
    release: Path,
    *,
    out: Path,
    inputs: Annotated[Inputs, Parameter(name="*")] = _INPUTS,
    config: Regenerate = _REGENERATE,
    crawling: Crawl = _CRAWL,
    cluster: Cluster = _CLUSTER,
) -> None:
    """Bring the documents and the gold of a release back: from the web, from web archives, or from WARC files.

    A document is exact (its text has the released hash), realigned (its spans stand where the same words do) or lost.

    Example: gonerd corpus regenerate release --out again --contact you@example.org

    Example: gonerd corpus regenerate release --warc crawl.warc.gz --out again

    Parameters
    ----------
    release:
        Folder with release.json and standoff.jsonl; a dataset that gonerd has built is one.
    out:
        Folder to write: documents, gold, splits.jsonl, outcomes.jsonl, report.json, and the fetched pages.
    inputs:
        What the release is brought back with.
    config:
        Archives, and when a changed document is lost.
    crawling:
        Limits and manners of the crawl.
    cluster:
        Where extraction and alignment run; on Slurm, call the command again when the jobs have ended.
    """
    from gonerd.corpus.regenerate import RegenerateSettings
    from gonerd.corpus.regenerate import regenerate as bring_back

    settings = RegenerateSettings(
        config=config, crawl=crawling, sources=_sources(inputs.source), given=inputs.warc, removed=inputs.removed
    )
    with CrawlDisplay("extract and align") as display:
        report = bring_back(
            release, out, settings=settings, cluster=cluster, watch=display.watch, progress=display.progress
        )
    show(report)
    if unknown := [name for name in report.sources if name not in {source.name for source in settings.sources}]:
        say(
            f"No source file is known for {', '.join(unknown)}: the pages were read without its selectors. "
            "If the release was made with one, name it: --source FILE"
        )
    say(f"Each document with what became of it: {out / 'outcomes.jsonl'}")
    if report.total.exact:
        say(
            f"The exact ones, as released: gonerd dataset build --release {release} --documents {out / 'documents'} ..."
        )
    if report.total.realigned:
        say(
            f"With the realigned ones, as a new version: gonerd dataset build --documents {out / 'documents'} "
            f"--gold {out / 'gold'} --splits {out / 'splits.jsonl'} ..."
        )


def _sources(named: tuple[str, ...]) -> tuple[Source, ...]:
    """Return the sources of the package and the given ones, which come first."""
    from gonerd.corpus.sources import load_source, source_names

    known = {source.name: source for source in map(load_source, [*source_names(), *named])}
    return tuple(known.values())


def show(report: Report) -> None:
    """Print what became of the documents, by source, and why some are lost."""
    headers = ["source", "documents", "exact", "realigned", "spans kept of them", "lost", "spans kept of all"]
    rows = [[name, *_cells(tally)] for name, tally in report.sources.items()]
    if len(rows) > 1:
        rows.append(["all", *_cells(report.total)])
    table(headers, rows, title=f"{report.name} {report.version}")
    if report.reasons:
        say("Lost: " + ", ".join(f"{count} {reason}" for reason, count in report.reasons.items()))
    other = [one for one in report.released_with if one != report.extracted_with]
    if other and report.total.realigned:
        say(f"The release was extracted with {', '.join(other)}, this with {report.extracted_with}.")


def _cells(tally: Tally) -> list[str]:
    return [
        f"{tally.documents:,}",
        f"{tally.exact:,}",
        f"{tally.realigned:,}",
        _share(tally.spans_kept_of_realigned, tally.spans_of_realigned),
        f"{tally.lost:,}",
        _share(tally.spans_kept, tally.spans),
    ]


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.1%}" if whole else "-"
