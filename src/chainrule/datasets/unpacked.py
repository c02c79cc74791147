"""The size of a PyArrow column when every cell is stored separately, without sharing."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.errors import DataError

TEXT_OVERHEAD_BYTES = 8
"""The minimum bytes of a text besides its characters."""


def unpacked_bytes(column: Any, times: NDArray[np.int64] | None = None) -> int:
    """Return the unpacked size of a PyArrow array's cells, counted without unpacking them.

    A dictionary's text counts once per occurrence, a view's once per cell. times: (n,) the count of each cell; None for
    1 each. Raises DataError for types whose cells cannot be counted.
    """
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.types as t

    kind, n = column.type, len(column) if times is None else int(times.sum())
    if isinstance(column, pa.ExtensionArray):
        return unpacked_bytes(column.storage, times)
    if t.is_null(kind):
        return 0
    if t.is_dictionary(kind):
        chosen = np.asarray(column.indices.fill_null(0).cast(pa.int64()))
        if not len(column.dictionary):
            return TEXT_OVERHEAD_BYTES * n
        counts = np.bincount(chosen, times, len(column.dictionary)).astype(np.int64)
        return unpacked_bytes(column.dictionary, counts)
    if t.is_string_view(kind) or t.is_binary_view(kind):  # 16 bytes each, starting with 4 for the length
        views = np.frombuffer(column.buffers()[1] or b"", np.int32)[::4]
        return TEXT_OVERHEAD_BYTES * n + _sum(views[column.offset : column.offset + len(column)], times)
    if t.is_string(kind) or t.is_large_string(kind) or t.is_binary(kind) or t.is_large_binary(kind):
        return TEXT_OVERHEAD_BYTES * n + _sum(np.asarray(pc.binary_length(column).fill_null(0)), times)
    if t.is_run_end_encoded(kind):
        runs = np.diff(np.asarray(column.run_ends).astype(np.int64), prepend=0)
        return unpacked_bytes(column.values, np.maximum(runs, 0))
    if t.is_nested(kind):
        is_list = t.is_list(kind) or t.is_large_list(kind) or t.is_fixed_size_list(kind)
        if times is not None or not (is_list or t.is_struct(kind) or t.is_map(kind)):
            raise DataError(f"has type {kind}, which tables do not support; split its contents into columns")
        inner = (column.keys, column.items) if t.is_map(kind) else column.flatten()
        return TEXT_OVERHEAD_BYTES * n + sum(map(unpacked_bytes, [inner] if is_list else inner))
    width: int = kind.bit_width
    return n * max(1, width // 8)


def _sum(lengths: NDArray[Any], times: NDArray[np.int64] | None) -> int:
    return int(lengths.sum(dtype=np.int64)) if times is None else int(lengths.astype(np.int64) @ times)
