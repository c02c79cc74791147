r"""Slopes of chords: from a difference of a function's arguments to that of its values, exactly.

f(x) - f(x') = m . (x - x'), with m the slope of the chord from a reference x' to x. Multiplied along a chain of
functions these slopes are DeepLIFT's multipliers, so what they give to the arguments adds up to f(x) - f(x').

Arrays hold n rows and then that of the reference: (n + 1, ...). Slopes are (n, ...).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.formulas.activations import log_sigmoid, log_softmax

Floats = NDArray[np.float64]
TINY = 1e-300
"""The smallest probability whose logarithm is computed; smaller ones count as this."""


class Shares(NamedTuple):
    """Probabilities p, and 1 - p as exact as p, which a difference from 1 would not be."""

    p: Floats
    rest: Floats


def log_mean(a: Floats, b: Floats, log_ratio: Floats) -> Floats:
    """L(a, b) = (a - b) / log(a / b), the logarithmic mean; a where a = b.

    log_ratio: log(a / b). Stable for any a, b >= 0: L = max (1 - e^-d) / d, with d = |log(a / b)|.
    """
    d = np.abs(log_ratio)
    with np.errstate(invalid="ignore", divide="ignore"):
        part = np.where(d == 0, 1.0, -np.expm1(-d) / d)
    return np.asarray(np.maximum(a, b) * part)


def slope(x: Floats, y: Floats, tangent: Floats | float) -> Floats:
    """(y - y') / (x - x') of a function of one argument, in any unit; tangent: its derivative, where x = x'."""
    run, rise = x[:-1] - x[-1:], y[:-1] - y[-1:]
    is_same = run == 0
    return np.where(is_same, tangent, rise / np.where(is_same, 1.0, run))


def log_slope(p: Floats, least: float) -> Floats:
    """The slope of log max(p, least), which is 1 / L(p, p') where neither is smaller than that."""
    floored = np.maximum(p, least)
    rise = np.log(floored[:-1]) - np.log(floored[-1:])
    run = p[:-1] - p[-1:]
    is_free = (p[:-1] >= least) & (p[-1:] >= least)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(
            is_free,
            1 / log_mean(floored[:-1], floored[-1:], rise),
            np.where(run == 0, 0.0, rise / np.where(run == 0, 1.0, run)),
        )


def exp_slope(z: Floats) -> Floats:
    """The slope of e^z: L(e^z, e^z')."""
    e = np.exp(z)
    return log_mean(e[:-1], e[-1:], z[:-1] - z[-1:])


def sigmoid(z: Floats) -> tuple[Shares, Floats]:
    """Return the probabilities p = 1 / (1 + e^-z), and their slopes, where L is the logarithmic mean.

    (p - p') / (z - z') = L(p, p') L(q, q') / (L(p, p') + L(q, q'))      q = 1 - p
    since z = log p - log q.
    """
    log_p, log_q = log_sigmoid(z), log_sigmoid(-z)
    shares = Shares(np.exp(log_p), np.exp(log_q))
    of_p, of_q = (
        log_mean(a[:-1], a[-1:], log[:-1] - log[-1:]) for a, log in zip(shares, (log_p, log_q), strict=True)
    )
    total = of_p + of_q
    return shares, of_p * (of_q / np.where(total > 0, total, 1.0))


class SoftmaxSlopes(NamedTuple):
    r"""The slopes of p = softmax(z), over the last axis.

    p_k - p'_k = L_k ((z_k - z'_k) - sum_j w_j (z_j - z'_j))      L_k = L(p_k, p'_k)      w_j = L_j / sum_i L_i

    Exact because log p_k = z_k - s, and the Sato-Vartia weights w give the change of s = logsumexp(z) without a
    remainder: sum_j w_j (log p_j - log p'_j) = sum_j (p_j - p'_j) / sum_i L_i = 0. They do not change with a constant
    added to every z, and for two classes p_k has the slope of the sigmoid.
    Source: Sato, "The ideal log-change index number", Review of Economics and Statistics 58 (1976).
    """

    means: Floats
    """L (n, ..., classes)"""

    def back(self, m: Floats) -> Floats:
        """Return the multipliers of z from those of p, both (n, ..., classes)."""
        own = m * self.means
        total = self.means.sum(-1, keepdims=True)
        weights = self.means / np.where(total > 0, total, 1.0)
        return np.asarray(own - weights * own.sum(-1, keepdims=True))


def softmax(z: Floats) -> tuple[Shares, SoftmaxSlopes]:
    """Return the probabilities over the last axis, and their slopes."""
    log_p = np.asarray(log_softmax(z))
    p = np.exp(log_p)
    others = 1.0 - np.eye(p.shape[-1])
    means = log_mean(p[:-1], p[-1:], log_p[:-1] - log_p[-1:])
    return Shares(p, p @ others), SoftmaxSlopes(means)


def quotient_slopes(a: Floats, a0: Floats, b: Floats, b0: Floats) -> tuple[Floats, Floats]:
    """Return the slopes of a / b by a and by b, of a product a c with c = 1 / b whose joint effect is halved.

    a / b - a0 / b0 = (1 / b + 1 / b0) / 2 (a - a0) - (a + a0) / (2 b b0) (b - b0)

    The first is the mean of c times the change of a, the second the mean of a times that of c, 1 / b - 1 / b0 =
    -(b - b0) / (b b0). Arrays of shapes that broadcast, b and b0 other than 0.
    """
    c, c0 = 1 / b, 1 / b0
    return np.asarray((c + c0) / 2), np.asarray(-(a + a0) / 2 * c * c0)


def normalized_back(m: Floats, q: Floats, q0: Floats) -> Floats:
    """Return the multipliers of q from those m of y = q / sum_k q_k, over the last axis, by `quotient_slopes`.

    q, q0: (n or 1, classes), above 0, the values and those of the reference.  m: (n, classes).
    """
    of_q, of_sum = quotient_slopes(q, q0, q.sum(-1, keepdims=True), q0.sum(-1, keepdims=True))
    return np.asarray(m * of_q + (m * of_sum).sum(-1, keepdims=True))


def odds_slope(p: Floats, p0: Floats, observed: Floats, expected: Floats, prior: float) -> Floats:
    """The slope by p of q(p) = p (prior p + observed) / (prior p + expected), see `lookup.share_odds`.

    (q - q0) / (p - p0) = (prior^2 p p0 + prior expected (p + p0) + observed expected)
                          / ((prior p + expected) (prior p0 + expected))

    A sum of what is not negative, so it is as exact as its arguments, also where p = p0.
    """
    above = prior * prior * p * p0 + prior * expected * (p + p0) + observed * expected
    return np.asarray(above / (prior * p + expected) / (prior * p0 + expected))


def sort_slopes(y: Floats) -> Floats:
    r"""The slopes of sorting each row: how long, on the way from the reference, y_j is the k-th smallest.

    sorted_k(y) - sorted_k(y') = sum_j w_kj (y_j - y'_j), because sorting is linear between the points at which two
    numbers of y' + t (y - y') cross. Returns w (n, k, j), whose rows and columns add up to 1.
    """
    n, count = len(y) - 1, y.shape[1]
    first, second = np.triu_indices(count, 1)
    there, here = (
        np.broadcast_to(own[:, first] - own[:, second], (n, len(first))) for own in (y[-1:], y[:-1])
    )
    crosses = (there > 0) != (here > 0)
    times = np.where(crosses, there / np.where(crosses, there - here, 1.0), 1.0)
    times = np.sort(np.hstack([np.zeros((n, 1)), np.clip(times, 0.0, 1.0), np.ones((n, 1))]), axis=1)
    shares = np.zeros((n, count, count))
    rows, places = np.arange(n)[:, None], np.arange(count)
    for start, stop in zip(times.T[:-1, :, None], times.T[1:, :, None], strict=True):
        middle = y[-1:] + (start + stop) / 2 * (y[:-1] - y[-1:])
        shares[rows, places, np.argsort(middle, axis=1, kind="stable")] += stop - start
    return shares
