"""`gonerd model`: look at, convert, adapt, fine-tune and distill models."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from gonerd.cli.console import say, table
from gonerd.cli.training_display import training_display
from gonerd.models.config import ConvertConfig
from gonerd.training.config import AdaptConfig, DistillConfig, FinetuneConfig, Schedule

if TYPE_CHECKING:
    from gonerd.training.seeds import Spread

app = App(name="model", help="Look at, convert, adapt, fine-tune and distill models.")


@app.command
def info(model: str, /, *, revision: str | None = None) -> None:
    """Show what a model is: architecture, layers, parameters, reach, memory at 4,096 sub-tokens, licence, file safety.

    Example: gonerd model info models/student

    Args:
        model: a folder in the transformers format, or a name on the Hub.
        revision: commit, tag or branch on the Hub.
    """
    from gonerd.models.info import DOCUMENT, model_info

    facts = model_info(model, revision=revision)
    read = min(DOCUMENT, facts.reach_tokens or DOCUMENT)
    unsafe = ", a pickle: it is read as plain tensors alone"
    rows = [
        ["revision", facts.revision or "-"],
        ["architecture", facts.architecture],
        ["attention", facts.attention],
        ["layers", str(facts.layers or "-")],
        ["parameters", f"{facts.parameters:,}"],
        ["reach", f"{facts.reach_tokens:,} sub-tokens" if facts.reach_tokens else "no limit"],
        ["weights", f"{_mebibytes(facts.weights_bytes)} in fp32"],
        ["memory", f"{_mebibytes(facts.working_bytes)} more for {read:,} sub-tokens" if facts.working_bytes else "-"],
        ["labels", " ".join(facts.labels) or "-"],
        ["teacher", facts.teacher or "-"],
        ["licence", facts.license or "not stated"],
        ["files", ", ".join(facts.weight_files) + ("" if facts.is_safe else unsafe)],
        ["code", f"{', '.join(facts.code_files)}: never run" if facts.code_files else "none"],
    ]
    table(["", model], rows)


@app.command
def convert(
    model: str,
    /,
    *,
    out: Path,
    config: Annotated[ConvertConfig, Parameter(name="*")],
) -> None:
    """Make a model of long reach out of one of short reach: another attention, more positions, the same weights.

    Without any training it answers as before where its attention shows a token the whole document; train it on long
    documents before relying on it beyond. transformers loads the result, save for LSG, which gonerd loads.

    Example: gonerd model convert org/roberta-base --to longformer --max-length 4096 --out models/long

    Args:
        model: a folder in the transformers format, or a name on the Hub.
        out: folder for the new model, with its tokenizer.
        config: what it becomes.
    """
    from gonerd.models.convert import convert_checkpoint

    convert_checkpoint(model, out, config=config)
    say(f"{out}: {config.to} attention, reach {config.max_length:,} sub-tokens")


@app.command
def finetune(
    checkpoint: str,
    /,
    *,
    data: str,
    out: Path,
    seeds: int | None = None,
    config: Annotated[FinetuneConfig, Parameter(name="*")] = FinetuneConfig(),  # noqa: B008 - frozen
) -> None:
    """Train a model on whole documents; the state with the best strict F1 on the validation split is kept.

    An interrupted run goes on from its last checkpoint when the same command is given again.

    Example: gonerd model finetune models/small --data gonerd-dataset --out models/teacher --seeds 5

    Several GPUs: accelerate launch --num_processes 4 -m gonerd model finetune … A step then takes 4 x accumulate
    batches, each process its own, and an epoch has as many fewer steps.

    Args:
        checkpoint: a token-classification model, or an encoder to give a new head: a folder or a name on the Hub.
        data: a dataset's folder or name, with a train and a validation split.
        out: folder for the model, which transformers loads; with several seeds, of their folders and seeds.json.
        seeds: train so many times, with the seed and those that follow it, and keep all; show mean and spread.
        config: the schedule.
    """
    from gonerd.dataset.examples import read_examples
    from gonerd.training.finetune import finetune as run
    from gonerd.training.fit import width_of
    from gonerd.training.seeds import train_seeds

    train, validation = (tuple(read_examples(data, split)) for split in ("train", "validation"))
    _say_schedule(checkpoint, config.settled(width_of(checkpoint)))

    def train_one(folder: Path, config: FinetuneConfig) -> None:
        with training_display(f"Fine-tuning {folder.name}") as watch:
            run(checkpoint, folder, train=train, validation=validation, config=config, watch=watch)

    if seeds is None:
        train_one(out, config)
        _say_best(out)
    else:
        _say_spread(train_seeds(out, config, seeds=seeds, train=train_one), out)


@app.command
def adapt(
    checkpoint: str,
    /,
    *,
    text: Path,
    out: Path,
    config: Annotated[AdaptConfig, Parameter(name="*")] = AdaptConfig(),  # noqa: B008 - frozen
) -> None:
    """Adapt an encoder to a kind of text before it is fine-tuned: it learns to guess masked words of whole documents.

    The state that guesses best in held-out documents is kept. An interrupted run goes on from its last checkpoint when
    the same command is given again.

    Example: gonerd model adapt models/long --text articles.jsonl --out models/adapted --max-steps 2000

    Args:
        checkpoint: an encoder of a type that gonerd's encoder knows: a folder or a name on the Hub.
        text: a .txt file (one document), a .jsonl or .jsonl.gz file (one a line, under text), or a folder of those.
        out: folder for the model.
        config: schedule and masking.
    """
    import math

    from gonerd.formats.texts import read_texts
    from gonerd.training.adapt import METRIC
    from gonerd.training.adapt import adapt as run
    from gonerd.training.card import kept_entry
    from gonerd.training.fit import width_of
    from gonerd.training.trainer import LOG

    texts = list(read_texts(text))
    _say_schedule(checkpoint, config.settled(width_of(checkpoint)))
    with training_display(f"Adapting {out.name}", score="log-likelihood") as watch:
        run(checkpoint, out, texts=texts, config=config, watch=watch)
    kept = kept_entry(out / LOG, METRIC)
    _say_once(f"{out}: perplexity of masked sub-tokens, held out: {math.exp(-kept[f'eval_{METRIC}']):.2f}")


@app.command
def distill(
    teacher: str,
    /,
    *,
    data: str,
    out: Path,
    config: Annotated[DistillConfig, Parameter(name="*")] = DistillConfig(),  # noqa: B008 - frozen
) -> None:
    """Distill a model into a student with fewer layers, which starts from copies of its teacher's.

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
    from gonerd.training.fit import width_of

    train, validation = (tuple(read_examples(data, split)) for split in ("train", "validation"))
    _say_schedule(teacher, config.settled(width_of(teacher)))
    with training_display(f"Distilling {out.name}") as watch:
        run(teacher, out, train=train, validation=validation, config=config, watch=watch)
    _say_best(out)


def _mebibytes(size: int) -> str:
    return f"{size / 2**20:,.0f} MiB"


def _say_once(text: str) -> None:
    """Print a line, in the first of several processes alone."""
    from gonerd.models.share import launched_rank

    if launched_rank() == 0:
        say(text)


def _say_schedule(checkpoint: str, config: Schedule) -> None:
    """Say what was chosen, or is usual for a model of this size."""
    length = f"{config.max_steps:,} steps" if config.max_steps else f"{config.epochs:g} epochs"
    batches = f"{config.batch_tokens:,} sub-tokens" + (f" x {config.accumulate}" if config.accumulate > 1 else "")
    _say_once(f"from {checkpoint}: {length}, batches of {batches}, learning rate {config.learning_rate:g}")
    limit = _reach_of(checkpoint)
    if limit is not None and config.max_length is not None and config.max_length > limit:
        _say_once(f"it reads {limit:,} sub-tokens at once, not {config.max_length:,}: longer documents go in windows")


def _reach_of(checkpoint: str) -> int | None:
    """Return the longest input of a checkpoint in sub-tokens; None where there is no limit."""
    from gonerd.models.checkpoints import load_config, load_tokenizer
    from gonerd.models.reach import reach_tokens
    from gonerd.models.repository import find_checkpoint

    files = find_checkpoint(checkpoint)
    return reach_tokens(load_config(files), load_tokenizer(files))


def _say_best(out: Path) -> None:
    from gonerd.training.card import kept_validation
    from gonerd.training.trainer import LOG

    _say_once(f"{out}: strict F1 on validation {100 * kept_validation(out / LOG)['f1']:.2f}")


def _say_spread(spread: Spread, out: Path) -> None:
    from gonerd.models.share import launched_rank

    rows = [
        [str(score.seed), *(f"{100 * value:.2f}" for value in (score.f1, score.precision, score.recall))]
        for score in spread.scores
    ]
    if launched_rank() == 0:
        table(["seed", "strict F1", "precision", "recall"], rows)
    apart = "" if spread.deviation is None else f" ± {100 * spread.deviation:.2f}"
    _say_once(f"{out}: strict F1 on validation {100 * spread.mean:.2f}{apart}, {len(spread.scores)} seeds")
