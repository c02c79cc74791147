"""Steps drawn by chance beside a network of very few rows and two classes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from chainrule import Dense, MLPClassifier, MLPRegressor, Model, Network, ReLU, Scale, SigmoidCrossEntropy
from chainrule.data.samples import Samples
from chainrule.fitting import few_solved
from chainrule.fitting.few_solved import RandomSteps, Straight, all_but_far, drawn, solve_steps, straight
from chainrule.fitting.folds import leave_out
from chainrule.fitting.held import result_of
from chainrule.fitting.start import dense_slots
from chainrule.presets import few

RNG = np.random.default_rng(0)


def ring(n: int) -> tuple[pd.DataFrame, Any]:
    """Two classes of the same mean, one twice as far from it in each of six columns."""
    far = RNG.uniform(size=n) < 0.5
    X = pd.DataFrame(RNG.normal(size=(n, 6)) * np.where(far, 2, 1)[:, None]).rename(columns=str)
    return X, np.where(far, "far", "near")


def test_steps_by_hand():
    # x - 3 in units of a deviation of 4: 0 at 2 and below, 1/2 at 3, 1 at 4 and above
    one = RandomSteps(np.array([[0.5], [0.0]]), np.array([0.5 - 1.5]))
    assert one(np.array([[2.0, 9], [3, 9], [3.5, -9], [4, 0], [9, 0]])).ravel().tolist() == [
        0,
        0.5,
        0.75,
        1,
        1,
    ]


def test_steps_are_of_two_columns_that_differ_and_begin_at_rows():
    X = np.column_stack([RNG.normal(size=30), np.ones(30), 100 * RNG.normal(size=30), RNG.integers(0, 2, 30)])
    made = drawn(X, 200, np.random.RandomState(0))
    assert (made.weights[1] == 0).all() and ((made.weights != 0).sum(0) == 2).all()
    z = X @ made.weights
    np.testing.assert_allclose(z.std(0), few_solved.SLOPE)  # a deviation is two units of a step
    halves = np.isclose(made(X), 0.5, atol=1e-9).any(0)
    assert halves.all()  # each threshold is the value of a row
    own = made.weights[[0, 2]] * np.array([[1.0], [100.0]])
    assert (
        0.3 < np.abs(own[0][own.all(0)]).mean() / np.abs(own[1][own.all(0)]).mean() < 3
    )  # whatever the unit


def test_one_column_makes_steps_and_none_makes_nothing():
    one = drawn(np.arange(9.0)[:, None], 5, np.random.RandomState(1))
    assert (one.weights != 0).all()
    none = drawn(np.ones((9, 2)), 5, np.random.RandomState(1))
    assert not none.weights.any() and np.ptp(none(RNG.normal(size=(20, 2))), axis=0).max() == 0


def test_steps_are_not_of_what_goes_on_beyond_the_rows():
    at = Straight(np.array([1, 2, 3, 5]), np.arange(4))
    assert all_but_far(at, ("robust", "rank", "linear", "", "robust", "")).tolist() == [0, 2, 3]
    assert all_but_far(at, ("robust", "rank", "straight", "", "robust", "")).tolist() == [0, 2, 3]
    assert all_but_far(at, ()).tolist() == [0, 1, 2, 3]


def test_the_sum_of_steps_is_a_logistic_regression_of_the_rows_that_count():
    X, weight = RNG.normal(size=(40, 3)), np.repeat([1.0, 2.0, 0.0], [20, 10, 10])
    y = (X[:, :1] * X[:, 1:2] > 0).astype(float)
    rows, at = np.arange(2, 40), Straight(np.array([0, 2]), np.array([0, 1]))
    made = solve_steps(
        Samples(X, y, weight, 1), rows, at, (), SigmoidCrossEntropy(), 12, np.random.RandomState(0)
    )
    assert made.steps.weights.shape == (2, 12)
    own = rows[weight[rows] > 0]
    expected = LogisticRegression(C=1 / few_solved.PENALTY, tol=1e-10, max_iter=10_000)
    expected.fit(made.steps(X[own][:, at.inputs]), y[own, 0], weight[own] / weight[own].mean())
    np.testing.assert_allclose(
        made(X[:, at.inputs]).ravel(), expected.decision_function(made.steps(X[:, at.inputs])), atol=2e-2
    )
    other = X.copy()
    other[weight == 0] = 1e6  # rows of no weight are none
    again = solve_steps(
        Samples(other, y, weight, 1), rows, at, (), SigmoidCrossEntropy(), 12, np.random.RandomState(0)
    )
    np.testing.assert_array_equal(again.sum.coefficients, made.sum.coefficients)


def test_steps_are_hidden_units_of_a_network():
    net = Network(3, [Scale(), Dense(4 + 10 + 2), ReLU(), Dense(1)], SigmoidCrossEntropy())
    model, X = Model(net, seed=1), RNG.normal(size=(40, 3)).astype(np.float32)
    leave_out(model, 12)
    before, at = model.raw_outputs(X, "auto", 100), straight(net)
    samples = Samples(X, (X[:, :1] > 0).astype(float), np.ones(40), 1)
    part = solve_steps(samples, np.arange(30), at, (), SigmoidCrossEntropy(), 5, np.random.RandomState(0))
    part.add(model, slice(-12, -2), at)
    np.testing.assert_allclose(
        model.raw_outputs(X, "auto", 100), (before + part(X)) / 2, rtol=1e-4, atol=1e-4
    )


@pytest.mark.slow
def test_of_two_classes_of_very_few_rows_half_is_steps(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    X, y = ring(2_080)
    train, test = (X[:80], y[:80]), (X[80:], y[80:])
    net = MLPClassifier(preprocess="auto", random_state=0).fit(*train)
    assert dense_slots(net.members_[0].network, "b")[0].parameter.shape == (64 + 2 * 64 + 2,)
    loss = log_loss(test[1], net.predict_proba(test[0]))
    held = result_of(net).held_out
    assert held is not None and abs(log_loss(y[:80], held.predicted) - loss) < 0.1  # out of fold is honest
    net.save(tmp_path / "steps.safetensors")
    again = MLPClassifier.load(tmp_path / "steps.safetensors")
    np.testing.assert_array_equal(again.predict_proba(X), net.predict_proba(X))
    same = MLPClassifier(preprocess="auto", random_state=0).fit(*train)
    np.testing.assert_array_equal(same.predict_proba(X), net.predict_proba(X))
    monkeypatch.setattr(few, "STEPS", 0)
    without = MLPClassifier(preprocess="auto", random_state=0).fit(*train)
    assert loss < log_loss(test[1], without.predict_proba(test[0])) - 0.01


@pytest.mark.parametrize(("classes", "rows", "columns"), [(3, 60, 3), (2, 101, 3), (2, 60, 101), (0, 60, 3)])
def test_others_have_no_steps(classes: int, rows: int, columns: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(few_solved, "solve_steps", None)
    X = pd.DataFrame(RNG.normal(size=(rows, columns))).rename(columns=str)
    if classes:
        MLPClassifier(preprocess="auto", random_state=0, max_iter=2).fit(X, np.arange(rows) % classes)
    else:
        MLPRegressor(preprocess="auto", random_state=0, max_iter=2).fit(X, X["0"])


def test_members_whose_rows_all_have_no_weight():
    X, y = ring(40)
    counted = (np.arange(40) < 2).astype(float)
    y[:2] = ["far", "near"]
    net = MLPClassifier(preprocess="auto", random_state=0, max_iter=2).fit(X, y, sample_weight=counted)
    assert np.isfinite(net.predict_proba(X)).all()


@pytest.mark.parametrize("told", ["groups", "time"])
def test_rows_that_belong_together_have_steps_too(told: str, monkeypatch: pytest.MonkeyPatch):
    X, y = ring(80)
    each = np.repeat(np.arange(20), 4)
    solve, seen = few_solved.solve_steps, list[Any]()

    def counted(samples: Any, rows: Any, *given: Any) -> Any:
        seen.append(rows)
        return solve(samples, rows, *given)

    monkeypatch.setattr(few_solved, "solve_steps", counted)
    net = MLPClassifier(preprocess="auto", random_state=0, max_iter=3).fit(X, y, **{told: each})
    assert len(seen) == len(net.members_)  # without a limit none is tried before
    for rows in seen:
        left = np.setdiff1d(np.arange(80), rows)
        assert len(left) and not np.isin(each[left], each[rows]).any()  # of other groups, or another stretch
    assert np.isfinite(net.predict_proba(X)).all()


def test_without_time_for_the_parts_there_are_neither_steps_nor_a_line(monkeypatch: pytest.MonkeyPatch):
    X, y = ring(60)
    monkeypatch.setattr(few_solved, "is_in_time", lambda *given: False)
    net = MLPClassifier(preprocess="auto", random_state=0, max_iter=3).fit(X, y)
    W = dense_slots(net.members_[0].network, "W")[0]
    own = net.members_[0].theta[W.start : W.stop].reshape(W.parameter.shape)
    assert own[:, :64].any() and not own[:, 64:].any()
