"""`gonerd evaluate`: the entity F1 of models on whole documents."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from gonerd.cli.console import progress_bar, say, table
from gonerd.evaluation.predict import PredictConfig

if TYPE_CHECKING:
    from gonerd.evaluation.result import Result
    from gonerd.formats.gold import Gold


def evaluate(
    models: Annotated[list[str], Parameter(negative="")],
    /,
    *,
    data: str,
    split: str = "test",
    out: Path = Path("results"),
    scheme: str = "gonerd",
    config: Annotated[PredictConfig, Parameter(name="*")] = PredictConfig(),  # noqa: B008 - frozen
) -> None:
    """Evaluate models on whole documents: every gold word gets a tag, whatever a model's reach.

    Each model becomes a result, results/MODEL/REVISION/DATA-SPLIT-KEY.json, with its predictions beside it.
    A result that is there already is not computed again. F1 counts whole entities: first word, last word and type.

    Example: gonerd evaluate models/teacher models/student --data gonerd-dataset

    Args:
        models: folders in the transformers format, or names on the Hub; or files of predictions (.jsonl, .jsonl.gz).
        data: a dataset's folder or name, or a file of gold (JSON Lines, Parquet or CoNLL).
        split: which split of the data.
        out: folder for the results.
        scheme: the label scheme.
        config: how the models are run.
    """
    from gonerd.cli.leaderboard import read_gold_split
    from gonerd.evaluation.result import read_result

    gold = read_gold_split(data, split, scheme=scheme)
    paths = [_evaluate(model, gold, out, config) for model in models]
    _show([read_result(path) for path in paths])
    for path in paths:
        say(str(path))


def _evaluate(model: str, gold: Gold, out: Path, config: PredictConfig) -> Path:
    from gonerd.evaluation.evaluate import evaluate as run

    with progress_bar(f"Evaluating {model}") as progress:
        return run(model, gold, out, config=config, progress=progress)


def _show(results: list[Result]) -> None:
    headers = ["model", "strict F1", "lenient F1", "coverage", "lost words", "words/s", "peak MiB"]
    table(headers, [_row(result) for result in results])


def _row(result: Result) -> list[str]:
    peak = result.speed.peak_memory_mib
    return [
        result.model.name,
        f"{100 * result.strict.micro.f1:.2f}",
        f"{100 * result.lenient.micro.f1:.2f}",
        f"{result.coverage.predicted_words / max(1, result.coverage.gold_words):.3f}",
        str(result.coverage.lost_words),
        f"{result.speed.words_per_second:.0f}" if result.speed.seconds else "-",
        "-" if peak is None else f"{peak:.0f}",
    ]
