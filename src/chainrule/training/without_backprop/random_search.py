"""Random search: take a random step, and keep it if the loss falls."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.core.settings import number_settings
from chainrule.training.without_backprop.base import Search
from chainrule.training.without_backprop.landscape import Landscape

WIDENING_FACTOR = 1.3
"""The factor by which a success widens the steps; four failures undo it, so one success in five keeps the width."""


class RandomSearchState(NamedTuple):
    """The state of a random search: the width of its steps."""

    sigma: Any  # ()


@dataclass(frozen=True)
class RandomSearch(Search):
    """Random search: a random step, kept if it lowers the loss of this batch.

    x <- x + sigma e  if  L(x + sigma e) < L(x)          e ~ N(0, I)

    sigma adapts: multiplied by 1.3 after a success, divided by 1.3^(1/4) after a failure, which keeps one step in five
    successful.
    cost: 2 forward passes, one at x and one at the candidate.  It estimates no gradient: an accepted step has a cosine
    of about 1 / sqrt(P) with the descent direction.
    Source: Schumer, Steiglitz, "Adaptive step size random search", IEEE Transactions on Automatic Control 13, 1968;
    the rule of one fifth is Rechenberg's, Evolutionsstrategie, 1973.
    """

    kind = "random_search"
    sigma: float = 0.02

    def __post_init__(self) -> None:
        """Check that sigma is a positive number."""
        number_settings(self, "sigma", above=0)

    def init(self, x: NDArray[np.float64]) -> RandomSearchState:
        """The initial sigma."""
        return RandomSearchState(np.asarray(self.sigma))

    def move(
        self, here: Landscape, state: RandomSearchState
    ) -> tuple[NDArray[np.float64], RandomSearchState]:
        """x + sigma e, or x"""
        x = here.x
        candidate = x + state.sigma * here.rng.standard_normal(len(x))
        if here.losses(candidate[None])[0] < here.value:
            return candidate, RandomSearchState(np.asarray(state.sigma * WIDENING_FACTOR))
        return x, RandomSearchState(np.asarray(state.sigma * WIDENING_FACTOR**-0.25))
