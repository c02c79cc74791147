"""What a step's settings and a parameter's own rate and decay do, in every engine and with every optimizer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pytest

from chainrule import (
    Adam,
    AdamW,
    ConfigError,
    Dense,
    Dropout,
    GradientDescent,
    Model,
    Network,
    ReLU,
    Residual,
)
from chainrule import SoftmaxCrossEntropy as Loss
from chainrule.data.samples import Samples
from chainrule.engines import ENGINES, Plan, StepSettings, native
from chainrule.engines.step import step
from chainrule.formulas.layers import Layer, Operation, Parameter
from chainrule.formulas.optimizers import LBFGS, OPTIMIZERS

RULES = [rule for rule in OPTIMIZERS.values() if rule is not LBFGS]
VARIANTS = [
    *(rule() for rule in RULES),
    OPTIMIZERS["sgd"](0.01, momentum=0.9),
    OPTIMIZERS["sgd"](0.01, momentum=0.9, nesterov=True),
    OPTIMIZERS["rmsprop"](0.01, momentum=0.9),
    AdamW(weight_decay=0.5),
]
NAMES = ["native"] * (native.REASON is None) + ["reference"]


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
    return StepSettings(0.01 / (1 + at), 1 / (1 + at), 1 - at / 10, np.ones(steps))


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


@pytest.mark.parametrize("engine", NAMES)
def test_decay_shrinks_what_decays_and_nothing_else(engine):
    network, lr = own(rates=((1, 1), (1, 1))), np.array([0.01])
    zero, ones = np.zeros(1), np.ones(1)
    start = Model(network, seed=3, dtype=np.float64).theta
    without = after(network, AdamW(weight_decay=0.5), StepSettings(lr, zero, ones, ones), engine)
    for factor in (1.0, 0.5):
        found = after(network, AdamW(weight_decay=0.5), StepSettings(lr, factor * ones, ones, ones), engine)
        for slot in network.slots:
            part = slice(slot.start, slot.stop)
            expected = without[part] - 0.01 * 0.5 * factor * slot.decays * start[part]
            np.testing.assert_allclose(found[part], expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("engine", NAMES)
def test_dropout_by_a_factor_is_dropout_at_that_rate(engine):
    def network(rate: float) -> Network:
        return Network(6, [Dense(32), ReLU(), Dropout(rate), Dense(3)], Loss())

    rate, ones = np.full(4, 0.1), np.ones(4)
    found = after(network(0.5), GradientDescent(), StepSettings(rate, ones, 0.5 * ones, ones), engine)
    expected = after(network(0.25), GradientDescent(), StepSettings.of(rate), engine)
    assert found.tobytes() == expected.tobytes()
    none = after(network(0.5), GradientDescent(), StepSettings(rate, ones, 0 * ones, ones), engine)
    assert none.tobytes() == after(network(0.0), GradientDescent(), StepSettings.of(rate), engine).tobytes()


@pytest.mark.parametrize("optimizer", VARIANTS, ids=repr)
def test_the_pure_step_is_the_reference_engines(optimizer):
    """`step`, which JAX compiles as it stands, from the same start."""
    network, settings = own(), falling(1)
    model = Model(network, seed=3, dtype=np.float64)
    plan = Plan(network, optimizer, 8, 3, np.float64)
    state, batch = optimizer.init(model.theta), SAMPLES.batch(np.arange(8), np.float64)
    lr, decay, dropout, penalty = (float(values[0]) for values in settings)
    found = step(plan, model.theta.copy(), state, model.states, batch, lr, 1, decay, dropout, penalty)
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
