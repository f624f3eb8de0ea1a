"""From a Release back to documents and gold: fetch the pages again, extract them, and put the spans where they belong.

A document whose text has the released hash is `exact`. One whose text has changed is `realigned`: its spans stand where
the same words do, and those without a place are counted. Any other is `lost`, with the reason.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from functools import lru_cache, partial
from pathlib import Path

from gonerd import store
from gonerd.corpus.again import Addresses, fetch_again
from gonerd.corpus.archive import RawPage
from gonerd.corpus.cluster import ClusterConfig, PageStage, run_over_pages
from gonerd.corpus.config import CrawlConfig
from gonerd.corpus.crawl import unwatched
from gonerd.corpus.extract import ExtractConfig, extract_page, extractor
from gonerd.corpus.html import JSON_TYPE, media_type
from gonerd.corpus.realign import reanchor
from gonerd.corpus.rounds import Watch
from gonerd.corpus.sources import PAGE, Source
from gonerd.errors import GonerdError
from gonerd.formats import jsonl
from gonerd.formats.release import STANDOFF, StandoffDocument, read_release, read_standoff
from gonerd.formats.removed import read_removed
from gonerd.formats.standoff import check_surface
from gonerd.records import Annotation, Document, Dropped, Progress, Reason, Span, silent

STAGE = "regenerate"
REPORT, OUTCOMES, SPLITS = "report.json", "outcomes.jsonl", "splits.jsonl"
WAYBACK = "https://web.archive.org/web/{timestamp}id_/{url}"


class Status(StrEnum):
    """What became of a document of a release."""

    EXACT = "exact"
    REALIGNED = "realigned"
    LOST = "lost"


@dataclass(frozen=True, slots=True, kw_only=True)
class RegenerateConfig:
    """How a release is brought back."""

    archives: tuple[str, ...] = (WAYBACK,)
    """Web archives asked for pages that are gone: URL patterns with {timestamp} and {url}; they send on to the copy
    nearest in time, as Wayback and Memento servers do."""
    timestamp: str | None = None
    """Moment of the archived copies, YYYYMMDD or YYYYMMDDhhmmss; none: each document's date of publication."""
    min_kept: float = 0.5
    """Share of its spans that a changed document must keep; with fewer it is lost."""

    def __post_init__(self) -> None:
        for pattern in self.archives:
            if "{url}" not in pattern or not pattern.startswith(("http://", "https://")):
                raise GonerdError(f"not a pattern of an archive: {pattern!r}", remedy=f"Such as {WAYBACK}")
        if self.timestamp is not None and not (self.timestamp.isdigit() and len(self.timestamp) in (8, 14)):
            raise GonerdError(f"not a timestamp: {self.timestamp!r}", remedy="Write YYYYMMDD or YYYYMMDDhhmmss")


@dataclass(frozen=True, slots=True, kw_only=True)
class RegenerateSettings:
    """All that decides what comes out of a release."""

    config: RegenerateConfig = field(default_factory=RegenerateConfig)
    crawl: CrawlConfig = field(default_factory=CrawlConfig)
    extract: ExtractConfig = field(default_factory=ExtractConfig)
    sources: tuple[Source, ...] = ()  # selectors and delays, by the names that the release has
    given: tuple[Path, ...] = ()  # WARC files and folders to read in place of the web
    removed: Path | None = None

    @property
    def addresses(self) -> Addresses:
        """Where pages may be had."""
        return Addresses(self.config.archives, self.config.timestamp, self.sources)


@dataclass(frozen=True, slots=True)
class Regenerated:
    """A document with its spans as one page gives them."""

    status: Status
    released: int  # spans
    document: Document
    gold: Annotation
    unplaced: tuple[str, ...]  # what could not be placed: label, surface, offset


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one document, a line of outcomes.jsonl."""

    id: str
    url: str | None
    source: str
    status: Status
    released: int  # spans
    kept: int
    reason: str = ""
    detail: str = ""
    unplaced: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Tally:
    """Documents and spans by what became of them."""

    documents: int = 0
    exact: int = 0
    realigned: int = 0
    lost: int = 0
    spans: int = 0
    spans_kept: int = 0
    spans_of_realigned: int = 0
    spans_kept_of_realigned: int = 0

    def plus(self, outcome: Outcome) -> Tally:
        """Return the tally with one more document."""
        changed = outcome.status is Status.REALIGNED
        return Tally(
            self.documents + 1,
            self.exact + (outcome.status is Status.EXACT),
            self.realigned + changed,
            self.lost + (outcome.status is Status.LOST),
            self.spans + outcome.released,
            self.spans_kept + outcome.kept,
            self.spans_of_realigned + changed * outcome.released,
            self.spans_kept_of_realigned + changed * outcome.kept,
        )


@dataclass(frozen=True, slots=True)
class Report:
    """The content of report.json."""

    name: str
    version: str
    total: Tally
    sources: dict[str, Tally]
    reasons: dict[str, int]  # of what is lost
    released_with: tuple[str, ...]  # extractors
    extracted_with: str


def regenerate(
    release: Path,
    out: Path,
    *,
    settings: RegenerateSettings | None = None,
    cluster: ClusterConfig | None = None,
    watch: Watch = unwatched,
    progress: Progress = silent,
) -> Report:
    """Bring the documents of a release back into `out`: `documents`, `gold`, splits, one outcome a document, a report.

    An interrupted run goes on where it stopped. Fetched pages stay in `out/warc` and `out/archived`.

    Args:
        release: folder with release.json and standoff.jsonl.
        out: folder to write.
        settings: all that decides what comes out.
        cluster: where extraction and alignment run; none: in this process.
        watch: told how the crawls stand.
        progress: told how far the stages after them are.

    Raises:
        GonerdError: the release is broken, an input is unreadable, `out` holds something else, or a cluster has not
            done all shards yet.
    """
    settings = settings or RegenerateSettings()
    about = read_release(release)
    entries = list(read_standoff(release))
    removed = read_removed(settings.removed)
    lost = {entry.id: gone for entry in entries if (gone := removed.find(entry.id, entry.url))}
    wanted = [entry for entry in entries if entry.id not in lost]
    out.mkdir(parents=True, exist_ok=True)
    inputs = list(settings.given)
    refusals: dict[str, Dropped] = {}
    if not inputs:
        inputs, refusals = fetch_again(wanted, out, settings.addresses, config=settings.crawl, watch=watch)
    found = _anchored(inputs, release, out, settings, cluster=cluster or ClusterConfig(), progress=progress)
    outcomes = [_outcome(entry, found.get(entry.id), lost.get(entry.id), refusals, settings) for entry in entries]
    _write(entries, found, outcomes, out, hidden=about.hidden)
    report = _report(about.name, about.version, entries, outcomes)
    store.write_json(out / REPORT, jsonl.to_json(report))
    return report


def _anchored(
    inputs: list[Path], release: Path, out: Path, settings: RegenerateSettings, *, cluster: ClusterConfig,
    progress: Progress,
) -> dict[str, Regenerated]:  # fmt: skip
    """Return for each document the best that any page gives: exact before realigned, then with more spans."""
    if not inputs:
        return {}
    scheme = read_release(release).scheme
    config = {
        "release": store.sha256_file(release / STANDOFF),
        "archives": settings.config.archives,
        "timestamp": settings.config.timestamp,
        "extract": asdict(settings.extract),
        "sources": [asdict(source) for source in settings.sources],
        "extractor": extractor(),
    }
    work = partial(_pages_to_documents, release=release.resolve(), scheme=scheme, settings=settings)
    stage = PageStage(STAGE, config, work, settings.extract.max_bytes)
    run_over_pages(stage, inputs, out / "anchored", cluster=cluster, progress=progress)
    best: dict[str, Regenerated] = {}
    for one in store.read_records(out / "anchored", Regenerated):
        other = best.get(one.document.id)
        if other is None or _rank(one) > _rank(other):
            best[one.document.id] = one
    return best


def _rank(one: Regenerated) -> tuple[bool, int, str]:
    return one.status is Status.EXACT, len(one.gold.spans), one.document.text_sha256


@lru_cache(maxsize=1)
def _by_address(release: Path, addresses: Addresses) -> Mapping[str, list[StandoffDocument]]:
    """Return the documents of a release by the addresses of their pages; kept by each worker for all of its shards."""
    found: dict[str, list[StandoffDocument]] = {}
    for entry in read_standoff(release):
        for address in addresses.all_of(entry):
            found.setdefault(address, []).append(entry)
    return found


def _pages_to_documents(
    pages: Iterable[RawPage | Dropped], *, release: Path, scheme: str, settings: RegenerateSettings
) -> Iterator[Regenerated | Dropped]:
    """Yield what each page of a shard gives; those that the release does not name are dropped."""
    sources = {source.name: source for source in settings.sources}
    entries = _by_address(release, settings.addresses)
    for page in pages:
        if isinstance(page, Dropped):
            yield page
            continue
        named = entries.get(Addresses.key(page.url), [])
        if not named:
            yield Dropped(page.url, Reason.NO_ANNOTATION, "not in the release")
        for entry in named:
            document = _document(page, entry, source=sources.get(entry.source), config=settings.extract)
            yield anchored(entry, document, scheme=scheme) if isinstance(document, Document) else document


def _document(
    page: RawPage, entry: StandoffDocument, *, source: Source | None, config: ExtractConfig
) -> Document | Dropped:
    is_json = bool(JSON_TYPE.fullmatch(media_type(page.content_type)[0]))
    if source and source.body != PAGE and not is_json:  # the page itself, where the interface did not give its text
        source = replace(source, body=PAGE)
    elif is_json and (source is None or source.body == PAGE):
        return Dropped(page.url, Reason.MEDIA_TYPE, f"{page.content_type}: no HTML")
    text = extract_page(page, source=source, config=config)
    if not text.paragraphs:
        return Dropped(page.url, Reason.EMPTY, "no main text")
    return Document(
        id=entry.id, text=text.text, source=entry.source, url=entry.url, license=entry.license, title=entry.title,
        published=entry.published, extractor=extractor(),
    )  # fmt: skip


def anchored(entry: StandoffDocument, document: Document, *, scheme: str) -> Regenerated:
    """Return a released document's spans on the text that it has now.

    Raises:
        GonerdError: the text is the released one, but the release's spans are not in it.
    """
    lost: list[Dropped] = []
    if document.text_sha256 == entry.text_sha256:
        for span in entry.spans:
            check_surface(span, document.text, where=f"release, document {entry.id!r}")
        spans = tuple(Span(span.start, span.end, span.label) for span in entry.spans)
    else:
        spans, lost = reanchor(sorted(entry.spans, key=lambda span: span.start), document)
    exact = document.text_sha256 == entry.text_sha256
    gold = Annotation(entry.id, document.text_sha256, "release", scheme, spans)
    status = Status.EXACT if exact else Status.REALIGNED
    return Regenerated(status, len(entry.spans), document, gold, tuple(one.detail for one in lost))


def _outcome(
    entry: StandoffDocument,
    found: Regenerated | None,
    removed: Dropped | None,
    refusals: Mapping[str, Dropped],
    settings: RegenerateSettings,
) -> Outcome:
    about = (entry.id, entry.url, entry.source)
    if removed:
        return Outcome(*about, Status.LOST, len(entry.spans), 0, removed.reason.value, removed.detail)
    if found is None:
        fault = refusals.get(entry.id) or Dropped(entry.id, Reason.UNKNOWN_DOCUMENT, "no page with its address")
        return Outcome(*about, Status.LOST, len(entry.spans), 0, fault.reason.value, fault.detail)
    kept = len(found.gold.spans)
    if found.status is Status.REALIGNED and kept < settings.config.min_kept * len(entry.spans):
        detail = f"only {kept} of {len(entry.spans)} spans have a place in it"
        return Outcome(*about, Status.LOST, len(entry.spans), 0, Reason.TEXT_CHANGED.value, detail, found.unplaced)
    return Outcome(*about, found.status, len(entry.spans), kept, unplaced=found.unplaced)


def _write(
    entries: list[StandoffDocument],
    found: Mapping[str, Regenerated],
    outcomes: list[Outcome],
    out: Path,
    *,
    hidden: Container[str],
) -> None:
    """Write documents, gold and splits in the order of the release, and what became of each document.

    Documents of a hidden split, whose labels the release keeps back, have no gold.
    """
    kept = {outcome.id for outcome in outcomes if outcome.status is not Status.LOST}
    gone = [Dropped(one.id, Reason(one.reason), one.detail) for one in outcomes if one.status is Status.LOST]
    order = [entry for entry in entries if entry.id in kept]
    documents = [found[entry.id].document for entry in order]
    gold = [found[entry.id].gold for entry in order if entry.split not in hidden]
    store.write_stage([*documents, *gone], out / "documents", stage=f"{STAGE} documents", config={})
    store.write_stage(gold, out / "gold", stage=f"{STAGE} gold", config={})
    jsonl.write(out / SPLITS, ({"id": entry.id, "split": entry.split} for entry in order))
    jsonl.write(out / OUTCOMES, outcomes)


def _report(name: str, version: str, entries: list[StandoffDocument], outcomes: list[Outcome]) -> Report:
    sources: dict[str, Tally] = {}
    total = Tally()
    for outcome in outcomes:
        total = total.plus(outcome)
        sources[outcome.source] = sources.get(outcome.source, Tally()).plus(outcome)
    reasons = Counter(outcome.reason for outcome in outcomes if outcome.status is Status.LOST)
    used = tuple(sorted({entry.extractor or "" for entry in entries} - {""}))
    return Report(name, version, total, dict(sorted(sources.items())), dict(sorted(reasons.items())), used, extractor())
