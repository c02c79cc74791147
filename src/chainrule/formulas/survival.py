"""How good predictions of times to an event are, also of rows that were last seen without it (censored).

y: (n, 2)     times and events: when each row was last seen, and 1 where that is its event, else 0
S_i(t)        the predicted probability that the event of row i comes after t
G(t)          the probability that a row is still seen after t, of Kaplan and Meier
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
LEAF = 128
"""Up to so many rows all pairs are compared at once."""
D_BINS = 10
"""The parts of equal width between 0 and 1 in which probabilities of survival are counted."""
ENDS, POINTS = (0.05, 0.95), 50
"""The quantiles of the times of events between which Brier scores are averaged, and at how many times."""


class PredictedSurvival(NamedTuple):
    """What is predicted of n rows."""

    later: Numbers
    """(n,) the larger, the later the event is predicted"""
    own: Numbers
    """(n,) S at the time of each row"""
    times: Numbers
    """(m,) ascending"""
    curves: Numbers
    """(n, m) S at these times"""


class Steps(NamedTuple):
    """A curve of Kaplan and Meier: 1 at first, and then constant between its times.

    S(t) is the product over the times of events until t of 1 - events / rows that were still there.
    Source: Kaplan, Meier, Nonparametric estimation from incomplete observations, JASA 53 (1958).
    """

    times: Numbers
    """(k,) the distinct times of events"""
    survival: Numbers
    """(k,) S from each of these on"""
    events: NDArray[np.int64]
    """(k,)"""
    there: NDArray[np.int64]
    """(k,) the rows that were still there"""

    def __call__(self, at: Numbers, side: str = "right") -> Numbers:
        """Return S at times, or with "left" just before them."""
        return np.append(1.0, self.survival)[np.searchsorted(self.times, at, side)]  # type: ignore[call-overload]


def kaplan_meier(y: Numbers) -> Steps:
    """Return the curve of survival of times and events (n, 2)."""
    at, events = np.unique(y[y[:, 1] > 0, 0], return_counts=True)
    there = len(y) - np.searchsorted(np.sort(y[:, 0]), at)
    return Steps(at, np.cumprod(1 - events / there, dtype=np.float64), events, there)


def still_seen(y: Numbers) -> Steps:
    """Return G, the curve of Kaplan and Meier of being censored; an event at the same time comes before that."""
    at, lost = np.unique(y[y[:, 1] == 0, 0], return_counts=True)
    moments, of_events = np.sort(y[:, 0]), np.sort(y[y[:, 1] > 0, 0])
    at_once = np.searchsorted(of_events, at, "right") - np.searchsorted(of_events, at)
    there = len(y) - np.searchsorted(moments, at) - at_once
    return Steps(at, np.cumprod(1 - lost / there, dtype=np.float64), lost, there)


def concordance(y: Numbers, later: Numbers, weight: Numbers | None = None) -> float:
    """Harrell's c: of the pairs whose order is known, the share whose order is predicted; ties count half.

    The order of two rows is known if the earlier of their times is that of an event, and at the same time if one of
    them has the event and the other has not. NaN without such a pair.

    later: (n,) the larger, the later the event is predicted.
    weight: (n,) a pair counts by the product of its two.
    Source: Harrell, Califf, Pryor, Lee, Rosati, Evaluating the yield of medical tests, JAMA 247 (1982).
    """
    moments = np.unique(y[:, 0], return_inverse=True)[1].reshape(-1)
    key = 2 * moments + (y[:, 1] == 0)
    order = np.argsort(key, kind="stable")
    key, later, event = key[order], later[order], y[order, 1] > 0
    weight = np.ones(len(y)) if weight is None else weight[order]

    def count(low: int, high: int) -> Numbers:
        """Return the weights of all pairs of these rows, and of those in the predicted order."""
        if high - low <= LEAF:
            own, known = slice(low, high), key[low:high, None] < key[low:high]
            pairs = weight[own, None] * weight[own] * (known & event[own, None])
            right = (np.sign(later[own] - later[own, None]) + 1) / 2
            return np.array([pairs.sum(), (pairs * right).sum()])
        if key[low] == key[high - 1]:
            return np.zeros(2)
        middle = key[(low + high) // 2]
        cut = int(np.searchsorted(key, middle))
        cut = cut if cut > low else int(np.searchsorted(key, middle, "right"))
        first, second = (
            np.flatnonzero(event[low:cut]) + low,
            np.arange(cut, high)[np.argsort(later[cut:high])],
        )
        sums = np.append(0.0, np.cumsum(weight[second]))
        beyond = [
            sums[-1] - sums[np.searchsorted(later[second], later[first], side)] for side in ("left", "right")
        ]
        across = np.array([sums[-1] * weight[first].sum(), weight[first] @ (beyond[0] + beyond[1]) / 2])
        return across + count(low, cut) + count(cut, high)

    pairs, right = count(0, len(y))
    return float(right / pairs) if pairs else float("nan")


def brier_times(y: Numbers) -> Numbers:
    """Return the times (m,) at which Brier scores are averaged; none without an event."""
    moments = y[y[:, 1] > 0, 0]
    if not len(moments):
        return np.empty(0)
    first, last = np.quantile(moments, ENDS).tolist()
    return np.linspace(first, last, POINTS)


def integrated_brier(y: Numbers, said: PredictedSurvival, weight: Numbers | None = None) -> float:
    """The mean over the times t of the Brier score of S(t), with rows weighed by the probability to be still seen.

    B(t) = mean_i of  S_i(t)^2 / G(t_i-)  where the event came by t,  (1 - S_i(t))^2 / G(t)  where i was seen after t

    A row censored before t counts 0, for which the others stand. The mean over t is that of the trapezoids. NaN
    without an event.  0.25 is S = 1/2 for all.
    Source: Graf, Schmoor, Sauerbrei, Schumacher, Assessment and comparison of prognostic classification schemes,
    Statistics in Medicine 18 (1999).
    """
    if len(said.times) < 2 or said.times[0] == said.times[-1]:
        return float("nan")
    G, t, own = still_seen(y), said.times, y[:, :1]
    came = (own <= t) & (y[:, 1:] > 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        of_event, of_others = said.curves**2 / G(own, "left"), (1 - said.curves) ** 2 / G(t)
    scores = np.average(np.where(came, of_event, np.where(own > t, of_others, 0.0)), 0, weight)
    return float(np.trapezoid(scores, t) / (t[-1] - t[0]))


def d_calibrated(y: Numbers, own: Numbers, weight: Numbers | None = None) -> Numbers:
    """Return the share of rows (D_BINS,) whose S at their event lies in each tenth from 0 to 1; 1 / D_BINS if right.

    A censored row with S = s is spread evenly over the probabilities below s, of which its event will have one.
    """
    weight = np.ones(len(y)) if weight is None else weight
    low = np.arange(D_BINS) / D_BINS
    s = np.clip(own, 0.0, 1.0)[:, None]
    within = (np.minimum((s * D_BINS).astype(np.int64), D_BINS - 1) == np.arange(D_BINS)).astype(np.float64)
    spread = np.clip(s - low, 0.0, 1 / D_BINS) / np.where(s > 0, s, 1.0)
    return np.asarray(np.average(np.where((y[:, 1:] > 0) | (s == 0), within, spread), 0, weight))


def d_calibration(y: Numbers, said: PredictedSurvival, weight: Numbers | None = None) -> float:
    """The probability of shares as uneven as those of `d_calibrated`, if every S is right: below 0.05 they are not.

    By Pearson's chi-squared test, n D_BINS sum_k (share_k - 1 / D_BINS)^2 with D_BINS - 1 degrees of freedom.
    Source: Haider, Hoehn, Davis, Greiner, Effective ways to build and evaluate individual survival distributions,
    JMLR 21 (2020).
    """
    from scipy.special import chdtrc

    uneven = d_calibrated(y, said.own, weight) - 1 / D_BINS
    return float(chdtrc(D_BINS - 1, len(y) * D_BINS * float(uneven @ uneven)))


METRICS: dict[str, tuple[Callable[..., float], Literal["higher", "lower"]]] = {
    "integrated_brier": (integrated_brier, "lower"),
    "concordance": (lambda y, said, weight=None: concordance(y, said.later, weight), "higher"),
    "d_calibration": (d_calibration, "higher"),
}
"""The metrics of `PredictedSurvival` by name: function(y, said, weight), and which direction is better."""
