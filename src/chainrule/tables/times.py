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

from chainrule.data.samples import Samples
from chainrule.errors import ConfigError, DataError, counted
from chainrule.formulas.losses import Loss, SurvivalCrossEntropy
from chainrule.formulas.survival import Numbers, PredictedSurvival, brier_times
from chainrule.tables.rows import check_finite, check_no_moments, check_there, in_rows

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
class After:
    """That the event comes after a time, whose probability is explained."""

    time: float


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

    def said(self, p: NDArray[Any], y: Numbers) -> PredictedSurvival:
        """Return what probabilities (n, K) say of rows with times and events (n, 2)."""
        at = brier_times(y)
        own = np.exp((self.passed(y[:, 0]) * np.log(np.maximum(p, np.finfo(np.float64).tiny))).sum(1))
        return PredictedSurvival(self.restricted_mean(p, self.knots[-1]), own, at, self.survival(p, at))

    def _before(self, p: NDArray[Any]) -> Numbers:
        """Return S at the begin of each interval (n, K)."""
        found = np.ones(p.shape)
        np.cumprod(p[:, :-1], 1, np.float64, out=found[:, 1:])
        return found


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
