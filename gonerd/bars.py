"""No bars of other libraries: gonerd says what it has to say itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def without_bars(library: Any) -> Iterator[None]:
    """Keep a library, `datasets` or `huggingface_hub.utils`, from drawing progress bars while the block runs."""
    hidden = library.are_progress_bars_disabled()
    library.disable_progress_bars()
    try:
        yield
    finally:
        if not hidden:
            library.enable_progress_bars()
