"""Read full vectors from files, block by block."""

import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from mrl_adapters.errors import ConfigurationError, MissingExtraError, MRLError
from mrl_adapters.vectors import FloatArray

_BLOCK = 4096


def open_vectors(source: Path) -> tuple[int, Iterator[FloatArray]]:
    """Open a file of vectors without reading it whole.

    Args:
        source: A .npy array of shape (n, d), or a .parquet file; of its columns the first that
            holds lists of numbers is taken.

    Returns:
        n, and the vectors as float32 blocks in their order.
    """
    kinds = {".npy": _open_npy, ".parquet": _open_parquet}
    if source.suffix.lower() not in kinds:
        msg = f"{source} is no file of vectors. Expected {' or '.join(kinds)}."
        raise ConfigurationError(msg)
    if not source.is_file():
        what = "is no regular file" if source.exists() else "does not exist"
        msg = f"{source} {what}. Pass a file of vectors."
        raise ConfigurationError(msg)
    try:
        return kinds[source.suffix.lower()](source)
    except (OSError, EOFError, ValueError, pickle.UnpicklingError) as error:
        if isinstance(error, MRLError):
            raise
        msg = f"{source} cannot be read as {source.suffix.lower()}: {error}. Write it anew."
        raise ConfigurationError(msg) from error


def _open_npy(source: Path) -> tuple[int, Iterator[FloatArray]]:
    array = np.load(source, mmap_mode="r")
    if array.ndim != 2 or not len(array) or array.dtype.kind != "f":  # noqa: PLR2004 - (n, d)
        msg = (
            f"{source} holds an array of shape {array.shape} and type {array.dtype}, expected "
            "floating-point numbers of shape (n, d)."
        )
        raise ConfigurationError(msg)
    blocks = (
        np.asarray(array[start : start + _BLOCK], dtype=np.float32)
        for start in range(0, len(array), _BLOCK)
    )
    return len(array), blocks


def _open_parquet(source: Path) -> tuple[int, Iterator[FloatArray]]:
    try:
        import pyarrow as pa
        from pyarrow.parquet import ParquetFile
    except ImportError as error:
        package, extra = "pyarrow", "bench"
        raise MissingExtraError(package, extra) from error
    file = ParquetFile(source)
    column = next((field.name for field in file.schema_arrow if _is_vector(pa, field.type)), None)
    if column is None or not file.metadata.num_rows:
        msg = (
            f"{source} has the columns {file.schema_arrow.names}, none with lists of "
            "floating-point numbers. Expected one such column."
        )
        raise ConfigurationError(msg)
    batches = file.iter_batches(_BLOCK, columns=[column])
    return file.metadata.num_rows, (_rows(batch.column(0), source) for batch in batches)


def _is_vector(pa: Any, kind: Any) -> bool:
    lists = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
    return any(test(kind) for test in lists) and pa.types.is_floating(kind.value_type)


def _rows(column: Any, source: Path) -> FloatArray:
    from pyarrow.compute import list_value_length

    sizes = list_value_length(column).unique().to_pylist()
    if len(sizes) != 1 or not sizes[0]:
        msg = f"{source}: vectors are missing or differ in size, found sizes {sizes}. Expected one."
        raise ConfigurationError(msg)
    return np.asarray(column.flatten(), dtype=np.float32).reshape(-1, sizes[0])
