"""Several processes on one evaluation, as `accelerate launch` starts them: each does its part, all get the whole."""

from __future__ import annotations

import atexit
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from gonerd.errors import GonerdError

if TYPE_CHECKING:
    from gonerd.models.device import Device

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Share:
    """Which of how many processes this is."""

    rank: int = 0
    size: int = 1
    device: str | None = None  # its own, where there are several processes

    def gather(self, compute: Callable[[], dict[int, Answer]]) -> dict[int, Answer]:
        """Return what all processes computed together; what one of them raises, all raise.

        Raises:
            GonerdError: one of the processes could not do its part.
        """
        if self.size == 1:
            return compute()
        from accelerate.utils import gather_object

        part: dict[int, Answer] | str
        try:
            part = compute()
        except GonerdError as error:
            part = str(error)
        parts: list[Any] = gather_object([part])
        for found in parts:
            if isinstance(found, str):
                raise GonerdError(found)
        return {place: answer for found in parts for place, answer in found.items()}

    def agree(self, value: Answer) -> Answer:
        """Return the first process's value in all of them, once all have come here."""
        if self.size == 1:
            return value
        from accelerate.utils import broadcast_object_list

        values = [value]
        broadcast_object_list(values)
        return values[0]


ALONE = Share()


def launched_rank() -> int:
    """Return the number of this process among those that `accelerate launch` started, 0 for the only one."""
    return int(os.environ.get("RANK", "0"))


def launched_share(device: Device) -> Share:
    """Return this process's share: what `accelerate launch` says in the environment, or all of it.

    Args:
        device: the kind of device that is wanted, `auto`, `cpu` or `cuda`.

    Raises:
        GonerdError: CUDA was asked for and is not there.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) < 2:
        return ALONE
    from accelerate import PartialState

    from gonerd.models.device import choose_device

    state = PartialState(cpu=choose_device(device) == "cpu")
    # A group that is still there when the interpreter goes down can abort the process: its threads are not joined.
    # Destroying what is gone already does nothing, so that a second call here does no harm.
    atexit.register(state.destroy_process_group)
    return Share(state.process_index, state.num_processes, str(state.device))
