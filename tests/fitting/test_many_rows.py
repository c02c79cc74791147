"""Tables of many rows: columns are read by their levels and ranked by a table, to the bits that single cells have."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from chainrule import DataError, TablePreprocessor
from chainrule.tables import preprocessor, reading
from chainrule.tables.column import objects, shorten_text
from chainrule.tables.encoding import levels_of
from chainrule.tables.preprocessor import transform_blocks, transform_each
from chainrule.tables.reading import MAX_FEW_ROWS
from chainrule.tables.scaling import MIN_QUANTILE, Scaler, Scaling
from chainrule.tables.statistics import Ranks, normal

N = 300


def interpolated(x: np.ndarray, grid: np.ndarray) -> np.ndarray:
    """F(x) as NumPy interpolates: the specification."""
    shares = np.linspace(0.0, 1.0, len(grid))
    return (np.interp(x, grid, shares) - np.interp(-x, -grid[::-1], -shares[::-1])) / 2


# --- ranks ----------------------------------------------------------------------------------------------------------

NUMBERS = st.one_of(
    st.integers(-5, 5).map(float),
    st.floats(-1e3, 1e3),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([0.0, -0.0, 5e-324, 1e-300, 1.7e308, -1.7e308, 1e15, 1e15 + 0.125]),
)


@given(st.lists(NUMBERS, min_size=2, max_size=60), st.lists(NUMBERS, min_size=1, max_size=30))
@example([1.0, 1.0, 1.0], [0.0, 1.0, 2.0])
@example([-1.7e308, 1.7e308], [0.0, 1.0])
@example([-1.7e308, -1.6e308, 1.6e308, 1.7e308], [1e308, -0.1e308, 1.65e308, -1.79e308])
@example([0.0, 5e-324], [0.0, 5e-324, 1.0])
@example([0.0, 1e-310, 1e-309], [3e-311, 5e-310, 1e300, -1e300])
@example([0.0, 1e-310, 0.5, 1.0], [3e-311, 0.25, 1e300])
@example([0.0] * 30 + [1e-12 * k for k in range(30)] + [1e9], [1e-11, 0.5e-12, 3e8])
def test_ranks_have_the_bits_of_numpys_interpolation(quantiles: list[float], x: list[float]):
    grid = np.sort(np.array(quantiles))
    rows = np.array([*x, *quantiles])
    with np.errstate(over="ignore", invalid="ignore"):
        expected = normal(interpolated(rows, grid), MIN_QUANTILE)
    ranks = Ranks(grid, MIN_QUANTILE)
    if ranks.is_usable:
        np.testing.assert_array_equal(ranks(rows), expected)
    scaler = Scaler([Scaling("quantile", grid=tuple(grid.tolist()))])
    found, several = scaler.column(0, rows), Scaler([Scaling("quantile", grid=tuple(grid.tolist()))] * 20)
    np.testing.assert_array_equal(scaler(rows[:, None])[:, 0], found)
    np.testing.assert_array_equal(several(np.tile(rows[:, None], 20)[:50])[:, 7], found[:50])
    exact = [Fraction(each) for each in grid.tolist()]
    gaps = [high - low for low, high in pairwise(exact)]
    if all(Fraction(1.7e308) > gap > Fraction(1e-307) for gap in gaps if gap):
        np.testing.assert_array_equal(found, expected)
    elif max(map(abs, quantiles)) < 1e200 or all(abs(each) > 1e-200 for each in quantiles):
        shares = [float(share(Fraction(each), exact)) for each in rows.tolist()]
        np.testing.assert_allclose(
            norm.cdf(found), np.clip(shares, MIN_QUANTILE, 1 - MIN_QUANTILE), atol=1e-13
        )


def share(x: Fraction, grid: list[Fraction]) -> Fraction:
    """F(x) by fractions."""
    below, up_to = sum(each < x for each in grid), sum(each <= x for each in grid)
    if up_to > below:
        return Fraction(below + up_to - 1, 2 * (len(grid) - 1))
    if below in (0, len(grid)):
        return Fraction(below > 0)
    low, high = grid[below - 1], grid[below]
    return (below - 1 + (x - low) / (high - low)) / (len(grid) - 1)


@pytest.mark.parametrize("draw", ["normal", "lognormal", "cauchy", "whole"])
def test_ranks_of_usual_numbers_come_from_the_table(draw: str):
    rng = np.random.default_rng(0)
    drawn = {
        "normal": rng.normal,
        "lognormal": lambda size: np.exp(4 * rng.normal(size=size)),
        "cauchy": rng.standard_cauchy,
        "whole": lambda size: rng.integers(0, 9, size).astype(float),
    }[draw]
    grid, x = np.quantile(drawn(size=30_000), np.linspace(0, 1, 1000), method="inverted_cdf"), drawn(size=500)
    ranks = Ranks(grid, MIN_QUANTILE)
    assert ranks.is_usable
    np.testing.assert_array_equal(ranks(x), normal(interpolated(x, grid), MIN_QUANTILE))


# --- levels ---------------------------------------------------------------------------------------------------------


def one_by_one(cells: list[Any]) -> tuple[list[int], list[str]]:
    """The codes and texts of cells of text, cell by cell: the specification."""
    known: dict[str, int] = {}
    codes = []
    for cell in cells:
        text = "" if cell is None or cell != cell else shorten_text(cell.strip())
        codes.append(known.setdefault(text, len(known)) if text else -1)
    return codes, list(known)


TEXTS = st.lists(
    st.one_of(
        st.none(), st.just(math.nan), st.sampled_from(["a", " a", "b ", "", "  ", "1", "é", "x" * 300])
    ),
    min_size=1,
    max_size=2 * MAX_FEW_ROWS,
)


@settings(max_examples=30)
@given(TEXTS)
def test_levels_have_the_codes_of_single_cells(cells: list[Any]):
    if all(cell is None or cell != cell for cell in cells):
        return
    codes, texts = one_by_one(cells)
    plain = [None if cell is None or cell != cell else cell for cell in cells]
    repeated = plain * (1 + MAX_FEW_ROWS // len(plain))
    tables = [
        ({"x": cells}, codes),
        ({"x": repeated}, codes * (1 + MAX_FEW_ROWS // len(plain))),
        (pd.DataFrame({"x": pd.Series(cells, dtype=object)}), codes),
        (pd.DataFrame({"x": pd.Series(repeated, dtype="string")}), codes * (1 + MAX_FEW_ROWS // len(plain))),
        (pd.DataFrame({"x": pd.Categorical(repeated)}), codes * (1 + MAX_FEW_ROWS // len(plain))),
        (pl.DataFrame({"x": repeated}, schema={"x": pl.String}), codes * (1 + MAX_FEW_ROWS // len(plain))),
        (
            pl.DataFrame({"x": pl.Series(repeated, dtype=pl.Categorical)}),
            codes * (1 + MAX_FEW_ROWS // len(plain)),
        ),
        (pa.table({"x": pa.array(repeated, pa.string())}), codes * (1 + MAX_FEW_ROWS // len(plain))),
        (
            pa.table(
                {
                    "x": pa.chunked_array(
                        [pa.array(plain, pa.string()).dictionary_encode()] * (MAX_FEW_ROWS + 1)
                    )
                }
            ),
            codes * (MAX_FEW_ROWS + 1),
        ),
    ]
    for X, expected in tables:
        column = reading.read(X).columns[0]
        if not texts:  # blanks only
            assert (column.values < 0).all()
            continue
        assert column.form == "text"
        assert list(column.texts) == texts
        assert column.values.tolist() == expected


def test_levels_of_numbers_dates_and_booleans_are_what_cells_are():
    days = [pd.Timestamp("2020-01-01"), pd.Timestamp("2021-03-04 05:06:07"), None]
    for levels in ([3, 1, None], [2.5, math.inf, None], [True, False, None], days):
        cells = levels * MAX_FEW_ROWS
        found = reading.read(pd.DataFrame({"x": pd.Categorical(cells)})).columns[0]
        expected = objects("x", cells)
        assert found.form == expected.form
        assert found.infinite == expected.infinite
        np.testing.assert_array_equal(found.values, expected.values)


def test_text_beside_other_objects_is_told_apart():
    for other in (1.5, -0.0, True, b"a"):
        cells = ["a", other, None] * MAX_FEW_ROWS
        found = reading.read(pd.DataFrame({"x": pd.Series(cells, dtype=object)})).columns[0]
        expected = objects("x", cells)
        assert found.texts == expected.texts
        np.testing.assert_array_equal(found.values, expected.values)
    with pytest.raises(DataError, match="single values: column 'x' has list \\[1\\] at row 1"):
        reading.read(pd.DataFrame({"x": pd.Series(["a", [1]] * MAX_FEW_ROWS, dtype=object)}))


# --- one read for several -------------------------------------------------------------------------------------------


def mixed() -> pd.DataFrame:
    """A table of which preprocessors may think differently."""
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "a": rng.normal(size=N),
            "zip": rng.integers(0, 9, N),
            "gaps": np.where(rng.uniform(size=N) < 0.3, np.nan, rng.normal(size=N)),
            "kind": rng.choice(["flat", "house", "tent"], N),
            "day": pd.to_datetime("2020-01-01") + pd.to_timedelta(rng.integers(0, 700, N), unit="D"),
            "is": rng.uniform(size=N) < 0.5,
        }
    )


def preprocessors(frame: pd.DataFrame) -> list[TablePreprocessor]:
    """Three that drop, scale and read columns differently."""
    settings: list[dict[str, Any]] = [
        {"dtype": "float64"},
        {"scale": "realmlp", "kinds": {"zip": "category", "a": "drop"}},
        {"scale": "none", "kinds": {"kind": "drop", "gaps": "drop"}, "out_of_range": "clip"},
    ]
    return [TablePreprocessor(**each).fit(frame[:200]) for each in settings]


@pytest.mark.parametrize("rows", [1, MAX_FEW_ROWS, N])
def test_several_preprocessors_read_a_table_once(rows: int, monkeypatch: pytest.MonkeyPatch):
    frame = mixed()
    some = preprocessors(frame)
    part = frame[:rows]
    given_in = [
        part,
        {name: part[name].tolist() for name in part},
        pl.from_pandas(part),
        pa.Table.from_pandas(part),
    ]
    calls, read = [], reading.read

    def counted(*args: Any, **named: Any) -> Any:
        calls.append(1)
        return read(*args, **named)

    for X in given_in:
        expected = [each.transform(X) for each in some]
        calls.clear()
        with monkeypatch.context() as patched:
            patched.setattr(reading, "read", counted)
            found = transform_each(some, X)
        assert len(calls) == 1
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_array_equal(one, other)
            assert one.dtype == other.dtype


def test_several_preprocessors_of_arrays_and_of_other_columns():
    frame = mixed()
    values = frame[["a", "zip", "gaps"]].to_numpy()
    some = [
        TablePreprocessor(kinds=kinds).fit(values[:200]) for kinds in ({}, {"1": "category"}, {"0": "drop"})
    ]
    for X in (values, values[:1], values.tolist()):
        for one, each in zip(transform_each(some, X), some, strict=True):
            np.testing.assert_array_equal(one, each.transform(X))
    others = [TablePreprocessor().fit(frame[["a", "zip"]]), TablePreprocessor().fit(frame[["a", "gaps"]])]
    for one, each in zip(transform_each(others, frame), others, strict=True):
        np.testing.assert_array_equal(one, each.transform(frame))
    with pytest.raises(DataError, match="X lacks 'gaps'"):
        transform_each(preprocessors(frame), frame.drop(columns="gaps"))


# --- numbers that repeat --------------------------------------------------------------------------------------------

REPEATED = st.one_of(
    st.integers(-3, 40).map(float),
    st.integers(-300, 300).map(lambda k: k / 100),
    st.sampled_from([math.nan, 0.0, -0.0, 0.5, 1 / 3, 1e15, 2.0**53, 1.7e308, -1.7e308, 5e-324]),
)


@settings(max_examples=60)
@given(st.lists(REPEATED, min_size=1, max_size=8), st.integers(MAX_FEW_ROWS, 3 * MAX_FEW_ROWS))
def test_levels_of_numbers_are_the_numbers(some: list[float], n: int):
    x = np.resize(some, n)
    found = levels_of(x)
    if found is not None:
        numbers, codes = found
        assert (np.diff(numbers) > 0).all()
        again = np.append(numbers, math.nan)[codes]
        np.testing.assert_array_equal(again, x)
        np.testing.assert_array_equal(np.signbit(again[x == 0]), np.signbit(x[x == 0]))


def test_whole_numbers_and_ones_of_two_decimals_have_levels_and_others_none():
    x = np.resize(np.arange(-5.0, 12.0), 500)
    for values in (x, x / 100, np.where(x == 3, math.nan, x)):
        numbers, codes = levels_of(values)
        np.testing.assert_array_equal(numbers, np.unique(values[~np.isnan(values)]))
        assert codes.max() == len(numbers) - (not np.isnan(values).any())
    both_zeros = x.copy()
    both_zeros[np.argmax(x == 0)] = -0.0
    for values in (x / 3, x * 1e4, np.arange(500.0), np.full(500, math.nan), both_zeros):
        assert levels_of(values) is None


# --- blocks of rows -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scale", ["robust+rank+linear", "none"])
def test_blocks_are_the_whole_table(scale: str, monkeypatch: pytest.MonkeyPatch):
    frame = mixed()
    frame["cents"] = np.random.default_rng(5).integers(-300, 300, N) / 100
    some = [
        TablePreprocessor(scale=scale, max_one_hot=2, min_count=2).fit(frame[:200]),
        TablePreprocessor(scale=scale, out_of_range="clip").fit(frame[:100]),
    ]
    monkeypatch.setattr(preprocessor, "BLOCK", 70)
    for rows in (0, 1, 69, 139, 140, 209, N):
        blocks = list(transform_blocks(some, frame[:rows]))
        assert [len(block[0]) for block in blocks] == [70] * (len(blocks) - 1) + [len(blocks[-1][0])]
        assert len(blocks) == max(1, rows // 70)
        for k, each in enumerate(some):
            np.testing.assert_array_equal(
                np.concatenate([block[k] for block in blocks]), each.transform(frame[:rows])
            )


# --- the bits of many rows ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scale", ["standard+quantile", "realmlp", "none", "range"])
def test_many_rows_have_the_bits_of_few(scale: str):
    """Few rows are scaled all columns at once, many column by column."""
    frame = mixed()
    made = TablePreprocessor(scale=scale, max_one_hot=2, min_count=2, dtype="float64").fit(frame[:200])
    whole = made.transform(frame)
    for start in range(0, N, MAX_FEW_ROWS):
        np.testing.assert_array_equal(
            made.transform(frame[start : start + MAX_FEW_ROWS]), whole[start : start + MAX_FEW_ROWS]
        )
    assert made.transform(frame[:0]).shape == (0, whole.shape[1])
