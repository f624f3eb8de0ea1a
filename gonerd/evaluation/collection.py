"""Results side by side: found in a folder, filtered, grouped by run, and as tables for a page, a sheet or a paper."""

from __future__ import annotations

import csv
import io
import statistics
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from gonerd.errors import GonerdError
from gonerd.evaluation.result import Result, read_result

Form = Literal["table", "markdown", "csv", "latex", "json"]
RESULTS = "*/*/*.json"  # model, revision, data-split-key
LATEX = str.maketrans({"&": r"\&", "%": r"\%", "_": r"\_", "#": r"\#", "$": r"\$", "{": r"\{", "}": r"\}",
                       "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "\\": r"\textbackslash{}"})  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultsConfig:
    """Which results to show."""

    data: str | None = None
    """Name of the dataset."""
    split: str | None = None
    """Split of the dataset."""
    model: str | None = None
    """Part of the model's name."""
    run_group: str | None = None
    """Runs of this group alone."""
    each: bool = False
    """Show every run; without it, runs of one group are one row with mean and spread."""

    def takes(self, result: Result) -> bool:
        """Tell whether a result is among those to show."""
        return (
            self.data in (None, result.data.name)
            and self.split in (None, result.data.split)
            and (self.model is None or self.model.lower() in result.model.name.lower())
            and self.run_group in (None, result.run.group)
        )


@dataclass(frozen=True, slots=True)
class Row:
    """A result, or the runs of one group on the same data with the same settings."""

    results: tuple[Result, ...]

    @property
    def first(self) -> Result:
        """What all of them have in common, but for figures and revision."""
        return self.results[0]

    def mean(self, figure: Callable[[Result], float]) -> float:
        """Return the mean of a figure."""
        return statistics.fmean(map(figure, self.results))

    def spread(self, figure: Callable[[Result], float]) -> float | None:
        """Return the standard deviation of a figure over the runs; None for one run."""
        return statistics.stdev(map(figure, self.results)) if len(self.results) > 1 else None


def find_results(folder: Path, config: ResultsConfig) -> list[Result]:
    """Return the results under a folder, by data, the best first.

    Raises:
        GonerdError: there is no such folder, or a file in a result's place is none.
    """
    if not folder.is_dir():
        raise GonerdError("no such folder", where=folder, remedy="Make results with gonerd evaluate")
    found = [read_result(path) for path in sorted(folder.glob(RESULTS)) if not path.name.startswith(".")]
    return sorted(
        filter(config.takes, found), key=lambda result: (*_data(result), -result.strict.micro.f1, result.path)
    )


def rows_of(results: Sequence[Result], *, each: bool = False) -> list[Row]:
    """Return the rows of a table: one for each group of runs, or for each result; by data, the best first."""
    groups: defaultdict[tuple[object, ...], list[Result]] = defaultdict(list)
    for number, result in enumerate(results):
        alone = each or result.run.group is None
        settings = tuple(sorted((name, str(value)) for name, value in result.settings.items()))
        mark: object = number if alone else (result.run.group, settings)
        groups[(*_data(result), mark)].append(result)
    rows = [Row(tuple(group)) for group in groups.values()]
    return sorted(rows, key=lambda row: (*_data(row.first), -row.mean(_f1)))


def _data(result: Result) -> tuple[str, str, str]:
    return result.data.name, result.data.split, result.data.gold


def _f1(result: Result) -> float:
    return result.strict.micro.f1


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the table of results."""

    title: str
    cell: Callable[[Row], str]


def _figure(figure: Callable[[Result], float]) -> Callable[[Row], str]:
    def cell(row: Row) -> str:
        spread = row.spread(figure)
        return f"{100 * row.mean(figure):.2f}" + ("" if spread is None else f" ± {100 * spread:.2f}")

    return cell


def _interval(row: Row) -> str:
    analysis = row.first.analysis
    if len(row.results) > 1 or analysis is None:
        return "-"
    interval = analysis.intervals["strict_f1"]
    return f"{100 * interval.low:.1f} to {100 * interval.high:.1f}"


def _count(value: int | None) -> str:
    return "-" if value is None else f"{value:,}"


def _name(row: Row) -> str:
    return (row.first.run.group if len(row.results) > 1 else None) or row.first.model.name


COLUMNS = (
    Column("model", _name),
    Column("data", lambda row: f"{row.first.data.name} {row.first.data.split}"),
    Column("runs", lambda row: str(len(row.results))),
    Column("strict F1", _figure(_f1)),
    Column("95 % of draws", _interval),
    Column("lenient F1", _figure(lambda result: result.lenient.micro.f1)),
    Column("macro F1", _figure(lambda result: result.strict.macro_f1)),
    Column("precision", _figure(lambda result: result.strict.micro.precision)),
    Column("recall", _figure(lambda result: result.strict.micro.recall)),
    Column("layers", lambda row: _count(row.first.model.layers)),
    Column("parameters", lambda row: _count(row.first.model.parameters)),
    Column("reach", lambda row: _count(row.first.model.reach_tokens)),
    Column("revision", lambda row: "-" if len(row.results) > 1 else row.first.model.revision[:12]),
)


def cells(rows: Iterable[Row]) -> tuple[list[str], list[list[str]]]:
    """Return the titles and the cells of a table."""
    return [column.title for column in COLUMNS], [[column.cell(row) for column in COLUMNS] for row in rows]


def render(rows: Sequence[Row], form: Literal["markdown", "csv", "latex"]) -> str:
    """Return the table as text in one of the forms, without a line end after it."""
    titles, body = cells(rows)
    return {"markdown": _markdown, "csv": _csv, "latex": _latex}[form](titles, body)


def _markdown(titles: list[str], body: list[list[str]]) -> str:
    def safe(cell: str) -> str:
        return cell.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;")

    head, *lines = (f"| {' | '.join(map(safe, row))} |" for row in [titles, *body])
    return "\n".join([head, f"|{'---|' * len(titles)}", *lines])


def _csv(titles: list[str], body: list[list[str]]) -> str:
    def harmless(cell: str) -> str:
        """A sheet takes a cell that begins so for a formula, and a model may be named anything."""
        return f"'{cell}" if cell[:1] in ("=", "+", "@", "\t") or (cell[:1] == "-" and len(cell) > 1) else cell

    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([map(harmless, row) for row in [titles, *body]])
    return text.getvalue().rstrip("\n")


def _latex(titles: list[str], body: list[list[str]]) -> str:
    def safe(cell: str) -> str:
        return cell.translate(LATEX).replace("±", r"$\pm$")

    head, *lines = (" & ".join(map(safe, row)) + r" \\" for row in [titles, *body])
    begin = rf"\begin{{tabular}}{{ll{'r' * (len(titles) - 2)}}}"
    return "\n".join([begin, r"\hline", head, r"\hline", *lines, r"\hline", r"\end{tabular}"])
