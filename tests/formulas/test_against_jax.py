"""The same files under JAX: gradients against `jax.grad`, and the compiled training step against the reference engine.

`jax.grad` differentiates the value of the loss only, operation by operation: it knows nothing of the derivatives that
this package writes down.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose

from chainrule import (
    ENGINES,
    Dense,
    Layer,
    MeanOverMembers,
    Network,
    Optimizer,
    Residual,
    Skip,
    SoftmaxCrossEntropy,
)
from chainrule.data.samples import Samples
from chainrule.engines import Plan, StepSettings
from chainrule.engines.step import step
from chainrule.formulas import layers as l
from chainrule.formulas.layers import Context
from chainrule.formulas.losses import LOSSES
from chainrule.formulas.optimizers import OPTIMIZERS
from chainrule.trained.persistence import LAYERS
from layer_examples import every_kind_of_layer, examples
from states import drawn_states, stands_first
from strategies import targets_for

UNOPTIMIZED: dict[str, Any] = {"compiler_options": {"xla_backend_optimization_level": 0}}
"""Options of `jax.jit`: it compiles in half the time, and once rather than operation by operation."""


def check_gradient(network: Network, y: np.ndarray, training: bool = True) -> None:
    rng = np.random.default_rng(0)
    theta = rng.normal(size=network.size)
    a, s = rng.normal(size=(6, network.inputs)), rng.uniform(0.5, 2, 6)
    if network.links[0].layer.reads_codes:
        a[:, ::2] = rng.integers(0, 4, (6, 2))
    states = drawn_states(network, rng)
    ctx = Context(training=training, seed=4, step=7, states=states)
    by_hand = network.objective(network.unflatten(theta), a, y, s, ctx)

    jax_ctx = ctx._replace(states=jax.tree.map(jnp.asarray, states))

    def loss(theta):
        return network.objective(network.unflatten(theta), jnp.asarray(a), y, jnp.asarray(s), jax_ctx).loss

    value, g = jax.jit(jax.value_and_grad(loss), **UNOPTIMIZED)(jnp.asarray(theta))
    assert g.dtype == np.float64
    assert_allclose(by_hand.loss, value, rtol=1e-12)
    scale = np.abs(g).max()
    assert scale > 1e-3
    assert_allclose(network.flatten(by_hand.grads), g, rtol=1e-9, atol=1e-12 * scale)


def one_hot(rng: np.random.Generator, samples: int, classes: int) -> np.ndarray:
    return np.eye(classes)[rng.integers(0, classes, samples)]


def either_way() -> list[object]:
    """Each layer as in training and as in prediction, in `make test` one: it has central differences of all."""
    return [
        pytest.param(
            kind,
            training,
            id=f"{kind}-{way}",
            marks=() if kind == "residual" and training else pytest.mark.slow,
        )
        for kind in LAYERS
        for training, way in ((True, "training"), (False, "prediction"))
    ]


@pytest.mark.parametrize(("kind", "training"), either_way())
def test_every_layer_and_activation(kind, training):
    for layer in examples(kind):
        first = [layer] if stands_first(layer) else [Dense(3), layer]
        network = Network(3, [*first, Dense(2)], LOSSES["mean_squared_error"](), l2=0.02, l1=0.01)
        check_gradient(network, np.random.default_rng(1).normal(size=(6, 2)), training)


@pytest.mark.slow
@pytest.mark.parametrize("kind", LOSSES)
def test_every_loss(kind):
    loss, rng = LOSSES[kind](), np.random.default_rng(1)
    y = targets_for(loss, 6, 3, rng)
    y = np.eye(3)[y] if y.ndim == 1 else y.astype(float)
    head = [l.Softmax() if loss.targets == "classes" else l.Sigmoid()] if loss.domain == "probability" else []
    check_gradient(Network(3, [Dense(4), l.Tanh(), Dense(3), *head], loss, l2=0.02), y)
    if loss.domain == "real" or loss.targets == "binary":
        members = [Dense(4), l.Tanh(), l.GroupedDense(3, 2), *head]
        check_gradient(Network(3, members, MeanOverMembers(loss, 2), l2=0.02), y)


def chain_for(optimizer: str) -> list[Layer]:
    """Every kind of layer for one optimizer. Of the layers the others, which see theta alone, get one of each sort:

    what is measured, what keeps running statistics, what draws numbers, what is no matrix, blocks in each other.
    """
    if optimizer == "adam":
        return every_kind_of_layer()
    inner = [Dense(4), l.BatchNorm(), l.ParametricActivation(l.ELU(0.5)), l.Dropout(0.3)]
    return [l.Standardize(), Dense(4), l.PReLU(), Dense(4), Skip([Residual(inner)]), Dense(3)]


def trainable(optimizer: str) -> Optimizer:
    """An optimizer with settings that use all that it has."""
    settings = {"sgd": {"momentum": 0.9, "nesterov": True}, "rmsprop": {"momentum": 0.5}}
    return OPTIMIZERS[optimizer](learning_rate=0.01, **settings.get(optimizer, {}))


@pytest.mark.parametrize(
    "optimizer",
    [
        pytest.param(kind, marks=() if kind == "adamw" else pytest.mark.slow)
        for kind in OPTIMIZERS
        if kind != "lbfgs"
    ],
)
def test_the_compiled_step_is_the_reference_step(optimizer):
    network = Network(5, chain_for(optimizer), SoftmaxCrossEntropy(0.1), l2=1e-3, l1=1e-4, max_norm=1.5)
    frozen = frozenset({"dense_3"})
    plan = Plan(
        network, trainable(optimizer), 8, 42, np.float64, clip_norm=0.9, clip_value=0.5, frozen=frozen
    )
    rng = np.random.default_rng(0)
    n, steps = 40, 5
    samples = Samples(rng.normal(size=(n, 5)), rng.integers(0, 3, n), rng.uniform(0.5, 2, n), 3)
    rates = np.linspace(0.02, 0.01, steps)

    theta = network.initial_theta(42, np.float64)
    traces = 0

    @partial(jax.jit, **UNOPTIMIZED)
    def compiled(theta, optimizer_state, states, batch, lr, t):
        nonlocal traces
        traces += 1
        return step(plan, theta, optimizer_state, states, batch, lr, t)

    jax_theta = jnp.asarray(theta)
    jax_state = plan.optimizer.init(jax_theta)
    jax_states = jax.tree.map(jnp.asarray, network.initial_states(np.float64))

    states = network.initial_states(np.float64)
    session = ENGINES["reference"].session(plan, theta, states, plan.optimizer.init(theta), step_offset=0)
    for k, lr in enumerate(rates):
        rows = np.arange(8 * k, 8 * k + 8)
        session.steps(samples, rows, StepSettings.of(rates[k : k + 1]), first=k + 1)
        session.synchronize()
        batch = samples.batch(rows, np.float64)
        jax_theta, jax_state, jax_states, *_ = compiled(jax_theta, jax_state, jax_states, batch, lr, k + 1)
        # A bias before batch norm has the gradient 0, but for rounding, which adaptive optimizers enlarge.
        assert_allclose(jax_theta, theta, rtol=1e-9, atol=1e-8)
    assert traces == 1

    for value, other in zip(session.optimizer_state, jax_state, strict=True):
        assert_allclose(other, value, rtol=1e-8, atol=1e-8)
    assert set(jax_states) == set(session.states)
    for name, state in session.states.items():
        for value, other in zip(state, jax_states[name], strict=True):
            assert_allclose(other, value, rtol=1e-8, atol=1e-8)
