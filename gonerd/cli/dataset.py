"""`gonerd dataset`: build, stats, export, diff."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from gonerd.cli.console import progress_bar, say, table
from gonerd.dataset.config import BuildConfig
from gonerd.dataset.export import Form
from gonerd.errors import GonerdError

if TYPE_CHECKING:
    from gonerd.dataset.statistics import SplitStatistics, Statistics

# The dataset has a version of its own, which is an option of `build`.
app = App(name="dataset", help="Build the dataset from documents and gold, and look at it.", version_flags=[])


@app.command
def build(
    *,
    documents: Annotated[list[Path], Parameter(negative=())],
    gold: Annotated[list[Path], Parameter(negative=())],
    out: Path,
    splits: Path | None = None,
    config: Annotated[BuildConfig, Parameter(name="*")] = BuildConfig(),  # noqa: B008 - frozen
) -> None:
    """Build a dataset folder: Parquet, card, statistics, stand-off release.

    Example: gonerd dataset build --documents documents --gold gold --out dataset --name my-news

    Parameters
    ----------
    documents
        Stage folder of documents; may be given several times.
    gold
        Stage folder of gold annotations; may be given several times.
    out
        Folder for the dataset.
    splits
        JSON Lines of {"id": ..., "split": ...}: splits that are kept as they are; other documents are split around
        them.
    """
    from gonerd.dataset.build import build as build_dataset

    fixed = _read_splits(splits) if splits else None
    with progress_bar("building the dataset") as progress:
        manifest = build_dataset(documents, gold, out, config=config, splits=fixed, progress=progress)
    dropped = ", ".join(f"{count} {reason}" for reason, count in manifest.dropped.items()) or "none"
    say(f"{manifest.written} documents in {out} (dropped: {dropped})")
    stats(out)
    say(f'Load it: load_dataset("gonerd", data_dir="{out}")')


@app.command
def stats(folder: Path, *, json: bool = False) -> None:
    """Show the statistics of a dataset: sizes, labels, lengths, sources, what test shares with train.

    Example: gonerd dataset stats dataset

    Parameters
    ----------
    folder
        A dataset's folder.
    json
        Print statistics.json as it is.
    """
    from gonerd.dataset.statistics import read_statistics
    from gonerd.formats.jsonl import dumps

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
    if statistics.leaks:
        leaks = statistics.leaks
        say(
            f"Test shares with train: {_percent(leaks.shared_shingles)} of its 8-word sequences, "
            f"{len(leaks.shared_titles)} titles, {_percent(leaks.seen_surfaces)} of its names "
            f"({_percent(leaks.seen_mentions)} of its mentions)."
        )
    for group in statistics.torn_groups:
        say(f"Near-duplicates in several splits ({', '.join(group.splits)}): {', '.join(group.ids)}")


def _show_splits(statistics: Statistics) -> None:
    parts: dict[str, SplitStatistics] = {**statistics.splits, "all": statistics.total}
    sizes, entities = [], []
    for name, part in parts.items():
        lengths = (part.length["median"], part.length["maximum"])
        numbers = [f"{number:,}" for number in (part.documents, part.tokens, *lengths)]
        sizes.append([name, *numbers, _percent(part.longer["512"]), _percent(part.longer["4096"])])
        entities.append([name, *(f"{count:,}" for count in part.entities.values())])
    table(["split", "documents", "tokens", "median", "most", "> 512", "> 4,096"], sizes)
    table(["entities", *statistics.total.entities], entities)


@app.command
def export(dataset: str, path: Path, *, split: str, to: Form = "jsonl") -> None:
    """Write a split as JSON Lines or CoNLL.

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
        jsonl keeps every column; conll keeps words and tags only, a blank line after each sentence.
    """
    from gonerd.dataset.examples import read_examples
    from gonerd.dataset.export import export as export_examples

    count = export_examples(read_examples(dataset, split), path, form=to)
    say(f"{count} documents in {path}" + (" (text, offsets and other columns are left out)" if to == "conll" else ""))


@app.command
def diff(first: Path, second: Path) -> int:
    """Compare two datasets: documents added, removed, rewritten, relabelled, moved. Exit code 1 if they differ.

    Example: gonerd dataset diff release-1.0.0 release-1.1.0

    Parameters
    ----------
    first
        The older dataset's folder.
    second
        The newer one's.
    """
    from gonerd.dataset.compare import compare

    found = compare(first, second)
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
