"""Examples to a finished dataset folder: Parquet, card, statistics, stand-off release, manifest."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from gonerd import __version__
from gonerd.dataset.align import Widened
from gonerd.dataset.card import Facts, write_card
from gonerd.dataset.config import BuildConfig
from gonerd.dataset.croissant import write_croissant
from gonerd.dataset.files import STAGE, DataFile, ParquetFolder, data_files
from gonerd.dataset.licenses import Refusals
from gonerd.dataset.lineage import Step
from gonerd.dataset.previous import PREVIOUS, Continuity
from gonerd.dataset.release import RELEASE, STANDOFF, Release, standoff
from gonerd.dataset.split import Item, Leak, Splitter
from gonerd.dataset.statistics import STATISTICS, Collector, in_order
from gonerd.errors import GonerdError
from gonerd.formats import jsonl
from gonerd.formats.parquet import read_rows
from gonerd.formats.removed import NOTHING_REMOVED, REMOVED, read_removed
from gonerd.labels import load_scheme
from gonerd.records import Dropped, Example, Fingerprint, Manifest, Progress, Shard, fingerprint, silent
from gonerd.scratch import scratch_room
from gonerd.store import (
    DROPPED,
    MANIFEST,
    Run,
    canonical,
    is_current,
    read_manifest,
    replacing,
    sha256_file,
    write_json,
)

WIDENED = "widened.jsonl"
OWN_TOKENS = {"tokenizer": "the tokens of the source"}


@dataclass(frozen=True, slots=True)
class Row:
    """An example with what its columns do not say."""

    example: Example
    widened: tuple[Widened, ...] = ()
    extractor: str | None = None


@dataclass(frozen=True, slots=True)
class Closing:
    """What is known once all rows have passed."""

    torn: tuple[Leak, ...] = ()
    continuity: Continuity | None = None
    removed: Path | None = None  # the list that was honoured
    splits: str = "The splits were given with the documents."  # how they came about
    steps: tuple[Step, ...] = ()  # the stages before


class SplitWatch:
    """Watches rows whose splits are given, and tells which near-duplicates they tear apart."""

    def __init__(self, config: BuildConfig) -> None:
        self._splitter = Splitter(replace(config, by_time=False))

    def add(self, example: Example) -> None:
        """Take up one row; two of one id are an error."""
        item = Item(example.id, example.source, len(example.text), given=example.split)
        self._splitter.add(item, example.text)

    def close(self) -> Closing:
        """Return the groups that lie in several splits."""
        return Closing(self._splitter.assign().leaks)


def dataset_run(config: BuildConfig, *, tokenizer: Mapping[str, str], inputs: Sequence[str]) -> Run:
    """Return the run that a dataset's manifest records."""
    tags = load_scheme(config.scheme).tags
    return Run(STAGE, {"build": canonical(config), "tokenizer": dict(tokenizer), "tags": tags}, tuple(inputs))


def write_dataset(
    examples: Iterable[Example | Dropped],
    out: Path,
    *,
    config: BuildConfig,
    inputs: Sequence[str],
    tokenizer: Mapping[str, str] | None = None,
    progress: Progress = silent,
) -> Manifest:
    """Write ready examples, with tokens and splits of their own, as a dataset folder in the order given.

    Args:
        examples: in any number; they stream. A `Dropped` among them is listed in `dropped.jsonl`.
        out: the dataset's folder; replaced if an earlier dataset is there, left alone if it is the same already.
        config: name, version, scheme and what the card says; its shares and salt are not used here.
        inputs: SHA-256 of whatever the examples were made of: the same inputs and settings are not built again.
        tokenizer: settings of the tokenizer, if one made the tokens.
        progress: told how many examples are written.

    Raises:
        GonerdError: there is no example, two have the same id, or a tag is outside the scheme.
    """
    run = dataset_run(config, tokenizer=tokenizer or OWN_TOKENS, inputs=inputs)
    watch, refused = SplitWatch(config), Refusals(config, NOTHING_REMOVED)

    def rows() -> Iterator[Row | Dropped]:
        for example in examples:
            if isinstance(example, Dropped):
                yield example
            elif reason := refused.find(example.id, example.url, example.license):
                yield reason
            else:
                watch.add(example)
                yield Row(example)

    return write_rows(rows(), out, run=run, config=config, close=watch.close, progress=progress)


def write_rows(
    rows: Iterable[Row | Dropped],
    out: Path,
    *,
    run: Run,
    config: BuildConfig,
    close: Callable[[], Closing],
    progress: Progress,
) -> Manifest:
    """Write rows as a dataset folder; `close` is asked once all rows have passed."""
    if is_current(out, run):
        return read_manifest(out)
    with replacing(out, run) as work:
        shutil.rmtree(work)  # what a killed run has left: a dataset is always written from its first row
        work.mkdir()
        with contextlib.ExitStack() as failing, scratch_room():
            failing.callback(shutil.rmtree, work, ignore_errors=True)  # of no use then, and the disk may be full of it
            writer = _FolderWriter(work, config)
            read = writer.take(rows, progress)
            writer.describe(run, close(), read=read)
            failing.pop_all()
    return read_manifest(out)


class _FolderWriter:
    """Writes everything that a dataset folder holds; the manifest is last."""

    def __init__(self, folder: Path, config: BuildConfig) -> None:
        self._folder, self._config = folder, config
        self._scheme = load_scheme(config.scheme)
        self._parquet = ParquetFolder(folder, tags=self._scheme.tags)
        self._collector = Collector(self._scheme)
        self._sample: Example | None = None

    def take(self, rows: Iterable[Row | Dropped], progress: Progress) -> int:
        """Write all rows, those that are dropped to a file of their own; return how many there were."""
        kept = dropped = 0
        with (
            (self._folder / STANDOFF).open("w", encoding="utf-8", newline="\n") as standoffs,
            (self._folder / WIDENED).open("w", encoding="utf-8", newline="\n") as widened,
            (self._folder / DROPPED).open("w", encoding="utf-8", newline="\n") as notes,
            contextlib.closing(self._parquet),
        ):
            for row in rows:
                if isinstance(row, Dropped):
                    notes.write(jsonl.dumps(row) + "\n")
                    dropped += 1
                    continue
                kept += 1
                self._add(row)
                standoffs.write(jsonl.dumps(standoff(row.example, extractor=row.extractor)) + "\n")
                widened.writelines(jsonl.dumps(record) + "\n" for record in row.widened)
                progress(kept, None)
        return kept + dropped

    def _add(self, row: Row) -> None:
        example = row.example
        self._parquet.add(example, self._scheme.tag_ids(example.ner_tags, where=f"example {example.id!r}"))
        self._collector.add(example, row.widened)
        if self._sample is None or (len(example.text), example.id) < (len(self._sample.text), self._sample.id):
            self._sample = example

    def describe(self, run: Run, closing: Closing, *, read: int) -> None:
        """Write all that describes the data files."""
        sample = self._shown(read)
        files = {file.split: file for file in self._parquet.files()}
        data = [files[split] for split in in_order(files)]
        prints = {file.split: _fingerprint(self._folder, file, self._scheme.tags) for file in data}
        statistics = self._collector.finish(closing.torn)
        write_json(self._folder / STATISTICS, statistics)
        if closing.continuity:
            write_json(self._folder / PREVIOUS, closing.continuity)
        write_json(self._folder / RELEASE, self._release(run, data, prints))
        if closing.removed:
            shutil.copyfile(closing.removed, self._folder / REMOVED)
        config = {**canonical(run.config), "removal_requests": len(read_removed(closing.removed))}
        config = {**config, "fingerprints": {split: asdict(print_) for split, print_ in prints.items()}}
        config = {**config, "splits": closing.splits, "steps": [asdict(step) for step in closing.steps]}
        shown = self._without_text() if self._config.standoff_only else data
        outputs = [file.shard for file in shown] or [self._standoff_shard(data)]
        dropped = jsonl.read(self._folder / DROPPED, Dropped)
        manifest = replace(run.manifest(outputs, read=read, dropped=dropped), config=config)
        facts = Facts(self._config, self._scheme, manifest, statistics, tuple(shown), sample, closing.continuity)
        write_card(facts, self._folder / "README.md")
        if shown:
            write_croissant(facts, self._folder)
        write_json(self._folder / MANIFEST, manifest)

    def _shown(self, read: int) -> Example:
        """Return the row that the card shows: without text where none is passed on."""
        if self._sample is None:
            dropped = next(jsonl.read(self._folder / DROPPED, Dropped), None)
            first = f"The first reason: {dropped.reason.value} {dropped.detail}".strip() if dropped else None
            raise GonerdError(f"there is no example to write: {read} of {read} documents were dropped", remedy=first)
        if not self._config.standoff_only:
            return self._sample
        return replace(
            self._sample, text="", tokens=(), token_starts=(), ner_tags=(), entities=(), sentence_starts=None
        )

    def _without_text(self) -> list[DataFile]:
        """Delete the data files: they were written for the fingerprints that a rebuilt dataset must have."""
        shutil.rmtree(self._folder / "data")
        return []

    def _standoff_shard(self, data: Sequence[DataFile]) -> Shard:
        return Shard(STANDOFF, sha256_file(self._folder / STANDOFF), sum(file.shard.records for file in data))

    def _release(self, run: Run, data: list[DataFile], prints: dict[str, Fingerprint]) -> Release:
        return Release(
            name=self._config.name,
            version=self._config.version,
            gonerd_version=__version__,
            scheme=self._scheme.name,
            tags=self._scheme.tags,
            tokenizer=canonical(run.config)["tokenizer"],
            splits={file.split: file.shard.records for file in data},
            fingerprints=prints,
            standoff_sha256=sha256_file(self._folder / STANDOFF),
        )


def _fingerprint(folder: Path, file: DataFile, tags: Sequence[str]) -> Fingerprint:
    """Return the fingerprint of a split as it lies on disk: what was written is what is read."""
    rows = read_rows(folder / file.shard.name, columns=("id", "tokens", "ner_tags"))
    return fingerprint((row["id"], row["tokens"], [tags[number] for number in row["ner_tags"]]) for row in rows)


def read_fingerprints(folder: Path) -> dict[str, Fingerprint]:
    """Return the fingerprints of a dataset's splits, as its manifest has them."""
    data_files(folder)  # says what is wrong if it is no dataset
    found = read_manifest(folder).config.get("fingerprints")
    if not isinstance(found, dict):
        raise GonerdError("the manifest has no fingerprints", where=folder / MANIFEST)
    return {split: jsonl.from_json(Fingerprint, value) for split, value in found.items()}
