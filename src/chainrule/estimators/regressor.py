"""The regressor."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import RegressorMixin
from sklearn.utils._param_validation import Interval, StrOptions

from chainrule.bound.predictors import BoundRegressor
from chainrule.estimators.base import MLPEstimator
from chainrule.fitting import covering
from chainrule.fitting.parameters import activation, documented, hidden_layer_sizes, parameter
from chainrule.formulas.losses import LOSSES as LOSS_KINDS
from chainrule.formulas.losses import Loss
from chainrule.tables.exposure import Exposure, exposure_of, known_exposure, times_exposure, weight_of
from chainrule.tables.numbers import LOSSES, MEDIAN, NumericTargets
from chainrule.tables.structure import Table


@documented
@dataclass(eq=False, repr=False)
class MLPRegressor(RegressorMixin, MLPEstimator):  # type: ignore[misc]
    """A fully connected network that predicts numbers, with scikit-learn's interface.

        regressor = MLPRegressor(hidden_layer_sizes=(64, 64), random_state=0).fit(X, y)
        regressor.predict(X), regressor.score(X, y), regressor.model_.attribute(X[:2])

    Every parameter of scikit-learn's class of this name has the same meaning and default, and the same random_state
    gives the same initial weights, shuffles and so the same loss curve. y: (n,) numbers, or (n, outputs).

    After fit it has coefs_, intercepts_, n_iter_, loss_, best_loss_, loss_curve_, validation_scores_,
    best_validation_score_, t_, n_layers_, n_outputs_, out_activation_, n_features_in_ and feature_names_in_ as there,
    and validation_loss_curve_, n_iter_refit_ (see refit) and model_, the underlying `Model`, whose methods explain it.
    """

    loss: Any = parameter(
        "squared_error",
        [StrOptions(set(LOSSES)), Loss, callable],
        '"squared_error" (half of it) or "poisson" (half the deviance, with exp(output) as the prediction) as there, '
        'likewise "gamma" for amounts above 0 and "tweedie" where many are 0, "huber", "absolute_error" or "quantile", '
        "or a loss of the package such as Huber(delta=2.0) or Tweedie(power=1.7), or a function, see `LossFunction`.",
        "network",
        kinds=LOSS_KINDS,
    )
    hidden_layer_sizes: Any = hidden_layer_sizes()
    activation: Any = activation()
    _: KW_ONLY
    quantiles: Any = parameter(
        MEDIAN,
        [Interval(Real, 0, 1, closed="neither"), "array-like"],
        'the quantiles predicted with loss="quantile", a number, or several for as many columns.',
        "network",
    )

    target_type = NumericTargets

    def score(self, X: Any, y: Any, sample_weight: Any = None, *, exposure: Exposure | None = None) -> float:
        """Return R2 of the prediction, or of the middle one of several quantiles.

        exposure: as in `predict`; after a fit with one it has to be known. Raises ConfigError where it is not.
        """
        predicted, result = self._predictions(X), self._fitted
        targets, e = result.targets, known_exposure(X, exposure, result.exposure, len(predicted))
        assert isinstance(targets, NumericTargets)
        return targets.r2(times_exposure(predicted, e), y, sample_weight)

    def predict(
        self, X: Table, *, exposure: Exposure | None = None, precision: str | None = None
    ) -> NDArray[Any]:
        """Predict numbers (n,), or (n, outputs) for several outputs.

        exposure: after a fit with one, (n,) numbers by which rates are multiplied, one number, or the name of a column;
        None for the column of the fit, and where X does not have it, for the rates themselves.
        precision: "bf16" for matrix products of bfloat16, "int8" of 8-bit integers, as in `Model.predict`; None for the
        networks' own.
        """
        found: NDArray[Any] = self._predictions(X, precision)
        return times_exposure(found, exposure_of(X, exposure, self._fitted.exposure, len(found)))

    def bind(self, *, precision: str | None = None) -> BoundRegressor:
        """Return a snapshot that answers one raw row in microseconds: a mapping, or a sequence in column order.

        bound = regressor.bind()
        bound.predict({"rooms": 3, "city": None}), bound.predict_interval([3, None], 0.9)
        """
        return self._bind(BoundRegressor, precision)

    def predict_interval(
        self,
        X: Table,
        coverage: covering.Coverage = 0.9,
        *,
        by: str | int | None = None,
        exposure: Exposure | None = None,
        precision: str | None = None,
    ) -> NDArray[Any]:
        """Predict intervals [lower, upper] that contain y for a share `coverage` of rows.

            net = MLPRegressor(preprocess="auto").fit(X, y)
            lower, upper = net.predict_interval(X_new, 0.9).T

        Returns (n, 2), or (n, outputs, 2) where each output gets this coverage; for several quantiles (n, 2).
        coverage: between 0 and 1; or several, such as (0.5, 0.9), which are an axis before the last: (n, 2, 2). The
        intervals of a larger one contain those of a smaller one.
        by: the name or number of a column; each of its groups gets this coverage, by the held-out rows of the group.
        exposure, precision: as in `predict`.

        They are calibrated on the rows that the fit held out (early_stopping, X_val or a race), with no further fit,
        and wider where these had larger errors; docs/trust.md says what is guaranteed. They are infinite, with a
        warning, where there are fewer than coverage / (1 - coverage) such rows.
        Raises ConfigError where the fit held out no rows.
        """
        coverage = covering.check_coverages(coverage)
        result = self._fitted
        inputs, predicted = self._with_inputs(X, precision)
        e = exposure_of(X, exposure, result.exposure, len(predicted))
        if e is None:
            found = covering.intervals(result, inputs, predicted, coverage, by)
        else:
            assert isinstance(result.targets, NumericTargets)
            unit = np.sqrt(weight_of(e, result.targets.own_loss))
            found = covering.intervals(result, inputs, times_exposure(predicted, unit), coverage, by)
            found = times_exposure(found, e / unit)
        return found[:, 0] if found.shape[1] == 1 else found
