"""The linear part of a network of few rows: solved exactly, and added by hidden units that training leaves alone.

    z = x B + a     ridge regression of the member's own rows, on the inputs that reach its first Dense as they are
    out' = (1 - w) out + w z

With few rows training ends long before what is linear is learned to its last digit, though that is what so few rows say
best. z = relu(z) - relu(-z), so it is two hidden units for each output. Their weights are 0 while the network is
trained, and then their gradients are 0 too. The whole is a network like any other, for files, explanations and exports.

The weight is its mean under its likelihood on predictions out of fold of n rows, with errors of a normal distribution
and every weight in [0, 1] as likely before:

    w = sum_k w_k mse_k^(-n/2) / sum_k mse_k^(-n/2)

The penalty of the coefficients is the one of two with the least error out of fold at its weight.

Sources: Hoerl and Kennard, "Ridge regression: biased estimation for nonorthogonal problems", Technometrics 1970;
Wolpert, "Stacked generalization", Neural Networks 1992.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import Ridge

from chainrule.data.samples import Samples
from chainrule.estimators.fit.dealing import Dealt, left_out
from chainrule.estimators.fit.start import dense_slots
from chainrule.estimators.recipes.few import UNITS_OF_A_LINE
from chainrule.formulas.layers import Embedding, PiecewiseLinearEmbedding, Scale
from chainrule.model import Model
from chainrule.network.network import Network, Slot

PENALTIES = (1.0, 10.0)
"""Of the squares of the coefficients, beside the sum of the squared errors of standardized targets."""
WEIGHTS = np.linspace(0, 1, 21)
"""The weights that are tried."""
LEAST_WEIGHT = 0.05
"""A smaller weight is 0."""
PROBED = 0.25
"""The part of the rows of a linear part that is solved first where the time is short."""
LEAST_FACTOR = 1e-6
"""The least factor of an input for its coefficient to be divided by it."""


class Straight(NamedTuple):
    """The inputs that reach a network's first Dense as they are, times a factor."""

    inputs: NDArray[np.int64]
    """which inputs of the network"""
    places: NDArray[np.int64]
    """of them among the inputs of the Dense"""


class LinearPart(NamedTuple):
    """z = x B + a, of standardized targets."""

    coefficients: NDArray[np.float64]  # (inputs, outputs)
    intercept: NDArray[np.float64]  # (outputs,)

    def __call__(self, X: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return z (n, outputs) for the straight inputs X (n, inputs)."""
        found: NDArray[np.float64] = X @ self.coefficients + self.intercept
        return found


class ChosenWeight(NamedTuple):
    """The linear parts of the members of an ensemble."""

    parts: list[LinearPart]
    weight: float
    out: NDArray[np.float64]
    """the outputs of `left_out` with them, (dealings, m, outputs)"""
    error: float
    """of these, out of fold"""


def straight(network: Network) -> Straight:
    """Return the inputs that reach the first Dense of a network of few rows as they are."""
    origin = np.arange(network.inputs)  # -1 for what a layer has made
    for link in network.links:
        layer = link.layer
        if isinstance(layer, Embedding):
            codes = [column for column, *_ in layer.columns]
            origin = np.concatenate(
                [np.delete(origin, codes), np.full(sum(s for *_, s in layer.columns), -1)]
            )
        elif isinstance(layer, PiecewiseLinearEmbedding):
            sources = layer.sources(link.fan_in)
            origin = np.where(np.isin(sources, layer.embedded(link.fan_in)), -1, origin[sources])
        elif not isinstance(layer, Scale):
            break
    places = np.flatnonzero(origin >= 0)
    return Straight(origin[places], places)


def leave_out(model: Model, outputs: int) -> None:
    """Set the units of the linear part to 0, where they stay while the network is trained."""
    W, b, after = _slots(model.network)
    own = slice(-UNITS_OF_A_LINE * outputs, None)
    _view(model, W)[:, own] = 0
    _view(model, b)[own] = 0
    _view(model, after)[own] = 0


def solved(
    samples: Samples, rows: NDArray[np.int64], inputs: NDArray[np.int64], penalty: float
) -> LinearPart:
    """Return the ridge regression of some rows on some of the inputs. samples: with standardized targets."""
    X, y, weight = samples.take(rows).batch(slice(None), np.float64)
    made = Ridge(penalty).fit(X[:, inputs], y, sample_weight=weight)
    return LinearPart(made.coef_.reshape(y.shape[1], -1).T, np.atleast_1d(made.intercept_))


def weight_of(mse: Callable[[float], float], n: int) -> float:
    """Return the weight of the linear part. mse(w): the mean squared error out of fold at a weight, of n rows."""
    errors = np.array([mse(weight) for weight in WEIGHTS.tolist()])
    if not errors.min() > 0:  # NaN, or no error at all
        return float(WEIGHTS[errors.argmin()]) if np.isfinite(errors).all() else 0.0
    likelihood = np.exp(-n / 2 * (np.log(errors) - np.log(errors.min())))
    found = float(likelihood @ WEIGHTS / likelihood.sum())
    return found if found >= LEAST_WEIGHT else 0.0


def is_in_time(samples: Samples, rows: Dealt, at: Straight, end: float | None) -> bool:
    """Return whether the parts of all members and penalties can be solved by a `time.monotonic()`, by the first one.

    That one is only solved if so many of a quarter of its rows could be, because it may take long itself.
    """
    if end is None:
        return True
    own, count = rows.learned[0], len(rows.learned) * len(PENALTIES)
    for some in (own[:: round(1 / PROBED)], own):
        begin = time.monotonic()
        if begin >= end:
            return False
        solved(samples, some, at.inputs, PENALTIES[0])
        now = time.monotonic()
        if now + (now - begin) * count >= end:
            return False
    return True


def chosen(
    out: NDArray[np.float64],
    error: Callable[[NDArray[np.float64]], float],
    samples: Samples,
    rows: Dealt,
    at: Straight,
) -> ChosenWeight:
    """Return the parts of the penalty with the least error, and their weight.

    out: the outputs of `left_out`.  error(out): the mean squared error of such outputs.  samples: all rows.
    """
    return min(
        (_chosen(out, error, samples, rows, at, each) for each in PENALTIES), key=lambda each: each.error
    )


def _chosen(
    out: NDArray[np.float64],
    error: Callable[[NDArray[np.float64]], float],
    samples: Samples,
    rows: Dealt,
    at: Straight,
    penalty: float,
) -> ChosenWeight:
    """Return the parts of a penalty, and their weight."""
    parts = [solved(samples, own, at.inputs, penalty) for own in rows.learned]
    X = samples.take(rows.rows).X
    of_parts = left_out(lambda member, own: parts[member](own[:, at.inputs]), rows, X, out.shape[2])

    def joined(weight: float) -> NDArray[np.float64]:
        return (1 - weight) * out + weight * of_parts

    weight = weight_of(lambda each: error(joined(each)), len(rows.rows))
    return ChosenWeight(parts, weight, joined(weight), error(joined(weight)))


def add(model: Model, part: LinearPart, weight: float, at: Straight) -> None:
    """Add a linear part to a network: out' = (1 - weight) out + weight z."""
    W, _, after = _slots(model.network)
    last = dense_slots(model.network, "b")[-1]
    outputs = len(part.intercept)
    own = slice(-UNITS_OF_A_LINE * outputs, None)
    first = np.zeros(W.parameter.shape)
    first[at.places, :outputs] = part.coefficients / _factors(model)[at.places, None]
    _view(model, W)[:, own] = np.concatenate([first[:, :outputs], -first[:, :outputs]], 1)
    _view(model, after)[...] *= 1 - weight
    _view(model, after)[own] = weight * np.concatenate([np.eye(outputs), -np.eye(outputs)])
    _view(model, last)[...] = (1 - weight) * _view(model, last) + weight * part.intercept


def _slots(network: Network) -> tuple[Slot, Slot, Slot]:
    """Return the places of W and b of the hidden Dense, and of W of the last one."""
    (W, after), (b, _) = dense_slots(network, "W"), dense_slots(network, "b")
    return W, b, after


def _view(model: Model, slot: Slot) -> NDArray[np.floating]:
    """Return a parameter of a model, as a view."""
    found: NDArray[np.floating] = model.theta[slot.start : slot.stop].reshape(slot.parameter.shape)
    return found


def _factors(model: Model) -> NDArray[np.float64]:
    """Return the factor of each input of the first Dense, none of them 0: those that are nearly so are set anew."""
    slot = next((each for each in model.network.slots if isinstance(each.link.layer, Scale)), None)
    if slot is None:
        return np.ones(dense_slots(model.network, "W")[0].parameter.shape[0])
    factors = _view(model, slot)
    factors[np.abs(factors) < LEAST_FACTOR] = LEAST_FACTOR
    return factors.astype(np.float64)
