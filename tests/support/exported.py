"""What formats of export are tried on: random networks with samples, a table with columns of every type, later rows."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pandas as pd

from chainrule import Model
from chainrule.export.columns import (
    Bounded,
    CalendarPart,
    CellNumbers,
    FilledMissing,
    GraphInput,
    KeptRange,
    LevelCodes,
    MissingMarks,
    OneHot,
    RankShares,
    TableRows,
    WholeCodes,
)
from chainrule.export.graph import ComputationGraph, GraphBuilder
from chainrule.export.numbers import JoinedColumns
from random_networks import draw, untrained


def moved(number: int) -> tuple[Model, np.ndarray]:
    """A random network whose statistics and edges are not the initial ones, and samples of it, in float64."""
    case = draw(number)
    model = untrained(case)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(case.X, case.y, **(case.how | {"epochs": 1}))
    X = case.X.toarray() if hasattr(case.X, "toarray") else np.asarray(case.X)
    return model, X.astype(np.float64)


def difference(found: np.ndarray, expected: np.ndarray) -> float:
    """The largest |x - y| / (1 + |y|)."""
    expected = np.asarray(expected, np.float64).reshape(found.shape)
    return float((np.abs(found - expected) / (1 + np.abs(expected))).max(initial=0.0))


def table(n: int = 200, seed: int = 0) -> tuple[pd.DataFrame, np.ndarray]:
    """Numbers with gaps and ties, a duration, dates, categories with rare ones, booleans, text that says numbers."""
    rng = np.random.default_rng(seed)
    X = pd.DataFrame(
        {
            "age": np.where(rng.random(n) < 0.2, np.nan, rng.normal(40, 12, n).round()),
            "income": rng.lognormal(10, 1, n),
            "wait": pd.to_timedelta(rng.integers(1, 900, n), unit="s"),
            "seen": pd.Timestamp("2021-03-04") + pd.to_timedelta(rng.integers(0, 900 * 24, n), unit="h"),
            "city": rng.choice(["Graz", "Wien", "Linz", None, "Köln"], n),
            "street": [f"s{k}" for k in rng.integers(0, 30, n)],
            "member": rng.choice([True, False], n),
            "rare": rng.choice(["yes", "no"], n),
            "paid": [f"{value:,.2f} €" for value in rng.lognormal(6, 2, n)],
        }
    )
    X.loc[::7, "seen"] = pd.NaT
    y = (X["age"].fillna(30) / 10 + X["member"] * 2 + rng.normal(size=n)).to_numpy()
    return X, y


def later(X: pd.DataFrame) -> pd.DataFrame:
    """Rows with unknown levels, missing values, dates and numbers outside of those of training."""
    made = X.iloc[:20].copy().reset_index(drop=True)
    made["city"] = ["Bern", None, "Graz", ""] * 5
    made["income"] = [math.inf, -1e300, 0.0, math.nan, 1e12] * 4
    made["seen"] = pd.to_datetime(
        ["1850-02-28", "2100-12-31T23:59:59", None, "2024-02-29"] * 5, format="ISO8601"
    )
    made["paid"] = ["1,200 €", None, "7", "0.5"] * 5
    return made[[*X.columns[::-1]]]


def every_preparation() -> tuple[ComputationGraph, dict[str, np.ndarray]]:
    """A graph of all operations that prepare columns, and rows at the edges of each.

    They are texts that are known, others and missing ones; the first and the last second of years, and the middle of
    the day that a leap year adds, of both eras; numbers at, between and beyond quantiles with ties, and at the ends of
    ranges and cells.
    """
    build = GraphBuilder()
    text, when, x = (
        build.add(GraphInput(name, holds))
        for name, holds in (("text", "category"), ("when", "date"), ("x", "number"))
    )
    code, whole = build.add(LevelCodes(LEVELS), text), build.add(WholeCodes(4), x)
    pair = build.add(JoinedColumns(), x, x)
    low, high = np.array([-2.0, 0.0]), np.array([3.0, 2.5])
    made = [
        build.add(TableRows(np.array([[1.0, -1], [2, 0.5], [3, 7], [4, -8], [5, 9], [6, 11]])), code),
        build.add(OneHot(6, 0.5), code),
        build.add(OneHot(3), whole),
        *(build.add(CalendarPart(part, 86400.0 * 1000), when) for part in PARTS_OF_DATES),
        build.add(KeptRange(low, high), pair),
        build.add(Bounded(low, high), pair),
        build.add(MissingMarks(), pair),
        build.add(FilledMissing(np.array([4.0, -5.0])), pair),
        build.add(RankShares(np.array([[-2.0, -2, 0, 0, 0, 1, 3, 3], [0, 1, 1, 2, 2.5, 2.5, 2.5, 9]])), pair),
        build.add(CellNumbers(np.array([-2.0, 0.5, 3.0])), x),
    ]
    known = build.add(FilledMissing(np.full(27, -99.0)), build.add(JoinedColumns(), *made))
    years = np.array([century + k for century in range(-900, 2500, 100) for k in (-1, 0, 1, 4, 50)])
    begun = (years - 1970).astype("M8[Y]").astype("M8[s]").astype(np.float64)
    dates = np.concatenate([begun, begun - 1, begun + 86400.0 * 59.5, [np.nan]])
    n = len(dates)
    numbers = np.array([-2.0, -2.1, -1, 0, 0.25, 0.5, 1, 1.5, 2, 2.5, 3, 4, 9, 10, np.nan])
    texts = np.array([*LEVELS, None, "other", "aa", "ü", "c"], object)
    rows = {"text": np.resize(texts, n), "when": dates, "x": np.resize(numbers, n)}
    return build.done({"predictions": known}, "regression"), rows


LEVELS = ("b", "a", "ab", "ä")
PARTS_OF_DATES = ("days", "year", "year_turn", "weekday_turn", "day_turn")
