"""Slopes of answers by the columns of a table: by hand, central differences, and differences where there is none."""

from __future__ import annotations

import json
import math
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from chainrule import MLPClassifier, MLPRegressor
from chainrule.errors import ConfigError, ShapeError
from chainrule.estimators.graphs import graph_inputs


@cache
def houses() -> tuple[pd.DataFrame, np.ndarray]:
    """Houses whose price is known: 3,000 a square meter, 110 without a size, 40,000 for a house, 50 for a day."""
    rng, n = np.random.default_rng(0), 600
    X = pd.DataFrame(
        {
            "size": rng.uniform(20, 200, n).round(1),
            "kind": rng.choice(["flat", "flat", "house"], n),
            "sold": pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 1500, n), unit="D"),
        }
    )
    X.loc[::9, "size"] = None
    price = 3000 * X["size"].fillna(110) + 40_000 * (X.kind == "house") + 50 * (X.sold - X.sold.min()).dt.days
    return X, price.to_numpy(float)


@cache
def fitted(kind: str, members: int = 1) -> Any:
    X, price = houses()
    settings: dict[str, Any] = {"preprocess": "auto", "random_state": 0, "dtype": "float64"}
    if members > 1:
        settings |= {"n_members": members, "max_iter": 5}
    if kind == "number":
        return MLPRegressor(**settings).fit(X, price)
    edges = [300_000] if kind == "two" else [200_000, 400_000]
    return MLPClassifier(**settings).fit(X, np.array(["cheap", "dear", "most"])[np.digitize(price, edges)])


def between(X: pd.DataFrame) -> pd.DataFrame:
    """The rows with numbers between those of training, at which ranks have kinks."""
    return X.assign(size=X["size"] + 0.037, sold=X.sold + pd.Timedelta(hours=7))


def answers(net: Any, X: pd.DataFrame) -> np.ndarray:
    """Numbers (n, 1) or probabilities (n, classes)."""
    return net.predict_proba(X) if hasattr(net, "predict_proba") else net.predict(X)[:, None]


def difference(net: Any, X: pd.DataFrame, column: str, h: Any) -> np.ndarray:
    up, down = X.copy(), X.copy()
    up[column], down[column] = X[column] + h, X[column] - h
    return answers(net, up) - answers(net, down)


def nearest(found: np.ndarray, differences: list[np.ndarray]) -> np.ndarray:
    """Of several central differences of a row the nearest: where a large step crosses a kink, a small one does not."""
    all_of_them = np.stack(differences)
    return np.take_along_axis(all_of_them, np.abs(all_of_them - found).argmin(0)[None], 0)[0]


def test_the_slopes_of_a_function_that_is_known():
    """Of a linear function they are its factors, in the units of the table and the target, on average over the rows.

    How near depends on what the network has learned; ranks, which it reads too, make single rows uneven.
    """
    rng = np.random.default_rng(1)
    X = pd.DataFrame({"a": rng.normal(100, 20, 200), "b": rng.normal(0, 0.01, 200)})
    net = MLPRegressor(
        hidden_layer_sizes=(), preprocess="auto", random_state=0, max_iter=300, dtype="float64"
    )
    net.fit(X, 2 * X.a - 500 * X.b)
    found = net.slopes(X)
    assert found.names == ("a", "b") and found.is_slope.all()
    for column, slope in (("a", 2), ("b", -500)):
        assert_allclose(found.values[:, found.names.index(column)].mean(), slope, rtol=0.1)


@pytest.mark.parametrize(
    "kind", [*(pytest.param(kind, marks=pytest.mark.slow) for kind in ("number", "three")), "two"]
)
def test_slopes_are_central_differences_and_the_rest_differences(kind: str):
    net, X = fitted(kind), between(houses()[0].head(30))
    found, all_answers = net.slopes(X), answers(net, X)
    chosen = {"number": 0, "two": 1}.get(kind, all_answers.argmax(1))
    at = np.arange(30), np.broadcast_to(chosen, 30)
    assert_allclose(found.answers, all_answers[at], rtol=1e-10)
    labels = {"number": (), "two": ("dear",) * 30}.get(kind)
    assert found.labels == (tuple(net.classes_[at[1]]) if labels is None else labels)
    scale = np.abs(found.values).max(0)
    there = X["size"].notna().to_numpy()
    assert_array_equal(found.is_slope, np.stack([there, np.zeros(30, bool), np.ones(30, bool)], 1))

    # of a number, by its unit; of a date, by a day
    of_size = [difference(net, X, "size", h)[at] / (2 * h) for h in (1e-3, 1e-4, 1e-5)]
    expected = nearest(found.values[:, 0], of_size)
    assert_allclose(found.values[there, 0], expected[there], rtol=1e-5, atol=1e-6 * scale[0])
    seconds = [(seconds, pd.Timedelta(seconds=seconds)) for seconds in (3600, 60, 1)]
    of_date = [difference(net, X, "sold", h)[at] * 86_400 / (2 * count) for count, h in seconds]
    assert_allclose(found.values[:, 2], nearest(found.values[:, 2], of_date), rtol=1e-4, atol=1e-4 * scale[2])

    # what has no derivative, beside the typical row
    typical = {column.name: column for column in found.reference}
    usual = X.assign(kind=typical["kind"].texts[int(typical["kind"].values[0])])
    assert_allclose(
        found.values[:, 1], (all_answers - answers(net, usual))[at], rtol=1e-9, atol=1e-9 * scale[1]
    )
    usual = X.assign(size=float(typical["size"].values[0]))
    without = (all_answers - answers(net, usual))[at]
    assert_allclose(found.values[~there, 0], without[~there], rtol=1e-9)


def test_a_price_is_known():
    found = fitted("number").slopes(houses()[0])
    assert_allclose(found.values[found.is_slope[:, 0], 0].mean(), 3000, rtol=0.15)
    assert_allclose(found.values[:, 2].mean(), 50, rtol=0.3)
    houses_alone = (houses()[0].kind == "house").to_numpy()
    assert_allclose(np.median(found.values[houses_alone, 1]), 40_000, rtol=0.1)
    assert (found.values[~houses_alone, 1] == 0).all()  # as in the typical row


@pytest.mark.slow
def test_a_target_chooses_the_class():
    net, X = fitted("three"), houses()[0].head(5)
    parts = [net.slopes(X, target=label).values for label in net.classes_]
    assert_allclose(sum(parts), 0, atol=1e-12)  # probabilities add up to 1
    assert_allclose(net.slopes(X, target="cheap").answers, net.predict_proba(X)[:, 0], rtol=1e-10)
    with pytest.raises(ConfigError, match="target is 'none'"):
        net.slopes(X, target="none")


def test_the_standard_error_of_members():
    net, X = fitted("number", 3), houses()[0].head(20)
    found = net.slopes(X)
    assert found.error is not None and found.error.shape == found.values.shape
    assert (found.error[:, 0] > 0).all() and not found.error[found.values == 0].any()
    assert "±" in found.text(1)


def test_several_passes_over_the_rows(monkeypatch: pytest.MonkeyPatch):
    net, X = fitted("three"), houses()[0].head(20)
    whole = net.slopes(X)
    monkeypatch.setattr("chainrule.explain.slopes.ROWS_AT_ONCE", 7)
    parts = net.slopes(X)
    assert_allclose(parts.values, whole.values, rtol=1e-9, atol=1e-12)
    assert parts.labels == whole.labels


@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
def test_a_matrix():
    rng = np.random.default_rng(2)
    X = rng.normal(size=(100, 3))
    net = MLPRegressor(
        hidden_layer_sizes=(5,), activation="tanh", max_iter=5, random_state=0, dtype="float64"
    ).fit(X, X @ [1, 2, 3])
    found, h = net.slopes(X[:4]), 1e-5
    expected = [(net.predict(X[:4] + h * e) - net.predict(X[:4] - h * e)) / (2 * h) for e in np.eye(3)]
    assert_allclose(found.values, np.stack(expected, 1), rtol=1e-7, atol=1e-9)
    assert found.is_slope.all()


def test_text_and_data():
    net, X = fitted("two"), houses()[0]
    found = net.slopes(X.head(3))
    text = found.text(1)
    assert "The probability of dear is" in text and "in points" in text and "a day" in text
    assert "missing, not" in found.text(0)
    assert str(found) == found.text() and repr(found) == "<Slopes of 3 answers by 3 columns>"
    assert "<table" in found._repr_html_()
    record = found.records(0)[0]
    assert record["column"] == "size" and record["cell"] is None and not record["is_slope"]
    data = json.loads(json.dumps(found.to_data(n=2)))
    assert data["left_out"] == {"rows": 1} and len(data["rows"]) == 2
    assert math.isclose(data["rows"][1][2]["value"], found.values[1, 2])
    for wrong in (3, -1, True, "a"):
        with pytest.raises(ConfigError, match="row must be the index of a row, from 0 to 2"):
            found.text(wrong)
    with pytest.raises(ShapeError, match="X has no rows"):
        net.slopes(X.head(0))
    assert graph_inputs(net, X.head(2)).keys() == {"size", "kind", "sold"}
