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
from gonerd.evaluation.cost_report import Cost, cost_of, is_cost, is_of
from gonerd.evaluation.result import Outcome, Result, Unscored, read_outcome

LONG = 4096  # sub-tokens of the document whose cost is shown
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

    def takes(self, result: Outcome) -> bool:
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
    cost: Cost | None = None  # of the first of them that has one

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
    found = [outcome for outcome in _outcomes(folder, config) if isinstance(outcome, Result)]
    return sorted(found, key=lambda result: (*_data(result), -result.strict.micro.f1, result.path))


def find_unscored(folder: Path, config: ResultsConfig) -> list[Unscored]:
    """Return what was predicted without being scored, since the labels are hidden, in order of their paths."""
    return [outcome for outcome in _outcomes(folder, config) if isinstance(outcome, Unscored)]


def _outcomes(folder: Path, config: ResultsConfig) -> list[Result | Unscored]:
    if not folder.is_dir():
        raise GonerdError("no such folder", where=folder, remedy="Make results with gonerd evaluate")
    paths = [path for path in sorted(folder.glob(RESULTS)) if not path.name.startswith(".") and not is_cost(path)]
    return [outcome for outcome in map(read_outcome, paths) if config.takes(outcome)]


def rows_of(results: Sequence[Result], *, each: bool = False, costs: Sequence[Cost] = ()) -> list[Row]:
    """Return the rows of a table: one for each group of runs, or for each result; by data, the best first.

    Args:
        results: any.
        each: a row for each result, of a group or not.
        costs: what models cost, to be joined to their results (`cost_of`).
    """
    groups: defaultdict[tuple[object, ...], list[Result]] = defaultdict(list)
    for number, result in enumerate(results):
        alone = each or result.run.group is None
        settings = tuple(sorted((name, str(value)) for name, value in result.settings.items()))
        mark: object = number if alone else (result.run.group, settings)
        groups[(*_data(result), mark)].append(result)
    rows = [Row(tuple(group), _cost_of(group, costs)) for group in groups.values()]
    return sorted(rows, key=lambda row: (*_data(row.first), -row.mean(_f1)))


def scores_of(costs: Sequence[Cost], results: Iterable[Result]) -> tuple[str, list[float | None]]:
    """Return strict F1 of the models that were measured, as they were run, and what it was scored on.

    All scores are on one data: that on which most of the models have one. Of several of a model the last one is taken.
    """
    by_data: defaultdict[tuple[str, str, str], list[Result]] = defaultdict(list)
    for result in results:
        by_data[_data(result)].append(result)

    def scored(found: Iterable[Result]) -> list[float | None]:
        last = sorted(found, key=lambda result: result.created_at, reverse=True)
        return [next((_f1(result) for result in last if is_of(cost, result)), None) for cost in costs]

    rows = {data: scored(found) for data, found in by_data.items()}
    most = max(rows, key=lambda data: sum(score is not None for score in rows[data]), default=None)
    return (f"{most[0]} {most[1]}", rows[most]) if most else ("", [None] * len(costs))


def _cost_of(group: Iterable[Result], costs: Sequence[Cost]) -> Cost | None:
    return next(filter(None, (cost_of(result, costs) for result in group)), None)


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


def _measured(show: Callable[[Cost], str | None]) -> Callable[[Row], str]:
    def cell(row: Row) -> str:
        return (None if row.cost is None else show(row.cost)) or "-"

    return cell


def _latency(cost: Cost) -> str | None:
    row = cost.latency_at(LONG)
    return None if row is None else f"{row.p50_ms:,.0f}"


def _ratio(cost: Cost) -> str | None:
    row = cost.latency_at(LONG)
    return None if row is None else f"{row.ratio.median:.3f}"


def _speed(cost: Cost) -> str | None:
    return None if cost.words_per_second is None else f"{cost.words_per_second:,.0f}"


def _memory(cost: Cost) -> str | None:
    mib = cost.memory_at(LONG)
    return None if mib is None else f"{mib:,.0f}"


COST_COLUMNS = (
    Column(f"ms at {LONG:,}", _measured(_latency)),
    Column("ratio", _measured(_ratio)),
    Column("to", _measured(lambda cost: cost.reference)),
    Column("words/s", _measured(_speed)),
    Column("MiB", _measured(_memory)),
    Column("measured on", _measured(lambda cost: f"{cost.machine.hardware}, {cost.machine.precision}")),
)
"""What `gonerd cost` measured; the memory is that of the weights and one document of that length."""


def columns_of(rows: Iterable[Row]) -> tuple[Column, ...]:
    """Return the columns of a table: those of cost only where any was measured."""
    return (*COLUMNS, *(COST_COLUMNS if any(row.cost for row in rows) else ()))


def cells(rows: Iterable[Row], columns: Sequence[Column] = COLUMNS) -> tuple[list[str], list[list[str]]]:
    """Return the titles and the cells of a table."""
    return [column.title for column in columns], [[column.cell(row) for column in columns] for row in rows]


def render(rows: Sequence[Row], form: Literal["markdown", "csv", "latex"]) -> str:
    """Return the table as text in one of the forms, without a line end after it."""
    titles, body = cells(rows, columns_of(rows))
    return {"markdown": _markdown, "csv": _csv, "latex": _latex}[form](titles, body)


def _markdown(titles: list[str], body: list[list[str]]) -> str:
    def safe(cell: str) -> str:
        return " ".join(cell.split()).replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;")

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
        return " ".join(cell.split()).translate(LATEX).replace("±", r"$\pm$")

    head, *lines = (" & ".join(map(safe, row)) + r" \\" for row in [titles, *body])
    begin = rf"\begin{{tabular}}{{ll{'r' * (len(titles) - 2)}}}"
    return "\n".join([begin, r"\hline", head, r"\hline", *lines, r"\hline", r"\end{tabular}"])
