"""What layers say of themselves beside forward and backward, held against these two."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import chainrule as c
from chainrule import Layer
from chainrule.formulas.layers import LAYERS, Context, Projection
from chainrule.formulas.layers.base import OF_A_CLASS
from chainrule.network import backprop
from states import drawn_states

SETTINGS: dict[str, Any] = {"dense": {"units": 3}, "rescale": {"scale": 0.7, "offset": 0.2}}
SETTINGS["parametric_activation"] = {"function": c.SELU()}
SETTINGS |= {"take": {"columns": [3, 0, 3]}, "grouped_dense": {"units": 3, "groups": 2}}
SETTINGS["periodic_embedding"] = {"frequencies": 3, "size": 3, "columns": (2, 0)}
SETTINGS["embedding"] = {"columns": [(3, 3, 2), (1, 4, 1)]}
SETTINGS["piecewise_linear_embedding"] = {"size": 2, "bins": 5, "columns": (2, 0)}
MADE: list[Layer] = [layer(**SETTINGS.get(kind, {})) for kind, layer in LAYERS.items()]
BLOCKS: list[Layer] = [
    c.Residual([c.Dense(4), c.PReLU(), c.BatchNorm()]),
    c.Residual([c.Dense(3), c.Dropout(0.4), c.Softmax()]),
    c.Skip([c.BatchNorm(), c.Dense(3), c.Tanh()]),
]
A = np.random.default_rng(1).normal(size=(6, 4))
A[:, 3] = [0, 1, 2, 2, 1, 1]  # codes, for a layer that reads them


def at(layer: Layer, training: bool = False) -> tuple[c.Network, tuple[Any, ...], Context]:
    """A network of one layer in float64 with parameters and statistics that are not their defaults."""
    network = c.Network(4, [layer], c.MeanSquaredError())
    random = np.random.default_rng(2)
    theta = random.normal(size=network.size)
    states = drawn_states(network, random)
    return network, network.unflatten(theta), Context(training, 3, 1, states)


@pytest.mark.parametrize("layer", MADE, ids=repr)
def test_facts_of_prediction(layer: Layer):
    network, params, ctx = at(layer)

    def forward(a: Any) -> Any:
        return network.predict(params, a, ctx)

    out = forward(A)
    moved = [forward(A + 0.3 * np.eye(4)[k]) - out for k in range(4)]  # (batch, fan_out) each
    is_elementwise = len(out.T) == 4 and all(
        not np.delete(change, k, axis=1).any() for k, change in enumerate(moved)
    )
    assert layer.is_elementwise == is_elementwise
    middle = forward((A + A[::-1]) / 2)
    is_affine = np.allclose(middle, (out + out[::-1]) / 2, rtol=0, atol=1e-12)
    assert layer.is_affine == is_affine
    assert layer.is_identity == np.array_equal(out, A)
    assert layer.is_affine or not layer.is_identity


@pytest.mark.parametrize("layer", MADE, ids=repr)
def test_whether_samples_are_mixed_in_training(layer: Layer):
    network, params, ctx = at(layer, training=True)
    other = A.copy()
    other[3:] *= 2
    same = np.array_equal(network.predict(params, A, ctx)[:3], network.predict(params, other, ctx)[:3])
    assert layer.mixes_samples != same


@pytest.mark.parametrize("layer", MADE, ids=repr)
def test_whether_training_draws(layer: Layer):
    network, params, ctx = at(layer, training=True)
    again = network.predict(params, A, ctx._replace(step=2))
    assert layer.is_random != np.array_equal(network.predict(params, A, ctx), again)
    assert not c.Dropout(0.0).is_random


@pytest.mark.parametrize("layer", MADE, ids=repr)
def test_whether_outputs_are_probabilities(layer: Layer):
    network, params, ctx = at(layer)
    out = network.predict(params, 20 * A, ctx)
    assert layer.gives_probabilities == bool((out >= 0).all() and (out <= 1).all())


@pytest.mark.parametrize("layer", [layer for layer in MADE if layer.changes_units], ids=repr)
def test_the_inverse_undoes_forward(layer: Layer):
    network, params, ctx = at(layer)
    found = layer.inverse(network.predict(params, A, ctx), ctx.at(network.links[0]))
    np.testing.assert_allclose(found, A, rtol=1e-12, atol=1e-12)
    assert c.Rescale(0.0).inverse(A, ctx) is None


@pytest.mark.parametrize(
    "layer", [layer for layer in MADE if layer.kind in ("batch_norm", "dropout")], ids=repr
)
@pytest.mark.parametrize("training", [False, True])
def test_arrays_of_the_walks(layer: Layer, training: bool):
    """Output, delta, and what the cache has beside the input and the output."""
    network, (theta,), ctx = at(layer, training)
    out, cache = layer.forward(theta, A, ctx.at(network.links[0]))
    parts = cache if isinstance(cache, tuple) else (cache,)
    own = [part for part in parts if np.shape(part) == out.shape and part is not A and part is not out]
    assert layer.arrays(training) == (0 if out is A else 2 + len(own))


@pytest.mark.parametrize("layer", [layer for layer in MADE if layer.kinks], ids=repr)
def test_the_slope_or_its_slope_jumps_at_kinks(layer: Layer):
    network, params, ctx = at(layer)

    def slope(z: float) -> Any:
        out, caches = backprop.forward(network.links, params, np.full((1, 4), z), ctx)
        return backprop.backward(network.links, params, caches, np.ones_like(out), ctx)[1]

    h = 1e-6
    for kink in layer.kinks:
        jump = np.abs(slope(kink + h) - slope(kink - h)).max()
        bend = np.abs(slope(kink + 2 * h) - slope(kink + h) - slope(kink - h) + slope(kink - 2 * h)).max() / h
        assert jump > 0.1 or bend > 0.1


@pytest.mark.parametrize("layer", [*MADE, Projection(3), *BLOCKS], ids=repr)
@pytest.mark.parametrize("training", [False, True])
def test_tangent_is_the_transposed_of_backward(layer: Layer, training: bool):
    """delta . tangent(v, a') = dL/dtheta . v + dL/da . a' for any delta."""
    network, params, ctx = at(layer, training)
    out, caches = backprop.forward(network.links, params, A, ctx)
    random = np.random.default_rng(4)
    v, a_dot = random.normal(size=network.size), random.normal(size=A.shape)
    delta = random.normal(size=out.shape)
    grads, back = backprop.backward(network.links, params, caches, delta, ctx)
    of_theta = float(network.flatten(grads) @ v) if network.size else 0.0
    for dot, of_input in ((a_dot, float((back * a_dot).sum())), (None, 0.0)):
        made = backprop.tangent(network.links, params, network.unflatten(v), caches, dot, ctx)
        if made is None:
            assert not network.size
            continue
        assert float((delta * made).sum()) == pytest.approx(of_theta + of_input, rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("layer", [layer for layer in MADE if layer.defines("per_sample")], ids=repr)
@pytest.mark.parametrize("training", [False, True])
def test_per_sample_adds_up_to_the_gradients(layer: Layer, training: bool):
    network, (theta,), ctx = at(layer, training)
    link = network.links[0]
    out, cache = layer.forward(theta, A, ctx.at(link))
    delta = np.random.default_rng(5).normal(size=out.shape)
    parts = layer.per_sample(theta, A, delta, ctx.at(link))
    for part, g in zip(parts, layer.gradients(theta, cache, delta, ctx.at(link)), strict=True):
        assert part.shape == (len(A), *g.shape)
        np.testing.assert_allclose(part.sum(0), g, rtol=1e-12, atol=1e-12)


def test_every_layer_with_parameters_defines_per_sample():
    assert all(layer.defines("per_sample") for layer in MADE if layer.parameters(4, c.Constant()))


@pytest.mark.parametrize("layer", [layer for layer in MADE if layer.stacks], ids=repr)
def test_a_stack_is_walked_as_one_network_after_the_other(layer: Layer):
    network, _, ctx = at(layer)
    thetas = np.random.default_rng(6).normal(size=(3, network.size))
    single = [network.predict(network.unflatten(theta), A, ctx) for theta in thetas]
    arrays = []
    for slot in network.slots:
        shape = slot.parameter.shape if len(slot.parameter.shape) > 1 else (1, *slot.parameter.shape)
        arrays.append(thetas[:, slot.start : slot.stop].reshape(3, *shape))
    params = type(network.links[0].params)(*arrays) if arrays else ()
    stacked = layer.forward(params, A, ctx.at(network.links[0]))[0]
    np.testing.assert_array_equal(np.broadcast_to(stacked, (3, *single[0].shape)), single)


def test_a_subclass_does_not_inherit_what_holds_for_the_very_class():
    class Twice(c.Dense):
        def forward(self, params: Any, a: Any, ctx: Any) -> Any:
            return super().forward(params, 2 * a, ctx)

    class Own(c.Activation):
        pass

    assert Twice.is_affine and Own.is_elementwise
    for made in (Twice, Own):
        assert all(made.__dict__[name] is Layer.__dict__[name] for name in OF_A_CLASS)
    assert not Twice(3).defines("per_sample") and Twice(3).defines("tangent")
