"""The estimator of times to an event."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.validation import check_consistent_length

from chainrule.core.settings import check_number
from chainrule.errors import ConfigError, DataError
from chainrule.estimators.base import MLPEstimator
from chainrule.fitting.held import FittedAttribute
from chainrule.fitting.parameters import COUNT, activation, documented, hidden_layer_sizes, parameter
from chainrule.fitting.prepare import FitRequest
from chainrule.fitting.result import FitResult
from chainrule.formulas.metrics import evaluate
from chainrule.formulas.survival import concordance, kaplan_meier
from chainrule.presets import PRESETS
from chainrule.tables.data import FitInput
from chainrule.tables.rows import as_weights
from chainrule.tables.structure import Table
from chainrule.tables.times import After, Times, read_times
from chainrule.trust.reliability import BINS, Reliability, compared

if TYPE_CHECKING:
    from chainrule.explain.reasons import Reasons


def times_of(result: FitResult) -> Times:
    """Return the targets of a fit to times."""
    assert isinstance(result.targets, Times)
    return result.targets


def came_by(y: NDArray[np.float64], time: float) -> tuple[float, float]:
    """Return the share of rows whose event came by a time, 1 - S, and how many uncensored rows would say as much.

    S is the estimate of Kaplan and Meier, the number S (1 - S) over its variance by Greenwood.
    y: times and events (n, 2).
    """
    known = kaplan_meier(y)
    survival, count = float(known(np.array(time))), int(np.searchsorted(known.times, time, "right"))
    events, there = known.events[:count], known.there[:count]
    if not 0 < survival < 1:
        return 1 - survival, max(1.0, float(events.sum() + (y[:, 0] >= time).sum()))
    return 1 - survival, float((1 - survival) / survival / np.sum(events / (there * (there - events))))


@documented
@dataclass(eq=False, repr=False)
class MLPSurvival(MLPEstimator):
    """A fully connected network that predicts when an event comes, also from rows whose event is not yet seen.

        net = MLPSurvival(preprocess="auto", random_state=0).fit(X, y)  # y: (event, time), as in scikit-survival
        net.predict_survival(X_new, [30, 90, 365])  # the probability that the event comes later, (n, 3)
        net.predict(X_new), net.predict_mean(X_new, 365), net.score(X_test, y_test)

    Time is divided into intervals at quantiles of the times of events, `knots_`, and each has an output of the network:
    the probability to survive it, of those who reach it. S(t) is the product of these until t, and its hazard is
    constant within an interval. No order of the risks is the same at all times, as in a proportional hazards model.

    y: an array with two fields (event, time), as `Surv.from_arrays` of scikit-survival makes, a data frame of two
    columns, or an array (n, 2) (time, event). event: True or 1 where the event came at that time, False or 0 where the
    row was last seen then, without it (censored). Times are at least 0, in any unit, which predictions have too.
    What censors a row must say nothing of its event beyond what the columns of X say.

    After fit it has `knots_`, and the attributes of an `MLPRegressor` of several outputs; coefs_ and so on are those of
    the network. `graph`, `export` and `importance` are of the probability to survive each interval.
    Source: Gensheimer, Narasimhan, A scalable discrete-time survival model for neural networks, PeerJ 7:e6257 (2019).
    """

    hidden_layer_sizes: Any = hidden_layer_sizes()
    activation: Any = activation()
    _: KW_ONLY
    knots: Any = parameter(
        None,
        [COUNT, "array-like", None],
        "the number of intervals, which have equally many events each, or the times at which they end; None for one "
        "for 20 events, from 5 to 20.",
        "network",
    )
    preset: str | None = parameter(
        None,
        [StrOptions(set(PRESETS)), None],
        'the network and the training for tables by name, as of the other estimators; not "additive" and "best".',
        "hidden layers",
    )
    scoring: Any = parameter(
        None,
        [StrOptions({"loss"}), None],
        'the score for early stopping: the log-likelihood, for None and "loss".',
        "whole fit",
    )

    target_type = Times

    knots_ = FittedAttribute[NDArray[np.float64]](lambda result: np.array(times_of(result).knots))
    """the end of each interval, in the unit of y; the first begins at 0"""

    def predict(self, X: Table, *, precision: str | None = None) -> NDArray[np.float64]:
        """Predict the median time (n,), at which S is 1/2; infinity where S stays above 1/2 until the last event of y.

        precision: "bf16" for matrix products of bfloat16, "int8" of 8-bit integers, as in `Model.predict`; None for the
        networks' own.
        """
        found: NDArray[np.float64] = self._predictions(X, precision)
        return found

    def predict_survival(self, X: Table, times: Any, *, precision: str | None = None) -> NDArray[np.float64]:
        """Predict S (n, times): the probability that the event comes later than each of these times.

        times: (m,) in the unit of y, at least 0; `knots_` are those at which nothing is interpolated. After the last
        knot, at the last event of the training rows, S stays as it is there.  precision: as in `predict`.
        """
        return times_of(self._fitted).survival(self._predicted(X, precision), times)

    def predict_mean(
        self, X: Table, horizon: float | None = None, *, precision: str | None = None
    ) -> NDArray[np.float64]:
        """Predict the restricted mean time (n,): that of min(time, horizon), the area under S until the horizon.

        horizon: a time above 0, in the unit of y; None for the last of `knots_`.  precision: as in `predict`.
        """
        own = times_of(self._fitted)
        end = own.knots[-1] if horizon is None else check_number(horizon, "horizon", above=0)
        return own.restricted_mean(self._predicted(X, precision), end)

    def score(self, X: Table, y: object, sample_weight: object = None) -> float:
        """Return Harrell's concordance index c: the share of pairs whose order in time is predicted.

        A pair counts if its order is known: the earlier of the times is that of an event. 1 is perfect, 1/2 is chance.
        The order is that of the restricted means until the last knot, which are finite where medians are not.
        sample_weight: (n,), of which a pair has the product.  Raises DataError where no order is known.
        """
        later, seen = self.predict_mean(X), read_times(y)
        check_consistent_length(later, seen)
        weight = None if sample_weight is None else np.broadcast_to(as_weights(sample_weight), len(later))
        if np.isnan(found := concordance(seen, later, weight)):
            raise DataError(
                "no two rows of y have a known order, so there is nothing to score; pass rows with events."
            )
        return found

    def evaluate(self, X: Table, y: object, *, precision: str | None = None) -> dict[str, float]:
        """Return how good the curves of rows are, which the estimator has not learned from.

            net.evaluate(X_test, y_test)  # {"concordance": ..., "integrated_brier": ..., "d_calibration": ...}

        concordance: as `score`; integrated_brier: the mean squared error of S, the less the better, at times from the
        5th to the 95th percentile of those of events; d_calibration: the probability of curves as uneven as these if
        they are right. `chainrule.formulas.survival` has the formulas and sources. NaN where there is none, as without
        events.  precision: as in `predict`.
        """
        p, seen = self._predicted(X, precision), read_times(y)
        check_consistent_length(p, seen)
        own = times_of(self._fitted)
        return evaluate("survival", seen, seen, own.said(p, seen))

    def reliability(self, X: Table, y: object, time: float, *, bins: int = BINS) -> Reliability:
        """Compare the predicted probability that the event came by a time with how often it did: with a diagram.

            print(net.reliability(X_test, y_test, 365)); net.reliability(X_test, y_test, 365).figure()

        X, y: rows that the network has not learned from.  time: above 0, in the unit of y.
        bins: the most bins, of equal counts of rows.
        The observed share of a bin is 1 less the estimate of Kaplan and Meier at that time, because some of its rows
        were last seen earlier. Its interval is that of as many rows as say as much without censoring.
        Raises DataError without a row.
        """
        at = check_number(time, "time", above=0)
        came, seen = 1 - self.predict_survival(X, [at])[:, 0], read_times(y)
        check_consistent_length(came, seen)
        return compared(came, lambda part: came_by(seen[part], at), f"≤ {at:g}", bins)

    def explain(
        self,
        X: object,
        *,
        time: float | None = None,
        target: object = None,
        output: str | None = None,
        reference: object = None,
    ) -> Reasons:
        """Say what each column of a table adds to S at a time, the probability that the event comes later.

            print(net.explain(X_new, time=365))

        time: above 0, in the unit of y; None with target, the index of an interval, for the probability to survive it.
        The rest is as of the other estimators, see `chainrule.MLPClassifier.explain`.
        """
        if time is not None:
            if target is not None:
                raise ConfigError("pass time, or the index of an interval as target, not both.")
            target = After(check_number(time, "time", above=0))
        return super().explain(X, target=target, output=output, reference=reference)

    def _make_request(self, given: FitInput, *others: Any) -> FitRequest:
        """Return what a fit is asked for, with times and events as numbers."""
        if given.y is None:
            return super()._make_request(given, *others)
        y_val = None if given.y_val is None else read_times(given.y_val, "y_val")
        return super()._make_request(given._replace(y=read_times(given.y), y_val=y_val), *others)
