"""A stage on a cluster: the same bytes as on one machine, and nothing done twice or not at all."""

import importlib.util
import json
import os
import subprocess
import sys
from functools import partial

import pytest

from gonerd import store
from gonerd.cli.main import main
from gonerd.corpus import cluster
from gonerd.corpus.cluster import SUBMITTED, ClusterConfig
from gonerd.corpus.run import extract
from gonerd.errors import GonerdError
from gonerd.resources import folder
from gonerd.sample.data import sample, site_host
from gonerd.sample.server import folder_site, serve
from gonerd.store import MANIFEST

PROSE = "<p>The harbour board of Saint Osk met on day {} and heard Mrs Ada Lovel, who spoke for the ferrymen.</p>\n"
INSTALLED = all(importlib.util.find_spec(name) for name in ("datatrove", "ray"))


@pytest.fixture
def pages(tmp_path):
    """Shards of pages: each folder is listed for itself."""
    folders = []
    for number in range(5):
        folder = tmp_path / f"pages-{number}"
        folder.mkdir()
        for page in range(3):
            body = "".join(PROSE.format(f"{number} {page} {line}") for line in range(9))
            (folder / f"{page}.html").write_text(f"<html><body><article><h1>Day</h1>{body}</article></body></html>")
        folders.append(folder)
    return folders


def content(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.name != MANIFEST}


def engine(run_one, jobs, key, *, calls, skip=()):
    """Stand in for an engine: do the jobs as tasks of one, two ...; leave some out."""
    calls.append((key, [job.name for job in jobs]))
    for rank in range(2):
        for _ in cluster._task(None, rank, 2, run_one=run_one, jobs=[job for job in jobs if job.name not in skip]):
            pass


def test_a_second_run_leaves_the_listings_of_the_first_alone(pages, tmp_path, monkeypatch):
    from gonerd import processes

    monkeypatch.setattr(processes, "PATIENCE", 0.0)
    first = tmp_path / ".out.listings"
    first.mkdir()
    (first / "00000.files.jsonl").write_text("of the first")
    with (
        processes.locked(tmp_path / ".out.listings.lock", owner=tmp_path / "out"),
        pytest.raises(GonerdError, match="another process is writing this output"),
    ):
        extract(pages, tmp_path / "out")
    assert (first / "00000.files.jsonl").read_text() == "of the first"


def test_what_an_engine_leaves_undone_the_next_run_takes_up(pages, tmp_path, monkeypatch):
    calm = extract(pages, tmp_path / "calm")
    calls = []
    monkeypatch.setattr(
        "gonerd.corpus.cluster.executor", lambda *_: partial(engine, calls=calls, skip={"00001", "00004"})
    )
    with pytest.raises(GonerdError, match="2 of 5 shards are not done yet"):
        extract(pages, tmp_path / "out", cluster=ClusterConfig(executor="ray"))
    assert not (tmp_path / "out").exists()
    monkeypatch.setattr("gonerd.corpus.cluster.executor", lambda *_: partial(engine, calls=calls))
    manifest = extract(pages, tmp_path / "out", cluster=ClusterConfig(executor="ray"))
    assert calls == [(calm.key, [f"{n:05d}" for n in range(5)]), (calm.key, ["00001", "00004"])]
    assert content(tmp_path / "out") == content(tmp_path / "calm")
    assert manifest.key == calm.key
    assert extract(pages, tmp_path / "out", cluster=ClusterConfig(executor="ray")) == manifest
    assert len(calls) == 2


@pytest.fixture
def engines(monkeypatch):
    """The calls of an engine that leaves every first shard undone on its first call."""
    calls = []

    def chosen(config, _):
        skip = () if calls else {"00000"}
        return partial(engine, calls=calls, skip=skip) if config.executor == "ray" else None

    monkeypatch.setattr("gonerd.corpus.cluster.executor", chosen)
    return calls


@pytest.fixture
def site():
    """The address of the sample's site."""
    with serve(folder_site(sample("site"), site_host())) as address:
        yield address


def command(*arguments):
    with pytest.raises(SystemExit) as end:
        main(["corpus", *map(str, arguments)])
    return end.value.code


def test_run_extracts_on_a_cluster_and_goes_on_afterwards(tmp_path, engines, site):
    crawl = (sample("source.toml"), "--delay-s", 0, "--proxy", site)
    assert command("run", *crawl, "--out", tmp_path / "calm") == 0
    assert engines == []
    for code in (2, 0):
        assert command("run", *crawl, "--out", tmp_path / "out", "--executor", "ray") == code
    assert len(engines) == 2
    assert content(tmp_path / "out" / "documents") == content(tmp_path / "calm" / "documents")


def test_regenerate_aligns_on_a_cluster_and_goes_on_afterwards(tmp_path, engines, site):
    fetched = ("--delay-s", 0, "--proxy", site, "--source", sample("source.toml"))
    release = folder("sample") / "dataset"
    for code in (2, 0):
        assert command("regenerate", release, *fetched, "--out", tmp_path / "out", "--executor", "ray") == code
        assert (tmp_path / "out" / "report.json").exists() is (code == 0)
    assert len(engines) == 2
    assert json.loads((tmp_path / "out" / "report.json").read_text())["total"]["exact"] == 14


def test_slurm_is_asked_once(tmp_path, monkeypatch):
    """The engine itself cannot be run here: what it is handed is looked at instead."""
    pytest.importorskip("datatrove")
    from datatrove.executor import slurm

    made = []

    class Stub:
        def __init__(self, _pipeline, **options):
            made.append(options)

        def run(self):
            (tmp_path / "logs" / "key").mkdir(parents=True)

    monkeypatch.setattr(slurm, "SlurmPipelineExecutor", Stub)
    config = ClusterConfig(executor="slurm", workers=7, partition="long", setup="source venv/bin/activate")
    jobs = [store.Job(f"{n:05d}", tmp_path, "", tmp_path) for n in range(3)]
    cluster._execute(lambda _: None, jobs, "key", config=config, logs=tmp_path / "logs")
    assert (made[0]["tasks"], made[0]["workers"], made[0]["partition"]) == (3, 7, "long")
    assert made[0]["env_command"] == "source venv/bin/activate"
    with pytest.raises(GonerdError, match="handed to Slurm") as refusal:
        cluster._execute(lambda _: None, jobs, "key", config=config, logs=tmp_path / "logs")
    assert SUBMITTED in str(refusal.value)
    assert len(made) == 1


@pytest.mark.skipif(bool(importlib.util.find_spec("datatrove")), reason="datatrove is installed")
def test_without_the_extra_it_is_named(tmp_path):
    with pytest.raises(GonerdError, match=r"gonerd\[cluster\]"):
        cluster.executor(ClusterConfig(executor="ray"), tmp_path / "out")


def on_ray(*arguments):
    """Run a command on Ray itself, on this machine, in a process of its own: it takes over signals and sockets."""
    program = [sys.executable, "-c", "from gonerd.cli.main import main; main()", "corpus", *map(str, arguments)]
    options = ["--executor", "ray", "--workers", "2", "--tasks", "3", "--memory-gb", "0.5"]
    environment = {**os.environ, "RAY_worker_niceness": "0"}  # Ray's own is 15: beside other work it would never end
    run = partial(subprocess.run, capture_output=True, text=True, timeout=300, check=False, env=environment)
    done = run([*program, *options])
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.tools
@pytest.mark.skipif(not INSTALLED, reason="needs the extra cluster")
def test_ray_gives_the_same_bytes(pages, tmp_path):
    extract(pages, tmp_path / "local", cluster=ClusterConfig(workers=2))
    on_ray("extract", *pages, "--out", tmp_path / "ray")
    assert content(tmp_path / "ray") == content(tmp_path / "local")
    [logs] = (tmp_path / "ray.logs").iterdir()
    assert json.loads((tmp_path / "ray" / MANIFEST).read_text())["key"].startswith(logs.name)
    assert len(list((logs / "completions").iterdir())) == 3


@pytest.mark.tools
@pytest.mark.skipif(not INSTALLED, reason="needs the extra cluster")
def test_ray_runs_and_regenerates_the_sample(tmp_path, site):
    crawl = (sample("source.toml"), "--delay-s", 0, "--proxy", site)
    assert command("run", *crawl, "--out", tmp_path / "local") == 0
    on_ray("run", *crawl, "--out", tmp_path / "ray")
    assert content(tmp_path / "ray" / "documents") == content(tmp_path / "local" / "documents")
    release, given = folder("sample") / "dataset", tmp_path / "local" / "warc"
    options = ("--warc", given, "--source", sample("source.toml"), "--out")
    assert command("regenerate", release, *options, tmp_path / "again") == 0
    on_ray("regenerate", release, *options, tmp_path / "again-on-ray")
    assert content(tmp_path / "again-on-ray" / "anchored") == content(tmp_path / "again" / "anchored")
    assert content(tmp_path / "again-on-ray" / "gold") == content(tmp_path / "again" / "gold")
