"""Forward gradients: the exact slope along a random direction, times that direction."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chainrule.core.settings import count_settings
from chainrule.errors import ConfigError
from chainrule.network.network import Network
from chainrule.training.without_backprop.base import Estimator
from chainrule.training.without_backprop.landscape import Landscape


@dataclass(frozen=True)
class ForwardGradient(Estimator):
    """Forward gradients: one forward pass that carries derivatives along, and no backward pass.

    g = mean over `directions` of  (dL/dx . v) v          v ~ N(0, I)

    The slope dL/dx . v is exact: every layer's own derivative rule, applied in the forward pass (`Layer.tangent`).
    cost: 1 forward pass, and per direction one more at the cost of a backward pass; no cache for a backward pass.
    bias: none, because E[v v^T] = I.  variance: E|g - dL/dx|^2 = (P + 1) |dL/dx|^2 / directions, so that with one
    direction the cosine between g and dL/dx has a root mean square of 1 / sqrt(P).
    Raises ConfigError for a custom layer without a rule.
    Source: Baydin, Pearlmutter, Syme, Wood, Torr, "Gradients without backpropagation", 2022, algorithm 1.
    """

    kind = "forward_gradient"
    directions: int = 1

    def __post_init__(self) -> None:
        """Check that directions is a positive integer."""
        count_settings(self, "directions")

    def check(self, network: Network, trained: int) -> None:
        """Check that every layer has a forward derivative. Raises ConfigError."""
        for link in network.walk():
            if not link.layer.defines("tangent"):
                raise ConfigError(
                    f"forward_gradient needs the forward derivative of {link.name} "
                    f"({type(link.layer).__name__}); define tangent(params, v, cache, a_dot, ctx) in the "
                    "layer, or take spsa."
                )

    def estimate(self, here: Landscape) -> NDArray[np.float64]:
        """(dL/dx . v) v, averaged"""
        v = here.rng.standard_normal((self.directions, len(here.trained)))  # (directions, P)
        slopes = np.array([here.slope(direction) for direction in v])  # (directions,)
        g: NDArray[np.float64] = slopes / self.directions @ v
        return g
