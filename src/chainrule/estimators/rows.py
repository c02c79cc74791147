"""The rows of a table of any type."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import narwhals
import numpy as np
from numpy.typing import NDArray
from sklearn.utils import _safe_indexing

from chainrule.datasets.text_column import TextColumn


def rows_of(table: Any, rows: NDArray[np.int64]) -> Any:
    """Return some rows of a table, of targets or of weights: a frame, an array, a list, or a dict of columns."""
    if table is None:
        return None
    if isinstance(table, Mapping):
        return {name: rows_of(column, rows) for name, column in table.items()}
    if isinstance(table, TextColumn):
        return table.take(rows)
    return table[rows] if isinstance(table, narwhals.Series) else _safe_indexing(table, rows)
