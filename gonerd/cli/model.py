"""`gonerd model`: look at, fine-tune and distil token-classification models."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from gonerd.cli.console import progress_bar, say, table
from gonerd.training.config import DistillConfig, FinetuneConfig

app = App(name="model", help="Look at, fine-tune and distil token-classification models.")


@app.command
def info(model: str, /, *, scheme: str = "gonerd") -> None:
    """Show what a model is: architecture, layers, parameters, how much it sees at once.

    Example: gonerd model info models/student

    Args:
        model: a folder in the transformers format, or a name on the Hub.
        scheme: the label scheme that its labels must belong to.
    """
    from gonerd.labels import load_scheme
    from gonerd.models.checkpoints import describe, load_checkpoint

    loaded, tokenizer = load_checkpoint(model, scheme=load_scheme(scheme))
    facts = describe(model, loaded, tokenizer)
    rows = [
        ["name", facts.name],
        ["revision", facts.revision],
        ["architecture", facts.architecture],
        ["attention", facts.attention or "-"],
        ["layers", str(facts.layers or "-")],
        ["parameters", f"{facts.parameters:,}"],
        ["reach", f"{facts.reach_tokens:,} sub-tokens" if facts.reach_tokens else "no limit"],
        ["labels", " ".join(facts.labels)],
        ["teacher", facts.teacher or "-"],
    ]
    table(["", model], rows)


@app.command
def finetune(
    checkpoint: str,
    /,
    *,
    data: str,
    out: Path,
    config: Annotated[FinetuneConfig, Parameter(name="*")] = FinetuneConfig(),  # noqa: B008 - frozen
) -> None:
    """Train a model on whole documents; the state with the best strict F1 on the validation split is kept.

    An interrupted run goes on from its last checkpoint when the same command is given again.

    Example: gonerd model finetune models/small --data gonerd-dataset --out models/teacher --learning-rate 2e-3

    Args:
        checkpoint: a token-classification model, or an encoder to give a new head: a folder or a name on the Hub.
        data: a dataset's folder or name, with a train and a validation split.
        out: folder for the model, which transformers loads.
        config: the schedule.
    """
    from gonerd.dataset.examples import read_examples
    from gonerd.training.finetune import finetune as run

    train, validation = (tuple(read_examples(data, split)) for split in ("train", "validation"))
    with progress_bar("Fine-tuning") as progress:
        run(checkpoint, out, train=train, validation=validation, config=config, progress=progress)
    _say_best(out)


@app.command
def distill(
    teacher: str,
    /,
    *,
    data: str,
    out: Path,
    config: Annotated[DistillConfig, Parameter(name="*")] = DistillConfig(),  # noqa: B008 - frozen
) -> None:
    """Distil a model into a student with fewer layers, which starts from copies of its teacher's.

    The student learns from the teacher's softened answers, its last hidden states, and gold (DistilBERT's recipe).

    Example: gonerd model distill models/teacher --data gonerd-dataset --out models/student --learning-rate 1e-3

    Args:
        teacher: a token-classification model: a folder or a name on the Hub.
        data: a dataset's folder or name, with a train and a validation split.
        out: folder for the student, which transformers loads.
        config: layers, losses, schedule.
    """
    from gonerd.dataset.examples import read_examples
    from gonerd.training.distill import distill as run

    train, validation = (tuple(read_examples(data, split)) for split in ("train", "validation"))
    with progress_bar("Distilling") as progress:
        run(teacher, out, train=train, validation=validation, config=config, progress=progress)
    _say_best(out)


def _say_best(out: Path) -> None:
    from gonerd.formats.jsonl import read_objects
    from gonerd.training.trainer import LOG

    best = max(entry.get("eval_f1", 0.0) for _, entry in read_objects(out / LOG))
    say(f"{out}: strict F1 on validation {100 * best:.2f}")
