"""gonerd: long-document named entity recognition, from raw web page to leaderboard."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from gonerd.dataset.register import register

__version__ = "0.1.0"

if TYPE_CHECKING:
    from gonerd.dataset.load import load as load

# In a checkout builders/ stands beside this folder, and is a subpackage all the same.
_checkout = Path(__file__).resolve().parent.parent
if (_checkout / "builders" / "__init__.py").is_file():
    __path__.append(str(_checkout))

register()


def __getattr__(name: str) -> Any:
    if name == "load":
        from gonerd.dataset.load import load

        return load
    raise AttributeError(f"module 'gonerd' has no attribute {name!r}")
