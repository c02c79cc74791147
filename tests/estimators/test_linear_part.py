"""The linear part of networks of few rows: what reaches a layer as it is, the regression, its weight, the units."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import Ridge

from chainrule import Dense, MLPRegressor, Model, Network, ReLU
from chainrule.data.samples import Samples
from chainrule.estimators.fit.dealing import Dealt
from chainrule.estimators.fit.linear_part import (
    LinearPart,
    add,
    is_in_time,
    leave_out,
    solved,
    straight,
    weight_of,
)
from chainrule.estimators.held import result_of
from chainrule.formulas.layers import Embedding, PiecewiseLinearEmbedding, Scale
from chainrule.formulas.losses import MeanSquaredError
from chainrule.training.fit import measure

RNG = np.random.default_rng(0)


def network(outputs: int = 1) -> Network:
    """Inputs 0 to 3: 1 a code; 0 a number with a curve; 2 and 3 as they are."""
    front = [Embedding([(1, 5, 3)]), PiecewiseLinearEmbedding(2, 4, columns=(0,)), Scale()]
    return Network(4, [*front, Dense(6 + 2 * outputs), ReLU(), Dense(outputs)], MeanSquaredError())


def rows(n: int = 40) -> Any:
    return np.column_stack([RNG.normal(size=n), RNG.integers(0, 5, n), RNG.normal(size=(n, 2))]).astype(
        np.float32
    )


def test_inputs_that_a_layer_replaces_are_not_straight():
    found = straight(network())
    assert found.inputs.tolist() == [2, 3]  # behind the two numbers of the curve of input 0
    assert found.places.tolist() == [2, 3]
    assert straight(Network(3, [Dense(4), ReLU(), Dense(1)], MeanSquaredError())).inputs.tolist() == [0, 1, 2]


@pytest.mark.parametrize("outputs", [1, 2])
@pytest.mark.parametrize("weight", [0.25, 1.0])
def test_a_part_is_added_to_what_a_network_computes(outputs: int, weight: float):
    net, X = network(outputs), rows()
    model = Model(net, seed=1)
    samples = Samples(X, np.zeros((len(X), outputs)), np.ones(len(X)), outputs)
    model.states = measure(net, model.states, samples, np.float32)
    scale = next(slot for slot in net.slots if isinstance(slot.link.layer, Scale))
    model.theta[scale.start : scale.stop] = np.linspace(-2, 0, scale.stop - scale.start)  # one factor is 0
    leave_out(model, outputs)
    before = model.raw_outputs(X, "auto", 100)
    part, at = LinearPart(RNG.normal(size=(2, outputs)), RNG.normal(size=outputs)), straight(net)
    add(model, part, weight, at)
    expected = (1 - weight) * before + weight * part(X[:, at.inputs])
    np.testing.assert_allclose(model.raw_outputs(X, "auto", 100), expected, rtol=1e-4, atol=1e-4)


def test_the_part_is_a_ridge_regression_of_the_rows():
    X, y, weight = rows(), RNG.normal(size=(40, 1)), RNG.uniform(0.5, 2, 40)
    own = np.arange(0, 40, 2)
    found = solved(Samples(X, y, weight, 1), own, np.array([2, 3]), 10.0)
    expected = Ridge(10.0).fit(X[own][:, 2:], y[own, 0], sample_weight=weight[own])
    np.testing.assert_allclose(found(X[:, 2:])[:, 0], expected.predict(X[:, 2:]), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("seconds", "fits", "spent"),
    [(None, True, 0), (66.0, True, 1.25), (65.0, False, 1.25), (15.0, False, 0.25), (0.0, False, 0)],
)
def test_parts_are_not_begun_that_cannot_end_in_time(
    monkeypatch: pytest.MonkeyPatch, seconds: Any, fits: bool, spent: float
):
    """A part takes a second, of a quarter of its rows a quarter; those of 32 members and two penalties take 64."""
    clock = [100.0]

    def one(samples: Samples, own: Any, *_: Any) -> None:
        clock[0] += len(own) / 36

    monkeypatch.setattr("chainrule.estimators.fit.linear_part.time.monotonic", lambda: clock[0])
    monkeypatch.setattr("chainrule.estimators.fit.linear_part.solved", one)
    some = Samples(rows(), RNG.normal(size=(40, 1)), np.ones(40), 1)
    own = Dealt([np.arange(36)] * 32, np.arange(40), np.zeros((2, 40), np.int64))
    end = None if seconds is None else 100.0 + seconds
    assert is_in_time(some, own, straight(network()), end) is fits
    assert clock[0] == 100 + spent


def test_the_weight_is_its_mean_under_the_likelihood():
    # of two rows the likelihood of a weight is 1 / mse: with mse 1 at 0 and 1, and 4 elsewhere, the mean is 1/2
    assert weight_of(lambda weight: 1.0 if weight in (0.0, 1.0) else 4.0, 2) == pytest.approx(0.5)
    certain = 1 + 20 / 4  # (0 * 1 + 19 weights of the mean 1/2, and 1, at a quarter) over their sum
    assert weight_of(lambda weight: 1.0 if weight == 0 else 4.0, 2) == pytest.approx(10.5 / 4 / certain)
    assert weight_of(lambda weight: 1.0 + weight, 1_000) == 0.0  # below the least weight
    assert weight_of(lambda weight: 2.0 - weight, 1_000) > 0.95
    assert weight_of(lambda weight: 1.0 - weight, 10) == 1.0  # without any error
    assert weight_of(lambda weight: float("nan"), 10) == 0.0


def linear_table(n: int) -> tuple[pd.DataFrame, Any]:
    X = pd.DataFrame(RNG.normal(size=(n, 4))).rename(columns=str)
    return X, 3 + X["0"] - 2 * X["1"] + 0.5 * X["2"] + 0.1 * RNG.normal(size=n)


def test_what_is_linear_is_learned_from_few_rows(tmp_path: Path):
    X, y = linear_table(540)
    net = MLPRegressor(preprocess="auto", random_state=0).fit(X[:40], y[:40])
    inside = y[40:].between(y[:40].min(), y[:40].max()).to_numpy()
    error = np.abs(net.predict(X[40:]) - y[40:])[inside]
    assert error.mean() < 0.17  # of the networks alone 0.23 to 0.29, by the true coefficients 0.08
    held = result_of(net).held_out
    assert held is not None and np.abs(held.predicted[:, 0] - y[:40]).mean() < 0.4
    net.save(tmp_path / "line.safetensors")
    again = MLPRegressor.load(tmp_path / "line.safetensors")
    np.testing.assert_array_equal(again.predict(X), net.predict(X))


def test_units_stay_at_zero_where_nothing_is_linear():
    x = np.linspace(-3, 3, 300)
    X = pd.DataFrame({"x": x})
    net = MLPRegressor(preprocess="auto", random_state=0).fit(X, np.abs(x))
    for member in net.members_:
        W, last = (each for each in net_weights(member))
        assert (W[:, -2:] == 0).all() and (last[-2:] == 0).all() and (W[:, :-2] != 0).any()


def net_weights(member: Any) -> list[Any]:
    slots = [
        slot for slot in member.network.slots if isinstance(slot.link.layer, Dense) and slot.field == "W"
    ]
    return [member.theta[slot.start : slot.stop].reshape(slot.parameter.shape) for slot in slots]


@pytest.mark.parametrize("more", [{"hidden_layer_sizes": (20,)}, {"activation": "tanh"}, {"loss": "huber"}])
def test_whoever_sets_the_network_gets_no_units_beside(more: dict[str, Any]):
    X, y = linear_table(30)
    net = MLPRegressor(preprocess="auto", random_state=0, max_iter=2, **more).fit(X, y)
    assert len(net.members_) == 16
    assert net_weights(net.members_[0])[0].shape[1] == more.get("hidden_layer_sizes", (64,))[0]


def test_several_numbers_have_a_part_each():
    X, y = linear_table(60)
    both = np.column_stack([y, -100 * X["3"]])
    net = MLPRegressor(preprocess="auto", random_state=0).fit(X, both)
    assert net_weights(net.members_[0])[0].shape[1] == 68
    assert net.score(X, both) > 0.98
