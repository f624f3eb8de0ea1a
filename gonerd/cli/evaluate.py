"""`gonerd evaluate`: the entity F1 of models on whole documents."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from gonerd.cli.console import progress_bar, say, table
from gonerd.cli.submit import SubmitToo, send_result
from gonerd.evaluation.evaluate import RunConfig
from gonerd.evaluation.predict import PredictConfig
from gonerd.evaluation.result import Outcome, Result, Unscored, read_outcome

if TYPE_CHECKING:
    from gonerd.evaluation.analysis import Training
    from gonerd.evaluation.evaluate import About
    from gonerd.formats.gold import Gold

SUSPICIOUS = 0.05  # by how much the lenient reading may be better before there is a reason to look for


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceConfig:
    """The gold."""

    data: str
    """A dataset's name, folder or repository on the Hub (organisation/name, or with @revision), or a file of gold."""
    split: str = "test"
    """Which split of it."""
    scheme: str = "gonerd"
    """The label scheme."""
    train: str | None = None
    """What the model was trained on, a file or a dataset, for the scores of names seen there or not; the split train of
    DATA's own folder if not given."""


def evaluate(
    models: Annotated[list[str], Parameter(negative="")],
    /,
    *,
    source: Annotated[SourceConfig, Parameter(name="*")],
    out: Path = Path("results"),
    config: Annotated[PredictConfig, Parameter(name="*", negative_iterable="")] = PredictConfig(),  # noqa: B008 - frozen
    run: Annotated[RunConfig, Parameter(name="*")] = RunConfig(),  # noqa: B008 - frozen
    submission: Annotated[SubmitToo, Parameter(name="*")] = SubmitToo(),  # noqa: B008 - frozen
) -> int:
    """Evaluate models on whole documents: every gold word gets a tag, whatever a model's reach.

    MODELS are folders in the transformers format or names on the Hub; spaCy pipelines (folders or installed packages);
    files of predictions (.jsonl, .jsonl.gz); or python:FILE.py:FUNCTION, from documents to annotations. transformers:,
    spacy: or predictions: in front says so outright. What gonerd model finetune --seeds wrote stands for all its runs.

    F1 counts whole entities: first word, last word and type. Documents beyond a model's reach are read in windows that
    overlap. Labels of another scheme are mapped, and shown; --labels PERSON=PER settles those that can not be. Each
    model becomes results/MODEL/REVISION/DATA-SPLIT-KEY.json with its predictions beside it; what is there already is
    not computed again. gonerd results makes tables of them, gonerd compare tells whether one is better.

    Example: gonerd evaluate models/teacher models/student --data my-dataset

    Example: gonerd evaluate en_core_web_sm --trim --data gold.jsonl

    Example: gonerd evaluate org/model --data org/my-news@v1.0.0 --split validation

    Several GPUs, or processes on a CPU: accelerate launch --multi_gpu --num_processes 4 -m gonerd evaluate …

    Args:
        models: what to evaluate.
        source: the gold.
        out: folder for the results.
        config: how the models are run.
        run: what results say of the model.
        submission: a submission made in the same go.
    """
    from gonerd.cli.leaderboard import read_gold_split
    from gonerd.evaluation.evaluate import About, predictions_path
    from gonerd.models.share import launched_rank

    runs = [pair for model in dict.fromkeys(models) for pair in _with_seeds(model, run)]
    statement = submission.stated(runs, run.name)
    gold = read_gold_split(source.data, source.split, scheme=source.scheme)
    about = About(run, _training(source))
    paths = [_evaluate(model, gold, out, config, replace(about, run=named)) for model, named in runs]
    if launched_rank() != 0:
        return 0
    _show([read_outcome(path) for path in paths], config)
    for path in paths:
        say(str(path))
    if statement is None or submission.submit is None:
        return 0
    predictions = predictions_path(paths[0])
    return send_result(
        paths[0], predictions, submission.submit, statement=statement, config=submission.config, gold=gold
    )  # fmt: skip


def _with_seeds(model: str, run: RunConfig) -> list[tuple[str, RunConfig]]:
    """Return a model and what results say of it; or its seeds, where it is a folder of several, as one group."""
    from gonerd.training.seeds import group_of, seed_folders

    folder = Path(model)
    return [
        (str(one), replace(run, name=run.name or f"{name}-{one.name}", run_group=run.run_group or group_of(folder)))
        for name in (folder.resolve().name,)
        for one in seed_folders(folder)
    ] or [(model, run)]


def _training(source: SourceConfig) -> Training | None:
    """Return the names of the training data: of the file or dataset that is named, or of the folder's split train."""
    from gonerd.cli.leaderboard import read_gold_split
    from gonerd.dataset.files import data_files
    from gonerd.evaluation.analysis import Training
    from gonerd.evaluation.views import surfaces

    folder, place = Path(source.data), source.train
    if place is None and folder.is_dir() and source.split != "train" and "train" in data_files(folder):
        place = source.data
    if place is None:
        return None
    gold = read_gold_split(place, "train", scheme=source.scheme)
    if gold.hidden and source.train is None:
        return None
    return Training(surfaces([(item.tokens, item.tags) for item in gold.documents]), gold.fingerprint.inputs)


def _evaluate(model: str, gold: Gold, out: Path, config: PredictConfig, about: About) -> Path:
    from gonerd.evaluation.evaluate import evaluate as run

    with progress_bar(f"Evaluating {model}") as progress:
        return run(model, gold, out, config=config, about=about, progress=progress)


def _show(results: Sequence[Outcome], config: PredictConfig) -> None:
    table(["model", "strict F1", "95 % of draws", "lenient", "coverage", "words/s"], [_row(item) for item in results])
    for result in results:
        for line in (*_idle(result, config), *_notes(result)):
            say(f"{result.model.name}: {line}")


def _row(result: Outcome) -> list[str]:
    return [
        result.model.name,
        *_scores(result),
        f"{result.coverage.predicted_words / max(1, result.coverage.gold_words):.3f}",
        f"{result.speed.words_per_second:.0f}" if result.speed.seconds else "-",
    ]


def _scores(result: Outcome) -> list[str]:
    """Return strict F1, its interval and lenient F1."""
    if not isinstance(result, Result):
        return ["-", "-", "-"]
    interval = result.analysis.intervals["strict_f1"] if result.analysis else None
    return [
        f"{100 * result.strict.micro.f1:.2f}",
        f"{100 * interval.low:.1f} to {100 * interval.high:.1f}" if interval else "-",
        f"{100 * result.lenient.micro.f1:.2f}",
    ]


def _idle(result: Outcome, config: PredictConfig) -> Iterator[str]:
    """Yield which of the options given have no part in a model's answers, as windows have none in those of spaCy."""
    default = PredictConfig()
    options = [option.name for option in fields(config) if option.name in config.settings()]
    given = [name for name in options if getattr(config, name) != getattr(default, name)]
    if idle := [name for name in given if name not in result.settings]:
        yield f"without effect: {', '.join(idle)}"


def _notes(result: Outcome) -> Iterator[str]:
    """Yield what a reader should know beside the figures."""
    if result.model.labels:
        pairs = (f"{label}={tag}" for label, tag in result.model.labels.items())
        yield f"labels ({result.model.tagging or 'spans'}) read as {' '.join(pairs)}"
    coverage = result.coverage
    if coverage.windowed_documents:
        yield f"{coverage.windowed_documents} of {result.data.documents} documents read in windows"
    if coverage.lost_words:
        yield f"{coverage.lost_words} words that its tokenizer turned into nothing count as O"
    if isinstance(result, Unscored):
        yield f"not scored: {result.unscored}; gonerd submit makes what is scored where they are kept"
    if not isinstance(result, Result):
        return
    if result.lenient.micro.f1 - result.strict.micro.f1 > SUSPICIOUS:
        yield "far better when I- may begin an entity: if it writes IOB1, say --tagging IOB1; or try --decoder viterbi"
    if result.f1_above_fp32 is not None:
        yield f"strict F1 {100 * result.f1_above_fp32:+.2f} points against fp32"
