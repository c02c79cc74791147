"""The regressor."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from numbers import Real
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.base import RegressorMixin
from sklearn.metrics import r2_score
from sklearn.utils import check_array, column_or_1d
from sklearn.utils.validation import check_consistent_length

from chainrule.data.samples import Samples
from chainrule.errors import ConfigError, DataError
from chainrule.estimators.base import MLPEstimator
from chainrule.estimators.constraints import SHARED, Interval, StrOptions
from chainrule.estimators.continuing import check_outputs
from chainrule.estimators.documentation import documented
from chainrule.estimators.settings import FitSettings
from chainrule.estimators.tables.target import as_written
from chainrule.formulas.losses import Huber, Loss, MeanAbsoluteError, MeanSquaredError, Poisson, Quantile
from chainrule.formulas.metrics import r2

LOSSES: dict[str, Loss | None] = {
    "squared_error": MeanSquaredError(half=True),
    "poisson": Poisson(),
    "huber": Huber(),
    "absolute_error": MeanAbsoluteError(),
    "quantile": None,
}
"""The losses by name, the first two scikit-learn's; "quantile" has settings."""


def as_numbers(y: Any, *, quietly: bool = False) -> NDArray[np.float64]:
    """Return targets as float64, text with a unit such as "29.85 €" too. Raises DataError for others than numbers.

    quietly: without a hint at the unit.
    """
    try:
        return np.asarray(y, np.float64)
    except (TypeError, ValueError) as error:
        if (read := as_written(y, quietly=quietly)) is not None:
            return read
        raise DataError(
            f"y must be numbers (n,) or (n, outputs) to predict ({error}); use MLPClassifier for labels."
        ) from error


def as_loss(loss: Any, quantiles: Any) -> Loss:
    """Return a loss from its name or itself. Raises ConfigError for one that is not for numbers."""
    if isinstance(loss, Loss) and loss.targets not in ("real", "counts"):
        raise ConfigError(
            f"loss must be one for numbers, such as Huber(), not {type(loss).__name__}; use MLPClassifier for labels."
        )
    if isinstance(loss, str) and loss == "quantile":
        return Quantile(tuple(quantiles) if hasattr(quantiles, "__iter__") else float(quantiles))
    known = LOSSES[loss] if isinstance(loss, str) else loss
    assert known is not None
    return known


@documented
@dataclass(eq=False, repr=False)
class MLPRegressor(RegressorMixin, MLPEstimator):  # type: ignore[misc]
    """A fully connected network that predicts numbers, with scikit-learn's interface.

        regressor = MLPRegressor(hidden_layer_sizes=(64, 64), random_state=0).fit(X, y)
        regressor.predict(X), regressor.score(X, y), regressor.model_.attribute(X[:2])

    Every parameter of scikit-learn's class of this name has its meaning and its default here, and the same random_state
    gives the same start, the same orders and so the same curve. y: (n,) numbers, or (n, outputs).

    Fitted, it has coefs_, intercepts_, n_iter_, loss_, best_loss_, loss_curve_, validation_scores_,
    best_validation_score_, t_, n_layers_, n_outputs_, out_activation_, n_features_in_ and feature_names_in_ as there,
    and validation_loss_curve_, n_iter_refit_ (see refit) and model_, the `Model` beneath, whose methods explain it.

    loss: "squared_error" (half of it) or "poisson" (half the deviance, with exp(output) as the prediction) as there,
        "huber", "absolute_error" or "quantile", or a loss of the package such as Huber(delta=2.0).
    quantiles: the quantiles that loss="quantile" predicts, a number, or several for as many columns.
    """

    loss: Any = "squared_error"
    hidden_layer_sizes: Any = (100,)
    activation: Any = "relu"
    _: KW_ONLY
    quantiles: Any = 0.5

    _parameter_constraints: ClassVar[dict[str, Any]] = SHARED | {
        "loss": [StrOptions(set(LOSSES)), Loss],
        "quantiles": [Interval(Real, 0, 1, closed="neither"), "array-like"],
    }

    def _check_y(self, X: Any, y: Any, weight: Any, incremental: bool, reset: bool) -> tuple[Any, Any]:
        if y is not None and np.asarray(y).dtype.kind in "OUST":
            y = as_numbers(y)
        X, y = self._validated(X, y, weight, reset, y_numeric=True)
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        y = self._encode(y)
        if not reset and "model_" in self.__dict__:
            check_outputs(self, y.shape[1])
        self.n_outputs_ = y.shape[1]
        loss = as_loss(self.loss, self.quantiles)
        self.out_activation_ = "exp" if isinstance(loss, Poisson) else "identity"
        return X, y

    def _encode(self, y: Any) -> NDArray[Any]:
        y = as_numbers(y)
        if isinstance(as_loss(self.loss, self.quantiles), Poisson) and (y < 0).any():
            raise DataError(
                f"y of the loss 'poisson' must be at least 0, not {y.min():g}; use 'squared_error'."
            )
        columns: NDArray[np.float64] = y.reshape(len(y), -1)
        if self._quantiles() == 1:
            return columns
        if columns.shape[1] > 1:
            raise DataError(
                f"several quantiles are of one output, not of the {columns.shape[1]} of y; fit one estimator for each."
            )
        return np.repeat(columns, self._quantiles(), 1)

    def _check_val_y(self, X: Any, y: Any) -> Any:
        if np.asarray(y).dtype.kind in "OUT":
            y = as_numbers(y, quietly=True)
        y = check_array(y, ensure_2d=False, dtype="numeric")
        check_consistent_length(X, y)
        return y

    @property
    def _task(self) -> str:
        return "regression"

    def _loss(self, settings: FitSettings) -> Loss:
        return as_loss(settings.loss, settings.quantiles)

    def _quantiles(self) -> int:
        """Return how many quantiles are predicted of each sample; 1 for another loss."""
        loss = as_loss(self.loss, self.quantiles)
        return len(loss.q) if isinstance(loss, Quantile) and isinstance(loss.q, tuple) else 1

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return R2 of the prediction, or of the middle one of several quantiles."""
        predicted = self.predict(X)
        if y is not None and np.asarray(y).dtype.kind in "OUT":
            y = as_numbers(y, quietly=True)
        if self._quantiles() > 1:
            predicted = predicted[:, self._middle()]
        return float(r2_score(y, predicted, sample_weight=sample_weight))

    def _middle(self) -> int:
        """Return the number of the quantile next to the median."""
        loss = as_loss(self.loss, self.quantiles)
        assert isinstance(loss, Quantile)
        return int(np.abs(np.asarray(loss.q) - 0.5).argmin())

    def _score(self, out: NDArray[Any], samples: Samples) -> float:
        weight = None if (samples.weight == 1).all() else samples.weight
        y, predicted = samples.y, self.model_.network.loss.predict(out)
        if self._quantiles() > 1:
            y, predicted = y[:, :1], predicted[:, self._middle()][:, None]
        return r2(y, predicted, weight)

    def predict(self, X: Any) -> NDArray[Any]:
        """Predict numbers (n,), or (n, outputs) for several outputs."""
        found = self._predicted(X)
        return found[:, 0] if found.shape[1] == 1 else found
