"""The columns of wide tables that networks learn from: their scores, who may choose them, and the network of all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import f_oneway, linregress
from sklearn.metrics import log_loss

from chainrule import (
    Dense,
    Embedding,
    MeanSquaredError,
    MLPClassifier,
    MLPRegressor,
    Model,
    Network,
    PiecewiseLinearEmbedding,
    ReLU,
    Scale,
    Take,
)
from chainrule.data.samples import Samples
from chainrule.fitting import narrow
from chainrule.fitting.dealing import Dealt
from chainrule.fitting.held import result_of
from chainrule.training.fit import measure


def dealt(n: int) -> Dealt:
    halves = np.array_split(np.arange(n), 2)
    return Dealt(halves[::-1], np.arange(n), np.repeat([[0, 1]], n // 2, 1))


def normal_of(F: float, b: float, d: float) -> float:
    return ((1 - 2 / 9 / d) * F ** (1 / 3) - (1 - 2 / 9 / b)) / (2 / 9 / d * F ** (2 / 3) + 2 / 9 / b) ** 0.5


def test_scores_are_those_of_scipys_tests_on_the_rows_of_each_member():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 6)).astype(np.float32)
    X[:, 5] = 1.0
    y = np.stack([X[:, 0] + rng.normal(size=200), X[:, 1] ** 2 + 0.3 * rng.normal(size=200)], 1)
    own = np.repeat(np.eye(2), 100, 1)
    found = narrow.normal_scores(X, np.stack([y, y]), own)
    edges = np.quantile(X, np.arange(1, 8) / 8, axis=0)
    for member in range(2):
        rows = own[member] > 0
        for column in range(5):
            x, scores = X[rows, column].astype(float), list[float]()
            bins = (x[:, None] > edges[:, column]).sum(1)
            for output in y[rows].T:
                r2 = linregress(x, output).rvalue ** 2
                scores.append(normal_of(98 * r2 / (1 - r2), 1, 98))
                F = f_oneway(*(output[bins == each] for each in range(8))).statistic
                scores.append(normal_of(F, 7, 92))
            assert found[member, column] == pytest.approx(max(scores), abs=1e-3)
    assert (found[:, 5] == -np.inf).all()
    assert found[:, :2].min() > 4 > found[:, 2:5].max()


def test_rows_that_a_member_leaves_out_choose_nothing_for_it():
    rng = np.random.default_rng(1)
    X, y = rng.normal(size=(80, 300)).astype(np.float32), rng.normal(size=(80, 1))
    rows = dealt(80)
    first = narrow.Narrow.of(Samples(X, y, np.ones(80), 1), rows, (7,), 20)
    y = y.copy()
    y[rows.learned[1]] += 5 * X[rows.learned[1], :1]  # known to the second member alone
    other = narrow.Narrow.of(Samples(X, y, np.ones(80), 1), rows, (7,), 20)
    assert (first.strong[0] == other.strong[0]).all()
    assert other.strong[1, 0] and not first.strong[1, 0]
    assert (first.strong.sum(1) == narrow.LEAST).all()  # those of noise
    assert not first.strong[:, 7].any() and 7 in first.inputs  # which is a code


def test_a_network_of_some_inputs_is_the_same_within_one_of_all():
    front = [Embedding([(1, 4, 3)]), Take((*range(7), 0, 3)), PiecewiseLinearEmbedding(2, 4, columns=(7, 8))]
    network = Network(5, [*front, Scale(), Dense(6), ReLU(), Dense(1)], MeanSquaredError())
    rng = np.random.default_rng(2)
    X = rng.normal(size=(40, 5)).astype(np.float32)
    X[:, 1] = rng.integers(0, 4, 40)
    inputs = np.array([0, 1, 4])  # the number 3 of the curves is input 4
    some = Model(narrow.narrowed(network, inputs), seed=1)
    samples = Samples(X[:, inputs], X[:, :1], np.ones(40), 1)
    some.states = measure(some.network, some.states, samples, some.dtype)
    some.theta[:] = rng.normal(size=some.theta.size)
    whole = Model(network, seed=3)
    narrow.put(whole, some, inputs)
    np.testing.assert_allclose(whole.outputs(X), some.outputs(X[:, inputs]), rtol=1e-5, atol=1e-6)
    X[:, 2:4] = 9.0  # which it does not know
    np.testing.assert_allclose(whole.outputs(X), some.outputs(X[:, inputs]), rtol=1e-5, atol=1e-6)
    narrow.mute(some, np.array([True, False, False]))
    before = some.outputs(X[:, inputs])
    X[:, 0] = -4.0
    np.testing.assert_array_equal(some.outputs(X[:, inputs]), before)


def wide(n: int, columns: int = 900) -> tuple[pd.DataFrame, np.ndarray[Any, Any]]:
    X = np.random.default_rng(3).normal(size=(n, columns))
    frame = pd.DataFrame(X, columns=[f"c{k}" for k in range(columns)])
    frame["kind"] = np.random.default_rng(4).choice(["a", "b", "c"], n)
    return frame, X[:, 0] + (X[:, 1] > 0) + 2.0 * (frame["kind"] == "b")


def test_a_wide_table_is_learned_by_its_few_columns(tmp_path: Path):
    X, z = wide(700)
    y = z + 0.2 * np.random.default_rng(5).normal(size=700)
    net = MLPRegressor(preprocess="auto", random_state=0).fit(X[:200], y[:200])
    assert len(net.members_) == 8
    assert net.score(X[200:], y[200:]) > 0.9
    held = result_of(net).held_out
    assert held is not None and len(held.rows) == 200
    assert np.abs(held.predicted[:, 0] - y[:200]).mean() == pytest.approx(
        np.abs(net.predict(X[200:]) - y[200:]).mean(), rel=0.4
    )
    low, high = net.predict_interval(X[200:], coverage=0.8).T
    assert 0.7 < np.mean((low <= y[200:]) & (y[200:] <= high)) < 0.95
    net.save(tmp_path / "wide.safetensors")
    again = MLPRegressor.load(tmp_path / "wide.safetensors")
    np.testing.assert_array_equal(again.predict(X), net.predict(X))
    bound = net.bind()
    np.testing.assert_array_equal([bound.predict(X.iloc[k].to_dict()) for k in range(9)], net.predict(X[:9]))
    more = net.set_params(warm_start=True, max_iter=2).fit(X[:200], y[:200])
    assert more.score(X[200:], y[200:]) > 0.7


@pytest.mark.parametrize("classes", [2, 3])
def test_noise_of_a_wide_table_is_not_learned(classes: int):
    X, _ = wide(450)
    y = np.random.default_rng(6).integers(0, classes, 450).astype(str)
    net = MLPClassifier(preprocess="auto", random_state=0).fit(X[:150], y[:150])
    assert log_loss(y[150:], net.predict_proba(X[150:])) < 1.05 * np.log(classes)


def test_the_numbers_of_a_wide_row_are_read_as_those_of_a_table():
    X, z = wide(60)
    X.loc[3, "c4"] = np.nan
    net = MLPRegressor(preprocess="auto", random_state=0, max_iter=2).fit(X, z)
    bound, row = net.bind(), X.iloc[5].to_dict()
    for cell, as_table in (
        (None, np.nan),
        (np.inf, np.nan),
        (10**400, np.nan),
        (np.float32(0.5), 0.5),
        (3, 3.0),
        ("0.25", 0.25),
    ):
        expected = net.predict(pd.DataFrame([row | {"c0": as_table}]))[0]
        assert bound.predict(row | {"c0": cell}) == expected
    with pytest.raises(Exception, match="c0"):
        bound.predict(row | {"c0": "tall"})
