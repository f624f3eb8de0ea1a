"""What is still to be said of a model, asked one question at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from pydantic import ValidationError

from gonerd.leaderboard.submission import Statement, first_fault

NEEDED = ("name", "contact")
WANTED = (
    "organisation",
    "hub_id",
    "license",
    "open_weights",
    "parameters",
    "layers",
    "attention",
    "reach_tokens",
    "training_data",
    "test_documents_seen",
    "reference",
)
OF_A_STUDENT = ("distillation",)
YES, NO = ("y", "yes", "true"), ("n", "no", "false")


def open_questions(statement: Statement) -> Iterator[str]:
    """Yield the fields that are not stated yet and that a reader of the board would ask for; the needed ones first."""
    names = (*NEEDED, *WANTED, *(OF_A_STUDENT if statement.teacher else ()))
    yield from (name for name in names if getattr(statement, name) is None)


def ask(statement: Statement, *, answer: Callable[[str], str], tell: Callable[[str], None]) -> Statement:
    """Return the statement with the answers to its open questions; an empty answer leaves a field not stated.

    Args:
        statement: what is said already.
        answer: asks one question and returns the answer.
        tell: shows why an answer was not taken; the question is then asked again.
    """
    for name in open_questions(statement):
        description = (Statement.model_fields[name].description or name).rstrip(".")
        optional = "" if name in NEEDED else " (Enter: not stated)"
        while True:
            text = answer(f"{description}{optional}: ").strip()
            if not text and not optional:
                tell("this is needed")
                continue
            try:
                # Lax, for an answer is text and some fields are numbers or yes and no.
                statement = Statement.model_validate({**statement.model_dump(), name: _value(text)})
            except ValidationError as error:
                tell(first_fault(error))
                continue
            break
    return statement


def _value(text: str) -> Any:
    word = text.casefold()
    if not text:
        return None
    return True if word in YES else False if word in NO else text
