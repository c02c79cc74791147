"""The derivatives and bounds of whole graphs: of random networks, and of estimators on a table of all kinds."""

from __future__ import annotations

import numpy as np
import pytest

from chainrule import Dense, MeanSquaredError, MLPClassifier, MLPRegressor, Model, Network, Tanh
from chainrule.graph.graph import ComputationGraph
from exported import moved, table


def differences(graph: ComputationGraph, rows: dict[str, np.ndarray], name: str, h: np.ndarray) -> np.ndarray:
    """(f(x + h) - f(x - h)) / 2 h of a column of numbers: (n, outputs)."""
    sides = [graph.run(rows | {name: rows[name] + sign * h}) for sign in (1, -1)]
    up, down = (side.get("predictions", side.get("probabilities")) for side in sides)
    return (up - down) / (2 * h[:, None])


@pytest.mark.parametrize("number", range(12))
def test_networks_have_the_derivatives_of_finite_differences(number: int):
    model, X = moved(number)
    graph, X = model.graph(), X[:15]
    found = graph.jacobian(X)["X"]
    h = 1e-6
    for j in range(X.shape[1]):
        if (
            any(j in getattr(link.layer, "columns", ()) for link in model.network.links[:1])
            and (X[:, j] % 1 == 0).all()
        ):
            continue  # codes
        step = h * np.eye(X.shape[1])[j]
        up, here, down = (next(iter(graph.run(X + s * step).values())) for s in (1, 0, -1))
        smooth = np.abs(up + down - 2 * here).max(1) <= 1e-2 * np.abs(up - down).max(1) + 1e-9
        np.testing.assert_allclose(
            found[smooth][:, :, j], ((up - down) / (2 * h))[smooth], rtol=1e-4, atol=1e-4
        )


@pytest.mark.parametrize("kind", [MLPRegressor, MLPClassifier])
def test_estimators_have_the_derivatives_of_finite_differences(kind: type):
    X, y = table(300)
    y = y if kind is MLPRegressor else np.where(y > np.median(y), "high", "low")
    estimator = kind(preprocess="auto", max_iter=8, random_state=0).fit(X, y)
    graph = estimator.graph()
    rows = {name: values[:60] for name, values in inputs_of(estimator, X).items()}
    rng = np.random.default_rng(0)
    for name, values in rows.items():
        if values.dtype != object:  # off the quantiles, where there is no derivative
            rows[name] = values + 0.01 * np.nanstd(values) * rng.normal(size=60)
    found = graph.jacobian(rows)
    numbers = [each.label for each in graph.inputs if each.holds in ("number", "date", "duration")]
    assert sorted(found) == sorted(numbers) and len(numbers) > 4
    for name in numbers:
        spread = np.nanstd(rows[name])
        slopes = [differences(graph, rows, name, np.full(60, spread * h)) for h in (1e-5, 1e-6)]
        # not where a quantile, a kink or a day begins between both sides
        smooth = (np.abs(slopes[0] - slopes[1]) <= 1e-3 * np.abs(slopes[1]) + 1e-9 / spread).all(1)
        smooth &= ~np.isnan(rows[name])
        assert smooth.mean() > 0.5, name
        np.testing.assert_allclose(
            found[name][smooth][:, :, 0], slopes[1][smooth], rtol=1e-2, atol=1e-5 / spread, err_msg=name
        )
        assert (found[name][np.isnan(rows[name])] == 0).all()


def inputs_of(estimator: MLPRegressor | MLPClassifier, X: object) -> dict[str, np.ndarray]:
    from chainrule.estimators.graphs import graph_inputs

    return dict(graph_inputs(estimator, X))


@pytest.mark.parametrize("number", range(12))
def test_no_input_of_a_box_leaves_the_bounds_of_a_network(number: int):
    model, X = moved(number)
    graph, low = model.graph(), X[:6]
    codes = np.array([(column % 1 == 0).all() for column in X.T])
    for size in (0.0, 1e-3, 0.1, 3.0):
        high = low + np.where(codes, 0.0, size * X.std(0))
        boxes = graph.bounds(low, high)
        rng = np.random.default_rng(number)
        for _ in range(40):
            for name, out in graph.run(np.clip(rng.uniform(low, high), low, high)).items():
                assert (boxes[name].low <= out).all() and (out <= boxes[name].high).all(), (name, size)
        if not size:
            shown = next(iter(boxes.values()))
            np.testing.assert_allclose(shown.low, shown.high, atol=1e-9 * (1 + np.abs(shown.high).max()))


def test_no_row_of_a_box_leaves_the_bounds_of_an_estimator():
    """Ages and incomes of a range, dates of some weeks, for each row's own texts and missing values."""
    X, y = table(300)
    estimator = MLPClassifier(preprocess="auto", max_iter=8, random_state=0)
    estimator.fit(X, np.where(y > np.median(y), "high", "low"))
    graph = estimator.graph()
    rows = {name: values[:40] for name, values in inputs_of(estimator, X).items()}
    widths = {
        each.label: {"number": 5.0, "date": 4e6, "duration": 60.0}.get(each.holds) for each in graph.inputs
    }
    high = {name: own if widths[name] is None else own + widths[name] for name, own in rows.items()}
    boxes, rng = graph.bounds(rows, high), np.random.default_rng(0)
    for share in [0.0, 1.0, *rng.uniform(size=30)]:
        some = {
            name: own if widths[name] is None else own + share * widths[name] for name, own in rows.items()
        }
        for name, out in graph.run(some).items():
            assert (boxes[name].low <= out).all() and (out <= boxes[name].high).all(), name
    width = boxes["probabilities"].high - boxes["probabilities"].low
    assert 0 < np.median(width) < 1


def test_a_derivative_by_hand():
    """2 tanh(3 x1 - x2): 6 and -2 at (1, 3), since tanh' (0) = 1."""
    model = Model(Network(2, [Dense(1), Tanh(), Dense(1)], loss=MeanSquaredError()), dtype="float64")
    model.theta[:] = [3.0, -1.0, 0.0, 2.0, 0.0]
    np.testing.assert_allclose(model.graph().jacobian([[1.0, 3.0]])["X"], [[[6.0, -2.0]]])
