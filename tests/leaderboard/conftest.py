"""A small gold split, and a maker of submissions to it that are right until a test breaks them."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from gonerd.evaluation.cost_report import Cost
from gonerd.evaluation.result import Result
from gonerd.formats.gold import Gold, GoldDocument
from gonerd.formats.predictions import match, write_predictions
from gonerd.labels import load_scheme
from gonerd.leaderboard.submission import Submission, write_submission
from gonerd.records import Prediction

DOCUMENTS = {
    "one": [("Ann", "B-PER"), ("Lee", "I-PER"), ("visits", "O"), ("Oslo", "B-LOC"), (".", "O")],
    "two": [("Acme", "B-ORG"), ("hired", "O"), ("the", "O"), ("Norwegian", "B-MISC"), ("🙂", "O")],
    "três": [("São", "B-LOC"), ("Paulo", "I-LOC"), ("wins", "O")],
    "four": [("Nothing", "O"), ("here", "O")],
}


@pytest.fixture
def gold() -> Gold:
    return make_gold()


def make_gold() -> Gold:
    documents = [
        GoldDocument(name, tuple(token for token, _ in rows), tuple(tag for _, tag in rows), source=f"s{len(rows) % 2}")
        for name, rows in DOCUMENTS.items()
    ]
    return Gold.of(documents, scheme=load_scheme(), name="tiny", split="test")


def right_tags() -> dict[str, list[str]]:
    return {name: [tag for _, tag in rows] for name, rows in DOCUMENTS.items()}


def claim(gold: Gold, predictions: list[Prediction], **model: object) -> Result:
    """Return the honest result of some predictions."""
    from gonerd.evaluation.result import Reading, TypeScore

    matching = match(gold, predictions)
    strict, lenient = matching.scores(reading="strict"), matching.scores(reading="lenient")
    sources = sorted({str(document.source) for document in gold.documents})
    content = {
        "gonerd_version": "0.1.0",
        "created_at": "2026-03-01T12:00:00+00:00",
        "data": {
            "name": gold.name,
            "split": gold.split,
            "scheme": "gonerd",
            "documents": len(gold.documents),
            "words": gold.words,
            "inputs": gold.fingerprint.inputs,
            "gold": gold.fingerprint.gold,
        },
        "model": {"name": "organisation/model", "revision": "abc123", "backend": "predictions", **model},
        "settings": {"stride": 128, "seed": None},
        "libraries": {"numpy": "2.0"},
        "strict": Reading.of(strict).model_dump(),
        "lenient": Reading.of(lenient).model_dump(),
        "by_source": {name: TypeScore.of(matching.scores(source=name).micro).model_dump() for name in sources},
        "coverage": {
            "gold_words": gold.words,
            "predicted_words": gold.words,
            "lost_words": 0,
            "windowed_documents": 1,
        },
        "speed": {"seconds": 1.5, "words_per_second": 10.0, "peak_memory_mib": 100.0, "hardware": "one processor"},
    }
    return Result.model_validate(content)


def honest_cost(**changes: object) -> Cost:
    """Return what the model of `claim` costs, its figures in agreement with each other."""
    ratio = {"median": 1.0, "lowest": 1.0, "highest": 1.0}
    flops, rate = {"512": 1.8e6, "4096": 2.4e6}, 0.2
    latency = [
        {
            "length": length,
            "windows": 1,
            "p50_ms": milliseconds,
            "p90_ms": 1.2 * milliseconds,
            "repeats": 5,
            "ratio": ratio,
            "utilisation": flops[str(length)] * length / milliseconds / rate / 1e9,
            "peak_mib": float(length) / 10,
        }
        for length, milliseconds in ((512, 12.0), (4096, 120.0))
    ]
    throughput = [
        {"what": "4096 sub-tokens", "documents": 2, "tokens_per_second": 40960.0, "documents_per_second": 10.0},
        {
            "what": "tiny test",
            "documents": 0,
            "tokens_per_second": 30000.0,
            "documents_per_second": 20.0,
            "words_per_second": 21000.0,
        },
    ]
    content = {
        "gonerd_version": "0.1.0",
        "created_at": "2026-03-01T12:00:00+00:00",
        "model": {"name": "m", "revision": "abc123", "backend": "predictions", "parameters": 1_000_000, "layers": 4},
        "embedding_parameters": 200_000,
        "disk_bytes": 4_000_000,
        "weights_mib": 4.0,
        "flops_per_token": flops,
        "counted_flops_per_token": {},
        "reference": "m",
        "machine": {
            "hardware": "one fast processor",
            "device": "cpu",
            "precision": "fp32",
            "driver": None,
            "libraries": {"torch": "2.0"},
            "matrix_tflops": rate,
        },
        "latency": latency,
        "throughput": [{**row, "ratio": ratio} for row in throughput],
    }
    return Cost.model_validate({**content, **changes})


def write_claim(
    out: Path, gold: Gold, predictions: list[Prediction], *, submission: Submission, cost: Cost | None = None
) -> Path:
    """Write the submission of some predictions with their honest result; what it is made of lies beside its parent."""
    work = out.parent.with_name(f"{out.name}.work")
    work.mkdir(parents=True)
    out.parent.mkdir(exist_ok=True)
    write_predictions(work / "p.jsonl", predictions)
    (work / "result.json").write_text(claim(gold, predictions).model_dump_json())
    if cost is None:
        return write_submission(work / "result.json", work / "p.jsonl", out, submission=submission)
    (work / "cost.json").write_text(cost.model_dump_json())
    place = work / "cost.json"
    return write_submission(work / "result.json", work / "p.jsonl", out, submission=submission, cost_path=place)


@pytest.fixture
def submission_of() -> Callable[..., Path]:
    """Return the writer of submissions to any gold."""
    return write_claim


Make = Callable[..., Path]


@pytest.fixture
def make(tmp_path: Path, gold: Gold) -> Make:
    """Return a maker of submission folders with honest results."""

    def made(
        folder: str = "mine", *, tags: dict[str, list[str]] | None = None, cost: Cost | None = None, **fields: object
    ) -> Path:
        answers = {**right_tags(), "two": ["O"] * 5} if tags is None else tags
        predictions = [Prediction(name, tuple(row)) for name, row in answers.items()]
        stated = {"name": "My model", "contact": "me@example.org", **fields}
        out = tmp_path / "submissions" / folder
        return write_claim(out, gold, predictions, submission=Submission(**stated), cost=cost)

    return made


@pytest.fixture
def gold_file(tmp_path: Path, gold: Gold) -> Path:
    path = tmp_path / "gold.jsonl"
    rows = [
        {"id": item.id, "tokens": item.tokens, "ner_tags": item.ner_tags, "source": item.source}
        for item in gold.documents
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture
def right() -> dict[str, list[str]]:
    """Return the right tags of every document."""
    return right_tags()


@pytest.fixture
def cost_like() -> Callable[..., Cost]:
    """Return the maker of costs that agree with themselves, but for the fields that are given."""
    return honest_cost
