"""Documents and gold to a dataset: tokens, tags, splits."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from gonerd.dataset.align import align
from gonerd.dataset.config import BuildConfig, Given
from gonerd.dataset.groups import CLUSTERS, recorded_clusters
from gonerd.dataset.licenses import Refusals
from gonerd.dataset.lineage import lineage
from gonerd.dataset.lookup import Lookup
from gonerd.dataset.previous import Previous
from gonerd.dataset.release import RELEASE, STANDOFF
from gonerd.dataset.split import Item, Splits, Splitter
from gonerd.dataset.tokens import TokenizedText, tokenizer, tokenizer_settings
from gonerd.dataset.write import Closing, Row, dataset_run, write_dataset, write_rows
from gonerd.errors import GonerdError, unknown_name
from gonerd.formats.removed import read_removed
from gonerd.labels import load_scheme
from gonerd.records import Annotation, Document, Dropped, Example, Manifest, Progress, Reason, sha256_of, silent
from gonerd.scratch import scratch_room
from gonerd.store import is_current, read_manifest, sha256_file, shards

__all__ = ["BuildConfig", "Given", "build", "write_dataset"]

SUGGESTED = "annotate suggest"  # the stage whose output is no gold
_DEFAULTS = BuildConfig()
_NOTHING = Given()


def build(
    documents: Sequence[Path],
    gold: Sequence[Path],
    out: Path,
    *,
    config: BuildConfig = _DEFAULTS,
    given: Given = _NOTHING,
    progress: Progress = silent,
) -> Manifest:
    """Build a dataset folder from documents and their gold annotations.

    A document without gold, or whose gold was made on another text, is dropped with its reason, as is gold without a
    document, a document that was to be removed, and one whose licence does not let its text be passed on. Rows are in
    the order of a hash of their ids, so that a slice of a split is a sample of it; the Parquet bytes depend neither on
    the order of the documents nor on how they are spread over shards.

    Args:
        documents: stage folders of Documents; a `clusters.jsonl` in them names documents that belong together.
        gold: stage folders of Annotations, at most one for a document.
        out: the dataset's folder; replaced if an earlier dataset is there, left alone if it is the same already.
        config: how to build, and what the card says.
        given: splits, the release before, and removals that hold already.
        progress: told how many documents are done, and of how many.

    Raises:
        GonerdError: a folder is not a finished stage, an id occurs twice, a label is outside the scheme, or the gold is
            a program's suggestions and the configuration does not say so.
    """
    inputs = [*_inputs(documents, gold), *given_hashes(given)]
    run = dataset_run(config, tokenizer=tokenizer_settings(), inputs=inputs)
    if is_current(out, run):
        return read_manifest(out)
    _check_checked(gold, config)
    with scratch_room():
        builder = _Builder(documents, gold, config, given)
        plan = builder.plan(progress)
    return write_rows(
        builder.rows(plan, progress), out, run=run, config=config, close=lambda: builder.close(plan), progress=silent
    )


def _check_checked(gold: Sequence[Path], config: BuildConfig) -> None:
    """Raise if annotations that nobody has looked at are about to be taken as gold."""
    unchecked = [folder for folder in gold if read_manifest(folder).stage == SUGGESTED]
    if unchecked and not config.suggestions:
        raise GonerdError(
            "these are a program's suggestions, which nobody has checked",
            where=unchecked[0],
            remedy="Correct and adjudicate them (gonerd annotate), or add --suggestions, and the card will say so",
        )


def _inputs(documents: Sequence[Path], gold: Sequence[Path]) -> list[str]:
    """Return the hashes of all that is read."""
    files = [path for folder in (*documents, *gold) for path in shards(folder)]
    files += [folder / CLUSTERS for folder in documents if (folder / CLUSTERS).is_file()]
    return [*map(sha256_file, files)]


def given_hashes(given: Given) -> list[str]:
    """Return the hashes of what was decided before a build."""
    files = [given.removed] if given.removed else []
    files += [given.previous / name for name in (RELEASE, STANDOFF)] if given.previous else []
    if missing := [path for path in files if not path.is_file()]:
        raise GonerdError("no such file", where=missing[0])
    return [sha256_of(json.dumps(dict(given.splits), sort_keys=True)), *map(sha256_file, files)]


class _Builder:
    """Reads the documents twice: once to plan the splits, once to write the rows."""

    def __init__(self, documents: Sequence[Path], gold: Sequence[Path], config: BuildConfig, given: Given) -> None:
        self._folders, self._config = documents, config
        self._labels = load_scheme(config.scheme).names
        self._refused = Refusals(config, read_removed(given.removed))
        self._fixed, self._removed = dict(given.splits), given.removed
        self._previous = Previous(given.previous) if given.previous else None
        self._placed = 0  # rows whose split was given
        self._documents = Lookup([path for folder in documents for path in shards(folder)], Document, key="id")
        self._gold = Lookup([path for folder in gold for path in shards(folder)], Annotation, key="document_id")

    def plan(self, progress: Progress) -> Splits:
        """Return the splits of all documents that have usable gold."""
        for _ in self._gold.fill():
            pass
        splitter = Splitter(self._config)
        for document in self._documents.fill():
            usable = self._gold.text_sha256(document.id) == document.text_sha256
            if usable and not self._refused.find(document.id, document.url, document.license):
                split = self._settled(document)
                item = Item(document.id, document.source, len(document.text), document.published, split)
                splitter.add(item, document.text)
            progress(0, len(self._documents))
        return splitter.assign(ids for folder in self._folders for ids in recorded_clusters(folder))

    def _settled(self, document: Document) -> str | None:
        """Return the split that a document is to stay in: as given, or that of the release before."""
        old = self._previous.split(document.id, document.text_sha256) if self._previous else None
        given = self._fixed.get(document.id, old)
        if old and given != old:
            raise GonerdError(
                f"was in split {old!r} of the release before, but is given as {given!r}",
                where=f"document {document.id!r}",
                remedy="Leave it out of the given splits: old documents stay where they were",
            )
        return given

    def close(self, plan: Splits) -> Closing:
        """Return what is known once all rows have passed."""
        splits = self._config.drawn
        if self._fixed:
            splits += f" The splits of {self._placed:,} documents were given."
        if self._previous:
            splits += " Documents of the release before stayed in theirs."
        return Closing(
            plan.leaks,
            self._previous.continuity() if self._previous else None,
            self._removed,
            splits=splits,
            steps=lineage(self._folders),
        )

    def rows(self, plan: Splits, progress: Progress) -> Iterator[Row | Dropped]:
        """Yield what becomes of every document, and of gold without one."""
        for done, name in enumerate(self._documents.shuffled(), start=1):
            yield self._outcome(self._documents[name], plan)
            progress(done, len(self._documents))
        for name in self._gold.names():
            if name not in self._documents:
                yield Dropped(name, Reason.UNKNOWN_DOCUMENT, "gold without its document")

    def _outcome(self, document: Document, plan: Splits) -> Row | Dropped:
        if refused := self._refused.find(document.id, document.url, document.license):
            return refused
        if document.id not in self._gold:
            return Dropped(document.id, Reason.NO_ANNOTATION)
        gold = self._gold[document.id]
        if gold.text_sha256 != document.text_sha256:
            return Dropped(document.id, Reason.TEXT_CHANGED, f"the gold is of text {gold.text_sha256}")
        if conflict := plan.conflict(document.id):
            return Dropped(document.id, Reason.SPLIT_CONFLICT, conflict)
        check_gold(gold, document, labels=self._labels)
        words = tokenizer()(document.text)
        if not words.tokens:
            return Dropped(document.id, Reason.EMPTY, "no token")
        row = make_row(document, gold, words, split=str(plan.of(document.id)))
        self._placed += document.id in self._fixed
        if self._previous:
            self._previous.note(row.example)
        return row


def check_gold(gold: Annotation, document: Document, *, labels: Sequence[str]) -> None:
    """Raise GonerdError if a span's label is none of `labels`, or it ends after the text."""
    where = f"gold of document {document.id!r}"
    for span in gold.spans:
        if span.label not in labels:
            raise unknown_name("label", span.label, labels, where=where)
        if span.end > len(document.text):
            raise GonerdError(f"span [{span.start}, {span.end}) ends after the text", where=where)


def make_row(document: Document, gold: Annotation, words: TokenizedText, *, split: str) -> Row:
    """Return the row of a document whose gold fits it."""
    aligned = align(document.id, document.text, tokens=words.tokens, token_starts=words.token_starts, spans=gold.spans)
    example = Example(
        id=document.id,
        text=document.text,
        tokens=words.tokens,
        token_starts=words.token_starts,
        ner_tags=aligned.ner_tags,
        entities=gold.spans,
        sentence_starts=words.sentence_starts,
        source=document.source,
        url=document.url,
        license=document.license,
        title=document.title,
        published=document.published,
        annotators=(gold.annotator,),
        text_sha256=document.text_sha256,
        split=split,
    )
    return Row(example, aligned.widened, document.extractor)
