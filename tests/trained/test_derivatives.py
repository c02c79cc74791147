"""Jacobians, Hessians and their products: numbers by hand, central differences over the registries, JAX and PyTorch."""

from __future__ import annotations

import warnings
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

import chainrule as c
from chainrule import Dense, Layer, Model, Network, Residual, Skip, Tanh
from chainrule.engines import NativeEngine, native
from chainrule.errors import ConfigError, DataError, ShapeError
from chainrule.formulas import losses
from chainrule.formulas.layers import ACTIVATIONS, Context
from chainrule.formulas.losses import LOSSES
from chainrule.trained.persistence import LAYERS
from layer_examples import examples, loss_with_its_end
from needs import needs
from states import drawn_states, stands_first

ROWS, INPUTS, WIDTH = 4, 4, 12  # 12 divides into the groups of every GroupedDense


@pytest.fixture(autouse=True)
def quiet():
    """The models are not trained, which their predictions warn of."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="the model was never trained")
        yield


def drawn(inputs: int, layers: list[Layer], loss: Any = None, dtype: Any = np.float64) -> Model:
    """A model with parameters and states that are drawn, away from 0."""
    network, random = Network(inputs, layers, loss or c.MeanSquaredError()), np.random.default_rng(7)
    theta = random.choice((-1, 1), network.size) * random.uniform(0.3, 0.9, network.size)
    model = Model.with_theta(network, theta.astype(dtype))
    model.states = drawn_states(network, random)
    return model if dtype is np.float64 else in_dtype(model, dtype)


def in_dtype(model: Model, dtype: Any) -> Model:
    model.states = {name: type(s)(*(part.astype(dtype) for part in s)) for name, s in model.states.items()}
    return model


def rows_for(layer: Layer) -> np.ndarray:
    X = np.random.default_rng(3).normal(size=(ROWS, INPUTS))
    if layer.reads_codes:
        X[:, 2], X[:, 0] = np.arange(ROWS) % 3, 3 - np.arange(ROWS)
    return X


def difference(f: Any, X: np.ndarray, columns: list[int], h: float) -> np.ndarray:
    """df / dx_i by a central difference, as the last axis, for some columns."""
    steps = h * np.eye(X.shape[1])[columns]
    return np.stack([(f(X + step) - f(X - step)) / (2 * h) for step in steps], -1)


def check_all(model: Model, X: np.ndarray, of: str, columns: list[int]) -> None:
    """Compare J with differences of the outputs, H with those of J, and the products with both."""

    def f(X: np.ndarray) -> np.ndarray:
        if of == "outputs":
            return model.outputs(X, engine="reference")
        if model.task == "regression":
            return model.predict(X, engine="reference").reshape(len(X), -1)
        return model.predict_proba(X, engine="reference")

    J, H = model.jacobian(X, of=of), model.hessian(X, of=of)
    n, k = f(X).shape
    assert J.shape == (n, k, X.shape[1]) and H.shape == (n, k, X.shape[1], X.shape[1])
    # Where a step crosses a kink, a smaller one does not.
    errors_J = [np.abs(difference(f, X, columns, h) - J[..., columns]) for h in (1e-4, 1e-5, 1e-6)]
    assert np.minimum.reduce(errors_J).max() < 1e-7 * (1 + np.abs(J).max())
    jacobian = lambda X: model.jacobian(X, of=of)  # noqa: E731
    errors_H = [np.abs(difference(jacobian, X, columns, h) - H[..., columns]) for h in (1e-4, 1e-5, 1e-6)]
    assert np.minimum.reduce(errors_H).max() < 1e-6 * (1 + np.abs(H).max())
    assert_allclose(H, H.swapaxes(2, 3), rtol=1e-12, atol=1e-12)
    random = np.random.default_rng(5)
    V, U = random.normal(size=X.shape), random.normal(size=(n, k))
    same = {"rtol": 1e-11, "atol": 1e-11}
    assert_allclose(model.jacobian_vector_product(X, V, of=of), np.einsum("nki,ni->nk", J, V), **same)
    assert_allclose(model.vector_jacobian_product(X, U, of=of), np.einsum("nki,nk->ni", J, U), **same)
    assert_allclose(model.hessian_vector_product(X, V, of=of), np.einsum("nkij,nj->nki", H, V), **same)
    assert_allclose(model.hessian_vector_product(X, V[0], of=of), np.einsum("nkij,j->nki", H, V[0]), **same)


# --- numbers by hand


def test_numbers_of_a_neuron():
    """f = 3 tanh(2 x - 1): f' = 6 (1 - t^2) and f'' = -24 t (1 - t^2); at x = 1/2, t = 0."""
    model = Model.with_theta(
        Network(1, [Dense(1), Tanh(), Dense(1)], c.MeanSquaredError()), np.array([2.0, -1, 3, 0])
    )
    t = np.tanh(1.0)
    X = [[0.5], [1.0]]
    assert_allclose(model.jacobian(X).ravel(), [6, 6 * (1 - t * t)], rtol=1e-15)
    assert_allclose(model.hessian(X).ravel(), [0, -24 * t * (1 - t * t)], rtol=1e-15)


def test_numbers_of_a_linear_model():
    """J is W^T, the same in all rows, and H is 0."""
    W = np.array([[1.0, 2, 3], [4, 5, 6]])
    model = Model.with_theta(
        Network(2, [Dense(3)], c.MeanSquaredError()), np.concatenate([W.ravel(), np.zeros(3)])
    )
    J = model.jacobian(np.zeros((5, 2)))
    assert_array_equal(J, np.broadcast_to(W.T, (5, 3, 2)))
    J[0] = 0  # an array of its own
    assert_array_equal(J[1], W.T)
    assert not model.hessian(np.zeros((5, 2))).any()
    assert_array_equal(model.jacobian([[0, 0]], outputs=[2, 0])[0], W.T[[2, 0]])
    assert_array_equal(model.jacobian([0, 0], outputs=1)[0], W.T[[1]])


def test_numbers_of_probabilities():
    """p = sigmoid(w x): p' = w p (1 - p), for the first class with the other sign; p'' = w^2 p (1 - p) (1 - 2 p)."""
    model = Model.with_theta(Network(1, [Dense(1)], c.SigmoidCrossEntropy()), np.array([2.0, 0]))
    X = [[np.log(3) / 2]]  # p = 3/4
    assert_allclose(model.jacobian(X, of="answer").ravel(), [-0.375, 0.375], rtol=1e-14)
    assert_allclose(model.hessian(X, of="answer").ravel(), [0.375, -0.375], rtol=1e-14)
    assert_array_equal(model.jacobian(X).ravel(), [2])


def test_a_kink_has_no_second_derivative():
    model = Model.with_theta(
        Network(1, [Dense(1), c.ReLU(), Dense(1)], c.MeanSquaredError()), np.array([2.0, 0, 3, 0])
    )
    assert_array_equal(model.jacobian([[-1], [0], [1]]).ravel(), [0, 0, 6])
    assert_array_equal(model.hessian([[-1], [0], [1]]).ravel(), [0, 0, 0])


def test_targets_that_were_scaled_and_clamped():
    """Outputs are in the units of y, std * t + mean; a prediction at the limit of the training targets has slope 0."""
    X = np.linspace(-1, 1, 40)[:, None]
    model = Model(Network(1, [Dense(4), Tanh(), Dense(1)], c.MeanSquaredError()), dtype="float64")
    model.fit(X, 1000 + 300 * X[:, 0], epochs=60, optimizer=c.Adam(0.05), scale_targets="clamp")
    at = np.array([[0.1], [3.0], [-4.0]])
    assert_allclose(model.jacobian(at)[0], 300, rtol=0.1)
    check_all(model, at, "outputs", [0])
    check_all(model, at, "answer", [0])
    predicted = model.predict(at)
    assert list(predicted[1:]) == [1300, 700]
    assert_array_equal(model.jacobian(at, of="answer")[1:].ravel(), [0, 0])
    assert (model.jacobian(at)[1:] > 0).all()


# --- the registries

PAIRS = [(layer, "tanh") for kind in LAYERS for layer in examples(kind)] + [
    (Dense(WIDTH), kind) for kind in ACTIVATIONS
]


@pytest.mark.parametrize("layer, activation", PAIRS, ids=lambda each: repr(each))
def test_every_layer_and_activation(layer: Layer, activation: str):
    body = [layer, Dense(WIDTH)] if stands_first(layer) else [Dense(WIDTH), layer]
    model = drawn(INPUTS, [*body, ACTIVATIONS[activation](), Dense(2)])
    check_all(model, rows_for(layer), "outputs", [1, 3] if layer.reads_codes else [0, 1, 2, 3])


@pytest.mark.parametrize("layer, activation", PAIRS, ids=lambda each: repr(each))
def test_float32_is_the_rounded_float64(layer: Layer, activation: str):
    body = [layer, Dense(WIDTH)] if stands_first(layer) else [Dense(WIDTH), layer]
    layers = [*body, ACTIVATIONS[activation](), Dense(2)]
    X = rows_for(layer).astype(np.float32)
    exact, coarse = drawn(INPUTS, layers), drawn(INPUTS, layers, dtype=np.float32)
    for name in ("jacobian", "hessian"):
        found, expected = getattr(coarse, name)(X), getattr(exact, name)(X)
        assert found.dtype == np.float32
        assert_allclose(found, expected, rtol=1e-4, atol=2e-5 * (1 + np.abs(expected).max()))


@pytest.mark.parametrize("kind", LOSSES)
@pytest.mark.parametrize("members", [1, 2])
def test_the_answer_of_every_loss(kind: str, members: int):
    if (made := loss_with_its_end(kind, members)) is None:
        return
    loss, ends = made
    model = drawn(INPUTS, [Dense(3), Tanh(), Dense(3 * members), *ends], loss)
    for of in ("outputs", "answer"):
        check_all(model, rows_for(model.network.layers[0]), of, [0, 3])


@pytest.mark.parametrize("loss", [losses.SigmoidCrossEntropy(), losses.BinaryCrossEntropy()], ids=repr)
def test_the_answer_of_two_classes_has_two_columns(loss: Any):
    ends = [c.Sigmoid()] if loss.domain == "probability" else []
    model = drawn(INPUTS, [Dense(3), Tanh(), Dense(1), *ends], loss)
    check_all(model, rows_for(model.network.layers[0]), "answer", [0, 3])
    assert model.jacobian(np.ones((1, INPUTS)), of="answer", outputs=[1]).shape == (1, 1, INPUTS)


leaves = st.sampled_from(
    [Dense(2), Tanh(), c.GELU(), c.ReLU(), c.Softmax(), c.Scale(), c.Dropout(0.5), c.BatchNorm()]
)


@settings(max_examples=25)
@given(
    st.lists(leaves, min_size=1, max_size=3),
    st.lists(leaves, min_size=1, max_size=2),
    st.sampled_from([Residual, Skip]),
    st.integers(1, 4),
)
def test_blocks_in_blocks(inner: list[Layer], outer: list[Layer], kind: Any, inputs: int):
    model = drawn(inputs, [*outer, kind([*inner, Skip([Dense(2), Tanh()])]), Dense(2)])
    check_all(model, np.random.default_rng(1).normal(size=(3, inputs)), "outputs", list(range(inputs)))


@given(st.integers(1, 5), st.integers(1, 4), st.integers(1, 4), st.integers(1, 200))
def test_any_number_of_rows_in_one_pass(rows: int, inputs: int, outputs: int, numbers: int):
    """The rows of a pass change no number but by rounding."""
    model = drawn(inputs, [Dense(5), Tanh(), Dense(outputs)])
    X = np.random.default_rng(rows).normal(size=(rows, inputs))
    whole = [model.jacobian(X), model.hessian(X), model.hessian_vector_product(X, X)]
    with pytest.MonkeyPatch.context() as patch:
        for name in ("NUMBERS_PER_PASS", "NUMBERS_PER_CALL"):
            patch.setattr(f"chainrule.trained.derivatives.{name}", numbers)
        parts = [model.jacobian(X), model.hessian(X), model.hessian_vector_product(X, X)]
    for one, other in zip(whole, parts, strict=True):
        assert_allclose(one, other, rtol=1e-12, atol=1e-14)


# --- the kernels


class Same(Layer):
    """The identity, which the kernels do not know: a network with it is differentiated by the layers' formulas."""

    is_affine = True

    def forward(self, params: Any, a: Any, ctx: Any) -> tuple[Any, Any]:
        return a, None

    def backward(self, params: Any, cache: Any, delta: Any, ctx: Any) -> tuple[Any, Any]:
        return (), delta

    def tangent(self, params: Any, v: Any, cache: Any, a_dot: Any, ctx: Any) -> Any:
        return a_dot


WIDTHS = [(2, 3), (4, 16, 1), (40, 50, 7, 3), (3, 5, 90), (3, 300, 260, 2)]
"""Of one layer, within and beyond a vector and a panel, with more outputs than inputs, and beyond a cache block."""


@pytest.mark.skipif(native.REASON is not None, reason="the native engine was not built")
@pytest.mark.parametrize("widths", WIDTHS, ids=repr)
@pytest.mark.parametrize("activation", ["relu", "tanh", "silu", "softplus"])
def test_the_kernels_agree_with_the_layers(
    widths: tuple[int, ...], activation: str, monkeypatch: pytest.MonkeyPatch
):
    """On each instruction set, with one thread and two, behind columns that are scaled, with vectors of each row."""
    body = [each for width in widths[1:-1] for each in (Dense(width), ACTIVATIONS[activation]())]
    layers = [c.Rescale(0.5, 0.1), *body, Dense(widths[-1])]
    random = np.random.default_rng(0)
    for n in (1, 30):
        X, U = random.normal(size=(n, widths[0])), random.normal(size=(n, widths[-1]))
        found = {}
        for isa in (None, *native._native.instruction_sets()):
            model = drawn(widths[0], [*layers, Same()] if isa is None else layers)
            model.theta *= 0.3
            monkeypatch.setenv("CHAINRULE_ISA", isa or native._native.instruction_sets()[0])
            for threads in (1, 2):
                monkeypatch.setattr(NativeEngine, "workers", lambda engine, threads=threads: threads)
                monkeypatch.setattr("chainrule.trained.derivatives.WORTH_A_THREAD", 0)
                found[isa, threads] = model.jacobian(X), model.hessian(X), model.vector_jacobian_product(X, U)
        first = found.pop((None, 1))
        for each in found.values():
            for one, other in zip(each, first, strict=True):
                assert_allclose(one, other, rtol=1e-10, atol=1e-12 * max(1.0, np.abs(other).max()))


# --- other libraries


@pytest.mark.slow
@pytest.mark.parametrize("layer, activation", PAIRS, ids=lambda each: repr(each))
def test_jax_agrees(layer: Layer, activation: str):
    """JAX differentiates the forward pass and knows none of our derivatives."""
    body = [layer, Dense(WIDTH)] if stands_first(layer) else [Dense(WIDTH), layer]
    model = drawn(INPUTS, [*body, ACTIVATIONS[activation](), Dense(2)], c.SoftmaxCrossEntropy())
    states = {name: type(s)(*map(jnp.asarray, s)) for name, s in model.states.items()}
    network, ctx, X = model.network, Context(states=states), rows_for(layer)
    params = network.unflatten(jnp.asarray(model.theta))

    def f(x: Any) -> Any:
        return network.loss.predict(network.predict(params, x[None], ctx))[0]

    J, H = (jax.vmap(d(f))(X) for d in (jax.jacrev, jax.hessian))
    assert_allclose(model.jacobian(X, of="answer"), J, rtol=1e-10, atol=1e-12)
    assert_allclose(model.hessian(X, of="answer"), H, rtol=1e-9, atol=1e-11)


@needs("torch")
def test_pytorch_agrees():
    import torch

    model = drawn(4, [Dense(6), c.GELU(), Dense(5), c.Softplus(), Dense(3)], c.SoftmaxCrossEntropy())
    parts = [torch.tensor(part) for params in model.parameters.values() for part in params]

    def f(x: Any) -> Any:
        a = torch.nn.functional.gelu(x @ parts[0] + parts[1])
        a = torch.nn.functional.softplus(a @ parts[2] + parts[3])
        return torch.softmax(a @ parts[4] + parts[5], -1)

    X = np.random.default_rng(2).normal(size=(5, 4))
    J, H = model.jacobian(X, of="answer"), model.hessian(X, of="answer")
    for i, x in enumerate(torch.tensor(X)):
        assert_allclose(J[i], torch.autograd.functional.jacobian(f, x), rtol=1e-10, atol=1e-13)
        for k in range(3):
            of_k = torch.autograd.functional.hessian(lambda x, k=k: f(x)[k], x)
            assert_allclose(H[i, k], of_k, rtol=1e-10, atol=1e-13)


# --- custom layers, and what is refused


class Cube(Layer):
    """A layer with the two methods that every one has."""

    def forward(self, params: Any, a: Any, ctx: Any) -> Any:
        return a**3, a

    def backward(self, params: Any, cache: Any, delta: Any, ctx: Any) -> Any:
        return (), 3 * cache**2 * delta


class CubeTwice(Cube):
    """The same, with what second derivatives need."""

    def tangent(self, params: Any, v: Any, cache: Any, a_dot: Any, ctx: Any) -> Any:
        return 3 * cache**2 * a_dot

    def pullback_tangent(self, params: Any, cache: Any, delta: Any, a_dot: Any, ctx: Any) -> Any:
        return (6 * cache[:, None] * delta)[:, :, None] * a_dot[:, None]


class Sine(c.Activation):
    """An activation without a second derivative."""

    def f(self, z: Any) -> Any:
        return np.sin(z)

    def prime(self, z: Any, a: Any) -> Any:
        return np.cos(z)


class SineOfTanh(Tanh):
    """A subclass whose second derivative is no longer that of its base."""

    def f(self, z: Any) -> Any:
        return np.sin(z)

    def prime(self, z: Any, a: Any) -> Any:
        return np.cos(z)


def test_custom_layers():
    X = np.random.default_rng(0).normal(size=(3, 2))
    model, twice = (drawn(2, [Dense(3), cube, Dense(2)]) for cube in (Cube(), CubeTwice()))
    assert_allclose(model.jacobian(X), twice.jacobian(X), rtol=1e-14)
    check_all(twice, X, "outputs", [0, 1])
    with pytest.raises(ConfigError, match=r"Cube does not define tangent\(\)"):
        model.jacobian_vector_product(X, X)
    with pytest.raises(ConfigError, match=r"Cube does not define tangent\(\)"):
        model.hessian(X)
    for sine in (Sine(), SineOfTanh()):
        model = drawn(2, [Dense(3), sine, Dense(2)])
        model.jacobian(X)
        with pytest.raises(ConfigError, match=rf"{type(sine).__name__} must define second\(z, a\)"):
            model.hessian(X)


class Squared(c.MeanSquaredError):
    """A loss that predicts the square of its output."""

    def predict(self, out: Any) -> Any:
        return out**2


def test_what_is_refused():
    model = drawn(2, [Dense(3), Tanh(), Dense(2)])
    X = np.zeros((4, 2))
    with pytest.raises(ConfigError, match="of must be one of outputs, answer, not 'logits'"):
        model.jacobian(X, of="logits")
    for wrong in (2, -1, [], [0, 5], "a", True, 0.5):
        with pytest.raises(ConfigError, match="outputs must be one of 0 to 1 or a list of these"):
            model.jacobian(X, outputs=wrong)
    with pytest.raises(ShapeError, match=r"V must be a number per input, of shape \(2,\)"):
        model.jacobian_vector_product(X, np.zeros(3))
    with pytest.raises(ShapeError, match="U must be a number per output"):
        model.vector_jacobian_product(X, np.zeros((3, 2)))
    with pytest.raises(DataError, match="V must contain finite real numbers"):
        model.hessian_vector_product(X, [np.nan, 0])
    with pytest.raises(ShapeError, match="X has 3 features"):
        model.jacobian(np.zeros((4, 3)))
    with pytest.raises(ConfigError, match=r"the derivative of Squared.predict is not known"):
        drawn(2, [Dense(2)], Squared()).jacobian(X, of="answer")
