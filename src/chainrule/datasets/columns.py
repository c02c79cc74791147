"""PyArrow columns: the role of their types, and their values as NumPy arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


def first_null(column: Any) -> int:
    """Return the row of the first null of a PyArrow column with nulls."""
    missing: NDArray[np.bool_] = column.is_null().to_numpy()
    return int(missing.argmax())


def is_text(kind: Any) -> bool:
    """Return whether a PyArrow type is text."""
    import pyarrow.types as t

    return bool(
        t.is_string(kind) or t.is_large_string(kind) or t.is_string_view(kind)
        or (t.is_dictionary(kind) and is_text(kind.value_type))
    )  # fmt: skip


def is_number(kind: object) -> bool:
    """Return whether a PyArrow type is numeric or boolean."""
    import pyarrow.types as t

    return bool(t.is_integer(kind) or t.is_floating(kind) or t.is_boolean(kind) or t.is_decimal(kind))


def use(kind: object) -> str:
    """Return the role of a type: number, text, or the type itself."""
    return "number" if is_number(kind) else "text" if is_text(kind) else str(kind)


def smallest(kinds: Sequence[Any]) -> np.dtype[Any]:
    """Return the smallest dtype of X that represents every number of columns of these types."""
    import pyarrow.types as t

    numbers = [kind for kind in kinds if not is_text(kind)]
    if kinds and all(t.is_boolean(kind) or t.is_uint8(kind) for kind in kinds):
        return np.dtype(np.uint8)
    is_small = all(
        t.is_boolean(k) or t.is_float16(k) or t.is_float32(k) or (t.is_integer(k) and k.bit_width <= 16)
        for k in numbers
    )
    return np.dtype(np.float32 if is_small else np.float64)


def to_numbers(column: Any) -> NDArray[Any]:
    """Return the numbers of a column, without a copy if contiguous."""
    import pyarrow as pa

    if pa.types.is_decimal(column.type):
        column = column.cast(pa.float64())
    parts = [chunk.to_numpy(zero_copy_only=False) for chunk in column.chunks]
    values: NDArray[Any] = parts[0] if len(parts) == 1 else np.concatenate(parts or [np.empty(0)])
    return values


def to_text(column: Any) -> Any:
    """Return a text column as PyArrow strings."""
    import pyarrow as pa

    return column.cast(pa.large_string())


def to_codes(column: object, texts: Sequence[str]) -> NDArray[Any]:
    """Return the index of each text among the known ones, from 1; 0 for others and nulls."""
    import pyarrow as pa
    import pyarrow.compute as pc

    known = pa.array(texts, pa.large_string())
    places_of: NDArray[Any] = (
        pc.index_in(to_text(column), value_set=known, skip_nulls=True).fill_null(-1).to_numpy()
    )
    return places_of + 1


def to_values(column: Any) -> NDArray[Any]:
    """Return a column of numbers or text, with each text once in memory."""
    if not is_text(column.type):
        return to_numbers(column)
    coded = to_text(column).combine_chunks().dictionary_encode()
    texts = np.array(coded.dictionary.to_pylist() or [""])
    values: NDArray[Any] = texts[coded.indices.to_numpy()]
    return values
