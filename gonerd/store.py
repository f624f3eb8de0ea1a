"""The only reader and writer of stage folders: shards, manifest, atomic rename, resume.

A stage is a plain function from records to records or `Dropped`; everything about files happens here, once:

- The folder of a finished stage holds `00000.jsonl` … (one shard for each input shard), `dropped.jsonl` and, written
  last, `manifest.json`. Present means complete.
- Work goes on in a hidden folder beside it, named by the key: the hash of stage, version, configuration and inputs. A
  killed run leaves its finished shards there and the next run with the same key takes them up; a changed setting or
  input has another key, hence another folder, so that nothing is ever mixed.
- At the end one rename puts the new folder in place.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, field, is_dataclass
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path
from typing import Any, TypeVar

from gonerd import __version__
from gonerd.errors import GonerdError
from gonerd.formats import jsonl
from gonerd.records import Dropped, Manifest, Progress, Shard, silent

MANIFEST = "manifest.json"
DROPPED = "dropped.jsonl"

Record = TypeVar("Record")


def sha256_file(path: Path) -> str:
    """Return the hexadecimal SHA-256 of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def canonical(config: object) -> dict[str, Any]:
    """Return a configuration (a dataclass or a mapping) as plain JSON values, for manifests and keys."""
    plain: Any = asdict(config) if is_dataclass(config) and not isinstance(config, type) else config
    return dict(json.loads(json.dumps(plain, sort_keys=True, default=str)))


def utc_now() -> str:
    """Return the present time, ISO 8601, UTC, in whole seconds."""
    return datetime.now(UTC).isoformat(timespec="seconds")


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a stage: whatever could change its output is in its key."""

    stage: str
    config: object  # a dataclass or a mapping
    inputs: tuple[str, ...]  # sha256, in order
    started_at: str = field(default_factory=utc_now)

    @property
    def key(self) -> str:
        """The hash of stage, version, configuration and inputs."""
        content = [self.stage, __version__, canonical(self.config), self.inputs]
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    def manifest(self, outputs: Sequence[Shard], *, read: int, dropped: Iterable[Dropped]) -> Manifest:
        """Return the manifest of this run, which ends now."""
        return Manifest(
            stage=self.stage,
            key=self.key,
            version=__version__,
            config=canonical(self.config),
            inputs=self.inputs,
            outputs=tuple(outputs),
            read=read,
            written=sum(shard.records for shard in outputs),
            dropped=dict(sorted(Counter(record.reason.value for record in dropped).items())),
            started_at=self.started_at,
            finished_at=utc_now(),
        )


def write_atomic(path: Path, content: str | bytes) -> None:
    """Write a file so that it is there whole or not at all, also after a power cut."""
    partial = path.with_name(f".{path.name}.partial")
    data = content.encode("utf-8") if isinstance(content, str) else content
    with partial.open("wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())
    partial.replace(path)


def write_json(path: Path, value: Any) -> None:
    """Write a value as indented JSON, atomically."""
    write_atomic(path, json.dumps(jsonl.to_json(value), indent=2, ensure_ascii=False) + "\n")


def read_json(path: Path) -> Any:
    """Return the value of a JSON file.

    Raises:
        GonerdError: there is no such file, or it is not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise GonerdError("no such file", where=path) from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise GonerdError(f"not a JSON file ({error})", where=path) from error


def read_manifest(folder: Path) -> Manifest:
    """Return the manifest of a complete stage folder.

    Raises:
        GonerdError: there is no such folder, or the stage that writes it has not finished.
    """
    if not folder.is_dir():
        raise GonerdError("no such folder", where=folder)
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
    """Tell whether `folder` holds this very run, finished."""
    return (folder / MANIFEST).is_file() and read_manifest(folder).key == run.key


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
        GonerdError: `out` holds something that gonerd did not write.
    """
    refuse_foreign(out, run.stage)
    work = out.with_name(f".{out.name}.{run.key[:12]}.partial")
    work.mkdir(parents=True, exist_ok=True)
    yield work
    old = out.with_name(f".{out.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if out.exists():
        out.rename(old)
    work.rename(out)
    for leftover in [old, *out.parent.glob(f".{out.name}.*.partial")]:
        shutil.rmtree(leftover, ignore_errors=True)


def refuse_foreign(out: Path, stage: str) -> None:
    """Raise unless `out` is free, empty, or was written by the same stage: nothing else is ever replaced."""
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    if not out.is_dir() or not (out / MANIFEST).is_file() or read_manifest(out).stage != stage:
        raise GonerdError(
            f"the output is in the way of something that `{stage}` did not write",
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


def run_stage(
    stage: Stage, inputs: Sequence[Path], out: Path, *, workers: int = 1, progress: Progress = silent
) -> Manifest:
    """Run a stage over input shards into the folder `out`; a finished run of the same key is only looked up.

    With `workers` above 1 the shards are shared out over processes; the output is the same byte for byte.

    Raises:
        GonerdError: an input is missing, or `out` holds something else.
    """
    for path in inputs:
        if not path.is_file():
            raise GonerdError("no such input", where=path)
    run = Run(stage.name, stage.config, tuple(sha256_file(path) for path in inputs))
    if is_current(out, run):
        return read_manifest(out)
    with replacing(out, run) as work:
        if not (work / MANIFEST).is_file():
            names = [f"{number:05d}" for number in range(len(inputs))]
            _run_shards(stage, list(zip(names, inputs, strict=True)), work, workers=workers, progress=progress)
            write_json(work / MANIFEST, _collect(run, names, work))
        shutil.rmtree(work / "reports", ignore_errors=True)
    return read_manifest(out)


def _run_shards(stage: Stage, jobs: list[tuple[str, Path]], work: Path, *, workers: int, progress: Progress) -> None:
    (work / "reports").mkdir(exist_ok=True)
    left = [job for job in jobs if not (work / "reports" / f"{job[0]}.json").is_file()]
    done = len(jobs) - len(left)
    progress(done, len(jobs))
    if workers == 1:
        for name, path in left:
            _run_shard(stage, name, path, work)
            done += 1
            progress(done, len(jobs))
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        futures = [pool.submit(_run_shard, stage, name, path, work) for name, path in left]
        for future in as_completed(futures):
            future.result()
            done += 1
            progress(done, len(jobs))


def _run_shard(stage: Stage, name: str, path: Path, work: Path) -> None:
    """Run one shard. Its report is written last: it says that shard and drops are complete."""
    read = 0

    def counted() -> Iterator[Any]:
        nonlocal read
        for record in stage.read(path):
            read += 1
            yield record

    dropped: list[Dropped] = []

    def kept() -> Iterator[Any]:
        for record in stage.work(counted()):
            if isinstance(record, Dropped):
                dropped.append(record)
            else:
                yield record

    shard = work / f"{name}.jsonl"
    written = jsonl.write(shard, kept())
    jsonl.write(work / "reports" / f"{name}.dropped.jsonl", dropped)
    _sync(shard)
    report = {"read": read, "shard": Shard(shard.name, sha256_file(shard), written)}
    write_json(work / "reports" / f"{name}.json", report)


def _sync(path: Path) -> None:
    with path.open("rb") as stream:
        os.fsync(stream.fileno())


def _collect(run: Run, names: list[str], work: Path) -> Manifest:
    reports = [read_json(work / "reports" / f"{name}.json") for name in names]
    dropped = [record for name in names for record in jsonl.read(work / "reports" / f"{name}.dropped.jsonl", Dropped)]
    jsonl.write(work / DROPPED, dropped)
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
    content = "".join(f"{jsonl.dumps(record)}\n" for record in kept).encode()
    digest = hashlib.sha256(content).hexdigest()
    run = Run(stage, config, (digest, *(jsonl.dumps(record) for record in dropped)))
    if is_current(folder, run):
        return read_manifest(folder)
    with replacing(folder, run) as work:
        (work / "00000.jsonl").write_bytes(content)
        jsonl.write(work / DROPPED, dropped)
        shard = Shard("00000.jsonl", digest, len(kept))
        write_json(work / MANIFEST, run.manifest([shard], read=len(kept) + len(dropped), dropped=dropped))
    return read_manifest(folder)
