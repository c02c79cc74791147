"""Gradients estimated from random directions: by the exact slope along them, or by losses on both sides."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chainrule.core.settings import count_settings, number_settings
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


@dataclass(frozen=True)
class SPSA(Estimator):
    """Simultaneous perturbation: a central difference along random signs.

    g = mean over `directions` of  (L(x + c d) - L(x - c d)) / 2c * d          d_i = +1 or -1, equally likely

    cost: 2 forward passes per direction, and one at x for the recorded loss.
    bias: of the order c^2, because E[d d^T] = I.  variance: E|g - dL/dx|^2 = (P - 1) |dL/dx|^2 / directions, so that
    with one direction the cosine between g and dL/dx has a root mean square of 1 / sqrt(P).
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


@dataclass(frozen=True)
class OpenAIES(Estimator):
    """Evolution as a gradient: mirrored samples around x, weighted by the rank of their loss.

    g = 1/(2 pairs sigma) sum_k (u_k+ - u_k-) e_k          e_k ~ N(0, I),  losses L(x + sigma e_k), L(x - sigma e_k)

    u: the ranks of the 2 pairs losses, from -1/2 (the smallest) to 1/2 (the largest), shared by ties, so that a single
    outlier cannot dominate the step. With the losses themselves as u, this is an unbiased estimate of the gradient of
    E[L(x + sigma e)], the loss smoothed by a Gaussian; ranks approximately keep its direction, not its length.
    cost: 2 pairs forward passes, and one at x for the recorded loss.  bias: from the ranks and the Gaussian.
    variance: the cosine between g and dL/dx has a root mean square of about sqrt(pairs / (P + pairs)).
    Source: Salimans, Ho, Chen, Sidor, Sutskever, "Evolution strategies as a scalable alternative to reinforcement
    learning", 2017, algorithm 1 with mirrored sampling and fitness shaping; without its weight decay.
    """

    kind = "openai_es"
    pairs: int = 16
    sigma: float = 0.02

    def __post_init__(self) -> None:
        """Check that pairs is a positive integer and sigma a positive number."""
        count_settings(self, "pairs")
        number_settings(self, "sigma", above=0)

    def estimate(self, here: Landscape) -> NDArray[np.float64]:
        """sum_k (u_k+ - u_k-) e_k / (2 pairs sigma)"""
        x = here.x
        e = here.rng.standard_normal((self.pairs, len(x)))  # (pairs, P)
        losses = here.losses(np.concatenate([x + self.sigma * e, x - self.sigma * e]))  # (2 pairs,)
        high, low = np.split(centered_ranks(losses), 2)
        g: NDArray[np.float64] = (high - low) / (2 * self.pairs * self.sigma) @ e
        return g


def centered_ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return ranks (n,) from -1/2 to 1/2; NaN is the largest, and ties share the mean of their ranks."""
    # Like SciPy's rankdata, without the half second of importing scipy.stats.
    _, place, counts = np.unique(
        np.where(np.isnan(values), np.inf, values), return_inverse=True, return_counts=True
    )
    ranks = np.cumsum(counts) - (counts + 1) / 2  # of each value, from 0 to n - 1
    centered: NDArray[np.float64] = ranks[place] / (len(values) - 1) - 0.5
    return centered
