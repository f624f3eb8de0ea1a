"""Where models compute."""

from __future__ import annotations

from typing import Literal

from gonerd.errors import GonerdError

Device = Literal["auto", "cpu", "cuda"]


def choose_device(device: Device) -> str:
    """Return the device to compute on; `auto` takes CUDA where there is one.

    Raises:
        GonerdError: CUDA was asked for and is not there.
    """
    import torch

    if device == "cuda" and not torch.cuda.is_available():
        raise GonerdError("no CUDA device here", remedy="Use --device cpu")
    return "cuda" if device != "cpu" and torch.cuda.is_available() else "cpu"
