"""Central differences: each parameter is shifted up and down by a small step."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chainrule.core.settings import number_settings
from chainrule.training.without_backprop.base import Estimator
from chainrule.training.without_backprop.forward_differences import shifted_losses, width
from chainrule.training.without_backprop.landscape import Landscape


@dataclass(frozen=True)
class CentralDifferences(Estimator):
    """Central differences: the numerical gradient from both sides.

    g_i = (L(x + h_i e_i) - L(x - h_i e_i)) / 2 h_i          h_i = h max(1, |x_i|)

    cost: 2P forward passes, and one at x for the recorded loss.  bias: h_i^2/6 d3L/dx_i^3, and rounding of about
    1e-16 L/h_i; h = 6e-6, the cube root of float64's precision, makes both about 1e-11.  variance: only the batch's.
    A kink (ReLU's) within h_i of x_i gives the mean of its two slopes.
    Source: Nocedal, Wright, Numerical Optimization, 2nd ed., section 8.1.
    """

    kind = "central_differences"
    h: float = 6e-6

    def __post_init__(self) -> None:
        """Check that h is a positive number."""
        number_settings(self, "h", above=0)

    def estimate(self, here: Landscape) -> NDArray[np.float64]:
        """(L(x + h_i e_i) - L(x - h_i e_i)) / 2 h_i"""
        x = here.x
        high, low = shifted_losses(here, x, self.h), shifted_losses(here, x, -self.h)
        return (high - low) / (width(x, self.h) - width(x, -self.h))
