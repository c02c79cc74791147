"""Every layer x activation x loss x outputs x weighting x penalty: backpropagation against central differences.

The lists are the registries, so a layer, an activation or a loss that is added there is tested here at once; only a
layer that cannot be made without arguments needs a line in `EXAMPLES`, and a test fails until it has one.

A chain is [Dense, layer, activation, Dense], with a Sigmoid or a Softmax behind it for the losses on probabilities.
Compared are all numbers of dL/dtheta and all of dL/dx, in float64.

What makes 20,000 combinations cheap: the output of the last Dense at theta +- h and x +- h depends on neither the loss
nor the weighting nor the penalty. It is computed once for each chain, and the mean of `losses.py` is written out here
once more to make losses of it; each combination checks that it gives the very loss that the network does.

At a kink (ReLU, the absolute error) a central difference is wrong when it straddles the kink, and for a tiny h rounding
spoils it: of three h, the one that agrees best counts. A wrong derivative agrees with none of them.
"""

from __future__ import annotations

from itertools import product
from typing import NamedTuple

import numpy as np
import pytest

from chainrule import Dense, Layer, Loss, MeanSquaredError, Network, Residual, Skip, Tanh
from chainrule.formulas import layers, losses
from chainrule.formulas.layers import ACTIVATIONS, Context
from chainrule.formulas.losses import LOSSES
from chainrule.network import backprop
from chainrule.trained.persistence import LAYERS
from states import drawn_states, stands_first
from strategies import targets_for

INPUTS, WIDTH, BATCH = 2, 3, 4
STEPS = (1e-4, 1e-5, 1e-6)
TOLERANCE = 1e-6

EXAMPLES: dict[str, tuple[Layer, ...]] = {
    "rescale": (layers.Rescale(0.7, -0.2),),
    "dense": (Dense(WIDTH),),
    "dropout": (layers.Dropout(0.3),),
    "residual": (
        Residual([Dense(WIDTH), Tanh()]),
        Residual([Dense(2), Tanh()]),
    ),  # the second has a projection
    "skip": (Skip([Dense(2), Tanh()]),),
    "leaky_relu": (layers.LeakyReLU(0.3),),
    "elu": (layers.ELU(0.5),),
    "parametric_activation": (layers.ParametricActivation(layers.ELU(0.5)),),
    "periodic_embedding": (layers.PeriodicEmbedding(2, 3, columns=(1,)),),
    "embedding": (layers.Embedding([(1, 3, 2)]),),
    "take": (layers.Take([1, 0, 1]),),
    "grouped_dense": (layers.GroupedDense(2, WIDTH), layers.GroupedDense(2, WIDTH, shared=True)),
    "piecewise_linear_embedding": (layers.PiecewiseLinearEmbedding(2, 4, columns=(1,)),),
}
"""Layers by kind. A kind that is not here is made without arguments."""

VARIANTS: dict[str, tuple[Loss, ...]] = {
    "mean_squared_error": (losses.MeanSquaredError(half=True),),
    "huber": (losses.Huber(0.4),),
    "quantile": (losses.Quantile(0.8),),
    "softmax_cross_entropy": (losses.SoftmaxCrossEntropy(label_smoothing=0.1),),
    "binary_cross_entropy": (losses.BinaryCrossEntropy(label_smoothing=0.1),),
}
"""Losses by kind, to be tested beside the one made without arguments."""

OUTPUTS = (1, 3)
WEIGHTS = (np.ones(BATCH), np.array([0.5, 2.0, 0.0, 1.5]))
PENALTIES = ((0.0, 0.0), (0.03, 0.02))  # l2, l1


def examples(kind: str) -> tuple[Layer, ...]:
    return EXAMPLES.get(kind) or (LAYERS[kind](),)


def chain(layer: Layer, activation: Layer, outputs: int) -> list[Layer]:
    """A short network around a layer and an activation. What is measured must precede what learns, an Embedding all."""
    if stands_first(layer):
        return [layer, Dense(WIDTH), activation, Dense(outputs)]
    return [Dense(WIDTH), layer, activation, Dense(outputs)]


def head(loss: Loss) -> list[Layer]:
    """What makes probabilities for the losses that take them."""
    if loss.domain != "probability":
        return []
    return [layers.Softmax() if loss.targets == "classes" else layers.Sigmoid()]


def targets(loss: Loss, outputs: int) -> np.ndarray:
    """y (batch, outputs) of the kind that a loss takes."""
    y = targets_for(loss, BATCH, outputs, np.random.default_rng(11))
    return np.eye(outputs)[y] if y.ndim == 1 else y.astype(float)


class Case(NamedTuple):
    """A chain with numbers in it, and its output at every perturbation of every one of them."""

    layers: list[Layer]
    theta: np.ndarray  # (size,)
    x: np.ndarray  # (batch, inputs)
    ctx: Context
    outputs: np.ndarray  # (steps, 2, size + x.size, batch, outputs): at + h and at - h


def make_case(layer: Layer, activation: Layer, outputs: int, training: bool) -> Case:
    rng = np.random.default_rng(7)
    parts = chain(layer, activation, outputs)
    network = Network(INPUTS, parts, MeanSquaredError())
    # Parameters of either sign and away from 0, where the penalty |w| has its kink; positive running statistics.
    theta = rng.choice((-1, 1), network.size) * rng.uniform(0.3, 1.2, network.size)
    x = rng.normal(size=(BATCH, INPUTS))
    if layer.reads_codes:
        x[:, 1] = np.arange(BATCH) % 3
    states = drawn_states(network, rng)
    ctx = Context(training=training, seed=3, step=5, states=states)
    point = np.concatenate([theta, x.ravel()])
    perturbed = np.empty((len(STEPS), 2, point.size, BATCH, outputs))
    for (i, h), (j, sign), k in product(enumerate(STEPS), enumerate((1, -1)), range(point.size)):
        moved = point.copy()
        moved[k] += sign * h
        params = network.unflatten(moved[: network.size])
        perturbed[i, j, k] = network.predict(params, moved[network.size :].reshape(x.shape), ctx)
    return Case(parts, theta, x, ctx, perturbed)


def weighted_mean(values: np.ndarray, s: np.ndarray) -> np.ndarray:
    """sum_i s_i loss_i / sum_i s_i for loss_i (..., batch): (...)"""
    return values @ s / s.sum()


def penalty(network: Network, theta: np.ndarray) -> np.ndarray:
    """l2/2 ||W||^2 + l1 |W| over the weights, for theta (..., size): (...)"""
    sizes = [slot.stop - slot.start for slot in network.slots]
    W = theta[..., np.repeat([slot.parameter.is_weight for slot in network.slots], sizes)]
    return network.l2 / 2 * (W**2).sum(-1) + network.l1 * np.abs(W).sum(-1)


def losses_around(case: Case, loss: Loss, y: np.ndarray) -> np.ndarray:
    """loss_i at every perturbation: (steps, 2, size + x.size, batch)"""
    out = case.outputs.reshape(-1, y.shape[1])
    for last in head(loss):  # row by row, as every activation
        out, _ = last.forward((), out, case.ctx)
    rows = np.broadcast_to(y, case.outputs.shape).reshape(out.shape)
    return loss.value(out, rows).reshape(case.outputs.shape[:-1])


def differences(case: Case, network: Network, values: np.ndarray, s: np.ndarray) -> np.ndarray:
    """(steps, size + x.size): the central difference of L for each h."""
    h = np.asarray(STEPS)[:, None]
    difference = weighted_mean(values[:, 0], s) - weighted_mean(values[:, 1], s)
    if network.l2 or network.l1:
        moves = h[:, :, None] * np.eye(network.size)  # (steps, size, size)
        difference[:, : network.size] += penalty(network, case.theta + moves)
        difference[:, : network.size] -= penalty(network, case.theta - moves)
    return difference / (2 * h)


def check(
    case: Case, network: Network, values: np.ndarray, y: np.ndarray, s: np.ndarray
) -> tuple[float, str]:
    """The largest relative error over dL/dtheta and dL/dx, and where it is if it is too large."""
    params = network.unflatten(case.theta)
    objective = network.objective(params, case.x, y, s, case.ctx)
    expected = weighted_mean(network.loss.value(objective.out, y), s) + penalty(network, case.theta)
    assert abs(objective.loss - expected) <= 1e-14 * (1 + abs(expected))

    out, caches = backprop.forward(network.links, params, case.x, case.ctx)
    delta = (s / s.sum())[:, None] * network.loss.gradient(out, y)
    grads, grad_x = backprop.backward(network.links, params, caches, delta, case.ctx)
    g = network.flatten(objective.grads)
    assert np.array_equal(network.flatten(network.add_penalty(params, grads)), g)  # both walks are one

    g = np.concatenate([g, grad_x.ravel()])
    numeric = differences(case, network, values, s)
    # A number that is tiny beside the others is compared with a thousandth of their root mean square: a difference of
    # losses has no digits left for it. So is one in a gradient that is 0 all over.
    floor = max(1e-3 * np.sqrt(np.mean(g**2)), 1e-6)
    scale = np.maximum(np.maximum(np.abs(g), np.abs(numeric)), floor)  # (steps, size + x.size)
    error = (np.abs(numeric - g) / scale).min(0)
    worst = int(error.argmax())
    if error[worst] < TOLERANCE:
        return float(error[worst]), ""
    names = [f"{slot.link.name}.{slot.field}" for slot in network.slots for _ in range(slot.start, slot.stop)]
    where = names[worst] if worst < network.size else "x"
    return float(error[worst]), f"{where}: backpropagation {g[worst]!r}, differences {numeric[:, worst]}"


def check_all(layer: Layer, activation: Layer, training: bool) -> int:
    """Check a layer and an activation with everything else; the number of combinations of registered names."""
    combinations = 0
    cases = [make_case(layer, activation, outputs, training) for outputs in OUTPUTS]
    for case, kind in product(cases, LOSSES):
        for loss in (LOSSES[kind](), *VARIANTS.get(kind, ())):
            y = targets(loss, case.outputs.shape[-1])
            values = losses_around(case, loss, y)
            for s, (l2, l1) in product(WEIGHTS, PENALTIES):
                network = Network(INPUTS, case.layers + head(loss), loss, l2=l2, l1=l1)
                error, where = check(case, network, values, y, s)
                assert error < TOLERANCE, f"{network!r}, weights {s}\n{where}"
                combinations += 1
    return combinations


def pairs() -> list[object]:
    """Every layer with every activation; `make test` takes all with Dense, and a sixth with the others."""
    found = []
    for (i, kind), (j, activation) in product(enumerate(LAYERS), enumerate(ACTIVATIONS)):
        is_quick = kind == "dense" or (i + j) % 6 == 0
        marks = () if is_quick else pytest.mark.slow
        found.append(pytest.param(kind, activation, id=f"{kind}-{activation}", marks=marks))
    return found


@pytest.mark.parametrize(("kind", "activation"), pairs())
def test_gradient(kind, activation, record_property):
    combinations = sum(check_all(layer, ACTIVATIONS[activation](), training=True) for layer in examples(kind))
    record_property("gradient_checks", combinations)  # summed and printed by conftest.py


@pytest.mark.parametrize("kind", LAYERS)
def test_gradient_in_prediction(kind):
    """Batch norm and dropout walk differently there; the gradients of a trained network are wanted, too."""
    for layer in examples(kind):
        check_all(layer, Tanh(), training=False)


def test_the_number_of_combinations():
    """The product of the axes, with the settings beside the registries' defaults counted as well."""
    kinds = len(LOSSES) + sum(map(len, VARIANTS.values()))
    assert check_all(Dense(WIDTH), Tanh(), True) == kinds * len(OUTPUTS) * len(WEIGHTS) * len(PENALTIES)
    assert set(EXAMPLES) <= set(LAYERS)
    assert set(VARIANTS) <= set(LOSSES)


@pytest.mark.parametrize("kind", LAYERS)
def test_every_layer_has_an_example(kind):
    try:
        made = examples(kind)
    except TypeError as error:
        pytest.fail(f"{kind} needs arguments: give it a line in EXAMPLES ({error})")
    assert {layer.kind for layer in made} == {kind}


def test_a_residual_block_is_checked_with_and_without_projection():
    assert [len(layer.shortcut(WIDTH)) for layer in EXAMPLES["residual"]] == [0, 1]


def test_a_wrong_derivative_is_found():
    class Wrong(layers.Activation):
        def f(self, z):
            return z**2

        def prime(self, z, a):
            return 2.00001 * z

    with pytest.raises(AssertionError, match="backpropagation"):
        check_all(Dense(WIDTH), Wrong(), training=True)
