"""The weights of an average of predictions, and the temperature of its probabilities, by the loss on rows held out."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from chainrule.estimators.best.judge import LEAST
from chainrule.formulas.activations import sigmoid, softmax

Numbers = NDArray[np.float64]

ROUNDS = 40
"""The members that are taken, with replacement."""
NEAR = 1e-3
"""The part of the least loss by which another is as good."""
EXTREME = 4.0
"""The temperature lies between a quarter and this."""


def greedy(
    parts: Sequence[Numbers],
    loss: Callable[[Numbers], float | tuple[float, ...]],
    rounds: int = ROUNDS,
    is_over: Callable[[], bool] = lambda: False,
) -> Numbers:
    """Return the weights (members,), which add up to 1, of an average with a small loss.

    Round by round the member is taken, with replacement, with which the mean of those taken has the least loss; the
    weights are the counts of the first round that is within a thousandth of the best one, which has fewer members.

    parts: what each member predicts, arrays of one shape.  loss(mean): of the mean of some of them; of several losses
    each decides between means of which those before it are equal.  is_over: whether no further round is to begin.
    Source: Caruana, Niculescu-Mizil, Crew, Ksikes, "Ensemble selection from libraries of models", ICML 2004.
    """
    total, counts = np.zeros_like(parts[0]), np.zeros(len(parts))
    rounds_of: list[tuple[float, Numbers]] = []
    for taken in range(1, rounds + 1):
        if rounds_of and is_over():
            break
        losses = [_finite(loss((total + part) / taken)) for part in parts]
        chosen = min(range(len(parts)), key=losses.__getitem__)
        total, counts[chosen] = total + parts[chosen], counts[chosen] + 1
        rounds_of.append((losses[chosen][0], counts / taken))
    least = min(value for value, _ in rounds_of)
    enough = least + NEAR * abs(least) if math.isfinite(least) else least
    return next(weights for value, weights in rounds_of if value <= enough)


def _finite(losses: float | tuple[float, ...]) -> tuple[float, ...]:
    """Return losses with infinity in place of NaN and negative infinity."""
    each = losses if isinstance(losses, tuple) else (losses,)
    return tuple(value if math.isfinite(value) else math.inf for value in each)


def are_weights(values: Sequence[float]) -> bool:
    """Return whether values of a file are weights of an average: from 0 to 1, with a sum of 1 but for rounding."""
    return all(0 <= value <= 1 for value in values) and abs(sum(values) - 1) < 1e-6


def tempered(p: Numbers, temperature: float, exclusive: bool) -> Numbers:
    """Return probabilities at a temperature T: of exclusive classes softmax(log p / T), else sigmoid(logit(p) / T).

    p: (n, classes), or (n, labels) of probabilities that do not exclude each other.  T = 1 changes nothing, above 1 all
    are nearer to each other.
    Source: Guo, Pleiss, Sun, Weinberger, "On calibration of modern neural networks", ICML 2017, section 4.2.
    """
    if temperature == 1:
        return p
    logs = np.log(np.maximum(p, LEAST)) / temperature
    if exclusive:
        return np.asarray(softmax(logs))
    return np.asarray(sigmoid(logs - np.log(np.maximum(1 - p, LEAST)) / temperature))


def temperature(loss: Callable[[float], float]) -> float:
    """Return the temperature from a quarter to 4 with the least loss(temperature); 1 where none is better."""
    bound = math.log(EXTREME)
    found = minimize_scalar(lambda log: loss(math.exp(log)), bounds=(-bound, bound), method="bounded")
    made = math.exp(float(found.x))
    return made if loss(made) < loss(1.0) else 1.0


def is_temperature(value: float) -> bool:
    """Return whether a value of a file is between the least and the largest `temperature`, but for rounding."""
    return 1 / EXTREME <= value * 1.001 <= 1.01 * EXTREME
