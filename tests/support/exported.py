"""What formats of export are tried on: random networks with samples, a table with columns of every type, later rows."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pandas as pd

from chainrule import Model
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
