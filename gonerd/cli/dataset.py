"""`gonerd dataset`: build, stats, export, diff."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from gonerd.cli.console import progress_bar, say, table
from gonerd.cli.publish import publish
from gonerd.dataset.config import BuildConfig
from gonerd.dataset.export import Form
from gonerd.errors import GonerdError
from gonerd.records import Manifest, Progress

if TYPE_CHECKING:
    from gonerd.dataset.statistics import SplitStatistics, Statistics

# The dataset has a version of its own, which is an option of `build`.
app = App(name="dataset", help="Build the dataset from documents and gold, and look at it.", version_flags=[])
app.command(publish)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """What a dataset is built from."""

    documents: Annotated[list[Path], Parameter(negative=())]
    """Stage folder of documents; may be given several times."""
    gold: Annotated[list[Path], Parameter(negative=())] = field(default_factory=list)
    """Stage folder of gold annotations; may be given several times."""
    release: Path | None = None
    """Folder of a release to build again from regenerated documents, in place of gold: release.json, standoff.jsonl."""
    splits: Path | None = None
    """JSON Lines of {"id": ..., "split": ...}: splits that are kept as they are; others are split around them."""
    previous: Path | None = None
    """Folder of the release before this one: its documents stay in their splits."""
    removed: Path | None = None
    """A removed.toml: documents that are taken out on request, by id or URL."""


@app.command
def build(
    *,
    out: Path,
    sources: Annotated[Sources, Parameter(name="*")],
    config: Annotated[BuildConfig, Parameter(name="*")] = BuildConfig(),  # noqa: B008 - frozen
) -> None:
    """Build a dataset folder: Parquet, card, statistics, stand-off release.

    Example: gonerd dataset build --documents documents --gold gold --out dataset --name my-news

    Again from a release: gonerd dataset build --release release --documents regenerated --out dataset

    Parameters
    ----------
    out
        Folder for the dataset.
    """
    with progress_bar("building the dataset") as progress:
        manifest = _build(sources, out, config, progress)
    dropped = ", ".join(f"{count} {reason}" for reason, count in manifest.dropped.items()) or "none"
    say(f"{manifest.written} documents in {out} (dropped: {dropped})")
    if manifest.dropped:
        say(f"Each with its reason: {out / 'dropped.jsonl'}")
    _show_continuity(out)
    stats(str(out))
    if config.standoff_only:
        say("The text is left out: build it again with --release from regenerated documents.")
    else:
        say(f'Load it: load_dataset("gonerd", data_dir="{out}")')


def _build(sources: Sources, out: Path, config: BuildConfig, progress: Progress) -> Manifest:
    from gonerd.dataset.build import Given
    from gonerd.dataset.build import build as build_dataset
    from gonerd.dataset.rebuild import rebuild

    if bool(sources.gold) == bool(sources.release):
        raise GonerdError("a build needs either gold or a release", remedy="Give --gold or --release")
    if sources.release:
        if sources.splits or sources.previous:
            raise GonerdError("a release has its splits", remedy="Leave out --splits and --previous")
        return rebuild(
            sources.release, sources.documents, out, config=config, removed=sources.removed, progress=progress
        )
    fixed = _read_splits(sources.splits) if sources.splits else {}
    given = Given(splits=fixed, previous=sources.previous, removed=sources.removed)
    return build_dataset(sources.documents, sources.gold, out, config=config, given=given, progress=progress)


def _show_continuity(folder: Path) -> None:
    """Say what became of the release before."""
    from gonerd.dataset.previous import read_continuity

    found = read_continuity(folder)
    if found:
        vanished = ", ".join(found.vanished[:20]) + (", …" if len(found.vanished) > 20 else "")
        say(f"Since {found.name} {found.version}: {found.kept} kept, {found.added} new, {len(found.vanished)} gone")
        say(f"Gone: {vanished}") if vanished else None


@app.command
def stats(dataset: str, /, *, json: bool = False, tokenizer: str | None = None, plots: bool = False) -> None:
    """Show the statistics of a dataset: sizes, labels, lengths, names, sources, what test shares with train.

    Example: gonerd dataset stats dataset

    Example: gonerd dataset stats dataset --tokenizer answerdotai/ModernBERT-base

    Parameters
    ----------
    dataset
        A dataset's folder, a name such as `sample`, or a repository on the Hub.
    json
        Print statistics.json as it is; with a tokenizer, its lengths.
    tokenizer
        Show how long the documents are in the sub-tokens of this model: its folder, or its name on the Hub.
    plots
        Draw length, labels and mentions as PNG into plots/ of the folder, and show them in its card.
    """
    from gonerd.dataset.named import dataset_folder
    from gonerd.dataset.statistics import read_statistics
    from gonerd.formats.jsonl import dumps

    folder = dataset_folder(dataset)
    if plots and folder != Path(dataset):
        raise GonerdError("plots are drawn into a dataset's own folder", remedy="Give a folder that you have built")
    if plots:
        from gonerd.dataset.plots import write_plots

        write_plots(folder)
    if tokenizer:
        _show_lengths(folder, tokenizer, as_json=json)
        return
    statistics = read_statistics(folder)
    if json:
        say(dumps(statistics))
        return
    _show_splits(statistics)
    headers = ["source", "documents", "tokens", "entities", "licences"]
    rows = [
        [name, f"{part.documents:,}", f"{part.tokens:,}", f"{part.entities:,}", "; ".join(filter(None, part.licenses))]
        for name, part in statistics.sources.items()
    ]
    table(headers, rows)
    _show_names(statistics)
    if statistics.leaks:
        leaks = statistics.leaks
        say(
            f"Test shares with train: {_percent(leaks.shared_shingles)} of its 8-word sequences, "
            f"{len(leaks.shared_titles)} titles, {_percent(leaks.seen_surfaces)} of its names "
            f"({_percent(leaks.seen_mentions)} of its mentions)."
        )
    for group in statistics.torn_groups:
        say(f"Near-duplicates in several splits ({', '.join(group.splits)}): {', '.join(group.ids)}")


def _show_lengths(folder: Path, tokenizer: str, *, as_json: bool) -> None:
    from gonerd.dataset.lengths import sub_token_lengths
    from gonerd.formats.jsonl import dumps

    with progress_bar("counting sub-tokens") as progress:
        lengths = sub_token_lengths(folder, tokenizer, progress=progress)
    if as_json:
        say(dumps({"tokenizer": tokenizer, "splits": lengths}))
        return
    sizes, shares = [], []
    for name, part in lengths.items():
        numbers = [part.documents, part.sub_tokens, *(part.length.get(key, 0) for key in ("median", "p90", "maximum"))]
        sizes.append([name, *(f"{number:,}" for number in numbers)])
        shares.append([name, *map(_percent, part.longer.values())])
    table(["split", "documents", "sub-tokens", "median", "p90", "most"], sizes)
    table(["sub-tokens", "> 512", "> 1,024", "> 2,048", "> 4,096"], shares)


def _show_names(statistics: Statistics) -> None:
    """Say how often names come, how far apart, and which have several labels."""
    total, ambiguity = statistics.total, statistics.ambiguity
    if total.mentions:
        say(f"Mentions a document: {total.mentions['median']:,} in the middle, {total.mentions['maximum']:,} at most.")
    if total.distance:
        say(
            f"From a repeated name's first mention to its last: {total.distance['median']:,} tokens in the middle, "
            f"{total.distance['p90']:,} or more for one in ten, {total.distance['maximum']:,} at most."
        )
    if ambiguity and ambiguity.ambiguous:
        shown = ", ".join(name.surface for name in ambiguity.examples[:5])
        say(
            f"Names with several labels: {ambiguity.ambiguous:,} of {ambiguity.surfaces:,} "
            f"({_percent(ambiguity.mentions)} of the mentions), such as {shown}."
        )


def _show_splits(statistics: Statistics) -> None:
    parts: dict[str, SplitStatistics] = {**statistics.splits, "all": statistics.total}
    sizes, entities = [], []
    for name, part in parts.items():
        lengths = (part.length["median"], part.length["maximum"])
        numbers = [f"{number:,}" for number in (part.documents, part.tokens, *lengths)]
        sentences = "-" if part.sentences is None else f"{part.sentences:,}"
        sizes.append([name, *numbers, _percent(part.longer["512"]), _percent(part.longer["4096"]), sentences])
        entities.append([name, *(f"{count:,}" for count in part.entities.values())])
    table(["split", "documents", "tokens", "median", "most", "> 512", "> 4,096", "sentences"], sizes)
    table(["entities", *statistics.total.entities], entities)


@app.command
def export(dataset: str, path: Path, /, *, split: str, to: Form = "jsonl") -> None:
    """Write a split as JSON Lines, CoNLL, a spaCy DocBin or stand-off.

    Example: gonerd dataset export dataset test.jsonl --split test

    Parameters
    ----------
    dataset
        A dataset's folder, or a name such as `sample`.
    path
        File to write.
    split
        Which split.
    to
        jsonl and spacy (a DocBin for `spacy train`) keep every column; conll keeps words, tags and sentences; standoff
        keeps all but the text.
    """
    from gonerd.dataset.examples import read_examples
    from gonerd.dataset.export import LOSSES
    from gonerd.dataset.export import export as export_examples

    count = export_examples(read_examples(dataset, split), path, form=to)
    say(f"{count} documents in {path}" + (f" ({LOSSES[to]})" if LOSSES[to] else ""))


@app.command
def diff(first: str, second: str, /) -> int:
    """Compare two datasets: documents added, removed, rewritten, relabelled, moved. Exit code 1 if they differ.

    Example: gonerd dataset diff release-1.0.0 release-1.1.0

    Parameters
    ----------
    first
        The older dataset: a folder, a name such as `sample`, or a repository on the Hub, as `organisation/name@v1.0.0`.
    second
        The newer one, likewise.
    """
    from gonerd.dataset.compare import compare
    from gonerd.dataset.named import dataset_folder

    found = compare(dataset_folder(first), dataset_folder(second))
    for kind in ("added", "removed", "rewritten", "relabelled", "moved"):
        ids = getattr(found, kind)
        say(f"{kind}: {len(ids)}" + (f" ({', '.join(ids[:20])}{', …' if len(ids) > 20 else ''})" if ids else ""))
    return 0 if found.same else 1


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f} %"


def _read_splits(path: Path) -> dict[str, str]:
    from gonerd.formats.jsonl import read_objects

    found: dict[str, str] = {}
    for number, value in read_objects(path):
        name, split = value.get("id"), value.get("split")
        if not isinstance(name, str) or not isinstance(split, str) or name in found:
            what = "given twice" if name in found else 'expected {"id": ..., "split": ...}'
            raise GonerdError(what, where=f"{path}, line {number}")
        found[name] = split
    return found
