"""From a model, whatever runs it, and gold to a result."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from gonerd import __version__
from gonerd.conventions import load_conventions
from gonerd.errors import GonerdError
from gonerd.evaluation.backends import Answers, Backend, InputDocument, Setup, open_backend
from gonerd.evaluation.hardware import describe_hardware, library_versions, watch_memory
from gonerd.evaluation.predict import PredictConfig
from gonerd.evaluation.result import (
    DataPart,
    Reading,
    Result,
    SpeedPart,
    TypeScore,
    read_result,
    result_path,
    write_result,
)
from gonerd.evaluation.trim import trimmed
from gonerd.formats.gold import Gold
from gonerd.formats.predictions import Matching, match, write_predictions
from gonerd.records import Prediction, Progress, silent
from gonerd.store import utc_now


def evaluate(
    model: str | Path,
    gold: Gold,
    out: Path,
    *,
    config: PredictConfig,
    name: str | None = None,
    progress: Progress = silent,
) -> Path:
    """Evaluate a model on whole documents; return the path of the result under `out`.

    The predictions lie beside it (`predictions_path`). A result of the same model, data and settings that is there
    already is not computed again.

    Args:
        model: a checkpoint's folder or its name on the Hub, a spaCy pipeline, a file of predictions, or
            `python:MODULE:FUNCTION` (`backends.KINDS`).
        gold: the documents.
        out: folder of results.
        config: how the model is run.
        name: of the model, `organisation/name`; its own if not given.
        progress: called with what is done and how much there is.

    Raises:
        GonerdError: the model is unusable, leaves words out, or answers with NaN; or there are no documents.
    """
    if not gold.documents:
        raise GonerdError("no documents to evaluate on", where=f"{gold.name}, {gold.split}")
    backend = open_backend(model, Setup(gold.scheme, config, name))
    path = out / result_path(data_part(gold), backend.model, backend.settings)
    if _is_there(path):
        return path
    return _write(backend, gold, out, progress=progress)


def predictions_path(result: Path) -> Path:
    """Return where the predictions of a result lie."""
    return result.with_suffix(".predictions.jsonl.gz")


def data_part(gold: Gold) -> DataPart:
    """Return what a result says about its data."""
    return DataPart(
        name=gold.name,
        split=gold.split,
        scheme=gold.scheme.name,
        documents=len(gold.documents),
        words=gold.words,
        inputs=gold.fingerprint.inputs,
        gold=gold.fingerprint.gold or "",
    )


def _is_there(path: Path) -> bool:
    """Tell whether a result is there with its predictions; a broken one is an error, not a reason to overwrite it."""
    if not (path.is_file() and predictions_path(path).is_file()):
        return False
    read_result(path)
    return True


def _write(backend: Backend, gold: Gold, out: Path, *, progress: Progress) -> Path:
    """Compute, then write the predictions, then the result: its presence means that both are complete."""
    started = time.perf_counter()
    with watch_memory(backend.device) as memory:
        answers = backend.predict([InputDocument.of(document) for document in gold.documents], progress=progress)
    predictions = _trim(answers.predictions, gold) if backend.settings.get("trim") else answers.predictions
    matching = _complete(match(gold, predictions), where=backend.model.name)
    sources = sorted({document.source for document in gold.documents if document.source is not None})
    result = Result(
        gonerd_version=__version__,
        created_at=utc_now(),
        data=data_part(gold),
        model=backend.model.model_copy(update=answers.facts),
        settings=backend.settings,
        libraries=library_versions(backend.model.backend),
        strict=Reading.of(matching.scores()),
        lenient=Reading.of(matching.scores(reading="lenient")),
        by_source={source: TypeScore.of(matching.scores(source=source).micro) for source in sources},
        coverage=answers.coverage,
        speed=_speed(answers, peak=memory.mib, device=backend.device, wall=time.perf_counter() - started),
    )
    place = predictions_path(out / result.path)
    place.parent.mkdir(parents=True, exist_ok=True)
    partial = place.with_name(f".partial-{place.name}")
    write_predictions(partial, _as_tags(matching))
    partial.replace(place)
    return write_result(result, out)


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


def _speed(answers: Answers, *, peak: float, device: str | None, wall: float) -> SpeedPart:
    if answers.seconds is None:
        return SpeedPart(seconds=0.0, words_per_second=0.0, hardware="not measured")
    tokens = answers.sub_tokens
    return SpeedPart(
        seconds=round(answers.seconds, 4),
        words_per_second=round(answers.coverage.gold_words / answers.seconds, 1),
        tokens_per_second=None if tokens is None else round(tokens / answers.seconds, 1),
        peak_memory_mib=None if device is None else round(max(0.0, peak), 1),
        hardware=describe_hardware(device),
        wall_seconds=round(wall, 4),
    )
