"""What a host asks of submissions beyond being right, and the host's own decisions on single ones."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gonerd.errors import GonerdError, require_file

Waivable = Literal["plausible", "unseen", "original", "rate"]
"""The checks that say "this needs a person", so that a person can answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyPolicy:
    """What a host asks of submissions."""

    accepted: Path | None = None
    """Folder of the submissions that are on the board: a new one must not repeat their predictions."""
    per_month: int | None = None
    """Submissions that one name, or one contact, may send in a calendar month, by the Git history of --accepted."""
    mislabelled: Path | None = None
    """File with the ids of documents whose gold is known to be wrong, one a line; predictions must not equal it."""
    reviewed: Path | None = None
    """TOML file with the host's decisions on predictions that look implausible or repeat others."""


class Decision(BaseModel):
    """One decision: these predictions pass these checks whatever the verifier thinks of them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    predictions: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]  # SHA-256 of predictions.jsonl.gz
    checks: tuple[Waivable, ...]
    reason: Annotated[str, Field(min_length=1, max_length=500)]
    decided: date


class _Decisions(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    decision: tuple[Decision, ...] = ()


@dataclass(frozen=True, slots=True)
class Host:
    """A policy with the files it names read."""

    policy: VerifyPolicy = field(default_factory=VerifyPolicy)
    mislabelled: frozenset[str] = frozenset()
    decisions: tuple[Decision, ...] = ()

    @classmethod
    def of(cls, policy: VerifyPolicy) -> Host:
        """Return a policy with the files it names read.

        Raises:
            GonerdError: one of them is missing or is not what it should be, or a limit has no history to count in.
        """
        if policy.per_month is not None and policy.accepted is None:
            raise GonerdError("a limit a month needs --accepted, whose Git history is counted", where="--per-month")
        if policy.accepted is not None and not policy.accepted.is_dir():
            raise GonerdError("no such folder", where=policy.accepted)
        ids = frozenset() if policy.mislabelled is None else _read_ids(policy.mislabelled)
        return cls(policy, ids, () if policy.reviewed is None else _read_decisions(policy.reviewed))

    def waiver(self, check: str, predictions: str) -> Decision | None:
        """Return the decision that lets predictions, by their SHA-256, pass a check, or None."""
        found = (one for one in self.decisions if one.predictions == predictions and check in one.checks)
        return next(found, None)


def _read_ids(path: Path) -> frozenset[str]:
    require_file(path)
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise GonerdError("not UTF-8", where=path, remedy="Save the file as UTF-8") from error
    ids = frozenset(line.strip() for line in lines if line.strip() and not line.startswith("#"))
    if not ids:
        raise GonerdError("no ids", where=path, remedy="Write one document's id a line")
    return ids


def _read_decisions(path: Path) -> tuple[Decision, ...]:
    require_file(path)
    try:
        return _Decisions.model_validate(tomllib.loads(path.read_text(encoding="utf-8"))).decision
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise GonerdError(
            f"field {'.'.join(map(str, first['loc']))}: {first['msg']}",
            where=path,
            remedy="A decision has predictions (SHA-256 of predictions.jsonl.gz), checks, reason and decided (a date)",
        ) from error
    except ValueError as error:
        raise GonerdError(f"not TOML ({error})", where=path) from error
