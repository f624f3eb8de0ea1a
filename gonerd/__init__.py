"""gonerd: long-document named entity recognition, from raw web page to leaderboard."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from gonerd.dataset.register import register

__version__ = "0.1.0"

if TYPE_CHECKING:
    from gonerd.dataset.load import load as load
    from gonerd.dataset.views import align_labels as align_labels
    from gonerd.dataset.views import sentences as sentences

# In a checkout builders/ stands beside this folder, and is a subpackage all the same.
_checkout = Path(__file__).resolve().parent.parent
if (_checkout / "builders" / "__init__.py").is_file():
    __path__.append(str(_checkout))

register()


def __getattr__(name: str) -> Any:
    if name == "load":
        from gonerd.dataset.load import load

        return load
    if name in ("align_labels", "sentences"):
        from gonerd.dataset import views

        return getattr(views, name)
    raise AttributeError(f"module 'gonerd' has no attribute {name!r}")
