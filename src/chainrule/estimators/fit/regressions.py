"""Regressions of a network's outputs on the inputs that reach its first Dense as they are, each with several penalties.

    numbers     B, a = argmin sum_i v_i |x_i B + a - y_i|^2 + penalty |B|^2         ridge regression
    classes     B, a = argmin sum_i v_i loss(x_i B + a, y_i) + penalty / 2 |B|^2     logistic regression

v are the weights of the rows, with a mean of 1 whatever their unit; loss is the cross-entropy of the network.

Sources: Hoerl and Kennard, "Ridge regression: biased estimation for nonorthogonal problems", Technometrics 1970;
le Cessie and van Houwelingen, "Ridge estimators in logistic regression", Applied Statistics 1992.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import LinAlgError, cho_factor, cho_solve, lstsq
from scipy.optimize import minimize

from chainrule.data.samples import Samples, in_rows
from chainrule.estimators.tables.scaling import BY_QUANTILES, FAR
from chainrule.formulas.layers import Embedding, PiecewiseLinearEmbedding, Scale
from chainrule.formulas.losses import Loss
from chainrule.network.network import Network
from chainrule.network.objective import shares

PENALTIES = (0.3, 1.0, 3.0, 10.0, 30.0)
"""Of the squares of the coefficients: see the formulas above, with standardized targets of numbers."""
STEPS, NEAR = 50, 1e-3
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


Regression = Callable[[Samples, NDArray[np.int64], NDArray[np.int64]], list[LinearPart]]
"""Solves regressions of some rows on some of the inputs."""


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
    X, y, weight = samples.take(rows).batch(slice(None), np.float64)
    X, share = X[:, inputs], shares(weight)
    center = share @ X
    return Centered(X - center, y, in_rows(weight), share, center)


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
            options={"maxiter": STEPS, "gtol": NEAR * len(rows)},
        ).x
        begin = found.reshape(shape)
        B = turned @ begin[:-1]
        parts.append(LinearPart(B, begin[-1] - center @ B))
    return parts
