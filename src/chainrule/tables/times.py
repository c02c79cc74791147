"""Times to an event, which is not yet seen in some rows: how they are read, intervals of time, and curves of survival.

    t_0 = 0 < t_1 < ... < t_K      the knots: quantiles of the times of events
    p_k                            the probability to survive the interval from t_(k-1) to t_k, of those who reach it
    S(t) = p_1 ... p_(k-1) p_k^f   the probability that the event comes after t, with f the part of interval k until t

The hazard is constant within an interval. After the last knot, at the last event, nothing is known, and S stays.

Source: Gensheimer, Narasimhan, A scalable discrete-time survival model for neural networks, PeerJ 7:e6257 (2019).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_consistent_length

from chainrule.core import hints
from chainrule.data.samples import Samples
from chainrule.errors import ConfigError, DataError, counted
from chainrule.formulas.losses import Loss, SurvivalCrossEntropy
from chainrule.tables.rows import check_finite, check_no_moments, check_there, in_rows

Numbers = NDArray[np.float64]
LEAF = 128
"""Up to so many rows all pairs are compared at once."""
FEWEST, MOST, EVENTS_OF_A_KNOT = 5, 20, 20
"""The knots that are not asked for: one for so many events, but no fewer and no more than these."""
FORM = (
    "y must be a structured array (event, time), as Surv.from_arrays of scikit-survival makes, or two columns "
    "(time, event) with event True or 1 where it happened at that time, and False or 0 where it had not yet"
)


EVENTS = re.compile(
    r"censor(ed|ing)?|churn(ed)?|dead|deaths?|deceased|died|events?|fail(ed|ure)|observed|relapsed?|status"
)
MOMENTS = re.compile(r"(day|duration|hour|month|time|week|year)s?|followup|lifetime|survival|tenure")
"""Words in the names of columns that say whether something happened, and when."""


def name_says(name: str, words: re.Pattern[str]) -> bool:
    """Return whether one of the words of a column's name is one of these."""
    return any(words.fullmatch(word.lower()) for word in re.findall("[A-Z]?[a-z]+|[A-Z]+", name))


def hint_of_censoring(targets: object) -> None:
    """Warn of two targets that are a time and whether something happened then, as survival analysis has them.

    One of them has two values and the other no negative one. The names of both say so, or for a column of truth values
    one of the names; truth values in rows without names need none. Nothing is said of other targets with two values.
    """
    y: Any = targets
    names = [*map(str, getattr(y, "columns", ()))]
    try:
        has_rows = (
            not names and isinstance(y, (list, tuple)) and len(y) > 0 and isinstance(y[0], (list, tuple))
        )
        each = [y[name] for name in y.columns] if names else [*zip(*y, strict=True)] if has_rows else []
        columns = [np.asarray(column) for column in each if len(each) == 2]
        are_truths = any(column.dtype.kind == "b" for column in columns)
        columns = [column.astype(np.float64) for column in columns]
    except (TypeError, ValueError, KeyError):
        return
    have_two = [bool(np.isin(column, (0.0, 1.0)).all()) for column in columns if column.ndim == 1]
    if have_two not in ([True, False], [False, True]):
        return
    event, moment = have_two.index(True), have_two.index(False)
    says = [bool(names) and name_says(names[k], of) for k, of in ((event, EVENTS), (moment, MOMENTS))]
    if (columns[moment] >= 0).all() and (all(says) or (are_truths and (any(says) or not names))):
        shown = f" ({names[moment]}, {names[event]})" if names else ""
        hints.give(
            f"y has a time and whether something happened then{shown}, as in survival analysis: two numbers are "
            "predicted, each by itself. MLPSurvival predicts when it happens, and learns also from rows where it has "
            "not happened yet."
        )


def read_times(y: object, name: str = "y") -> Numbers:
    """Return times and events (n, 2): when each row was last seen, and 1 where that is its event, else 0.

    y: a structured array with a field of truth values, a data frame of two columns, or an array (n, 2) (time, event).
    Raises DataError for another form, a negative, missing or infinite time, and another event than 0 and 1.
    """
    given: Any = y
    names = getattr(getattr(y, "dtype", None), "names", None) or [*getattr(given, "columns", ())]
    if names:
        columns = [given[each] for each in names]
    else:
        try:
            values = y if isinstance(y, np.ndarray) else np.asarray(y, object)
        except ValueError:
            values = np.empty(0, object)
        columns = [*values.T] if values.ndim == 2 else []
    if len(columns) != 2:
        raise DataError(f"{FORM.replace('y', name, 1)}; it has {counted(len(columns) or 1, 'column')}.")
    for each in columns:
        check_there(each, name)
        check_no_moments(each, name)
    event = 1
    if names:
        have_two = [_is_event(each) for each in columns]
        says = [
            name_says(f"{each}", EVENTS) or np.asarray(column).dtype.kind == "b"
            for each, column in zip(names, columns, strict=True)
        ]
        event = have_two.index(True) if sum(have_two) == 1 else says.index(True) if sum(says) == 1 else 1
    if not _is_event(columns[event]):
        swapped = ", and the first column is: turn them round" * (not names and _is_event(columns[0]))
        raise DataError(f"{FORM.replace('y', name, 1)}; the events are not all 0 or 1{swapped}.")
    try:
        found = np.stack([np.asarray(columns[k], np.float64) for k in (1 - event, event)], 1)
    except (TypeError, ValueError) as error:
        raise DataError(f"{FORM.replace('y', name, 1)}; the times are no numbers.") from error
    check_finite(found, name)
    if (negative := found[:, 0] < 0).any():
        raise DataError(
            f"the times of {name} must be at least 0, and are negative {in_rows(negative)}; correct them."
        )
    return found


def _is_event(column: Any) -> bool:
    """Return whether a column has truth values, or nothing but 0 and 1."""
    try:
        return bool(np.isin(np.asarray(column).astype(np.float64), (0.0, 1.0)).all())
    except (TypeError, ValueError):
        return False


@dataclass(frozen=True)
class Times:
    """Times to an event as the targets of a network, one output for each interval."""

    knots: tuple[float, ...]
    """the end of each interval; the first begins at 0"""

    rules: ClassVar[Mapping[str, Any]] = {"y_numeric": True}
    task: ClassVar[str] = "survival"
    model_classes: ClassVar[None] = None
    out_activation: ClassVar[str] = "logistic"
    middle: ClassVar[None] = None

    # --- learned from y ---------------------------------------------------------------------------------------------

    @staticmethod
    def read(y: object, *, is_new: bool = False) -> Numbers | None:
        """Return times and events (n, 2), see `read_times`."""
        return None if y is None else read_times(y)

    @classmethod
    def learn(cls, y: Numbers, parameters: Mapping[str, Any]) -> Self:
        """Return the intervals of times and events (n, 2). Raises DataError without an event after time 0."""
        times = y[(y[:, 1] > 0) & (y[:, 0] > 0), 0]
        if not len(times):
            raise DataError(
                "y has no event after time 0, from which nothing can be learned; check which rows have one."
            )
        wanted = parameters["knots"]
        if np.ndim(wanted):
            return cls(checked_knots(wanted))
        count = min(max(len(times) // EVENTS_OF_A_KNOT, FEWEST), MOST) if wanted is None else int(wanted)
        distinct = np.unique(times)
        if len(distinct) > count:
            distinct = np.unique(np.quantile(times, np.arange(1, count + 1) / count, method="inverted_cdf"))
        return cls(tuple(distinct.tolist()))

    def class_weights(self, parameters: Mapping[str, Any], y: Numbers) -> None:
        """Return None: times have no classes."""

    def stratify(self, y: Numbers, is_table: bool) -> NDArray[np.bool_] | None:
        """Return which rows have an event; None where there are too few of either to keep in proportion."""
        events = np.asarray((y < 0).any(1), np.bool_)
        return events if min(events.sum(), (~events).sum()) >= EVENTS_OF_A_KNOT else None

    def check_again(self, y: Numbers, warm_start: bool) -> None:
        """Accept any times: the knots stay those of the first fit."""

    def check_validation(self, X: Any, y: object) -> Numbers:
        """Return the checked times of samples X for validation."""
        found = read_times(y, "y_val")
        check_consistent_length(X, found)
        return found

    # --- in training ------------------------------------------------------------------------------------------------

    @property
    def outputs(self) -> int:
        """The number of intervals."""
        return len(self.knots)

    @property
    def intervals(self) -> list[str]:
        """What each output is the probability of."""
        pairs = zip(self.starts, self.knots, strict=True)
        return [f"t > {end:g} | t > {start:g}" for start, end in pairs]

    @property
    def starts(self) -> Numbers:
        """Where each interval begins (K,)."""
        return np.array((0.0, *self.knots[:-1]))

    @property
    def widths(self) -> Numbers:
        """How long each interval is (K,)."""
        return np.array(self.knots) - self.starts

    def passed(self, time: Numbers) -> Numbers:
        """Return which part of each interval has passed at times (n,): (n, K) from 0 to 1."""
        return np.clip((time[:, None] - self.starts) / self.widths, 0.0, 1.0)

    def encode(self, y: Numbers) -> Numbers:
        """Return times and events (n, 2) as `SurvivalCrossEntropy` takes them, (n, K)."""
        found, at = self.passed(y[:, 0]), np.searchsorted(self.knots, y[:, 0])
        rows = np.flatnonzero((y[:, 1] > 0) & (at < len(self.knots)))
        found[rows, at[rows]] = -1.0
        return found

    def as_given(self, y: Numbers) -> Numbers:
        """Return encoded times, of which the place within an interval is gone."""
        return y

    def loss(self, parameters: Mapping[str, Any]) -> Loss:
        """Return the negative log-likelihood."""
        return SurvivalCrossEntropy()

    def score(self, loss: Loss, out: NDArray[Any], samples: Samples) -> float:
        """Return the mean log-likelihood of outputs (n, K)."""
        return -float(np.average(loss.value(out, samples.y), weights=samples.weight))

    # --- in use -----------------------------------------------------------------------------------------------------

    def uncrossed(self, predicted: NDArray[Any]) -> NDArray[Any]:
        """Return predictions as they are."""
        return predicted

    def predictions(self, p: NDArray[Any]) -> Numbers:
        """Return medians (n,): when S = 1/2; infinite where it stays above."""
        p, before = np.asarray(p, np.float64), self._before(p)
        after = before * p
        rows, at = np.arange(len(p)), (after <= 0.5).argmax(1)
        with np.errstate(divide="ignore"):
            part = np.log(0.5 / before[rows, at]) / np.log(p[rows, at])
        return np.where(after[:, -1] <= 0.5, self.starts[at] + part * self.widths[at], np.inf)

    def survival(self, p: NDArray[Any], times: object) -> Numbers:
        """Return S (n, times) of probabilities (n, K) to survive each interval.

        Raises DataError unless times are numbers (m,) of at least 0.
        """
        try:
            at = np.atleast_1d(np.asarray(times, np.float64))
        except (TypeError, ValueError):
            at = np.full(1, np.nan)
        if at.ndim != 1 or not (np.isfinite(at).all() and (at >= 0).all()):
            raise DataError(f"times must be numbers of at least 0, (m,) in the unit of y, not {times!r:.60}.")
        own = np.minimum(np.searchsorted(self.knots, at), len(self.knots) - 1)
        part = self.passed(at)[np.arange(len(at)), own]
        return self._before(p)[:, own] * np.asarray(p, np.float64)[:, own] ** part

    def restricted_mean(self, p: NDArray[Any], horizon: float) -> Numbers:
        """Return the means (n,) of min(time, horizon), the areas under S until then.

        An interval of width w adds S w (1 - p^f) / -log p, with S at its begin and f the part of it until the horizon.
        """
        p, (part,) = np.asarray(p, np.float64), self.passed(np.array([horizon]))
        before = self._before(p)
        rate = -np.log(np.maximum(p, np.finfo(p.dtype).tiny))
        with np.errstate(invalid="ignore"):
            area = np.where(rate > 0, -np.expm1(-rate * part) / rate, part)
        rest = before[:, -1] * p[:, -1] * max(0.0, horizon - self.knots[-1])
        return np.asarray((before * self.widths * area).sum(1) + rest)

    def _before(self, p: NDArray[Any]) -> Numbers:
        """Return S at the begin of each interval (n, K)."""
        found = np.ones(p.shape)
        np.cumprod(p[:, :-1], 1, np.float64, out=found[:, 1:])
        return found

    @staticmethod
    def came_by(y: Numbers, time: float) -> tuple[float, float]:
        """Return the share of rows whose event came by a time, 1 - S, and how many uncensored rows would say as much.

        S is the product over the times of events of 1 - events / rows that were still there, of Kaplan and Meier; the
        number is S (1 - S) over its variance by Greenwood.  y: times and events (n, 2).
        Source: Kaplan, Meier, Nonparametric estimation from incomplete observations, 1958.
        """
        at, events = np.unique(y[(y[:, 1] > 0) & (y[:, 0] <= time), 0], return_counts=True)
        there = len(y) - np.searchsorted(np.sort(y[:, 0]), at)
        survival = float(np.prod(1 - events / there))
        if not 0 < survival < 1:
            return 1 - survival, max(1.0, float(events.sum() + (y[:, 0] >= time).sum()))
        return 1 - survival, float((1 - survival) / survival / np.sum(events / (there * (there - events))))

    @staticmethod
    def concordance(y: Numbers, later: Numbers, weight: Numbers | None = None) -> float:
        """Return Harrell's c: of the pairs whose order is known, the share whose order is predicted; ties count half.

        The order of two rows is known if the earlier of their times is that of an event, and at the same time if one of
        them has the event and the other has not.

        y: times and events (n, 2).  later: (n,) the larger, the later the event is predicted.
        weight: (n,) a pair counts by the product of its two.  Raises DataError without such a pair.
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
                sums[-1] - sums[np.searchsorted(later[second], later[first], side)]
                for side in ("left", "right")
            ]
            across = np.array([sums[-1] * weight[first].sum(), weight[first] @ (beyond[0] + beyond[1]) / 2])
            return across + count(low, cut) + count(cut, high)

        pairs, right = count(0, len(y))
        if not pairs:
            raise DataError(
                "no two rows of y have a known order, so there is nothing to score; pass rows with events."
            )
        return float(right / pairs)


def checked_knots(knots: Any) -> tuple[float, ...]:
    """Return knots that are given. Raises ConfigError unless they rise from above 0."""
    try:
        found = np.asarray(knots, np.float64)
    except (TypeError, ValueError):
        found = np.zeros(1)
    if (
        found.ndim != 1
        or not len(found)
        or not (np.isfinite(found).all() and (np.diff(found, prepend=0.0) > 0).all())
    ):
        raise ConfigError(
            f"knots must be a number of intervals, or their ends: finite times that rise from above 0, not "
            f"{knots!r:.60}."
        )
    return tuple(found.tolist())
