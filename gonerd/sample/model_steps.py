"""The quickstart's last steps: from a dataset to a verified leaderboard page."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from gonerd import store
from gonerd.errors import GonerdError
from gonerd.labels import load_scheme
from gonerd.records import Example
from gonerd.sample.quickstart import Workspace

DATA = "gonerd-quickstart"
TIMED, TURNS = 6, 7
LENGTHS, SECONDS = (512, 4096), 10.0  # of one document alone, and for each of them
"""Test documents that both models are timed on, and how often."""


@cache
def examples(folder: Path, split: str) -> list[Example]:
    """Return a split of the dataset."""
    from gonerd.dataset.examples import read_examples

    return list(read_examples(folder, split))


def train_models(workspace: Workspace) -> list[str]:
    """Train a small long-context teacher, and distill a student with half its layers from it."""
    from gonerd.models.small import SmallConfig, new_checkpoint
    from gonerd.sample.describe import distill_config, finetune_config
    from gonerd.training.distill import distill
    from gonerd.training.finetune import finetune
    from gonerd.training.watch import counting

    data = workspace.folder("dataset")
    train, validation = examples(data, "train"), examples(data, "validation")
    start, teacher, student = (workspace.folder("models", name) for name in ("start", "teacher", "student"))
    seed = workspace.config.seed
    new_checkpoint((row.text for row in train), start, config=SmallConfig(), scheme=load_scheme(), seed=seed)
    with workspace.bar("Training the teacher") as progress:
        config = finetune_config(seed)
        finetune(start, teacher, train=train, validation=validation, config=config, watch=counting(progress))
    with workspace.bar("Distilling the student") as progress:
        distill(
            teacher, student, train=train, validation=validation, config=distill_config(seed), watch=counting(progress)
        )
    return [f"a teacher and a student trained on {len(train)} whole documents", str(workspace.folder("models"))]


def evaluate_models(workspace: Workspace) -> list[str]:
    """Evaluate both models and the name lookup on the test split, and time both models in turns."""
    from gonerd.evaluation.evaluate import About, RunConfig, evaluate
    from gonerd.evaluation.predict import PredictConfig
    from gonerd.evaluation.result import read_result

    gold = test_gold(workspace)
    figures: dict[str, Any] = {"lookup_f1": lookup_f1(workspace)}
    scores: dict[str, float] = {}
    for name in ("teacher", "student"):
        with workspace.bar(f"Evaluating the {name}") as progress:
            path = evaluate(
                workspace.folder("models", name), gold, workspace.folder("results"), config=PredictConfig(),
                about=About(RunConfig(name=f"sample/{name}")), progress=progress,
            )  # fmt: skip
        result = read_result(path)
        figures[name] = {
            "result": str(path.relative_to(workspace.config.out)),
            "strict_f1": round(result.strict.micro.f1, 4),
            "by_source": {source: round(score.f1, 4) for source, score in result.by_source.items()},
            "peak_memory_mib": result.speed.peak_memory_mib,
            "coverage": result.coverage.predicted_words / result.coverage.gold_words,
        }
        scores[name] = result.strict.micro.f1
    figures["time"] = time = time_in_turns(workspace)
    figures["f1_kept"] = round(scores["student"] / scores["teacher"], 4) if scores["teacher"] else None
    workspace.figures["evaluation"] = figures
    return [
        *(model_line(name, figures[name]) for name in ("teacher", "student")),
        f"the student keeps {share(figures['f1_kept'])} of the teacher's F1 and saves {share(time['saved'])} of its "
        f"time ({share(time['saved_lowest'])} to {share(time['saved_highest'])} over {TURNS} turns)",
        f"a lookup of training names scores F1 {figures['lookup_f1']:.3f}",
        str(workspace.folder("results")),
    ]


def model_line(name: str, figures: dict[str, Any]) -> str:
    """Return the line for one model."""
    sources = ", ".join(f"{source} {score:.3f}" for source, score in figures["by_source"].items())
    return (
        f"{name}: strict F1 {figures['strict_f1']:.3f} ({sources}), "
        f"every word predicted, peak memory {figures['peak_memory_mib']:,.0f} MiB"
    )


def share(value: float | None) -> str:
    """Return a share in per cent."""
    return "no measurable share" if value is None else f"{100 * value:.1f} %"


def test_gold(workspace: Workspace) -> Any:
    """Return the test split as gold for scoring."""
    from gonerd.formats.gold import Gold, GoldDocument

    rows = (GoldDocument.of(example) for example in examples(workspace.folder("dataset"), "test"))
    return Gold.of(rows, scheme=load_scheme(), name=DATA, split="test")


def lookup_f1(workspace: Workspace) -> float:
    """Return what a lookup of the training names scores on the test split."""
    from gonerd.evaluation.lookup import Lookup
    from gonerd.scoring import score_tags

    data = workspace.folder("dataset")
    lookup = Lookup.fit((row.tokens, row.ner_tags) for row in examples(data, "train"))
    test = examples(data, "test")
    predicted = [lookup.predict_tags(row.tokens) for row in test]
    return round(score_tags([row.ner_tags for row in test], predicted, scheme=load_scheme()).micro.f1, 4)


def time_in_turns(workspace: Workspace) -> dict[str, float]:
    """Time teacher and student on the same documents in turns; a finished timing is only looked up."""
    from gonerd.evaluation.cost import CostConfig, measure_costs
    from gonerd.evaluation.cost_report import write_cost
    from gonerd.models.checkpoints import checkpoint_revision

    models = [workspace.folder("models", name) for name in ("teacher", "student")]
    gold = test_gold(workspace)
    path = workspace.folder("results", "time.json")
    of = [gold.fingerprint.inputs, *map(checkpoint_revision, models)]
    if path.is_file() and (known := store.read_json(path))["of"] == of:
        return dict(known["time"])
    config = CostConfig(lengths=LENGTHS, repeats=TURNS, seconds=SECONDS, memory=False, batches=False)
    documents = [document.tokens for document in gold.documents[:TIMED]]
    with workspace.bar("Timing both in turns") as progress:
        costs = measure_costs(list(map(str, models)), config=config, documents=documents, data=DATA, progress=progress)
    for cost in costs:
        write_cost(cost, workspace.folder("results"))
    teacher, student = (cost.throughput[-1] for cost in costs)
    time = {
        "teacher_tokens_per_second": round(teacher.tokens_per_second, 1),
        "student_tokens_per_second": round(student.tokens_per_second, 1),
        "saved": round(1 - student.ratio.median, 4),
        "saved_lowest": round(1 - student.ratio.highest, 4),
        "saved_highest": round(1 - student.ratio.lowest, 4),
    }
    store.write_json(path, {"of": of, "time": time})
    return time


def build_leaderboard(workspace: Workspace) -> list[str]:
    """Write both results as submissions, verify them by scoring again, and render the board."""
    from gonerd.evaluation.cost_report import cost_of, costs_in
    from gonerd.evaluation.evaluate import predictions_path
    from gonerd.evaluation.result import read_result
    from gonerd.leaderboard.policy import VerifyPolicy
    from gonerd.leaderboard.site import build_site
    from gonerd.leaderboard.submission import write_submission
    from gonerd.leaderboard.verify import verify_all, write_report
    from gonerd.sample.describe import submission

    gold = test_gold(workspace)
    results, folders = workspace.folder("results"), []
    for name in ("teacher", "student"):
        result = workspace.config.out / workspace.figures["evaluation"][name]["result"]
        folder = workspace.folder("submissions", name)
        cost = cost_of(read_result(result), costs_in(results))
        place = None if cost is None else results / cost.path
        stated = submission(name)
        folders.append(write_submission(result, predictions_path(result), folder, submission=stated, cost_path=place))
    done = verify_all(folders, gold, policy=VerifyPolicy())
    write_report(done, workspace.folder("submissions", "verification.json"))
    rejected = [verification for verification in done if not verification.verified]
    if rejected:
        first = rejected[0].failures[0]
        raise GonerdError(f"rejected: {first.name}: {first.detail}", where=rejected[0].folder)
    page = build_site(done, workspace.folder("leaderboard"))
    workspace.figures["leaderboard"] = {"verified": len(done), "page": str(page.relative_to(workspace.config.out))}
    return [f"{len(done)} submissions verified by scoring their predictions again", str(page)]
