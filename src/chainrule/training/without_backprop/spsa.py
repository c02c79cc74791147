"""SPSA: all parameters are shifted at once, each up or down at random, with two forward passes for any P."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chainrule.core.settings import count_settings, number_settings
from chainrule.training.without_backprop.base import Estimator
from chainrule.training.without_backprop.landscape import Landscape


@dataclass(frozen=True)
class SPSA(Estimator):
    """Simultaneous perturbation: a central difference along random signs.

    g = mean over `directions` of  (L(x + c d) - L(x - c d)) / 2c * d          d_i = +1 or -1, equally likely

    cost: 2 forward passes per direction, and one at x for the recorded loss.
    bias: of the order c^2, because E[d d^T] = I.  variance: E|g - dL/dx|^2 = (P - 1) |dL/dx|^2 / directions, so that
    with
    one direction the cosine between g and dL/dx has a root mean square of 1 / sqrt(P).
    Source: Spall, "Multivariate stochastic approximation using a simultaneous perturbation gradient approximation",
    IEEE Transactions on Automatic Control 37, 1992; without its gain sequences, because the optimizer has its own.
    """

    kind = "spsa"
    c: float = 1e-3
    directions: int = 1

    def __post_init__(self) -> None:
        """Check that c is a positive number, and directions a positive integer."""
        number_settings(self, "c", above=0)
        count_settings(self, "directions")

    def estimate(self, here: Landscape) -> NDArray[np.float64]:
        """(L(x + c d) - L(x - c d)) / 2c * d, averaged"""
        x = here.x
        d = 2.0 * here.rng.integers(0, 2, (self.directions, len(x))) - 1.0  # (directions, P)
        losses = here.losses(np.concatenate([x + self.c * d, x - self.c * d]))  # (2 directions,)
        high, low = np.split(losses, 2)
        g: NDArray[np.float64] = (high - low) / (2 * self.c * self.directions) @ d
        return g
