"""The loss of predictions of rows held out: what recipes are compared and weighted by."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.data.samples import TargetScale
from chainrule.errors import ConfigError
from chainrule.formulas.losses import Loss, Poisson

LEAST = 1e-30
"""The least probability, or mean of counts, whose logarithm is taken."""


class Judge(NamedTuple):
    """The targets of rows held out.

    Of labels the loss is the mean over the rows of -log p of the truth, summed over the labels of a row; of numbers
    that of the estimator's own loss, of standardized targets where the network has these.
    """

    y: NDArray[Any]
    """(n,) class numbers, or (n, outputs) as in `Samples`"""
    weight: NDArray[np.float64]
    """(n,)"""
    loss: Loss | None = None
    """the loss for numbers; None for labels"""
    scale: TargetScale | None = None
    """of the targets, for numbers"""

    def truth(self, predicted: NDArray[Any]) -> NDArray[np.float64]:
        """Return what `mean_loss` needs of predictions (n, outputs): of labels the probability of the true one."""
        predicted = np.asarray(predicted, np.float64)
        if self.loss is not None:
            return predicted
        if self.y.ndim == 1:
            return np.asarray(predicted[np.arange(len(self.y)), self.y][:, None])
        return np.where(self.y > 0.5, predicted, 1 - predicted)

    def mean_loss(self, truth: NDArray[np.float64]) -> float:
        """Return the weighted mean loss of what `truth` returned, or of a mean of several of these."""
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
            f"preset='best' compares predictions, and cannot tell the outputs of {type(loss).__name__} from its own; "
            "use preset='fast'."
        )
    return predicted
