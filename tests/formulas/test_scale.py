"""Scale, the layer that multiplies each neuron by a learned factor, with all that the package does to a layer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import chainrule as c
from chainrule.engines.native import REASON
from chainrule.inspection.derivation.factors import MultipliedEdge
from chainrule.inspection.derivation.graph import Graph

RNG = np.random.default_rng(8)
X = RNG.normal(size=(30, 4))
Y = np.arange(30) % 3
needs_native = pytest.mark.skipif(REASON is not None, reason="needs the native engine")


def made(*layers: c.Layer, dtype: str = "float64", **settings) -> c.Model:
    """A model with scales before, behind and inside, whose factors are not their start."""
    block = c.Residual([c.Dense(5), c.Scale(), c.Tanh()])
    default = [c.Scale(), c.Dense(5), c.Scale(), c.BatchNorm(), c.ReLU(), block, c.Dense(3)]
    model = c.Model(c.Network(4, layers or default, c.SoftmaxCrossEntropy(), **settings), seed=2, dtype=dtype)
    for name, params in model.parameters.items():
        if name.startswith("scale"):
            params.s[...] = RNG.uniform(-2, 2, params.s.shape)
    return model


def test_by_hand():
    model = c.Model(c.Network(2, [c.Scale()], c.MeanSquaredError()), dtype="float64")
    assert_array_equal(model.theta, [1, 1])
    model.theta[:] = [2, -3]
    assert_array_equal(model.outputs([[1, 1], [4, 0.5]]), [[2, -3], [8, -1.5]])
    trace = model.trace([[1, 1], [4, 0.5]], [[0, 0], [0, 0]])
    delta = trace.grad_outputs["scale_1"]
    assert_array_equal(trace.grads["scale_1"].s, (delta * trace.x).sum(0))
    assert_array_equal(trace.grad_x, delta * [2, -3])


@pytest.mark.parametrize("settings", [{}, {"l2": 0.1, "l1": 0.01}])
def test_gradients_agree_with_central_differences(settings):
    assert made(**settings).check_gradients(X, Y).error < 1e-6


def test_no_penalty_and_no_bound_touches_the_factors():
    model = made(c.Scale(), c.Dense(3), l2=0.5, max_norm=0.1)
    slot = model.network.slots[0]
    assert not slot.parameter.is_weight and slot.link.name == "scale_1"
    norm = np.linalg.norm(model.parameters["scale_1"].s)
    model.fit(X, Y, epochs=1, optimizer=c.GradientDescent(1e-9))
    assert np.linalg.norm(model.parameters["scale_1"].s) == pytest.approx(norm, rel=1e-6)


def test_rate_is_of_its_learning_rate_alone():
    still = made(c.Scale(rate=0), c.Dense(3))
    before = still.parameters["scale_1"].s.copy()
    still.fit(X, Y, epochs=2, engine="reference")
    assert_array_equal(still.parameters["scale_1"].s, before)
    one, six = made(c.Scale(), c.Dense(3)), made(c.Scale(6), c.Dense(3))
    six.theta[:] = one.theta
    start = one.theta.copy()
    for model in (one, six):
        model.fit(X, Y, epochs=1, batch_size=None, optimizer=c.GradientDescent(0.01), engine="reference")
    assert_allclose(six.theta[:4] - start[:4], 6 * (one.theta[:4] - start[:4]), rtol=1e-9)
    assert_array_equal(six.theta[4:], one.theta[4:])
    for bad in (-1, np.inf, "2"):
        with pytest.raises(c.ConfigError, match="rate of Scale must be a finite number of at least 0"):
            c.Scale(bad)


@needs_native
@pytest.mark.parametrize("optimizer", [c.SGD(0.003, momentum=0.9), c.Adam(0.01), c.AdamW(0.01)], ids=repr)
@pytest.mark.parametrize("batch_size", [1, 7, 30])
def test_both_engines_agree(optimizer: c.Optimizer, batch_size: int):
    layers = [c.Scale(3), c.Dense(9), c.Scale(), c.PReLU(), c.Skip([c.Scale(), c.Dense(4)]), c.Dense(3)]
    models = [made(*layers) for _ in range(2)]
    models[1].theta[:] = models[0].theta
    for model, engine in zip(models, ("native", "reference"), strict=True):
        model.fit(X, Y, epochs=3, batch_size=batch_size, optimizer=optimizer, engine=engine)
    assert_allclose(models[0].theta, models[1].theta, rtol=1e-9, atol=1e-10)
    native, reference = (models[0].outputs(X, engine=engine) for engine in ("native", "reference"))
    assert_allclose(native, reference, rtol=1e-12, atol=1e-12)
    assert_array_equal(models[0].bind(engine="native").outputs(X[:1]), native[:1])


def test_per_sample_gradients_add_up():
    trace = made().trace(X, Y, training=False)
    for name in ("scale_1", "scale_2", "scale_3"):
        assert_allclose(trace.per_sample(name).s.sum(0), trace.grads[name].s, atol=1e-12)


@pytest.mark.parametrize("method", ["deep_lift", "epsilon_lrp", "integrated_gradients", "saliency"])
def test_attributions(method: str):
    found = made().attribute(X[:5], method=method)
    if method != "saliency":
        assert found.relative_error.max() < 1e-5


def test_derivation():
    trace = made().trace(X[:2], Y[:2])
    for what in ("scale_1.s[2]", "scale_3.s[0]", "x[1,3]", "dense_1.W[0,1]"):
        derivation = trace.derive(what)
        assert derivation.value == pytest.approx(derivation.difference.value, rel=1e-6, abs=1e-9)
    assert isinstance(Graph(trace).edge_of("scale_1"), MultipliedEdge)
    simple = made(c.Scale(), c.Dense(3)).trace(X[:1], Y[:1])
    assert "x[2]" in str(simple.derive("scale_1.s[2]")) and "scale_1.s[1]" in str(simple.derive("x[1]"))


def test_it_stands_between_a_dense_and_its_activation():
    model = made(c.Dense(5), c.Scale(), c.ReLU(), c.Dense(3))
    trace = model.trace(X, Y)
    assert trace.a["dense_1"] is trace.a["relu_1"]
    assert repr(model.network.slots[0].parameter.initializer) == "HeUniform()"


@pytest.mark.parametrize("method", ["forward_gradient", "feedback_alignment", "spsa"])
def test_methods_without_backpropagation(method: str):
    model = made(c.Scale(), c.Dense(5), c.Scale(), c.Tanh(), c.Dense(3))
    before = model.parameters["scale_2"].s.copy()
    model.fit(X, Y, epochs=1, method=method, optimizer=c.GradientDescent(1e-3))
    assert np.isfinite(model.theta).all() and (model.parameters["scale_2"].s != before).any()


def test_file(tmp_path: Path):
    model = made(c.Scale(0.5), c.Dense(3))
    model.save(tmp_path / "model.safetensors")
    again = c.load(tmp_path / "model.safetensors")
    assert again.network.layers == model.network.layers and again.theta.tobytes() == model.theta.tobytes()
