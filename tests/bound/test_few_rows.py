"""Rows that are predicted one by one: mappings, Series and frames of a row, which give the bits of the whole table."""

from __future__ import annotations

import datetime
import math
import time
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from chainrule import DataError, MLPClassifier, MLPRegressor, ShapeError, TablePreprocessor
from chainrule.tables import reading
from chainrule.tables.reading import MAX_FEW_ROWS

N = 300


def table(columns: int = 20) -> pd.DataFrame:
    """Numbers of all sorts, more than are looked up one by one, beside text, dates and booleans."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({f"x{k}": rng.normal(size=N) * 10.0 ** rng.integers(-8, 8) for k in range(columns)})
    frame["whole"] = rng.integers(-(2**62), 2**62, N)
    frame["few"] = rng.integers(0, 4, N)
    frame["single"] = rng.normal(size=N).astype(np.float32)
    frame["ties"] = rng.choice([0.0, 1.5, np.inf, 7.0], N, p=[0.6, 0.2, 0.1, 0.1])
    frame["gaps"] = np.where(rng.uniform(size=N) < 0.3, np.nan, rng.normal(size=N))
    frame["kind"] = rng.choice(["flat", "house", "tent"], N)
    frame["many"] = [f"m{k}" for k in rng.integers(0, 40, N)]
    frame["is"] = rng.uniform(size=N) < 0.5
    frame["day"] = pd.to_datetime("2020-01-01") + pd.to_timedelta(rng.integers(0, 700, N), unit="D")
    frame["written"] = [f"{value:.3f}" for value in rng.normal(size=N)]
    return frame


def as_row(frame: pd.DataFrame, k: int) -> dict[str, Any]:
    """A row as a mapping of Python's values, as JSON has it."""
    return {name: frame[name].tolist()[k] for name in frame}


@pytest.mark.parametrize("scale", ["standard+quantile", "realmlp", "robust", "none"])
@pytest.mark.parametrize("columns", [2, 20, 60])
def test_few_rows_have_the_bits_of_the_whole_table(scale: str, columns: int):
    frame = table(columns)
    made = TablePreprocessor(scale=scale, dtype="float64", max_one_hot=8, min_count=2).fit(frame[:200])
    whole = made.transform(frame)
    assert len(frame) > MAX_FEW_ROWS
    for start, stop in ((0, 1), (7, 9), (250, 250 + MAX_FEW_ROWS)):
        rows = frame[start:stop]
        for few in (
            rows,
            {name: rows[name].tolist() for name in rows},
            pl.from_pandas(rows),
            pa.Table.from_pandas(rows),
        ):
            np.testing.assert_array_equal(made.transform(few), whole[start:stop])
    turned = frame[::-1].iloc[:, ::-1].assign(another=1)
    np.testing.assert_array_equal(made.transform(turned[:3]), whole[::-1][:3])


def test_few_rows_of_an_array_have_the_bits_of_all():
    values = np.random.default_rng(1).normal(size=(N, 30))
    values[:, 3] = np.arange(N) % 3
    made = TablePreprocessor(kinds={"3": "category"}, dtype="float64").fit(values)
    whole = made.transform(values)
    np.testing.assert_array_equal(made.transform(values[5:6]), whole[5:6])
    np.testing.assert_array_equal(made.transform(values[5:6].tolist()), whole[5:6])
    with pytest.raises(ShapeError, match="29 features"):
        made.transform(values[:1, :29])


@pytest.mark.parametrize(
    "value", [10**400, math.inf, -math.inf, math.nan, None, pd.NA, True, "2.5", np.float32(2)]
)
def test_a_number_that_is_another_object_is_read_as_in_a_column(value: Any):
    frame = table()
    made = TablePreprocessor(dtype="float64").fit(frame)
    row = as_row(frame, 0) | {"x3": value}
    column = {
        name: [cell] * (MAX_FEW_ROWS + 1) for name, cell in row.items()
    }  # which is read column by column
    np.testing.assert_array_equal(made.transform(row), made.transform(column)[:1])
    with pytest.raises(DataError, match=r"texts in column 'x3' \('abc' at row 0\), which had numbers"):
        made.transform(row | {"x3": "abc"})


def test_a_row_is_a_mapping_a_list_of_mappings_or_a_series():
    frame = table()
    made = TablePreprocessor().fit(frame)
    expected = made.transform(frame[3:5])
    one, two = as_row(frame, 3), as_row(frame, 4)
    np.testing.assert_array_equal(made.transform(one), expected[:1])
    np.testing.assert_array_equal(made.transform([one, two]), expected)
    np.testing.assert_array_equal(made.transform((two, one)), expected[::-1])
    np.testing.assert_array_equal(made.transform(frame.iloc[3]), expected[:1])
    without = {name: cell for name, cell in two.items() if name != "gaps"}  # JSON leaves out what is missing
    np.testing.assert_array_equal(made.transform([one, without]), made.transform([one, two | {"gaps": None}]))
    with pytest.raises(DataError, match="X lacks 'kind'"):
        made.transform({name: cell for name, cell in one.items() if name != "kind"})
    with pytest.raises(DataError, match="X lacks 'kind'"):
        made.transform(frame.iloc[3].drop("kind"))
    with pytest.raises(ShapeError, match=r"column 'x0', not float"):
        made.transform(one | {"day": [datetime.date(2020, 1, 1)]})


def test_a_series_that_is_no_row_says_what_to_pass():
    for series in (pd.Series([1.0, 2.0]), pl.Series("x0", [1.0, 2.0])):
        with pytest.raises(
            ShapeError, match=r"X.to_frame\(\) of a column or, in pandas, X.to_frame\(\).T of a row"
        ):
            TablePreprocessor().fit(series)
    made = TablePreprocessor().fit(table()[["x0", "x1"]])
    assert made.transform(table().iloc[0].to_frame().T).shape == (1, 4)


def test_an_estimator_predicts_a_row():
    frame = table()[["x0", "kind", "gaps"]]
    settings: dict[str, Any] = {"max_iter": 2, "preprocess": "auto", "random_state": 0}
    number = MLPRegressor(**settings).fit(frame, frame["x0"])
    label = MLPClassifier(**settings).fit(frame, frame["kind"])
    row = as_row(frame, 1)
    for made, ask in ((number, number.predict), (label, label.predict), (label, label.predict_proba)):
        expected = ask(frame[1:2])
        for one in (row, [row], frame.iloc[1]):
            np.testing.assert_array_equal(ask(one), expected)
        assert made.n_features_in_ == 3
    rows = [as_row(frame, k) for k in range(N)]
    np.testing.assert_array_equal(
        MLPRegressor(**settings).fit(rows, frame["x0"]).predict(rows), number.predict(frame)
    )


def test_a_sparse_matrix_of_any_sort_says_what_to_do():
    sparse = pytest.importorskip("scipy.sparse")
    for form in (sparse.csr_matrix, sparse.coo_array, sparse.dok_array):
        with pytest.raises(
            DataError, match=r"X is a sparse matrix.*X.toarray\(\).*omit the estimator.s preprocess"
        ):
            MLPRegressor(preprocess="auto").fit(form(np.eye(30)), np.arange(30.0))


def test_a_row_of_two_thousand_columns_is_prepared_in_some_milliseconds():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(60, 2000)), columns=[f"c{k}" for k in range(2000)])
    made = TablePreprocessor().fit(frame)
    for row in (frame[:1], as_row(frame, 0)):
        seconds = []
        for _ in range(7):
            begun = time.process_time()
            made.transform(row)
            seconds.append(time.process_time() - begun)
        assert min(seconds) < 0.02  # 0.11 and 0.05 column by column, 0.004 and 0.003 at once


def test_text_and_categories_of_pandas_are_read_as_their_lists():
    rng = np.random.default_rng(0)
    words = rng.choice(np.array([" a", "a ", "b", "", "12", "NA", "long " * 80]), N).tolist()
    holed = [None if k % 7 == 0 else word for k, word in enumerate(words)]
    columns: dict[str, Any] = {
        "text": pd.Series(holed, dtype="str"),
        "string": pd.Series(holed, dtype="string"),
        "category": pd.Series(holed, dtype="category"),
        "numbers": pd.Series(rng.integers(0, 3, N)).astype("category"),
        "mixed": pd.Series([1, "x", 2.5] * 100).astype("category"),
        "missing": pd.Series([None] * N, dtype="str"),
    }
    for name, values in columns.items():
        frame, plain = ({name: values}, {name: values.tolist()})
        one, other = reading.read(pd.DataFrame(frame)).columns[0], reading.read(plain).columns[0]
        assert (one.form, one.texts, one.infinite) == (other.form, other.texts, other.infinite), name
        np.testing.assert_array_equal(one.values, other.values)
