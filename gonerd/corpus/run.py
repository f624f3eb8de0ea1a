"""The stages of the corpus, one after another: raw pages, documents, documents without near-duplicates."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path

from gonerd import store
from gonerd.corpus.archive import RawPage
from gonerd.corpus.cluster import ClusterConfig, PageStage, run_over_pages
from gonerd.corpus.config import CrawlConfig
from gonerd.corpus.crawl import crawl, unwatched
from gonerd.corpus.dedup import dedup
from gonerd.corpus.extract import NO_SOURCE, ExtractConfig, document_id, extract_page, extractor, to_document
from gonerd.corpus.filters import FilterConfig, detect_language, judge
from gonerd.corpus.html import JSON_TYPE, media_type
from gonerd.corpus.rounds import Watch
from gonerd.corpus.sources import PAGE, Source
from gonerd.formats.removed import Removed, read_removed
from gonerd.records import Document, Dropped, Manifest, Progress, Reason, silent
from gonerd.similarity import SimilarityConfig

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
    cluster: ClusterConfig | None = None,
    progress: Progress = silent,
) -> Manifest:
    """Turn pages into Documents in the folder `out`, and drop those that the filters refuse, each with its reason.

    Args:
        inputs: folders of crawls, WARC files of any tool, HTML files, folders of either.
        out: stage folder to write.
        settings: source, extraction, filters.
        cluster: where the stage runs; none: in this process.
        progress: told the shards done and their number.

    Raises:
        GonerdError: as `run_over_pages`.
    """
    settings = settings or ExtractSettings()
    removed = settings.filters.removed
    config = {**asdict(settings), "extractor": extractor(), "removed": store.sha256_file(removed) if removed else None}
    stage = PageStage(STAGE, config, partial(documents, settings=settings), settings.extract.max_bytes)
    return run_over_pages(stage, inputs, out, cluster=cluster or ClusterConfig(), progress=progress)


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
    if gone := removed.find(name, page.url, page.final_url):
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
    cluster: ClusterConfig | None = None,
    watch: Watch = unwatched,
    progress: Progress = silent,
) -> dict[str, Manifest]:
    """Crawl, extract and deduplicate a source into `out/warc`, `out/extracted` and `out/documents`.

    Each stage that is done is only looked up. Returns the manifests by the name of their folder.

    Args:
        source: what to crawl.
        out: folder of the stage folders.
        config: settings of all stages.
        cluster: where extraction runs; none: in this process.
        watch: told how the crawl stands.
        progress: told how far the stages after it are.

    Raises:
        GonerdError: as `crawl`, `extract` and `dedup`.
    """
    config = config or CorpusConfig()
    warc, extracted, kept = (out / name for name in FOLDERS)
    settings = ExtractSettings(source=source, extract=config.extract, filters=config.filters)
    return {
        "warc": crawl(source, warc, config=config.crawl, watch=watch),
        "extracted": extract([warc], extracted, settings=settings, cluster=cluster, progress=progress),
        "documents": dedup(extracted, kept, config=config.similarity, progress=progress),
    }
