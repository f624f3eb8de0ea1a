"""`gonerd results`, `gonerd compare`: what has been measured, side by side."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from gonerd.cli.console import fitted_table, say, table
from gonerd.evaluation.collection import Form, ResultsConfig

if TYPE_CHECKING:
    from gonerd.evaluation.collection import Row
    from gonerd.evaluation.cost_report import Cost
    from gonerd.evaluation.result import Result
    from gonerd.evaluation.significance import Comparison

SHOWN, COST_SHOWN = 4, 2  # columns that are there however narrow the terminal is: down to strict F1, and to latency


def results(
    folder: Path = Path("results"),
    /,
    *,
    form: Form = "table",
    config: Annotated[ResultsConfig, Parameter(name="*")] = ResultsConfig(),  # noqa: B008 - frozen
) -> int:
    """List the results in a folder, by data, the best first: as a table, or as Markdown, CSV, LaTeX or JSON.

    Runs of one group (`gonerd evaluate --run-group`), which differ in their seed alone, are one row with their mean and
    standard deviation. What `gonerd cost` measured of a model stands in its row. Exit code 1 when no result is there or
    fits.

    Example: gonerd results --data gonerd --split test --form markdown

    Args:
        folder: where `gonerd evaluate` wrote them.
        form: how to print them.
        config: which of them.
    """
    from gonerd.evaluation.collection import find_results, find_unscored, render, rows_of
    from gonerd.evaluation.cost_report import costs_in

    found = find_results(folder, config)
    costs = costs_in(folder)
    rows = rows_of(found, each=config.each, costs=costs)
    if form == "json":
        say(json.dumps([_with_cost(result, costs) for result in found], indent=2))
    elif form == "table":
        if rows:
            _show(rows)
        else:
            say(f"no result in {folder}" + ("" if config == ResultsConfig() else " that fits"))
        for left in find_unscored(folder, config):
            say(f"not scored: {left.model.name} on {left.data.name} {left.data.split}: {left.unscored}")
    else:
        say(render(rows, form))
    return 0 if found else 1


def _with_cost(result: Result, costs: Sequence[Cost]) -> dict[str, object]:
    from gonerd.evaluation.cost_report import cost_of

    cost = cost_of(result, costs)
    return {**result.model_dump(mode="json"), "cost": None if cost is None else cost.model_dump(mode="json")}


def _show(rows: list[Row]) -> None:
    """Print the scores, and what was measured of cost in a table of its own: both in one would fit no terminal."""
    from gonerd.evaluation.collection import COLUMNS, COST_COLUMNS, cells

    fitted_table(*cells(rows), least=SHOWN)
    measured = [row for row in rows if row.cost is not None]
    if measured:
        cost = cells(measured, (COLUMNS[0], *COST_COLUMNS))
        fitted_table(*cost, least=COST_SHOWN, title="Cost, as gonerd cost measured it")


def compare(
    first: Path, second: Path, /, *, as_json: Annotated[bool, Parameter(name="--json", negative="")] = False
) -> None:
    """Tell whether one of two results really is better: documents are drawn again, and answers exchanged at random.

    Both must be about the same gold. The interval is a paired bootstrap's over documents; p is approximate
    randomisation's: how often exchanging the two systems' answers at random makes a difference as large as theirs.

    Example: gonerd compare results/teacher/…/gonerd-test-….json results/student/…/gonerd-test-….json

    Args:
        first: a result that `gonerd evaluate` wrote.
        second: another.
        as_json: print one JSON object in place of words.
    """
    from gonerd.evaluation.compare import compare_results
    from gonerd.evaluation.result import read_result

    names = [read_result(path) for path in (first, second)]
    found = compare_results(first, second)
    if as_json:
        say(json.dumps(_as_json(found, names), indent=2))
        return
    titles = [_title(result, names) for result in names]
    table(
        ["", "strict F1"],
        [[titles[0], f"{100 * found.first_f1:.2f}"], [titles[1], f"{100 * found.second_f1:.2f}"]],
    )
    say(
        f"difference {100 * found.difference:+.2f} points, 95 % of draws {100 * found.interval.low:+.2f} to "
        f"{100 * found.interval.high:+.2f}, p = {found.p:.4f}, {found.documents} documents"
    )
    say(verdict(found, titles))


def _title(result: Result, both: list[Result]) -> str:
    """Return a result's name, with what tells it from the other where both have one name."""
    if both[0].model.name != both[1].model.name:
        return result.model.name
    return f"{result.model.name} ({result.model.revision[:8]}, {result.key})"


def verdict(found: Comparison, names: list[str]) -> str:
    """Return in words whether one of the two really is better."""
    better, worse = names if found.difference >= 0 else names[::-1]
    if found.significant:
        return f"{better} really is better than {worse}: chance alone rarely makes such a difference."
    if found.difference == 0:
        return "The two score the same."
    return f"{better} scores higher, but these documents do not show that it is better than {worse}: it may be chance."


def _as_json(found: Comparison, results: list[Result]) -> dict[str, object]:
    return {
        "first": results[0].model.name,
        "second": results[1].model.name,
        "documents": found.documents,
        "first_f1": found.first_f1,
        "second_f1": found.second_f1,
        "difference": found.difference,
        "interval": [found.interval.low, found.interval.high],
        "p": found.p,
        "better_in": found.better_in,
        "significant": found.significant,
    }
