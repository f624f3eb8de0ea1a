"""From a checkpoint, or a file of predictions, and gold to a result."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gonerd import __version__
from gonerd.errors import GonerdError
from gonerd.evaluation.hardware import describe_hardware, library_versions, watch_memory
from gonerd.evaluation.predict import Coverage, PredictConfig, predict_tags
from gonerd.evaluation.result import (
    CoveragePart,
    DataPart,
    ModelPart,
    Reading,
    Result,
    Settings,
    SpeedPart,
    TypeScore,
    read_result,
    result_path,
    write_result,
)
from gonerd.formats.gold import Gold
from gonerd.formats.predictions import Matching, match, read_predictions, write_predictions
from gonerd.models.checkpoints import checkpoint_name, checkpoint_revision, describe, load_checkpoint
from gonerd.models.tagging import choose_device
from gonerd.records import Prediction, Progress, silent
from gonerd.store import sha256_file, utc_now

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

WARM_UP_DOCUMENTS = 2


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What a backend found out."""

    model: ModelPart
    settings: Settings
    matching: Matching
    coverage: CoveragePart
    speed: SpeedPart
    libraries: dict[str, str]


def evaluate(
    checkpoint: str | Path,
    gold: Gold,
    out: Path,
    *,
    config: PredictConfig,
    name: str | None = None,
    progress: Progress = silent,
) -> Path:
    """Evaluate a checkpoint on whole documents; return the path of the result under `out`.

    The predictions lie beside it (`predictions_path`). A result of the same model, data and settings that is there
    already is not computed again.

    Args:
        checkpoint: a folder, or a name on the Hub.
        gold: the documents.
        out: folder of results.
        config: how the model is run.
        name: of the model, `organisation/name`; the name on the Hub or the folder's name if not given.
        progress: called with the windows done and their number.

    Raises:
        GonerdError: the checkpoint is unusable, or answers with NaN; or there are no documents.
    """
    if not gold.documents:
        raise GonerdError("no documents to evaluate on", where=f"{gold.name}, {gold.split}")
    model = ModelPart(
        name=name or checkpoint_name(checkpoint), revision=checkpoint_revision(checkpoint), backend="transformers"
    )
    path = out / result_path(data_part(gold), model, config.settings())
    if _is_there(path):
        return path
    return _write(_run_checkpoint(checkpoint, gold, model, config, progress), gold, out)


def evaluate_predictions(predictions: Path, gold: Gold, out: Path, *, name: str) -> Path:
    """Evaluate a file of predictions; return the path of the result under `out`. The file's hash is the revision.

    Raises:
        GonerdError: the file is unreadable, or a document is missing, surplus or unusable: a result covers every word.
    """
    model = ModelPart(name=name, revision=sha256_file(predictions), backend="predictions")
    path = out / result_path(data_part(gold), model, {})
    if _is_there(path):
        return path
    matching = match(gold, read_predictions(predictions))
    if matching.problems:
        first = matching.problems[0]
        raise GonerdError(
            f"{len(matching.problems)} documents can not be scored; the first is {first.id}: {first.kind}"
            + (f" ({first.detail})" if first.detail else ""),
            where=predictions,
            remedy="`gonerd score` lists them all",
        )
    coverage = CoveragePart(gold_words=gold.words, predicted_words=gold.words, lost_words=0, windowed_documents=0)
    speed = SpeedPart(seconds=0.0, words_per_second=0.0, hardware="not measured")
    return _write(_Outcome(model, {}, matching, coverage, speed, {}), gold, out)


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


def _run_checkpoint(
    checkpoint: str | Path, gold: Gold, part: ModelPart, config: PredictConfig, progress: Progress
) -> _Outcome:
    device = choose_device(config.device)
    documents = [(document.id, document.tokens) for document in gold.documents]
    with watch_memory(device) as memory:
        model, tokenizer = load_checkpoint(checkpoint, scheme=gold.scheme)
        model.to(device)
        predict_tags(model, tokenizer, documents[:WARM_UP_DOCUMENTS], config=config, scheme=gold.scheme)
        started = time.perf_counter()
        tags, coverage = predict_tags(model, tokenizer, documents, config=config, scheme=gold.scheme, progress=progress)
        seconds = time.perf_counter() - started
    info = describe(checkpoint, model, tokenizer)
    return _Outcome(
        model=part.model_copy(
            update={
                "architecture": info.architecture,
                "attention": info.attention,
                "layers": info.layers,
                "parameters": info.parameters,
                "reach_tokens": info.reach_tokens,
                "teacher": info.teacher,
            }
        ),
        settings=config.settings(),
        matching=match(gold, _predictions(gold, tags)),
        coverage=_coverage_part(coverage),
        speed=_speed(coverage, seconds, peak=memory.mib, device=device),
        libraries=library_versions(),
    )


def _predictions(gold: Gold, tags: dict[str, NDArray[np.int8]]) -> list[Prediction]:
    """Return the tags as predictions, in the order of gold."""
    names = gold.scheme.tags
    return [
        Prediction(document.id, ner_tags=tuple(names[tag] for tag in tags[document.id].tolist()))
        for document in gold.documents
    ]


def _coverage_part(coverage: Coverage) -> CoveragePart:
    return CoveragePart(
        gold_words=coverage.gold_words,
        predicted_words=coverage.predicted_words,
        lost_words=coverage.lost_words,
        windowed_documents=coverage.windowed_documents,
    )


def _speed(coverage: Coverage, seconds: float, *, peak: float, device: str) -> SpeedPart:
    return SpeedPart(
        seconds=round(seconds, 4),
        words_per_second=round(coverage.gold_words / seconds, 1),
        tokens_per_second=round(coverage.sub_tokens / seconds, 1),
        peak_memory_mib=round(max(0.0, peak), 1),
        hardware=describe_hardware(device),
    )


def _write(outcome: _Outcome, gold: Gold, out: Path) -> Path:
    """Write the predictions, then the result: its presence means that both are complete."""
    matching = outcome.matching
    sources = sorted({document.source for document in gold.documents if document.source is not None})
    result = Result(
        gonerd_version=__version__,
        created_at=utc_now(),
        data=data_part(gold),
        model=outcome.model,
        settings=outcome.settings,
        libraries=outcome.libraries,
        strict=Reading.of(matching.scores()),
        lenient=Reading.of(matching.scores(reading="lenient")),
        by_source={source: TypeScore.of(matching.scores(source=source).micro) for source in sources},
        coverage=outcome.coverage,
        speed=outcome.speed,
    )
    names = gold.scheme.tags
    answers = zip(gold.documents, matching.predicted, strict=True)
    place = predictions_path(out / result.path)
    place.parent.mkdir(parents=True, exist_ok=True)
    partial = place.with_name(f".partial-{place.name}")
    write_predictions(
        partial, (Prediction(item.id, ner_tags=tuple(names[tag] for tag in tags)) for item, tags in answers)
    )
    partial.replace(place)
    return write_result(result, out)
