"""A Release and the regenerated documents to the dataset that was released, byte for byte where the text is unchanged.

Whatever a release says of a document is taken from the release: of the documents only the text is. One whose text has
changed is left out and named; to move its spans is the corpus's business, and building the result is another release.
So is one whose labels the release keeps back: without them its words would look as if no name stood there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from gonerd.dataset.build import check_gold, given_hashes, make_row
from gonerd.dataset.config import BuildConfig, Given
from gonerd.dataset.licenses import Refusals
from gonerd.dataset.lookup import Lookup
from gonerd.dataset.release import RELEASE, STANDOFF, Release, StandoffDocument, read_release
from gonerd.dataset.tokens import tokenizer, tokenizer_settings
from gonerd.dataset.write import OWN_TOKENS, Closing, Row, SplitWatch, dataset_run, write_rows
from gonerd.errors import GonerdError
from gonerd.formats.removed import read_removed
from gonerd.formats.standoff import check_surface
from gonerd.labels import load_scheme
from gonerd.records import Annotation, Document, Dropped, Manifest, Progress, Reason, Span, silent
from gonerd.store import is_current, read_manifest, sha256_file, shards

_DEFAULTS = BuildConfig()


def rebuild(
    release: Path,
    documents: Sequence[Path],
    out: Path,
    *,
    config: BuildConfig = _DEFAULTS,
    removed: Path | None = None,
    progress: Progress = silent,
) -> Manifest:
    """Build a released dataset again from documents that were regenerated.

    Args:
        release: folder with `release.json` and `standoff.jsonl`.
        documents: stage folders of Documents. Those that the release does not name are dropped, as are those whose text
            has changed; a document of the release that is not there, or whose labels are kept back, is dropped too.
        out: the dataset's folder; replaced if an earlier dataset is there, left alone if it is the same already.
        config: what the card says; name, version and scheme are the release's.
        removed: a `removed.toml`: documents taken out since the release.
        progress: told how many documents are done, and of how many.

    Raises:
        GonerdError: the release is broken, or its tokens or tags cannot be made here.
    """
    about = read_release(release)
    _check_settings(about, release)
    config = replace(config, name=about.name, version=about.version, scheme=about.scheme)
    files = [path for folder in documents for path in shards(folder)]
    given = Given(previous=release, removed=removed)
    inputs = [*map(sha256_file, files), *given_hashes(given)]
    run = dataset_run(config, tokenizer=about.tokenizer, inputs=inputs)
    if is_current(out, run):
        return read_manifest(out)
    work = _Rebuilder(release, files, config, removed)
    return write_rows(work.rows(progress), out, run=run, config=config, close=work.close, progress=silent)


def _check_settings(about: Release, folder: Path) -> None:
    """Raise unless tokens and tags are made here as they were for the release."""
    if about.tokenizer == OWN_TOKENS:
        raise GonerdError(
            "its tokens are those of its source, and cannot be made again from the text",
            where=folder / RELEASE,
            remedy="Ask whoever released it for the data",
        )
    ours = tokenizer_settings()
    other = sorted(key for key in ours.keys() | about.tokenizer.keys() if ours.get(key) != about.tokenizer.get(key))
    if other == ["spacy"]:
        version = about.tokenizer.get("spacy")
        raise GonerdError(
            f"its tokens are of spaCy {version}, here is {ours['spacy']}",
            where=folder / RELEASE,
            remedy=f'Install it with: python -m pip install "spacy=={version}"',
        )
    if other:
        raise GonerdError(
            f"its tokens were made in another way ({', '.join(other)})",
            where=folder / RELEASE,
            remedy=f"Use gonerd {about.gonerd_version}, which made the release",
        )
    if load_scheme(about.scheme).tags != about.tags:
        raise GonerdError(f"the tags of scheme {about.scheme!r} are others here", where=folder / RELEASE)


class _Rebuilder:
    """Makes the rows of a release in their order."""

    def __init__(self, release: Path, files: Sequence[Path], config: BuildConfig, removed: Path | None) -> None:
        self._config, self._removed = config, removed
        self._labels = load_scheme(config.scheme).names
        self._refused = Refusals(config, read_removed(removed))
        self._hidden = read_release(release).hidden
        self._documents = Lookup(files, Document, key="id")
        self._entries = Lookup([release / STANDOFF], StandoffDocument, key="id")
        self.watch = SplitWatch(config)

    def rows(self, progress: Progress) -> Iterator[Row | Dropped]:
        """Yield what becomes of every document of the release, and of those that it does not name."""
        for _ in self._documents.fill():
            progress(0, len(self._documents))
        for done, entry in enumerate(self._entries.fill(), start=1):
            outcome = self._outcome(entry)
            if isinstance(outcome, Row):
                self.watch.add(outcome.example)
            yield outcome
            progress(done, len(self._documents))
        for name in self._documents.names():
            if name not in self._entries:
                yield Dropped(name, Reason.NO_ANNOTATION, "not in the release")

    def close(self) -> Closing:
        """Return what is known once all rows have passed."""
        return replace(self.watch.close(), removed=self._removed, splits="The splits are those of the release.")

    def _outcome(self, entry: StandoffDocument) -> Row | Dropped:
        if refused := self._refused.find(entry.id, entry.url, entry.license):
            return refused
        if entry.split in self._hidden:
            return Dropped(entry.id, Reason.NO_ANNOTATION, f"the release keeps back the labels of {entry.split}")
        if entry.id not in self._documents:
            return Dropped(entry.id, Reason.UNKNOWN_DOCUMENT, "in the release, but not among the documents")
        text = self._documents[entry.id]
        if text.text_sha256 != entry.text_sha256:
            return Dropped(entry.id, Reason.TEXT_CHANGED, f"released with text {entry.text_sha256}")
        for span in entry.spans:
            check_surface(span, text.text, where=f"release, document {entry.id!r}")
        document, gold = _released(entry, text.text, scheme=self._config.scheme)
        check_gold(gold, document, labels=self._labels)
        row = make_row(document, gold, tokenizer()(text.text), split=entry.split)
        return replace(row, example=replace(row.example, annotators=entry.annotators))


def _released(entry: StandoffDocument, text: str, *, scheme: str) -> tuple[Document, Annotation]:
    """Return document and gold as the release has them."""
    document = Document(
        id=entry.id,
        text=text,
        source=entry.source,
        url=entry.url,
        license=entry.license,
        title=entry.title,
        published=entry.published,
        extractor=entry.extractor,
    )
    spans = tuple(Span(span.start, span.end, span.label) for span in entry.spans)
    return document, Annotation(entry.id, document.text_sha256, "release", scheme, spans)
