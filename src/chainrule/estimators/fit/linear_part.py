"""The linear part of a network of few rows: solved exactly, and added by hidden units that training leaves alone.

    z = x B + a     ridge or logistic regression of the member's own rows, on the inputs that reach its first Dense
                    as they are: see `chainrule.estimators.fit.regressions`
    out' = (1 - w) out + w z

With few rows training ends long before what is linear is learned to its last digit, though that is what so few rows say
best. z = relu(z) - relu(-z), so it is two hidden units for each output. Their weights are 0 while the network is
trained, and then their gradients are 0 too. The whole is a network like any other, for files, explanations and exports.

z is a mean of several regressions: of the numbers as they are, and of all inputs but ranks, which bend what is linear;
each with several penalties of its coefficients. How heavy each one is, is its mean under its likelihood L on
predictions out of fold of n rows, with every regression k as likely before, and a weight w in [0, 1] as (1 - w)^p:

    w_k = sum_w w P_kw / sum_kw P_kw,    w = sum_k w_k,    z = sum_k w_k z_k / w,    P_kw = (1 - w)^p L_kw
    L   = mse^(-n/2) of numbers, with errors of a normal distribution; exp(-n loss) of classes

p is 0, or 3 beside steps (`chainrule.estimators.fit.random_steps`), which have said half of it before.

What is linear goes on beyond the targets of training, and a network does not. So predictions may be beyond their range
R by R (2 w - 1) / (1 - w), as far as there is more of the one than of the other, and of very few rows by R w / (1 - w)
on the side of a long tail, but have no other sign than all targets: see `widened`.

Logits are bounded by the last layers of the network, and the linear part is inside of that bound: see `Bound`.

Source: Wolpert, "Stacked generalization", Neural Networks 1992.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.data.samples import Samples, TargetScale
from chainrule.estimators.fit.dealing import Dealt, out_of_fold
from chainrule.estimators.fit.regressions import LinearPart, Regression, Straight
from chainrule.estimators.fit.start import dense_slots
from chainrule.formulas.layers import Scale, Shift, Tanh
from chainrule.model import Model
from chainrule.network.network import Network, Slot

WEIGHTS = np.linspace(0, 1, 21)
"""The weights that are tried."""
NO_WEIGHT = 1e-9
"""What is left of a network beside a part with all of the weight, for its logarithm."""
LEAST_WEIGHT = 0.05
"""A smaller weight is 0."""
PROBED = 0.25
"""The part of the rows of a linear part that is solved first where the time is short."""
MOST_WIDER = 100.0
"""The most that the range of the targets is wider at an end, in ranges."""
LONG_TAIL = 3.0
"""So many times as far from the median as the other end of the targets is an end behind a long tail."""
CHOOSING = 2
"""About the time that the weight and the penalty take, in that of solving the parts of a member."""
MOST_BENT = 1 - 1e-6
"""The largest part of its bound at which an unbound output is still told from its neighbors, in float32."""
LAYERS_OF_A_BOUND = 4
"""Scale, Tanh, Scale and Shift."""
LEAST_FACTOR = 1e-6
"""The least factor of an input for its coefficient to be divided by it."""


class ChosenWeight(NamedTuple):
    """The linear parts of the members of an ensemble."""

    parts: list[LinearPart]
    weight: float
    out: NDArray[np.float64]
    """the outputs of `out_of_fold` with them, (dealings, m, outputs)"""


class Bound(NamedTuple):
    """The last layers of a classifier: out = d + s tanh(f u), of the outputs u of its last Dense.

    Unbound outputs are d + s f u: those of the last Dense, as sure as the temperature lets them be.
    """

    f: float
    s: float
    d: NDArray[np.float64]
    """(outputs,)"""

    @classmethod
    def of(cls, model: Model) -> Bound | None:
        """Return the bound of a network; None for one without."""
        layers = [link.layer for link in model.network.links]
        if len(layers) < LAYERS_OF_A_BOUND:
            return None
        first, bend, second, shift = layers[-LAYERS_OF_A_BOUND:]
        if not (isinstance(bend, Tanh) and isinstance(second, Scale) and isinstance(shift, Shift)):
            return None
        values = {id(slot.link.layer): _view(model, slot) for slot in model.network.slots}
        f, s = (float(values[id(layer)].ravel()[0]) for layer in (first, second))
        return cls(f, s, values[id(shift)].astype(np.float64).ravel())

    def __call__(self, unbound: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the outputs."""
        found: NDArray[np.float64] = self.d + self.s * np.tanh((unbound - self.d) / self.s)
        return found

    def undone(self, out: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the unbound outputs."""
        found: NDArray[np.float64] = self.d + self.s * np.arctanh(
            np.clip((out - self.d) / self.s, -MOST_BENT, MOST_BENT)
        )
        return found

    def before(self, out: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the outputs u of the last Dense that are these outputs."""
        found: NDArray[np.float64] = (self.undone(out) - self.d) / (self.s * self.f)
        return found

    def within(self, part: LinearPart) -> LinearPart:
        """Return a linear part of unbound outputs as one of those of the last Dense."""
        return LinearPart(
            part.coefficients / (self.s * self.f), (part.intercept - self.d) / (self.s * self.f)
        )


def leave_out(model: Model, units: int) -> None:
    """Set the last hidden units to 0, where they stay while the network is trained."""
    W, b, after = _slots(model.network)
    own = slice(-units, None)
    _view(model, W)[:, own] = 0
    _view(model, b)[own] = 0
    _view(model, after)[own] = 0


def weights_of(log_likelihoods: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the weight of each regression (k,); all 0 where their sum is less than LEAST_WEIGHT.

    log_likelihoods: (k, weights) of each at each of WEIGHTS, up to a constant; infinite where there is no error at all.
    """
    most = log_likelihoods.max()
    if np.isnan(log_likelihoods).any() or most == -np.inf:
        return np.zeros(len(log_likelihoods))
    is_exact = most == np.inf
    likelihoods = np.where(log_likelihoods == most, 1.0, 0.0) if is_exact else np.exp(log_likelihoods - most)
    found: NDArray[np.float64] = likelihoods @ WEIGHTS / likelihoods.sum()
    return found if found.sum() >= LEAST_WEIGHT else np.zeros(len(found))


def is_in_time(solve: Callable[[NDArray[np.int64]], object], rows: Dealt, end: float | None) -> bool:
    """Return whether the parts of all members can be solved by a `time.monotonic()`, by those of the first one.

    These are only solved if so many of a quarter of its rows could be, because they may take long themselves.
    solve(rows): solves the parts of a member that learns from these rows.
    """
    if end is None:
        return True
    own = rows.learned[0]
    for some in (own[:: round(1 / PROBED)], own):
        begin = time.monotonic()
        if begin >= end:
            return False
        solve(some)
        now = time.monotonic()
        if now + (now - begin) * (len(rows.learned) + CHOOSING) >= end:
            return False
    return True


def chosen(
    out: NDArray[np.float64],
    log_likelihood: Callable[[NDArray[np.float64]], float],
    solve: Regression,
    samples: Samples,
    rows: Dealt,
    at: Straight,
    sets: Sequence[NDArray[np.int64]],
    power: float = 0.0,
) -> ChosenWeight:
    """Return the part of each member, of all the inputs `at`, and their weight.

    out: the outputs of `out_of_fold`, unbound.  log_likelihood(out): of such outputs.  samples: all rows.
    sets: the inputs of the regressions, see `input_sets`.  power: p, where a weight is as likely before as (1 - w)^p.
    """
    X, outputs = samples.take(rows.rows).X, out.shape[2]
    members = [regressions_of(solve, samples, own, at, sets) for own in rows.learned]

    def of_regression(k: int) -> NDArray[np.float64]:
        return out_of_fold(lambda member, own: members[member][k](own[:, at.inputs]), rows, X, outputs)

    of_parts = [of_regression(k) for k in range(len(members[0]))]
    likely = np.array([[log_likelihood((1 - w) * out + w * z) for w in WEIGHTS.tolist()] for z in of_parts])
    weights = weights_of(likely + power * np.log(np.maximum(1 - WEIGHTS, NO_WEIGHT)))
    total = float(weights.sum())
    if not total:
        return ChosenWeight([], 0.0, out)
    shares = weights / total
    joined = (1 - total) * out + total * np.tensordot(shares, np.stack(of_parts), 1)
    return ChosenWeight([_mean(each, shares) for each in members], total, joined)


def regressions_of(
    solve: Regression,
    samples: Samples,
    rows: NDArray[np.int64],
    at: Straight,
    sets: Sequence[NDArray[np.int64]],
) -> list[LinearPart]:
    """Return the regressions of a member, each as one of all the inputs `at`, with 0 for those that it has not."""
    parts = list[LinearPart]()
    for places in sets:
        for part in solve(samples, rows, at.inputs[places]):
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


def widened(scale: TargetScale, weight: float, median: NDArray[np.float64] | None = None) -> TargetScale:
    """Return a scale whose range R is wider at both ends, by R (2 w - 1) / (1 - w), without a change of sign.

    Up to w = 1/2 it stays. Where no target of training is below 0, or none is above, no prediction is either.

    median: (outputs,) of the targets, where few of them say little of a long tail: an end that is LONG_TAIL times as
    far from it as the other one is further by R w / (1 - w); None for both ends alike.
    """
    if scale.low is None or scale.high is None:
        return scale
    whole, rest = scale.high - scale.low, max(1 - weight, 1 / MOST_WIDER)
    below = above = whole * min(max(2 * weight - 1, 0.0) / rest, MOST_WIDER)
    if median is not None:
        down, up = median - scale.low, scale.high - median
        further = whole * min(weight / rest, MOST_WIDER)
        below = np.where(down > LONG_TAIL * up, further, below)
        above = np.where(up > LONG_TAIL * down, further, above)
    low, high = scale.low - below, scale.high + above
    low = np.where(scale.low >= 0, np.maximum(low, 0.0), low)
    return scale._replace(low=low, high=np.where(scale.high <= 0, np.minimum(high, 0.0), high))


def add(model: Model, units: slice, part: LinearPart, weight: float, at: Straight) -> None:
    """Add a linear part to a network, as hidden units that were left out: out' = (1 - weight) out + weight z."""
    one = np.eye(len(part.intercept))
    W = np.concatenate([part.coefficients, -part.coefficients], 1)
    sum_of = LinearPart(np.concatenate([one, -one]), part.intercept)
    add_units(model, units, W, np.zeros(W.shape[1]), sum_of, weight, at)


def add_units(
    model: Model,
    units: slice,
    weights: NDArray[np.float64],
    biases: NDArray[np.float64],
    sum_of: LinearPart,
    weight: float,
    at: Straight,
) -> None:
    """Add hidden units that were left out: out' = (1 - weight) out + weight z, z = relu(x W + b) B + a.

    units: which ones.  weights, biases: W (inputs of `at`, units) and b (units,).  sum_of: with B and a.
    """
    W, b, after = _slots(model.network)
    last = dense_slots(model.network, "b")[-1]
    placed = np.zeros((W.parameter.shape[0], weights.shape[1]))
    placed[at.places] = weights / _factors(model)[at.places, None]
    _view(model, W)[:, units] = placed
    _view(model, b)[units] = biases
    _view(model, after)[...] *= 1 - weight
    _view(model, after)[units] = weight * sum_of.coefficients
    _view(model, last)[...] = (1 - weight) * _view(model, last) + weight * sum_of.intercept


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
