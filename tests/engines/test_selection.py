"""Which engine runs a plan, why one does not, and calls of a length that an engine fixes."""

from __future__ import annotations

import warnings
from typing import ClassVar

import numpy as np
import pytest

from chainrule import Callback, Compute, ConfigError, Dense, Model, Network, ReLU, SoftmaxCrossEntropy
from chainrule.engines import ENGINES, Plan, native, select
from chainrule.engines.reference import ReferenceEngine, ReferenceSession
from chainrule.formulas.layers import Layer
from chainrule.training import trainers

needs_native = pytest.mark.skipif(native.REASON is not None, reason=str(native.REASON))
NETWORK = Network(4, [Dense(8), ReLU(), Dense(3)], SoftmaxCrossEntropy())
X, Y = np.random.default_rng(0).normal(size=(40, 4)), np.arange(40) % 3


class Own(Layer):
    def forward(self, params, a, ctx):
        return a, None

    def backward(self, params, cache, delta, ctx):
        return (), delta


OWN = Network(4, [Dense(8), Own(), Dense(3)], SoftmaxCrossEntropy())


@needs_native
def test_auto_takes_the_first_that_can():
    assert select("auto", Plan(NETWORK)).name == "native"
    assert select("auto", Plan(NETWORK, precision="bf16")).name == "native"
    assert select("auto", Plan(OWN)).name == "reference"


@needs_native
def test_products_of_bfloat16_with_a_layer_of_ones_own_run_on_the_reference_engine():
    assert select("auto", Plan(OWN, precision="bf16")).name == "reference"
    Model(OWN).fit(X, Y, engine=Compute(precision="bf16"), epochs=1)


@needs_native
def test_where_no_engine_can_each_says_why():
    expected = (
        r"no engine supports this: native, because it does not know the layer own_1 \(Own\); "
        r"reference, because shards require the xla engine; "
        r"xla, because (?:precision 'bf16' requires the native or the reference engine|it needs JAX, .*); "
        r"remove what the last one does not support\."
    )
    with pytest.raises(ConfigError, match=expected):
        Model(OWN).fit(X, Y, engine=Compute(precision="bf16", shards=2), epochs=1)


@pytest.mark.parametrize("engine", ENGINES)
def test_an_unknown_engine_is_refused(engine):
    with pytest.raises(ConfigError, match="engine must be one of auto, native, reference, xla, not 'gpu'"):
        select("gpu", Plan(NETWORK))


@pytest.mark.filterwarnings("default")
def test_a_slow_fit_says_so_once(monkeypatch):
    monkeypatch.setattr(native, "REASON", "it was not built")
    monkeypatch.setattr(native.engine, "REASON", "it was not built")
    trainers.say_once.cache_clear()
    with pytest.warns(
        UserWarning, match="runs on the reference engine, .* it was not built; pass engine='reference'"
    ) as seen:
        for _ in range(2):
            Model(NETWORK).fit(X, Y, epochs=1)
    trainers.say_once.cache_clear()
    assert [str(w.filename) for w in seen] == [__file__]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Model(NETWORK).fit(X, Y, epochs=1, engine="reference")
        Model(NETWORK).fit(X, Y, epochs=1, method="spsa")


class FixedSession(ReferenceSession):
    """Compiled for calls of three steps."""

    call_steps = 3
    lengths: ClassVar[list[int]] = []

    def steps(self, samples, rows, settings, first):
        self.lengths.append(len(settings.rate))
        super().steps(samples, rows, settings, first)


class FixedEngine(ReferenceEngine):
    name = "fixed"

    def session(self, plan, theta, states, optimizer_state, step_offset):
        return FixedSession(plan, theta, states, optimizer_state, step_offset)


def test_an_engine_fixes_the_length_of_its_calls(monkeypatch):
    """But for the last one of an epoch, and one that ends where a callback asks for it."""
    monkeypatch.setitem(ENGINES, "fixed", FixedEngine())
    monkeypatch.setattr(FixedSession, "lengths", [])
    fixed, plain = Model(NETWORK, seed=1), Model(NETWORK, seed=1)
    fixed.fit(X, Y, batch_size=4, epochs=2, engine="fixed")
    assert FixedSession.lengths == [3, 3, 3, 1] * 2
    plain.fit(X, Y, batch_size=4, epochs=2, engine="reference")
    assert fixed.theta.tobytes() == plain.theta.tobytes()

    class EveryFive(Callback):
        every_steps = 5

        def on_steps(self, run):
            pass

    FixedSession.lengths.clear()
    Model(NETWORK).fit(X, Y, batch_size=4, epochs=1, engine="fixed", callbacks=[EveryFive()])
    assert FixedSession.lengths == [3, 2, 3, 2]


@needs_native
def test_amx_is_refused_with_the_reason(monkeypatch):
    from chainrule.engines.native import engine

    monkeypatch.setattr(engine._native, "instruction_sets", lambda: ["avx512", "baseline"])
    monkeypatch.setattr(engine._native, "NO_AMX", "the system does not grant it")
    monkeypatch.setenv("CHAINRULE_ISA", "amx")
    message = "must be one of avx512, baseline on this processor, not 'amx': the system does not grant it"
    with pytest.raises(ConfigError, match=message):
        Model(NETWORK).fit(X, Y, engine="native", epochs=1)
    monkeypatch.setenv("CHAINRULE_ISA", "avx2")
    with pytest.raises(ConfigError, match=r"not 'avx2'\.$"):
        Model(NETWORK).fit(X, Y, engine="native", epochs=1)
