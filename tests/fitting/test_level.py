"""A network that its time limit ended at once is no worse than a constant, and says where a linear model is better."""

from __future__ import annotations

import re
import warnings
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import log_loss, mean_squared_error

from chainrule import (
    SGD,
    Callback,
    Dense,
    GroupedDense,
    MeanOverMembers,
    MeanSquaredError,
    MLPClassifier,
    MLPRegressor,
    Model,
    Network,
    ReLU,
    SigmoidCrossEntropy,
    SoftmaxCrossEntropy,
)
from chainrule.fitting import loop
from chainrule.fitting.loop import Level, Leveled, last_slots, level_of, put, to_level
from chainrule.training import Run

RANDOM = np.random.default_rng(3)
N = 1_500
TABLE = {"a": RANDOM.normal(size=N), "b": RANDOM.normal(size=N), "kind": RANDOM.choice(["x", "y", "z"], N)}
SCORE = 2 * TABLE["a"] - TABLE["b"] + (TABLE["kind"] == "x")
DOWN = np.array([[-1.0], [0.0], [1.0]])
RARE = SCORE + RANDOM.logistic(size=N) > 4


def targets(*y: float) -> tuple[Any, Any]:
    """Return targets, and a weight of 1 for each."""
    return np.array(y)[:, None], np.ones(len(y))


def test_by_hand_the_level_of_outputs_that_are_upside_down_is_the_mean():
    """a may not be below 0, so outputs -1, 0, 1 of targets 5, 3, 1 leave a = 0 and c = 3: a loss of (4 + 0 + 4) / 3."""
    found = level_of(to_level(MeanSquaredError(), DOWN, *targets(5, 3, 1)))
    assert found.factor == pytest.approx(0, abs=1e-6) and found.shift == pytest.approx([3], abs=1e-4)
    assert found.loss == pytest.approx(8 / 3)


def test_by_hand_the_level_of_half_a_line_is_all_of_it():
    found = level_of(to_level(MeanSquaredError(), 1 - DOWN, *targets(5, 3, 1)))
    assert (found.factor, *found.shift) == pytest.approx((2, 1), abs=1e-4)


def test_the_level_of_networks_side_by_side_is_one():
    """Both of two members have the log odds of 3 of 4 rows where their own outputs say nothing."""
    loss = MeanOverMembers(SigmoidCrossEntropy(), 2)
    found = level_of(to_level(loss, np.zeros((4, 2)), *targets(1, 1, 1, 0)))
    assert found.shift == pytest.approx([np.log(3)], abs=1e-3)


@pytest.mark.parametrize("members", [1, 2])
def test_by_hand_rows_count_by_their_weights(members: int):
    """Of outputs that say nothing c is the weighted mean: (1 * 5 + 2 * 3 + 5 * 1) / 8, also of members side by side."""
    loss = MeanOverMembers(MeanSquaredError(), members) if members > 1 else MeanSquaredError()
    y, weight = np.array([[5.0], [3.0], [1.0]]), np.array([1.0, 2.0, 5.0])
    found = level_of(to_level(loss, np.zeros((3, members)), y, weight))
    assert found.shift == pytest.approx([2], abs=1e-4)
    assert found.loss == pytest.approx((1 * 9 + 2 * 1 + 5 * 1) / 8)


def test_a_level_becomes_part_of_the_last_layer():
    network = Network(3, [Dense(4), ReLU(), Dense(2)], SoftmaxCrossEntropy())
    model, X = Model(network, seed=1, dtype="float64"), RANDOM.normal(size=(5, 3))
    before = model.outputs(X)
    put(network, model.theta, Level(0.25, np.array([1.0, -2.0]), 0.0))
    assert model.outputs(X) == pytest.approx(0.25 * before + [1, -2])
    assert not last_slots(Network(3, [Dense(2), ReLU()], MeanSquaredError()))[2:]


def test_a_level_becomes_part_of_the_last_layer_of_each_network_side_by_side():
    network = Network(4, [GroupedDense(2, 2)], MeanOverMembers(MeanSquaredError(), 2))
    model, X = Model(network, seed=1, dtype="float64"), np.random.default_rng(0).normal(size=(5, 4))
    before = model.outputs(X)
    put(network, model.theta, Level(0.25, np.array([1.0, -2.0]), 0.0))
    assert model.outputs(X) == pytest.approx(0.25 * before + [1, -2, 1, -2])


def test_by_hand_outputs_that_tell_all_have_a_deviation_of_ten():
    """The surer, the less the loss of separable rows; so a is as large as it may be."""
    y = np.array([[0.0], [0], [1], [1]])
    found = level_of(to_level(SigmoidCrossEntropy(), 2 * y - 1, y, np.ones(4)))
    assert found.factor == pytest.approx(10) and found.loss < 1e-4


class Stopped(Callback):
    """Ends a run after its first steps."""

    def on_steps(self, run: Run) -> None:
        run.stop("no time")


@pytest.mark.parametrize(
    ("slope", "epochs", "expected"),
    [(1.5, 0, 3.0), (1.5, 2, 1.5), (-1.0, 0, 0.0), (-1.0, 2, 0.0), (3.0, 2, 3.0)],
)
def test_by_hand_which_ends_are_leveled(slope: float, epochs: int, expected: float):
    """y = 3 x: within the first epoch half of the slope becomes all of it; later only what a constant is better than
    is leveled, as a slope upside down is to 0."""
    x = np.linspace(-1, 1, 64)[:, None]
    model = Model(Network(1, [Dense(1)], MeanSquaredError()), dtype="float64")
    model.theta[:] = slope, 0
    scored = []
    limit, curve = SimpleNamespace(has_ended=False), SimpleNamespace(score_again=scored.append)
    callbacks = [Leveled(limit, curve), *([] if epochs else [Stopped()])]  # type: ignore[arg-type]
    how: dict[str, Any] = {
        "epochs": epochs or 1,
        "batch_size": 8,
        "optimizer": SGD(1e-30),
        "callbacks": callbacks,
    }
    model.fit(x, 3 * x, **how)  # which no limit has ended
    limit.has_ended = True
    assert model.theta[0] == slope and not scored
    model.fit(x, 3 * x, **how)
    np.testing.assert_allclose(model.theta, [expected, 0], atol=1e-4)
    assert len(scored) == (expected != slope)


def test_a_last_layer_that_is_frozen_stays():
    x = np.linspace(-1, 1, 64)[:, None]
    model = Model(Network(1, [Dense(1), Dense(1)], MeanSquaredError()), dtype="float64").freeze("dense_2")
    model.theta[:] = -1, 0, 1, 0
    leveled = Leveled(SimpleNamespace(has_ended=True), None)  # type: ignore[arg-type]
    model.fit(x, 3 * x, epochs=1, optimizer=SGD(1e-30), callbacks=[leveled])
    np.testing.assert_allclose(model.theta, [-1, 0, 1, 0], atol=1e-12)


PRESETS = ("fast", "additive", "realmlp", "tabm")


@pytest.mark.parametrize("preset", PRESETS)
def test_a_classifier_without_time_is_no_worse_than_the_shares_of_its_classes(preset: str):
    smaller = {"n_members": 2} if preset == "tabm" else {}
    made = MLPClassifier(preprocess="auto", preset=preset, time_limit=1e-3, random_state=0, **smaller)
    with pytest.warns(ConvergenceWarning, match="of the first epoch"):
        made.fit(TABLE, RARE)
    share = np.full(N, RARE.mean())
    assert log_loss(RARE, made.predict_proba(TABLE)) < log_loss(RARE, share) + 0.005


@pytest.mark.parametrize("preset", PRESETS)
def test_a_regressor_without_time_is_no_worse_than_the_mean(preset: str):
    smaller = {"n_members": 2} if preset == "tabm" else {}
    made = MLPRegressor(preprocess="auto", preset=preset, time_limit=1e-3, random_state=0, **smaller)
    with pytest.warns(ConvergenceWarning, match="of the first epoch"):
        made.fit(TABLE, 100 + SCORE)
    assert mean_squared_error(100 + SCORE, made.predict(TABLE)) < 1.01 * SCORE.var()


def test_the_members_of_an_ensemble_have_one_level_also_where_they_are_more_than_the_rows(
    monkeypatch: pytest.MonkeyPatch,
):
    """Of 12 rows 16 members are dealt one or none each, and the last layers of all are multiplied by one number."""
    put_in = list[tuple[int, Level]]()
    monkeypatch.setattr("chainrule.fitting.in_time.SPEED", 1e12)  # there is time for all
    monkeypatch.setattr(loop, "put", lambda network, theta, found: put_in.append((len(theta), found)))
    made = MLPRegressor(preprocess="auto", batch_size=4, time_limit=1e-3, random_state=0)
    with pytest.warns(ConvergenceWarning, match="of the first epoch"):
        made.fit({"a": np.arange(12.0)}, np.arange(12.0) ** 2)
    assert len(put_in) == 16 and len({id(found) for _, found in put_in}) == 1


def test_where_a_linear_model_is_better_the_warning_says_so():
    made = MLPClassifier(
        preprocess="auto", preset="realmlp", time_limit=1e-3, random_state=0, validation_fraction=0.4
    )
    with pytest.warns(ConvergenceWarning, match="that of a linear model") as told:
        made.fit(TABLE, SCORE > 0)
    found = re.search(r"its loss is ([\d.]+), and that of a linear model ([\d.]+);", str(told[0].message))
    assert found is not None
    reached, linear = map(float, found.groups())
    assert linear < 0.2 < reached < 0.7  # a separable target, of which a constant has a loss of 0.69


def test_a_limit_that_cuts_no_first_epoch_changes_nothing():
    fits = []
    for limit in (None, 60.0):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            made = MLPClassifier(
                preprocess="auto", preset="fast", max_iter=3, time_limit=limit, random_state=0
            )
            fits.append(made.fit(TABLE, RARE).model_.theta.tobytes())
    assert fits[0] == fits[1]
