"""OpenAI's evolution strategy: samples around x, and a step towards the better ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chainrule.core.settings import count_settings, number_settings
from chainrule.training.without_backprop.base import Estimator
from chainrule.training.without_backprop.landscape import Landscape


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
