"""The stages of the corpus, one after another: raw pages, documents, documents without near-duplicates."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path

from gonerd import store
from gonerd.corpus.archive import RawPage
from gonerd.corpus.cluster import ClusterConfig, executor
from gonerd.corpus.config import CrawlConfig
from gonerd.corpus.crawl import crawl
from gonerd.corpus.dedup import dedup
from gonerd.corpus.extract import NO_SOURCE, ExtractConfig, document_id, extract_page, extractor, to_document
from gonerd.corpus.filters import FilterConfig, detect_language, judge
from gonerd.corpus.html import JSON_TYPE, media_type
from gonerd.corpus.inputs import gather, reader
from gonerd.corpus.sources import PAGE, Source
from gonerd.formats.removed import Removed, read_removed
from gonerd.records import Document, Dropped, Manifest, Progress, Reason, silent
from gonerd.similarity import SimilarityConfig
from gonerd.store import Stage, run_stage

STAGE = "extract"
FOLDERS = ("warc", "extracted", "documents")


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtractSettings:
    """All that decides which documents come out of which pages."""

    source: Source | None = None
    extract: ExtractConfig = field(default_factory=ExtractConfig)
    filters: FilterConfig = field(default_factory=FilterConfig)


@dataclass(frozen=True, slots=True, kw_only=True)
class CorpusConfig:
    """The settings of all stages."""

    crawl: CrawlConfig = field(default_factory=CrawlConfig)
    extract: ExtractConfig = field(default_factory=ExtractConfig)
    filters: FilterConfig = field(default_factory=FilterConfig)
    similarity: SimilarityConfig = field(default_factory=SimilarityConfig)


def extract(
    inputs: Sequence[Path],
    out: Path,
    *,
    settings: ExtractSettings | None = None,
    workers: int = 1,
    cluster: ClusterConfig | None = None,
    progress: Progress = silent,
) -> Manifest:
    """Turn pages into Documents in the folder `out`, and drop those that the filters refuse, each with its reason.

    Args:
        inputs: folders of crawls, WARC files of any tool, HTML files, folders of either.
        out: stage folder to write.
        settings: source, extraction, filters.
        workers: processes of this machine; the output is the same with any number.
        cluster: where the stage runs, if not here.
        progress: told the shards done and their number.

    Raises:
        GonerdError: an input is missing or unreadable, or `out` holds something else.
    """
    settings = settings or ExtractSettings()
    listings = out.with_name(f".{out.name}.listings")
    removed = settings.filters.removed
    config = {**asdict(settings), "extractor": extractor(), "removed": store.sha256_file(removed) if removed else None}
    execute = executor(cluster, out) if cluster else None
    shards = gather(inputs, listings)
    read = reader(shards, max_bytes=settings.extract.max_bytes)
    stage = Stage(STAGE, config, read, partial(documents, settings=settings))
    try:
        manifest = run_stage(stage, shards.paths, out, workers=workers, execute=execute, progress=progress)
    except BaseException:
        if not execute:  # a cluster may still be reading them
            shutil.rmtree(listings, ignore_errors=True)
        raise
    shutil.rmtree(listings, ignore_errors=True)
    return manifest


def documents(pages: Iterable[RawPage | Dropped], *, settings: ExtractSettings) -> Iterator[Document | Dropped]:
    """Yield what becomes of each page, in order."""
    met: set[str] = set()
    removed = read_removed(settings.filters.removed)
    for page in pages:
        if isinstance(page, Dropped):
            yield page
        elif page.url in met:
            yield Dropped(page.url, Reason.DUPLICATE_BODY, "the same URL came before")
        else:
            met.add(page.url)
            yield _refused(page, settings, removed) or _document(page, settings)


def _refused(page: RawPage, settings: ExtractSettings, removed: Removed) -> Dropped | None:
    """Return why a page is not even looked at: somebody asked for that, or its licence."""
    name = document_id(settings.source.name if settings.source else NO_SOURCE, page.url)
    if gone := removed.find(name, page.url):
        return Dropped(page.url, gone.reason, gone.detail)
    own = settings.source.license if settings.source else None
    if settings.filters.licenses and own not in settings.filters.licenses:
        return Dropped(page.url, Reason.LICENSE, own or "none is known")
    return None


def _document(page: RawPage, settings: ExtractSettings) -> Document | Dropped:
    wants_json = settings.source is not None and settings.source.body != PAGE
    if bool(JSON_TYPE.fullmatch(media_type(page.content_type)[0])) != wants_json:
        wanted = "the source's text is in JSON answers" if wants_json else "no HTML"
        return Dropped(page.url, Reason.MEDIA_TYPE, f"{page.content_type}: {wanted}")
    text = extract_page(page, source=settings.source, config=settings.extract)
    language = detect_language(text.text) if text.paragraphs else None
    if refusal := judge(text, settings.filters, language=language):
        return Dropped(page.url, *refusal)
    return to_document(page, text, source=settings.source, language=language)


def run(
    source: Source,
    out: Path,
    *,
    config: CorpusConfig | None = None,
    workers: int = 1,
    progress: Progress = silent,
) -> dict[str, Manifest]:
    """Crawl, extract and deduplicate a source into `out/warc`, `out/extracted` and `out/documents`.

    Each stage that is done is only looked up. Returns the manifests by the name of their folder.
    """
    config = config or CorpusConfig()
    warc, extracted, kept = (out / name for name in FOLDERS)
    settings = ExtractSettings(source=source, extract=config.extract, filters=config.filters)
    return {
        "warc": crawl(source, warc, config=config.crawl, progress=progress),
        "extracted": extract([warc], extracted, settings=settings, workers=workers, progress=progress),
        "documents": dedup(extracted, kept, config=config.similarity, progress=progress),
    }
