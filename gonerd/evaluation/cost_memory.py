"""The peak memory of one forward pass, measured in a process of its own: nothing that ran before is in the figure."""

from __future__ import annotations

import contextlib
import gc
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from gonerd.errors import GonerdError
from gonerd.evaluation.hardware import watch_memory
from gonerd.models.tagging import Precision

MIB = 2**20
SECONDS = 1800  # after which a measurement is given up


def measure_peak(model: str, length: int, *, device: str, precision: str) -> tuple[float, float]:
    """Return the weights of a model and the peak above them for a document of `length` sub-tokens, in MiB.

    Args:
        model: as `gonerd evaluate` takes it, with a prefix that names what runs it.
        length: of the document; a model with a shorter reach sees it in windows.
        device: as torch names it.
        precision: fp32 or bf16.

    Raises:
        GonerdError: the process died, as when memory runs out.
    """
    order = json.dumps({"model": model, "length": length, "device": device, "precision": precision})
    command = [sys.executable, "-m", "gonerd.evaluation.cost_memory", order]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=True)  # noqa: S603
    except subprocess.SubprocessError as error:
        last = (getattr(error, "stderr", "") or str(error)).strip().splitlines()[-1:]
        raise GonerdError(
            f"measuring its memory at {length} sub-tokens failed ({''.join(last)})", where=model
        ) from error
    answer = json.loads(done.stdout.splitlines()[-1])
    return float(answer["weights_mib"]), float(answer["peak_mib"])


def _measure(model: str, length: int, device: str, precision: Precision) -> dict[str, float]:
    import torch

    from gonerd.evaluation.cost_models import document_of, load_for_cost

    loaded = load_for_cost(model, device=device, precision=precision)
    pieces = document_of(loaded, length)
    weights = sum(value.numel() * value.element_size() for value in loaded.weights()) / MIB
    with torch.inference_mode():
        loaded.model.forward(document_of(loaded, 16))  # what the libraries take at their first call is not the model's
        if device.startswith("cuda"):
            torch.cuda.synchronize(device)
            torch.cuda.reset_peak_memory_stats(device)
            before = torch.cuda.memory_allocated(device)
            loaded.run(pieces)
            torch.cuda.synchronize(device)
            return {"weights_mib": weights, "peak_mib": (torch.cuda.max_memory_allocated(device) - before) / MIB}
        return {"weights_mib": weights, "peak_mib": _process_peak(lambda: loaded.run(pieces))}


def _process_peak(run: Any) -> float:
    """Return how far this process's resident memory rises while a function runs, in MiB."""
    gc.collect()
    before = _status("VmRSS")
    if before is not None and _reset_peak():
        run()
        return max(0.0, ((_status("VmHWM") or 0) - before) / 1024)
    with watch_memory("cpu", interval=0.005) as peak:
        run()
    return peak.mib


def _reset_peak() -> bool:
    """Have Linux forget the peak so far; False where that is not possible."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
        return True
    return False


def _status(name: str) -> int | None:
    """Return a figure of this process in KiB as Linux states it, or None elsewhere."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1])
    return None


if __name__ == "__main__":
    given = json.loads(sys.argv[1])
    sys.stdout.write(json.dumps(_measure(**given)) + "\n")
