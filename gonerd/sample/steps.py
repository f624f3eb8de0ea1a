"""The steps of the quickstart: each connects rooms, says what it did, and adds to the figures."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

from gonerd import store
from gonerd.errors import GonerdError
from gonerd.formats import jsonl
from gonerd.labels import load_scheme
from gonerd.records import Annotation, Document, Example, Manifest
from gonerd.sample.data import ANNOTATORS, sample, site_host, true_documents
from gonerd.sample.quickstart import Step, Workspace

COUNTS = {"train": 300, "validation": 30, "test": 60}
"""Generated documents by split: enough to learn from in a minute; the site's own are too few."""


def crawl_site(workspace: Workspace) -> list[str]:
    """Serve the sample site on loopback and crawl it."""
    from gonerd.corpus.crawl import crawl
    from gonerd.corpus.fetch import CrawlConfig
    from gonerd.corpus.sources import load_source
    from gonerd.sample.server import folder_site, serve

    out = workspace.folder("warc")
    site = folder_site(sample("site"), site_host())
    with serve(site) as address, workspace.bar("Crawling") as progress:
        config = CrawlConfig(delay_s=0.0, proxy=address)
        manifest = crawl(load_source(str(sample("source.toml"))), out, config=config, progress=progress)
    workspace.figures["crawl"] = counts(manifest)
    return [f"{manifest.written} pages of http://{site_host()}/ fetched over {address}; {drops(manifest)}", str(out)]


def extract_documents(workspace: Workspace) -> list[str]:
    """Extract the main text, filter it, and remove near-duplicates."""
    from gonerd.corpus.dedup import dedup
    from gonerd.corpus.run import ExtractSettings, extract
    from gonerd.corpus.sources import load_source
    from gonerd.similarity import SimilarityConfig

    extracted, out = workspace.folder("extracted"), workspace.folder("documents")
    settings = ExtractSettings(source=load_source(str(sample("source.toml"))))
    with workspace.bar("Extracting") as progress:
        first = extract([workspace.folder("warc")], extracted, settings=settings, progress=progress)
        second = dedup(extracted, out, config=SimilarityConfig(), progress=progress)
    quality = text_quality(store.read_records(out, Document))
    workspace.figures["documents"] = {"extract": counts(first), "dedup": counts(second), "word_f1": quality}
    dropped = drops(first, second)
    return [f"{second.written} documents; {dropped}; word F1 {quality:.3f} against the true main text", str(out)]


def text_quality(documents: Any) -> float:
    """Return the F1 of the extracted words against those of the true texts, all documents together."""
    from collections import Counter

    truth = {document.id: document.text for document in true_documents()}
    shared = found = wanted = 0
    for document in documents:
        here, there = Counter(document.text.split()), Counter(truth[document.id].split())
        shared += (here & there).total()
        found, wanted = found + here.total(), wanted + there.total()
    return round(2 * shared / (found + wanted), 4)


def annotate_documents(workspace: Workspace) -> list[str]:
    """Suggest spans, import both passes, report their agreement, adjudicate to gold."""
    from gonerd.annotation.agreement import agreement
    from gonerd.scoring import score_spans

    documents = list(store.read_records(workspace.folder("documents"), Document))
    suggested = suggest_spans(workspace)
    passes = {name: import_one(workspace, name, documents) for name in ANNOTATORS}
    measured = agreement(passes, documents)
    store.write_json(workspace.folder("annotations", "agreement.json"), measured)
    gold, settled = adjudicate_passes(workspace, passes, documents)
    labels = load_scheme().names
    suggestions = score_spans(by_document(gold), by_document(suggested), labels=labels).micro.f1
    pair = measured.pairs[0]
    spans = sum(len(annotation.spans) for annotation in gold)
    workspace.figures["annotation"] = {
        "agreement_f1": round(pair.exact.f1, 4),
        "agreement_f1_interval": [round(pair.exact_low, 4), round(pair.exact_high, 4)],
        "kappa": round(pair.kappa, 4),
        "suggestions_f1": round(suggestions, 4),
        "gold_spans": spans,
        "settled_differences": settled,
    }
    return [
        f"two passes agree at F1 {pair.exact.f1:.3f} (kappa {pair.kappa:.3f}); {settled} differences settled; "
        f"gold has {spans} spans; the rules' suggestions score F1 {suggestions:.3f} against it",
        str(workspace.folder("gold")),
    ]


def by_document(annotations: Sequence[Annotation]) -> dict[str, Any]:
    """Return the spans of annotations by document id."""
    return {annotation.document_id: annotation.spans for annotation in annotations}


def suggest_spans(workspace: Workspace) -> list[Annotation]:
    """Suggest spans by rules, as a stage over the documents."""
    from gonerd.annotation.suggest import SuggestConfig, suggest

    config, scheme = SuggestConfig(), load_scheme()
    work = partial(suggest, config=config, scheme=scheme)
    stage = store.Stage("annotate suggest", config, partial(jsonl.read, kind=Document), work)
    out = workspace.folder("annotations", "suggested")
    with workspace.bar("Suggesting") as progress:
        store.run_stage(stage, store.shards(workspace.folder("documents")), out, progress=progress)
    return list(store.read_records(out, Annotation))


def import_one(workspace: Workspace, name: str, documents: Sequence[Document]) -> list[Annotation]:
    """Import one annotator's pass, made on the true texts, onto the extracted documents."""
    from gonerd.annotation.passes import import_pass, mover
    from gonerd.corpus.realign import realign
    from gonerd.formats.standoff import read

    file = sample("annotations", f"{name}.jsonl")
    records = import_pass(read(file), documents, move=mover(realign, true_documents()))
    out = workspace.folder("annotations", name)
    config = {"format": "standoff", "file": store.sha256_file(file)}
    store.write_stage(records, out, stage="annotate import", config=config)
    return list(store.read_records(out, Annotation))


def adjudicate_passes(
    workspace: Workspace, passes: dict[str, list[Annotation]], documents: Sequence[Document]
) -> tuple[list[Annotation], int]:
    """Make gold of both passes; return it with the number of differences that a decision settled."""
    from gonerd.annotation.adjudicate import AdjudicateConfig, adjudicate
    from gonerd.annotation.decisions import Decision
    from gonerd.annotation.gold import write_gold
    from gonerd.annotation.passes import mover
    from gonerd.corpus.realign import realign

    config = AdjudicateConfig()
    result = adjudicate(
        passes,
        documents,
        config=config,
        decisions=jsonl.read(sample("annotations", "decisions.jsonl"), Decision),
        move=mover(realign, true_documents()),
    )
    write_gold(result, workspace.folder("gold"), config=config)
    return list(result.gold), sum(entry.by != "agreement" for entry in result.trail)


def build_dataset(workspace: Workspace) -> list[str]:
    """Add generated documents, build the dataset, and load it back by name."""
    from gonerd.dataset.build import build
    from gonerd.sample.describe import dataset_config

    generated = generate_documents(workspace)
    out = workspace.folder("dataset")
    documents = [workspace.folder("documents"), *(folder / "documents" for folder in generated.values())]
    gold = [workspace.folder("gold"), *(folder / "gold" for folder in generated.values())]
    splits = {
        document.id: split
        for split, folder in generated.items()
        for document in store.read_records(folder / "documents", Document)
    }
    with workspace.bar("Building") as progress:
        manifest = build(documents, gold, out, config=dataset_config(), splits=splits, progress=progress)
    rows = load_back(out)
    if sum(rows.values()) != manifest.written:
        raise GonerdError(f"{manifest.written} documents were written, but {sum(rows.values())} loaded", where=out)
    workspace.figures["dataset"] = {**counts(manifest), "rows": rows}
    shown = ", ".join(f"{count} {split}" for split, count in rows.items())
    return [f'load_dataset("gonerd", data_dir="{out}") gives {shown}', str(out / "README.md")]


def generate_documents(workspace: Workspace) -> dict[str, Path]:
    """Write generated documents with their gold, a folder a split."""
    from gonerd.sample.generator import generate

    folders = {}
    seed = workspace.config.seed
    for split, count in COUNTS.items():
        folders[split] = folder = workspace.folder("generated", split)
        pairs = list(generate(count, seed=seed, split=split))
        config = {"seed": seed, "split": split, "count": count}
        store.write_stage([pair[0] for pair in pairs], folder / "documents", stage="generate documents", config=config)
        store.write_stage([pair[1] for pair in pairs], folder / "gold", stage="generate gold", config=config)
    return folders


def load_back(folder: Path) -> dict[str, int]:
    """Load the dataset as a user would and return its rows by split."""
    import datasets

    datasets.disable_progress_bars()
    loaded = datasets.load_dataset("gonerd", data_dir=str(folder))
    return {split: rows.num_rows for split, rows in loaded.items()}


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

    data = workspace.folder("dataset")
    train, validation = examples(data, "train"), examples(data, "validation")
    start, teacher, student = (workspace.folder("models", name) for name in ("start", "teacher", "student"))
    seed = workspace.config.seed
    new_checkpoint((row.text for row in train), start, config=SmallConfig(), scheme=load_scheme(), seed=seed)
    with workspace.bar("Training the teacher") as progress:
        config = finetune_config(seed)
        finetune(start, teacher, train=train, validation=validation, config=config, progress=progress)
    with workspace.bar("Distilling the student") as progress:
        distill(teacher, student, train=train, validation=validation, config=distill_config(seed), progress=progress)
    return [f"a teacher and a student trained on {len(train)} whole documents", str(workspace.folder("models"))]


def evaluate_models(workspace: Workspace) -> list[str]:
    """Evaluate both models and the name lookup on the test split, and time both models in turns."""
    from gonerd.evaluation.evaluate import evaluate
    from gonerd.evaluation.predict import PredictConfig
    from gonerd.evaluation.result import read_result

    gold = test_gold(workspace)
    figures: dict[str, Any] = {"lookup_f1": lookup_f1(workspace)}
    for name in ("teacher", "student"):
        with workspace.bar(f"Evaluating the {name}") as progress:
            path = evaluate(
                workspace.folder("models", name), gold, workspace.folder("results"), config=PredictConfig(),
                name=f"sample/{name}", progress=progress,
            )  # fmt: skip
        result = read_result(path)
        figures[name] = {
            "result": str(path.relative_to(workspace.config.out)),
            "strict_f1": round(result.strict.micro.f1, 4),
            "by_source": {source: round(score.f1, 4) for source, score in result.by_source.items()},
            "tokens_per_second": result.speed.tokens_per_second,
            "peak_memory_mib": result.speed.peak_memory_mib,
            "coverage": result.coverage.predicted_words / result.coverage.gold_words,
        }
    figures["time"] = time_in_turns(workspace)
    teacher, student = figures["teacher"], figures["student"]
    figures["f1_kept"] = round(student["strict_f1"] / teacher["strict_f1"], 4) if teacher["strict_f1"] else None
    workspace.figures["evaluation"] = figures
    return [
        *(model_line(name, figures[name]) for name in ("teacher", "student")),
        f"the student keeps {share(figures['f1_kept'])} of the teacher's F1 and saves "
        f"{share(figures['time']['saved'])} of its time; a lookup of training names scores {figures['lookup_f1']:.3f}",
        str(workspace.folder("results")),
    ]


def model_line(name: str, figures: dict[str, Any]) -> str:
    """Return the line for one model."""
    sources = ", ".join(f"{source} {score:.3f}" for source, score in figures["by_source"].items())
    return (
        f"{name}: strict F1 {figures['strict_f1']:.3f} ({sources}), "
        f"{figures['tokens_per_second']:,.0f} tokens/s, {figures['peak_memory_mib']:,.0f} MiB"
    )


def share(value: float | None) -> str:
    """Return a share in per cent."""
    return "no measurable share" if value is None else f"{100 * value:.1f} %"


def test_gold(workspace: Workspace) -> Any:
    """Return the test split as gold for scoring."""
    from gonerd.formats.gold import Gold, GoldDocument

    rows = (GoldDocument.of(example) for example in examples(workspace.folder("dataset"), "test"))
    return Gold.of(rows, scheme=load_scheme(), name="gonerd-quickstart", split="test")


def lookup_f1(workspace: Workspace) -> float:
    """Return what a lookup of the training names scores on the test split."""
    from gonerd.evaluation.lookup import Lookup
    from gonerd.scoring import score_tags

    data = workspace.folder("dataset")
    lookup = Lookup.fit(examples(data, "train"))
    test = examples(data, "test")
    predicted = [lookup.predict_tags(row.tokens) for row in test]
    return round(score_tags([row.ner_tags for row in test], predicted, scheme=load_scheme()).micro.f1, 4)


def time_in_turns(workspace: Workspace) -> dict[str, float]:
    """Time teacher and student on the same documents in turns; a finished timing is only looked up."""
    from gonerd.evaluation.cost import time_models
    from gonerd.evaluation.predict import PredictConfig
    from gonerd.models.checkpoints import checkpoint_revision

    models = [workspace.folder("models", name) for name in ("teacher", "student")]
    gold = test_gold(workspace)
    path = workspace.folder("results", "time.json")
    of = [gold.fingerprint.inputs, *map(checkpoint_revision, models)]
    if path.is_file() and (known := store.read_json(path))["of"] == of:
        return dict(known["time"])
    documents = [(document.id, document.tokens) for document in gold.documents]
    with workspace.bar("Timing both in turns") as progress:
        teacher, student = time_models(
            models, documents, scheme=gold.scheme, config=PredictConfig(), repeats=3, progress=progress
        )
    time = {
        "teacher_tokens_per_second": round(teacher.tokens_per_second, 1),
        "student_tokens_per_second": round(student.tokens_per_second, 1),
        "saved": round(1 - student.median_seconds / teacher.median_seconds, 4),
    }
    store.write_json(path, {"of": of, "time": time})
    return time


def build_leaderboard(workspace: Workspace) -> list[str]:
    """Write both results as submissions, verify them by scoring again, and render the board."""
    from gonerd.evaluation.evaluate import predictions_path
    from gonerd.leaderboard.site import build_site
    from gonerd.leaderboard.submission import write_submission
    from gonerd.leaderboard.verify import verify, write_report
    from gonerd.sample.describe import submission

    gold = test_gold(workspace)
    done = []
    for name in ("teacher", "student"):
        result = workspace.config.out / workspace.figures["evaluation"][name]["result"]
        folder = workspace.folder("submissions", name)
        write_submission(result, predictions_path(result), folder, submission=submission(name))
        done.append(verify(folder, gold))
    write_report(done, workspace.folder("submissions", "verification.json"))
    rejected = [verification for verification in done if not verification.verified]
    if rejected:
        first = rejected[0].failures[0]
        raise GonerdError(f"rejected: {first.name}: {first.detail}", where=rejected[0].folder)
    page = build_site(done, workspace.folder("leaderboard"))
    workspace.figures["leaderboard"] = {"verified": len(done), "page": str(page.relative_to(workspace.config.out))}
    return [f"{len(done)} submissions verified by scoring their predictions again", str(page)]


def counts(*manifests: Manifest) -> dict[str, Any]:
    """Return what was read, written and dropped, all manifests together."""
    dropped: dict[str, int] = {}
    for manifest in manifests:
        for reason, count in manifest.dropped.items():
            dropped[reason] = dropped.get(reason, 0) + count
    return {"read": manifests[0].read, "written": manifests[-1].written, "dropped": dropped}


def drops(*manifests: Manifest) -> str:
    """Return the drops by reason as words."""
    dropped = counts(*manifests)["dropped"]
    return "dropped " + (", ".join(f"{count} {reason}" for reason, count in dropped.items()) or "nothing")


STEPS = (
    Step("crawl", crawl_site),
    Step("documents", extract_documents),
    Step("annotation", annotate_documents),
    Step("dataset", build_dataset),
    Step("training", train_models),
    Step("evaluation", evaluate_models),
    Step("leaderboard", build_leaderboard),
)

