"""The methods of the screen Without backpropagation, on the laboratory's digits, by `Model.fit(method=...)`."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.engines import ENGINES
from chainrule.formulas.layers import ACTIVATIONS, Dense, Layer
from chainrule.formulas.losses import SoftmaxCrossEntropy
from chainrule.formulas.optimizers import Adam
from chainrule.lab.without_backprop import ARMS, BATCH, HIDDEN, POOL, Course, MethodRuns, samples
from chainrule.model import Model
from chainrule.network.network import Network
from chainrule.studio.screens.labs.side_by_side import ArmLooks, Look, SideBySide, Tell
from chainrule.trained.evaluation import evaluate
from chainrule.training.callbacks import Callback
from chainrule.training.run import Run
from chainrule.training.without_backprop import Search
from chainrule.training.without_backprop.landscape import walk_back_cost
from chainrule.views import words
from chainrule.views.words.facts import best_forward

EPOCHS = 100_000
LOOKS = 60


class PassBudget(Callback):
    """Count the forward passes of a run, each over a batch, and stop it when they are used up."""

    every_steps = 1
    looks_inside = False

    def __init__(self, passes: float) -> None:
        """Set the maximum forward passes; a backward pass counts by its operations."""
        self.budget, self.before = passes, 0.0

    def count(self, run: Run) -> float:
        """Return the number of passes so far."""
        sums = run.session.sums
        if len(sums) > 3:
            return self.before + (float(sums[3]) if run.position else 0.0)
        return run.step * (1 + walk_back_cost(list(run.plan.network.walk()), run.plan.frozen))

    def on_steps(self, run: Run) -> None:
        """Stop the run within an epoch."""
        if self.count(run) >= self.budget:
            run.stop("all passes are used up")

    def on_epoch_end(self, run: Run) -> None:
        """Add the epoch's passes."""
        if len(run.session.sums) > 3:
            self.before += float(run.session.sums[3])
        self.on_steps(run)


class MethodLooks(ArmLooks):
    """Record the loss at passes evenly spaced in the logarithm."""

    def __init__(self, side: SideBySide, name: str, budget: PassBudget, look: Any) -> None:
        super().__init__(side, name, 1, look)
        self.budget, self.marks = budget, np.geomspace(1, budget.budget, LOOKS).tolist()

    def passes(self, run: Run) -> float:
        """Return the number of passes so far."""
        return self.budget.count(run)

    def is_due(self, run: Run) -> bool:
        """Return whether the next mark was reached."""
        passes = self.passes(run)
        is_due = bool(self.marks) and passes >= self.marks[0]
        while self.marks and passes >= self.marks[0]:
            self.marks.pop(0)
        return is_due or run.history.stopped is not None

    def _turn(self, run: Run) -> None:
        """Yield the turn after a slice of time, not of steps, because a step may cost as much as 1000 of another."""
        at = self.seconds + run.seconds
        if at - getattr(self, "since", 0.0) >= 0.03 or self.side.is_stopped:
            self.since = at
            super()._turn(run)


def network_of(depth: int, activation: str) -> Network:
    """Return the laboratory's network, with the given number of hidden layers and activation."""
    layers: list[Layer] = []
    for _ in range(depth):
        layers += [Dense(HIDDEN), ACTIVATIONS[activation]()]
    return Network((28 // POOL) ** 2, [*layers, Dense(10)], SoftmaxCrossEntropy())


class MethodRun(SideBySide):
    """Methods that train one network on the same digits side by side, each with the same number of forward passes."""

    def __init__(
        self, number: int, tell: Tell, arms: list[str], depth: int, activation: str, passes: int, seed: int
    ) -> None:
        settings = {"arms": arms, "depth": depth, "activation": activation, "passes": passes, "seed": seed}
        super().__init__("without_backprop", number, arms, settings, tell)
        self.depth, self.activation, self.budget, self.seed = depth, activation, passes, seed
        self.data = samples()
        self.found: dict[str, MethodRuns] = {}

    def train(self, arm: str) -> None:
        """Train by one method until its passes are used up."""
        train, test = self.data
        size = ARMS[arm].tuned
        method = ARMS[arm].make(size)
        model = Model(network_of(self.depth, self.activation), seed=self.seed, dtype="float64")
        budget, engine = PassBudget(self.budget), ENGINES["reference"]

        def look(run: Run) -> Look:
            return Look(evaluate(model.network, engine, run.theta, run.states, train, ())["loss"])

        model.fit(
            train,
            epochs=EPOCHS,
            batch_size=BATCH,
            optimizer=None if isinstance(method, Search) else Adam(size),
            method=method,
            engine="reference",
            callbacks=[budget, MethodLooks(self, arm, budget, look)],
        )
        found = evaluate(model.network, engine, model.theta, model.states, test, ("accuracy",))
        with self.changed:
            rows = list(self.arms[arm].rows)
        course = Course(
            [row[1] for row in rows],
            [row[2] for row in rows],
            [row[3] for row in rows],
            [],
            int(rows[-1][0]),
            found["accuracy"],
        )
        self.found[arm] = MethodRuns(ARMS[arm], size, [course])
        self.arms[arm].facts = {
            "accuracy": found["accuracy"],
            "size": size,
            "passes_a_step": rows[-1][1] / max(1, rows[-1][0]),
        }

    def conclude(self) -> dict[str, Any]:
        """Return the laboratory's sentence, and its numbers."""
        if "backpropagation" not in self.found:
            return {"sentence": None}
        best, backprop = best_forward(self.found), self.found["backpropagation"]
        ending: dict[str, Any] = {
            "sentence": words.lab_without_backprop.answer(self.found, self.budget),
            "accuracy": backprop.accuracy,
            "best": None,
        }
        if best is not None:
            ending |= {
                "best": best.arm.name,
                "best_accuracy": best.accuracy,
                "at": backprop.passes_to(best.loss),
            }
        return ending

    def python(self) -> str:
        """Return the program that trains by the same methods to the same numbers."""
        names = {arm: ARMS[arm].tuned for arm in self.arms}
        layers = ", ".join(
            f"Dense({HIDDEN}), {ACTIVATIONS[self.activation].__name__}()" for _ in range(self.depth)
        )
        activation = ACTIVATIONS[self.activation].__name__
        return f"""from chainrule import Adam, Dense, Model, Network, SoftmaxCrossEntropy, {activation}
from chainrule.lab.without_backprop import ARMS, samples
from chainrule.studio.screens.labs.methods import PassBudget
from chainrule.training.without_backprop import Search

train, test = samples()
for arm, size in {names!r}.items():
    network = Network({(28 // POOL) ** 2}, [{layers}, Dense(10)], SoftmaxCrossEntropy())
    model, method = Model(network, seed={self.seed}, dtype="float64"), ARMS[arm].make(size)
    model.fit(train, epochs={EPOCHS}, batch_size={BATCH}, optimizer=None if isinstance(method, Search) else Adam(size),
              method=method, engine="reference", callbacks=[PassBudget({self.budget})])
    print(arm, model.evaluate(test, metrics=["accuracy"]))
"""
