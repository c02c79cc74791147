"""ParametricActivation, an activation that a neuron mixes with the identity, and all that the package does to it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

import chainrule as c
from chainrule.engines.native import REASON
from chainrule.formulas.layers import ACTIVATIONS
from chainrule.inspection.derivation.factors import ParametricEdge
from chainrule.inspection.derivation.graph import Graph
from halves import half

RNG = np.random.default_rng(8)
X = RNG.normal(size=(30, 4))
Y = np.arange(30) % 3
ELEMENTWISE = [ACTIVATIONS[kind]() for kind in sorted(ACTIVATIONS) if kind not in ("prelu", "softmax")]
FUNCTIONS: list[c.Activation] = [*ELEMENTWISE, c.ELU(0.5), c.LeakyReLU(0.3)]
needs_native = pytest.mark.skipif(REASON is not None, reason="needs the native engine")


def made(*layers: c.Layer, dtype: str = "float64", **settings) -> c.Model:
    """A model whose factors are not their start: behind a dense layer, in a block, and behind a batch norm."""
    block = c.Residual([c.Dense(5), c.ParametricActivation(c.Tanh())])
    default = [c.Dense(5), c.ParametricActivation(c.Mish()), block, c.BatchNorm()]
    chain = layers or [*default, c.ParametricActivation(c.SELU()), c.Dense(3)]
    model = c.Model(c.Network(4, chain, c.SoftmaxCrossEntropy(), **settings), seed=2, dtype=dtype)
    for name, params in model.parameters.items():
        if name.startswith("parametric"):
            params.alpha[...] = RNG.uniform(-2, 2, params.alpha.shape)
    return model


def test_by_hand():
    """f = ReLU: z where z > 0, else (1 - alpha) z; dL/dalpha = -delta z where z <= 0."""
    model = c.Model(c.Network(2, [c.ParametricActivation(c.ReLU())], c.MeanSquaredError()), dtype="float64")
    assert_array_equal(model.theta, [1, 1])
    model.theta[:] = [0.5, -1]
    assert_array_equal(model.outputs([[-4, 3], [2, -1]]), [[-2, 3], [2, -2]])
    trace = model.trace([[-4, 3], [2, -1]], [[0, 0], [0, 0]])
    delta = trace.grad_outputs["parametric_activation_1"]
    assert_array_equal(trace.grads["parametric_activation_1"].alpha, [delta[0, 0] * 4, delta[1, 1] * 1])
    assert_array_equal(trace.grad_x, delta * [[0.5, 1], [1, 2]])


@pytest.mark.parametrize("function", FUNCTIONS, ids=repr)
def test_between_the_identity_and_the_function(function: c.Activation):
    layer = c.ParametricActivation(function)
    z = RNG.normal(size=(6, 4))
    for alpha, wanted in ((1.0, function.f(z)), (0.0, z)):
        out, _ = layer.forward(layer.parameters(4, c.Constant())._replace(alpha=np.full(4, alpha)), z, None)
        assert_allclose(out, wanted, atol=1e-15)
    assert (layer.suits, layer.kinks) == (function.suits, function.kinks)
    assert repr(layer) == f"ParametricActivation({function!r})"


@pytest.mark.parametrize("function", FUNCTIONS, ids=repr)
@pytest.mark.parametrize("settings", [{}, {"l2": 0.1, "l1": 0.01}])
def test_gradients_agree_with_central_differences(function: c.Activation, settings):
    model = made(c.Dense(5), c.ParametricActivation(function), c.Dense(3), **settings)
    assert model.check_gradients(X, Y).error < 1e-6


def test_no_penalty_and_no_bound_touches_the_factors():
    model = made(c.Dense(4), c.ParametricActivation(c.SELU()), c.Dense(3), l2=0.5, max_norm=0.1)
    alpha = model.parameters["parametric_activation_1"].alpha
    before = alpha.copy()
    model.fit(X, Y, epochs=1, optimizer=c.GradientDescent(1e-9))
    assert_allclose(alpha, before, atol=1e-6)


def test_rate_and_decays_are_of_its_factors_alone():
    def moved(**settings: float) -> tuple[np.ndarray, np.ndarray]:
        model = c.Model(
            c.Network(
                4,
                [c.Dense(5), c.ParametricActivation(c.Mish(), **settings), c.Dense(3)],
                c.SoftmaxCrossEntropy(),
            ),
            seed=2,
            dtype="float64",
        )
        before = model.theta.copy()
        model.fit(
            X, Y, epochs=1, batch_size=None, optimizer=c.AdamW(0.01, weight_decay=0.1), engine="reference"
        )
        change = model.theta - before
        alphas = np.arange(len(change))[25:30]
        return change[alphas], np.delete(change, alphas)

    one, others = moved()
    for settings, wanted in (
        ({"rate": 0.0}, 0 * one),
        ({"rate": 0.5}, one / 2),
        ({"decays": 0.0}, one + 0.01 * 0.1),  # alpha is 1, so the decay is lr wd
    ):
        found, rest = moved(**settings)
        assert_allclose(found, wanted, rtol=1e-9, atol=1e-15)
        assert_array_equal(rest, others)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (
            lambda: c.ParametricActivation(c.Softmax()),
            "function of ParametricActivation must be an elementwise activation",
        ),
        (
            lambda: c.ParametricActivation(c.PReLU()),
            "function of ParametricActivation must be an elementwise activation",
        ),
        (lambda: c.ParametricActivation(c.SELU), "not <class .*SELU\\(\\) and Mish\\(\\) are usual"),
        (lambda: c.ParametricActivation("selu"), "not 'selu'"),
        (lambda: c.ParametricActivation(c.ParametricActivation(c.SELU())), "without parameters"),
        (
            lambda: c.ParametricActivation(c.SELU(), rate=-1),
            "rate of ParametricActivation must be a finite number",
        ),
        (lambda: c.ParametricActivation(c.SELU(), decays="1"), "decays of ParametricActivation must be"),
    ],
)
def test_errors(make, said: str):
    with pytest.raises(c.ConfigError, match=said):
        make()


@needs_native
@pytest.mark.parametrize(
    ("function", "optimizer", "batch_size"),
    half(FUNCTIONS, [c.SGD(0.003, momentum=0.9), c.AdamW(0.01)], [1, 7, 30]),
    ids=repr,
)
def test_both_engines_agree(function: c.Activation, optimizer: c.Optimizer, batch_size: int):
    def activation() -> c.Layer:
        return c.ParametricActivation(function, rate=0.5, decays=0.3)

    layers = [activation(), c.Dense(37), activation(), c.Skip([activation(), c.Dense(4)]), c.Dense(3)]
    models = [made(*layers) for _ in range(2)]
    models[1].theta[:] = models[0].theta
    for model, engine in zip(models, ("native", "reference"), strict=True):
        model.fit(X, Y, epochs=2, batch_size=batch_size, optimizer=optimizer, engine=engine)
    assert_allclose(models[0].theta, models[1].theta, rtol=1e-9, atol=1e-10)
    native, reference = (models[0].outputs(X, engine=engine) for engine in ("native", "reference"))
    assert_allclose(native, reference, rtol=1e-12, atol=1e-12)
    assert_array_equal(models[0].bind(engine="native").outputs(X[:1]), native[:1])


@needs_native
@pytest.mark.parametrize("batch_size", [64, 2048])
def test_the_bits_depend_on_no_number_of_threads(batch_size: int, monkeypatch: pytest.MonkeyPatch):
    rng = np.random.default_rng(3)
    rows, y, found = rng.normal(size=(4096, 4)), rng.integers(0, 3, 4096), set()
    for threads in ("1", "2", "5"):
        monkeypatch.setenv("CHAINRULE_NUM_THREADS", threads)
        model = made(c.Dense(40), c.ParametricActivation(c.Mish()), c.Dense(3), dtype="float32")
        model.theta[:] = np.linspace(-1, 1, len(model.theta))
        model.fit(rows, y, epochs=1, batch_size=batch_size, engine="native")
        found.add(model.theta.tobytes())
    assert len(found) == 1


@needs_native
def test_a_gradient_that_is_larger_than_a_float_is_found_before_it_is_used():
    """f(z) - z of a steep function is larger than z, on which bounds of gradients are built."""
    layers = [c.ParametricActivation(c.LeakyReLU(1e30)), c.Dense(3)]
    model = c.Model(c.Network(4, layers, c.MeanSquaredError()), seed=1)
    model.parameters["parametric_activation_1"].alpha[...] = 1e-30
    start = model.theta.copy()
    with pytest.raises(c.NonFiniteError, match="gradient"):
        model.fit(-np.ones((8, 4)) * 1e6, np.zeros((8, 3)), epochs=1, engine="native")
    assert_array_equal(model.theta, start)


def test_a_function_of_ones_own():
    class Cube(c.Activation):
        def f(self, z):
            return z**3

        def prime(self, z, a):
            return 3 * z**2

    model = made(c.Dense(4), c.ParametricActivation(Cube()), c.Dense(3))
    assert model.check_gradients(X, Y).error < 1e-6
    assert model.network.links[1].layer.ops(4) is None
    model.fit(X, Y, epochs=1)  # on the reference engine


def test_per_sample_gradients_add_up():
    trace = made().trace(X, Y, training=False)
    for name in ("parametric_activation_1", "parametric_activation_2", "parametric_activation_3"):
        assert_allclose(trace.per_sample(name).alpha.sum(0), trace.grads[name].alpha, atol=1e-12)


@pytest.mark.parametrize("method", ["deep_lift", "epsilon_lrp", "integrated_gradients", "saliency"])
def test_attributions(method: str):
    model = made(
        c.Dense(5), c.ParametricActivation(c.ReLU()), c.Dense(5), c.ParametricActivation(c.SELU()), c.Dense(3)
    )
    found = model.attribute(X[:5], method=method)
    if method != "saliency":
        assert found.relative_error.max() < 1e-5


def test_derivation():
    trace = made().trace(X[:2], Y[:2])
    for what in (
        "parametric_activation_1.alpha[2]",
        "parametric_activation_2.alpha[0]",
        "x[1,3]",
        "dense_1.W[0,1]",
    ):
        derivation = trace.derive(what)
        assert derivation.value == pytest.approx(derivation.difference.value, rel=1e-6, abs=1e-9)
    assert isinstance(Graph(trace).edge_of("parametric_activation_1"), ParametricEdge)
    text = str(made(c.ParametricActivation(c.SELU()), c.Dense(3)).trace(X[:1], Y[:1]).derive("x[1]"))
    assert "parametric_activation_1.alpha[1]" in text and "selu′(x[1])" in text


def test_it_is_the_activation_of_the_layer_before_it():
    model = made(c.Dense(5), c.ParametricActivation(c.SELU()), c.Dense(3))
    trace = model.trace(X, Y)
    assert trace.a["dense_1"] is trace.a["parametric_activation_1"]
    assert repr(model.network.slots[0].parameter.initializer) == "LeCunNormal()"


def test_a_file_keeps_the_function_with_its_settings(tmp_path: Path):
    model = made(c.Dense(5), c.ParametricActivation(c.ELU(0.25), rate=0.1, decays=0.5), c.Dense(3))
    model.save(tmp_path / "model.safetensors")
    again = c.load(tmp_path / "model.safetensors")
    assert again.network.layers == model.network.layers
    assert again.outputs(X).tobytes() == model.outputs(X).tobytes()


@needs_native
@given(st.integers(1, 70), st.integers(1, 9), st.sampled_from(FUNCTIONS))
def test_any_width_in_float32(width: int, batch: int, function: c.Activation):
    rng = np.random.default_rng(width)
    layers = [c.Dense(width), c.ParametricActivation(function), c.Dense(2)]
    model = c.Model(c.Network(3, layers, c.MeanSquaredError()), seed=1)
    x = rng.normal(size=(batch, 3)).astype(np.float32)
    native, reference = (model.outputs(x, engine=engine) for engine in ("native", "reference"))
    assert_allclose(native, reference, rtol=2e-5, atol=2e-5)
