"""The weights in a checkpoint's folder: safetensors, or a `.bin` read as plain tensors; one file or several.

A checkpoint may come from anywhere. Nothing in it is run, no file outside its folder is opened, and what a file says of
itself is believed only as far as the file is long.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gonerd.errors import GonerdError
from gonerd.store import read_json

if TYPE_CHECKING:
    import torch

SAFETENSORS, PICKLED = "model.safetensors", "pytorch_model.bin"
INDEX_LIMIT = 1 << 24  # bytes of an index: far more than the names of the largest encoders take
RESAVE = "Have it saved again as safetensors: model.save_pretrained(folder)"


def weight_files(folder: Path) -> list[Path]:
    """Return the files that hold a checkpoint's weights: safetensors if there are any, `.bin` else.

    Raises:
        GonerdError: there are none, or an index names a file that is not there or not beside it.
    """
    for name in (SAFETENSORS, PICKLED):
        if (folder / name).is_file():
            return [folder / name]
        index = folder / f"{name}.index.json"
        if index.is_file():
            return _indexed_files(index, suffix=Path(name).suffix)
    raise GonerdError(
        f"no model weights ({SAFETENSORS} or {PICKLED}) in this folder",
        where=folder,
        remedy="It must be a folder in the transformers format",
    )


def _indexed_files(index: Path, *, suffix: str) -> list[Path]:
    """Return the files that an index names; each must be a plain name of a file beside it."""
    if index.stat().st_size > INDEX_LIMIT:
        raise GonerdError(f"an index of more than {INDEX_LIMIT:,} bytes", where=index)
    value = read_json(index)
    table = value.get("weight_map") if isinstance(value, dict) else None
    if not isinstance(table, dict) or not table:
        raise GonerdError("it has no weight_map", where=index)
    files = []
    for name in sorted({str(name) for name in table.values()}):
        if Path(name).name != name or "\\" in name or not name.endswith(suffix):
            raise GonerdError(f"weights in {name!r}, which is no {suffix} file beside it", where=index)
        if not (index.parent / name).is_file():
            raise GonerdError(f"weights in {name!r}, which is not there", where=index)
        files.append(index.parent / name)
    return files


def read_weights(folder: Path) -> dict[str, torch.Tensor]:
    """Return all tensors of a checkpoint by their names, as they are stored; they take no more memory than the files.

    Raises:
        GonerdError: there are none, a file is damaged, holds something other than tensors, or a name is there twice.
    """
    found: dict[str, torch.Tensor] = {}
    for file in weight_files(folder):
        tensors = _read_safetensors(file) if file.suffix == ".safetensors" else _read_pickled(file)
        twice = sorted(found.keys() & tensors.keys())
        if twice:
            raise GonerdError(f"the weight {twice[0]} is in two files", where=file)
        found |= tensors
    return found


def _read_safetensors(file: Path) -> dict[str, torch.Tensor]:
    from safetensors.torch import load_file

    with _explained(file):
        return load_file(file)


def _read_pickled(file: Path) -> dict[str, torch.Tensor]:
    """Return the tensors of a `.bin`: torch's reader of plain tensors refuses whatever else is pickled in it."""
    import torch

    with _explained(file):
        _refuse_bombs(file)
        value: Any = torch.load(file, map_location="cpu", weights_only=True)
    if not isinstance(value, Mapping):
        raise GonerdError(f"it holds a {type(value).__name__}, not named weights", where=file, remedy=RESAVE)
    strange = [str(name) for name, tensor in value.items() if not _is_plain(name, tensor)]
    if strange:
        raise GonerdError(f"{strange[0]} is no plain tensor", where=file, remedy=RESAVE)
    storages = {tensor.untyped_storage().data_ptr(): tensor.untyped_storage().nbytes() for tensor in value.values()}
    if sum(storages.values()) > file.stat().st_size:
        raise GonerdError("it claims more data than the file has", where=file, remedy=RESAVE)
    return dict(value)


def _refuse_bombs(file: Path) -> None:
    """Raise ValueError for an archive whose members are longer than itself; torch never compresses what it saves."""
    if not zipfile.is_zipfile(file):
        return  # the form from before torch 1.6
    with zipfile.ZipFile(file) as archive:
        if sum(member.file_size for member in archive.infolist()) > file.stat().st_size:
            raise ValueError("an archive that unpacks to more than its own size")


def _is_plain(name: object, tensor: object) -> bool:
    """Tell whether an entry is a tensor that has a stored number for each of its elements."""
    import torch

    if not isinstance(name, str) or not isinstance(tensor, torch.Tensor) or tensor.layout is not torch.strided:
        return False
    if tensor.device.type != "cpu" or tensor.is_quantized:
        return False
    return tensor.numel() * tensor.element_size() <= tensor.untyped_storage().nbytes()


@contextmanager
def _explained(file: Path) -> Iterator[None]:
    """Turn what the readers raise for a damaged or hostile file into one line."""
    import pickle

    try:
        yield
    except pickle.UnpicklingError as error:
        reason = "it holds something other than plain tensors, which could run code; it was not opened"
        raise GonerdError(reason, where=file, remedy=RESAVE) from error
    except Exception as error:  # a damaged file makes them raise almost anything
        line = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise GonerdError(f"damaged weights: {line[:200]}", where=file) from error
