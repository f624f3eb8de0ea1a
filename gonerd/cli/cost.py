"""`gonerd cost`: what models cost in time, memory, operations and money."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from gonerd.cli.console import progress_bar, say, table
from gonerd.errors import GonerdError
from gonerd.evaluation.cost import CostConfig

if TYPE_CHECKING:
    from gonerd.evaluation.cost_report import Cost


def cost(
    models: Annotated[list[str], Parameter(negative="")],
    /,
    *,
    data: str | None = None,
    split: str = "test",
    out: Path = Path("results"),
    plot: Path | None = None,
    config: Annotated[CostConfig, Parameter(name="*")] = CostConfig(),  # noqa: B008 - frozen
) -> None:
    """Measure what models cost: latency by length, throughput, peak memory, operations, energy, price.

    All are measured in one run, in turns (A B A B …), after a warm-up; the first is the reference of the ratios, which
    travel between machines where milliseconds do not. Each model's figures go to results/MODEL/REVISION/cost-KEY.json,
    beside its scores. What makes a figure doubtful (spread, drift, other work on the machine) is said.

    Example: gonerd cost models/teacher models/student --data gonerd-dataset --price-per-hour 2.50 --plot cost.png

    Args:
        models: folders in the transformers format, or names on the Hub; `transformers:MODEL` or `gonerd:MODEL` says
            what runs it.
        data: a dataset's folder or name, for the throughput on documents of real lengths and the price.
        split: which split of the data.
        out: folder for the figures; scores found there, on the data or else on one that most models share, are drawn.
        plot: draw latency against length, and F1 against latency, to this file, as PNG and SVG.
        config: what is measured.
    """
    from gonerd.cli.leaderboard import read_gold_split
    from gonerd.evaluation.cost import measure_costs
    from gonerd.evaluation.cost_report import write_cost

    for folder in (out, *([] if plot is None else [_parent(plot)])):
        folder.mkdir(parents=True, exist_ok=True)  # or it fails before anything is measured
    gold = None if data is None else read_gold_split(data, split)
    documents = [document.tokens for document in gold.documents] if gold else []
    what = f"{gold.name} {gold.split}" if gold else "data"
    with progress_bar("Measuring") as progress:
        costs = measure_costs(models, config=config, documents=documents, data=what, progress=progress)
    show_costs(costs)
    for measured in costs:
        say(str(write_cost(measured, out)))
    if plot is not None:
        _plot(costs, plot, out, inputs=gold.fingerprint.inputs if gold else None)


def _parent(plot: Path) -> Path:
    """Return the folder that the pictures go to.

    Raises:
        GonerdError: there is no name for them.
    """
    if not plot.name or plot.is_dir():
        raise GonerdError("this is a folder", where=plot, remedy="Name a file, such as cost.png")
    return plot.parent


def _plot(costs: list[Cost], plot: Path, out: Path, *, inputs: str | None) -> None:
    from gonerd.evaluation.collection import ResultsConfig, find_results, scores_of
    from gonerd.evaluation.cost_plot import plot_costs

    found = find_results(out, ResultsConfig())
    data, f1 = scores_of(costs, [result for result in found if inputs in (None, result.data.inputs)])
    for path in plot_costs(costs, plot, f1=f1, data=data):
        say(str(path))


def show_costs(costs: list[Cost]) -> None:
    """Print the costs of one run: latency, throughput and size, and what is doubtful about them."""
    machine = costs[0].machine
    table(
        ["model", "sub-tokens", "windows", "p50 ms", "p90 ms", "ratio", "peak MiB"],
        [
            [
                _name(measured, costs),
                f"{row.length:,}",
                str(row.windows),
                f"{row.p50_ms:.1f}",
                f"{row.p90_ms:.1f}",
                f"{row.ratio.median:.3f}",
                "-" if row.peak_mib is None else f"{row.peak_mib:.0f}",
            ]
            for measured in costs
            for row in measured.latency
        ],
        title=f"One document: {machine.hardware}, {machine.precision}, {machine.matrix_tflops:.2f} TFLOP/s",
    )
    if costs[0].throughput:
        _show_throughput(costs)
    table(
        ["model", "M params", "embeddings", "MiB", "GFLOP", "counted", "of rate", "J", "price"],
        [_size(measured, costs) for measured in costs],
        title="Size of the weights; operations of the longest document by formula, a counter's over these, what "
        "share of the matrix rate they reach; energy of a document of the data; price of a million",
    )
    for doubt in dict.fromkeys(f"{measured.model.name}: {doubt}" for measured in costs for doubt in measured.doubts):
        say(f"doubtful: {doubt}")


def _show_throughput(costs: list[Cost]) -> None:
    table(
        ["model", "what", "at a time", "sub-tokens/s", "documents/s", "ratio"],
        [
            [
                _name(measured, costs),
                row.what,
                str(row.documents or "sorted"),
                f"{row.tokens_per_second:.0f}",
                f"{row.documents_per_second:.2f}",
                f"{row.ratio.median:.3f}",
            ]
            for measured in costs
            for row in measured.throughput
        ],
        title=f"Many documents; ratios are to {costs[0].reference}",
    )


def _name(measured: Cost, costs: list[Cost]) -> str:
    """Return a model's name, with what runs it where another measurement has the same."""
    name = measured.model.name
    twice = sum(other.model.name == name for other in costs) > 1
    return f"{name} ({measured.model.backend})" if twice else name


def _size(measured: Cost, costs: list[Cost]) -> list[str]:
    longest = max(measured.latency, key=lambda row: row.length, default=None)
    flops = None if longest is None else measured.flops_per_token.get(str(longest.length))
    share = None if longest is None else longest.utilisation
    energy = next((row.joules_per_document for row in measured.throughput if row.joules_per_document), None)
    price = measured.price_per_million_documents
    return [
        _name(measured, costs),
        f"{(measured.model.parameters or 0) / 1e6:.1f}",
        f"{measured.embedding_parameters / 1e6:.1f}",
        f"{measured.weights_mib:.0f}",
        "-" if flops is None or longest is None else f"{flops * longest.length / 1e9:.1f}",
        _counted(measured),
        "-" if share is None else f"{100 * share:.0f} %",
        "-" if energy is None else f"{energy:.2f}",
        "-" if price is None else f"{price:,.2f}",
    ]


def _counted(measured: Cost) -> str:
    """Return the operations that a counter found over those of the formula, where both are known of a length."""
    formula = measured.flops_per_token
    ratios = [counted / formula[at] for at, counted in measured.counted_flops_per_token.items() if at in formula]
    return f"{ratios[0]:.2f}" if ratios else "-"
