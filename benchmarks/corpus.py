"""The corpus room beside its peers: main text on real pages, the whole path from WARC to deduplicated documents, size.

    python benchmarks/corpus.py quality --shared ../shared
    python benchmarks/corpus.py path --out /tmp/corpus-benchmark --pages 1000
    python benchmarks/corpus.py scale --out /tmp/corpus-benchmark --sizes 1000 10000 100000   # or one size a run

Needs the extra `corpus` and psutil; for the peers also `resiliparse` and the extra `cluster` (datatrove): what is not
installed is left out. Every run of a path is a process of its own. Peak memory is of all its processes together; CPU
time, which holds on a busy machine where seconds do not, is given for one worker. With `--record` the figures are added
to `benchmarks/results/corpus.json`.
"""

from __future__ import annotations

import argparse
import contextlib
import gzip
import importlib.metadata
import importlib.util
import io
import json
import os
import platform
import random
import resource
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).with_name("results") / "corpus.json"
PACKAGES = ("gonerd", "trafilatura", "resiliparse", "datatrove", "lxml", "numpy")
A_SHARD = 100  # pages of a generated WARC file
TURNS = 3


def installed(name: str) -> bool:
    return importlib.util.find_spec(name) is not None


# Quality: real pages whose true text people marked.


def extractors() -> dict[str, Callable[[bytes, str], str]]:
    """Return what finds the main text of a page, by name."""
    import trafilatura

    from gonerd.corpus.archive import RawPage
    from gonerd.corpus.extract import ExtractConfig, extract_page

    config = ExtractConfig(headline=False)  # the true texts begin after the headline

    def gonerd(html: bytes, url: str) -> str:
        return extract_page(RawPage(url, html, None), source=None, config=config).text

    def plain(**options: Any) -> Callable[[bytes, str], str]:
        return lambda html, _: trafilatura.extract(html, include_comments=False, **options) or ""

    found = {
        "gonerd": gonerd,
        "trafilatura": plain(),
        "trafilatura, fast": plain(fast=True),
        "datatrove's extractor (trafilatura, favour precision)": plain(favor_precision=True, deduplicate=True),
    }
    if installed("resiliparse"):
        found["resiliparse, main content"] = resiliparse
    return found


def resiliparse(html: bytes, _: str) -> str:
    from resiliparse.extract.html2text import extract_plain_text
    from resiliparse.parse.encoding import bytes_to_str, detect_encoding

    return str(extract_plain_text(bytes_to_str(html, detect_encoding(html)), main_content=True, alt_texts=False))


def quality(shared: Path) -> dict[str, Any]:
    """Return word F1, 4-shingle F1 and pages a second of each extractor, in turns over the same pages."""
    from gonerd.corpus.quality import shingle_f1, word_f1

    truth = json.loads((shared / "pages" / "ground-truth.json").read_text(encoding="utf-8"))
    pages = [
        (
            gzip.decompress((shared / "pages" / "html" / f"{name}.html.gz").read_bytes()),
            page["url"],
            page["articleBody"],
        )
        for name, page in sorted(truth.items())
    ]
    seconds: dict[str, list[float]] = {}
    texts: dict[str, list[str]] = {}
    for _ in range(TURNS):
        for name, find in extractors().items():
            started = time.perf_counter()
            texts[name] = [find(html, url) for html, url, _ in pages]
            seconds.setdefault(name, []).append(time.perf_counter() - started)
    return {
        name: {
            "word_f1": round(mean(word_f1(text, page[2]) for text, page in zip(found, pages, strict=True)), 4),
            "shingle_f1": round(mean(shingle_f1(text, page[2]) for text, page in zip(found, pages, strict=True)), 4),
            "pages_per_second": round(len(pages) / statistics.median(seconds[name]), 1),
        }
        for name, found in texts.items()
    }


def mean(values: Iterator[float]) -> float:
    every = list(values)
    return sum(every) / len(every)


# The path: generated pages in WARC files, a tenth of them copies of others with a few words changed.


def write_warcs(folder: Path, count: int, *, words: int, seed: int = 0) -> None:
    """Write WARC files of generated pages, unless they are there."""
    if (folder / "done").is_file():
        return
    from warcio.statusandheaders import StatusAndHeaders
    from warcio.warcwriter import WARCWriter

    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    rng = random.Random(seed)
    pages = generated_pages(count, words=words, rng=rng)
    for start in range(0, count, A_SHARD):
        with (folder / f"pages-{start // A_SHARD:05d}.warc.gz").open("wb") as stream:
            writer = WARCWriter(stream, gzip=True)
            for number in range(start, min(count, start + A_SHARD)):
                head = StatusAndHeaders("200 OK", [("Content-Type", "text/html; charset=utf-8")], protocol="HTTP/1.1")
                body = io.BytesIO(next(pages).encode())
                url = f"http://paper-{number % 40}.example/{number}.html"
                writer.write_record(writer.create_warc_record(url, "response", payload=body, http_headers=head))
    (folder / "done").touch()


def generated_pages(count: int, *, words: int, rng: random.Random) -> Iterator[str]:
    vocabulary = vocabulary_of(rng)
    recent: list[list[str]] = []
    for number in range(count):
        if number % 10 == 9:  # a near-duplicate
            lines = list(rng.choice(recent))
            lines[0] = sentence(vocabulary, rng)
        else:
            lines = [sentence(vocabulary, rng) for _ in range(max(1, rng.randint(words // 2, 3 * words // 2) // 18))]
            recent = [*recent[-200:], lines]
        yield page_of(number, lines)


def vocabulary_of(rng: random.Random) -> list[str]:
    parts = [consonant + vowel for consonant in "bdklmnrstv" for vowel in "aeo"]
    common = ["the", "of", "and", "to", "in", "that", "was", "it", "he", "for", "with", "as", "his", "on", "at"]
    return [*common * 12, *("".join(rng.choices(parts, k=rng.randint(2, 4))) for _ in range(4_000))]


def sentence(vocabulary: list[str], rng: random.Random) -> str:
    return " ".join(rng.choices(vocabulary, k=18)).capitalize() + "."


def page_of(number: int, lines: list[str]) -> str:
    menu = "".join(f"<li><a href='/{n}'>Section {n}</a></li>" for n in range(30))
    body = "".join(f"<p>{escape(' '.join(lines[at : at + 4]))}</p>" for at in range(0, len(lines), 4))
    related = "".join(f"<li><a href='/{n}'>Another story with number {n}</a></li>" for n in range(8))
    return (
        f"<!DOCTYPE html><html><head><title>Story {number} of the day</title></head><body><nav><ul>{menu}</ul></nav>"
        f"<article><h1>Story {number} of the day</h1>{body}</article><div class='related'><ul>{related}</ul></div>"
        f"<footer><p>All rights reserved</p></footer></body></html>"
    )


def run_gonerd(warcs: Path, out: Path, workers: int) -> int:
    """Run the whole path with gonerd; return the documents."""
    from gonerd.corpus.cluster import ClusterConfig
    from gonerd.corpus.dedup import dedup
    from gonerd.corpus.filters import FilterConfig
    from gonerd.corpus.run import ExtractSettings, extract

    settings = ExtractSettings(filters=FilterConfig(language=None, min_words=20))  # the words are invented
    extract([warcs], out / "extracted", settings=settings, cluster=ClusterConfig(workers=workers))
    return dedup(out / "extracted", out / "documents").written


def run_datatrove(warcs: Path, out: Path, workers: int) -> int:
    """Run the same path with datatrove's local executor: its reader, extractor, and four steps of MinHash."""
    from datatrove.executor import LocalPipelineExecutor
    from datatrove.pipeline.dedup import MinhashDedupBuckets, MinhashDedupCluster, MinhashDedupFilter
    from datatrove.pipeline.dedup.minhash import MinhashConfig, MinhashDedupSignature
    from datatrove.pipeline.extractors import Trafilatura
    from datatrove.pipeline.readers import JsonlReader, WarcReader
    from datatrove.pipeline.writers import JsonlWriter

    files = len(list(warcs.glob("*.warc.gz")))
    config = MinhashConfig()

    def run(pipeline: list[Any], tasks: int) -> None:
        name = str(out / "logs" / str(time.monotonic_ns()))
        LocalPipelineExecutor(pipeline, tasks=tasks, workers=min(workers, tasks), logging_dir=name).run()

    extracted, minhash = str(out / "extracted"), out / "minhash"
    reader = WarcReader(str(warcs), glob_pattern="*.warc.gz")
    run([reader, Trafilatura(timeout=10), JsonlWriter(extracted, compression=None)], files)
    signatures, buckets, removed = (str(minhash / name) for name in ("signatures", "buckets", "removed"))
    run([JsonlReader(extracted), MinhashDedupSignature(signatures, config=config)], files)
    run([MinhashDedupBuckets(signatures, buckets, config=config)], config.num_buckets)
    run([MinhashDedupCluster(buckets, removed, config=config)], 1)
    kept = JsonlWriter(str(out / "documents"), compression=None)
    run([JsonlReader(extracted), MinhashDedupFilter(removed), kept], files)
    return sum(path.read_bytes().count(b"\n") for path in (out / "documents").glob("*.jsonl"))


PATHS = {"gonerd": run_gonerd, "datatrove": run_datatrove}


def child(which: str, warcs: Path, out: Path, workers: int) -> None:
    """Run one path and print its figures."""
    started = time.perf_counter()
    documents = PATHS[which](warcs, out, workers)
    seconds = time.perf_counter() - started
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    cpu = sum(one.ru_utime + one.ru_stime for one in used)
    print(json.dumps({"documents": documents, "seconds": seconds, "cpu_s": cpu}))


def measured(which: str, warcs: Path, out: Path, workers: int) -> dict[str, float]:
    """Return the figures of one path in a process of its own, its output removed."""
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    command = [sys.executable, __file__, "child", "--which", which, "--warcs", str(warcs), "--out", str(out)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "DATATROVE_COLORIZE_LOGS": "0"}
    with (out.parent / "child.log").open("w+") as errors:
        process = subprocess.Popen(
            [*command, "--workers", str(workers)], stdout=subprocess.PIPE, stderr=errors, text=True, env=environment
        )
        peak = watched(process.pid)
        printed, _ = process.communicate()
        errors.seek(0)
        said = errors.read()
    shutil.rmtree(out, ignore_errors=True)
    if process.returncode:
        raise SystemExit(f"{which} failed:\n{said[-3000:]}")
    return {**json.loads(printed.strip().splitlines()[-1]), "peak_mib": peak}


def watched(pid: int) -> float:
    """Return the peak memory of a process and all under it, looked at ten times a second until it ends (MiB)."""
    import psutil

    root, peak = psutil.Process(pid), 0
    while root.is_running() and root.status() != psutil.STATUS_ZOMBIE:
        total = 0
        for process in [root, *root.children(recursive=True)]:
            with contextlib.suppress(psutil.Error):
                total += process.memory_info().rss
        peak = max(peak, total)
        time.sleep(0.1)
    return peak / 2**20


def path(out: Path, pages: int, words: int, turns_of: int) -> dict[str, Any]:
    """Return documents a second and peak memory of each path with 1 and 2 workers, in turns."""
    warcs = out / f"warcs-{pages}-{words}"
    write_warcs(warcs, pages, words=words)
    names = [name for name in PATHS if name == "gonerd" or installed("datatrove")]
    found: dict[str, Any] = {"pages": pages, "words_about": words}
    for workers in (1, 2):
        turns = [{name: measured(name, warcs, out / "run", workers) for name in names} for _ in range(turns_of)]
        for name in names:
            found[f"{name}, {workers} workers"] = {
                "documents": turns[0][name]["documents"],
                "pages_per_second": round(pages / statistics.median(turn[name]["seconds"] for turn in turns), 1),
                # With one worker the process waits for all that it has started; others escape the count.
                **({"cpu_ms_per_page": cpu_ms([turn[name] for turn in turns], pages)} if workers == 1 else {}),
                "peak_mib": round(max(turn[name]["peak_mib"] for turn in turns)),
            }
        if len(names) > 1:
            shown = (("seconds", "times faster"), ("cpu_s", "times less CPU time"))
            for what, name in shown if workers == 1 else shown[:1]:
                ratios = [turn["datatrove"][what] / turn["gonerd"][what] for turn in turns]
                found[f"{name}, {workers} workers"] = round(statistics.median(ratios), 2)
        print(json.dumps(found), flush=True)
    return found


def cpu_ms(runs: list[dict[str, float]], pages: int) -> float:
    return round(1000 * statistics.median(run["cpu_s"] for run in runs) / pages, 2)


def scale(out: Path, sizes: list[int], words: int, workers: int) -> dict[str, Any]:
    """Return seconds and peak memory of gonerd's path by the number of pages."""
    found = {}
    for pages in sizes:
        warcs = out / f"warcs-{pages}-{words}"
        write_warcs(warcs, pages, words=words)
        figures = measured("gonerd", warcs, out / "run", workers)
        size = sum(file.stat().st_size for file in warcs.iterdir())
        found[str(pages)] = {
            "documents": figures["documents"],
            "seconds": round(figures["seconds"], 1),
            **({"cpu_ms_per_page": cpu_ms([figures], pages)} if workers == 1 else {}),
            "ms_per_page": round(1000 * figures["seconds"] / pages, 2),
            "peak_mib": round(figures["peak_mib"]),
            "warc_mib": round(size / 2**20, 1),
        }
        print(json.dumps({str(pages): found[str(pages)]}), flush=True)
    return {f"about {words} words, {workers} workers": found}


def record(part: str, figures: dict[str, Any]) -> None:
    known = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.is_file() else {}
    versions = {name: importlib.metadata.version(name) for name in PACKAGES if installed(name)}
    hardware = f"{platform.machine()}, {os.cpu_count()} cores, shared with other work"
    if part == "scale" and part in known:  # sizes that were run before stay
        before = known[part]["figures"]
        for name, sizes in figures.items():
            figures[name] = dict(sorted({**before.get(name, {}), **sizes}.items(), key=lambda entry: int(entry[0])))
        figures = {**before, **figures}
    about = {"date": datetime.now(UTC).date().isoformat(), "hardware": hardware, "python": platform.python_version()}
    known[part] = {**about, "versions": versions, "figures": figures}
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(known, indent=2) + "\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description="The corpus room beside its peers.")
    parser.add_argument("part", choices=["quality", "path", "scale", "child"])
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument("--out", type=Path, default=Path("corpus-benchmark"))
    parser.add_argument("--pages", type=int, default=1000)
    parser.add_argument("--words", type=int, default=600, help="words of a page, about")
    parser.add_argument("--sizes", type=int, nargs="+", default=[1000, 10_000, 100_000])
    parser.add_argument("--turns", type=int, default=TURNS, help="of a path; quality has always three")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--which", choices=sorted(PATHS), default="gonerd")
    parser.add_argument("--warcs", type=Path)
    parser.add_argument("--record", action="store_true", help=f"add the figures to {RESULTS.name}")
    options = parser.parse_args()
    if options.part == "child":
        child(options.which, options.warcs, options.out, options.workers)
        return
    if options.part == "quality" and not options.shared.is_dir():
        print(f"skipped: no folder {options.shared}")
        return
    figures = {
        "quality": lambda: quality(options.shared),
        "path": lambda: path(options.out, options.pages, options.words, options.turns),
        "scale": lambda: scale(options.out, options.sizes, options.words, options.workers),
    }[options.part]()
    print(json.dumps(figures, indent=2))
    if options.record:
        record(options.part, figures)


if __name__ == "__main__":
    main()
