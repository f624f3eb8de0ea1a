"""The only reader and writer of stage folders: shards, manifest, atomic rename, resume.

A stage is a plain function from records to records or `Dropped`; everything about files happens here, once:

- The folder of a finished stage holds `00000.jsonl` … (one shard for each input shard), `dropped.jsonl` and, written
  last, `manifest.json`. Present means complete.
- Work goes on in a hidden folder beside it, named by the key: the hash of stage, version, configuration and inputs. A
  killed run leaves its finished shards there and the next run with the same key takes them up; a changed setting or
  input has another key, hence another folder, so that nothing is ever mixed.
- At the end one rename puts the new folder in place. A run that dies between moving the old one away and this rename
  is taken up by the next.
- One process at a time writes an output; the lock ends with the process that holds it.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from gonerd.errors import GonerdError, room_in
from gonerd.files import MANIFEST, bring_back, put_in_place, read_json, sha256_file, write_atomic, write_json
from gonerd.formats import jsonl
from gonerd.processes import Lock, locked, map_parallel
from gonerd.records import Dropped, Manifest, Progress, Shard, silent
from gonerd.runs import Run, canonical, utc_now

DROPPED = "dropped.jsonl"

Record = TypeVar("Record")

__all__ = [  # the files module is the store's own: everybody else comes through here
    "DROPPED",
    "MANIFEST",
    "Execute",
    "Job",
    "Run",
    "Stage",
    "canonical",
    "is_current",
    "read_json",
    "read_manifest",
    "read_records",
    "refuse_foreign",
    "replacing",
    "run_stage",
    "sha256_file",
    "shards",
    "utc_now",
    "write_atomic",
    "write_json",
    "write_stage",
]


def read_manifest(folder: Path) -> Manifest:
    """Return the manifest of a complete stage folder.

    Raises:
        GonerdError: there is no such folder, or the stage that writes it has not finished.
    """
    if not folder.is_dir():
        raise GonerdError("this is a file, not a folder" if folder.exists() else "no such folder", where=folder)
    if not (folder / MANIFEST).is_file():
        raise GonerdError(
            "not a finished stage folder: it has no manifest.json",
            where=folder,
            remedy="Run the command that makes it again: it goes on where it stopped",
        )
    try:
        return jsonl.from_json(Manifest, read_json(folder / MANIFEST))
    except ValueError as error:
        raise GonerdError(str(error), where=folder / MANIFEST) from error


def is_current(folder: Path, run: Run) -> bool:
    """Tell whether `folder` holds this very run, finished, with all of its shards."""
    manifest = _own_manifest(folder)
    if manifest is None or manifest.key != run.key:
        return False
    return all((folder / shard.name).exists() for shard in manifest.outputs)


def _own_manifest(folder: Path) -> Manifest | None:
    """Return the folder's manifest, or None if it has none or one that gonerd did not write."""
    try:
        return read_manifest(folder)
    except GonerdError:
        return None


def shards(folder: Path) -> list[Path]:
    """Return the shards of a complete stage folder, in order."""
    return [folder / shard.name for shard in read_manifest(folder).outputs]


def read_records(folder: Path, kind: type[Record]) -> Iterator[Record]:
    """Yield the records of a complete stage folder, in order."""
    for path in shards(folder):
        yield from jsonl.read(path, kind)


@contextlib.contextmanager
def replacing(out: Path, run: Run) -> Iterator[Path]:
    """Give a working folder that takes the place of `out` when the block ends well, and stays for a resume if not.

    For a stage that writes files of its own (a crawl, a dataset, a model): it must write its manifest into the folder.

    Raises:
        GonerdError: `out` holds something that gonerd did not write, or another process is writing it.
    """
    with _work_folder(out, run) as (work, _):
        yield work


@contextlib.contextmanager
def _output(out: Path) -> Iterator[Lock]:
    """Hold the lock of an output; in the block, a full disk is one line that names it."""
    with room_in(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        with locked(out.with_name(f".{out.name}.lock"), owner=out) as lock:
            yield lock


@contextlib.contextmanager
def _work_folder(out: Path, run: Run) -> Iterator[tuple[Path, Lock]]:
    out = out.resolve()  # the folder itself, so that renames stay beside it
    if Path.cwd().is_relative_to(out):
        raise GonerdError("the output cannot be the folder you are in", where=out, remedy="Name a new folder")
    with _output(out) as lock:
        bring_back(out)
        refuse_foreign(out, run.stage)
        work = out.with_name(f".{out.name}.{run.key[:12]}.partial")
        work.mkdir(exist_ok=True)
        yield work, lock
        if not (work / MANIFEST).is_file():
            raise RuntimeError(f"the stage {run.stage!r} wrote no manifest")
        put_in_place(work, out)


def refuse_foreign(out: Path, stage: str) -> None:
    """Raise unless `out` is free, empty, or was written by the same stage: nothing else is ever replaced."""
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    manifest = _own_manifest(out)
    if manifest is None or manifest.stage != stage:
        raise GonerdError(
            f"something that `{stage}` did not write is in the way",
            where=out,
            remedy="Choose another folder, or move it away",
        )


@dataclass(frozen=True, slots=True)
class Stage:
    """A named step of the work: how an input shard is read, and what is done with its records.

    `work` gets the records of one shard and yields what becomes of them, in order: records or `Dropped`.
    """

    name: str
    config: object
    read: Callable[[Path], Iterable[Any]]
    work: Callable[[Iterable[Any]], Iterable[Any]]


@dataclass(frozen=True, slots=True)
class Job:
    """One input shard and where its output goes."""

    name: str
    path: Path
    sha256: str  # of the input
    work: Path

    @property
    def report(self) -> Path:
        """The file that is there once the shard is done."""
        return self.work / "reports" / f"{self.name}.json"

    @property
    def dropped(self) -> Path:
        """The file of what was dropped of the shard."""
        return self.work / "reports" / f"{self.name}.dropped.jsonl"


Execute = Callable[[Callable[[Job], None], Sequence[Job], str], None]
"""How a cluster runs jobs: what does one, all of them, and the key of the run."""


def run_stage(
    stage: Stage,
    inputs: Sequence[Path],
    out: Path,
    *,
    workers: int = 1,
    execute: Execute | None = None,
    progress: Progress = silent,
) -> Manifest:
    """Run a stage over input shards into the folder `out`; a finished run of the same key is only looked up.

    With `workers` above 1 the shards are shared out over processes, with `execute` over a cluster that sees the same
    folders; the output is the same byte for byte.

    Raises:
        GonerdError: an input is missing or changes meanwhile, `out` holds something else or is being written, a worker
            died, or the cluster has not done all shards yet.
    """
    for path in inputs:
        if not path.is_file():
            raise GonerdError("no such input", where=path)
    run = Run(stage.name, stage.config, tuple(sha256_file(path) for path in inputs))
    if is_current(out, run):
        return read_manifest(out)
    with _work_folder(out, run) as (work, lock):
        if not (work / MANIFEST).is_file():
            jobs = [Job(f"{n:05d}", path, run.inputs[n], work) for n, path in enumerate(inputs)]
            if execute:
                _run_elsewhere(stage, jobs, execute, run.key)
            else:
                _run_jobs(stage, jobs, workers=workers, lock=lock, progress=progress)
            write_json(work / MANIFEST, _collect(run, jobs, work))
        if (work / "reports").exists():
            shutil.rmtree(work / "reports")
    return read_manifest(out)


def _run_jobs(stage: Stage, jobs: list[Job], *, workers: int, lock: Lock, progress: Progress) -> None:
    """Run the jobs that an earlier run has not finished."""
    for job in jobs[:1]:
        job.report.parent.mkdir(exist_ok=True)
    left = [job for job in jobs if not job.report.is_file()]
    done = len(jobs) - len(left)
    progress(done, len(jobs))
    run_one = partial(_run_job, stage)
    finished = map(run_one, left) if workers <= 1 else map_parallel(run_one, left, workers=workers, lock=lock)
    for _ in finished:
        done += 1
        progress(done, len(jobs))


def _run_elsewhere(stage: Stage, jobs: list[Job], execute: Execute, key: str) -> None:
    for job in jobs[:1]:
        job.report.parent.mkdir(exist_ok=True)
    if left := [job for job in jobs if not job.report.is_file()]:
        execute(partial(_run_job, stage), left, key)
    missing = sum(not job.report.is_file() for job in jobs)
    if missing:
        raise GonerdError(
            f"{missing} of {len(jobs)} shards are not done yet",
            where=jobs[0].work,
            remedy="Run the same command again when the cluster has done them: it goes on where it stopped",
        )


def _run_job(stage: Stage, job: Job) -> None:
    """Run one shard. Its report is written last: it says that shard and drops are complete."""
    read = 0

    def counted() -> Iterator[Any]:
        nonlocal read
        for record in stage.read(job.path):
            read += 1
            yield record

    dropped: list[Dropped] = []

    def kept() -> Iterator[Any]:
        for record in stage.work(counted()):
            if isinstance(record, Dropped):
                dropped.append(record)
            else:
                yield record

    shard = job.work / f"{job.name}.jsonl"
    written = _write_synced(shard, kept())
    _write_synced(job.dropped, dropped)
    if sha256_file(job.path) != job.sha256:
        raise GonerdError("the input was changed while it was read", where=job.path, remedy="Run the command again")
    write_json(job.report, {"read": read, "shard": Shard(shard.name, sha256_file(shard), written)})


def _write_synced(path: Path, records: Iterable[Any]) -> int:
    """Write records and wait until they are on the disk: what is written after them vouches for them."""
    count = jsonl.write(path, records)
    with path.open("rb") as stream:
        os.fsync(stream.fileno())
    return count


def _collect(run: Run, jobs: list[Job], work: Path) -> Manifest:
    reports = [read_json(job.report) for job in jobs]
    dropped = [record for job in jobs for record in jsonl.read(job.dropped, Dropped)]
    _write_synced(work / DROPPED, dropped)
    outputs = [jsonl.from_json(Shard, report["shard"]) for report in reports]
    return run.manifest(outputs, read=sum(report["read"] for report in reports), dropped=dropped)


def write_stage(records: Iterable[Any], folder: Path, *, stage: str, config: object) -> Manifest:
    """Write records that come from no stage folder (an import, a generator) as a complete folder of one shard.

    The records themselves are the input, so writing the same ones again changes nothing.
    """
    kept: list[Any] = []
    dropped: list[Dropped] = []
    for record in records:
        (dropped if isinstance(record, Dropped) else kept).append(record)
    content, notes = ("".join(f"{jsonl.dumps(record)}\n" for record in side).encode() for side in (kept, dropped))
    digest = hashlib.sha256(content).hexdigest()
    run = Run(stage, config, (digest, hashlib.sha256(notes).hexdigest()))
    if is_current(folder, run):
        return read_manifest(folder)
    with replacing(folder, run) as work:
        write_atomic(work / "00000.jsonl", content)
        write_atomic(work / DROPPED, notes)
        shard = Shard("00000.jsonl", digest, len(kept))
        write_json(work / MANIFEST, run.manifest([shard], read=len(kept) + len(dropped), dropped=dropped))
    return read_manifest(folder)
