"""Random networks of what a page offers, with samples for ten steps, for the tests of its engine.

CHAINRULE_WEB_NETWORKS=300 compares as many of them under Node.js and in a browser; by default there are few.
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
from chainrule.core.settings import describe
from chainrule.formulas.schedules import SCHEDULES
from chainrule.studio.description import description
from random_layers import Dice
from random_networks import Case, draw, samples
from web_engine import text

BOUND = 1e-5
"""Of a difference over 1 + |what is compared|, from the reference in float64, unless the reference itself is further
from that in float32, or when last digits of float32 change."""
STEPS = 10
DESCRIBED = description()
OFFERED = {*DESCRIBED["layers"], *DESCRIBED["blocks"]}
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
  const training = network.training(data, options), { ended, step } = training.run(Infinity);
  const [{ loss }] = training.history;
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
"""What Node.js makes of the cases' `given`."""


def compared(few: range) -> list[Case]:
    """The networks of `offered` at these places, or with CHAINRULE_WEB_NETWORKS the first of as many."""
    count = os.environ.get("CHAINRULE_WEB_NETWORKS")
    chosen = few if count is None else range(int(count))
    return list(itertools.islice(offered(), chosen.start, chosen.stop))


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
