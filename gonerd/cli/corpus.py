"""`gonerd corpus`: from web pages to documents."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from gonerd.cli.console import progress_bar, say, table
from gonerd.cli.corpus_sources import capture, check
from gonerd.cli.crawl_display import CrawlDisplay
from gonerd.cli.regenerate import regenerate
from gonerd.corpus.cluster import ClusterConfig
from gonerd.corpus.config import CrawlConfig
from gonerd.corpus.extract import ExtractConfig
from gonerd.corpus.filters import FilterConfig
from gonerd.records import Manifest
from gonerd.similarity import SimilarityConfig

app = App(name="corpus", help="Turn raw web sources into documents: crawl, extract, deduplicate.")

Crawl = Annotated[CrawlConfig, Parameter(name="*")]
Extract = Annotated[ExtractConfig, Parameter(name="*")]
Filter = Annotated[FilterConfig, Parameter(name="*")]
Cluster = Annotated[ClusterConfig, Parameter(name="*")]
Similarity = Annotated[SimilarityConfig, Parameter(name="*")]
_CRAWL, _EXTRACT, _FILTER, _SIMILARITY = CrawlConfig(), ExtractConfig(), FilterConfig(), SimilarityConfig()
_CLUSTER = ClusterConfig()


@app.command
def sources() -> None:
    """List the sources that come with the package.

    Example: gonerd corpus sources
    """
    from gonerd.corpus.sources import load_source, source_names

    found = [load_source(name) for name in source_names()]
    rows = [[one.name, one.license, one.language, one.discovery.kind, one.verified] for one in found]
    table(["name", "licence", "language", "discovery", "verified"], rows)
    for one in found:  # a table would break the addresses, which are there to be followed
        say(f"{one.name}: the licence is stated at {one.license_url}")


app.command(check)
app.command(capture)
app.command(regenerate)


@app.command
def crawl(source: str, *, out: Path, previous: Path | None = None, config: Crawl = _CRAWL) -> None:
    """Fetch the articles of a source into WARC files, politely; an interrupted crawl goes on where it stopped.

    Example: gonerd corpus crawl govuk --out warc --max-pages 200 --contact you@example.org

    Some weeks later, only what has changed is sent again: gonerd corpus crawl govuk --out warc --previous warc

    Parameters
    ----------
    source:
        Name of a source (gonerd corpus sources), or path of a source file (.toml).
    out:
        Folder to write: WARC files and their index (CDXJ), page records, what was dropped and why.
    previous:
        Folder of an earlier crawl of the source, the one in --out included: unchanged pages come along from there.
    config:
        Limits and manners.
    """
    from gonerd.corpus.crawl import crawl as run_crawl
    from gonerd.corpus.sources import load_source

    with CrawlDisplay("crawl") as display:
        manifest = run_crawl(load_source(source), out, config=config, previous=previous, watch=display.watch)
    report(manifest, out)


@app.command
def extract(
    *inputs: Path,
    out: Path,
    source: str | None = None,
    config: Extract = _EXTRACT,
    filters: Filter = _FILTER,
    cluster: Cluster = _CLUSTER,
) -> None:
    """Extract the main text of pages as documents, and drop what the filters refuse, each with its reason.

    Example: gonerd corpus extract warc --out extracted --source govuk

    Example: gonerd corpus extract /shared/warc --out /shared/extracted --executor ray --workers 64

    Parameters
    ----------
    inputs:
        Folders of crawls, WARC files of any tool, HTML files, or folders of either.
    out:
        Folder to write; each line of its shards is a document.
    source:
        Name or file of the source of the pages: it gives selectors, licence and the beginning of the ids.
    config:
        How the main text is found.
    filters:
        What a text must be like to be kept.
    cluster:
        Where the stage runs.
    """
    from gonerd.corpus.run import ExtractSettings
    from gonerd.corpus.run import extract as run_extract
    from gonerd.corpus.sources import load_source

    loaded = load_source(source) if source else None
    settings = ExtractSettings(source=loaded, extract=config, filters=filters)
    with progress_bar("extract") as progress:
        manifest = run_extract(inputs, out, settings=settings, cluster=cluster, progress=progress)
    report(manifest, out)


@app.command
def dedup(folder: Path, *, out: Path, config: Similarity = _SIMILARITY) -> None:
    """Keep one document of each cluster of near-duplicates: the earliest, then the longest, then by id.

    Example: gonerd corpus dedup extracted --out documents

    Parameters
    ----------
    folder:
        Folder of documents, as extract writes it.
    out:
        Folder to write: the documents that stay, and clusters.jsonl.
    config:
        How alike near-duplicates are.
    """
    from gonerd.corpus.dedup import dedup as run_dedup

    with progress_bar("dedup") as progress:
        manifest = run_dedup(folder, out, config=config, progress=progress)
    report(manifest, out)


@app.command
def run(
    source: str,
    *,
    out: Path,
    crawling: Crawl = _CRAWL,
    filters: Filter = _FILTER,
    cluster: Cluster = _CLUSTER,
) -> None:
    """Crawl, extract and deduplicate a source, with the default extraction; a stage that is done is only looked up.

    Example: gonerd corpus run govuk --out corpus --max-pages 200

    Parameters
    ----------
    source:
        Name of a source (gonerd corpus sources), or path of a source file (.toml).
    out:
        Folder to write: warc, extracted and documents in it.
    crawling:
        Limits and manners of the crawl.
    filters:
        What a text must be like to be kept.
    cluster:
        Where extraction runs; on Slurm, call the command again when the jobs have ended.
    """
    from gonerd.corpus.run import CorpusConfig
    from gonerd.corpus.run import run as run_all
    from gonerd.corpus.sources import load_source

    config = CorpusConfig(crawl=crawling, filters=filters)
    with CrawlDisplay("extract and deduplicate") as display:
        manifests = run_all(
            load_source(source), out, config=config, cluster=cluster, watch=display.watch, progress=display.progress
        )
    for name, manifest in manifests.items():
        report(manifest, out / name)


def report(manifest: Manifest, out: Path) -> None:
    """Print the one line of a stage: how many read, kept, dropped by reason, and where."""
    reasons = ", ".join(f"{count} {reason}" for reason, count in manifest.dropped.items())
    dropped = f"{sum(manifest.dropped.values())} dropped" + (f" ({reasons})" if reasons else "")
    say(f"{manifest.stage}: {manifest.read} read, {manifest.written} kept, {dropped} -> {out}")
