"""Many processes, one output: a lock that keeps others out, and workers that never outlive their parent.

The lock is the operating system's (`flock`): it ends with the processes that hold it, however they end, so that no
lock is ever left behind. Workers inherit it and end when their parent does.
"""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from gonerd.errors import GonerdError

Item = TypeVar("Item")
Answer = TypeVar("Answer")

PATIENCE = 2.0  # seconds; the orphans of a killed run are gone long before
_NO_LOCKS = {errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL}


@dataclass(frozen=True, slots=True)
class Lock:
    """A held lock; pickled for a worker that is being started, it is held by that worker too."""

    descriptor: int | None  # None where the platform or the file system has no locks

    def __reduce__(self) -> tuple[Any, ...]:
        if self.descriptor is None:
            return Lock, (None,)
        from multiprocessing.reduction import DupFd

        return _arrive, (DupFd(self.descriptor),)


def _arrive(duplicate: Any) -> Lock:
    return Lock(duplicate.detach())


@contextlib.contextmanager
def locked(path: Path, *, owner: Path) -> Iterator[Lock]:
    """Hold the lock file `path` during the block, on behalf of the output `owner`; the file goes when the block ends.

    Raises:
        GonerdError: another process holds it.
    """
    descriptor = _acquire(path, owner)
    try:
        yield Lock(descriptor)
    finally:
        if descriptor is not None:
            path.unlink(missing_ok=True)
            os.close(descriptor)


def _acquire(path: Path, owner: Path) -> int | None:
    deadline = time.monotonic() + PATIENCE
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        state = _try_lock(descriptor)
        if state == "held" and _is_at(descriptor, path):
            return descriptor
        os.close(descriptor)
        if state == "none":
            path.unlink(missing_ok=True)
            return None
        if time.monotonic() > deadline:
            raise GonerdError(
                "another process is writing this output",
                where=owner,
                remedy="Wait until it has finished, or choose another folder",
            )
        time.sleep(0.02)


def _try_lock(descriptor: int) -> str:
    """Return "held", "busy", or "none" where there are no locks."""
    try:
        import fcntl
    except ImportError:  # Windows
        return "none"
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return "busy"
    except OSError as error:
        if error.errno in _NO_LOCKS:
            return "none"
        raise
    return "held"


def _is_at(descriptor: int, path: Path) -> bool:
    """Tell whether the locked file is still the one at `path`: its last holder may just have removed it."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def map_parallel(
    function: Callable[[Item], Answer], items: Iterable[Item], *, workers: int, lock: Lock
) -> Iterator[Answer]:
    """Yield the answers for the items as they come, from fresh processes that hold `lock` and end with this one.

    Raises:
        GonerdError: a worker died.
        Exception: whatever `function` raises; items not yet begun are given up.
    """
    from multiprocessing import get_context

    context = get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_start_worker, initargs=(lock,)) as pool:
        with _interrupts_waiting():  # they are started here
            futures = [pool.submit(function, item) for item in items]
        try:
            for future in as_completed(futures):
                yield future.result()
        except BrokenProcessPool as error:
            raise GonerdError(
                "a worker process died",
                remedy="If the memory was full, take fewer workers. The same command goes on where it stopped",
            ) from error
        finally:
            pool.shutdown(cancel_futures=True)


@contextlib.contextmanager
def _interrupts_waiting() -> Iterator[None]:
    """Let Ctrl-C wait for the end of the block; a process started in it lets it wait until `_start_worker`."""
    _mask_interrupts("SIG_BLOCK")
    try:
        yield
    finally:
        _mask_interrupts("SIG_UNBLOCK")


def _mask_interrupts(how: str) -> None:
    if hasattr(signal, "pthread_sigmask"):  # not on Windows
        signal.pthread_sigmask(getattr(signal, how), {signal.SIGINT})


def _start_worker(_lock: Lock) -> None:
    """Let Ctrl-C end the worker without a traceback, and the end of the parent end it too."""
    import threading

    signal.signal(signal.SIGINT, signal.SIG_DFL)
    _mask_interrupts("SIG_UNBLOCK")
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    from multiprocessing import parent_process

    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
