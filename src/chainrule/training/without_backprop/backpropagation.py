"""Backpropagation: the baseline of the others."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chainrule.training.without_backprop.base import Estimator
from chainrule.training.without_backprop.landscape import Landscape


@dataclass(frozen=True)
class Backpropagation(Estimator):
    """The gradient itself, by the chain rule: dL/dx, all P numbers in one walk forward and one back.

    cost: 1 walk forward and a walk back worth at most 2, whatever P.  bias: none.  variance: the batch's only.
    `Model.fit` hands it to the engine, as it does where no method is named.
    Source: Rumelhart, Hinton, Williams, "Learning representations by back-propagating errors", Nature 1986.
    """

    kind = "backpropagation"

    def estimate(self, here: Landscape) -> NDArray[np.float64]:
        """dL/dx"""
        return here.walk_back()
