"""From a model, whatever runs it, and gold to a result."""

from __future__ import annotations

import contextlib
import platform
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gonerd import __version__
from gonerd.conventions import load_conventions
from gonerd.errors import GonerdError
from gonerd.evaluation.analysis import Training, analyse, document_counts
from gonerd.evaluation.backend import Answers, Backend, InputDocument, Setup
from gonerd.evaluation.backends import open_backend, without_prefix
from gonerd.evaluation.hardware import (
    code_commit,
    describe_hardware,
    driver_version,
    library_versions,
    watch_memory,
)
from gonerd.evaluation.predict import PredictConfig
from gonerd.evaluation.result import (
    DataPart,
    DocumentsPart,
    Outcome,
    Reading,
    Result,
    RunPart,
    SpeedPart,
    TypeScore,
    Unscored,
    read_outcome,
    read_result,
    result_path,
    write_result,
)
from gonerd.evaluation.trim import trimmed
from gonerd.formats import jsonl
from gonerd.formats.gold import Gold
from gonerd.formats.predictions import Matching, match, write_predictions
from gonerd.models.origin import trained_with
from gonerd.models.share import launched_share
from gonerd.records import Prediction, Progress, silent
from gonerd.store import utc_now


@dataclass(frozen=True, slots=True)
class DocumentCounts:
    """The strict counts of one document, from which two results are compared."""

    id: str
    correct: int
    predicted: int
    gold: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RunConfig:
    """What is to be said of a model that it does not say itself."""

    name: str | None = None
    """Name of the model in the results, organisation/name; its own if not given."""
    run_group: str | None = None
    """Runs of one group differ in their seed alone; `gonerd results` shows their mean and spread."""
    seed: int | None = None
    """The seed that the model was trained with; gonerd's own models say it themselves."""


@dataclass(frozen=True, slots=True)
class About:
    """What a result says of its model beyond what the model says."""

    run: RunConfig = RunConfig()
    training: Training | None = None  # what it may have seen


def evaluate(
    model: str | Path,
    gold: Gold,
    out: Path,
    *,
    config: PredictConfig,
    about: About = About(),
    progress: Progress = silent,
) -> Path:
    """Evaluate a model on whole documents; return the path of the result under `out`.

    The predictions lie beside it (`predictions_path`). A result of the same model, data and settings that is there
    already is not computed again. Where the gold is hidden, all is predicted and the result is `Unscored`.

    Args:
        model: a checkpoint's folder or its name on the Hub, a spaCy pipeline, a file of predictions, or
            `python:MODULE:FUNCTION` (`backends.KINDS`).
        gold: the documents.
        out: folder of results.
        config: how the model is run.
        about: what is to be said of the model that it does not say itself.
        progress: called with what is done and how much there is.

    Raises:
        GonerdError: the model is unusable, leaves words out, or answers with NaN; or there are no documents.
    """
    if not gold.documents:
        raise GonerdError("no documents to evaluate on", where=f"{gold.name}, {gold.split}")
    share = launched_share(config.device)
    backend = open_backend(model, Setup(gold.scheme, config, about.run.name, share))
    path = out / result_path(data_part(gold), backend.model, backend.settings)
    if _is_there(path, scored=not gold.hidden):
        return path
    full: Path | None = None
    rounded = backend.settings.get("precision", "fp32") != "fp32"
    if rounded and config.compare_fp32 and not gold.hidden:  # hidden: no F1 to compare
        full = evaluate(model, gold, out, config=replace(config, precision="fp32"), about=about, progress=progress)
    answered = _answer(backend, gold, progress=progress)
    if share.rank == 0:
        run = _run(about.run, model, device=backend.device, processes=share.size)
        _write(answered, gold, out, run=run, training=about.training, full=full)
    return path


def documents_path(result: Path) -> Path:
    """Return where the counts of a result's documents lie."""
    return result.with_suffix(".documents.jsonl.gz")


def predictions_path(result: Path) -> Path:
    """Return where the predictions of a result lie."""
    return result.with_suffix(".predictions.jsonl.gz")


def data_part(gold: Gold) -> DocumentsPart:
    """Return what a result says about its data: a `DataPart` where the labels are there."""
    part = DocumentsPart(
        name=gold.name,
        split=gold.split,
        scheme=gold.scheme.name,
        documents=len(gold.documents),
        words=gold.words,
        inputs=gold.fingerprint.inputs,
        revision=gold.revision,
    )
    labels = gold.fingerprint.gold
    return part if labels is None else DataPart(**part.model_dump(), gold=labels)


def _is_there(path: Path, *, scored: bool) -> bool:
    """Tell whether a result is there, and what lies beside it; a broken one is an error, never overwritten."""
    places = (path, predictions_path(path), *([documents_path(path)] if scored else []))
    if not all(place.is_file() for place in places):
        return False
    read_outcome(path)
    return True


@dataclass(frozen=True, slots=True)
class _Answered:
    """What a backend answered, beside gold."""

    backend: Backend
    answers: Answers
    matching: Matching
    peak_mib: float
    wall_seconds: float


def _answer(backend: Backend, gold: Gold, *, progress: Progress) -> _Answered:
    started = time.perf_counter()
    with watch_memory(backend.device) as memory:
        answers = backend.predict([InputDocument.of(document) for document in gold.documents], progress=progress)
    if answers.coverage.predicted_words != gold.words:
        raise GonerdError(
            f"{answers.coverage.predicted_words} words were predicted, of {gold.words}", where=backend.model.name
        )
    predictions = _trim(answers.predictions, gold) if backend.settings.get("trim") else answers.predictions
    matching = _complete(match(gold, predictions), where=backend.model.name)
    return _Answered(backend, answers, matching, memory.mib, time.perf_counter() - started)


def _write(
    answered: _Answered, gold: Gold, out: Path, *, run: RunPart, training: Training | None, full: Path | None
) -> None:
    """Write predictions and documents' counts, then the result: its presence means that all are complete."""
    backend, answers, matching = answered.backend, answered.answers, answered.matching
    known: dict[str, Any] = {
        "gonerd_version": __version__,
        "created_at": utc_now(),
        "data": data_part(gold),
        "model": backend.model.model_copy(update=answers.facts),
        "settings": backend.settings,
        "libraries": library_versions(backend.model.backend),
        "coverage": answers.coverage,
        "speed": _speed(answered),
        "run": run,
    }
    if gold.hidden:
        outcome: Outcome = Unscored(**known)
    else:
        outcome = Result(**known, **_scores(answered, training=training, full=full))
    path = out / outcome.path
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(predictions_path(path)) as partial:
        write_predictions(partial, _as_tags(matching))
    if not gold.hidden:
        with whole_file(documents_path(path)) as partial:
            counts = sorted(document_counts(matching).items())
            jsonl.write(partial, (DocumentCounts(name, *row) for name, row in counts))
    write_result(outcome, out)


def _scores(answered: _Answered, *, training: Training | None, full: Path | None) -> dict[str, Any]:
    """Return what a result has beyond an outcome."""
    matching = answered.matching
    strict = Reading.of(matching.scores())
    return {
        "strict": strict,
        "lenient": Reading.of(matching.scores(reading="lenient")),
        "by_source": {name: TypeScore.of(matching.scores(source=name).micro) for name in matching.gold.sources},
        "analysis": analyse(matching, sub_tokens=answered.answers.sub_tokens, training=training),
        "f1_above_fp32": None if full is None else strict.micro.f1 - read_result(full).strict.micro.f1,
    }


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give the name to write a file under, which gets its own name when it is complete; else nothing is left of it."""
    partial = path.with_name(f".partial-{path.name}")
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _run(config: RunConfig, model: str | Path, *, device: str | None, processes: int) -> RunPart:
    return RunPart(
        group=config.run_group,
        seed=_seed(model) if config.seed is None else config.seed,
        commit=code_commit(),
        python=platform.python_version(),
        system=platform.platform(terse=True),
        driver=driver_version(device),
        processes=processes,
    )


def _seed(model: str | Path) -> int | None:
    """Return the seed that the manifest in a model's folder has."""
    seed = trained_with(Path(without_prefix(model)), "seed")
    return seed if isinstance(seed, int) else None


def _trim(predictions: Iterable[Prediction], gold: Gold) -> Iterator[Prediction]:
    conventions = load_conventions(gold.scheme.name)
    tokens = {document.id: document.tokens for document in gold.documents}
    for item in predictions:
        tags = item.ner_tags
        yield item if tags is None else Prediction(item.id, ner_tags=trimmed(tokens[item.id], tags, conventions))


def _complete(matching: Matching, *, where: object) -> Matching:
    """Return the matching; a document that can not be scored is an error, since a result covers every word."""
    if matching.problems:
        first = matching.problems[0]
        raise GonerdError(
            f"{len(matching.problems)} documents can not be scored; the first is {first.id}: {first.kind}"
            + (f" ({first.detail})" if first.detail else ""),
            where=where,
            remedy="`gonerd score` lists them all",
        )
    return matching


def _as_tags(matching: Matching) -> list[Prediction]:
    """Return the predictions as tags, in the order of gold."""
    names = matching.gold.scheme.tags
    answers = zip(matching.gold.documents, matching.predicted, strict=True)
    return [Prediction(item.id, ner_tags=tuple(names[tag] for tag in tags)) for item, tags in answers]


def _speed(answered: _Answered) -> SpeedPart:
    answers, device = answered.answers, answered.backend.device
    wall = round(answered.wall_seconds, 4)
    if answers.seconds is None:
        return SpeedPart(seconds=0.0, words_per_second=0.0, hardware="not measured", wall_seconds=wall)
    tokens = answers.sub_tokens
    return SpeedPart(
        seconds=round(answers.seconds, 4),
        words_per_second=round(answers.coverage.gold_words / answers.seconds, 1),
        tokens_per_second=None if tokens is None else round(sum(tokens.values()) / answers.seconds, 1),
        peak_memory_mib=None if device is None else round(max(0.0, answered.peak_mib), 1),
        hardware=describe_hardware(device),
        max_tokens=answers.max_tokens,
        wall_seconds=wall,
    )
