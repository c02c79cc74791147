"""Backpropagation: the baseline."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chainrule.training.without_backprop.base import Estimator
from chainrule.training.without_backprop.landscape import Landscape


@dataclass(frozen=True)
class Backpropagation(Estimator):
    """The gradient itself, by the chain rule: dL/dx, all P numbers in one forward and one backward pass.

    cost: 1 forward pass and a backward pass worth at most 2, for any P.  bias: none.  variance: only the batch's.
    `Model.fit` passes it to the engine, like a fit without a method.
    Source: Rumelhart, Hinton, Williams, "Learning representations by back-propagating errors", Nature 1986.
    """

    kind = "backpropagation"

    def estimate(self, here: Landscape) -> NDArray[np.float64]:
        """dL/dx"""
        return here.walk_back()
