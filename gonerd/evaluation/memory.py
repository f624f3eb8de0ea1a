"""How much to do at once, from the memory that is free."""

from __future__ import annotations

# What a sub-token of a batch takes at most on its way through a layer, in hidden states of fp32: transformers' BigBird
# takes the most of those measured, about 125; full attention, which torch computes in blocks, about 15.
HIDDEN_STATES = 160
FREE_SHARE = 0.5  # of the free memory; the rest is for what else comes
# Beyond these, larger batches are no faster: a processor's caches are full, a GPU is busy.
MOST = {"cpu": 8_192, "cuda": 131_072}
LEAST = 512


def automatic_max_tokens(device: str, *, width: int) -> int:
    """Return how many sub-tokens, padding included, a batch may have on a device.

    Args:
        device: `cpu`, `cuda` or `cuda:1`.
        width: of the model's hidden states.
    """
    kind = device.partition(":")[0]
    fitting = int(FREE_SHARE * _free_bytes(device) / (HIDDEN_STATES * width * 4))
    return max(LEAST, min(fitting, MOST.get(kind, MOST["cpu"])))


def _free_bytes(device: str) -> int:
    if device.startswith("cuda"):
        import torch

        return int(torch.cuda.mem_get_info(torch.device(device))[0])
    import psutil

    return int(psutil.virtual_memory().available)
