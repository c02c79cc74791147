"""The engine in a page against the package: outputs, gradients, ten steps and files of random networks, under Node.js.

CHAINRULE_WEB_NETWORKS=300 compares as many random networks; by default 16.
"""

from __future__ import annotations

import platform
from typing import Any, NamedTuple

import numpy as np
import pytest

import chainrule
from chainrule.core.random import generator
from chainrule.data.samples import Samples
from chainrule.engines.native import NativeEngine
from chainrule.engines.native import engine as native
from chainrule.engines.reference import ReferenceEngine
from chainrule.engines.step.base import Plan, StepSettings
from chainrule.formulas.layers import Context
from chainrule.trained.persistence import network_config
from web_cases import BOUND, SCRIPT, STEPS, Prepared, compared, prepared
from web_engine import built, numbers, run

pytestmark = pytest.mark.slow  # the engine is compiled first


class Run(NamedTuple):
    """What is compared of a case."""

    outputs: np.ndarray
    gradients: np.ndarray
    theta: np.ndarray  # after the steps
    states: np.ndarray
    loss: np.ndarray


def reference(one: Prepared, dtype: Any = np.float64, shake: int | None = None) -> Run:
    """The reference engine from the same float32 numbers; shake: with their last digits changed."""
    network, model = one.case.network, one.model
    theta, X = model.theta.astype(dtype), one.X.astype(dtype)
    states = {
        name: type(state)(*(np.asarray(value, dtype) for value in state))
        for name, state in model.states.items()
    }
    if shake is not None:
        rng = np.random.default_rng(shake)
        theta *= 1 + 6e-8 * rng.normal(size=theta.shape)
        X = X * (1 + 6e-8 * rng.normal(size=X.shape))
    weight = np.ones(len(X)) if one.weight is None else one.weight
    given = Samples(X, one.y if one.y.ndim == 1 else one.y.astype(np.float64), weight, network.outputs)
    outputs = ReferenceEngine().predict(network, theta, states, X, 64)
    few = given.batch(np.arange(min(len(X), 50)), dtype)
    context = Context(training=True, seed=one.case.number, step=1, states=states)
    objective = network.objective(network.unflatten(theta), *few[:3], context)
    plan = Plan(
        network,
        one.case.how["optimizer"],
        one.batch_size,
        seed=one.case.number,
        dtype=dtype,
        clip_norm=one.case.how["clip"].norm,
        clip_value=one.case.how["clip"].value,
        frozen=frozenset(one.case.frozen),
    )
    order = generator(one.case.number, "shuffle", 0).permutation(len(X))
    factors = one.schedule.factor(np.arange(STEPS), STEPS, STEPS)
    rates = plan.optimizer.learning_rate * factors
    session = ReferenceEngine().session(plan, theta, states, plan.optimizer.init(theta), 0)
    ones = np.ones(STEPS)
    gradients = network.flatten(objective.grads)
    session.steps(given, order, StepSettings(rates, ones, ones, ones, ones), 1)
    flat = [np.ravel(value) for state in session.states.values() for value in state[:2]]
    return Run(
        outputs,
        gradients,
        session.theta,
        np.concatenate(flat) if flat else np.empty(0),
        np.array([session.sums[0] / session.sums[1]]),
    )


def baseline(one: Prepared) -> tuple[np.ndarray, np.ndarray]:
    """Outputs, and parameters after the steps, of the native engine's baseline build on one thread, in float32."""
    network, model, clip = one.case.network, one.model, one.case.how["clip"]
    states = {
        name: type(state)(*(np.asarray(value, np.float32) for value in state))
        for name, state in model.states.items()
    }
    outputs = NativeEngine().predict(network, model.theta, states, one.X, 64, 1)
    plan = Plan(
        network,
        one.case.how["optimizer"],
        one.batch_size,
        seed=one.case.number,
        dtype=np.float32,
        threads=1,
        clip_norm=clip.norm,
        clip_value=clip.value,
        frozen=frozenset(one.case.frozen),
    )
    weight = np.ones(len(one.X)) if one.weight is None else one.weight
    y = one.y.astype(np.int64 if one.y.ndim == 1 else np.float64)
    order = generator(one.case.number, "shuffle", 0).permutation(len(one.X))
    rates = plan.optimizer.learning_rate * one.schedule.factor(np.arange(STEPS), STEPS, STEPS)
    theta = model.theta.copy()
    session = NativeEngine().session(plan, theta, states, plan.optimizer.init(theta), 0)
    session.steps(Samples(one.X, y, weight, network.outputs), order, StepSettings.of(rates), 1)
    session.synchronize()
    return outputs, session.theta


def difference(one: Run, other: Run) -> float:
    """The largest |x - y| / (1 + |y|) of all numbers."""
    return max(
        float((np.abs(x - y) / (1 + np.abs(y))).max(initial=0.0)) for x, y in zip(one, other, strict=True)
    )


def test_random_networks_agree_with_the_reference_and_files_are_read_to_the_bit(tmp_path, monkeypatch):
    """Outputs, gradients in training, ten steps with their statistics and loss; files of both sides.

    And on an x86 processor, whose baseline build rounds each product as WebAssembly does, the bits of that build.
    """
    monkeypatch.setenv("CHAINRULE_ISA", "baseline")
    built()
    cases = [prepared(case, tmp_path) for case in compared(range(16))]
    kinds = {link.layer.kind for one in cases for link in one.case.network.walk()}
    assert len(kinds) > 20 if len(cases) >= 30 else kinds
    judged = 0
    for one, found in zip(cases, run(tmp_path, SCRIPT, [each.given for each in cases]), strict=True):
        assert numbers(found["before"]).tobytes() == one.model.theta.tobytes()
        path = tmp_path / "back.safetensors"
        path.write_bytes(numbers(found["saved"], "uint8").tobytes())
        back = chainrule.load(path)
        assert back.theta.tobytes() == one.model.theta.tobytes()
        assert network_config(back.network) == network_config(one.case.network)
        for name, state in one.model.states.items():
            for mine, theirs in zip(back.states[name], state, strict=True):
                assert mine.tobytes() == np.asarray(theirs, np.float32).tobytes()
        expected = reference(one)
        page = Run(
            numbers(found["outputs"]).reshape(expected.outputs.shape),
            *(numbers(found[name]) for name in ("gradients", "theta", "states")),
            np.array([found["loss"]]),
        )
        assert (found["ended"], found["step"]) == ("done", STEPS), (one.case.number, one.case.network)
        if native.REASON is None and platform.machine() in ("x86_64", "AMD64"):
            for mine, theirs in zip((page.outputs, page.theta), baseline(one), strict=True):
                assert mine.tobytes() == theirs.tobytes(), (one.case.number, one.case.network)
        far = difference(page, expected)
        if far > BOUND:  # do last digits decide?
            judged += 1
            others = [reference(one, np.float32), *(reference(one, shake=shake) for shake in range(2))]
            felt = max(difference(other, expected) for other in others)
            assert far <= max(BOUND, 10 * felt), (one.case.number, far, felt, one.case.network)
    print(f"{len(cases)} networks with {len(kinds)} kinds of layers; of {judged} last digits decide")
    assert judged <= 0.2 * len(cases)
