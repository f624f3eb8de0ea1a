"""What puts a score on the model's own page on the Hub: `model-index` metadata, and a file of `.eval_results`.

Formats: Hub documentation, "Evaluation results" and "Model cards" (model-index); read in 2026.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gonerd.evaluation.result import Result
from gonerd.leaderboard.submission import HUB_NAME, Submission
from gonerd.store import write_atomic

CARD, RESULTS = "model-index.yaml", ".eval_results/gonerd.yaml"
TASK = "strict_f1"  # of the benchmark's eval.yaml; a file of .eval_results has one value a task


def write_model_page(result: Result, out: Path, *, submission: Submission, dataset: str | None = None) -> list[Path]:
    """Write both files under `out` and return their paths.

    `model-index.yaml` is to be merged into the YAML front matter of the model's README.md; the other is to be added to
    the model's repository as it is, and is written only where the dataset is on the Hub.

    Args:
        result: scores, as claimed.
        out: folder for the files.
        submission: whose name and reference the page carries.
        dataset: organisation/name on the Hub of the data that was scored on; the data's own name if not given.
    """
    import yaml

    found = dataset or (result.data.name if HUB_NAME.fullmatch(result.data.name) else None)
    contents: dict[str, Any] = {CARD: {"model-index": _model_index(result, submission, found)}}
    if found is not None:
        contents[RESULTS] = _eval_results(result, submission, found)
    for name, value in contents.items():
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        write_atomic(out / name, yaml.safe_dump(value, sort_keys=False, allow_unicode=True))
    return [out / name for name in contents]


def _model_index(result: Result, submission: Submission, dataset: str | None) -> list[dict[str, Any]]:
    from huggingface_hub import EvalResult
    from huggingface_hub.repocard_data import eval_results_to_model_index

    strict = result.strict.micro
    values = {"f1": strict.f1, "precision": strict.precision, "recall": strict.recall}
    entries = [
        EvalResult(
            task_type="token-classification",
            task_name="Named entity recognition on whole documents",
            dataset_type=dataset or result.data.name,
            dataset_name=result.data.name,
            dataset_split=result.data.split,
            metric_type=name,
            metric_name=f"strict entity-level micro {name}",
            metric_value=value,
            source_name="reference" if submission.reference else None,
            source_url=submission.reference,
        )
        for name, value in values.items()
    ]
    index: list[dict[str, Any]] = eval_results_to_model_index(submission.name, entries)
    return index


def _eval_results(result: Result, submission: Submission, dataset: str) -> list[dict[str, Any]]:
    from huggingface_hub import EvalResultEntry, eval_result_entries_to_yaml

    entry = EvalResultEntry(
        dataset_id=dataset,
        task_id=TASK,
        value=result.strict.micro.f1,
        date=result.created_at,
        source_url=submission.reference,
        notes=f"{result.data.split} split, whole documents, gonerd {result.gonerd_version}",
    )
    entries: list[dict[str, Any]] = eval_result_entries_to_yaml([entry])
    return entries
