"""What a machine can do, and what else it is doing: its matrix rate, its energy meter, other work on it."""

from __future__ import annotations

import contextlib
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

METERS = Path("/sys/class/powercap")  # of the processors, one for each socket
SIDE = {"cpu": 2048, "cuda": 8192}  # of the square matrices whose product is timed
RUNS = 5
BUSY_SHARE = 0.25  # of one processor, taken by other programs, from which it is worth a word


def wait_for(device: str) -> None:
    """Wait until a device has done what it was given."""
    if device.startswith("cuda"):
        import torch

        torch.cuda.synchronize(device)


def matrix_tflops(device: str, precision: str) -> float:
    """Return the rate of this device's own matrix product, in 10¹² operations a second: the best of some runs."""
    import torch

    side = SIDE["cuda" if device.startswith("cuda") else "cpu"]
    kind = torch.bfloat16 if precision == "bf16" else torch.float32
    one, other = (torch.randn(side, side, device=device).to(kind) for _ in range(2))
    best = float("inf")
    for _ in range(RUNS + 1):
        wait_for(device)
        started = time.perf_counter()
        torch.matmul(one, other)
        wait_for(device)
        best = min(best, time.perf_counter() - started)
    return 2 * side**3 / best / 1e12


def counted_flops(run: Any) -> int:
    """Return the operations of all matrix products and attentions that a function executes, as torch counts them."""
    from torch.nn.attention import SDPBackend, sdpa_kernel
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
        run()
    return int(counter.get_total_flops())


def joules(device: str) -> float | None:
    """Return the energy that a device says it has used since some moment, or None where it says nothing.

    On CUDA it is the board's; on the CPU that of all sockets, where the system lets it be read.
    """
    if device.startswith("cuda"):
        return _cuda_joules(device)
    with contextlib.suppress(OSError, ValueError):
        sockets = [
            zone for zone in METERS.glob("intel-rapl:[0-9]") if (zone / "name").read_text().startswith("package")
        ]
        return sum(int((zone / "energy_uj").read_text()) for zone in sockets) / 1e6 if sockets else None
    return None


def _cuda_joules(device: str) -> float | None:
    import torch

    try:
        import pynvml
    except ImportError:
        return None
    try:
        pynvml.nvmlInit()
        handle = pynvml.nvmlDeviceGetHandleByUUID(f"GPU-{_uuid(torch.cuda.get_device_properties(device))}")
        return float(pynvml.nvmlDeviceGetTotalEnergyConsumption(handle)) / 1e3
    except pynvml.NVMLError:
        return None


def _uuid(properties: torch.cuda._CudaDeviceProperties) -> str:
    return str(getattr(properties, "uuid", ""))


def other_work(device: str, *, seconds: float = 1.0, when: str = "before") -> list[str]:
    """Return what else the machine is doing that would make timings doubtful, watched for a while."""
    found = []
    if (share := _others_share(seconds)) > BUSY_SHARE:
        found.append(f"other programs took {share:.1f} processors {when} the measurement")
    if device.startswith("cuda") and (programs := _cuda_programs()):
        found.append(f"other programs on the GPU {when} the measurement: {programs}")
    return found


def _others_share(seconds: float) -> float:
    """Return how many processors everything but this process takes."""
    import psutil

    own = psutil.Process()
    before, mine = psutil.cpu_times(), own.cpu_times()
    time.sleep(seconds)
    after, mine_after = psutil.cpu_times(), own.cpu_times()
    busy = sum(after) - sum(before) - (after.idle - before.idle) - _iowait(after) + _iowait(before)
    others: float = busy - (mine_after.user + mine_after.system - mine.user - mine.system)
    return max(0.0, others / seconds)


def _iowait(times: Any) -> float:
    return float(getattr(times, "iowait", 0.0))


def _cuda_programs() -> int:
    """Return how many programs compute on the GPUs, besides this one."""
    import os

    command = ["nvidia-smi", "--query-compute-apps=pid", "--format=csv,noheader"]
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)  # noqa: S603 - fixed
        return len({line.strip() for line in done.stdout.splitlines() if line.strip()} - {str(os.getpid())})
    return 0
