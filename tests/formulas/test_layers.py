"""Layers: each one's two walks by hand, what dropout and batch norm depend on, and layers of a user's own."""

from __future__ import annotations

import tracemalloc
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pytest
import scipy.sparse
from numpy.testing import assert_allclose, assert_array_equal

from chainrule import (
    GELU,
    SELU,
    BatchNorm,
    ConfigError,
    Constant,
    Dense,
    Dropout,
    GELUTanh,
    GlorotUniform,
    GradientDescent,
    Identity,
    Layer,
    LeakyReLU,
    MeanSquaredError,
    Model,
    Network,
    Parameter,
    PReLU,
    ReLU,
    Rescale,
    Residual,
    Sigmoid,
    Skip,
    Softmax,
    Standardize,
    Tanh,
)
from chainrule.data.samples import Samples
from chainrule.formulas import layers as every
from chainrule.formulas.layers import ACTIVATIONS, Context
from chainrule.formulas.layers.piecewise_linear_embedding import PiecewiseLinearState
from chainrule.formulas.layers.standardize import StandardizeState
from chainrule.network.backprop import backward, forward, gradients, next_states
from chainrule.trained.persistence import LAYERS
from chainrule.training.fit import NUMBERS, measure


def network(inputs: int, *layers: Layer) -> Network:
    return Network(inputs, layers, MeanSquaredError())


def walk(net: Network, theta, a, delta, **context):
    """Output, gradients flat, and dL/da of both walks, in training unless the context says otherwise."""
    theta, a, delta = (np.asarray(value, np.float64) for value in (theta, a, delta))
    context = {"training": True, "states": net.initial_states(np.float64)} | context
    ctx, params = Context(**context), net.unflatten(theta)
    out, caches = forward(net.links, params, a, ctx)
    grads, grad_a = backward(net.links, params, caches, delta, ctx)
    return out, net.flatten(grads), grad_a


# --- each layer by hand


def test_dense():
    """W = ((1, 2, 0), (0, -1, 3)), b = (1, 0, -1); a = ((1, 2), (0, 1)); delta = ((1, 0, 2), (0, 1, -1))."""
    out, g, grad_a = walk(
        network(2, Dense(3)),
        [1, 2, 0, 0, -1, 3, 1, 0, -1],
        [[1, 2], [0, 1]],
        [[1, 0, 2], [0, 1, -1]],
    )
    assert_array_equal(
        out, [[2, 0, 5], [1, -1, 2]]
    )  # (1 + 0 + 1, 2 - 2 + 0, 0 + 6 - 1), (0 + 0 + 1, -1, 3 - 1)
    dW = [[1, 0, 2], [2, 1, 3]]  # a^T delta: (1*1 + 0*0, 1*0 + 0*1, 1*2 - 0), (2*1 + 0, 0 + 1, 2*2 - 1)
    db = [1, 1, 1]
    assert_array_equal(g, np.ravel(dW).tolist() + db)
    assert_array_equal(grad_a, [[1, 6], [2, -4]])  # delta W^T: (1 + 0, 0 + 6), (2, -1 - 3)


def test_embedding():
    """E1 = ((0, 0), (1, 2), (3, 4)) for column 2, E2 = ((5), (6)) for column 0. 7, -1 and 0.5 are no codes: 0."""
    x = [[1, 9, 2], [0, 8, 1], [7, 7, 2], [0.5, 6, -1]]
    delta = [[1, 10, 20, 5], [2, 30, 40, 6], [3, 50, 60, 7], [4, 70, 80, 8]]
    out, g, grad_x = walk(
        network(3, every.Embedding([(2, 3, 2), (0, 2, 1)])), [0, 0, 1, 2, 3, 4, 5, 6], x, delta
    )
    assert_array_equal(out, [[9, 3, 4, 6], [8, 1, 2, 5], [7, 3, 4, 5], [6, 0, 0, 5]])  # x[:, 1], E1, E2
    dE1 = [[70, 80], [30, 40], [60, 80]]  # code 0: sample 3; 1: sample 1; 2: samples 0 and 2
    dE2 = [21, 5]  # 6 + 7 + 8; 5
    assert_array_equal(g, np.ravel(dE1).tolist() + dE2)
    assert_array_equal(grad_x, [[0, 1, 0], [0, 2, 0], [0, 3, 0], [0, 4, 0]])


def test_take():
    """out = a[:, (2, 0, 2)]; dL/da sums what column 2 has twice, and column 1 has none."""
    out, g, grad_a = walk(
        network(3, every.Take([2, 0, 2])), [], [[1, 2, 3], [4, 5, 6]], [[1, 10, 100], [2, 20, 200]]
    )
    assert_array_equal(out, [[3, 1, 3], [6, 4, 6]])
    assert_array_equal(g, [])
    assert_array_equal(grad_a, [[10, 0, 101], [20, 0, 202]])


def test_grouped_dense():
    """W_1 = ((1, 2)), b_1 = (1, 0); W_2 = ((3, -1)), b_2 = (0, 5): a group is one column in and two out."""
    a, delta = [[2, 10], [3, 20]], [[1, 0, 1, 1], [0, 1, 2, 0]]
    out, g, grad_a = walk(network(2, every.GroupedDense(2, 2)), [1, 2, 3, -1, 1, 0, 0, 5], a, delta)
    assert_array_equal(out, [[3, 4, 30, -5], [4, 6, 60, -15]])
    dW = [2, 3, 50, 10]  # (2*1 + 3*0, 2*0 + 3*1), (10*1 + 20*2, 10*1 + 0)
    assert_array_equal(g, [*dW, 1, 1, 3, 1])
    assert_array_equal(grad_a, [[1, 2], [2, 6]])  # 1*1 + 0, 3*1 - 1; 0 + 2*1, 3*2 - 0

    out, g, grad_a = walk(network(2, every.GroupedDense(2, 2, shared=True)), [1, 2, 1, 0], a, delta)
    assert_array_equal(out, [[3, 4, 11, 20], [4, 6, 21, 40]])
    assert_array_equal(g, [52, 13, 4, 2])  # the sums over the groups
    assert_array_equal(grad_a, [[1, 3], [2, 2]])

    out, g, _ = walk(network(2, every.GroupedDense(2, 2, bias=False)), [1, 2, 3, -1], a, delta)
    assert_array_equal(out, [[2, 4, 30, -10], [3, 6, 60, -20]])
    assert_array_equal(g, dW)


def test_shift():
    out, g, grad_a = walk(network(2, every.Shift()), [5, -1], [[1, 2], [3, 4]], [[1, 2], [10, 20]])
    assert_array_equal(out, [[6, 1], [8, 3]])
    assert_array_equal(g, [11, 22])
    assert_array_equal(grad_a, [[1, 2], [10, 20]])


def test_piecewise_linear_embedding():
    """Column 1 of two, with edges 0, 1, 3: w0 = (1, 0), b0 = (0, 1), E = ((2, 0), (0, 4), (9, 9)); column 0 is kept.

    x = 0.5: half of bin 0.  x = 2: bin 0, and half of bin 1.  x = -1 and 5: on the outer lines.  x = 1: an edge.
    """
    state = PiecewiseLinearState(np.array([[0.0, 1, 3, 3]]), np.array([2.0]), np.array(1.0))
    x = [[7, 0.5], [8, 2], [9, -1], [6, 5], [5, 1]]
    delta = [[1, 1, 10], [2, 2, 20], [3, 3, 30], [4, 4, 40], [5, 5, 50]]
    net = network(2, every.PiecewiseLinearEmbedding(2, 3, columns=(1,)))
    theta = [1, 0, 0, 1, 2, 0, 0, 4, 9, 9]
    out, g, grad_x = walk(net, theta, x, delta, states={"piecewise_linear_embedding_1": state})
    # x w0 + b0 + h_0 E_0 + h_1 E_1, with h_0 = (1/2, 1, -1, 1, 1) and h_1 = (0, 1/2, 0, 2, 0)
    assert_array_equal(out, [[7, 1.5, 1], [8, 4, 3], [9, -3, 1], [6, 7, 9], [5, 3, 1]])
    dw0 = [0.5 + 4 - 3 + 20 + 5, 5 + 40 - 30 + 200 + 50]
    db0 = [15, 150]
    dE = [[0.5 + 2 - 3 + 4 + 5, 5 + 20 - 30 + 40 + 50], [1 + 8, 10 + 80], [0, 0]]
    assert_array_equal(g, dw0 + db0 + np.ravel(dE).tolist())
    # delta . (w0 + E_j / width_j): (1 + 2, 0) in bin 0, (1, 2) in bin 1
    assert_array_equal(grad_x, [[1, 3], [2, 2 + 40], [3, 9], [4, 4 + 80], [5, 5 + 100]])


def test_periodic_embedding():
    """w1 = 1/4 and b1 = 0 in column 1: cos(pi x / 2) is 0 at 1 and -1 at 2, its derivative -pi/2 sin(pi x / 2).

    e = z W2 + b2 with W2 = (3, 5), b2 = (10, 20). At x = 1 with delta = (1, 2, 7): u = -1 (3 + 10) = -13.
    """
    net = network(2, every.PeriodicEmbedding(1, 3, columns=(1,)))
    out, g, grad_x = walk(net, [0.25, 0, 3, 5, 10, 20], [[8, 1], [9, 2]], [[4, 1, 2, 7], [5, 3, 1, 6]])
    assert_allclose(out, [[8, 10, 20, 1], [9, 10 - 3, 20 - 5, 2]], atol=1e-14)  # column 0, e, x
    dw1, db1 = 2 * np.pi * -13, -13  # sample 1 adds nothing: sin(pi) = 0
    assert_allclose(g, [dw1, db1, -3, -1, 1 + 3, 2 + 1], atol=1e-13)  # dL/dW2 = 0 (1, 2) - 1 (3, 1)
    assert_allclose(grad_x, [[4, 7 - 13 * np.pi / 2], [5, 6]], atol=1e-13)


def test_parametric_activation():
    """f = ReLU, alpha = (1/2, 3): a = z + alpha (f(z) - z); dL/dalpha = sum delta (f(z) - z), -delta z where z <= 0."""
    net = network(2, every.ParametricActivation(ReLU()))
    out, g, grad_a = walk(net, [0.5, 3], [[-4, 1], [2, -3]], [[1, 1], [1, 10]])
    assert_array_equal(out, [[-2, 1], [2, 6]])
    assert_array_equal(g, [4, 30])
    assert_array_equal(grad_a, [[0.5, 1], [1, -20]])


def test_rescale():
    out, g, grad_a = walk(network(2, Rescale(0.5, 1.0)), [], [[2, 4]], [[1, 2]])
    assert_array_equal(out, [[2, 3]])
    assert_array_equal(grad_a, [[0.5, 1]])
    assert g.size == 0


def test_standardize_by_its_state():
    states = {"standardize_1": StandardizeState(np.array([1.0, 2]), np.array([2.0, 4]), np.array(5.0))}
    out, _, grad_a = walk(network(2, Standardize()), [], [[3, 0]], [[1, 2]], states=states)
    assert_array_equal(out, [[1, -0.5]])
    assert_array_equal(grad_a, [[0.5, 0.5]])


def test_batch_norm_in_training():
    """x = 1, 3, 5, 7: mu 4, var 5, eps 4 makes the root 3. gamma = 6, beta = 10, delta = (1, 0, 0, 0).

    x_hat = (-1, -1/3, 1/3, 1); dL/dgamma = -1, dL/dbeta = 1
    dL/dx = 6/3 (delta - 1/4 - x_hat (-1/4)) = 2 (1 - 1/4 - 1/4, -1/4 - 1/12, -1/4 + 1/12, -1/4 + 1/4)
    """
    net = network(1, BatchNorm(eps=4.0))
    out, g, grad_a = walk(net, [6, 10], [[1], [3], [5], [7]], [[1], [0], [0], [0]])
    assert_allclose(out[:, 0], [4, 8, 12, 16], rtol=1e-15)
    assert_allclose(g, [-1, 1], rtol=1e-15)
    assert_allclose(grad_a[:, 0], [1, -2 / 3, -1 / 3, 0], rtol=1e-14, atol=1e-15)


def test_batch_norm_in_prediction():
    """Running mean 0 and var 1, eps 3: x_hat = x / 2, one sample at a time; dL/dx = 6/2 delta."""
    out, g, grad_a = walk(network(1, BatchNorm(eps=3.0)), [6, 10], [[1], [3]], [[1], [2]], training=False)
    assert_array_equal(out, [[13], [19]])
    assert_array_equal(g, [0.5 + 3, 3])
    assert_array_equal(grad_a, [[3], [6]])


def test_batch_norm_of_one_sample_gives_beta_and_no_gradient():
    out, g, grad_a = walk(network(2, BatchNorm()), [6, 6, 10, 11], [[1, -3]], [[1, 2]])
    assert_array_equal(out, [[10, 11]])
    assert_array_equal(g, [0, 0, 1, 2])
    assert_array_equal(grad_a, [[0, 0]])


def test_prelu():
    """slope = (1/4, 2): a = (z1 or z1/4, z2 or 2 z2); dL/dslope = sum delta z where z <= 0."""
    out, g, grad_a = walk(network(2, PReLU()), [0.25, 2], [[-4, 1], [2, -3]], [[1, 1], [1, 10]])
    assert_array_equal(out, [[-1, 1], [2, -6]])
    assert_array_equal(g, [-4, -30])
    assert_array_equal(grad_a, [[0.25, 1], [1, 20]])


def test_softmax_feels_every_neuron():
    """a = (1/4, 3/4), delta = (1, 0): a (delta - sum delta a) = (1/4 * 3/4, 3/4 * -1/4)."""
    out, _, grad_a = walk(network(2, Softmax()), [], [[0, np.log(3)]], [[1, 0]])
    assert_allclose(out, [[1 / 4, 3 / 4]], rtol=1e-15)
    assert_allclose(grad_a, [[3 / 16, -3 / 16]], rtol=1e-14)


# z, a, a' at a negative and a positive number; the functions themselves are tested in test_activations.py.
ELEMENTWISE = {
    Identity(): ([-2, 3], [1, 1]),
    ReLU(): ([0, 3], [0, 1]),
    LeakyReLU(0.5): ([-1, 3], [0.5, 1]),
    Sigmoid(): ([1 / (1 + np.exp(2)), 1 / (1 + np.exp(-3))], None),
    Tanh(): ([np.tanh(-2), np.tanh(3)], [1 - np.tanh(2) ** 2, 1 - np.tanh(3) ** 2]),
}


@pytest.mark.parametrize("layer", ELEMENTWISE, ids=repr)
def test_elementwise_activations(layer):
    a, prime = ELEMENTWISE[layer]
    prime = [value * (1 - value) for value in a] if prime is None else prime
    out, g, grad_a = walk(network(2, layer), [], [[-2, 3]], [[10, 100]])
    assert_allclose(out, [a], rtol=1e-14)
    assert_allclose(grad_a, [[10 * prime[0], 100 * prime[1]]], rtol=1e-13)
    assert g.size == 0


def test_residual_adds_the_identity():
    """F(a) = a W + b with W = ((1, 2), (3, 4)): out = F + a, dL/da = delta W^T + delta."""
    net = network(2, Residual([Dense(2)]))
    out, g, grad_a = walk(net, [1, 2, 3, 4, 10, 20], [[1, 1]], [[1, 0]])
    assert_array_equal(out, [[1 + 3 + 10 + 1, 2 + 4 + 20 + 1]])
    assert_array_equal(g, [1, 0, 1, 0, 1, 0])
    assert_array_equal(grad_a, [[1 + 1, 3 + 0]])


def test_residual_projects_where_the_widths_differ():
    """F: 2 -> 1 with W = (1, 2), b = 10. P = a W_p with W_p = (5, 7). theta has the branch first, then W_p."""
    net = network(2, Residual([Dense(1)]))
    assert [f"{slot.link.name}.{slot.field}" for slot in net.slots] == [
        "dense_1.W",
        "dense_1.b",
        "projection_1.W",
    ]
    out, g, grad_a = walk(net, [1, 2, 10, 5, 7], [[1, -1]], [[2]])
    assert_array_equal(out, [[(1 - 2 + 10) + (5 - 7)]])
    assert_array_equal(g, [2, -2, 2, 2, -2])
    assert_array_equal(grad_a, [[2 * (1 + 5), 2 * (2 + 7)]])


def test_skip_hands_its_input_on():
    """F: 2 -> 1; out = [F, a]; dL/da = W delta_1 + (delta_2, delta_3)."""
    net = network(2, Skip([Dense(1)]))
    assert net.outputs == 3
    out, g, grad_a = walk(net, [1, 2, 10], [[1, -1]], [[2, 30, 40]])
    assert_array_equal(out, [[9, 1, -1]])
    assert_array_equal(g, [2, -2, 2])
    assert_array_equal(grad_a, [[2 + 30, 4 + 40]])


def test_a_block_in_a_block():
    """out = [(a w + b) + a, a]: dL/da = w d1 + d1 + d2."""
    net = network(1, Skip([Residual([Dense(1)])]))
    out, g, grad_a = walk(net, [3, 1], [[2]], [[1, 10]])
    assert_array_equal(out, [[3 * 2 + 1 + 2, 2]])
    assert_array_equal(g, [2, 1])
    assert_array_equal(grad_a, [[3 + 1 + 10]])


# --- dropout


def dropped(rate: float, shape=(400, 50), **key) -> np.ndarray:
    net = network(shape[1], Dropout(rate))
    ctx = Context(training=True, **key)
    return forward(net.links, net.unflatten(np.empty(0)), np.ones(shape), ctx)[0]


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_dropout_drops_its_rate_and_keeps_the_mean(rate):
    out = dropped(rate)
    n = out.size
    assert set(np.unique(out)) == {0.0, 1 / (1 - rate)}
    assert abs((out == 0).mean() - rate) < 5 * np.sqrt(rate * (1 - rate) / n)
    assert abs(out.mean() - 1) < 5 * np.sqrt(rate / (1 - rate) / n)


def test_dropout_passes_gradients_where_it_passes_signals():
    net = network(50, Dropout(0.4))
    out, _, grad_a = walk(net, [], np.ones((10, 50)), np.full((10, 50), 3.0), seed=1, step=2)
    assert_array_equal(grad_a, 3 * out)


def test_dropout_is_nothing_in_prediction_or_at_rate_0():
    a = np.ones((4, 3))
    for rate, training in ((0.5, False), (0.0, True)):
        out, _, grad_a = walk(network(3, Dropout(rate)), [], a, a, training=training)
        assert_array_equal(out, a)
        assert_array_equal(grad_a, a)


def test_a_dropout_mask_is_a_function_of_seed_link_and_step_alone():
    mask = dropped(0.5, seed=1, step=1)
    assert_array_equal(mask, dropped(0.5, seed=1, step=1))
    assert (mask != dropped(0.5, seed=2, step=1)).mean() > 0.4
    assert (mask != dropped(0.5, seed=1, step=2)).mean() > 0.4
    assert_array_equal(mask[:7], dropped(0.5, (7, 50), seed=1, step=1))  # not of the batch's length

    # Two links of one walk draw differently. Neither looks at the numbers that come in.
    net = network(50, Dropout(0.5), Dropout(0.5))
    ctx = Context(training=True, seed=1, step=1)
    masks = []
    ctx = ctx._replace(watch=lambda walk, link, out: masks.append(out != 0))
    forward(net.links, net.unflatten(np.empty(0)), np.full((400, 50), 7.0), ctx)
    assert_array_equal(masks[0], mask != 0)
    assert abs(masks[1].mean() - 0.25) < 0.02


def test_dropout_draws_float32_and_float64_alike():
    net = network(50, Dropout(0.5))
    ctx = Context(training=True, seed=1)
    single = forward(net.links, ((),), np.ones((20, 50), np.float32), ctx)[0]
    assert single.dtype == np.float32
    assert_array_equal(single, forward(net.links, ((),), np.ones((20, 50)), ctx)[0])


@pytest.mark.parametrize("rate", [1e-12, 1 - 1e-12])
def test_dropout_at_the_ends_of_its_range(rate):
    kept = dropped(rate) > 0
    assert kept.all() if rate < 0.5 else not kept.any()


# --- running statistics


def test_batch_norm_averages_with_its_momentum():
    """Batches 1, 3 (mean 2, unbiased variance 2) and 4, 8 (6 and 8), momentum 3/4:

    mean: 0 -> 0.25 * 2 = 0.5 -> 0.75 * 0.5 + 0.25 * 6 = 1.875
    var:  1 -> 0.75 + 0.25 * 2 = 1.25 -> 0.75 * 1.25 + 0.25 * 8 = 2.9375
    """
    net = network(1, BatchNorm(momentum=0.75))
    params, states = net.unflatten(np.array([1.0, 0.0])), net.initial_states(np.float64)
    for batch, mean, var in (([[1.0], [3.0]], 0.5, 1.25), ([[4.0], [8.0]], 1.875, 2.9375)):
        ctx = Context(training=True, states=states)
        _, caches = forward(net.links, params, np.array(batch), ctx)
        states = next_states(net.links, caches, ctx)
        assert_allclose(states["batch_norm_1"].mean, [mean], rtol=1e-15)
        assert_allclose(states["batch_norm_1"].var, [var], rtol=1e-15)


def test_batch_norm_learns_no_statistics_from_a_batch_of_one_sample():
    net = network(2, BatchNorm())
    states = net.initial_states(np.float64)
    ctx = Context(training=True, states=states)
    _, caches = forward(
        net.links, net.unflatten(np.array([1.0, 1.0, 0.0, 0.0])), np.array([[3.0, -5.0]]), ctx
    )
    after = next_states(net.links, caches, ctx)["batch_norm_1"]
    assert_array_equal(after.mean, [0, 0])
    assert_array_equal(after.var, [1, 1])


@pytest.mark.parametrize("context", [{"training": False}, {"training": True, "frozen": {"batch_norm_1"}}])
def test_batch_norm_keeps_its_statistics_in_prediction_and_when_frozen(context):
    net = network(1, Residual([BatchNorm()]))
    states = net.initial_states(np.float64)
    ctx = Context(states=states, **context)
    out, caches = forward(net.links, net.unflatten(np.array([1.0, 0.0])), np.array([[1.0], [3.0]]), ctx)
    assert next_states(net.links, caches, ctx)["batch_norm_1"] == states["batch_norm_1"]
    assert_allclose(out, [[2], [6]], rtol=1e-5)  # the running mean 0 and var 1, and the shortcut


def test_standardize_is_measured_on_the_training_data_in_pieces():
    rng = np.random.default_rng(0)
    X = np.repeat(rng.normal([5, -3, 1e6], [2, 0.1, 1], size=(2000, 3)), 200, axis=1)
    assert X.size > NUMBERS  # measured at a time
    model = Model(network(600, Rescale(0.5, 1.0), Standardize(), Dense(1)), dtype="float64")
    model.fit(X, X[:, 0], epochs=0)
    state = model.states["standardize_1"]
    assert_allclose(state.mean, (0.5 * X + 1).mean(0), rtol=1e-12)
    assert_allclose(state.std, (0.5 * X + 1).std(0), rtol=1e-9)
    before = state
    model.fit(rng.normal(size=(10, 600)), np.zeros(10), epochs=1)
    assert_array_equal(model.states["standardize_1"].mean, before.mean)  # measured once


@pytest.mark.parametrize(
    "form", [np.asfortranarray, lambda X: X[::-1][::-1], lambda X: np.repeat(X, 2, 1)[:, ::2]]
)
def test_standardize_does_not_depend_on_how_the_samples_lie(form):
    X = np.random.default_rng(0).normal(3, 2, size=(500, 7))
    found = []
    for given in (X, form(X)):
        model = Model(network(7, Standardize(), Dense(1)), dtype="float64")
        model.fit(given, X[:, 0], epochs=1)
        found.append([*model.states["standardize_1"], model.theta])
    for one, other in zip(*found, strict=True):
        assert_array_equal(one, other)


@pytest.mark.slow
def test_standardize_measures_wide_sparse_samples_a_few_rows_at_a_time():
    X = scipy.sparse.random(200, 100_000, 1e-4, "csr", rng=np.random.default_rng(0))
    made = network(X.shape[1], Standardize(), Dense(1))
    samples = Samples(X, np.zeros((200, 1)), np.ones(200), 1)
    states = made.initial_states(np.float64)
    measure(made, states, samples, np.float64)  # what is imported at first is not counted
    tracemalloc.start()
    try:
        state = measure(made, states, samples, np.float64)["standardize_1"]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 30e6 < X.toarray().nbytes
    assert_allclose(state.mean, X.toarray().mean(0), atol=1e-12)
    assert_allclose(state.std[state.std != 1], X.toarray().std(0)[state.std != 1], rtol=1e-9)


# --- configuration


@pytest.mark.parametrize(
    "make, named",
    [
        (lambda: Dense(0), "units of Dense"),
        (lambda: Dense(2.0), "units of Dense"),
        (lambda: Dense(True), "units of Dense"),
        (lambda: Dense("3"), "units of Dense"),
        (lambda: Dense(3, initializer="he_uniform"), "initializer of Dense"),
        (lambda: Dropout(1.0), "rate of Dropout"),
        (lambda: Dropout(-0.1), "rate of Dropout"),
        (lambda: Dropout("0.5"), "rate of Dropout"),
        (lambda: Dropout(float("nan")), "rate of Dropout"),
        (lambda: BatchNorm(eps=0.0), "eps of BatchNorm"),
        (lambda: BatchNorm(eps=float("inf")), "eps of BatchNorm"),
        (lambda: BatchNorm(eps="1e-5"), "eps of BatchNorm"),
        (lambda: BatchNorm(momentum=1.0), "momentum of BatchNorm"),
        (lambda: BatchNorm(momentum=None), "momentum of BatchNorm"),
        (lambda: Rescale("1/255"), "scale of Rescale"),
        (lambda: Rescale(float("inf")), "scale of Rescale"),
        (lambda: LeakyReLU(float("nan")), "slope of LeakyReLU"),
        (lambda: LeakyReLU("0.1"), "slope of LeakyReLU"),
        (lambda: PReLU(None), "slope of PReLU"),
        (lambda: every.ELU(float("inf")), "alpha of ELU"),
        (lambda: Residual([]), "Residual takes a non-empty list"),
        (lambda: Residual([ReLU]), "Residual takes a non-empty list"),
        (lambda: Skip([3]), "Skip takes a non-empty list"),
    ],
)
def test_settings_that_cannot_be_are_refused(make, named):
    with pytest.raises(ConfigError, match=named):
        make()


def test_units_may_be_a_numpy_integer():
    assert repr(Dense(np.int64(3))) == "Dense(3)"
    assert type(Dense(np.int64(3)).units) is int


@pytest.mark.parametrize(
    "layer, text",
    [
        (Dense(3), "Dense(3)"),
        (Dense(3, initializer=Constant(0.1)), "Dense(3, initializer=Constant(value=0.1))"),
        (BatchNorm(), "BatchNorm()"),
        (BatchNorm(momentum=0.99), "BatchNorm(momentum=0.99)"),
        (Residual([Dense(3), ReLU()]), "Residual([Dense(3), ReLU()])"),
        (Skip([Residual([Tanh()])]), "Skip([Residual([Tanh()])])"),
    ],
)
def test_a_layer_is_shown_as_it_is_written(layer, text):
    assert repr(layer) == text


def test_layers_are_values():
    assert Dense(3) == Dense(3) != Dense(4)
    assert Residual([Dense(3)]) == Residual([Dense(3)])
    assert hash(Skip([Tanh()])) == hash(Skip((Tanh(),)))
    assert GELU() != GELUTanh()


def test_kinds_are_the_names_in_files():
    assert {kind: layer.kind for kind, layer in LAYERS.items()} == {kind: kind for kind in LAYERS}
    assert set(ACTIVATIONS) < set(LAYERS)
    assert [BatchNorm.kind, LeakyReLU.kind, GELUTanh.kind, SELU.kind, every.SiLU.kind] == [
        *("batch_norm", "leaky_relu", "gelu_tanh", "selu", "silu")
    ]


# --- layers of a user's own


class Triple(Layer):
    """The two methods, and nothing else."""

    def forward(self, params, a, ctx):
        return 3.0 * a, None

    def backward(self, params, cache, delta, ctx):
        return (), 3.0 * delta


class GainParams(NamedTuple):
    gain: Any


@dataclass(frozen=True)
class Gain(Layer):
    """One learned factor a neuron: out = gain * a."""

    start: float = 1.0

    def forward(self, params, a, ctx):
        return params.gain * a, a

    def backward(self, params, cache, delta, ctx):
        a = cache
        return GainParams((delta * a).sum(0)), delta * params.gain

    def parameters(self, fan_in, default):
        return GainParams(Parameter((fan_in,), Constant(self.start)))


def test_a_layer_of_two_methods_trains():
    """It is a Dense of three times the weights: three times the gradient of W, nine times the step in 3 W."""
    X, y = np.random.default_rng(0).normal(size=(30, 2)), np.arange(30.0) / 30
    model = Model(network(2, Dense(1), Triple()), dtype="float64")
    plain = Model(network(2, Dense(1)), dtype="float64")
    plain.theta[:] = 3 * model.theta
    history = model.fit(X, y, epochs=5, optimizer=GradientDescent(0.01))
    other = plain.fit(X, y, epochs=5, optimizer=GradientDescent(0.09))
    assert_allclose(3 * model.theta, plain.theta, rtol=1e-12)
    assert_allclose([r["loss"] for r in history.records], [r["loss"] for r in other.records], rtol=1e-12)
    assert model.network.links[1].name == "triple_1"
    assert model.check_gradients(X, y, entries=None).error < 1e-6


def test_a_layer_with_parameters_trains_in_a_block_too(tmp_path):
    import chainrule

    X = np.random.default_rng(0).normal(size=(60, 2))
    y = X @ [1.0, -2.0]
    model = Model(network(2, Residual([Gain(0.5), Tanh()]), Gain(), Dense(1)), seed=1, dtype="float64")
    assert_array_equal(model.parameters["gain_1"].gain, [0.5, 0.5])
    assert model.check_gradients(X, y, entries=None).error < 1e-6
    history = model.fit(X, y, epochs=60, batch_size=10, optimizer="adam")
    assert history.records[-1]["loss"] < history.records[0]["loss"]
    assert (model.parameters["gain_1"].gain != 0.5).all()
    model.save(tmp_path / "own.safetensors")
    again = chainrule.load(tmp_path / "own.safetensors", custom={"gain": Gain})
    assert_array_equal(again.predict(X), model.predict(X))
    assert again.network.layers == model.network.layers
    with pytest.raises(chainrule.FormatError, match="gain"):
        chainrule.load(tmp_path / "own.safetensors")


def test_a_repr_of_ones_own_is_kept():
    class Named(Triple):
        def __repr__(self):
            return "mine"

    assert repr(Named()) == "mine"
    assert repr(Triple()) == "Triple()"


def test_parameters_must_be_named():
    class Unnamed(Triple):
        def parameters(self, fan_in, default):
            return (Parameter((fan_in,), default),)

    with pytest.raises(ConfigError, match="NamedTuple"):
        network(2, Unnamed())


def test_a_block_with_parameters_of_its_own_is_refused():
    """They would have no place in the tree that the walks take."""

    class Gate(Residual):
        def parameters(self, fan_in, default):
            return GainParams(Parameter((1,), Constant(1.0)))

    with pytest.raises(ConfigError, match="Gate"):
        network(2, Gate([Tanh()]))


# --- the walks


def test_gradients_alone_are_those_of_the_whole_walk():
    net = network(2, Rescale(2.0), Residual([Tanh(), Dense(3)]), BatchNorm(), PReLU(), Dense(1))
    rng = np.random.default_rng(0)
    params, ctx = (
        net.unflatten(rng.normal(size=net.size)),
        Context(True, states=net.initial_states(np.float64)),
    )
    _, caches = forward(net.links, params, rng.normal(size=(5, 2)), ctx)
    delta = rng.normal(size=(5, 1))
    grads, _ = backward(net.links, params, caches, delta, ctx)
    assert_array_equal(net.flatten(gradients(net.links, params, caches, delta, ctx)), net.flatten(grads))


def test_what_lies_before_the_first_trained_link_gets_zeros():
    net = network(2, Dense(2), Residual([Dense(2), Tanh()]), Dense(1))
    rng = np.random.default_rng(0)
    params = net.unflatten(rng.normal(size=net.size))
    a, delta = rng.normal(size=(5, 2)), rng.normal(size=(5, 1))
    ctx = Context(True, frozen=frozenset({"dense_1", "dense_2"}))
    _, caches = forward(net.links, params, a, ctx)
    named = net.named(gradients(net.links, params, caches, delta, ctx))
    full = net.named(backward(net.links, params, caches, delta, ctx)[0])
    assert not any(part.any() for name in ("dense_1", "dense_2") for part in named[name])
    assert_array_equal(named["dense_3"].W, full["dense_3"].W)


def test_a_watcher_sees_every_link_in_the_order_of_the_walks():
    net = network(2, Dense(2), Residual([Tanh()]), Dense(1))
    seen = []
    ctx = Context(watch=lambda walk, link, value: seen.append((walk, link.name, value.shape)))
    params = net.unflatten(np.ones(net.size))
    _, caches = forward(net.links, params, np.ones((3, 2)), ctx)
    backward(net.links, params, caches, np.ones((3, 1)), ctx)
    wide = [("dense_1", (3, 2)), ("tanh_1", (3, 2)), ("residual_1", (3, 2)), ("dense_2", (3, 1))]
    assert seen[:4] == [("forward", *entry) for entry in wide]
    assert seen[4:] == [("backward", *wide[i]) for i in (3, 2, 1, 0)]


def test_default_initializer_is_the_activations_own():
    assert Dense(3).parameters(2, GlorotUniform()).W.initializer == GlorotUniform()
    assert Dense(3, Constant(1.0)).parameters(2, GlorotUniform()).W.initializer == Constant(1.0)


def test_numpy_scalars_as_settings_keep_float32():
    """np.linspace and a random search hand out np.float64, which NumPy 2 does not treat as a Python float."""
    half = np.float64(0.5)
    net = network(
        3, Rescale(half), every.ELU(half), LeakyReLU(half), PReLU(half), BatchNorm(half, half), Dropout(half)
    )
    theta, a = net.initial_theta(0, np.float32), np.ones((4, 3), np.float32)
    ctx = Context(True, states=net.initial_states(np.float32))
    out, caches = forward(net.links, net.unflatten(theta), a, ctx)
    grads, grad_a = backward(net.links, net.unflatten(theta), caches, np.ones_like(out), ctx)
    assert out.dtype == net.flatten(grads).dtype == grad_a.dtype == np.float32
