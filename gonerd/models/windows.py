"""Windows over documents that are longer than a model's reach, by the name they have in this room."""

from __future__ import annotations

from gonerd.encoding import Window, split_windows

__all__ = ["Window", "split_windows"]
