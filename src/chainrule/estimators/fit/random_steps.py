"""Steps drawn by chance beside a network of very few rows and two classes, and their sum, which is solved exactly.

    v_u    = 1/2 + 2 (w_u x - t_u) / s_u          s_u the standard deviation of w_u x over the member's own rows
    step_u = relu(v_u) - relu(v_u - 1)            from 0 at s_u / 4 below t_u to 1 at s_u / 4 above
    z      = sum_u B_u step_u + a                 logistic regression of them, see `regressions.logistic`
    out'   = (out + z) / 2

w_u has two of the inputs that reach the first Dense as they are, in units of their deviation, with normal weights, and
t_u is its value at one of the rows. Two rows are as alike as the share of the steps that do not lie between them. This
kernel has its steepest slope at the row itself, as that of trees with random thresholds has, while what a network
learns of so few rows by its gradient is smooth. Sixteen members have a thousand steps in all.

A step is two hidden units, whose weights are 0 while the network is trained, as are those of the linear part
(`chainrule.estimators.fit.linear_part`), which is chosen after them.

Sources: Rahimi and Recht, "Weighted sums of random kitchen sinks", NeurIPS 2008; Geurts, Ernst and Wehenkel, "Extremely
randomized trees", Machine Learning 2006, for their kernel.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.data.samples import Samples
from chainrule.estimators.fit.linear_part import add_units
from chainrule.estimators.fit.regressions import LinearPart, Straight, all_but_far, logistic
from chainrule.formulas.losses import Loss
from chainrule.model import Model

INPUTS = 2
"""The inputs that a step is of."""
PENALTY = 1.0
"""Of the squares of the coefficients of steps."""
WEIGHT = 0.5
"""The weight of the steps beside the network."""
SLOPE = 2.0
"""How steep a step is, in deviations of what it is of."""
LEAST_DEVIATION = 1e-6
"""The least deviation of an input that tells rows apart."""


class RandomSteps(NamedTuple):
    """The steps of a member: clip(x W + b, 0, 1)."""

    weights: NDArray[np.float64]
    """(inputs, steps)"""
    shifts: NDArray[np.float64]
    """(steps,)"""

    def __call__(self, X: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return the steps (n, steps) of the straight inputs X (n, inputs)."""
        found: NDArray[np.float64] = np.clip(X.astype(np.float64) @ self.weights + self.shifts, 0, 1)
        return found


def drawn(X: NDArray[np.floating], count: int, random: np.random.RandomState) -> RandomSteps:
    """Draw so many steps of INPUTS columns each for rows X (n, columns); of 0 where no column tells rows apart."""
    X = X.astype(np.float64)
    deviation = X.std(0)
    able = np.flatnonzero(deviation > LEAST_DEVIATION)
    weights = np.zeros((X.shape[1], count))
    for step in range(count if len(able) else 0):
        own = random.choice(able, min(INPUTS, len(able)), replace=False)
        weights[own, step] = random.standard_normal(len(own)) / deviation[own]
    z = X @ weights
    at = z[random.randint(len(X), size=count), np.arange(count)]
    slope = SLOPE / np.maximum(z.std(0), LEAST_DEVIATION)
    return RandomSteps(weights * slope, 0.5 - at * slope)


class StepPart(NamedTuple):
    """What is added to a member: z = steps(x) B + a."""

    steps: RandomSteps
    sum: LinearPart
    """of the steps"""

    def __call__(self, X: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return z (n, outputs) for the straight inputs X (n, inputs)."""
        return self.sum(self.steps(X))

    def add(self, model: Model, units: slice, at: Straight) -> None:
        """Add it to a network, as hidden units that were left out: twice as many as there are steps."""
        W, b = self.steps
        twice = LinearPart(
            np.concatenate([self.sum.coefficients, -self.sum.coefficients]), self.sum.intercept
        )
        add_units(model, units, np.concatenate([W, W], 1), np.concatenate([b, b - 1]), twice, WEIGHT, at)


def solved(
    samples: Samples,
    rows: NDArray[np.int64],
    at: Straight,
    ways: Sequence[str],
    loss: Loss,
    count: int,
    random: np.random.RandomState,
) -> StepPart:
    """Return the part of a member, of so many steps, from its own rows; those of no weight count for nothing.

    samples: all rows, with two classes.  ways: see `regressions.input_sets`.  random: draws.
    """
    weighted = rows[samples.weight[rows] > 0]
    own = samples.take(weighted if len(weighted) else rows)
    X, places = own.X[:, at.inputs], all_but_far(at, ways)
    some = drawn(X[:, places], count, random)
    weights = np.zeros((len(at.inputs), count))
    weights[places] = some.weights
    steps = RandomSteps(weights, some.shifts)
    (part,) = logistic(own._replace(X=steps(X)), np.arange(own.n), np.arange(count), loss, (PENALTY,))
    return StepPart(steps, part)
