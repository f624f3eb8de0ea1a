"""A stage over pages, here or on a cluster: the same functions on the same shards, there by datatrove's executors.

What is done and what is left is the store's to know, by shard. The engine only starts tasks, so nothing depends on how
many there are, and what one run has left undone any other run takes up.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

from gonerd.corpus.inputs import gather, reader
from gonerd.errors import GonerdError
from gonerd.processes import locked
from gonerd.records import Manifest, Progress
from gonerd.store import Execute, Job, Stage, run_stage

SUBMITTED = "submitted"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterConfig:
    """Where a stage runs. None of this changes what comes out."""

    executor: Literal["local", "ray", "slurm"] = "local"
    """Processes of this machine, a Ray cluster, or jobs of Slurm; the last two need the extra `cluster`."""
    workers: int = 1
    """Processes that share the work, or tasks at a time on a cluster; the output is the same with any number."""
    tasks: int = 100
    """On a cluster: tasks that the shards are shared out over."""
    memory_gb: float = 2.0
    """On a cluster: memory of a task."""
    time: str = "04:00:00"
    """On Slurm: longest time of a task."""
    partition: str = "cpu"
    """On Slurm: partition to run in."""
    setup: str | None = None
    """On Slurm: shell command that makes gonerd available on a node, such as `source /shared/venv/bin/activate`."""


@dataclass(frozen=True, slots=True)
class PageStage:
    """A step of the work on pages: `work` gets those of one shard, and yields records or `Dropped`."""

    name: str
    config: object
    work: Callable[[Iterable[Any]], Iterable[Any]]
    max_bytes: int  # of a page


def run_over_pages(
    stage: PageStage, inputs: Sequence[Path], out: Path, *, cluster: ClusterConfig, progress: Progress
) -> Manifest:
    """Run a stage over the pages of crawls, WARC files and HTML files into the folder `out`, where `cluster` says.

    Raises:
        GonerdError: an input is missing or unreadable, `out` holds something else, the extra `cluster` is not
            installed, or the cluster has not done all shards yet.
    """
    execute = executor(cluster, out)
    if execute:  # its tasks may run in another folder
        inputs, out = [path.resolve() for path in inputs], out.resolve()
    listings = out.with_name(f".{out.name}.listings")
    out.parent.mkdir(parents=True, exist_ok=True)
    with locked(listings.with_name(f"{listings.name}.lock"), owner=out):  # the listings of another run are its own
        with ExitStack() as leaving:
            if not execute:  # a cluster may still be reading them when this fails
                leaving.callback(shutil.rmtree, listings, ignore_errors=True)
            shards = gather(inputs, listings)
            whole = Stage(stage.name, stage.config, reader(shards, max_bytes=stage.max_bytes), stage.work)
            manifest = run_stage(whole, shards.paths, out, workers=cluster.workers, execute=execute, progress=progress)
        if execute:
            shutil.rmtree(listings, ignore_errors=True)
    return manifest


def executor(config: ClusterConfig, out: Path) -> Execute | None:
    """Return what runs the jobs of a stage that writes `out`; None for processes of this machine.

    Logs and statistics of the engine lie in `OUT.logs/KEY`, a folder for each configuration and input.

    Raises:
        GonerdError: the extra `cluster` is not installed.
    """
    if config.executor == "local":
        return None
    try:
        import datatrove  # noqa: F401 - is it there at all
    except ModuleNotFoundError as error:
        raise GonerdError(
            f"--executor {config.executor} needs datatrove", remedy='python -m pip install "gonerd[cluster]"'
        ) from error
    return partial(_execute, config=config, logs=out.resolve().with_name(f"{out.name}.logs"))


def _execute(
    run_one: Callable[[Job], None], jobs: Sequence[Job], key: str, *, config: ClusterConfig, logs: Path
) -> None:
    folder = logs / key[:12]
    tasks = min(config.tasks, len(jobs))
    step = partial(_task, run_one=run_one, jobs=tuple(jobs))
    # What is left is in `jobs`: the engine's own note of finished tasks is wrong as soon as their number changes.
    common: dict[str, Any] = {"logging_dir": str(folder), "skip_completed": False}
    if config.executor == "ray":
        from datatrove.executor.ray import RayPipelineExecutor

        RayPipelineExecutor(
            [step], tasks=tasks, workers=config.workers, cpus_per_task=1, mem_per_cpu_gb=config.memory_gb, **common
        ).run()
    else:
        _submit(step, tasks, folder, config, common=common)


def _submit(
    step: Callable[..., Any], tasks: int, folder: Path, config: ClusterConfig, *, common: dict[str, Any]
) -> None:
    """Hand the tasks to Slurm, once: their jobs may be waiting or running while this command is called again."""
    from datatrove.executor.slurm import SlurmPipelineExecutor

    marker = folder / SUBMITTED
    if marker.exists():
        raise GonerdError(
            "these shards were handed to Slurm, and some are not done",
            where=folder,
            remedy=f"Look at squeue and at the logs. If no job is left, remove {marker} to hand in what is missing",
        )
    SlurmPipelineExecutor(
        [step], tasks=tasks, workers=config.workers, time=config.time, partition=config.partition,
        mem_per_cpu_gb=max(1, round(config.memory_gb)), env_command=config.setup, job_name="gonerd", **common,
    ).run()  # fmt: skip
    marker.touch()


def _task(
    _: Any, rank: int = 0, world_size: int = 1, *, run_one: Callable[[Job], None], jobs: Sequence[Job]
) -> Iterator[None]:
    """Do the jobs of one task. It is a generator because the engine draws records from its steps."""
    for job in jobs[rank::world_size]:
        run_one(job)
        yield
