"""Counting the memory of torch's operations."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class PeakCounter(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """While it is entered, counts the bytes that results of operations hold; `peak` is the most at any time."""

    def __init__(self, apart_from: Iterable[Tensor] = ()) -> None:
        base: Any = super()
        base.__init__()
        self.peak = 0
        self._alive: dict[Any, int] = {_reference(tensor): 0 for tensor in apart_from}

    def __torch_dispatch__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Run an operation and count what it returns."""
        result = function(*args, **(kwargs or {}))
        for tensor in tree_leaves(result):
            if isinstance(tensor, Tensor):
                self._alive.setdefault(_reference(tensor), tensor.untyped_storage().nbytes())
        self._alive = {storage: size for storage, size in self._alive.items() if not storage.expired()}
        self.peak = max(self.peak, sum(self._alive.values()))
        return result


def _reference(tensor: Tensor) -> Any:
    """Return a reference to a tensor's memory that does not keep it alive."""
    reference: Any = StorageWeakRef
    return reference(tensor.untyped_storage())
