"""Numeric targets: their loss, how they are read, and predictions from outputs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_array
from sklearn.utils.validation import check_consistent_length

from chainrule.core import hints
from chainrule.data.checks import check_amounts
from chainrule.data.samples import Samples
from chainrule.errors import ConfigError, DataError
from chainrule.formulas.losses import LOSSES as LOSS_KINDS
from chainrule.formulas.losses import (
    Huber,
    LogLink,
    Loss,
    MeanAbsoluteError,
    MeanSquaredError,
    Quantile,
    loss_of,
)
from chainrule.formulas.metrics import r2
from chainrule.tables.labels import Labels
from chainrule.tables.relevance import Relevances
from chainrule.tables.rows import check_column, check_finite, check_no_moments, check_there, no_numbers
from chainrule.tables.target import as_written
from chainrule.tables.times import Times

MEDIAN = 0.5
"""The quantile that is predicted with the loss "quantile" unless others are given."""
LOSSES: dict[str, Loss | None] = {
    "squared_error": MeanSquaredError(half=True),
    "huber": Huber(),
    "absolute_error": MeanAbsoluteError(),
    "quantile": None,
    **{kind: loss() for kind, loss in LOSS_KINDS.items() if issubclass(loss, LogLink)},
}
"""The losses by name, "squared_error" and "poisson" scikit-learn's; "quantile" has settings."""


def as_numbers(y: Any, *, quietly: bool = False) -> NDArray[np.float64]:
    """Return targets as float64, also from text with a unit such as "29.85 €". Raises DataError unless numeric.

    quietly: without a hint about the unit.
    """
    try:
        return np.asarray(y, np.float64)
    except (TypeError, ValueError) as error:
        cells = np.asarray(y, object)
        if cells.ndim == 2:
            return np.stack([as_numbers(each.tolist(), quietly=quietly) for each in cells.T], 1)
        if (read := as_written(y, quietly=quietly)) is not None:
            return read
        raise DataError(f"y must be numbers (n,) or (n, outputs) to predict, {no_numbers(y)}.") from error


def as_loss(loss: Any, quantiles: Any) -> Loss:
    """Return a loss from its name or itself. Raises ConfigError for one that is not for numbers."""
    if isinstance(loss, Loss) and loss.targets in ("binary", "classes", "survived", "ranked"):
        raise ConfigError(
            f"loss must be one for numbers, such as Huber(), not {type(loss).__name__}; use MLPClassifier for labels, "
            "and MLPSurvival for times to an event."
        )
    if isinstance(loss, str) and loss == "quantile":
        return Quantile(tuple(quantiles) if hasattr(quantiles, "__iter__") else float(quantiles))
    known = LOSSES[loss] if isinstance(loss, str) else loss_of(loss)
    if not isinstance(known, Loss):
        raise ConfigError(
            f"loss must be a loss, such as Huber(), or a function, not the class {known!r:.60}; call it."
        )
    return known


@dataclass(frozen=True)
class NumericTargets:
    """Numeric targets, one or several per sample."""

    columns: int
    """the numbers per sample, or the quantiles of one"""
    own_loss: Loss
    """that of the estimator's parameters"""

    rules: ClassVar[Mapping[str, Any]] = {"y_numeric": True}

    # --- learned from y ---------------------------------------------------------------------------------------------

    @staticmethod
    def read(y: object, *, is_new: bool = False) -> object:
        """Return numbers, of text with a unit too; others than text as they are. is_new: only labels depend on it.

        Raises DataError for dates, complex numbers, and where a number is missing or infinite.
        """
        check_column(y)
        check_no_moments(y)
        kind = "" if y is None else np.asarray(y).dtype.kind
        if kind == "c":
            raise DataError(
                "Complex data not supported: y is complex; predict two columns, numpy.c_[y.real, y.imag]."
            )
        check_there(y)
        numbers = as_numbers(y) if kind and kind in "OUST" else y
        check_there(numbers)
        check_finite(numbers)
        return numbers

    @classmethod
    def learn(cls, y: NDArray[Any], parameters: Mapping[str, Any]) -> Self:
        """Return the targets of the numbers y."""
        loss = as_loss(parameters["loss"], quantiles := parameters["quantiles"])
        if not isinstance(loss, Quantile) and (np.ndim(quantiles) or quantiles != MEDIAN):
            hints.give(
                f"quantiles={quantiles!r} changes nothing without loss='quantile'; pass that too, or omit it."
            )
        return cls(quantiles_of(loss) if quantiles_of(loss) > 1 else y.reshape(len(y), -1).shape[1], loss)

    def class_weights(self, parameters: Mapping[str, Any], y: NDArray[Any]) -> None:
        """Return None: numbers have no classes."""

    def stratify(self, y: NDArray[Any], is_table: bool) -> None:
        """Return None: a split keeps nothing in proportion."""

    def check_again(self, y: NDArray[Any], warm_start: bool) -> None:
        """Check that targets have the outputs of the network that is trained on."""
        outputs = self.encode(y).shape[1]
        if outputs != self.outputs:
            raise DataError(
                f"y has {outputs} outputs but the network was trained on {self.outputs}; pass the same "
                "columns."
            )

    def check_validation(self, X: Any, y: Any) -> Any:
        """Return the checked numbers of samples X for validation."""
        check_there(y, "y_val")
        if np.asarray(y).dtype.kind in "OUT":
            y = as_numbers(y, quietly=True)
            check_there(y, "y_val")
        check_finite(y, "y_val")
        y = check_array(y, ensure_2d=False, dtype="numeric")
        check_consistent_length(X, y)
        return y

    # --- what they are ----------------------------------------------------------------------------------------------

    @property
    def task(self) -> str:
        """What is predicted."""
        return "regression"

    @property
    def outputs(self) -> int:
        """The number of outputs of the network."""
        return self.columns

    @property
    def model_classes(self) -> None:
        """None: the model beneath predicts no labels."""

    @property
    def out_activation(self) -> str:
        """What makes means of the outputs."""
        return "exp" if isinstance(self.own_loss, LogLink) else "identity"

    @property
    def q(self) -> tuple[float, ...]:
        """The quantiles that are predicted of each sample; () unless there are several."""
        own = self.own_loss.q if isinstance(self.own_loss, Quantile) else ()
        return own if isinstance(own, tuple) and len(own) > 1 else ()

    @property
    def middle(self) -> int | None:
        """The number of the quantile next to the median; None unless there are several."""
        if quantiles_of(self.own_loss) == 1:
            return None
        assert isinstance(self.own_loss, Quantile)
        return int(np.abs(np.asarray(self.own_loss.q) - 0.5).argmin())

    # --- in training ------------------------------------------------------------------------------------------------

    def encode(self, y: Any) -> NDArray[Any]:
        """Return y as in `Samples`: (n, outputs), a number once for each of several quantiles."""
        y = as_numbers(y)
        if y.size:
            check_amounts(float(y.min()), self.own_loss)
        columns: NDArray[np.float64] = y.reshape(len(y), -1)
        count = quantiles_of(self.own_loss)
        if count == 1:
            return columns
        if columns.shape[1] > 1:
            raise DataError(
                f"several quantiles need one output, not the {columns.shape[1]} of y; fit one estimator for "
                "each."
            )
        return np.repeat(columns, count, 1)

    def as_given(self, y: NDArray[Any]) -> Any:
        """Return encoded numbers as the user gave them."""
        return y[:, 0] if y.ndim == 2 and y.shape[1] == 1 else y

    def loss(self, parameters: Mapping[str, Any]) -> Loss:
        """Return the loss that the parameters name or are."""
        return as_loss(parameters["loss"], parameters["quantiles"])

    def score(self, loss: Loss, out: NDArray[Any], samples: Samples) -> float:
        """Return R2 of outputs (n, outputs), or of the middle one of several quantiles."""
        weight = None if (samples.weight == 1).all() else samples.weight
        y, predicted = samples.y, loss.predict(out)
        if self.middle is not None:
            y, predicted = y[:, :1], predicted[:, self.middle][:, None]
        return r2(y, predicted, weight)

    # --- in use -----------------------------------------------------------------------------------------------------

    def r2(self, predicted: NDArray[Any], y: object, sample_weight: object = None) -> float:
        """Return R2 of the result of `predictions`, or of the middle of several quantiles. y: as it was given."""
        from sklearn.metrics import r2_score

        if y is not None and np.asarray(y).dtype.kind in "OUT":
            y = as_numbers(y, quietly=True)
        chosen = predicted if self.middle is None else predicted[:, self.middle]
        return float(r2_score(y, chosen, sample_weight=sample_weight))

    def uncrossed(self, predicted: NDArray[Any]) -> NDArray[Any]:
        """Return predictions (n, outputs) with several quantiles in order: sorted, so that a larger q has no less.

        Sorting makes the pinball loss of no row larger.
        Source: Chernozhukov, Fernandez-Val, Galichon, "Quantile and probability curves without crossing" (2010).
        """
        if self.middle is None:
            return predicted
        assert isinstance(self.own_loss, Quantile)
        order = np.argsort(self.own_loss.q, kind="stable")
        if (np.diff(predicted[:, order], axis=1) >= 0).all():
            return predicted
        found = np.empty_like(predicted)
        found[:, order] = np.sort(predicted, 1)
        return found

    def predictions(self, predicted: NDArray[Any]) -> NDArray[Any]:
        """Return numbers (n,), or (n, outputs) of several outputs."""
        return predicted[:, 0] if predicted.shape[1] == 1 else predicted


def quantiles_of(loss: Loss) -> int:
    """Return how many quantiles are predicted of each sample; 1 for another loss."""
    return len(loss.q) if isinstance(loss, Quantile) and isinstance(loss.q, tuple) else 1


Targets = Labels | NumericTargets | Times | Relevances
"""The kinds of targets. All learn from y, encode y, define loss and score, and convert outputs to predictions."""
