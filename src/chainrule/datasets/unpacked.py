"""How many bytes a column of PyArrow takes when each of its cells stands for itself, whatever it shares now."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.errors import DataError

POINTER = 8
"""The bytes that a text takes besides its letters, at least."""


def unpacked_bytes(column: Any, times: NDArray[np.int64] | None = None) -> int:
    """Return the bytes of the cells of an array of PyArrow, counted without unpacking them.

    A dictionary's text counts as often as it occurs, and a view's in each cell. times: (n,) how often each cell counts;
    None for once. Raises DataError for types whose cells cannot be counted so.
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
            return POINTER * n
        counts = np.bincount(chosen, times, len(column.dictionary)).astype(np.int64)
        return unpacked_bytes(column.dictionary, counts)
    if t.is_string_view(kind) or t.is_binary_view(kind):  # 16 bytes each, of which the first 4 are the length
        views = np.frombuffer(column.buffers()[1] or b"", np.int32)[::4]
        return POINTER * n + _sum(views[column.offset : column.offset + len(column)], times)
    if t.is_string(kind) or t.is_large_string(kind) or t.is_binary(kind) or t.is_large_binary(kind):
        return POINTER * n + _sum(np.asarray(pc.binary_length(column).fill_null(0)), times)
    if t.is_run_end_encoded(kind):
        runs = np.diff(np.asarray(column.run_ends).astype(np.int64), prepend=0)
        return unpacked_bytes(column.values, np.maximum(runs, 0))
    if t.is_nested(kind):
        is_list = t.is_list(kind) or t.is_large_list(kind) or t.is_fixed_size_list(kind)
        if times is not None or not (is_list or t.is_struct(kind) or t.is_map(kind)):
            raise DataError(f"is of type {kind}, which no table may have; make columns of what is in it")
        inner = (column.keys, column.items) if t.is_map(kind) else column.flatten()
        return POINTER * n + sum(map(unpacked_bytes, [inner] if is_list else inner))
    width: int = kind.bit_width
    return n * max(1, width // 8)


def _sum(lengths: NDArray[Any], times: NDArray[np.int64] | None) -> int:
    return int(lengths.sum(dtype=np.int64)) if times is None else int(lengths.astype(np.int64) @ times)
