"""`gonerd template` and `gonerd submit`: what a system needs to take part, and from its result to a submission sent."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self

from cyclopts import Parameter
from pydantic import ModelWrapValidatorHandler, ValidationError, model_validator

from gonerd.cli.console import say
from gonerd.errors import GonerdError, require_file
from gonerd.leaderboard.questions import NEEDED, ask
from gonerd.leaderboard.send import GIT, HUB, check_target, git_steps, open_pull_request
from gonerd.leaderboard.submission import (
    Name,
    Statement,
    Submission,
    filled,
    flag_fault,
    parse_submission,
    write_submission,
)

if TYPE_CHECKING:
    from gonerd.formats.gold import Gold


COSTED = ("gonerd", "transformers")  # the backends that gonerd cost can measure


class Stated(Statement):
    """What the flags of `gonerd submit` say about the model."""

    @model_validator(mode="wrap")
    @classmethod
    def _one_line(cls, value: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        try:
            return handler(value)
        except ValidationError as error:
            raise flag_fault(error) from error


class StatedBeside(Stated):
    """The same flags beside those of `gonerd evaluate`, whose `--name` serves both."""

    name: Annotated[Name | None, Parameter(parse=False)] = None
    """Name of the model, as the board shows it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitConfig:
    """What goes along with a submission, and where it goes."""

    cost: Path | None = None
    """What `gonerd cost` measured of the model; by default the file among the results that is of the same weights, run
    in the same way."""
    to: str | None = None
    """Where to send it: hub:ORG/REPO opens a pull request on a dataset repository of the Hub, git:ADDRESS shows how to
    open one on any Git host."""

    def __post_init__(self) -> None:
        if self.to is not None:
            check_target(self.to)


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitToo:
    """A submission made in the same go as the evaluation."""

    submit: Path | None = None
    """Make a submission too, in this folder; takes the flags of `gonerd submit`, asks for the rest at a terminal."""
    statement: Annotated[StatedBeside, Parameter(name="*", show=False)] = StatedBeside()  # noqa: RUF009 - frozen
    config: Annotated[SubmitConfig, Parameter(name="*", show=False)] = SubmitConfig()

    def stated(self, runs: Sequence[object], name: str | None) -> Statement | None:
        """Return what is said about the model to be submitted, or None if none is; checked before anything is computed.

        Raises:
            GonerdError: there are several models, the name is none for a board, or what is needed is neither said nor
                can be asked for.
        """
        if self.submit is None:
            if self.config != SubmitConfig() or self.statement != StatedBeside():
                raise GonerdError("flags of a submission, but none is asked for", remedy="Add --submit FOLDER")
            return None
        if len(runs) > 1:
            raise GonerdError("one model is submitted at a time", where="--submit", remedy="Use gonerd submit after")
        statement = Stated.model_validate({**self.statement.model_dump(), "name": name})
        if not _can_ask():
            _require(statement)
        return statement


def template(data: str, /, *, out: Path, split: str = "test") -> None:
    """Write all that a system needs to take part: documents, a template of predictions, its format, an example.

    Any system can: it reads documents.jsonl and writes one line a document to predictions.jsonl; predict.py shows how,
    in plain Python. Then: gonerd evaluate predictions.jsonl --data DATA

    Example: gonerd template gonerd --split test --out kit

    Args:
        data: a dataset's folder or name.
        out: the folder to make.
        split: which split of the data.
    """
    from gonerd.dataset.examples import read_documents
    from gonerd.leaderboard.kit import KIT, write_kit

    number = write_kit(read_documents(data, split), out)
    say(f"{out}: {number} documents to predict; {', '.join(KIT)}")


def submit(
    result: Path,
    /,
    *,
    statement: Annotated[Stated, Parameter(name="*")] = Stated(),  # noqa: B008 - frozen
    out: Path,
    predictions: Path | None = None,
    data: str | None = None,
    config: Annotated[SubmitConfig, Parameter(name="*")] = SubmitConfig(),
) -> int:
    """Make a submission of a result: its predictions, the result, its cost, and what is to be said about the model.

    What you leave out is taken from the result and from what `gonerd cost` measured (parameters, layers, attention,
    reach, teacher, latency, hardware); at a terminal you are asked for the rest, and Enter leaves it not stated.
    Everything that the verifier will check is checked first, the scores too with --data. Beside the result lies what
    puts the score on the model's own page on the Hub. Exit code 1 when a check fails: nothing is sent then.

    Example: gonerd submit results/my-model/…/gonerd-test-….json --name "My model" --contact me@example.org --out mine

    Args:
        result: the result file that `gonerd evaluate` wrote.
        statement: what is to be said about the model.
        out: the folder to make.
        predictions: the predictions file; by default the one beside the result.
        data: the gold that the verifier has, to recompute the scores with: a dataset's name or folder, or a file. Where
            its labels are hidden, everything but the scores is checked.
        config: what goes along with it, and where it goes.
    """
    from gonerd.cli.leaderboard import read_gold_split
    from gonerd.leaderboard.submission import read_claim

    gold = None if data is None else read_gold_split(data, read_claim(result).data.split)
    source = predictions or _beside(result)
    return send_result(result, source, out, statement=statement, config=config, gold=gold)


def send_result(
    result: Path, predictions: Path, out: Path, *, statement: Statement, config: SubmitConfig, gold: Gold | None
) -> int:
    """Make a submission, check it, and send it if it passes; return the exit code."""
    cost = config.cost or _cost_beside(result)
    submission = _complete(statement, result, cost)
    folder = write_submission(result, predictions, out, submission=submission, cost_path=cost)
    if not _passes(folder, gold):
        return 1
    for path in _write_page(result, submission):
        say(f"{path}: for the model's own page")
    _send(folder, config.to)
    return 0


def _beside(result: Path) -> Path:
    """Return the predictions file that belongs to a result."""
    require_file(result)
    names = (f"{result.stem}.predictions.jsonl.gz", "predictions.jsonl.gz")
    found = [path for path in map(result.with_name, names) if path.is_file()]
    if not found:
        raise GonerdError("no predictions beside the result", where=result, remedy="Name them with --predictions")
    return found[0]


def _cost_beside(result: Path) -> Path | None:
    """Return the cost file of a result's model, wherever it lies under the same folder of results; say which."""
    from gonerd.evaluation.cost_report import cost_of, costs_in
    from gonerd.leaderboard.submission import read_claim

    outcome = read_claim(result)
    results = result.resolve().parents[len(outcome.path.parts) - 1]
    if results / outcome.path != result.resolve():  # it was moved: what lies around it is not its own
        return None
    cost = cost_of(outcome, costs_in(results))
    if cost is None:
        if outcome.model.backend in COSTED:
            say("no cost beside it: gonerd cost MODEL measures latency, throughput and memory for the board")
        return None
    say(f"cost: {results / cost.path}")
    return results / cost.path


def _complete(stated: Statement, result: Path, cost: Path | None) -> Submission:
    """Return the submission with the questions that are open answered at the terminal, where there is one."""
    from gonerd.leaderboard.submission import read_claim, read_claimed_cost

    measured = None if cost is None else read_claimed_cost(cost)
    statement = filled(Statement.model_validate(stated.model_dump()), read_claim(result), measured)
    if _can_ask():
        statement = ask(statement, answer=input, tell=say)
    _require(statement)
    return parse_submission(statement.model_dump(exclude_none=True))


def _can_ask() -> bool:
    return sys.stdin.isatty() and sys.stdout.isatty()


def _require(statement: Statement) -> None:
    for name in NEEDED:
        if getattr(statement, name) is None:
            raise GonerdError("is needed", where=f"--{name}", remedy=Statement.model_fields[name].description)


def _passes(folder: Path, gold: Gold | None) -> bool:
    """Tell whether a submission passes the checks that can be made here; say what is wrong with it."""
    from gonerd.cli.leaderboard import print_verification
    from gonerd.leaderboard.policy import VerifyPolicy
    from gonerd.leaderboard.verify import check_form, verify_all

    if gold is not None and not gold.hidden:
        (done,) = verify_all([folder], gold, policy=VerifyPolicy())
        print_verification(done)
        return done.verified
    failures = [check for check in check_form(folder, gold) if not check.passed]
    for check in failures:
        say(f"{check.name}: {check.detail}")
    if not failures and gold is None:
        say(f"{folder}: complete and well-formed; the scores were not recomputed (--data does)")
    elif not failures:
        say(f"{folder}: complete and well-formed; not scored, for the labels are hidden: the verifier has them")
    return not failures


def _write_page(result: Path, submission: Submission) -> list[Path]:
    """Write what puts the scores on the model's own page; without scores there is nothing to put."""
    from gonerd.evaluation.result import Result
    from gonerd.leaderboard.model_page import write_model_page
    from gonerd.leaderboard.submission import read_claim

    claim = read_claim(result)
    if not isinstance(claim, Result):
        return []
    return write_model_page(claim, result.with_suffix(".model-page"), submission=submission)


def _send(folder: Path, to: str | None) -> None:
    if to is None:
        say("Not sent: --to hub:ORG/REPO opens a pull request, --to git:ADDRESS shows how to open one")
    elif to.startswith(HUB):
        say(f"Sent: {open_pull_request(folder, to.removeprefix(HUB))}")
    else:
        say("\n".join(["To open a pull request:", *git_steps(folder, to.removeprefix(GIT))]))
