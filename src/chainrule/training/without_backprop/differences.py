"""Numerical gradients: each parameter is shifted by a small step, up, or up and down."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chainrule.core.settings import number_settings
from chainrule.training.without_backprop.base import Estimator
from chainrule.training.without_backprop.landscape import Landscape

MAX_NUMBERS = 1 << 20
"""The maximum numbers in the points computed at a time, because all P points have P^2."""


@dataclass(frozen=True)
class ForwardDifferences(Estimator):
    """Forward differences: the numerical gradient from one side.

    g_i = (L(x + h_i e_i) - L(x)) / h_i          h_i = h max(1, |x_i|)

    cost: P + 1 forward passes.  bias: h_i/2 d2L/dx_i^2, and rounding of about 1e-16 L/h_i; h = 1.5e-8, the square root
    of float64's precision, makes both about 1e-8.  variance: only the batch's.
    Source: Nocedal, Wright, Numerical Optimization, 2nd ed., section 8.1.
    """

    kind = "forward_differences"
    h: float = 1.5e-8

    def __post_init__(self) -> None:
        """Check that h is a positive number."""
        number_settings(self, "h", above=0)

    def estimate(self, here: Landscape) -> NDArray[np.float64]:
        """(L(x + h_i e_i) - L(x)) / h_i"""
        x = here.x
        high = shifted_losses(here, x, self.h)
        return (high - here.value) / width(x, self.h)


def width(x: NDArray[np.float64], h: float) -> NDArray[np.float64]:
    """Return the steps h_i (P,) as rounded in floating point: (x + h_i) - x."""
    return (x + h * np.maximum(1.0, np.abs(x))) - x


def shifted_losses(here: Landscape, x: NDArray[np.float64], h: float) -> NDArray[np.float64]:
    """Compute L(x + h_i e_i) for each i: (P,)."""
    shift, found = width(x, h), np.empty(len(x))
    many = max(1, MAX_NUMBERS // len(x))
    for start in range(0, len(x), many):
        which = np.arange(start, min(start + many, len(x)))
        points = np.repeat(x[None], len(which), 0)  # (many, P)
        points[np.arange(len(which)), which] += shift[which]
        found[which] = here.losses(points)
    return found


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
