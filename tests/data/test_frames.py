"""What a table is, and how many rows it has, before it is read."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from chainrule.data.frames import has_few_rows

COLUMNS = {"a": [1.0, 2.0, 3.0], "b": ["x", None, "y"]}


@pytest.mark.parametrize(
    "X",
    [
        pd.DataFrame(COLUMNS),
        pl.DataFrame(COLUMNS),
        pa.table(COLUMNS),
        COLUMNS,
        [{"a": 1.0}, {"a": 2.0}, {"a": 3.0}],
        np.zeros((3, 2)),
    ],
    ids=["pandas", "polars", "pyarrow", "dict", "mappings", "array"],
)
def test_a_table_of_three_rows_has_at_most_three(X: Any):
    assert has_few_rows(X, 3)
    assert not has_few_rows(X, 2)


@pytest.mark.parametrize("X", [{"a": 1.0, "b": "text"}, {}, pd.Series({"a": 1.0, "b": "text"})])
def test_one_row_is_one(X: Any):
    assert has_few_rows(X, 1)


@pytest.mark.parametrize("X", [pl.LazyFrame(COLUMNS), np.array(1.0), iter([1]), None])
def test_unknown_numbers_of_rows_are_not_few(X: Any):
    assert not has_few_rows(X, 1_000)
