"""Training on slopes: numbers by hand, PyTorch's double backward and differences over the registries, and bad input."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import chainrule as c
from chainrule import Dense, Layer, Model, Network, Tanh
from chainrule.formulas.layers import Context
from layer_examples import ACTIVATIONS, LAYERS, examples
from needs import needs
from states import drawn_states, stands_first

ROWS, INPUTS, WIDTH, OUTPUTS = 5, 4, 12, 2  # 12 divides into the groups of every GroupedDense
WEIGHTS = np.array([0.5, 2.0, 0.0, 1.5, 1.0])


class Case:
    """A network with drawn numbers, slopes of its outputs, some of them unknown, and its objective as a function."""

    def __init__(self, layers: list[Layer], loss: Any = None, training: bool = True) -> None:
        random = np.random.default_rng(7)
        self.network = Network(INPUTS, layers, loss or c.MeanSquaredError())
        size, frozen = (
            self.network.size,
            {link.name for link in self.network.walk() if link.layer.mixes_samples},
        )
        self.theta = random.choice((-1, 1), size) * random.uniform(0.3, 0.9, size)
        self.X = random.normal(size=(ROWS, INPUTS))
        if any(layer.reads_codes for layer in layers):
            self.X[:, 2], self.X[:, 0] = np.arange(ROWS) % 3, 3 - np.arange(ROWS) % 4
        outputs = self.network.fan_out // self.network.loss.members
        self.y = random.normal(size=(ROWS, outputs))
        self.d = random.normal(size=(ROWS, outputs, INPUTS))
        self.w = random.uniform(size=self.d.shape) * (random.uniform(size=self.d.shape) < 0.7)
        states = drawn_states(self.network, random)
        self.ctx = Context(training=training, seed=3, step=5, states=states, frozen=frozenset(frozen))

    def objective(self, theta: np.ndarray) -> Any:
        params = self.network.unflatten(theta)
        return self.network.objective(params, self.X, self.y, WEIGHTS, self.ctx, slopes=(self.d, self.w))

    def trained(self) -> np.ndarray:
        """Which numbers of theta are not frozen."""
        return np.concatenate(
            [np.full(s.stop - s.start, s.link.name not in self.ctx.frozen) for s in self.network.slots]
        )

    def check_differences(self) -> None:
        """Compare the gradient with central differences; where a step crosses a kink, a smaller one does not."""
        g, keep = self.network.flatten(self.objective(self.theta).grads), np.flatnonzero(self.trained())

        def difference(h: float) -> np.ndarray:
            steps = h * np.eye(len(g))[keep]
            return np.array(
                [
                    (self.objective(self.theta + e).loss - self.objective(self.theta - e).loss) / (2 * h)
                    for e in steps
                ]
            )

        errors = np.minimum.reduce([np.abs(difference(h) - g[keep]) for h in (1e-4, 1e-5, 1e-6)])
        assert errors.max() < 1e-6 * (1 + np.abs(g).max())


def chain(layer: Layer, activation: Layer) -> list[Layer]:
    if stands_first(layer):
        return [layer, Dense(WIDTH), activation, Dense(OUTPUTS)]
    return [Dense(WIDTH), layer, activation, Dense(3), activation, Dense(OUTPUTS)]


EVERY = [(kind, i) for kind in LAYERS for i in range(len(examples(kind)))]


@pytest.mark.parametrize(("kind", "number"), EVERY)
def test_gradients_of_every_layer(kind: str, number: int):
    Case(chain(examples(kind)[number], Tanh())).check_differences()


@pytest.mark.parametrize("kind", ACTIVATIONS)
def test_gradients_of_every_activation(kind: str):
    Case(chain(examples(kind)[0], ACTIVATIONS["silu"]())).check_differences()
    Case(
        [Dense(3), *examples(kind), c.Dropout(0.4), Dense(2), *examples(kind)], c.Huber(0.5)
    ).check_differences()


def test_gradients_of_members():
    Case([Dense(3), Tanh(), Dense(6)], c.MeanOverMembers(c.MeanSquaredError(), 3)).check_differences()


@needs("torch")
@pytest.mark.parametrize(("kind", "number"), EVERY)
def test_double_backward_of_pytorch(kind: str, number: int):
    """The same loss and gradient by autograd through autograd; dropout is off, whose draws are not written twice."""
    import torch

    from torch_networks import DOUBLE, Batch, loss_of_each, walk

    case = Case(chain(examples(kind)[number], c.Softplus()), training=False)
    parameters: dict[str, dict[str, Any]] = {}
    for slot in case.network.slots:
        part = torch.tensor(case.theta[slot.start : slot.stop], dtype=DOUBLE).reshape(slot.parameter.shape)
        parameters.setdefault(slot.link.name, {})[slot.field] = part.requires_grad_()
    states = {
        n: {f: torch.tensor(v, dtype=DOUBLE) for f, v in s._asdict().items()}
        for n, s in case.ctx.states.items()
    }
    x = torch.tensor(case.X, dtype=DOUBLE, requires_grad=True)
    out = walk(case.network.links, x, Batch(parameters, states, False, (), {}))
    each = [torch.autograd.grad(out[:, k].sum(), x, create_graph=True)[0] for k in range(OUTPUTS)]
    g, d, w, share = torch.stack(each, 1), *map(torch.tensor, (case.d, case.w, WEIGHTS / WEIGHTS.sum()))
    loss = share @ (
        loss_of_each(case.network.loss, out, torch.tensor(case.y)) + (w * (g - d) ** 2).sum((1, 2)) / 2
    )
    leaves = [parameters[slot.link.name][slot.field] for slot in case.network.slots]
    wanted = torch.autograd.grad(loss, leaves, allow_unused=True, materialize_grads=True)
    found = case.objective(case.theta)
    assert_allclose(found.loss, loss.item(), rtol=1e-12)
    flat = np.concatenate([part.numpy().ravel() for part in wanted])
    assert_allclose(case.network.flatten(found.grads), flat, rtol=1e-9, atol=1e-12)


# --- numbers by hand, and what is fitted


def test_numbers_of_a_linear_model():
    """out = 2 x1 - x2 of x = (1, 1) with y = 1, slopes (3, not known): S = 1/2 (2 - 3)^2, its gradient -1 for w1."""
    network = Network(2, [Dense(1)], c.MeanSquaredError())
    slopes = (np.array([[[3.0, 9.0]]]), np.array([[[1.0, 0.0]]]))
    params = network.unflatten(np.array([2.0, -1, 0]))
    found = network.objective(
        params, np.ones((1, 2)), np.ones((1, 1)), np.ones(1), Context(training=True), slopes=slopes
    )
    assert found.loss == 0.5
    assert_array_equal(network.flatten(found.grads), [-1, 0, 0])


def rows(n: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A function of two columns of very different units, and its slopes."""
    X = np.random.default_rng(seed).uniform(-1, 1, (n, 2)) * [1, 1000]
    u, v = X[:, 0], X[:, 1] / 1000
    y, dY = np.sin(3 * u) * v + v**2, np.stack([3 * np.cos(3 * u) * v, (np.sin(3 * u) + 2 * v) / 1000], 1)
    return X, y, dY


def network(outputs: int = 1, **settings: Any) -> Network:
    return Network(2, [c.Standardize(), Dense(16), Tanh(), Dense(outputs)], c.MeanSquaredError(), **settings)


def error_of(slopes: Any) -> float:
    X, y, _ = rows(20, 1)
    model = Model(network(), dtype="float64")
    model.fit(X, y, slopes=slopes, epochs=300, optimizer=c.LBFGS(), batch_size=None, scale_targets=True)
    X, y, _ = rows(500, 2)
    return float(np.sqrt(np.mean((model.predict(X).ravel() - y) ** 2)))


def test_slopes_make_a_model_more_accurate():
    """In units of the columns and of y; with half of them unknown, by any columns and rows, still so."""
    dY = rows(20, 1)[2]
    some = np.where(np.random.default_rng(0).uniform(size=dY.shape) < 0.5, np.nan, dY)
    without = error_of(None)
    assert error_of(dY) < 0.5 * without
    assert error_of(some) < 0.8 * without
    assert error_of(-dY) > without


def test_units_do_not_matter():
    """Columns and targets in other units give the same network, up to rounding."""
    X, y, dY = rows(20, 1)
    unit = np.array([64.0, 1 / 1024])
    thetas = []
    for scale, by in ((np.ones(2), 1), (unit, 256)):
        model = Model(network(), dtype="float64")
        model.fit(X * scale, by * y, slopes=by * dY / scale, epochs=3, scale_targets=True, batch_size=5)
        thetas.append(model.theta)
    assert_allclose(*thetas, rtol=1e-9)


def test_a_weight_of_0_is_an_unknown_slope():
    X, y, dY = rows(20, 1)
    unknown, weight = dY.copy(), np.ones_like(dY)
    unknown[3:9, 1], weight[3:9, 1] = np.nan, 0
    thetas = []
    for slopes, weights in ((unknown, 1), (dY, weight)):
        model = Model(network(), dtype="float64")
        history = model.fit(X, y, slopes=slopes, slope_weight=weights, epochs=3)
        thetas.append(model.theta)
        assert history["loss"][0] > 0
    assert_array_equal(*thetas)


def test_several_outputs_learn_their_own_slopes():
    X, y, dY = rows(20, 1)
    Y, dYs = np.stack([y, -2 * y], 1), np.stack([dY, -2 * dY], 1)
    model = Model(network(2), dtype="float64")
    model.fit(X, Y, slopes=dYs, epochs=300, optimizer=c.LBFGS(), batch_size=None, scale_targets=True)
    assert_allclose(
        model.jacobian(X) / [1, 0.001], dYs / [1, 0.001], atol=0.05 * np.abs(dYs / [1, 0.001]).max()
    )


def test_a_run_goes_on_from_its_checkpoint(tmp_path: Any):
    X, y, dY = rows(20, 1)
    first, second = (Model(network(), dtype="float64") for _ in range(2))
    first.fit(X, y, slopes=dY, epochs=4, batch_size=7)
    kept = tmp_path / "run.safetensors"
    second.fit(X, y, slopes=dY, epochs=2, batch_size=7, callbacks=[c.Checkpoint(kept)])
    again = Model(network(), dtype="float64")
    with pytest.raises(c.ConfigError, match="data"):
        again.fit(X, y, slopes=2 * dY, epochs=4, batch_size=7, resume=kept)
    again.fit(X, y, slopes=dY, epochs=4, batch_size=7, resume=kept)
    assert_array_equal(again.theta, first.theta)


def test_members_of_an_ensemble_learn_slopes():
    X, y, dY = rows(20, 1)
    ensemble = c.Ensemble(network(), 2, seed=5)
    single = Model(network(), seed=ensemble.seeds[1])
    for each in (ensemble, single):
        each.fit(X, y, slopes=dY, epochs=3)
    assert_array_equal(ensemble[1].theta, single.theta)


# --- estimators


def estimator(**settings: Any) -> c.MLPRegressor:
    linear = c.TablePreprocessor(scale="linear", dtype="float64")
    given = {"preprocess": linear, "solver": "lbfgs", "activation": "tanh", "max_iter": 300, "alpha": 0.0}
    return c.MLPRegressor(**({"hidden_layer_sizes": (16,), "random_state": 0} | given | settings))


@pytest.mark.filterwarnings("ignore:lbfgs failed to converge")
def test_an_estimator_learns_slopes_by_the_columns_of_its_table():
    """Among columns of a frame that are no numbers, whose slopes are unknown; and one is constant."""
    import pandas as pd

    X, y, dY = rows(20, 1)
    color = np.array(["red", "blue"] * 10)
    table = pd.DataFrame({"color": color, "u": X[:, 0], "same": 4.0, "v": X[:, 1]})
    slopes = np.full((20, 4), np.nan)
    slopes[:, [1, 3]] = dY
    slopes[:, 2] = 5
    found = [estimator().fit(table, y, slopes=given) for given in (None, slopes)]
    fresh, y_fresh, _ = rows(500, 2)
    fresh = pd.DataFrame({"color": "red", "u": fresh[:, 0], "same": 4.0, "v": fresh[:, 1]})
    errors = [np.sqrt(np.mean((each.predict(fresh) - y_fresh) ** 2)) for each in found]
    assert errors[1] < 0.5 * errors[0]
    slopes[0, 0] = 1
    with pytest.raises(
        c.ConfigError, match="slopes by column 'color' need it as one number, scaled linearly"
    ):
        estimator().fit(table, y, slopes=slopes)
    with pytest.raises(c.ConfigError, match=r"use preprocess=TablePreprocessor\(scale='linear'\)"):
        estimator(preprocess="auto").fit(X, y, slopes=dY)


@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
def test_rows_that_an_estimator_holds_out_keep_their_slopes():
    """Early stopping takes rows with their slopes and weights, so those of weight 0 change nothing."""
    X, y, dY = rows(40, 1)
    known = np.arange(40)[:, None] % 2 > 0
    weight = np.where(known, 1.0, 0.0)
    settings = {"solver": "adam", "early_stopping": True, "max_iter": 5, "preprocess": None}
    first = estimator(**settings).fit(X / [1, 1000], y, slopes=np.where(known, dY * [1, 1000], np.nan))
    second = estimator(**settings).fit(X / [1, 1000], y, slopes=dY * [1, 1000], slope_weight=weight)
    assert_array_equal(first.coefs_[0], second.coefs_[0])


# --- bad input


class Cube(Layer):
    """A layer with the two methods that every one has."""

    def forward(self, params: Any, a: Any, ctx: Any) -> Any:
        return a**3, a

    def backward(self, params: Any, cache: Any, delta: Any, ctx: Any) -> Any:
        return (), 3 * cache**2 * delta


X, Y, DY = rows(20, 1)
BAD: dict[str, tuple[dict[str, Any], type[Exception], str]] = {
    "too few columns": (
        {"slopes": DY[:, :1]},
        c.ShapeError,
        r"must have shape \(20, 2\), .* not \(20, 1\); put",
    ),
    "rows": ({"slopes": DY[:5]}, c.ShapeError, r"not \(5, 2\)"),
    "none known": ({"slopes": DY * np.nan}, c.DataError, "slopes is NaN in every place"),
    "infinite": ({"slopes": DY * np.inf}, c.DataError, "finite real numbers, or NaN"),
    "text": ({"slopes": np.full(DY.shape, "steep")}, c.DataError, "slopes must contain numbers"),
    "weight alone": ({"slope_weight": 2}, c.ConfigError, "pass slopes too"),
    "negative weight": ({"slopes": DY, "slope_weight": -1}, c.DataError, "at least 0"),
    "weight 0": ({"slopes": DY, "slope_weight": 0}, c.DataError, "above 0 for a slope that is known"),
    "weights": (
        {"slopes": DY, "slope_weight": [1, 2, 3]},
        c.ShapeError,
        r"broadcast to the shape .*, \(20, 2\), not",
    ),
    "method": ({"slopes": DY, "method": "spsa"}, c.ConfigError, "spsa does not train on slopes"),
    "engine": (
        {"slopes": DY, "engine": "xla"},
        c.ConfigError,
        "slopes require the native or the reference engine|JAX",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_slopes_have_a_sentence(name: str):
    settings, error, words = BAD[name]
    with pytest.raises(error, match=words):
        Model(network()).fit(X, Y, epochs=1, **settings)


def test_networks_without_slopes_have_a_sentence():
    def fit(layers: list[Layer], loss: Any = None, y: Any = Y, slopes: Any = DY) -> None:
        Model(Network(2, layers, loss or c.MeanSquaredError())).fit(X, y, slopes=slopes, epochs=1)

    labels = (Y > 0).astype(int)
    with pytest.raises(c.ConfigError, match="with SigmoidCrossEntropy the outputs are something else"):
        fit([Dense(1)], c.SigmoidCrossEntropy(), labels)
    with pytest.raises(c.ConfigError, match="with Poisson the outputs"):
        fit([Dense(1)], c.Poisson(), np.abs(Y))
    with pytest.raises(
        c.ConfigError, match=r"batch_norm_1 \(BatchNorm\) has outputs that depend on the other rows"
    ):
        fit([Dense(3), c.BatchNorm(), Tanh(), Dense(1)])
    with pytest.raises(c.ConfigError, match=r"needs more of a custom layer: Cube does not define"):
        fit([Dense(3), Cube(), Dense(1)])
    with pytest.raises(c.ConfigError, match="MLPRegressor predicts; use it, or omit slopes"):
        c.MLPClassifier().fit(X, labels, slopes=DY)
    with pytest.raises(c.ConfigError, match="preset='fast' does not train on slopes"):
        c.MLPRegressor(preset="fast").fit(X, Y, slopes=DY)
