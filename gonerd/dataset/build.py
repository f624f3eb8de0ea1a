"""Documents and gold to a dataset: tokens, tags, splits."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from gonerd.dataset.align import align
from gonerd.dataset.config import BuildConfig
from gonerd.dataset.groups import CLUSTERS, Grouper, recorded_clusters
from gonerd.dataset.lookup import Lookup
from gonerd.dataset.split import Item, Splits, assign
from gonerd.dataset.tokens import TokenizedText, tokenizer, tokenizer_settings
from gonerd.dataset.write import Row, dataset_run, write_dataset, write_rows
from gonerd.errors import GonerdError, unknown_name
from gonerd.labels import load_scheme
from gonerd.records import Annotation, Document, Dropped, Example, Manifest, Progress, Reason, sha256_of, silent
from gonerd.store import is_current, read_manifest, sha256_file, shards

__all__ = ["BuildConfig", "build", "write_dataset"]

_DEFAULTS = BuildConfig()


def build(
    documents: Sequence[Path],
    gold: Sequence[Path],
    out: Path,
    *,
    config: BuildConfig = _DEFAULTS,
    splits: Mapping[str, str] | None = None,
    progress: Progress = silent,
) -> Manifest:
    """Build a dataset folder from documents and their gold annotations.

    A document without gold, or whose gold was made on another text, is dropped with its reason, as is gold without a
    document. Rows are in the order of a hash of their ids, so that a slice of a split is a sample of it; the Parquet
    bytes depend neither on the order of the documents nor on how they are spread over shards.

    Args:
        documents: stage folders of Documents; a `clusters.jsonl` in them names documents that belong together.
        gold: stage folders of Annotations, at most one for a document.
        out: the dataset's folder; replaced if an earlier dataset is there, left alone if it is the same already.
        config: how to build, and what the card says.
        splits: split by document id, kept as it is and checked for leaks; other documents are split around it.
        progress: told how many documents are done, and of how many.

    Raises:
        GonerdError: a folder is not a finished stage, an id occurs twice, or a label is outside the scheme.
    """
    run = dataset_run(config, tokenizer=tokenizer_settings(), inputs=_inputs(documents, gold, splits))
    if is_current(out, run):
        return read_manifest(out)
    builder = _Builder(documents, gold, config)
    plan = builder.plan(splits, progress)
    return write_rows(
        builder.rows(plan, progress), out, run=run, config=config, torn=lambda: plan.leaks, progress=silent
    )


def _inputs(documents: Sequence[Path], gold: Sequence[Path], splits: Mapping[str, str] | None) -> list[str]:
    """Return the hashes of everything that is read."""
    files = [path for folder in (*documents, *gold) for path in shards(folder)]
    files += [folder / CLUSTERS for folder in documents if (folder / CLUSTERS).is_file()]
    return [*map(sha256_file, files), sha256_of(json.dumps(splits, sort_keys=True))]


class _Builder:
    """Reads the documents twice: once to plan the splits, once to write the rows."""

    def __init__(self, documents: Sequence[Path], gold: Sequence[Path], config: BuildConfig) -> None:
        self._folders, self._config = documents, config
        self._labels = load_scheme(config.scheme).names
        self._documents = Lookup([path for folder in documents for path in shards(folder)], Document, key="id")
        self._gold = Lookup([path for folder in gold for path in shards(folder)], Annotation, key="document_id")

    def plan(self, fixed: Mapping[str, str] | None, progress: Progress) -> Splits:
        """Return the splits of all documents that have usable gold."""
        hashes = {annotation.document_id: annotation.text_sha256 for annotation in self._gold.fill()}
        grouper, items = Grouper(self._config.group_threshold), []
        for document in self._documents.fill():
            if hashes.get(document.id) == document.text_sha256:
                items.append(Item(document.id, document.source, len(document.text), document.published))
                grouper.add(document.id, document.text)
            progress(0, len(self._documents))
        recorded = [ids for folder in self._folders for ids in recorded_clusters(folder)]
        return assign(items, alike=[*recorded, *grouper.alike()], config=self._config, fixed=fixed)

    def rows(self, plan: Splits, progress: Progress) -> Iterator[Row | Dropped]:
        """Yield what becomes of every document, and of gold without one."""
        for done, name in enumerate(sorted(self._documents, key=sha256_of), start=1):
            yield self._outcome(self._documents[name], plan)
            progress(done, len(self._documents))
        for name in sorted(name for name in self._gold if name not in self._documents):
            yield Dropped(name, Reason.UNKNOWN_DOCUMENT, "gold without its document")

    def _outcome(self, document: Document, plan: Splits) -> Row | Dropped:
        if document.id not in self._gold:
            return Dropped(document.id, Reason.NO_ANNOTATION)
        gold = self._gold[document.id]
        if gold.text_sha256 != document.text_sha256:
            return Dropped(document.id, Reason.TEXT_CHANGED, f"the gold is of text {gold.text_sha256}")
        if document.id in plan.conflicts:
            return Dropped(document.id, Reason.SPLIT_CONFLICT, ", ".join(plan.conflicts[document.id]))
        self._check(gold, document)
        words = tokenizer()(document.text)
        if not words.tokens:
            return Dropped(document.id, Reason.EMPTY, "no token")
        return _row(document, gold, words, split=plan.of[document.id])

    def _check(self, gold: Annotation, document: Document) -> None:
        where = f"gold of document {document.id!r}"
        for span in gold.spans:
            if span.label not in self._labels:
                raise unknown_name("label", span.label, self._labels, where=where)
            if span.end > len(document.text):
                raise GonerdError(f"span [{span.start}, {span.end}) ends after the text", where=where)


def _row(document: Document, gold: Annotation, words: TokenizedText, *, split: str) -> Row:
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
