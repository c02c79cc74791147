"""What a step's settings and a parameter's own rate and decay do, in every engine and with every optimizer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pytest
import scipy.sparse

from chainrule import (
    Adam,
    AdamW,
    BatchNorm,
    ConfigError,
    Dense,
    Dropout,
    GradientDescent,
    MeanSquaredError,
    Model,
    Network,
    ReLU,
    Residual,
    Sigmoid,
    Softmax,
)
from chainrule import SoftmaxCrossEntropy as Loss
from chainrule.data.samples import Samples
from chainrule.engines import ENGINES, Plan, StepSettings, native
from chainrule.engines.step import step
from chainrule.formulas.layers import Layer, Operation, Parameter
from chainrule.formulas.losses import LOSSES
from chainrule.formulas.optimizers import LBFGS, OPTIMIZERS

jax = pytest.importorskip("jax")
jnp = pytest.importorskip("jax.numpy")

RULES = [rule for rule in OPTIMIZERS.values() if rule is not LBFGS]
VARIANTS = [
    *(rule() for rule in RULES),
    OPTIMIZERS["sgd"](0.01, momentum=0.9),
    OPTIMIZERS["sgd"](0.01, momentum=0.9, nesterov=True),
    OPTIMIZERS["rmsprop"](0.01, momentum=0.9),
    AdamW(weight_decay=0.5),
    *(OPTIMIZERS[name](eps=1e-2, uncorrected_eps=True) for name in ("adam", "amsgrad", "adamw", "nadam")),
]
CROSS_ENTROPIES = [kind for kind, loss in LOSSES.items() if hasattr(loss, "label_smoothing")]
NAMES = ["native"] * (native.REASON is None) + ["reference"]
ALL = [*NAMES, pytest.param("xla", marks=pytest.mark.slow)]
"""With the engine that takes a second to compile each."""


class Params(NamedTuple):
    W: Any
    b: Any


@dataclass(frozen=True)
class OwnDense(Layer):
    """A dense layer whose W and b have a rate and a decay of their own."""

    units: int
    rates: tuple[float, float] = (1.0, 1.0)
    decays: tuple[float, float] = (True, True)

    def forward(self, params, a, ctx):
        return a @ params.W + params.b, a

    def backward(self, params, cache, delta, ctx):
        return Params(cache.T @ delta, delta.sum(0)), delta @ params.W.T

    def width(self, fan_in):
        return self.units

    def parameters(self, fan_in, default):
        W = Parameter((fan_in, self.units), default, True, rate=self.rates[0], decays=self.decays[0])
        return Params(W, Parameter((self.units,), default, rate=self.rates[1], decays=self.decays[1]))

    def ops(self, fan_in):
        return (Operation("dense", parameters=("W", "b")),)


X = np.random.default_rng(0).normal(size=(64, 6))
SAMPLES = Samples(X, np.arange(64) % 3, np.ones(64), 3)


def after(
    network: Network, optimizer, settings: StepSettings, engine: str, dtype=np.float64, **how
) -> np.ndarray:
    """theta after the steps of eight samples each."""
    model = Model(network, seed=3, dtype=dtype)
    plan = Plan(network, optimizer, 8, 3, dtype, **how)
    state = optimizer.init(model.theta)
    session = ENGINES[engine].session(plan, model.theta, model.states, state, 0)
    session.steps(SAMPLES, np.arange(8 * len(settings.rate)), settings, 1)
    session.synchronize()
    return model.theta


def own(rates=((0.5, 3.0), (1.0, 0.1)), decays=((True, False), (0.25, True))) -> Network:
    first, second = (OwnDense(n, r, d) for n, r, d in zip((20, 3), rates, decays, strict=True))
    return Network(6, [first, ReLU(), Residual([second, Dense(20)]), Dense(3)], Loss())


def falling(steps: int = 6) -> StepSettings:
    at = np.arange(steps)
    return StepSettings.of(0.01 / (1 + at), decay=1 / (1 + at), dropout=1 - at / 10)


@pytest.mark.skipif(native.REASON is not None, reason=str(native.REASON))
@pytest.mark.parametrize("how", [{}, {"clip_norm": 0.1}, {"frozen": frozenset({"dense_1"})}], ids=str)
@pytest.mark.parametrize("optimizer", VARIANTS, ids=repr)
def test_both_engines_give_each_parameter_its_rate_and_decay(optimizer, how):
    thetas = [after(own(), optimizer, falling(), name, **how) for name in ("native", "reference")]
    np.testing.assert_allclose(*thetas, rtol=1e-9, atol=1e-11)
    plain = after(own(((1, 1), (1, 1)), ((1, 1), (1, 1))), optimizer, falling(), "native", **how)
    assert not np.allclose(plain, thetas[0], rtol=1e-6)


@pytest.mark.parametrize("engine", NAMES)
@pytest.mark.parametrize("optimizer", [GradientDescent(0.1), Adam(), AdamW(weight_decay=0.5)], ids=repr)
def test_a_rate_is_that_of_a_step_with_this_learning_rate(engine, optimizer):
    """One step from the same start: each parameter moves as all do at rate times the learning rate."""
    one = StepSettings.of(np.array([0.01]))
    mixed = after(own(decays=((1, 1), (1, 1))), optimizer, one, engine)
    network = own()
    for slot in network.slots:
        alone = after(
            own(((1, 1), (1, 1)), ((1, 1), (1, 1))), optimizer, StepSettings.of(one.rate * slot.rate), engine
        )
        part = slice(slot.start, slot.stop)
        np.testing.assert_allclose(mixed[part], alone[part], rtol=1e-13)


@pytest.mark.parametrize("engine", ALL)
def test_decay_shrinks_what_decays_and_nothing_else(engine):
    network, lr = own(rates=((1, 1), (1, 1))), np.array([0.01])
    zero, ones = np.zeros(1), np.ones(1)
    start = Model(network, seed=3, dtype=np.float64).theta
    without = after(network, AdamW(weight_decay=0.5), StepSettings.of(lr, decay=zero), engine)
    for factor in (1.0, 0.5):
        found = after(network, AdamW(weight_decay=0.5), StepSettings.of(lr, decay=factor * ones), engine)
        for slot in network.slots:
            part = slice(slot.start, slot.stop)
            expected = without[part] - 0.01 * 0.5 * factor * slot.decays * start[part]
            np.testing.assert_allclose(found[part], expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("engine", ALL)
def test_dropout_by_a_factor_is_dropout_at_that_rate(engine):
    def network(rate: float) -> Network:
        return Network(6, [Dense(32), ReLU(), Dropout(rate), Dense(3)], Loss())

    rate, ones = np.full(4, 0.1), np.ones(4)
    found = after(network(0.5), GradientDescent(), StepSettings.of(rate, dropout=0.5 * ones), engine)
    expected = after(network(0.25), GradientDescent(), StepSettings.of(rate), engine)
    assert found.tobytes() == expected.tobytes()
    none = after(network(0.5), GradientDescent(), StepSettings.of(rate, dropout=0 * ones), engine)
    assert none.tobytes() == after(network(0.0), GradientDescent(), StepSettings.of(rate), engine).tobytes()


@pytest.mark.parametrize("engine", ALL)
def test_a_step_with_a_factor_of_the_penalty_by_hand(engine):
    """W = 2, b = 0.5; both samples have x = 1, y = 0 and so out 2.5; weights 1 and 3; l2 = 0.1, l1 = 0.01; factor 3.

    loss 2.5^2 / 2 = 3.125, penalty 3 (0.1/2 * 4 + 0.01 * 2) = 0.66; L = 3.785
    dW = 2.5 + 3 (0.1 * 2 + 0.01) = 3.13, db = 2.5
    """
    network = Network(1, [Dense(1)], MeanSquaredError(half=True), l2=0.1, l1=0.01)
    theta, ones = np.array([2.0, 0.5]), np.ones(1)
    plan = Plan(network, GradientDescent(), 2, 0, np.float64)
    session = ENGINES[engine].session(plan, theta, {}, plan.optimizer.init(theta), 0)
    samples = Samples(np.ones((2, 1)), np.zeros((2, 1)), np.array([1.0, 3.0]), 1)
    session.steps(samples, np.arange(2), StepSettings.of(0.1 * ones, penalty=3 * ones), 1)
    session.synchronize()
    np.testing.assert_allclose(theta, [2 - 0.313, 0.5 - 0.25], rtol=1e-14)
    np.testing.assert_allclose(session.sums, [4 * 3.785, 4, 0], rtol=1e-14)
    np.testing.assert_allclose(session.row_sums, [2 * 3.785, 2 * 0.66], rtol=1e-14)


HOW = [
    {},
    {"clip_norm": 0.5},
    {"clip_value": 0.05},
    {"frozen": frozenset({"dense_1"})},
    {"batch_size": 1},
    {"batch_size": 1024},  # in micro-batches
]


@pytest.mark.skipif(native.REASON is not None, reason=str(native.REASON))
@pytest.mark.parametrize("how", HOW, ids=str)
@pytest.mark.parametrize("form", ["dense", "csr"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_both_engines_agree_on_penalties_by_step(how, form, dtype):
    """With dropout, weights, and batch norm where the batch allows it; two calls, of which the second goes on."""
    size, steps = how.get("batch_size", 8), 6
    how = {name: value for name, value in how.items() if name != "batch_size"}
    draws = np.random.default_rng(5)
    X = draws.normal(size=(size * steps, 6)) * (draws.random((size * steps, 6)) < 0.5)
    given = scipy.sparse.csr_matrix(X) if form == "csr" else X
    samples = Samples(given, np.arange(len(X)) % 3, draws.uniform(0.5, 2, len(X)), 3)
    norm = [BatchNorm()] if size == 8 else []
    layers = [Dense(20), *norm, ReLU(), Dropout(0.3), Dense(3)]
    network = Network(6, layers, Loss(), l2=0.02, l1=0.003)
    at, rows, found = np.arange(steps), draws.permutation(len(X)), []
    settings = StepSettings.of(0.01 / (1 + at), dropout=1 - at / 10, penalty=np.array([1, 0, 3, 0.5, 7, 2]))
    for engine in ("native", "reference"):
        model = Model(network, seed=3, dtype=dtype)
        plan = Plan(network, Adam(eps=1e-3, uncorrected_eps=True), size, 3, model.theta.dtype, **how)
        state = plan.optimizer.init(model.theta)
        session = ENGINES[engine].session(plan, model.theta, model.states, state, 0)
        session.steps(samples, rows[: 4 * size], settings.part(0, 4), 1)
        session.steps(samples, rows[4 * size :], settings.part(4, steps), 5)
        session.synchronize()
        found.append([model.theta, session.sums, session.row_sums, *session.optimizer_state])
    close = {"rtol": 2e-4, "atol": 1e-5} if dtype == "float32" else {"rtol": 1e-9, "atol": 1e-12}
    for mine, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(mine, theirs, **close)
    assert found[0][2][1] > 0.01 * found[0][2][0]  # the penalty counts


@pytest.mark.parametrize("engine", NAMES)
def test_a_factor_of_the_penalty_is_that_of_l2_and_l1(engine):
    def network(factor: float) -> Network:
        return Network(6, [Dense(32), ReLU(), Dense(3)], Loss(), l2=0.5 * factor, l1=0.25 * factor)

    ones = np.ones(4)
    by_step = StepSettings.of(0.1 * ones, penalty=0.5 * ones)
    for dtype in (np.float32, np.float64):
        found = after(network(1.0), Adam(), by_step, engine, dtype)
        expected = after(network(0.5), Adam(), StepSettings.of(0.1 * ones), engine, dtype)
        assert found.tobytes() == expected.tobytes()
        without = after(network(1.0), Adam(), by_step._replace(penalty=0 * ones), engine, dtype)
        assert (
            without.tobytes()
            == after(network(0), Adam(), StepSettings.of(0.1 * ones), engine, dtype).tobytes()
        )


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_jax_compiles_a_step_with_a_factor_of_the_penalty(dtype):
    network = Network(6, [Dense(5), ReLU(), Dense(3)], Loss(), l2=0.1, l1=0.05)
    model = Model(network, seed=3, dtype=dtype)
    plan = Plan(network, Adam(uncorrected_eps=True), 8, 3, model.theta.dtype)
    state, batch = plan.optimizer.init(model.theta), SAMPLES.batch(np.arange(8), model.theta.dtype)

    def one(theta, state, lr, t, penalty):
        return step(plan, theta, state, {}, batch, lr, t, penalty=penalty)[:2]

    to_jax = (jnp.asarray(model.theta), type(state)(*map(jnp.asarray, state)))
    found, _ = jax.jit(one)(*to_jax, jnp.asarray(0.01), jnp.asarray(1), jnp.asarray(3.0))
    expected, _ = one(model.theta, state, 0.01, 1, 3.0)
    assert found.dtype == dtype
    np.testing.assert_allclose(found, expected, rtol=1e-5 if dtype == "float32" else 1e-12, atol=1e-7)
    assert not np.allclose(expected, one(model.theta, state, 0.01, 1, 1.0)[0], rtol=1e-6)


@pytest.mark.parametrize("engine", ALL)
def test_a_step_with_a_factor_of_the_label_smoothing_by_hand(engine):
    """W = 0, b = 0, so softmax(out) is 1/4 each; y = class 0, smoothing 0.2 * 0.5 = 0.1, y' = 0.9 + 0.025, 0.025, ...

    loss -log(1/4) = log 4, whatever y'; db = 1/4 - y' = -0.675, 0.225, 0.225, 0.225
    """
    network = Network(1, [Dense(4)], Loss(label_smoothing=0.2))
    theta, ones = np.zeros(8), np.ones(1)
    plan = Plan(network, GradientDescent(), 2, 0, np.float64)
    session = ENGINES[engine].session(plan, theta, {}, plan.optimizer.init(theta), 0)
    samples = Samples(np.zeros((2, 1)), np.zeros(2, np.int64), np.ones(2), 4)
    session.steps(samples, np.arange(2), StepSettings.of(ones, smoothing=0.5 * ones), 1)
    session.synchronize()
    np.testing.assert_allclose(theta, [0, 0, 0, 0, 0.675, -0.225, -0.225, -0.225], rtol=1e-14)
    np.testing.assert_allclose(session.sums, [2 * np.log(4), 2, 2], rtol=1e-14)


@pytest.mark.parametrize("loss", CROSS_ENTROPIES)
@pytest.mark.parametrize("engine", NAMES)
def test_a_factor_of_the_smoothing_is_that_of_label_smoothing(engine, loss):
    def network(smoothing: float) -> Network:
        end = {"binary_cross_entropy": [Sigmoid()], "categorical_cross_entropy": [Softmax()]}.get(loss, [])
        return Network(6, [Dense(8), ReLU(), Dense(3), *end], LOSSES[loss](label_smoothing=smoothing))

    rate = np.full(4, 0.1)
    for dtype in (np.float32, np.float64):
        found = after(network(0.25), Adam(), StepSettings.of(rate, smoothing=rate * 5), engine, dtype)
        expected = after(network(0.125), Adam(), StepSettings.of(rate), engine, dtype)
        assert found.tobytes() == expected.tobytes()
        whole = after(network(0.25), Adam(), StepSettings.of(rate), engine, dtype)
        assert not np.allclose(found, whole, rtol=1e-4)
        none = after(network(0.25), Adam(), StepSettings.of(rate, smoothing=0 * rate), engine, dtype)
        assert none.tobytes() == after(network(0.0), Adam(), StepSettings.of(rate), engine, dtype).tobytes()


@pytest.mark.skipif(native.REASON is not None, reason=str(native.REASON))
@pytest.mark.parametrize("how", HOW, ids=str)
def test_both_engines_agree_on_smoothing_by_step(how):
    size, steps = how.get("batch_size", 8), 6
    how = {name: value for name, value in how.items() if name != "batch_size"}
    draws = np.random.default_rng(5)
    X = draws.normal(size=(size * steps, 6))
    samples = Samples(X, np.arange(len(X)) % 3, draws.uniform(0.5, 2, len(X)), 3)
    network = Network(6, [Dense(20), ReLU(), Dense(3)], Loss(label_smoothing=0.3))
    rows = draws.permutation(len(X))
    settings = StepSettings.of(np.full(steps, 0.01), smoothing=np.array([1, 0, 0.5, 0.25, 0.1, 0.9]))
    found = []
    for engine in ("native", "reference"):
        model = Model(network, seed=3, dtype="float64")
        plan = Plan(network, Adam(), size, 3, np.float64, **how)
        session = ENGINES[engine].session(plan, model.theta, {}, plan.optimizer.init(model.theta), 0)
        session.steps(samples, rows, settings, 1)
        session.synchronize()
        found.append([model.theta, session.sums, session.row_sums])
    for mine, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-9, atol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("loss", CROSS_ENTROPIES)
def test_jax_compiles_a_step_with_a_factor_of_the_smoothing(loss):
    end = {"binary_cross_entropy": [Sigmoid()], "categorical_cross_entropy": [Softmax()]}.get(loss, [])
    network = Network(6, [Dense(5), ReLU(), Dense(3), *end], LOSSES[loss](label_smoothing=0.3))
    model = Model(network, seed=3, dtype="float32")
    plan = Plan(network, GradientDescent(), 8, 3, model.theta.dtype)
    batch = SAMPLES.batch(np.arange(8), model.theta.dtype)

    def one(theta, factor):
        return step(plan, theta, plan.optimizer.init(theta), {}, batch, 0.1, 1, smoothing=factor)[0]

    compiled = jax.jit(one)
    for factor in (0.0, 0.4, 1.0):
        found, expected = compiled(jnp.asarray(model.theta), jnp.asarray(factor)), one(model.theta, factor)
        assert found.dtype == "float32"
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-7)
    assert not np.allclose(one(model.theta, 0.4), one(model.theta, 1.0), rtol=1e-4)


@pytest.mark.parametrize("optimizer", VARIANTS, ids=repr)
def test_the_pure_step_is_the_reference_engines(optimizer):
    """`step`, which JAX compiles as it stands, from the same start."""
    network, settings = own(), falling(1)
    model = Model(network, seed=3, dtype=np.float64)
    plan = Plan(network, optimizer, 8, 3, np.float64)
    state, batch = optimizer.init(model.theta), SAMPLES.batch(np.arange(8), np.float64)
    lr, *factors = (float(values[0]) for values in settings)
    found = step(plan, model.theta.copy(), state, model.states, batch, lr, 1, *factors)
    np.testing.assert_allclose(
        found.theta, after(own(), optimizer, settings, "reference"), rtol=1e-12, atol=1e-14
    )


@pytest.mark.parametrize("setting", ["rate", "decays"])
@pytest.mark.parametrize("value", [-1.0, np.nan, np.inf, "1"])
def test_a_factor_that_is_no_number_is_refused(setting, value):
    settings = {"rates": (1.0, value)} if setting == "rate" else {"decays": (True, value)}
    with pytest.raises(
        ConfigError, match=f"{setting} of b in own_dense_1 must be a finite number of at least 0"
    ):
        Network(6, [OwnDense(3, **settings)], Loss())
