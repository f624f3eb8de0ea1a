"""From a source to raw pages on disk: discover, ask politely, keep everything, lose nothing."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import asdict, replace
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Any

from gonerd import store
from gonerd.corpus.cdxj import INDEX
from gonerd.corpus.config import WAYS, CrawlConfig
from gonerd.corpus.fetch import Fetcher
from gonerd.corpus.frontier import Frontier
from gonerd.corpus.manners import Manners
from gonerd.corpus.robots import MAX_AGE, Robots
from gonerd.corpus.rounds import Rounds, Status, Tools, Watch
from gonerd.corpus.sources import Source
from gonerd.corpus.visits import Visitor
from gonerd.corpus.warc import ArchiveWriter
from gonerd.errors import GonerdError
from gonerd.formats import jsonl
from gonerd.records import Manifest, Page, Shard

STAGE = "crawl"
STATE = "state.sqlite"
PAGES_A_SHARD = 1000
_WARCS = "crawl-*.warc.gz"


def unwatched(status: Status) -> None:
    """Watch nothing: the default, since the library never prints."""


def crawl(
    source: Source,
    out: Path,
    *,
    config: CrawlConfig,
    previous: Path | None = None,
    watch: Watch = unwatched,
) -> Manifest:
    """Fetch the articles of a source into the folder `out`: WARC files, their index, Pages, what was dropped and why.

    robots.txt, listings, redirects and answers other than 200 are in the WARC files too, but only articles are Pages.
    A crawl that was interrupted goes on where it stopped; a finished one with the same settings is only looked up.
    Settings that change the way to the pages and not the pages (config.WAYS) may differ from run to run.

    Args:
        source: what to crawl.
        out: folder to write.
        config: limits and manners.
        previous: folder of an earlier crawl of the source (also `out` itself): what has not changed since is not sent
            again, and its records come along.
        watch: told how the crawl stands.

    Raises:
        GonerdError: `out` holds something that a crawl did not write, or the network was lost; then nothing is
            recorded as final that another run might get.
    """
    inputs = (store.sha256_file(_earlier(previous) / store.MANIFEST),) if previous else ()
    run = store.Run(STAGE, {"source": _described(source), "crawl": _decisive(config)}, inputs)
    if store.is_current(out, run):
        return store.read_manifest(out)
    with store.replacing(out, run) as work:
        if not (work / store.MANIFEST).is_file():
            _check_state(work)
            with Frontier(work / STATE) as frontier:
                first = _bring(previous, work, frontier) if previous else 0
                _work(source, config, frontier, archive=_archive(work, frontier, first, config), watch=watch)
                _write(work, run, frontier)
        for path in work.glob(f"{STATE}*"):
            path.unlink()
    return store.read_manifest(out)


def _described(source: Source) -> dict[str, Any]:
    """Return a source for the manifest; a list of articles, which may be long, by its hash."""
    described = asdict(source)
    if source.discovery.kind == "urls":
        digest = sha256("\n".join(source.discovery.start).encode()).hexdigest()
        described["discovery"]["start"] = [f"{len(source.discovery.start)} URLs, sha256 {digest}"]
    return described


def _decisive(config: CrawlConfig) -> dict[str, Any]:
    return {name: value for name, value in asdict(config).items() if name not in WAYS}


def _earlier(previous: Path) -> Path:
    manifest = store.read_manifest(previous)
    if manifest.stage != STAGE:
        raise GonerdError(f"not the folder of a crawl, but of the stage {manifest.stage!r}", where=previous)
    return previous


def _check_state(work: Path) -> None:
    """Begin anew where the state is not what a kill leaves: a damaged database, an archive that lost its end."""
    try:
        with Frontier(work / STATE) as frontier:
            sizes = frontier.sizes()
        sound = all((work / name).is_file() and (work / name).stat().st_size >= size for name, size in sizes.items())
    except sqlite3.DatabaseError:
        sound = False
    if not sound:
        for path in (*work.glob(f"{STATE}*"), *work.glob(_WARCS)):
            path.unlink()


def _bring(previous: Path, work: Path, frontier: Frontier) -> int:
    """Bring along an earlier crawl's WARC files, index and pages; return the number of the first file of this one."""
    numbers = []
    for path in sorted(previous.glob(_WARCS)):
        target = work / path.name
        if not target.exists():
            try:
                os.link(path, target)
            except OSError:  # another file system, or one without links
                shutil.copy2(path, target)
        numbers.append(int(path.name.removeprefix("crawl-").removesuffix(".warc.gz")))
    if not frontier.sizes():
        index = previous / INDEX
        lines = index.read_text("utf-8").splitlines() if index.is_file() else []
        with frontier.step():
            frontier.add_previous(store.read_records(previous, Page))
            frontier.archived({}, lines)
    return max(numbers, default=-1) + 1


def _archive(work: Path, frontier: Frontier, first: int, config: CrawlConfig) -> ArchiveWriter:
    return ArchiveWriter(work, frontier.sizes(), first=first, max_bytes=config.warc_bytes)


def _work(source: Source, config: CrawlConfig, frontier: Frontier, *, archive: ArchiveWriter, watch: Watch) -> None:
    manners = Manners(delay=max(config.delay_s, source.crawl_delay), rate=config.rate)
    config = replace(config, hosts=tuple(host.lower() for host in config.hosts))
    fetcher = Fetcher(source.hosts, config, manners)
    robots = Robots(
        fetcher, manners, user_agent=config.user_agent, remembered=lambda site: frontier.robots(site, MAX_AGE)
    )
    visitor = Visitor(source, config, fetcher, robots=robots, frontier=frontier, folder=archive.folder)
    try:
        Rounds(source, config, Tools(manners, fetcher, robots, visitor, frontier, archive), watch).run()
    finally:
        archive.close()


def _write(work: Path, run: store.Run, frontier: Frontier) -> None:
    frontier.settle_twins()
    outputs = []
    for number, shard in enumerate(_in_shards(frontier.pages())):
        path = work / f"{number:05d}.jsonl"
        count = jsonl.write(path, shard)
        outputs.append(Shard(path.name, store.sha256_file(path), count))
    dropped = jsonl.write(work / store.DROPPED, frontier.dropped())
    store.write_atomic(work / INDEX, "".join(f"{line}\n" for line in frontier.index()))
    read = sum(shard.records for shard in outputs) + dropped
    store.write_json(work / store.MANIFEST, run.manifest(outputs, read=read, dropped=frontier.dropped()))


def _in_shards(pages: Iterator[Page]) -> Iterator[Iterable[Page]]:
    """Yield the pages in shards; one shard without a page where there is none."""
    shard = list(islice(pages, PAGES_A_SHARD))
    yield shard
    while shard := list(islice(pages, PAGES_A_SHARD)):
        yield shard
