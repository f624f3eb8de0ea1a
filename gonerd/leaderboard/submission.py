"""A submission: a folder with `predictions.jsonl.gz`, `result.json`, `submission.toml`, and `cost.json` if measured.

The predictions are what counts: the verifier recomputes every score from them. The rest says what was submitted, by
whom and under which terms. All of it may come from anywhere, so every text has a limit and a set of characters.
"""

from __future__ import annotations

import json
import re
import shutil
import tomllib
import unicodedata
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from gonerd.errors import GonerdError
from gonerd.evaluation.cost_report import Cost
from gonerd.evaluation.result import Outcome, Result, Unscored, outcome_kind
from gonerd.formats.predictions import read_predictions, shown, strict_json, write_predictions
from gonerd.store import write_atomic

PREDICTIONS, RESULT, SUBMISSION = "predictions.jsonl.gz", "result.json", "submission.toml"
FILES = (PREDICTIONS, RESULT, SUBMISSION)
COST = "cost.json"  # what `gonerd cost` measured; no submission needs it
RESULT_BYTES = 1024 * 1024
COST_BYTES = 256 * 1024
LONG = 4096  # sub-tokens of the document whose latency and memory a board shows
SUBMISSION_BYTES = 32 * 1024

HUB_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*/[A-Za-z0-9][A-Za-z0-9_.-]*")
HTTPS = re.compile(r"https://[A-Za-z0-9][A-Za-z0-9.-]*(:[0-9]{1,5})?(/[!#-;=?-\[\]_a-z~]*)?")
MARKS_IN_A_ROW = 4  # combining marks on one character; stacks of them spill over neighbouring lines
# Control and format characters (bidirectional overrides, zero-width), surrogates, private, unassigned, separators.
REFUSED_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def unsafe_character(text: str) -> str | None:
    """Return the first character that hides or reorders text, or None."""
    return next((character for character in text if unicodedata.category(character) in REFUSED_CATEGORIES), None)


def clean_text(text: str) -> str:
    """Return `text` if it can be shown anywhere as one line.

    Raises:
        ValueError: it is empty, padded, not NFC, or holds a character that hides, reorders or stacks text.
    """
    if not text.strip() or text != text.strip():
        raise ValueError("must not be empty, nor begin or end with a space")
    if (unsafe := unsafe_character(text)) is not None:
        raise ValueError(f"must not contain the character U+{ord(unsafe):04X}")
    if not unicodedata.is_normalized("NFC", text):
        raise ValueError("must be in Unicode normal form NFC")
    run = 0
    for character in text:
        run = run + 1 if unicodedata.category(character) in ("Mn", "Me") else 0
        if run > MARKS_IN_A_ROW:
            raise ValueError(f"must not have more than {MARKS_IN_A_ROW} combining marks in a row")
    return text


def clean_name(text: str) -> str:
    """Return `text` if it can be a name: clean, without markup, and no path that climbs or starts at a root.

    Raises:
        ValueError: it is not; the message says why.
    """
    clean_text(text)
    if found := re.search(r"[<>\\`|*?]", text):
        raise ValueError(f"must not contain {found.group()!r}")
    if text[0] in "/~." or ":/" in text or any(part.strip() in ("", ".", "..") for part in text.split("/")):
        raise ValueError("must not look like a path or an address")
    return text


def _https(text: str) -> str:
    if not HTTPS.fullmatch(text):
        raise ValueError("must be an https:// address, in ASCII, without user name")
    return text


def https_or_none(text: str | None) -> str | None:
    """Return an address that may be linked to, or None for any other."""
    return text if text is not None and HTTPS.fullmatch(text) else None


Name = Annotated[str, Field(min_length=1, max_length=80), AfterValidator(clean_name)]
Text = Annotated[str, Field(min_length=1, max_length=500), AfterValidator(clean_text)]
HubId = Annotated[str, Field(max_length=96, pattern=f"^{HUB_NAME.pattern}$"), AfterValidator(clean_name)]


Contact = Annotated[str, Field(min_length=3, max_length=120), AfterValidator(clean_text)]


class Statement(BaseModel):
    """What is said of a model, as far as it is said yet."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    name: Name | None = None
    """Name of the model, as the board shows it."""
    contact: Contact | None = None
    """Whom to ask: an e-mail address or a web page. It is not shown on the board."""
    organisation: Name | None = None
    """Who made the model."""
    hub_id: HubId | None = None
    """The model on the Hub, as organisation/name."""
    revision: Annotated[str, Field(max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")] | None = None
    """Commit, tag or hash of the weights."""
    license: Name | None = None
    """Licence of the model, such as apache-2.0."""
    open_weights: bool | None = None
    """Whether anyone can get the weights."""
    parameters: Annotated[int, Field(ge=0, le=10**14)] | None = None
    """Number of parameters."""
    layers: Annotated[int, Field(ge=0, le=10_000)] | None = None
    """Number of layers of the encoder."""
    attention: Name | None = None
    """Kind of attention, such as full, longformer, bigbird, lsg, nystromformer."""
    reach_tokens: Annotated[int, Field(ge=0, le=10**9)] | None = None
    """Longest input in sub-tokens."""
    teacher: Name | None = None
    """Of a student: the name or Hub id under which its teacher is on the board."""
    distillation: Text | None = None
    """Of a student: how it was distilled."""
    training_data: Text | None = None
    """What the model was trained on."""
    test_documents_seen: bool | None = None
    """Whether any test document, with or without its labels, was in that data."""
    latency_4096_ms: Annotated[float, Field(gt=0, le=1e9, allow_inf_nan=False)] | None = None
    """Milliseconds for one document of 4,096 sub-tokens, on that hardware."""
    hardware: Text | None = None
    """What speed, latency and memory were measured on."""
    reference: Annotated[str, Field(max_length=300), AfterValidator(_https)] | None = None
    """https:// address of a paper, a report or the code."""


class Submission(Statement):
    """What `submission.toml` says about a submission; whatever is left out is shown as not stated."""

    name: Name
    """Name of the model, as the board shows it."""
    contact: Contact
    """Whom to ask: an e-mail address or a web page. It is not shown on the board."""


def first_fault(error: ValidationError) -> str:
    """Return the first fault of a schema as one line."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    field = ".".join(str(part) for part in first["loc"])
    return f"{shown(field)}: {first['msg'].removeprefix('Value error, ')}"


def flag_fault(error: ValidationError) -> GonerdError:
    """Return the first fault of a submission given on the command line: the flag, what is wrong, what it is for."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    name = str(first["loc"][0]) if first["loc"] else ""
    wrong = first["msg"].removeprefix("Value error, ")
    wrong = {"string_pattern_mismatch": "not of the right form", "missing": "is needed"}.get(first["type"], wrong)
    field = Submission.model_fields.get(name)
    return GonerdError(
        wrong[:1].lower() + wrong[1:],
        where=f"--{name.replace('_', '-')}",
        remedy=field.description if field else None,
    )


def measured(cost: Cost) -> dict[str, str | float]:
    """Return the fields of a submission that a cost file knows."""
    latency = cost.latency_at(LONG)
    known: dict[str, str | float] = {"hardware": f"{cost.machine.hardware}, {cost.machine.precision}"}
    return known if latency is None else {**known, "latency_4096_ms": latency.p50_ms}


def filled(statement: Statement, result: Outcome, cost: Cost | None = None) -> Statement:
    """Return the statement with what it leaves open taken from result and cost, where these know it."""
    model = result.model
    known = {
        "parameters": model.parameters,
        "layers": model.layers,
        "attention": model.attention,
        "reach_tokens": model.reach_tokens,
        "teacher": model.teacher,
        "hardware": result.speed.hardware if result.speed.words_per_second else None,  # 0: not measured
        "revision": model.revision,
        **({} if cost is None else measured(cost)),
    }
    stated = statement.model_dump(exclude_none=True)
    return Statement.model_validate({**{name: value for name, value in known.items() if value is not None}, **stated})


def parse_submission(value: dict[str, object]) -> Submission:
    """Return a submission from plain values.

    Raises:
        GonerdError: a field breaks the schema; it is named.
    """
    try:
        return Submission.model_validate(value, strict=True)
    except ValidationError as error:
        raise GonerdError(f"field {first_fault(error)}", where=SUBMISSION) from error


def to_toml(submission: Submission) -> str:
    r"""Return the text of `submission.toml`: one `key = value` a line, what is not stated left out."""
    values = submission.model_dump(exclude_none=True)
    return "".join(f"{name} = {_toml_value(value)}\n" for name, value in values.items())


def _toml_value(value: str | float | bool) -> str:
    """Return a value in TOML. A JSON string is a TOML basic string, but for DEL, which TOML wants escaped."""
    if isinstance(value, str):
        value.encode("utf-8")  # TOML has no lone surrogates
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return json.dumps(value)


def read_submission(path: Path) -> Submission:
    """Return what a `submission.toml` says.

    Raises:
        GonerdError: it is missing, too large, not TOML, or breaks the schema.
    """
    data = read_bounded(path, SUBMISSION_BYTES)
    try:
        value = tomllib.loads(data.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise GonerdError(f"not TOML ({type(error).__name__})", where=path.name) from error
    return parse_submission(value)


def read_claim(path: Path) -> Result | Unscored:
    """Return a result that somebody else wrote, scored or not: size-limited, without NaN, infinity or a double key.

    Raises:
        GonerdError: it is not a result.
    """
    data, value = _read_json(path, RESULT_BYTES)
    try:
        return outcome_kind(value).model_validate_json(data, strict=True)
    except ValidationError as error:
        raise GonerdError(f"not a result: field {first_fault(error)}", where=path.name) from error


def read_claimed_cost(path: Path) -> Cost:
    """Return what somebody else says a model costs: as `read_claim`.

    Raises:
        GonerdError: it is no cost.
    """
    data, _ = _read_json(path, COST_BYTES)
    try:
        return Cost.model_validate_json(data, strict=True)
    except ValidationError as error:
        raise GonerdError(f"not a cost: field {first_fault(error)}", where=path.name) from error


def _read_json(path: Path, limit: int) -> tuple[bytes, object]:
    """Return a JSON file that could be read in one way only, as bytes and as values."""
    data = read_bounded(path, limit)
    try:
        return data, strict_json(data)
    except (ValueError, RecursionError) as error:
        raise GonerdError(f"not JSON ({type(error).__name__}: {shown(error)})", where=path.name) from error


def read_bounded(path: Path, limit: int) -> bytes:
    """Return the bytes of a regular file (no link, device or pipe).

    Raises:
        GonerdError: it is not there, is something else, or is larger than `limit` bytes.
    """
    if path.is_symlink() or not path.is_file():
        raise GonerdError("no such file" if not path.exists() else "not a plain file", where=path.name)
    with path.open("rb") as stream:
        data = stream.read(limit + 1)
    if len(data) > limit:
        raise GonerdError(f"larger than {limit} bytes", where=path.name)
    return data


def write_submission(
    result_path: Path, predictions_path: Path, out: Path, *, submission: Submission, cost_path: Path | None = None
) -> Path:
    """Write a submission folder and return its path. The same inputs give the same bytes.

    Fields that the submission leaves open are taken from the result, and from the cost if there is any.

    Raises:
        GonerdError: result or predictions are not what they should be, they speak of different numbers of documents,
            or `out` holds something that is no submission.
    """
    result = read_claim(result_path)
    cost = None if cost_path is None else read_claimed_cost(cost_path)
    place = out.resolve()
    _refuse_foreign(place)
    work = place.with_name(f".{place.name}.partial")
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    documents = write_predictions(work / PREDICTIONS, read_predictions(predictions_path))
    if documents != result.data.documents:
        shutil.rmtree(work)
        raise GonerdError(f"{documents} documents, but the result has {result.data.documents}", where=predictions_path)
    write_atomic(work / RESULT, result_path.read_bytes())
    if cost_path is not None:
        write_atomic(work / COST, cost_path.read_bytes())
    whole = filled(submission, result, cost)
    write_atomic(work / SUBMISSION, to_toml(parse_submission(whole.model_dump(exclude_none=True))))
    shutil.rmtree(place, ignore_errors=True)
    work.rename(place)
    return out


def _refuse_foreign(out: Path) -> None:
    if Path.cwd().is_relative_to(out):
        raise GonerdError("the output cannot be the folder you are in", where=out, remedy="Name a new folder")
    if not out.exists():
        return
    if not out.is_dir() or {path.name for path in out.iterdir()} - {*FILES, COST}:
        raise GonerdError("holds something that is no submission", where=out, remedy="Choose another folder")
