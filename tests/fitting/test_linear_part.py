"""The linear part of networks of few rows: what reaches a layer as it is, the regression, its weight, the units."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import log_loss

from chainrule import (
    Constant,
    Dense,
    Embedding,
    Loss,
    MeanSquaredError,
    MLPClassifier,
    MLPRegressor,
    Model,
    Network,
    PiecewiseLinearEmbedding,
    ReLU,
    Scale,
    Shift,
    SigmoidCrossEntropy,
    SoftmaxCrossEntropy,
    Tanh,
)
from chainrule.data.samples import Samples, TargetScale
from chainrule.fitting import few_solved
from chainrule.fitting.dealing import Dealt
from chainrule.fitting.few_solved import (
    PENALTIES,
    WEIGHTS,
    Bound,
    LinearPart,
    Straight,
    add,
    chosen,
    input_sets,
    is_in_time,
    logistic,
    solve_regression,
    straight,
    weights_of,
)
from chainrule.fitting.folds import leave_out, widen
from chainrule.fitting.held import result_of
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
    leave_out(model, 2 * outputs)
    before = model.raw_outputs(X, "auto", 100)
    part, at = LinearPart(RNG.normal(size=(2, outputs)), RNG.normal(size=outputs)), straight(net)
    add(model, slice(-2 * outputs, None), part, weight, at)
    expected = (1 - weight) * before + weight * part(X[:, at.inputs])
    np.testing.assert_allclose(model.raw_outputs(X, "auto", 100), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("inputs", [[2, 3], [0, 2, 3, 4, 5, 6, 7, 8]], ids=["more rows", "fewer rows"])
def test_the_parts_are_ridge_regressions_of_the_rows(inputs: list[int]):
    X = np.column_stack([rows(12), RNG.normal(size=(12, 5))]).astype(np.float32)
    y, weight = RNG.normal(size=(12, 2)), RNG.uniform(0.5, 2, 12)
    own = np.arange(0, 12, 2)
    found = solve_regression(Samples(X, y, weight, 2), own, np.array(inputs))
    assert len(found) == len(PENALTIES)
    for part, penalty in zip(found, PENALTIES, strict=True):
        expected = Ridge(penalty).fit(
            X[own][:, inputs].astype(float), y[own], sample_weight=weight[own] / weight[own].mean()
        )
        np.testing.assert_allclose(part(X[:, inputs]), expected.predict(X[:, inputs]), rtol=1e-6, atol=1e-6)


def test_a_ridge_regression_by_hand():
    # centered x -1, 0, 1 and y -2, 0, 2: the slope is 4 / (2 + penalty), the mean stays 5
    samples = Samples(np.array([[1.0], [2.0], [3.0]]), np.array([[3.0], [5.0], [7.0]]), np.ones(3), 1)
    (part,) = solve_regression(samples, np.arange(3), np.array([0]), [2.0])
    np.testing.assert_allclose([part.coefficients[0, 0], part.intercept[0]], [1, 3])


@pytest.mark.parametrize("inputs", [3, 30], ids=["more rows", "fewer rows"])
@pytest.mark.parametrize("classes", [2, 3])
def test_the_parts_are_logistic_regressions_of_the_rows(
    monkeypatch: pytest.MonkeyPatch, inputs: int, classes: int
):
    monkeypatch.setattr(few_solved, "STEPS", 1_000)
    monkeypatch.setattr(few_solved, "GRADIENT_LEFT", 1e-9)
    rng = np.random.default_rng(1)
    X, label, weight = rng.normal(size=(20, inputs)), np.arange(20) % classes, rng.uniform(0.5, 2, 20)
    loss: Loss = SigmoidCrossEntropy() if classes == 2 else SoftmaxCrossEntropy()
    y = label[:, None].astype(float) if classes == 2 else np.eye(classes)[label]
    own = np.arange(0, 20, 1)[:-2]
    found = logistic(Samples(X, y, weight, y.shape[1]), own, np.arange(inputs), loss, [0.5, 4.0])
    for part, penalty in zip(found, (4.0, 0.5), strict=True):  # the strongest first
        expected = LogisticRegression(C=1 / penalty, tol=1e-10, max_iter=10_000)
        expected.fit(X[own], label[own], sample_weight=weight[own] / weight[own].mean())
        np.testing.assert_allclose(
            loss.predict(part(X)).reshape(20, -1)[:, -1], expected.predict_proba(X)[:, -1], atol=1e-4
        )


def test_a_logistic_regression_by_hand():
    # x -1 and 1, of a class each: the gradient -2 / (1 + exp(b)) + penalty b is 0 at b = 1 for 2 / (1 + e)
    samples = Samples(np.array([[-1.0], [1.0]]), np.array([[0.0], [1.0]]), np.ones(2), 1)
    (part,) = logistic(samples, np.arange(2), np.array([0]), SigmoidCrossEntropy(), [2 / (1 + np.e)])
    np.testing.assert_allclose([part.coefficients[0, 0], part.intercept[0]], [1, 0], atol=1e-3)


@pytest.mark.parametrize("outputs", [1, 3])
def test_a_part_is_within_the_bound_of_logits(outputs: int):
    last = [
        Scale(rate=0.0, initializer=Constant(0.25)),
        Tanh(),
        Scale(rate=0.0, initializer=Constant(2.0)),
        Shift(),
    ]
    loss: Loss = SigmoidCrossEntropy() if outputs == 1 else SoftmaxCrossEntropy()
    net = Network(2, [Scale(), Dense(6 + 2 * outputs), ReLU(), Dense(outputs), *last], loss)
    model, X = Model(net, seed=1), RNG.normal(size=(30, 2)).astype(np.float32)
    model.theta[-outputs:] = 0.5  # the shift
    leave_out(model, 2 * outputs)
    bound, before = Bound.of(model), model.raw_outputs(X, "auto", 100)
    assert bound is not None and (bound.f, bound.s) == (0.25, 2.0) and bound.d.tolist() == [0.5] * outputs
    unbound = bound.undone(before)
    np.testing.assert_allclose(unbound, 0.5 + 2 * np.arctanh((before - 0.5) / 2), atol=1e-6)
    np.testing.assert_allclose(bound(unbound), before, atol=1e-6)
    part = LinearPart(RNG.normal(size=(2, outputs)), RNG.normal(size=outputs))
    add(model, slice(-2 * outputs, None), bound.within(part), 0.25, straight(net))
    expected = bound(0.75 * unbound + 0.25 * part(X))
    np.testing.assert_allclose(model.raw_outputs(X, "auto", 100), expected, rtol=1e-4, atol=1e-4)
    assert Bound.of(Model(network(), seed=0)) is None


def test_numbers_that_hide_a_penalty_are_solved_too():
    x = 1e9 * RNG.normal(size=(20, 1))  # twice the same column
    samples = Samples(np.hstack([x, x]), x / 1e9, np.ones(20), 1)
    for part in solve_regression(samples, np.arange(20), np.array([0, 1])):
        np.testing.assert_allclose(part(np.hstack([x, x])), x / 1e9, atol=1e-6)


def test_regressions_are_of_numbers_as_they_are_and_of_all_but_ranks():
    at = Straight(np.array([1, 2, 3, 5]), np.arange(4))
    table = ("robust", "rank", "straight", "", "robust", "")
    assert [each.tolist() for each in input_sets(at, table)] == [[1], [1, 2, 3]]
    assert [each.tolist() for each in input_sets(at, ())] == [[0, 1, 2, 3]]
    assert [each.tolist() for each in input_sets(at, ("rank",) * 6)] == [[0, 1, 2, 3]]
    only = Straight(np.array([1, 2]), np.arange(2))
    assert [each.tolist() for each in input_sets(only, table)] == [[1]]


@pytest.mark.parametrize(
    ("seconds", "fits", "spent"),
    [(None, True, 0), (71.0, True, 2.5), (70.0, False, 2.5), (16.0, False, 0.5), (0.0, False, 0)],
)
def test_parts_are_not_begun_that_cannot_end_in_time(
    monkeypatch: pytest.MonkeyPatch, seconds: Any, fits: bool, spent: float
):
    """The parts of a member take two seconds, of a quarter of its rows half of one; those of 32 members take 64.

    Choosing among them takes as long as those of two members.
    """
    clock = [100.0]

    def solve(own: Any) -> None:
        clock[0] += len(own) / 18

    monkeypatch.setattr("chainrule.fitting.few_solved.time.monotonic", lambda: clock[0])
    own = Dealt([np.arange(36)] * 32, np.arange(40), np.zeros((2, 40), np.int64))
    end = None if seconds is None else 100.0 + seconds
    assert is_in_time(solve, own, end) is fits
    assert clock[0] == 100 + spent


def test_the_weights_are_their_means_under_the_likelihood():
    # a likelihood of 1 at 0 and 1, and of a quarter elsewhere: the mean is 1/2
    ends = np.where(np.isin(WEIGHTS, (0, 1)), 1.0, 0.25)
    assert weights_of(np.log(ends)[None]) == pytest.approx([0.5])
    certain = 1 + 20 / 4  # (0 * 1 + 19 weights of the mean 1/2, and 1, at a quarter) over their sum
    assert weights_of(np.log(np.where(WEIGHTS == 0, 1.0, 0.25))[None]) == pytest.approx([10.5 / 4 / certain])
    # the first as before, 19/4 + 2 of likelihood; the second 1 / 8 at all 21 weights, whose mean is 1/2
    both = weights_of(7 + np.log(np.stack([ends, np.full(21, 1 / 8)])))
    assert both == pytest.approx([6.75 / 2 / (6.75 + 21 / 8), 21 / 8 / 2 / (6.75 + 21 / 8)])
    assert weights_of(-1_000 * WEIGHTS[None]).tolist() == [0.0]  # below the least weight
    assert weights_of(1_000 * WEIGHTS[None])[0] > 0.95
    assert weights_of(np.where(WEIGHTS == 1, np.inf, 0.0)[None]).tolist() == [1.0]  # without any error
    assert weights_of(np.full((2, 21), np.nan)).tolist() == [0.0, 0.0]
    assert weights_of(np.full((2, 21), -np.inf)).tolist() == [0.0, 0.0]


def test_what_is_chosen_of_two_regressions_is_one_of_all_inputs():
    X = np.column_stack([np.arange(24.0) - 11.5, np.tile([1.0, -1.0], 12)])
    y = 0.1 * X[:, :1]
    samples = Samples(X, y, np.ones(24), 1)
    own = Dealt([np.arange(12, 24), np.arange(12)], np.arange(24), np.repeat([[0, 1]], 12, 1))
    at, out = Straight(np.array([0, 1]), np.array([0, 1])), np.zeros((1, 24, 1))
    sets = [[few_solved.InputSet(np.array([0]), PENALTIES)]] * 2
    found = chosen(
        out, lambda z: -12 * float(np.log(((z[0] - y) ** 2).mean())), solve_regression, samples, own, at, sets
    )
    assert found.weight > 0.9
    for part, rows_of in zip(found.parts, own.learned, strict=True):
        assert part.coefficients[1, 0] == 0.0  # which no regression has
        left = np.setdiff1d(np.arange(24), rows_of)
        np.testing.assert_allclose(found.out[0, left], found.weight * part(X[left]))
    nothing = chosen(out, lambda z: -1e6 * float((z**2).mean()), solve_regression, samples, own, at, sets)
    assert nothing.weight == 0 and not nothing.parts and nothing.out is out


def test_weights_that_are_less_likely_before_by_hand():
    # All weights are as likely by the rows, so w is the mean of 0, 1/20, ..., 1, each (1 - w)^p times: 1/2 for p = 0,
    # and sum w (1 - w)^3 / sum (1 - w)^3 = 1 - (722,666 / 20^4) / (44,100 / 20^3), of sums of i^4 and i^3 to 20
    X = np.arange(24.0)[:, None]
    own = Dealt([np.arange(12, 24), np.arange(12)], np.arange(24), np.repeat([[0, 1]], 12, 1))
    given = np.zeros((1, 24, 1)), lambda z: 0.0, solve_regression, Samples(X, X, np.ones(24), 1), own
    at, sets = Straight(np.array([0]), np.array([0])), [[few_solved.InputSet(np.array([0]), PENALTIES)]] * 2
    assert chosen(*given, at, sets).weight == pytest.approx(0.5)
    assert chosen(*given, at, sets, power=3).weight == pytest.approx(1 - 722_666 / 160_000 / 5.5125)


def test_the_range_of_the_targets_is_wider_as_far_as_the_linear_part_is_heavier():
    def ends(low: float, high: float, weight: float) -> list[float]:
        made = widen(TargetScale(np.zeros(1), np.ones(1), np.array([low]), np.array([high])), weight)
        assert made.low is not None and made.high is not None
        return [*made.low.tolist(), *made.high.tolist()]

    assert ends(-1, 3, 0.0) == [-1, 3]
    assert ends(-1, 3, 0.5) == [-1, 3]
    assert ends(-1, 3, 0.75) == [-9, 11]
    assert ends(-1, 3, 1.0) == [-401, 403]
    assert ends(1, 3, 0.75) == [0, 7] and ends(-3, -1, 0.75) == [-7, 0] and ends(0, 1, 0.75) == [0, 3]
    unbound = TargetScale(np.zeros(1), np.ones(1))
    assert widen(unbound, 0.5) is unbound


def test_the_range_of_very_few_targets_is_wider_on_the_side_of_a_long_tail():
    def ends(low: float, high: float, median: float, weight: float) -> list[float]:
        scale = TargetScale(np.zeros(1), np.ones(1), np.array([low]), np.array([high]))
        made = widen(scale, weight, np.array([median]))
        assert made.low is not None and made.high is not None
        return [*made.low.tolist(), *made.high.tolist()]

    assert ends(-1, 3, 0.0, 0.5) == [-1, 3]  # three times as far, and no more
    assert ends(-1, 3, -0.125, 0.5) == [-1, 7]  # further by a range of 4 times 0.5 / 0.5
    assert ends(-1, 3, 2.125, 0.5) == [-5, 3]
    assert ends(-1, 3, -0.125, 0.75) == [-9, 15] and ends(-1, 3, -1.0, 0.0) == [-1, 3]
    assert ends(-1, 3, -0.125, 1.0) == [-401, 403]
    assert ends(-9, -1, -1.5, 0.5) == [-17, -1] and ends(-5, -1, -4.5, 0.5) == [-5, 0]
    both = TargetScale(np.zeros(2), np.ones(2), np.zeros(2), np.full(2, 8.0))
    made = widen(both, 0.5, np.array([1.0, 4.0]))
    assert made.high is not None and made.high.tolist() == [16, 8]


def test_few_targets_of_a_long_tail_leave_room_for_what_is_linear_beyond_them():
    rng = np.random.default_rng(5)
    X = pd.DataFrame(rng.normal(size=(60, 3))).rename(columns=str)
    tail, bell = np.exp(1.5 * rng.normal(size=60)), rng.normal(size=60)
    for target, is_long in ((tail, True), (bell, False)):
        y = np.asarray(0.1 * X["0"] + target)
        net = MLPRegressor(preprocess="auto", random_state=0).fit(X, y)
        scale = net.members_[0].target_scale
        assert scale is not None and scale.low is not None and scale.high is not None
        far = y.max() - np.median(y) > 3 * (np.median(y) - y.min())
        assert far == is_long and (scale.high[0] > y.max() + 1e-9) == is_long
        assert scale.low[0] == pytest.approx(y.min())


def linear_table(n: int) -> tuple[pd.DataFrame, Any]:
    X = pd.DataFrame(RNG.normal(size=(n, 4))).rename(columns=str)
    return X, 3 + X["0"] - 2 * X["1"] + 0.5 * X["2"] + 0.1 * RNG.normal(size=n)


def test_what_is_linear_is_learned_from_few_rows(tmp_path: Path):
    X, y = linear_table(540)
    net = MLPRegressor(preprocess="auto", random_state=0).fit(X[:40], y[:40])
    error = np.abs(net.predict(X[40:]) - y[40:])
    assert error.mean() < 0.17  # of the networks alone 0.23 to 0.29, by the true coefficients 0.08
    held = result_of(net).held_out
    assert held is not None and np.abs(held.predicted[:, 0] - y[:40]).mean() < 0.4
    net.save(tmp_path / "line.safetensors")
    again = MLPRegressor.load(tmp_path / "line.safetensors")
    np.testing.assert_array_equal(again.predict(X), net.predict(X))


def test_what_is_linear_goes_on_beyond_the_targets_and_numbers_of_training():
    X, y = linear_table(60)
    net = MLPRegressor(preprocess="auto", random_state=0).fit(X, y)
    far = pd.DataFrame({"0": [12.0, -12.0], "1": 0.0, "2": 0.0, "3": 0.0})
    np.testing.assert_allclose(net.predict(far), [15, -9], atol=1)
    low = y.min() - 1  # a target that is never negative stays so
    assert MLPRegressor(preprocess="auto", random_state=0).fit(X, y - low).predict(far)[1] == 0


@pytest.mark.parametrize("classes", [2, 3])
def test_logits_that_are_linear_are_learned_from_very_few_rows(tmp_path: Path, classes: int):
    rng = np.random.default_rng(2)
    X = pd.DataFrame(rng.normal(size=(540, 4))).rename(columns=str)
    edges = [0] if classes == 2 else [-1, 1]
    y = np.digitize(X["0"] - 2 * X["1"] + 0.5 * X["2"] + 0.3 * rng.normal(size=540), edges).astype(str)
    net = MLPClassifier(preprocess="auto", random_state=0).fit(X[:60], y[:60])
    assert net_weights(net.members_[0])[0].shape[1] == 64 + (2 * 64 + 2 if classes == 2 else 6)
    loss = log_loss(y[60:], net.predict_proba(X[60:]))
    assert loss < (0.26 if classes == 2 else 0.45)
    held = result_of(net).held_out
    assert held is not None and log_loss(y[:60], held.predicted) < loss + 0.25
    net.save(tmp_path / "line.safetensors")
    again = MLPClassifier.load(tmp_path / "line.safetensors")
    np.testing.assert_array_equal(again.predict_proba(X), net.predict_proba(X))
    more = MLPClassifier(preprocess="auto", random_state=0, max_iter=1).fit(X[:101], y[:101])
    assert net_weights(more.members_[0])[0].shape[1] == 64  # of more rows the network itself learns it


@pytest.mark.parametrize("unit", [2.0**-30, 2.0**30])
@pytest.mark.parametrize("classes", [False, True])
def test_the_unit_of_weights_is_nothing_to_the_linear_part(unit: float, classes: bool):
    rng = np.random.default_rng(3)
    X, weight = rng.normal(size=(30, 4)), rng.uniform(0.5, 2, 30)
    y = (X[:, :1] > 0).astype(float) if classes else X[:, :1] + 0.1 * rng.normal(size=(30, 1))

    def parts(weight: Any) -> list[LinearPart]:
        given = Samples(X, y, weight, 1), np.arange(25), np.arange(4)
        return logistic(*given, SigmoidCrossEntropy()) if classes else solve_regression(*given)

    for mine, expected in zip(parts(unit * weight), parts(weight), strict=True):
        np.testing.assert_array_equal(mine(X), expected(X))


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
