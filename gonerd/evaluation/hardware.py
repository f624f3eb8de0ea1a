"""What a measurement ran on, and how much memory it took."""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import platform
import shutil
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from gonerd.models.batches import free_memory

MIB = 2**20
USED = {  # the libraries that an answer goes through, by backend
    "transformers": ("numpy", "tokenizers", "torch", "transformers"),
    "gonerd": ("numpy", "tokenizers", "torch", "transformers"),
    "spacy": ("numpy", "spacy", "thinc"),
}


def describe_hardware(device: str | None) -> str:
    """Return what computes, in a line: the GPU's name, or the processor's and its threads. None: not torch."""
    if device is None:
        return f"{_processor()}, {os.cpu_count()} threads"
    import torch

    if device.startswith("cuda"):
        return torch.cuda.get_device_name(torch.device(device))
    return f"{_processor()}, {torch.get_num_threads()} threads"


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def driver_version(device: str | None) -> str | None:
    """Return the version of the GPU's driver, where one is used and the system tells."""
    told = Path("/proc/driver/nvidia/version")
    if not (device or "").startswith("cuda") or not told.is_file():
        return None
    return next(iter(told.read_text(encoding="utf-8", errors="replace").splitlines()), None)


def code_commit() -> str | None:
    """Return the commit of this code, marked where it was changed since; None where it runs from no checkout."""
    root = Path(__file__).resolve().parents[2]
    git = shutil.which("git")
    if git is None or not (root / ".git").exists():
        return None
    command = [git, "-C", str(root), "describe", "--always", "--abbrev=40", "--dirty", "--exclude=*"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)  # noqa: S603 - our own words
    return done.stdout.strip() or None


def library_versions(backend: str) -> dict[str, str]:
    """Return the versions of the libraries that the answers of a backend go through."""
    return {name: importlib.metadata.version(name) for name in USED.get(backend, ("numpy",))}


@dataclass(slots=True)
class PeakMemory:
    """The highest level reached so far, in MiB above the level at the start."""

    mib: float = 0.0


@contextlib.contextmanager
def watch_memory(device: str | None, *, interval: float = 0.02) -> Iterator[PeakMemory]:
    """Measure the peak memory of the block.

    On CUDA it is what torch allocated at most. On the CPU it is the resident memory of this process, sampled every
    `interval` seconds, above what it held when the block began: memory that an earlier piece of work left free and that
    is used again does not show, so the figure is exact only for the first model in a process. Without a device nothing
    is measured.
    """
    peak = PeakMemory()
    if device is None:
        yield peak
        return
    with _watch_cuda(peak, device) if device.startswith("cuda") else _watch_process(peak, interval):
        yield peak


@contextlib.contextmanager
def _watch_cuda(peak: PeakMemory, device: str) -> Iterator[None]:
    import torch

    before = torch.cuda.memory_allocated(device)
    torch.cuda.reset_peak_memory_stats(device)
    try:
        yield
    finally:
        peak.mib = (torch.cuda.max_memory_allocated(device) - before) / MIB


@contextlib.contextmanager
def _watch_process(peak: PeakMemory, interval: float) -> Iterator[None]:
    import psutil

    free_memory()  # or what an earlier piece of work has left would hide what comes next
    process, done = psutil.Process(), threading.Event()
    before = process.memory_info().rss

    def sample() -> None:
        peak.mib = max(peak.mib, (process.memory_info().rss - before) / MIB)

    def watch() -> None:
        while not done.wait(interval):
            sample()

    sampler = threading.Thread(target=watch, daemon=True)
    sampler.start()
    try:
        yield
    finally:
        done.set()
        sampler.join()
        sample()
