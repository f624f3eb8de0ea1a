"""What a measurement ran on, and how much memory it took."""

from __future__ import annotations

import contextlib
import gc
import importlib.metadata
import platform
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

MIB = 2**20
SAMPLED = ("numpy", "tokenizers", "torch", "transformers")


def describe_hardware(device: str) -> str:
    """Return what computes, in a line: the GPU's name, or the processor's and its threads."""
    import torch

    if device == "cuda":
        return torch.cuda.get_device_name()
    return f"{_processor()}, {torch.get_num_threads()} threads"


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def library_versions() -> dict[str, str]:
    """Return the versions of the libraries that a prediction goes through."""
    return {name: importlib.metadata.version(name) for name in SAMPLED}


@dataclass(slots=True)
class PeakMemory:
    """The highest level reached so far, in MiB above the level at the start."""

    mib: float = 0.0


@contextlib.contextmanager
def watch_memory(device: str, *, interval: float = 0.02) -> Iterator[PeakMemory]:
    """Measure the peak memory of the block.

    On CUDA it is what torch allocated at most. On the CPU it is the resident memory of this process, sampled every
    `interval` seconds, above what it held when the block began: memory that an earlier piece of work left free and that
    is used again does not show, so the figure is exact only for the first model in a process.
    """
    peak = PeakMemory()
    watch = _watch_cuda(peak) if device == "cuda" else _watch_process(peak, interval)
    with watch:
        yield peak


@contextlib.contextmanager
def _watch_cuda(peak: PeakMemory) -> Iterator[None]:
    import torch

    before = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    try:
        yield
    finally:
        peak.mib = (torch.cuda.max_memory_allocated() - before) / MIB


@contextlib.contextmanager
def _watch_process(peak: PeakMemory, interval: float) -> Iterator[None]:
    import psutil

    _release_memory()
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


def _release_memory() -> None:
    """Give free memory back to the system where the C library can, so that it does not hide what comes next."""
    import ctypes

    gc.collect()
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)
