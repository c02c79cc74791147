"""Regressions of a network's outputs on the inputs that reach its first Dense as they are, each with several penalties.

    numbers     B, a = argmin sum_i v_i |x_i B + a - y_i|^2 + penalty |B|^2         ridge regression
    classes     B, a = argmin sum_i v_i loss(x_i B + a, y_i) + penalty / 2 |B|^2     logistic regression

v are the weights of the rows, with a mean of 1 whatever their unit; loss is the cross-entropy of the network.

Sources: Hoerl and Kennard, "Ridge regression: biased estimation for nonorthogonal problems", Technometrics 1970;
le Cessie and van Houwelingen, "Ridge estimators in logistic regression", Applied Statistics 1992.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property, partial
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import LinAlgError, cho_factor, cho_solve, lstsq
from scipy.optimize import minimize

from chainrule.data.samples import Samples, in_rows
from chainrule.fitting.dealing import Dealt, out_of_fold
from chainrule.fitting.start import dense_slots
from chainrule.formulas.layers import Embedding, PiecewiseLinearEmbedding, Scale, Shift, Take, Tanh
from chainrule.formulas.losses import CrossEntropy, Loss, SurvivalCrossEntropy
from chainrule.model import Model
from chainrule.network.network import Network, Slot
from chainrule.network.objective import shares
from chainrule.presets.base import FoldMembers
from chainrule.tables.scaling import BY_QUANTILES, FAR

PENALTIES = (0.3, 1.0, 3.0, 10.0, 30.0)
"""Of the squares of the coefficients: see the formulas above, with standardized targets of numbers."""
WIDE_PENALTIES, INPUTS_A_PENALTY = PENALTIES[::2], 50
"""Those of wide tables; the penalties of all inputs are larger by their number in units of this, as their noise is."""
STEPS, GRADIENT_LEFT = 50, 1e-3
"""The most steps of a logistic regression, and its gradient by a row at which it ends."""


class Straight(NamedTuple):
    """The inputs that reach a network's first Dense as they are, times a factor."""

    inputs: NDArray[np.int64]
    """which inputs of the network"""
    places: NDArray[np.int64]
    """of them among the inputs of the Dense"""


class LinearPart(NamedTuple):
    """z = x B + a, of standardized targets or of logits."""

    coefficients: NDArray[np.float64]  # (inputs, outputs)
    intercept: NDArray[np.float64]  # (outputs,)

    def __call__(self, X: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return z (n, outputs) for the straight inputs X (n, inputs)."""
        found: NDArray[np.float64] = X @ self.coefficients + self.intercept
        return found


class InputSet(NamedTuple):
    """The inputs of regressions, and their penalties."""

    places: NDArray[np.int64]
    """in the inputs that are straight"""
    penalties: Sequence[float]


class Regression(Protocol):
    """Solves regressions of some rows on some of the inputs, one for each penalty."""

    def __call__(
        self,
        samples: Samples,
        rows: NDArray[np.int64],
        inputs: NDArray[np.int64],
        *,
        penalties: Sequence[float],
    ) -> list[LinearPart]:
        """Return them."""


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
        elif isinstance(layer, Take):
            origin = origin[list(layer.columns)]
        elif isinstance(layer, PiecewiseLinearEmbedding):
            sources = layer.sources(link.fan_in)
            origin = np.where(np.isin(sources, layer.embedded(link.fan_in)), -1, origin[sources])
        elif not isinstance(layer, Scale):
            break
    places = np.flatnonzero(origin >= 0)
    return Straight(origin[places], places)


def input_sets(at: Straight, ways: Sequence[str]) -> list[NDArray[np.int64]]:
    """Return the inputs of each regression, as places in `at`: numbers as they are, and all but ranks; or else all.

    ways: how each of a table's outputs is scaled, "" where it is not a number; () for samples that no table is behind.
    """
    way = _ways_of(at, ways)
    numbers, all_but_ranks = (
        np.flatnonzero(each) for each in (np.isin(way, tuple(FAR)), ~np.isin(way, BY_QUANTILES))
    )
    if not len(all_but_ranks):
        return [np.arange(len(way))]
    return [all_but_ranks] if len(numbers) in (0, len(all_but_ranks)) else [numbers, all_but_ranks]


def all_but_far(at: Straight, ways: Sequence[str]) -> NDArray[np.int64]:
    """Return the inputs that steps are of, as places in `at`: all but numbers as they are. ways: as of `input_sets`."""
    return np.flatnonzero(~np.isin(_ways_of(at, ways), tuple(FAR)))


def _ways_of(at: Straight, ways: Sequence[str]) -> NDArray[np.str_]:
    """Return how each of the inputs `at` is scaled."""
    return np.array([ways[each] if each < len(ways) else "" for each in at.inputs.tolist()])


class Centered(NamedTuple):
    """Rows to solve a regression of."""

    X: NDArray[np.float64]
    """(n, inputs) less their center"""
    y: NDArray[np.float64]  # (n, outputs)
    weight: NDArray[np.float64]
    """(n,), with a mean of 1"""
    share: NDArray[np.float64]
    """(n,) the weights, with a sum of 1"""
    center: NDArray[np.float64]
    """(inputs,) the weighted mean"""


def centered(samples: Samples, rows: NDArray[np.int64], inputs: NDArray[np.int64]) -> Centered:
    """Return some rows and inputs of samples. Weights that are all 0 stay so."""
    X, y, weight, _ = samples.take(rows).batch(slice(None), np.float64)
    X, share = X[:, inputs], shares(weight)
    center = share @ X
    return Centered(X - center, y, in_rows(weight), share, center)


def solve_regression(
    samples: Samples,
    rows: NDArray[np.int64],
    inputs: NDArray[np.int64],
    penalties: Sequence[float] = PENALTIES,
) -> list[LinearPart]:
    """Return the ridge regressions of some rows on some of the inputs, one for each penalty.

    With rows centered and times the roots of their weights, B = X'(XX' + penalty I)^-1 y = (X'X + penalty I)^-1 X'y, by
    the smaller of the two matrices, which is made once for all penalties. samples: with standardized targets.
    """
    X, y, weight, share, center = centered(samples, rows, inputs)
    mean, root = share @ y, np.sqrt(weight)[:, None]
    X, y = X * root, (y - mean) * root
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


def logistic(
    samples: Samples,
    rows: NDArray[np.int64],
    inputs: NDArray[np.int64],
    loss: Loss,
    penalties: Sequence[float] = PENALTIES,
) -> list[LinearPart]:
    """Return the logistic regressions of some rows on some of the inputs, one for each penalty.

    Of more inputs than rows, X = U S V', the coefficients are V times those of the inputs X V, whose squares have the
    same sum.  samples: with classes.  loss: of logits.
    """
    X, y, weight, _, center = centered(samples, rows, inputs)
    turned = np.linalg.svd(X, full_matrices=False)[2].T if X.shape[1] > X.shape[0] else np.eye(X.shape[1])
    X = X @ turned
    shape = (X.shape[1] + 1, y.shape[1])

    def objective(flat: NDArray[np.float64], penalty: float) -> tuple[float, NDArray[np.float64]]:
        B, a = flat.reshape(shape)[:-1], flat.reshape(shape)[-1]
        out = X @ B + a
        delta = loss.gradient(out, y) * weight[:, None]
        value = weight @ loss.value(out, y) + penalty / 2 * (B**2).sum()
        return float(value), np.concatenate([X.T @ delta + penalty * B, delta.sum(0)[None]]).ravel()

    begin = np.zeros(shape)
    parts = list[LinearPart]()
    for penalty in sorted(penalties, reverse=True):  # each from the one before, which is more
        found = minimize(
            objective,
            begin.ravel(),
            (penalty,),
            method="L-BFGS-B",
            jac=True,
            options={"maxiter": STEPS, "gtol": GRADIENT_LEFT * len(rows)},
        ).x
        begin = found.reshape(shape)
        B = turned @ begin[:-1]
        parts.append(LinearPart(B, begin[-1] - center @ B))
    return parts


# --- the linear part of a network of few rows: solved exactly, and added by hidden units that training leaves alone --
# z = x B + a     ridge or logistic regression of the member's own rows, on the inputs that reach its first Dense
#                     as they are: see `chainrule.fitting.few_solved`
#     out' = (1 - w) out + w z
#
# With few rows training ends long before what is linear is learned to its last digit, though that is what so few rows
# say best. z = relu(z) - relu(-z), so it is two hidden units for each output. Their weights are 0 while the network is
# trained, and then their gradients are 0 too. The whole is a network like any other, for files, explanations and
# exports.
#
# z is a mean of several regressions: of the numbers as they are, and of all inputs but ranks, which bend what is
# linear; each with several penalties of its coefficients. How heavy each one is, is its mean under its likelihood L on
# predictions out of fold of n rows, with every regression k as likely before, and a weight w in [0, 1] as (1 - w)^p:
#
#     w_k = sum_w w P_kw / sum_kw P_kw,    w = sum_k w_k,    z = sum_k w_k z_k / w,    P_kw = (1 - w)^p L_kw
#     L   = mse^(-n/2) of numbers, with errors of a normal distribution; exp(-n loss) of classes
#
# p is 0, or 3 beside steps (`chainrule.fitting.few_solved`), which have said half of it before.
#
# What is linear goes on beyond the targets of training, and a network does not. So predictions may be beyond their
# range R by R (2 w - 1) / (1 - w), as far as there is more of the one than of the other, and of very few rows by R w /
# (1 - w) on the side of a long tail, but have no other sign than all targets: see `widened`.
#
# Logits are bounded by the last layers of the network, and the linear part is inside of that bound: see `Bound`.
#
# Source: Wolpert, "Stacked generalization", Neural Networks 1992.

WEIGHTS = np.linspace(0, 1, 21)
"""The weights that are tried."""
NO_WEIGHT = 1e-9
"""What is left of a network beside a part with all of the weight, for its logarithm."""
LEAST_WEIGHT = 0.05
"""A smaller weight is 0."""
PROBED = 0.25
"""The part of the rows of a linear part that is solved first where the time is short."""
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
        values = {id(slot.link.layer): view_of_link(model, slot) for slot in model.network.slots}
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
    sets: Iterable[Sequence[InputSet]],
    power: float = 0.0,
) -> ChosenWeight:
    """Return the part of each member, of all the inputs `at`, and their weight.

    out: the outputs of `out_of_fold`, unbound.  log_likelihood(out): of such outputs.  samples: all rows.
    sets: of the regressions of each member.  power: p, where a weight is as likely before as (1 - w)^p.
    """
    X, outputs = samples.take(rows.rows).X, out.shape[2]
    members = [
        regressions_of(solve, samples, own, at, each) for own, each in zip(rows.learned, sets, strict=True)
    ]

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
    sets: Sequence[InputSet],
) -> list[LinearPart]:
    """Return the regressions of a member, each as one of all the inputs `at`, with 0 for those that it has not."""
    parts = list[LinearPart]()
    for places, penalties in sets:
        for part in solve(samples, rows, at.inputs[places], penalties=penalties):
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
    W, b, after = slots_to_solve(model.network)
    last = dense_slots(model.network, "b")[-1]
    placed = np.zeros((W.parameter.shape[0], weights.shape[1]))
    placed[at.places] = weights / _factors(model)[at.places, None]
    view_of_link(model, W)[:, units] = placed
    view_of_link(model, b)[units] = biases
    view_of_link(model, after)[...] *= 1 - weight
    view_of_link(model, after)[units] = weight * sum_of.coefficients
    view_of_link(model, last)[...] = (1 - weight) * view_of_link(model, last) + weight * sum_of.intercept


def slots_to_solve(network: Network) -> tuple[Slot, Slot, Slot]:
    """Return the places of W and b of the hidden Dense, and of W of the last one."""
    (W, after), (b, _) = dense_slots(network, "W"), dense_slots(network, "b")
    return W, b, after


def view_of_link(model: Model, slot: Slot) -> NDArray[np.floating]:
    """Return a parameter of a model, as a view."""
    found: NDArray[np.floating] = model.theta[slot.start : slot.stop].reshape(slot.parameter.shape)
    return found


def _factors(model: Model) -> NDArray[np.float64]:
    """Return the factor of each input of the first Dense, none of them 0: those that are nearly so are set anew."""
    slot = next((each for each in model.network.slots if isinstance(each.link.layer, Scale)), None)
    if slot is None:
        return np.ones(dense_slots(model.network, "W")[0].parameter.shape[0])
    factors = view_of_link(model, slot)
    factors[np.abs(factors) < LEAST_FACTOR] = LEAST_FACTOR
    return factors.astype(np.float64)


# --- how sure the members of an ensemble may be, and how often two classes are, by what they predict out of fold -----
# the temperature T with the least loss of q where each member's logits z are center + (z - center) / T, and center is
#                     half the logits of the shares of the classes
#
# The center is between two: with the logits of the shares a doubtful row has the shares, which is right where a class
# is rare, and with 0 all classes alike, which is a little better where none is.
#
# T is at least 1 where it says which epoch is the best, and for networks of two classes. Those of several classes may
# be made surer too: with a linear part by a second T, of at most 1, since a mean of both is less sure than it is
# right. What is predicted stays within the bound of the logits: they are divided by a T below 1 inside of it, see
# `Bound`.
#
# Out of fold two members are averaged. The mean of all is right more often, and less sure. So of very few rows of
# several classes, with which members differ most, each T is divided by FOR_ALL, the first one down to 1 at least.
#
#     the shift d of the logit of two classes, inside of its bound, such that sum_i v_i q_i = sum_i v_i y_i, with the
#                     weights v of the rows
#
# A logistic regression has this by its intercept, and a network that stops early or is cooled has not. Where a class
# is rare, how often it is predicted is most of what a probability may be wrong by.
#
# Sources: Guo, Pleiss, Sun and Weinberger, "On calibration of modern neural networks", ICML 2017; for the shift, which
# is calibration in the large, Cox, "Two further applications of a model for binary regression", Biometrika 1958.

OF_ALL = (0.5, 1.0)
"""Those of networks of several classes with their linear parts."""
OF_SEVERAL = (0.5, 8.0)
"""Those of networks of several classes without."""
FOR_ALL = 1.1
"""Of very few rows of several classes, how many times smaller the temperatures of all members are than those of two."""


def loss_of(out: NDArray[Any], loss: Loss, samples: Samples) -> float:
    """Return the weighted mean of the loss of outputs; infinity where they are not finite, NaN without any."""
    if not len(out):
        return float("nan")
    if not np.isfinite(out).all():
        return float("inf")
    y, weight = samples.targets_of()
    return float(np.average(loss.value(out, y), weights=weight if weight.any() else None))


def has_logits(loss: Loss) -> bool:
    """Return whether outputs are logits of probabilities."""
    return isinstance(loss, (CrossEntropy, SurvivalCrossEntropy)) and loss.domain != "probability"


def shift(model: Model, by: float) -> None:
    """Let a network's outputs be those of `shifted`, by the bias of its last Dense."""
    bound, b = Bound.of(model), dense_slots(model.network, "b")[-1]
    model.theta[b.start : b.stop] += by if bound is None else by / (bound.s * bound.f)


# --- steps drawn by chance beside a network of very few rows and two classes, and their sum, which is solved exactly -
# v_u    = 1/2 + 2 (w_u x - t_u) / s_u          s_u the standard deviation of w_u x over the member's own rows
#     step_u = relu(v_u) - relu(v_u - 1)            from 0 at s_u / 4 below t_u to 1 at s_u / 4 above
#     z      = sum_u B_u step_u + a                 logistic regression of them, see `regressions.logistic`
#     out'   = (out + z) / 2
#
# w_u has two of the inputs that reach the first Dense as they are, in units of their deviation, with normal weights,
# and t_u is its value at one of the rows. Two rows are as alike as the share of the steps that do not lie between
# them. This kernel has its steepest slope at the row itself, as that of trees with random thresholds has, while what a
# network learns of so few rows by its gradient is smooth. Sixteen members have a thousand steps in all.
#
# A step is two hidden units, whose weights are 0 while the network is trained, as are those of the linear part
# (`chainrule.fitting.few_solved`), which is chosen after them.
#
# Sources: Rahimi and Recht, "Weighted sums of random kitchen sinks", NeurIPS 2008; Geurts, Ernst and Wehenkel,
# "Extremely randomized trees", Machine Learning 2006, for their kernel.

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


def solve_steps(
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


# --- hidden units that are solved exactly beside a trained network of few rows, and added to its members -------------
# First the steps of two classes (`chainrule.fitting.few_solved`), then the linear part, whose weight
# predictions out of fold of the network with its steps choose (`chainrule.fitting.few_solved`).

POWER_BESIDE_STEPS = 3.0
"""Beside steps a weight w of the linear part is as likely before as (1 - w)^3."""


class Beside:
    """The parts beside the members of an ensemble, each of that member's own rows.

    Outputs out of fold, (dealings, m, outputs), are those of `out_of_fold`.
    """

    def __init__(
        self,
        members: list[Model],
        samples: Samples,
        rows: Dealt,
        how: FoldMembers,
        ways: Sequence[str],
        strong: NDArray[np.bool_] | None = None,
    ) -> None:
        """Describe the parts. samples: all rows, with standardized targets.  how: with the steps of a member.

        ways: how each input is scaled, see `regressions.input_sets`.  strong: (members, inputs) those that each member
        of a wide table learns from, on which it has regressions too; None for other tables.
        """
        self.members, self.samples, self.rows, self.steps, self.ways = members, samples, rows, how.steps, ways
        self.strong = strong
        self.units = how.units_beside(samples.outputs)
        self.loss, self.bound = members[0].network.loss, Bound.of(members[0])
        self.at = straight(members[0].network)

    @cached_property
    def sets(self) -> list[list[InputSet]]:
        """The inputs of the regressions of the linear part of each member."""
        found = input_sets(self.at, self.ways)
        if self.strong is None:
            return [[InputSet(places, PENALTIES) for places in found]] * len(self.members)
        factor = max(1.0, len(self.at.inputs) / INPUTS_A_PENALTY)
        all_have = [InputSet(places, [factor * each for each in WIDE_PENALTIES]) for places in found]
        own = (np.flatnonzero(each[self.at.inputs]) for each in self.strong)
        return [[*all_have, InputSet(places, WIDE_PENALTIES)] for places in own]

    @property
    def solve(self) -> Regression:
        """The regressions of the linear part."""
        return partial(logistic, loss=self.loss) if has_logits(self.loss) else solve_regression

    def stepped(self, rows: NDArray[np.int64], random: np.random.RandomState) -> StepPart:
        """Return the steps of a member that learns from these rows."""
        return solve_steps(self.samples, rows, self.at, self.ways, self.loss, self.steps, random)

    def is_in_time(self, end: float | None) -> bool:
        """Return whether the members have inputs for their parts, and time for them until a `time.monotonic()`."""

        def solve(rows: NDArray[np.int64]) -> None:
            regressions_of(self.solve, self.samples, rows, self.at, self.sets[0])
            if self.steps:
                self.stepped(rows, np.random.RandomState(0))

        return len(self.at.inputs) > 0 and is_in_time(solve, self.rows, end)

    def added(
        self, out: NDArray[np.float64], random: np.random.RandomState
    ) -> tuple[NDArray[np.float64], float]:
        """Add the parts to the members, and return the outputs out of fold with them and the weight of the linear part.

        out: those without.  random: draws the steps.
        """
        unbound = out if self.bound is None else self.bound.undone(out)
        if self.steps:
            unbound = self._with_steps(unbound, random)
        power = POWER_BESIDE_STEPS if self.steps else 0.0
        found = chosen(
            unbound, self._log_likelihood, self.solve, self.samples, self.rows, self.at, self.sets, power
        )
        if found.weight:
            for member, part in zip(self.members, found.parts, strict=True):
                within = part if self.bound is None else self.bound.within(part)
                add(member, self.units.line, within, found.weight, self.at)
        elif not self.steps:
            return out, 0.0
        return found.out if self.bound is None else self.bound(found.out), found.weight

    def _with_steps(self, unbound: NDArray[np.float64], random: np.random.RandomState) -> NDArray[np.float64]:
        """Add steps to the members, and return the unbound outputs out of fold with them."""
        parts = [self.stepped(own, random) for own in self.rows.learned]
        outputs, X = unbound.shape[2], self.samples.take(self.rows.rows).X
        for member, part in zip(self.members, parts, strict=True):
            within = part if self.bound is None else part._replace(sum=self.bound.within(part.sum))
            within.add(member, self.units.steps, self.at)
        z = out_of_fold(lambda member, own: parts[member](own[:, self.at.inputs]), self.rows, X, outputs)
        return (1 - WEIGHT) * unbound + WEIGHT * z

    @cached_property
    def _judge(self) -> Samples:
        """The rows out of fold, of which only the targets are asked for, many times."""
        judge = self.samples.take(self.rows.rows)
        return judge._replace(X=judge.X[:, :0])

    def _log_likelihood(self, unbound: NDArray[np.float64]) -> float:
        """Return that of unbound outputs out of fold, up to a constant."""
        out = unbound if self.bound is None else self.bound(unbound)
        value = loss_of(self.loss.average(out), self.loss, self._judge)
        with np.errstate(divide="ignore"):
            return -self._judge.n * (value if has_logits(self.loss) else float(np.log(value)) / 2)
