"""Train one network with gradient descent and its variants, each with its best learning rate."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.core import records
from chainrule.errors import NonFiniteError
from chainrule.formulas.layers import Dense, ReLU, Rescale
from chainrule.formulas.losses import SoftmaxCrossEntropy
from chainrule.formulas.optimizers import (
    LBFGS,
    SGD,
    Adagrad,
    Adam,
    AdamW,
    AnyOptimizer,
    GradientDescent,
    Nadam,
    RMSprop,
)
from chainrule.model import Model
from chainrule.network.network import Network
from chainrule.training.run import Run

BATCH_SIZE = 50
RATE_RATIO = math.sqrt(10.0)
"""The ratio of neighboring learning rates in the grid."""


class DescentRule(NamedTuple):
    """One rule: its constructor from a learning rate, the first rate of its search, and its batch size."""

    name: str
    make: Callable[[float], AnyOptimizer]
    start: float | None  # None without a learning rate
    batch: int | None  # None: all samples


ARMS = (
    DescentRule("gradient_descent", GradientDescent, 0.3, None),
    DescentRule("sgd", SGD, 0.1, BATCH_SIZE),
    DescentRule("momentum", lambda rate: SGD(rate, momentum=0.9), 0.03, BATCH_SIZE),
    DescentRule("nesterov", lambda rate: SGD(rate, momentum=0.9, nesterov=True), 0.03, BATCH_SIZE),
    DescentRule("adagrad", Adagrad, 0.01, BATCH_SIZE),
    DescentRule("rmsprop", RMSprop, 1e-3, BATCH_SIZE),
    DescentRule("adam", Adam, 3e-3, BATCH_SIZE),
    DescentRule("adamw", AdamW, 3e-3, BATCH_SIZE),
    DescentRule("nadam", Nadam, 3e-3, BATCH_SIZE),
    DescentRule("lbfgs", lambda rate: LBFGS(), None, None),
)


@records.kind("lab_descent", fields=("seed", "losses", "seconds", "accuracy"))
class Descent(NamedTuple):
    """The result of one training run. Its data omit the path."""

    seed: int
    losses: NDArray[np.float64]  # (epochs + 1,) on all training samples, before training and after each epoch
    seconds: NDArray[np.float64]  # (epochs + 1,) of steps, without evaluation
    accuracy: float  # of the test samples, after the last epoch
    path: NDArray[Any]  # (epochs + 1, size) theta

    def passes(self, loss: float) -> int | None:
        """Return the number of epochs until the loss was at most `loss`, or None."""
        below = np.flatnonzero(self.losses <= loss)
        return int(below[0]) if len(below) else None

    def to_data(self) -> dict[str, Any]:
        """Return the result as JSON-safe data; see `chainrule.core.records`."""
        return records.to_data(self)


class DescentTask(NamedTuple):
    """The data and the network shared by all rules."""

    X: NDArray[Any]
    y: NDArray[Any]
    X_test: NDArray[Any]
    y_test: NDArray[Any]
    epochs: int
    hidden: int

    def model(self, seed: int) -> Model:
        """Make the untrained network."""
        layers = [Rescale(1 / 255), Dense(self.hidden), ReLU(), Dense(self.hidden), ReLU(), Dense(10)]
        return Model(Network(784, layers, loss=SoftmaxCrossEntropy()), seed=seed)


def tuned(arm: DescentRule, task: DescentTask, seed: int) -> tuple[float | None, int]:
    """Search the learning rate with the lowest final training loss on a growing grid; return it and the grid's size.

    Tries at most eight rates; a non-finite loss counts as the worst.
    """
    if arm.start is None:
        return None, 1
    found = {k: _final(arm, arm.start * RATE_RATIO**k, task, seed) for k in (-1, 0, 1)}
    while len(found) < 8:
        best = min(found, key=lambda k: (found[k], k))
        if min(found) < best < max(found):
            break
        k = best - 1 if best == min(found) else best + 1
        found[k] = _final(arm, arm.start * RATE_RATIO**k, task, seed)
    return float(f"{arm.start * RATE_RATIO ** min(found, key=lambda k: (found[k], k)):.2g}"), len(found)


def _final(arm: DescentRule, rate: float, task: DescentTask, seed: int) -> float:
    last = float(descend(arm, rate, task, seed).losses[-1])
    return last if math.isfinite(last) else math.inf


def descend(arm: DescentRule, rate: float | None, task: DescentTask, seed: int) -> Descent:
    """Train from the initial weights of a seed, and then evaluate the parameters of each epoch."""
    model = task.model(seed)
    path, seconds = [model.theta.copy()], [0.0]

    def keep(run: Run) -> None:
        path.append(run.theta.copy())
        seconds.append(seconds[-1] + run.logs["seconds"])

    with suppress(NonFiniteError):  # later epochs have no loss
        model.fit(task.X, task.y, epochs=task.epochs, batch_size=arm.batch, callbacks=[keep],
                  optimizer=arm.make(1.0 if rate is None else rate))  # fmt: skip
    losses = []
    for theta in path:
        model.theta[...] = theta
        losses.append(model.evaluate(task.X, task.y, metrics=["accuracy"])["loss"])
    accuracy = model.evaluate(task.X_test, task.y_test, metrics=["accuracy"])["accuracy"]
    ended = len(path) > task.epochs or arm.start is None  # L-BFGS may finish early
    for numbers, fill in ((losses, losses[-1] if ended else math.nan), (seconds, seconds[-1])):
        numbers += [fill] * (task.epochs + 1 - len(numbers))
    return Descent(seed, np.array(losses), np.array(seconds), accuracy, np.stack(path))
