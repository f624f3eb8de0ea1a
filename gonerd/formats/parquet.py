"""Rows of Parquet files, whole documents among them, some at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from gonerd.errors import GonerdError


def read_rows(path: Path, *, columns: Sequence[str] | None = None, batch: int = 64) -> Iterator[dict[str, Any]]:
    """Yield the rows of a Parquet file, `batch` of them in memory at a time.

    Args:
        path: the file.
        columns: those to read, where the file has them; None for all.
        batch: rows.

    Raises:
        GonerdError: there is no such file, or it is no Parquet.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    wanted = list(columns) if columns else None
    try:
        with pq.ParquetFile(path) as file:
            # One reader a row group: a reader of the whole file holds something of every group until its end.
            for group in range(file.num_row_groups):
                for part in file.iter_batches(batch_size=batch, row_groups=[group], columns=wanted):
                    yield from part.to_pylist()
    except (pa.ArrowException, FileNotFoundError) as error:
        raise GonerdError(f"not a readable Parquet file ({error})", where=path) from error
