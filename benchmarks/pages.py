"""How soon the pages answer in a headless Chromium: a board of 1,000 entries, and 30 documents of 5,000 words compared.

    python benchmarks/pages.py [--record]

Needs the extras `annotation`, `leaderboard` and `dev`, and a chromium. Load is from the request to the first frame
after the page's script; every other figure is from the key or click to the next frame. On a busy machine look at the
lowest and at the processor time of the page's own process, which others slow down less. `--record` writes
`benchmarks/results/pages.json`.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import shutil
import statistics
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gonerd.annotation.view import Sheet, write_view
from gonerd.evaluation.hardware import describe_hardware
from gonerd.labels import load_scheme
from gonerd.leaderboard.board import Board, Entry, ranked
from gonerd.leaderboard.site import write_site
from gonerd.records import Annotation, Document, Span

RESULTS = Path(__file__).with_name("results") / "pages.json"
SIZES = {"desk": {"width": 1280, "height": 860}, "phone": {"width": 390, "height": 844}}
REPEATS = 7
SORTS = [("sort", column) for column in (1, 7, 3, 0, 8)]
FRAME = "() => new Promise((done) => requestAnimationFrame(() => setTimeout(done)))"
CLICK = """(column) => new Promise((done) => {
  const begun = performance.now();
  document.querySelectorAll("thead button")[column].click();
  requestAnimationFrame(() => setTimeout(() => done(performance.now() - begun)));
})"""
KEY = """(key) => new Promise((done) => {
  const begun = performance.now();
  document.body.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
  requestAnimationFrame(() => setTimeout(() => done(performance.now() - begun)));
})"""


def board(entries: int) -> Board:
    """Return a board of made-up entries in which every column is filled."""
    chance = random.Random(5)
    kinds, makers = ("full", "longformer", "bigbird", "lsg", "nystromformer"), ("A University", "Some & Co", None)
    scheme = load_scheme()
    found = []
    for number in range(entries):
        f1 = min(0.95, max(0.05, chance.gauss(0.66, 0.09)))
        found.append(
            Entry(
                folder=f"f{number}",
                name=f"model {number}",
                f1=f1,
                by_type={name: min(1.0, max(0.0, f1 + chance.gauss(0, 0.05))) for name in scheme.names},
                date="2026-03-01",
                f1_low=f1 - 0.015,
                f1_high=f1 + 0.015,
                organisation=chance.choice(makers),
                attention=chance.choice(kinds),
                layers=chance.choice((6, 12, 24)),
                parameters=chance.choice((22_713_216, 81_000_000, 148_000_000)),
                reach_tokens=chance.choice((512, 4096)),
                teacher="model 0" if number % 3 == 1 else None,
                latency_4096_ms=10 ** chance.uniform(1, 3.5),
                words_per_second=10 ** chance.uniform(2, 4.5),
                peak_memory_mib=10 ** chance.uniform(2, 4),
                hardware=chance.choice(("one accelerator", "two cores")),
                link="https://example.org/model",
            )
        )
    labels = tuple((label.name, label.definition) for label in scheme.labels)
    return Board("made-up", "test", "gonerd", labels, 85, 106_391, "a" * 64, "b" * 64, ranked(found))


def sheets(documents: int) -> list[Sheet]:
    """Return documents of 5,408 words, 416 spans on one side and every second of them on the other."""
    text = "\n\n".join("Ann Lee of Acme met the people of Oslo near the river again. " * 8 for _ in range(52))
    starts = [place for place in range(len(text)) if text.startswith("Ann Lee", place)]
    found = []
    for number in range(documents):
        document = Document(str(number), text, "made-up")
        sides = [
            Annotation(
                document.id, document.text_sha256, who, "gonerd", tuple(Span(at, at + 7, "PER") for at in places)
            )
            for who, places in (("all", starts), ("half", starts[::2]))
        ]
        found.append(Sheet(document, tuple(sides)))
    return found


def processor_ms(profile: str) -> int:
    """Return the processor time, in milliseconds, of the browser's page processes so far; 0 where there is no /proc."""
    ticks = 0
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_text()
            if profile in command and "--type=renderer" in command:
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
                ticks += int(fields[11]) + int(fields[12])
        except OSError:
            continue  # it has ended
    return 1000 * ticks // os.sysconf("SC_CLK_TCK")


def summary(times: list[float], processor: float) -> dict[str, Any]:
    """Return what is recorded of some times in milliseconds."""
    return {
        "median_ms": round(statistics.median(times), 1),
        "lowest_ms": round(min(times), 1),
        "highest_ms": round(max(times), 1),
        "processor_ms": round(processor / len(times), 1),
        "count": len(times),
    }


def measure(
    context: Any, profile: str, address: str, *, size: dict[str, int], steps: list[tuple[str, Any]]
) -> dict[str, Any]:
    """Return load and steps of a page at one size; a step is a script and what it is given."""
    page = context.new_page()
    page.set_viewport_size(size)
    loads, before = [], processor_ms(profile)
    for _ in range(REPEATS):
        begun = time.perf_counter()
        page.goto(address)
        page.evaluate(FRAME)
        loads.append(1000 * (time.perf_counter() - begun))
    found = {"load": summary(loads, processor_ms(profile) - before)}
    for name in dict.fromkeys(name for name, _ in steps):
        script = CLICK if name == "sort" else KEY
        before, times = processor_ms(profile), []
        for _ in range(REPEATS):
            times += [page.evaluate(script, argument) for kind, argument in steps if kind == name]
        found[name] = summary(times, processor_ms(profile) - before)
    page.close()
    return found


def run() -> dict[str, Any]:
    """Return everything that is measured."""
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        profile = Path(folder, "profile")
        pages = {
            "board of 1,000 entries": (
                write_site([board(1000)], Path(folder, "board")),
                [("sort", c) for c in (1, 7, 3, 0, 8)],
            ),
            "30 documents of 5,408 words": (Path(folder, "view.html"), [("next", "n"), ("document", "]")]),
        }
        write_view(sheets(30), Path(folder, "view.html"), scheme=load_scheme(), title="made-up")
        context = driver.chromium.launch_persistent_context(
            profile, executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        found: dict[str, Any] = {}
        for name, (path, steps) in pages.items():
            found[name] = {"bytes": path.stat().st_size}
            for size, shape in SIZES.items():
                found[name][size] = measure(context, str(profile), path.as_uri(), size=shape, steps=steps)
        version = context.browser.version if context.browser else ""
        context.close()
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "hardware": describe_hardware(None),
        "python": platform.python_version(),
        "chromium": version,
        "load_average": os.getloadavg()[0],
        "pages": found,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--record", action="store_true", help=f"write {RESULTS.name}")
    result = run()
    print(json.dumps(result, indent=2))
    if parser.parse_args().record:
        RESULTS.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
