"""Linear bounds of whole networks: exact where they must be, never violated, and proofs of decisions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule import (
    ConfigError,
    DataError,
    Dense,
    Ensemble,
    Identity,
    MeanSquaredError,
    MLPClassifier,
    Model,
    Network,
    ReLU,
    Residual,
    SigmoidCrossEntropy,
    SoftmaxCrossEntropy,
    Tanh,
)
from chainrule.formulas.layers import ACTIVATIONS
from chainrule.graph import bounding
from exported import moved


def with_weights(network: Network, *arrays: object) -> Model:
    theta = np.concatenate([np.ravel(np.asarray(each, np.float64)) for each in arrays])
    return Model.with_theta(network, theta)


def sign_model() -> Model:
    """Two classes with the outputs x and -x: class 0 where x > 0."""
    return with_weights(Network(1, [Dense(2)], SoftmaxCrossEntropy()), [1.0, -1.0], [0.0, 0.0])


def test_a_linear_network_is_bounded_exactly():
    """x (W1 (1 + W2) W3) over center and radius; intervals forget that both ways of the block read the same."""
    layers = [Dense(6), Residual([Dense(6), Identity()]), Dense(3)]
    model = Model(Network(4, layers, MeanSquaredError()), seed=1, dtype="float64")
    x = np.random.default_rng(0).normal(size=(5, 4))
    matrix = model.outputs(np.eye(4)) - model.outputs(np.zeros((4, 4)))
    radius = np.full((5, 4), 0.3) @ np.abs(matrix)
    found = model.bounds(x - 0.3, x + 0.3)
    np.testing.assert_allclose(found.low, model.outputs(x) - radius, rtol=1e-9)
    np.testing.assert_allclose(found.high, model.outputs(x) + radius, rtol=1e-9)
    wide = model.bounds(x - 0.3, x + 0.3, method="interval")
    assert ((wide.high - wide.low) > 1.1 * (found.high - found.low)).all()


def test_one_relu_by_hand():
    """y = 1 - 2 relu(x): over [-1, 3] relu is within [x, (3 x + 3) / 4], at the ends -1 and 3; y within [-5, 3]."""
    network = Network(1, [Dense(1), ReLU(), Dense(1)], MeanSquaredError())
    model = with_weights(network, 1.0, 0.0, -2.0, 1.0)
    linear = model.bounds([-1.0], [3.0])
    np.testing.assert_allclose(np.ravel(linear), [-5.0, 1.0], rtol=1e-9)  # y <= 3 by lines, <= 1 by intervals
    two = Network(1, [Dense(2), ReLU(), Dense(1)], MeanSquaredError())
    absolute = with_weights(two, [1.0, -1.0], [0.0, 0.0], [1.0, 1.0], 0.0)  # relu(x) + relu(-x)
    # x <= relu(x) and 0 <= relu(-x); above them (3 x + 3) / 4 and (3 - x) / 4, at 3 together 3
    np.testing.assert_allclose(np.ravel(absolute.bounds([-1.0], [3.0])), [0.0, 3.0], atol=1e-9)
    assert absolute.bounds([-1.0], [3.0], method="interval").high[0, 0] == pytest.approx(4.0)


def climbed(model: Model, low: np.ndarray, high: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Points of each box that follow the sign of the gradient of an output, up or down: (points, inputs)."""
    x = rng.uniform(low, high)
    k, sign = rng.integers(model.network.fan_out), rng.choice([-1, 1])
    for share in (0.6, 0.6, 0.3, 0.2, 0.1, 0.05):
        x = np.clip(
            x + sign * share * (high - low) * np.sign(model.jacobian(x, outputs=int(k))[:, 0]), low, high
        )
    return x


def no_point_is_outside(number: int, points: int) -> None:
    model, X = moved(number)
    codes = np.array([(column % 1 == 0).all() for column in X.T])
    low, rng = np.repeat(X[[0, -1]], 3, 0), np.random.default_rng(number)
    size = np.tile([1e-4, 0.05, 1.5], 2)[:, None] * (X.std(0) + 0.1)
    high = low + np.where(codes, 0.0, size)
    box, wide = model.bounds(low, high), model.bounds(low, high, method="interval")
    assert (box.low >= wide.low).all() and (box.high <= wide.high).all()
    answer = model.bounds(low, high, of="answer")
    for k in range(points):
        x = climbed(model, low, high, rng) if k % 5 == 0 else rng.uniform(low, high)
        x = np.where(rng.random(x.shape) < 0.5, low, high) if k % 5 == 1 else x
        out = model.outputs(x)
        assert ((box.low <= out) & (out <= box.high)).all()
        shown = model.predict(x) if model.task == "regression" else model.predict_proba(x)
        shown = shown.reshape(len(x), -1)
        assert ((answer.low <= shown) & (shown <= answer.high)).all()


@pytest.mark.parametrize("number", range(0, 36, 3))
def test_no_output_of_a_random_network_is_outside_in_its_own_precision(number: int):
    no_point_is_outside(number, 20)


@pytest.mark.slow
@pytest.mark.parametrize("number", range(80))
def test_no_output_of_many_random_networks_is_outside(number: int):
    no_point_is_outside(number, 200)


@settings(deadline=None, max_examples=40)
@given(
    st.sampled_from(sorted(ACTIVATIONS)), st.integers(0, 10**6), st.floats(1e-6, 30.0), st.floats(0.1, 20.0)
)
def test_no_output_of_any_activation_is_outside(kind: str, seed: int, radius: float, scale: float):
    """Also where weights and boxes are large, so that functions are saturated, and small."""
    layers = [Dense(7), ACTIVATIONS[kind](), Dense(6), ACTIVATIONS[kind](), Dense(3)]
    model = Model(Network(4, layers, MeanSquaredError()), seed=seed, dtype="float64")
    model.theta *= scale
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(3, 4))
    low, high = x - radius, x + radius
    box = model.bounds(low, high)
    for some in (x, low, high, climbed(model, low, high, rng), *(rng.uniform(low, high) for _ in range(30))):
        out = model.outputs(some)
        assert ((box.low <= out) & (out <= box.high)).all()


def test_blocks_of_rows_and_columns_change_nothing(monkeypatch: pytest.MonkeyPatch):
    model, X = moved(9)
    whole = model.bounds(X[:7], X[:7] + 0.1)
    monkeypatch.setattr(bounding, "NUMBERS_AT_ONCE", 64)
    monkeypatch.setattr("chainrule.graph.graph.NUMBERS_AT_ONCE", 64)
    for ends in zip(whole, model.bounds(X[:7], X[:7] + 0.1), strict=True):
        np.testing.assert_allclose(*ends, rtol=1e-12, atol=1e-12)


def test_an_unbounded_input_leaves_what_intervals_say():
    network = Network(1, [Dense(1), Tanh(), Dense(1)], MeanSquaredError())
    model = with_weights(network, 1.0, 0.0, 2.0, 1.0)
    box = model.graph().bounds([[-np.inf], [0.0]], [[np.inf], [0.5]])["predictions"]
    np.testing.assert_allclose(box.low[:, 0], [-1.0, 1.0], atol=1e-9)
    np.testing.assert_allclose(box.high[:, 0], [3.0, 1 + 2 * np.tanh(0.5)], atol=1e-9)


def test_targets_in_their_units_and_probabilities():
    """y = 2 tanh(x) in standardized units; a probability is between those of its ends."""
    X = np.linspace(-1, 1, 64)[:, None]
    model = Model(Network(1, [Dense(4), Tanh(), Dense(1)], MeanSquaredError()), dtype="float64")
    model.fit(X, 1000 + 50 * X[:, 0], epochs=3, scale_targets="clamp", verbose=False)
    box, answer = model.bounds(X[:4], X[:4] + 0.5), model.bounds(X[:4], X[:4] + 0.5, of="answer")
    for share in (0.0, 0.3, 1.0):
        x = X[:4] + 0.5 * share
        assert ((box.low <= model.outputs(x)) & (model.outputs(x) <= box.high)).all()
        assert ((answer.low[:, 0] <= model.predict(x)) & (model.predict(x) <= answer.high[:, 0])).all()
    assert (box.low > 800).all() and (box.high < 1200).all()
    two = sign_model().bounds([0.5], [1.0], of="answer")  # the gap 2 x is within [1, 2]
    expected = 1 / (1 + np.exp([-1.0, -2.0]))
    np.testing.assert_allclose([two.low[0, 0], two.high[0, 0]], expected, rtol=1e-9)


def test_certificates_of_a_line_by_hand():
    """Class 0 where x > 0: a row at 3 keeps it within any radius below 3, and a clip at 1 keeps it anyway."""
    model, rows = sign_model(), [[3.0], [-0.5], [0.0]]
    assert model.certify(rows, 2.9).tolist() == [True, False, False]
    assert model.certify(rows, [0.4]).tolist() == [True, True, False]
    assert model.certify([[3.0]], 3.1).tolist() == [False]
    assert model.certify([[3.0]], 3.1, clip=(1.0, 9.0)).tolist() == [True]
    found = model.certified_radius(rows)
    assert 3 / 1.01 <= found[0] <= 3 and 0.5 / 1.01 <= found[1] <= 0.5 and found[2] == 0
    assert 30 / 1.01 <= model.certified_radius([[3.0]], unit=[0.1])[0] <= 30
    assert model.certified_radius([[3.0]], clip=(1.0, 9.0)).tolist() == [np.inf]


def test_radii_of_several_columns():
    """z = x1 + x2 against 0: from (1, 1), x1 alone may move by 2, both by 1 each."""
    network = Network(2, [Dense(1)], SigmoidCrossEntropy())
    model = with_weights(network, [1.0, 1.0], 0.0)
    assert model.certify([[1.0, 1.0]], [1.9, 0.0]).tolist() == [True]
    assert model.certify([[1.0, 1.0]], [2.1, 0.0]).tolist() == [False]
    assert 1 / 1.01 <= model.certified_radius([[1.0, 1.0]])[0] <= 1


def test_margins_are_bounded_as_differences():
    """Outputs h and h - 1 of one h: class 0 for every input, though each output moves by more than 1."""
    network = Network(1, [Dense(1), Tanh(), Dense(2)], SoftmaxCrossEntropy())
    model = with_weights(network, 1.0, 0.0, [5.0, 5.0], [0.0, -1.0])
    assert model.certify([[0.0]], 100.0).tolist() == [True]
    box = model.bounds([[-100.0]], [[100.0]])
    assert (box.high - box.low > 9).all()


def blobs(n: int = 300) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, n)
    return np.array([[0, 0], [3, 0], [0, 3]])[y] + 0.6 * rng.normal(size=(n, 2)), y


def test_what_is_certified_is_never_turned():
    X, y = blobs()
    model = Model(Network(2, [Dense(16), ReLU(), Dense(16), Tanh(), Dense(3)], SoftmaxCrossEntropy()))
    model.fit(X, y, epochs=15, batch_size=16, verbose=False)
    proven, radius = model.certify(X, 0.2), model.certified_radius(X)
    assert 0.5 < proven.mean() < 1
    assert (radius[proven] >= 0.2 / 1.01).all() and (radius[~proven] <= 0.2).all()
    rng, labels = np.random.default_rng(1), model.predict(X)
    near = np.minimum(radius, 100)[:, None]
    for k in range(100):
        share = rng.choice([-1, 1], X.shape) if k % 2 else rng.uniform(-1, 1, X.shape)
        assert (model.predict(X + 0.2 * share)[proven] == labels[proven]).all()
        assert (model.predict(X + near * share) == labels).all()


def test_ensembles_and_estimators_certify_by_their_graph():
    X, y = blobs(120)
    several = Ensemble(Network(2, [Dense(8), Tanh(), Dense(3)], SoftmaxCrossEntropy()), 3)
    several.fit(X, y, epochs=10, batch_size=16, verbose=False)
    table = {"a": X[:, 0], "b": X[:, 1], "c": np.where(X[:, 0] > 1, "east", "west")}
    estimator = MLPClassifier(
        (8,), preprocess="auto", n_members=2, max_iter=60, random_state=0, dtype="float64"
    )
    estimator.fit(table, y)
    rng = np.random.default_rng(2)
    for graph, rows, radius in (
        (several.graph(), {"X": X}, {"X": 0.05}),
        (
            estimator.graph(),
            {k: np.asarray(v, object if k == "c" else float) for k, v in table.items()},
            {"a": 0.05},
        ),
    ):
        proven = graph.certify(rows, radius)
        assert proven.mean() > 0.2
        before = graph.run(rows)["label"]
        for _ in range(20):
            some = {
                k: v + radius[k] * rng.uniform(-1, 1, v.shape) if k in radius else v for k, v in rows.items()
            }
            assert (graph.run(some)["label"] == before)[proven].all()


def test_what_cannot_be_bounded_is_refused():
    model = sign_model()
    with pytest.raises(ConfigError, match="method must be one of crown, interval, not 'ibp'"):
        model.bounds([0.0], [1.0], method="ibp")
    with pytest.raises(ConfigError, match="of must be one of outputs, answer"):
        model.bounds([0.0], [1.0], of="label")
    with pytest.raises(DataError, match="no larger in low than in high"):
        model.bounds([1.0], [0.0])
    with pytest.raises(DataError, match="radius of 'X' must have numbers that are at least 0; it has -1"):
        model.certify([[0.0]], -1)
    with pytest.raises(DataError, match="radius has 'Y', which is no input with numbers: X"):
        model.graph().certify([[0.0]], {"Y": 1})
    regression = Model(Network(1, [Dense(1)], MeanSquaredError()))
    with pytest.raises(ConfigError, match="certify needs labels, and the graph is of a regression"):
        regression.certify([[0.0]], 1)
    with pytest.raises(ConfigError, match="certify needs labels"):
        regression.certified_radius([[0.0]])
