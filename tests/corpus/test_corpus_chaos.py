"""The crawler against a web that does what no server should: all is accounted for, within bounds, whatever dies."""

import json
import os
import random
import signal
import subprocess
import sys
from dataclasses import asdict

import pytest
from corpus_chaos import BEHAVIOURS, HOSTS, LISTINGS, MAX_BYTES, PAGE, SITE, ChaosServer, expected

from gonerd import store
from gonerd.corpus.config import CrawlConfig
from gonerd.corpus.crawl import STATE
from gonerd.formats import jsonl
from gonerd.records import Dropped, Page

MEMORY = 300 * 1024  # KiB
CHILD = """
import json, sys
from pathlib import Path
from gonerd.corpus import fetch
from gonerd.corpus.config import CrawlConfig
from gonerd.corpus.crawl import crawl
from gonerd.corpus.sources import load_source
fetch.WHOLE = 2
crawl(load_source(Path(sys.argv[2])), Path(sys.argv[3]), config=CrawlConfig(**json.loads(sys.argv[1])))
# Not the resource module's figure: that one is never below what the process that started this one had.
print(next(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')))
"""
SOURCE = f"""
name = "chaos"
license = "CC0-1.0"
license_url = "https://example.org/"
language = "en"
hosts = {json.dumps(HOSTS)}
crawl_delay = 0.0
[discovery]
kind = "sitemap"
start = ["{SITE}/sitemap.xml"]
"""


def start(folder, address, name="out"):
    """Start a crawl of the chaos in a process of its own."""
    (folder / "source.toml").write_text(SOURCE)
    config = CrawlConfig(delay_s=0.0, timeout_s=1.0, retries=1, max_bytes=MAX_BYTES, proxy=address, warc_bytes=30_000)
    command = [sys.executable, "-c", CHILD, json.dumps(asdict(config)), str(folder / "source.toml"), str(folder / name)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def outcomes(folder):
    """Return what became of every URL of a finished crawl."""
    found = {page.url: PAGE for page in store.read_records(folder, Page)}
    dropped = list(jsonl.read(folder / store.DROPPED, Dropped))
    assert len({record.id for record in dropped}) == len(dropped)
    assert not found.keys() & {record.id for record in dropped}
    return found | {record.id: record.reason for record in dropped}


def finished(child):
    """Wait for a crawl to end well; return its peak memory in KiB."""
    out, _ = child.communicate(timeout=240)
    assert child.returncode == 0
    return int(out)


@pytest.fixture(scope="module")
def calm(tmp_path_factory):
    """The folder and the peak memory of a crawl that nobody disturbed."""
    folder = tmp_path_factory.mktemp("chaos")
    with ChaosServer() as server:
        return folder / "out", finished(start(folder, server.address))


def test_there_is_enough_chaos():
    assert len(BEHAVIOURS) - 30 - 14 > 60  # beside filler and the hosts that are one behaviour each


def test_every_url_ends_as_a_page_or_dropped_for_the_right_reason(calm):
    folder, _ = calm
    found = outcomes(folder)
    wrong = {url: (found.get(url), outcome) for url, outcome in expected().items() if found.get(url) != outcome}
    assert wrong == {}
    beside = {url: reason for url, reason in found.items() if url not in expected()}
    assert {url: beside.pop(url, None) for url in LISTINGS} == LISTINGS
    assert list(beside) == [f"{SITE}/pages.xml"]  # it names a URL that is none of the web
    manifest = store.read_manifest(folder)
    assert manifest.read == manifest.written + sum(manifest.dropped.values()) == len(found)


@pytest.mark.skipif(sys.platform != "linux", reason="skipped: peak memory is read from /proc")
def test_memory_stays_small(calm):
    _, peak = calm
    assert peak < MEMORY


def check_kills(folder, calm, *, kills, seed):
    """Kill a crawl again and again at random requests; in the end it has what the undisturbed one has."""
    rng = random.Random(seed)
    state = {"left": 0, "child": None}

    def on_request(_):
        state["left"] -= 1
        if state["left"] == 0:
            os.kill(state["child"].pid, signal.SIGKILL)

    killed = 0
    with ChaosServer(on_request) as server:
        while killed < kills:
            state["left"] = rng.randint(1, 12)
            state["child"] = start(folder, server.address)
            state["child"].communicate(timeout=240)
            if state["child"].returncode == 0:
                break
            assert state["child"].returncode == -signal.SIGKILL
            killed += 1
            for path in folder.glob(".out.*.partial/*"):
                if rng.random() < 0.3 and (path.name.startswith("crawl-") or path.name == f"{STATE}-wal"):
                    with path.open("ab") as stream:
                        stream.write(rng.choice([b"half a record", b"\x1f\x8b\x08\x00\x00", bytes(4096)]))
        state["left"] = 0
        if not (folder / "out").exists():
            finished(start(folder, server.address))
    assert killed >= min(kills, 3)
    assert outcomes(folder / "out") == outcomes(calm)
    bodies = [[(page.url, page.final_url, page.body_sha256) for page in store.read_records(one, Page)] for one in (folder / "out", calm)]  # fmt: skip # noqa: E501
    assert bodies[0] == bodies[1]
    assert list(folder.glob(".out.*")) == []


def test_kills_lose_nothing(tmp_path, calm):
    check_kills(tmp_path, calm[0], kills=4, seed=7)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_fifty_kills_lose_nothing(tmp_path, calm, seed):
    check_kills(tmp_path, calm[0], kills=10, seed=seed)
