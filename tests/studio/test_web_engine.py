"""The engine in a page against the package: outputs, gradients, ten steps and files of random networks, under Node.js.

CHAINRULE_WEB_NETWORKS=300 compares as many random networks; by default some 30.
"""

from __future__ import annotations

import copy
import itertools
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import chainrule
from chainrule import Model
from chainrule.core.random import generator
from chainrule.core.settings import describe
from chainrule.data.samples import Samples
from chainrule.engines.base import Plan, StepSettings
from chainrule.engines.reference import ReferenceEngine
from chainrule.formulas.layers import Context
from chainrule.formulas.schedules import SCHEDULES
from chainrule.studio.description import description
from chainrule.trained.persistence import network_config
from random_layers import Dice
from random_networks import Case, draw, samples
from web_engine import built, numbers, run, text

COUNT = int(os.environ.get("CHAINRULE_WEB_NETWORKS", "30"))
BOUND = 1e-5
"""Of a difference over 1 + |what is compared|, from the reference in float64, unless the reference itself is further
from that in float32, or when last digits of float32 change."""
STEPS = 10
DESCRIBED = description()
OFFERED = {*DESCRIBED["layers"], *DESCRIBED["blocks"]}


class Run(NamedTuple):
    """What is compared of a case."""

    outputs: np.ndarray
    gradients: np.ndarray
    theta: np.ndarray  # after the steps
    states: np.ndarray
    loss: np.ndarray


def offered() -> Iterator[Case]:
    """The random networks of `random_networks` that have only what the page offers."""
    for number in itertools.count():
        case = draw(number)
        if {link.layer.kind for link in case.network.walk()} <= OFFERED and case.network.loss.members == 1:
            yield case


class Prepared(NamedTuple):
    """A case with its samples for ten steps, in both forms."""

    case: Case
    model: Model
    X: np.ndarray
    y: np.ndarray
    weight: np.ndarray | None
    batch_size: int
    schedule: Any
    given: dict[str, Any]


def prepared(case: Case, folder: Path) -> Prepared:
    dice = Dice(case.number, 77)
    batch_size = dice.one_of(1, 2, 7, 16, 33)
    n = STEPS * batch_size - int(dice.rng.integers(batch_size))
    X, y = samples(dice, case.network, n)
    X = np.clip(40 * X + 128, 0, 255).astype(np.uint8) if dice.happens(0.3) else X.astype(np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = Model(case.network, seed=case.number)
        model.theta += 0.05 * dice.rng.normal(size=model.theta.shape).astype(np.float32)
        if any(link.layer.kind == "standardize" for link in case.network.walk()):
            model.states = measured(model, X)
    weight = dice.rng.random(n) + 0.2 if dice.happens(0.3) else None
    schedule = SCHEDULES[dice.one_of(*DESCRIBED["schedules"])]()
    clip = case.how["clip"]
    optimizer = case.how["optimizer"]
    path = folder / f"{case.number}.safetensors"
    model.save(path)
    given = {
        "file": str(path),
        "X": text(X),
        "isBytes": X.dtype == np.uint8,
        "n": n,
        "y": y.tolist(),
        "weight": None if weight is None else weight.tolist(),
        "options": {
            "optimizer": describe(optimizer),
            "schedule": describe(schedule),
            "batchSize": batch_size,
            "epochs": 1,
            "seed": case.number,
            "shuffle": "package",
            "clipNorm": clip.norm,
            "clipValue": clip.value,
            "frozen": case.frozen,
        },
    }
    return Prepared(case, model, X, y, weight, batch_size, schedule, given)


def measured(model: Model, X: np.ndarray) -> dict[str, Any]:
    """The states after the first fit has measured the samples; of the fit nothing else is kept."""
    other = copy.deepcopy(model)
    targets = {"classes": np.zeros(len(X), int), "binary": np.zeros((len(X), other.network.outputs))}
    y = targets.get(other.network.loss.targets, np.ones((len(X), other.network.outputs)))
    other.fit(X, y, epochs=1, batch_size=len(X), optimizer=chainrule.SGD(1e-30), engine="reference")
    return {
        name: other.states[name] if name.startswith("standardize") else model.states[name]
        for name in model.states
    }


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
    objective = network.objective(network.unflatten(theta), *few, context)
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


SCRIPT = """
const found = [];
for (const { file, X, isBytes, n, y, weight, options } of given) {
  const { network } = engine.open(new Uint8Array(readFileSync(file)).buffer);
  const x = numbers(X, isBytes ? Uint8Array : Float32Array), flat = y.flat(), few = Math.min(n, 50);
  const data = { x, n, y: flat, weight };
  const first = { x: x.slice(0, few * network.inputs), n: few, y: flat.slice(0, few * flat.length / n) };
  const outputs = network.outputsOf(x, n);
  const { gradients } = network.trace({ ...first, weight: weight?.slice(0, few) }, { training: true });
  const saved = network.save(), before = network.theta;
  const training = network.training(data, options), { loss, ended, step } = training.run(Infinity);
  const states = Object.values(network.states).flatMap((fields) => Object.values(fields).slice(0, 2));
  const arrays = { outputs, gradients, before, saved, theta: network.theta };
  found.push({
    ...Object.fromEntries(Object.entries(arrays).map(([name, array]) => [name, text(array)])),
    states: text(Float32Array.from(states.flatMap((values) => [...values]))),
    loss, ended, step,
  });
  training.free();
  network.free();
}
say(found);
"""


def difference(one: Run, other: Run) -> float:
    """The largest |x - y| / (1 + |y|) of all numbers."""
    return max(
        float((np.abs(x - y) / (1 + np.abs(y))).max(initial=0.0)) for x, y in zip(one, other, strict=True)
    )


def test_random_networks_agree_with_the_reference_and_files_are_read_to_the_bit(tmp_path):
    """Outputs, gradients in training, ten steps with their statistics and loss; files of both sides."""
    built()
    cases = [prepared(case, tmp_path) for case in itertools.islice(offered(), COUNT)]
    kinds = {link.layer.kind for one in cases for link in one.case.network.walk()}
    assert len(kinds) > 20 if COUNT >= 30 else kinds
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
        far = difference(page, expected)
        if far > BOUND:  # do last digits decide?
            judged += 1
            others = [reference(one, np.float32), *(reference(one, shake=shake) for shake in range(2))]
            felt = max(difference(other, expected) for other in others)
            assert far <= max(BOUND, 10 * felt), (one.case.number, far, felt, one.case.network)
    print(f"{len(cases)} networks with {len(kinds)} kinds of layers; of {judged} last digits decide")
    assert judged <= 0.2 * len(cases)
