"""Makes `datasets.load_dataset("gonerd", ...)` work once gonerd is imported.

`datasets` has no registry for datasets that come with a package: it resolves a name in `dataset_module_factory`, which
two of its modules hold. Both are wrapped to answer for the one name "gonerd" and to pass everything else on. Nothing is
imported here; the wrapping waits until `datasets` is imported, or is done at once if it has been.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

import wrapt

NAME = "gonerd"
_FACTORY = "dataset_module_factory"


def register() -> None:
    """Have the name "gonerd" resolved by gonerd."""
    wrapt.when_imported("datasets")(_wrap)


def _wrap(_: ModuleType) -> None:
    for name in ("datasets.load", "datasets.inspect"):
        module = sys.modules.get(name)
        factory = getattr(module, _FACTORY, None)
        # A release of datasets without this function still loads everything else, and gonerd.load works with it.
        if factory is not None and not isinstance(factory, wrapt.FunctionWrapper):
            wrapt.wrap_function_wrapper(name, _FACTORY, _resolve)


def _resolve(wrapped: Callable[..., Any], _: object, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """Answer for "gonerd"; pass on any other path, and data files of the caller's own."""
    path = args[0] if args else kwargs.get("path")
    if path != NAME or kwargs.get("data_files") is not None:
        return wrapped(*args, **kwargs)
    from datasets.load import DatasetModule

    from gonerd.dataset.load import builder_module

    module, digest, arguments = builder_module(kwargs.get("data_dir"))
    revision = args[1] if len(args) > 1 else kwargs.get("revision")
    if revision is not None:
        arguments["revision"] = str(revision)
    return DatasetModule(module, digest, {"dataset_name": NAME, **arguments})
