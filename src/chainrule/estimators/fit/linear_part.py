"""The linear part of a network of few rows: solved exactly, and added by hidden units that training leaves alone.

    z = x B + a     ridge regression of the member's own rows, on the inputs that reach its first Dense as they are
    out' = (1 - w) out + w z

With few rows training ends long before what is linear is learned to its last digit, though that is what so few rows say
best. z = relu(z) - relu(-z), so it is two hidden units for each output. Their weights are 0 while the network is
trained, and then their gradients are 0 too. The whole is a network like any other, for files, explanations and exports.

z is a mean of several regressions: of the numbers as they are, and of all inputs but ranks, which bend what is linear;
each with several penalties of its coefficients. How heavy each one is, is its mean under its likelihood on predictions
out of fold of n rows, with errors of a normal distribution, and every regression k and weight w in [0, 1] as likely
before:

    w_k = sum_w w mse_kw^(-n/2) / sum_kw mse_kw^(-n/2),    w = sum_k w_k,    z = sum_k w_k z_k / w

What is linear goes on beyond the targets of training, and a network does not. So predictions may be beyond their range
R by R w / (1 - w), as far as there is more of the one than of the other, but have no other sign than all targets:
see `widened`.

Sources: Hoerl and Kennard, "Ridge regression: biased estimation for nonorthogonal problems", Technometrics 1970;
Wolpert, "Stacked generalization", Neural Networks 1992.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import LinAlgError, cho_factor, cho_solve, lstsq

from chainrule.data.samples import Samples, TargetScale
from chainrule.estimators.fit.dealing import Dealt, left_out
from chainrule.estimators.fit.start import dense_slots
from chainrule.estimators.recipes.few import UNITS_OF_A_LINE
from chainrule.estimators.tables.scaling import BY_QUANTILES, FAR
from chainrule.formulas.layers import Embedding, PiecewiseLinearEmbedding, Scale
from chainrule.model import Model
from chainrule.network.network import Network, Slot

PENALTIES = (0.3, 1.0, 3.0, 10.0, 30.0)
"""Of the squares of the coefficients, beside the sum of the squared errors of standardized targets."""
WEIGHTS = np.linspace(0, 1, 21)
"""The weights that are tried."""
LEAST_WEIGHT = 0.05
"""A smaller weight is 0."""
PROBED = 0.25
"""The part of the rows of a linear part that is solved first where the time is short."""
MOST_WIDER = 100.0
"""The most that the range of the targets is wider at an end, in ranges."""
CHOOSING = 2
"""About the time that the weight and the penalty take, in that of solving the parts of a member."""
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


def input_sets(at: Straight, ways: Sequence[str]) -> list[NDArray[np.int64]]:
    """Return the inputs of each regression, as places in `at`: numbers as they are, and all but ranks; or else all.

    ways: how each of a table's outputs is scaled, "" where it is not a number; () for samples that no table is behind.
    """
    way = np.array([ways[each] if each < len(ways) else "" for each in at.inputs.tolist()])
    numbers, all_but_ranks = (
        np.flatnonzero(each) for each in (np.isin(way, tuple(FAR)), ~np.isin(way, BY_QUANTILES))
    )
    if not len(all_but_ranks):
        return [np.arange(len(way))]
    return [all_but_ranks] if len(numbers) in (0, len(all_but_ranks)) else [numbers, all_but_ranks]


def solved(
    samples: Samples,
    rows: NDArray[np.int64],
    inputs: NDArray[np.int64],
    penalties: Sequence[float] = PENALTIES,
) -> list[LinearPart]:
    """Return the ridge regressions of some rows on some of the inputs, one for each penalty.

    With rows centered and times the roots of their weights, B = X'(XX' + penalty I)^-1 y = (X'X + penalty I)^-1 X'y, by
    the smaller of the two matrices, which is made once for all penalties. samples: with standardized targets.
    """
    X, y, weight = samples.take(rows).batch(slice(None), np.float64)
    X = X[:, inputs]
    share = weight / (weight.sum() or 1.0)
    center, mean, root = share @ X, share @ y, np.sqrt(weight)[:, None]
    X, y = (X - center) * root, (y - mean) * root
    is_wide = X.shape[1] > X.shape[0]
    products, right = (X @ X.T, y) if is_wide else (X.T @ X, X.T @ y)
    parts = list[LinearPart]()
    for penalty in penalties:
        found = _solution(products + penalty * np.eye(len(products)), right)
        coefficients = X.T @ found if is_wide else found
        parts.append(LinearPart(coefficients, mean - center @ coefficients))
    return parts


def _solution(A: NDArray[np.float64], right: NDArray[np.float64]) -> NDArray[np.float64]:
    """Solve a positive definite system; by least squares where its numbers are too large for a penalty to show."""
    try:
        found: NDArray[np.float64] = cho_solve(cho_factor(A), right)
    except LinAlgError:
        found = lstsq(A, right)[0]
    return found


def weights_of(errors: NDArray[np.float64], n: int) -> NDArray[np.float64]:
    """Return the weight of each regression (k,); all 0 where their sum is less than LEAST_WEIGHT.

    errors: (k, weights) the mean squared errors out of fold of each at each of WEIGHTS, of n rows.
    """
    if not np.isfinite(errors).all():
        return np.zeros(len(errors))
    if errors.min() > 0:
        likelihood = np.exp(-n / 2 * (np.log(errors) - np.log(errors.min())))
    else:  # no error at all
        likelihood = (errors == errors.min()).astype(np.float64)
    found: NDArray[np.float64] = likelihood @ WEIGHTS / likelihood.sum()
    return found if found.sum() >= LEAST_WEIGHT else np.zeros(len(errors))


def is_in_time(
    samples: Samples, rows: Dealt, at: Straight, sets: Sequence[NDArray[np.int64]], end: float | None
) -> bool:
    """Return whether the parts of all members can be solved by a `time.monotonic()`, by the first one.

    That one is only solved if so many of a quarter of its rows could be, because it may take long itself.
    """
    if end is None:
        return True
    own = rows.learned[0]
    for some in (own[:: round(1 / PROBED)], own):
        begin = time.monotonic()
        if begin >= end:
            return False
        _solved(samples, some, at, sets)
        now = time.monotonic()
        if now + (now - begin) * (len(rows.learned) + CHOOSING) >= end:
            return False
    return True


def chosen(
    out: NDArray[np.float64],
    error: Callable[[NDArray[np.float64]], float],
    samples: Samples,
    rows: Dealt,
    at: Straight,
    sets: Sequence[NDArray[np.int64]],
) -> ChosenWeight:
    """Return the part of each member, of all the inputs `at`, and their weight.

    out: the outputs of `left_out`.  error(out): the mean squared error of such outputs.  samples: all rows.
    sets: the inputs of the regressions, see `input_sets`.
    """
    X, outputs = samples.take(rows.rows).X, out.shape[2]
    members = [_solved(samples, own, at, sets) for own in rows.learned]

    def of_regression(k: int) -> NDArray[np.float64]:
        return left_out(lambda member, own: members[member][k](own[:, at.inputs]), rows, X, outputs)

    of_parts = [of_regression(k) for k in range(len(members[0]))]
    errors = np.array([[error((1 - w) * out + w * z) for w in WEIGHTS.tolist()] for z in of_parts])
    weights = weights_of(errors, len(rows.rows))
    total = float(weights.sum())
    if not total:
        return ChosenWeight([], 0.0, out)
    shares = weights / total
    joined = (1 - total) * out + total * np.tensordot(shares, np.stack(of_parts), 1)
    return ChosenWeight([_mean(each, shares) for each in members], total, joined)


def _solved(
    samples: Samples, rows: NDArray[np.int64], at: Straight, sets: Sequence[NDArray[np.int64]]
) -> list[LinearPart]:
    """Return the regressions of a member, each as one of all the inputs `at`, with 0 for those that it has not."""
    parts = list[LinearPart]()
    for places in sets:
        for part in solved(samples, rows, at.inputs[places]):
            coefficients = np.zeros((len(at.inputs), part.coefficients.shape[1]))
            coefficients[places] = part.coefficients
            parts.append(LinearPart(coefficients, part.intercept))
    return parts


def _mean(parts: Sequence[LinearPart], shares: NDArray[np.float64]) -> LinearPart:
    """Return the mean of linear parts with these shares, whose sum is 1."""
    return LinearPart(
        np.tensordot(shares, np.stack([each.coefficients for each in parts]), 1),
        np.tensordot(shares, np.stack([each.intercept for each in parts]), 1),
    )


def widened(scale: TargetScale, weight: float) -> TargetScale:
    """Return a scale whose range is wider at both ends, by w / (1 - w) times itself, without a change of sign.

    Where no target of training is below 0, or none is above, no prediction is either.
    """
    if scale.low is None or scale.high is None:
        return scale
    more = (scale.high - scale.low) * min(weight / max(1 - weight, 1 / MOST_WIDER), MOST_WIDER)
    low, high = scale.low - more, scale.high + more
    low = np.where(scale.low >= 0, np.maximum(low, 0.0), low)
    return scale._replace(low=low, high=np.where(scale.high <= 0, np.minimum(high, 0.0), high))


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
