"""The quickstart's first steps: from a web site to a dataset that loads by name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from gonerd import __version__, store
from gonerd.errors import GonerdError
from gonerd.formats import jsonl
from gonerd.labels import load_scheme
from gonerd.records import Annotation, Document, Manifest
from gonerd.sample.data import ANNOTATORS, sample, site_host, true_documents
from gonerd.sample.quickstart import Workspace

GENERATE = "generate"
COUNTS = {"train": 300, "validation": 12, "test": 30}
"""Generated documents by split: enough to learn from in a minute; the site's own are too few."""


def crawl_site(workspace: Workspace) -> list[str]:
    """Serve the sample site on loopback and crawl it."""
    from gonerd.corpus.config import CrawlConfig
    from gonerd.corpus.crawl import crawl
    from gonerd.corpus.sources import load_source
    from gonerd.sample.server import folder_site, serve

    out = workspace.folder("warc")
    site = folder_site(sample("site"), site_host())
    with serve(site) as address, workspace.bar("Crawling") as progress:
        config = CrawlConfig(delay_s=0.0, proxy=address)
        manifest = crawl(
            load_source(str(sample("source.toml"))), out, config=config, watch=lambda now: progress(now.done, now.found)
        )
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


def text_quality(documents: Iterable[Document]) -> float:
    """Return the F1 of the extracted words against those of the true texts, all documents together."""
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
    suspicious = audit_gold(workspace, gold, documents)
    workspace.figures["annotation"] = {
        "agreement_f1": round(pair.exact.f1, 4),
        "agreement_f1_interval": [round(pair.exact_interval.low, 4), round(pair.exact_interval.high, 4)],
        "kappa": round(pair.kappa, 4),
        "alpha": round(measured.alpha, 4),
        "suggestions_f1": round(suggestions, 4),
        "gold_spans": spans,
        "settled_places": settled,
    }
    return [
        f"two passes agree at F1 {pair.exact.f1:.3f} (kappa {pair.kappa:.3f}); {settled} places settled by decisions; "
        f"gold has {spans} spans; the rules' suggestions score F1 {suggestions:.3f} against it",
        f"the {suspicious} most suspicious places of the gold: {workspace.folder('annotations', 'audit.html')}",
        str(workspace.folder("gold")),
    ]


def by_document(annotations: Sequence[Annotation]) -> dict[str, Any]:
    """Return the spans of annotations by document id."""
    return {annotation.document_id: annotation.spans for annotation in annotations}


def suggest_spans(workspace: Workspace) -> list[Annotation]:
    """Suggest spans by rules, and export the documents with them for Label Studio."""
    from gonerd.annotation.export import write_export
    from gonerd.annotation.suggest import SuggestConfig, suggest_folder

    documents, out = workspace.folder("documents"), workspace.folder("annotations", "suggested")
    with workspace.bar("Suggesting") as progress:
        manifest = suggest_folder(documents, out, config=SuggestConfig(), progress=progress)
    suggested = list(store.read_records(out, Annotation))
    write_export(
        store.read_records(documents, Document),
        {"rules": {one.document_id: one for one in suggested}},
        workspace.folder("annotations", "label-studio"),
        tool="label-studio",
        scheme=load_scheme(),
        inputs=tuple(shard.sha256 for shard in manifest.outputs),
    )
    return suggested


def audit_gold(workspace: Workspace, gold: Sequence[Annotation], documents: Sequence[Document]) -> int:
    """Look for errors in the gold by rules and consistency, and show them in the documents; return how many."""
    from gonerd.annotation.audit import AuditConfig, audit
    from gonerd.annotation.findings import finding_sheets
    from gonerd.annotation.view import write_view

    found = audit(gold, documents, config=AuditConfig(folds=0, most=20))
    store.write_json(workspace.folder("annotations", "audit.json"), found)
    sheets = finding_sheets(found, documents, gold)
    write_view(sheets, workspace.folder("annotations", "audit.html"), scheme=load_scheme(), title="Audit of the gold")
    return len(found)


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
    """Make gold of both passes; return it with the number of places that a decision settled."""
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
    from gonerd.dataset.build import Given, build
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
        manifest = build(documents, gold, out, config=dataset_config(), given=Given(splits=splits), progress=progress)
    rows = load_back(out)
    if sum(rows.values()) != manifest.written:
        raise GonerdError(f"{manifest.written} documents were written, but {sum(rows.values())} loaded", where=out)
    workspace.figures["dataset"] = {**counts(manifest), "rows": rows}
    shown = ", ".join(f"{count} {split}" for split, count in rows.items())
    return [f'load_dataset("gonerd", data_dir="{out}") gives {shown}', str(out / "README.md")]


def build_sample(workspace: Workspace, out: Path) -> Manifest:
    """Build the dataset of the site alone, which comes with the package as the configuration `sample`."""
    from gonerd.dataset.build import build
    from gonerd.sample.describe import sample_config

    for step in (crawl_site, extract_documents, annotate_documents):
        step(workspace)
    return build([workspace.folder("documents")], [workspace.folder("gold")], out, config=sample_config())


def generate_documents(workspace: Workspace) -> dict[str, Path]:
    """Write generated documents with their gold, a folder a split; what is there already is not generated again."""
    from gonerd.sample.generator import generate

    folders = {}
    for split, count in COUNTS.items():
        folders[split] = folder = workspace.folder("generated", split)
        config = {"seed": workspace.config.seed, "split": split, "count": count}
        if all(is_generated(folder / part, config) for part in ("documents", "gold")):
            continue
        with workspace.bar(f"Generating {split}") as progress:
            pairs = []
            for pair in generate(count, seed=workspace.config.seed, split=split):
                pairs.append(pair)
                progress(len(pairs), count)
        store.write_stage((pair[0] for pair in pairs), folder / "documents", stage=GENERATE, config=config)
        store.write_stage((pair[1] for pair in pairs), folder / "gold", stage=GENERATE, config=config)
    return folders


def is_generated(folder: Path, config: dict[str, Any]) -> bool:
    """Tell whether `folder` holds what this version generates under `config`."""
    if not (folder / store.MANIFEST).is_file():
        return False
    manifest = store.read_manifest(folder)
    return (manifest.stage, manifest.version, manifest.config) == (GENERATE, __version__, config)


def load_back(folder: Path) -> dict[str, int]:
    """Load the dataset as a user would and return its rows by split."""
    import datasets

    datasets.disable_progress_bars()
    loaded = datasets.load_dataset("gonerd", data_dir=str(folder))
    return {split: rows.num_rows for split, rows in loaded.items()}


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
