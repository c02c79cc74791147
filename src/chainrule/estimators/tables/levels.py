"""Read a column of repeated cells by its levels: each different cell is looked at once, and rows are their codes.

The values are those that `column.objects` has of all cells, to the bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.estimators.tables.column import Column, objects


def column(label: str, codes: NDArray[np.integer], distinct: Sequence[Any]) -> Column:
    """Return a column of the cells distinct[codes]. codes: (n,), -1 for missing; distinct: in the order of rows."""
    found = objects(label, distinct)
    absent = -1 if found.form == "text" else np.nan
    values = np.append(found.values, absent)[codes]
    if not found.infinite:
        return Column(label, found.form, values, found.texts)
    return objects(
        label, [None if code < 0 else distinct[code] for code in codes.tolist()]
    )  # which counts them


def of_series(label: str, series: Any) -> Column | None:
    """Return a column of text or categories that narwhals has wrapped, by Arrow's dictionary; None without Arrow."""
    if find_spec("pyarrow") is None:
        return None
    array = series.to_arrow().dictionary_encode()
    if hasattr(array, "combine_chunks"):
        array = array.unify_dictionaries().combine_chunks()
    codes = array.indices.cast("int64").fill_null(-1).to_numpy(zero_copy_only=False)
    distinct = array.dictionary.to_pylist()
    return column(label, *_as_they_come(codes, distinct))


def _as_they_come(codes: NDArray[np.int64], distinct: list[Any]) -> tuple[NDArray[np.int64], list[Any]]:
    """Return codes and levels with the levels in the order of their first rows, and no others."""
    rows = len(codes)
    first = np.full(len(distinct) + 1, rows)
    first[codes[::-1]] = np.arange(rows)[::-1]  # the last write stays; -1 is the missing ones'
    order = np.argsort(first[:-1], kind="stable")[: np.count_nonzero(first[:-1] < rows)]
    renamed = np.full(len(distinct) + 1, -1)
    renamed[order] = np.arange(len(order))
    return renamed[codes], [distinct[k] for k in order.tolist()]
