"""The loss of predictions for held-out rows, by which recipes are compared and weighted."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.data.samples import TargetScale, measure_targets
from chainrule.errors import ConfigError
from chainrule.estimators.fit.data import FitData
from chainrule.estimators.parameters import Parameters, values_of
from chainrule.formulas.losses import Loss, Poisson

LEAST = 1e-30
"""The smallest probability, or mean of counts, whose logarithm is computed; smaller ones are replaced by it."""


class Judge(NamedTuple):
    """The targets of held-out rows.

    For labels the loss is the mean over the rows of -log p of the truth, summed over the labels of a row; for numbers
    that of the estimator's loss, on standardized targets if the network uses them.
    """

    y: NDArray[Any]
    """(n,) class indices, or (n, outputs) as in `Samples`"""
    weight: NDArray[np.float64]
    """(n,)"""
    loss: Loss | None = None
    """the loss for numbers; None for labels"""
    scale: TargetScale | None = None
    """of the targets, for numbers"""

    def truth(self, predicted: NDArray[Any]) -> NDArray[np.float64]:
        """Return what `mean_loss` takes of predictions (n, outputs): for labels the probability of the true one."""
        predicted = np.asarray(predicted, np.float64)
        if self.loss is not None:
            return predicted
        if self.y.ndim == 1:
            return np.asarray(predicted[np.arange(len(self.y)), self.y][:, None])
        return np.where(self.y > 0.5, predicted, 1 - predicted)

    def mean_loss(self, truth: NDArray[np.float64]) -> float:
        """Return the weighted mean loss. truth: a result of `truth`, or the mean of several."""
        if self.loss is None:
            losses = -np.log(np.maximum(truth, LEAST)).sum(1)
        else:
            y = self.y
            if self.scale is not None:
                truth, y = self.scale.standardize(truth), self.scale.standardize(y)
            with np.errstate(over="ignore", invalid="ignore"):
                losses = self.loss.value(as_outputs(self.loss, truth), y)
        return float(self.weight @ losses / self.weight.sum())


def as_outputs(loss: Loss, predicted: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the outputs whose predictions these are. Raises ConfigError for a custom loss with a prediction."""
    if isinstance(loss, Poisson):
        return np.log(np.maximum(predicted, LEAST))
    if type(loss).predict is not Loss.predict:
        raise ConfigError(
            f"preset='best' compares predictions, from which it cannot compute the outputs of {type(loss).__name__}; "
            "use preset='fast'."
        )
    return predicted


def judge_of(
    estimator: Parameters,
    data: FitData,
    judged: NDArray[Any],
    judged_weight: NDArray[np.float64],
    rows: NDArray[np.int64] | None,
) -> Judge:
    """Return the judge of some rows of the targets, or of all for None."""
    y, of_rows = (judged, judged_weight) if rows is None else (judged[rows], judged_weight[rows])
    if not of_rows.any():
        of_rows = np.ones(len(y))
    if data.targets.task != "regression":
        return Judge(y, of_rows)
    loss, columns = data.targets.loss(values_of(estimator)), data.samples.y
    scale = measure_targets(columns, data.samples.weight) if loss.targets == "real" else None
    return Judge(y.reshape(len(y), columns.shape[1]), of_rows, loss, scale)


def joined(judges: list[Judge]) -> Judge:
    """Concatenate judges over all their rows."""
    return judges[0]._replace(
        y=np.concatenate([judge.y for judge in judges]),
        weight=np.concatenate([judge.weight for judge in judges]),
    )
